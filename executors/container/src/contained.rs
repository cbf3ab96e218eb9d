//! An executor whose work runs in containers.
//!
//! Another executor starts the guard, gives it its time, hears its output and ends it. What it cannot do is end a
//! container below an engine: that is done here, before a report is given that the guard could not see through. Where the
//! engine does not do it, nobody can say that all of the work has ended.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outpost_executor::{Executor, Handle, NotStarted, Outcome, Pending, Report, Standing, Token, Trace, Work};

use crate::{Container, Engine, Guard, Place, contain};

/// Where the work belongs, for as long as it takes.
#[derive(Clone, Debug)]
pub struct Home {
    /// See [`Place`].
    pub root: PathBuf,
    pub folders: Vec<PathBuf>,
    pub scope: String,
}

/// Performs work in containers of one kind.
#[derive(Debug)]
pub struct Contained {
    below: Arc<dyn Executor>,
    container: Container,
    engine: Engine,
    guard: Guard,
    home: Home,
    tokens: Mutex<HashMap<Handle, Token>>,
}

impl Contained {
    /// `below` performs the guards, like any program of this machine.
    pub fn new(below: Arc<dyn Executor>, container: Container, engine: Engine, guard: Guard, home: Home) -> Self {
        Self { below, container, engine, guard, home, tokens: Mutex::default() }
    }

    /// A poisoned lock means that another thread panicked; what it guards changes in single steps.
    fn tokens(&self) -> MutexGuard<'_, HashMap<Handle, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, work: Work) -> Result<Handle, NotStarted> {
        let token = work.token.clone();
        let Home { root, folders, scope } = &self.home;
        let place = Place { root, folders, scope };
        let handle = self.below.start(contain(&self.container, &self.engine, &self.guard, &place, work)?).await?;
        self.tokens().insert(handle.clone(), token);
        Ok(handle)
    }

    /// The report, once no container is left of it.
    async fn cleared(&self, token: Token, mut report: Report) -> Report {
        // A guard that ended by itself has seen to it, and what did not start has none.
        if matches!(report.outcome, Outcome::Exited(_) | Outcome::NotStarted(_)) {
            return report;
        }
        if let Some(reason) = self.removed(token).await {
            report.outcome = Outcome::Lost(reason);
        }
        report
    }

    /// Why a container may be left; nothing where there is none.
    async fn removed(&self, token: Token) -> Option<String> {
        let engine = self.engine.clone();
        let removal = tokio::task::spawn_blocking(move || engine.remove(&token));
        let fault = match removal.await {
            Ok(Ok(())) => return None,
            Ok(Err(fault)) => fault.to_string(),
            Err(error) => error.to_string(),
        };
        Some(format!("its container may still run: {fault}"))
    }

    async fn report(&self, handle: &Handle) -> Report {
        let report = self.below.wait(handle).await;
        let token = self.tokens().get(handle).cloned();
        match token {
            Some(token) => self.cleared(token, report).await,
            // Nobody started it here, or asked what became of it.
            None => report,
        }
    }

    async fn find(&self, trace: Trace<'_>) -> Standing {
        match self.below.reattach(trace).await {
            Standing::Running(handle) => {
                self.tokens().insert(handle.clone(), trace.token.clone());
                Standing::Running(handle)
            }
            Standing::Ended(report) => Standing::Ended(Box::new(self.cleared(trace.token.clone(), *report).await)),
            Standing::Unknown => {
                if let Some(reason) = self.removed(trace.token.clone()).await {
                    tracing::warn!(token = %trace.token, reason, "work that nobody watches may go on");
                }
                Standing::Unknown
            }
        }
    }
}

impl Executor for Contained {
    fn start(&self, work: Work) -> Pending<'_, Result<Handle, NotStarted>> {
        Box::pin(self.begin(work))
    }

    fn wait<'a>(&'a self, handle: &'a Handle) -> Pending<'a, Report> {
        Box::pin(self.report(handle))
    }

    fn cancel<'a>(&'a self, handle: &'a Handle) -> Pending<'a, ()> {
        self.below.cancel(handle)
    }

    fn settle(&self, handle: &Handle) {
        self.below.settle(handle);
    }

    fn reattach<'a>(&'a self, trace: Trace<'a>) -> Pending<'a, Standing> {
        Box::pin(self.find(trace))
    }
}
