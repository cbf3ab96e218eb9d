//! Containers of this machine: which engine, and which of its containers belong to nobody any more.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use outpost_container::{Contained, Container, Engine, Guard, Home, Kind};
use outpost_executor::{Executor, NotStarted};

use crate::blueprint::model::{self, ContainerEngine};
use crate::journal::holder;

/// The word of the command line that leads to the guard of a container.
pub const CONTAINER: &str = "__container";

/// This very program, whatever lies at its path by now.
const OURSELVES: &str = "/proc/self/exe";

/// The guard of a container.
pub fn guard() -> Guard {
    Guard { program: OURSELVES.into(), argument: CONTAINER.into() }
}

/// By which the containers of a store are known.
pub fn scope(store: &Path) -> String {
    store.display().to_string()
}

/// The engine that a document asks for; the first that answers without one.
pub fn kind(container: &model::Container<'_>) -> Option<Kind> {
    container.engine.map(|engine| match engine {
        ContainerEngine::Docker => Kind::Docker,
        ContainerEngine::Podman => Kind::Podman,
    })
}

/// The engine, if one answers here. It may take its time.
pub fn engine_here(kind: Option<Kind>) -> Result<Engine, String> {
    Engine::find(kind, &std::env::var_os("PATH").unwrap_or_default()).map_err(|fault| fault.to_string())
}

/// Engines that were found: they are asked once.
#[derive(Debug)]
pub(super) struct Containers {
    /// Whose containers these are, among those of all projects of the machine.
    store: PathBuf,
    found: Mutex<Vec<(Option<Kind>, Engine)>>,
}

impl Containers {
    pub(super) fn new(store: PathBuf) -> Self {
        Self { store, found: Mutex::default() }
    }

    fn scope(&self) -> String {
        scope(&self.store)
    }

    async fn engine(&self, kind: Option<Kind>) -> Result<Engine, String> {
        let known = |found: &Vec<(Option<Kind>, Engine)>| {
            found.iter().find(|(known, _)| *known == kind).map(|(_, engine)| engine.clone())
        };
        if let Some(engine) = known(&self.found.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(engine);
        }
        let engine = away(move || engine_here(kind)).await?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push((kind, engine.clone()));
        Ok(engine)
    }

    pub(super) async fn executor(
        &self,
        below: Arc<dyn Executor>,
        (kind, container): (Option<Kind>, Container),
        (root, folders): (PathBuf, Vec<PathBuf>),
    ) -> Result<Arc<dyn Executor>, NotStarted> {
        let engine = self.engine(kind).await.map_err(NotStarted::Other)?;
        let home = Home { root, folders, scope: self.scope() };
        Ok(Arc::new(Contained::new(below, container, engine, guard(), home)))
    }

    /// `ours` is the run that begins or goes on.
    pub(super) async fn clear(&self, kind: Option<Kind>, ours: &Path) -> Vec<String> {
        // Where there is none, whatever needs it says so.
        let Ok(engine) = self.engine(kind).await else {
            return Vec::new();
        };
        let (scope, ours) = (self.scope(), ours.to_owned());
        let cleared = away(move || {
            let left = engine.leftovers(&scope).map_err(|fault| fault.to_string())?;
            let mut told = Vec::new();
            for token in left {
                let run = Path::new(&token.run);
                let is_driven = run.is_dir() && !matches!(holder(run), Ok(None));
                if run != ours && is_driven {
                    continue;
                }
                told.push(match engine.remove(&token) {
                    Ok(()) => format!("a container that was left of `{token}` is removed"),
                    Err(fault) => format!("a container that was left of `{token}` may still run: {fault}"),
                });
            }
            Ok(told)
        });
        cleared.await.unwrap_or_else(|reason| vec![format!("nobody knows whether containers were left: {reason}")])
    }
}

/// Asks an engine, which takes its time, beside everything else.
async fn away<T: Send + 'static>(ask: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(ask).await.unwrap_or_else(|error| Err(error.to_string()))
}
