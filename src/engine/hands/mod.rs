//! Who carries out a command: keepers of this machine, containers above them, machines of Systems Manager, the fleet of a
//! service.
//!
//! A piece of work gets its executor when it starts, or when an earlier runner's is asked about; the driver holds on to it.
//! What stands in a handle is its executor's own, so a handle of one is never shown to another.

mod containers;
mod jobs;
#[cfg(feature = "aws")]
mod machines;
#[cfg(not(feature = "aws"))]
#[path = "no_machines.rs"]
mod machines;

use std::path::PathBuf;
use std::sync::Arc;

use outpost_executor::{Executor, Handle, NotStarted, Secrets};

pub use containers::{CONTAINER, engine_here, guard, kind, scope};
pub use jobs::{FLEET_KEY, FLEET_URL, lacking as fleet_lacking};

use super::bench::Bench;
use crate::blueprint::TaskIndex;
use crate::blueprint::site::Site;
use crate::run::Moment;

/// The executors of a run.
#[derive(Debug)]
pub struct Hands {
    shell: Arc<dyn Executor>,
    containers: containers::Containers,
    machines: machines::Fleet,
    jobs: jobs::Services,
}

/// What a command belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub bench: &'a Bench<'a>,
    /// Its task, and when its attempt began; hooks of the run have none.
    pub task: Option<(TaskIndex, Moment)>,
}

impl Hands {
    /// `store` is that of the run, and `secrets` are all that its work may print.
    pub fn new(shell: Arc<dyn Executor>, store: PathBuf, secrets: Secrets) -> Self {
        Self {
            shell,
            containers: containers::Containers::new(store),
            jobs: jobs::Services::new(secrets.clone()),
            machines: machines::Fleet::new(secrets),
        }
    }

    /// This machine's own.
    pub fn shell(&self) -> Arc<dyn Executor> {
        Arc::clone(&self.shell)
    }

    /// Who carries out what runs there.
    pub async fn at(&self, site: &Site<'_, '_>, owner: Owner<'_>) -> Result<Arc<dyn Executor>, NotStarted> {
        match (site, owner.task) {
            (Site::Container(container), Some((task, at))) => {
                let container = (kind(container), owner.bench.container(task, at, container));
                let folders = owner.bench.exchanged();
                // A task in a tree of its own has that for the project.
                let root = owner.bench.root_of(task);
                self.containers.executor(self.shell(), container, (root, folders)).await
            }
            (Site::Machines(machines), _) => self.machines.executor(machines).await,
            (Site::Fleet(fleet), _) => self.jobs.executor(fleet),
            _ => Ok(self.shell()),
        }
    }

    /// Who can say what became of a handle: nobody, where what was asked is not there any more.
    pub async fn past(
        &self,
        site: &Site<'_, '_>,
        owner: Owner<'_>,
        handle: Option<&Handle>,
    ) -> Option<Arc<dyn Executor>> {
        let now = Whose::of_site(site);
        match handle.map(Whose::of_handle) {
            // The document was edited since.
            Some(Whose::Keepers) if now != Whose::Keepers => return Some(self.shell()),
            Some(then) if then != now => return None,
            _ => {}
        }
        // Without an engine the keeper can still tell.
        let fallback = (now == Whose::Keepers).then(|| self.shell());
        self.at(site, owner).await.ok().or(fallback)
    }

    /// Removes the containers of runs that nobody drives any more, and those of this one, of which nothing runs yet. What
    /// stands in the way, in a line each.
    pub async fn clear(&self, bench: &Bench<'_>) -> Vec<String> {
        let wanted = bench.blueprint.indices().filter_map(|index| match bench.site(index) {
            Site::Container(container) => Some(kind(container)),
            _ => None,
        });
        let mut kinds: Vec<_> = wanted.collect();
        kinds.dedup();
        let mut told = Vec::new();
        for kind in kinds {
            told.extend(self.containers.clear(kind, bench.files.folder()).await);
        }
        told.sort_unstable();
        told.dedup();
        told
    }
}

/// Who can read a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Keepers,
    Machines,
    Fleet,
}

impl Whose {
    const fn of_site(site: &Site<'_, '_>) -> Self {
        match site {
            Site::Machines(_) => Self::Machines,
            Site::Fleet(_) => Self::Fleet,
            Site::Here | Site::Container(_) => Self::Keepers,
        }
    }

    /// Keepers write no such things into theirs.
    fn of_handle(handle: &Handle) -> Self {
        let read = serde_json::from_str::<serde_json::Value>(&handle.0).unwrap_or_default();
        let names = |key: &str| read.get(key).is_some();
        match () {
            () if names("targets") => Self::Machines,
            () if names("service") => Self::Fleet,
            () => Self::Keepers,
        }
    }
}
