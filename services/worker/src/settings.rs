//! What may differ from one worker to the next. What all of an installation share lies in the settings of the `Desk`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::ports::Stay;
use outpost_core::tenant::Tier;

/// Settings of a worker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Jobs at once.
    pub slots: usize,
    /// Where the folders of jobs are made, on a local disk. Others' files in it are left alone.
    pub workspaces: PathBuf,
    /// Definitions of agents of the operator's own, beside the built-in ones.
    pub agents: Option<PathBuf>,
    pub sources: Sources,
    pub fence: Fence,
    pub clocks: Clocks,
    pub bounds: Bounds,
    /// Who is told whether there are jobs here, where somebody might take the machine away.
    pub stay: Option<Arc<dyn Stay>>,
}

/// Where repositories may come from, beside what the desk's offer says of their form.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Folders of this machine below which a job may name a repository. Empty: none.
    pub folders: Vec<PathBuf>,
    /// Hosts that may have private addresses, because the operator says so.
    pub private_hosts: Vec<String>,
    /// What is asked in place of a host: `github.com` → `http://127.0.0.1:3000`. It is trusted as the operator names it.
    pub mirrors: BTreeMap<String, String>,
}

/// What stands around what a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walls {
    /// The best that this machine has; a job is refused where it has none.
    Required,
    /// The best that this machine has, if it has any.
    Preferred,
    /// None: jobs may do what the worker may. For one machine with one tenant.
    Off,
}

#[derive(Clone, Copy, Debug)]
pub struct Fence {
    pub walls: Walls,
    /// Whether the network of a job ends at the gateway of its model; that of a command is off then.
    pub gateway_only: bool,
}

/// How long things take. All of it can be made small together: nothing else has a clock of its own.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// For how long a ticket stays hidden that nobody hides again; longer than the lease of the desk.
    pub hide: Duration,
    /// How long an idle worker waits for a ticket in one call.
    pub wait: Duration,
    /// How often what a job says is passed on.
    pub tell: Duration,
    /// How often the room that a job takes is looked at.
    pub measure: Duration,
    /// From the request to end to the end by force.
    pub grace: Duration,
    /// How often it looks for what went missing, for all workers; none: others do.
    pub reap: Option<Duration>,
}

/// How much of anything a job may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes on disk, by tier.
    pub disk: [(Tier, u64); 3],
    /// Bytes of the log that are passed on while it is written, and those that are kept of its end.
    pub log_head: usize,
    pub log_tail: usize,
    /// Bytes of one file that a job leaves, and of all of them.
    pub artifact: u64,
    pub artifacts: u64,
}

impl Bounds {
    #[must_use]
    pub fn disk(&self, tier: Tier) -> u64 {
        self.disk.iter().find(|(of, _)| *of == tier).map_or(0, |(_, bytes)| *bytes)
    }
}

impl Settings {
    /// What holds unless an operator says otherwise. `lease` is the desk's.
    #[must_use]
    pub fn new(workspaces: impl Into<PathBuf>, lease: Duration) -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            slots: 2,
            workspaces: workspaces.into(),
            agents: None,
            sources: Sources::default(),
            fence: Fence { walls: Walls::Required, gateway_only: false },
            clocks: Clocks {
                hide: lease + lease / 4,
                wait: Duration::from_secs(20),
                tell: Duration::from_secs(1),
                measure: Duration::from_secs(2),
                grace: Duration::from_secs(10),
                reap: Some(Duration::from_secs(60)),
            },
            bounds: Bounds {
                disk: [(Tier::Free, 2 * GIB), (Tier::Pro, 10 * GIB), (Tier::Enterprise, 20 * GIB)],
                log_head: 8 << 20,
                log_tail: 1 << 20,
                artifact: 64 << 20,
                artifacts: 256 << 20,
            },
            stay: None,
        }
    }
}
