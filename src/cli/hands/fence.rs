//! What an agent runs behind: the document's words and the layers of this machine, as a fence for its attempt.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use outpost_agent::attempt::Fence;
use outpost_agent::command::Approval;
use outpost_agent::definition::Definition;
use outpost_sandbox::Layers;

use super::stand::Stand;
use crate::cli::walls::NO_LAYER;
use crate::engine::agent::order::Sandbox;

/// A fence, or none; and what is to be said of it.
pub(super) struct Built {
    pub(super) fence: Option<Fence>,
    pub(super) told: Vec<String>,
}

/// Refuses where there has to be one and cannot.
pub(super) fn build(
    sandbox: Option<&Sandbox>,
    stand: Option<&Stand>,
    (definition, approval): (&Definition, Approval),
    own: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Built, String> {
    let Some(sandbox) = sandbox else {
        return Ok(Built { fence: None, told: vec!["no sandbox: the document says `sandbox: none`".to_owned()] });
    };
    let layers = Layers::probe();
    if !layers.hold_files() {
        if sandbox.required {
            return Err(format!("{NO_LAYER}; the document says `sandbox: require`"));
        }
        return Ok(Built { fence: None, told: vec![format!("no sandbox: {NO_LAYER}")] });
    }
    if definition.approval.sandboxed.contains(&approval) {
        let (id, word) = (&definition.id, approval.word());
        if sandbox.required {
            return Err(format!(
                "with `approval: {word}`, `{id}` starts a sandbox of its own, which cannot be within ours, and the document \
                 says `sandbox: require`: let it have `approval: full`"
            ));
        }
        let told = format!(
            "no sandbox: with `approval: {word}` it is left to the one that `{id}` brings, within which none can be"
        );
        return Ok(Built { fence: None, told: vec![told] });
    }
    let home = own("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let mut told = Vec::new();
    let mut named = |texts: &[String]| -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for text in texts {
            match place(text, &sandbox.project, home.as_deref()) {
                Ok(path) => paths.push(path),
                Err(why) => told.push(format!("sandbox: `{text}` {why}, and is passed over")),
            }
        }
        paths
    };
    let (read, write) = (named(&sandbox.read), named(&sandbox.write));
    let objects = stand.map(|stand| stand.repository.objects().to_owned()).into_iter();
    // What the document opens is no longer kept from it.
    let is_opened = |folder: &PathBuf| {
        let real = folder.canonicalize();
        real.is_ok_and(|real| read.iter().chain(&write).any(|open| real.starts_with(open)))
    };
    let mut hidden = if stand.is_none() { folders(&sandbox.store) } else { Vec::new() };
    hidden.retain(|folder| !is_opened(folder));
    let guarded = [&sandbox.project, &sandbox.store].into_iter().chain(&sandbox.trees).cloned().collect();
    let fence = Fence {
        required: sandbox.required,
        gateway_only: sandbox.gateway_only,
        tree: Some(stand.map_or_else(|| sandbox.project.clone(), |stand| stand.worktree.path.clone())),
        handed: objects.chain(sandbox.handed.iter().cloned()).collect(),
        read,
        write,
        hidden,
        guarded,
        ..Fence::new(layers)
    };
    Ok(Built { fence: Some(fence), told })
}

/// A path of the document: of the project, of the home, or absolute.
fn place(text: &str, project: &Path, home: Option<&Path>) -> Result<PathBuf, &'static str> {
    let path = match text.strip_prefix("~/") {
        Some(rest) => home.ok_or("needs `HOME`")?.join(rest),
        None => project.join(text),
    };
    let real = path.canonicalize().map_err(|_| "is not there")?;
    // What lies in the project may be a link that an agent made.
    let is_own = !Path::new(text).is_absolute() && !text.starts_with("~/");
    if is_own && !project.canonicalize().is_ok_and(|project| real.starts_with(project)) {
        return Err("leads out of the project");
    }
    Ok(path)
}

/// What the store keeps: in the project's directory it would lie within what the agent works on.
fn folders(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()))
        .collect()
}
