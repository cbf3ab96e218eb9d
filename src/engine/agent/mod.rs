//! The driver's side of work that a coding agent does.
//!
//! ```text
//! model, inputs, earlier attempts ─► order ─► `outpost-bp __agent ORDER.json` ─► outcome.json, place.json
//!        ▲                                                                            │
//!        └────────── next attempt ◄── course ◄── verification, landing ◄──────────────┘
//! ```
//! An attempt is a process of our own below a keeper, like any command: [`order`] is what it is asked, `brief` the part
//! of it that the agent reads, [`past`] what earlier attempts left, [`course`] what follows from a failure. It starts
//! nothing and waits for nothing; what the processes do is in `cli::hands`.

pub(super) mod brief;
pub mod course;
pub mod order;
pub mod past;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The words of the command line that lead to the processes of an agent's task.
pub const AGENT: &str = "__agent";
pub const LAND: &str = "__land";
/// And to those of any task in a tree of its own.
pub const TREE: &str = "__tree";
pub const COMMIT: &str = "__commit";
/// The word that leads into the sandbox: what follows is no file.
pub const SANDBOX: &str = outpost_sandbox::ARGUMENT;

/// Our folder among those of other programs.
const HOME: &str = "outpost-bp";

/// The user's own definitions of agents.
pub fn definitions(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    base(&variable, "XDG_CONFIG_HOME", ".config").map(|folder| folder.join(HOME).join("agents"))
}

/// Where the trees of a project's agents are: outside of it, or tools would take the project for a part of them.
pub fn trees(root: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    base(&variable, "XDG_CACHE_HOME", ".cache").map(|folder| folder.join(HOME).join("trees").join(digest))
}

/// Removes the trees of a run; its branches stay.
pub fn clear_trees(trees: &Path, run: &str) -> std::io::Result<()> {
    let Ok(name) = outpost_workspace::Name::of(run) else {
        return Ok(());
    };
    // Folders that nobody may write to, as package managers make them, go too.
    outpost_workspace::remove(&trees.join(name.as_str())).map_err(|error| std::io::Error::other(error.to_string()))
}

fn base(variable: impl Fn(&str) -> Option<OsString>, own: &str, usual: &str) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(own).or_else(|| Some(absolute("HOME")?.join(usual)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{definitions, trees};

    #[test]
    fn folders_are_where_the_user_keeps_such_things() {
        let at = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let both = at(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/c"), ("XDG_CACHE_HOME", "not absolute")]);
        assert_eq!(definitions(both).as_deref(), Some(Path::new("/c/outpost-bp/agents")));
        let place = trees(Path::new("/p"), both).expect("a home");
        assert!(place.starts_with("/home/a/.cache/outpost-bp/trees"), "{}", place.display());
        assert_ne!(trees(Path::new("/q"), both), Some(place));
        assert_eq!(definitions(at(&[])), None);
    }
}
