//! What a command may reach: plain data, as it is handed to the process that binds itself.
//!
//! Paths are absolute and exist when the command starts; a path that is not named is out of reach.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How far a command may speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Network {
    /// Everywhere.
    On,
    /// To these TCP ports only: the model gateway's. Bubblewrap gives a loopback of its own when there are none.
    Loopback { ports: Vec<u16> },
    /// Nowhere.
    Off,
}

/// What one process may take. `None` leaves what the machine gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub open_files: Option<u64>,
    /// Bytes of one file.
    pub file_bytes: Option<u64>,
    /// Counted by the kernel over all processes of the user: of use with a user of its own.
    pub processes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open_files: Some(4096), file_bytes: Some(4 << 30), processes: None }
    }
}

/// What a command may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Where it works: may be read and written.
    pub workspace: PathBuf,
    /// What it finds as its home, read and written: a fresh folder, never the user's.
    pub home: PathBuf,
    /// Beside the system's own: toolchains, the agent's program.
    pub read_only: Vec<PathBuf>,
    pub read_write: Vec<PathBuf>,
    /// Folders within the workspace that are kept from it all the same. Only bubblewrap can: Landlock's rules add up.
    pub hidden: Vec<PathBuf>,
    pub network: Network,
    /// Whether it may open sockets that are files: a daemon's, as docker's, may do anything for it.
    pub local_sockets: bool,
    pub limits: Limits,
    /// A user of its own, where the runner is root and bubblewrap is not used. The paths have to belong to it.
    pub user: Option<u32>,
}

impl Policy {
    /// A workspace and a home, the system read-only, no network, no local sockets.
    pub fn new(workspace: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            workspace: workspace.into(),
            home: home.into(),
            read_only: Vec::new(),
            read_write: Vec::new(),
            hidden: Vec::new(),
            network: Network::Off,
            local_sockets: false,
            limits: Limits::default(),
            user: None,
        }
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let named = self.read_only.iter().chain(&self.read_write).chain(&self.hidden);
        [&self.workspace, &self.home].into_iter().chain(named)
    }
}

/// What the process that binds itself is told.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// It stands in a view that bubblewrap made.
    pub(crate) inside: bool,
    /// The machine takes filters of system calls.
    pub(crate) filter: bool,
    pub(crate) policy: Policy,
}

/// What every program needs of a system: programs, libraries, certificates, names. Without its secrets only as far as
/// the system itself hides them.
pub const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt"];
