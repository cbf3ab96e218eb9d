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
    /// Objects that the repository in its tree borrows.
    pub objects: Option<PathBuf>,
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
            objects: None,
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
        read.extend(fence.objects.iter().chain(&tools.paths).chain(&fence.read).cloned());
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
pub(super) fn bare(program: impl AsRef<OsStr>, args: &[String], env: &[(OsString, OsString)], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir(folder);
    command
}
