//! What keeps an agent to its own: from an attempt to a policy of the sandbox.
//!
//! It may write its tree, the home of its task and its part of the attempt's folder; it may read the system, the programs
//! of `PATH` and what it is given; nothing else of the user's is in reach, the keys least of all. What it is given of the
//! user's home stands at the same place in its own, as a link, so that programs find it. A link that the agent left
//! where something of ours is to go is removed, not followed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use outpost_sandbox::{Layers, Network, Policy};

use super::environment::{Folders, Own, own_folder};
use super::job::{Access, Job};
use super::toolchain::{Tools, is_system};
use crate::definition::Definition;

/// The sandbox of an attempt.
#[derive(Clone, Debug)]
pub struct Fence {
    pub layers: Layers,
    /// Whether the attempt is refused where the machine leaves something open.
    pub required: bool,
    /// What it works on as a whole; none: the job's workspace.
    pub tree: Option<PathBuf>,
    /// To be read: objects that the repository in its tree borrows, inputs.
    pub handed: Vec<PathBuf>,
    /// Named by the task: there, and absolute.
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// Folders within the tree that are not for the agent.
    pub hidden: Vec<PathBuf>,
    /// No toolchain that is found brings these into reach.
    pub guarded: Vec<PathBuf>,
    /// Whether its network ends at the gateway.
    pub gateway_only: bool,
}

impl Fence {
    /// A workspace and nothing beside it.
    pub fn new(layers: Layers) -> Self {
        Self {
            layers,
            required: false,
            tree: None,
            handed: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
            hidden: Vec::new(),
            guarded: Vec::new(),
            gateway_only: false,
        }
    }
}

/// The sandbox of an attempt that begins.
#[derive(Debug)]
pub(super) struct Walls<'a> {
    fence: &'a Fence,
    policy: Policy,
}

impl<'a> Walls<'a> {
    /// Lays out the home and makes the policy. `port` is the gateway's.
    pub(super) fn raise(
        fence: &'a Fence,
        (job, definition): (&Job, &Definition),
        (folders, program): (&Folders, &Path),
        port: Option<u16>,
        own: Own<'_>,
    ) -> Result<Self, String> {
        let home = own("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let tree = fence.tree.as_ref().unwrap_or(&job.workspace);
        let mut policy = Policy::new(tree, &folders.home);
        policy.network = match port {
            _ if !fence.gateway_only => Network::On,
            Some(port) => Network::Loopback { ports: vec![port] },
            None if definition.auth.is_none() => Network::Loopback { ports: Vec::new() },
            None => {
                return Err(format!(
                    "its network is to end at the gateway, and with a login `{}` goes past that: set its key, or take \
                     `network: gateway` away",
                    job.agent
                ));
            }
        };
        policy.hidden.clone_from(&fence.hidden);
        let login = login(job, definition, home.as_deref());
        let tools = Tools::find(program, home.as_deref(), &fence.guarded, own);
        let mut read = vec![job.folder.join("prompt.md"), folders.secure.clone()];
        read.extend(fence.handed.iter().chain(&tools.paths).chain(&fence.read).cloned());
        let mut write = vec![folders.run.clone(), folders.state.clone()];
        write.extend(login.iter().chain(&fence.write).cloned());
        policy.read_only = reachable(&read);
        policy.read_write = reachable(&write);
        if let Some(home) = &home {
            let told = |error: io::Error| format!("`{}` could not be laid out: {error}", folders.home.display());
            forget(definition, &folders.home).map_err(told)?;
            let named = fence.read.iter().chain(&fence.write).chain(&tools.managers);
            for path in named {
                lend(home, &folders.home, path, false).map_err(told)?;
            }
            for path in &login {
                lend(home, &folders.home, path, true).map_err(told)?;
            }
        }
        Ok(Self { fence, policy })
    }

    /// The command behind the layers.
    pub(super) fn around(&self, command: &Command) -> Result<Command, String> {
        self.fence.layers.wrap(&self.policy, command, self.fence.required).map_err(|error| format!("failed to {error}"))
    }

    /// The process group of an agent that was started; none while it does not run yet.
    pub(super) fn group(&self, started: u32) -> Option<u32> {
        self.fence.layers.group(started)
    }

    /// Which layers are used, and what they leave open.
    pub(super) fn lines(&self) -> Vec<String> {
        let used = format!("sandbox: {}", self.fence.layers.names());
        let gaps = self.fence.layers.gaps(&self.policy);
        std::iter::once(used).chain(gaps.iter().map(|gap| format!("sandbox: {gap}"))).collect()
    }

    /// For the record.
    pub(super) fn shown(&self) -> serde_json::Value {
        let Policy { workspace, home, read_only, read_write, hidden, network, .. } = &self.policy;
        serde_json::json!({
            "layers": self.fence.layers.describe(),
            "tree": workspace, "home": home, "read": read_only, "write": read_write, "hidden": hidden,
            "network": network,
        })
    }
}

/// What of the user's home is the agent's login, where it has no other key.
fn login(job: &Job, definition: &Definition, home: Option<&Path>) -> Vec<PathBuf> {
    let (Access::Login { .. }, Some(auth), Some(home)) = (&job.access, &definition.auth, home) else {
        return Vec::new();
    };
    auth.login.iter().map(|path| home.join(path)).filter(|path| path.exists()).collect()
}

/// Takes away what an attempt with a login was lent.
fn forget(definition: &Definition, own: &Path) -> io::Result<()> {
    for path in definition.auth.iter().flat_map(|auth| &auth.login).map(|path| own.join(path)) {
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Something of the user's home, at the same place in the agent's own. What the agent has there itself stays, unless it
/// has to give way.
fn lend(home: &Path, own: &Path, path: &Path, has_to: bool) -> io::Result<()> {
    let Some(inner) = path.strip_prefix(home).ok().filter(|inner| inner.file_name().is_some()) else {
        return Ok(());
    };
    let link = own.join(inner);
    if let Some(folder) = inner.parent() {
        own_folder(own, folder)?;
    }
    match fs::symlink_metadata(&link) {
        Ok(found) if found.is_symlink() => fs::remove_file(&link)?,
        Ok(found) if has_to && found.is_dir() => fs::remove_dir_all(&link)?,
        Ok(_) if has_to => fs::remove_file(&link)?,
        Ok(_) => return Ok(()),
        Err(_) => {}
    }
    symlink(path, &link)
}

/// What of these is there, by its name and by where it really is.
fn reachable(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let Ok(real) = path.canonicalize() else { continue };
        for path in [real, path.clone()] {
            // A name below what is there already is seen through it.
            if !is_system(&path) && !found.iter().any(|known| path.starts_with(known)) {
                found.push(path);
            }
        }
    }
    found
}

/// The port of an address that ends with one.
pub(super) fn port(address: &str) -> Option<u16> {
    address.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
}

/// A command as it would be started without a sandbox.
pub(super) fn bare(
    program: impl AsRef<OsStr>,
    args: &[String],
    env: &[(OsString, OsString)],
    folder: &Path,
) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir(folder);
    command
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{lend, own_folder, port, reachable};

    #[test]
    fn what_is_lent_stands_at_the_same_place_and_no_link_of_the_agents_is_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let (home, own, victim) = (root.path().join("home"), root.path().join("own"), root.path().join("victim"));
        for folder in [home.join(".local/share/tool"), home.join(".login"), own.join(".login"), victim.clone()] {
            fs::create_dir_all(folder).expect("room");
        }
        fs::write(own.join(".login/old"), "").expect("room");
        symlink(&victim, own.join(".local")).expect("a link");
        lend(&home, &own, &home.join(".local/share/tool"), false).expect("room");
        assert!(fs::read_dir(&victim).expect("a folder").next().is_none(), "the link was followed");
        assert_eq!(fs::read_link(own.join(".local/share/tool")).expect("a link"), home.join(".local/share/tool"));
        // Its own stays, unless a login has to be there; and what lies elsewhere is not lent.
        lend(&home, &own, &home.join(".login"), false).expect("room");
        assert!(own.join(".login/old").exists());
        for _ in 0..2 {
            lend(&home, &own, &home.join(".login"), true).expect("room");
            assert_eq!(fs::read_link(own.join(".login")).expect("a link"), home.join(".login"));
        }
        lend(&home, &own, &victim, true).expect("nothing to do");
        lend(&home, &own, &home, true).expect("nothing to do");
        assert!(!own.join("victim").exists());

        symlink(&victim, own.join(".tool")).expect("a link");
        own_folder(&own, ".tool/sub".as_ref()).expect("room");
        assert!(own.join(".tool/sub").is_dir() && !victim.join("sub").exists());
    }

    #[test]
    fn paths_are_named_once_and_where_they_really_are() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("a folder");
        fs::create_dir_all(root.join("a/b")).expect("room");
        symlink(root.join("a"), root.join("link")).expect("a link");
        let found =
            reachable(&[root.join("a"), root.join("a/b"), root.join("link"), root.join("no"), "/usr/bin".into()]);
        assert_eq!(found, [root.join("a"), root.join("link")]);
        assert_eq!((port("http://127.0.0.1:81"), port("http://[::1]:7/"), port("nowhere")), (Some(81), Some(7), None));
    }
}
