//! The runner's side: tasks go to keepers, reports come back.
//!
//! One keeper per task that runs at once, kept for the next; no thread per task. It lives on whatever tokio runtime
//! calls it. What is known only here: which handle is at which keeper. It dies with the runner, and the handle's text
//! says where to go on (`past`).

mod crew;
mod orphans;
mod past;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outpost_executor::{Executor, Handle, NotStarted, OnRunnerDeath, Pending, Report, Standing, Token, Trace, Work};

use self::crew::{Crew, Keeper};
use self::past::Place;
use crate::keeper;
use crate::order::{Baggage, Order};
use crate::wire::{Answer, Request};

/// How keepers are started.
#[derive(Debug)]
pub struct Keepers {
    /// A program that calls [`keeper::main`] when it gets `args`.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// What [`crate::raise_open_files`] returned: the soft limit of open files that tasks get.
    pub open_files: Option<u64>,
    /// Kept open by each keeper while it lives. With the run's lock here, nobody resumes the run while keepers of a
    /// runner that died are still ending its tasks.
    pub held: Vec<OwnedFd>,
}

impl Default for Keepers {
    /// The running program itself, as it is now, even if its file is replaced later.
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            args: vec![keeper::ARGUMENT.into()],
            open_files: None,
            held: Vec::new(),
        }
    }
}

/// Runs local processes. Dropping it does to those that still run what the death of the runner would.
pub struct Shell {
    crew: Crew,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    started: u64,
    at_work: HashMap<Handle, Arc<Job>>,
}

/// Work at a keeper.
struct Job {
    keeper: Arc<Keeper>,
    token: Token,
    adopted: bool,
    stays: bool,
    state: Mutex<State>,
}

struct State {
    /// Kept until nothing of the work is left, in case the keeper is killed.
    locks: Vec<OwnedFd>,
    report: Option<Report>,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("at_work", &locked(&self.jobs).at_work.keys()).finish_non_exhaustive()
    }
}

/// A poisoned lock means that another thread panicked; what it guards changes in single steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shell {
    pub fn new(keepers: Keepers) -> Self {
        Self { crew: Crew::new(keepers), jobs: Mutex::default() }
    }

    /// Ends like dropping it, and waits until all keepers are gone and have let go of what they held. Work that still
    /// runs is given its grace first; adopted work is not waited for.
    pub async fn close(self) {
        let jobs = std::mem::take(&mut locked(&self.jobs).at_work);
        for job in jobs.into_values() {
            let settled = locked(&job.state).report.is_some();
            if settled || !job.adopted {
                self.crew.let_go(Arc::clone(&job.keeper));
            }
        }
        self.crew.dismiss().await;
    }

    async fn begin(&self, work: Work) -> Result<Handle, NotStarted> {
        let (mut order, baggage) = Order::new(work);
        let file = order.stdout_file.iter_mut().map(|(path, _)| path);
        for path in file.chain([&mut order.dir, &mut order.log]) {
            // The keeper is somewhere else.
            let absolute = std::path::absolute(path.to_path()).map_err(|error| NotStarted::Other(error.to_string()))?;
            path.0 = absolute.into_os_string();
        }
        let (token, log) = (order.token.clone(), order.log.clone());
        let (adopted, stays) = (order.on_runner_death == OnRunnerDeath::Adopt, order.stays);
        let Baggage { stdin, locks } = baggage;
        let keeper = self.crew.send(&Request::Start(Box::new(order)), stdin.as_deref(), &locks).await?;
        let mut jobs = locked(&self.jobs);
        jobs.started += 1;
        let place = Place { keeper: keeper.identity.clone(), token: token.clone(), log, number: jobs.started };
        let handle = place.handle();
        let state = Mutex::new(State { locks, report: None });
        jobs.at_work.insert(handle.clone(), Arc::new(Job { keeper, token, adopted, stays, state }));
        Ok(handle)
    }

    fn job(&self, handle: &Handle) -> Option<Arc<Job>> {
        locked(&self.jobs).at_work.get(handle).cloned()
    }

    async fn report(&self, handle: &Handle) -> Report {
        let Some(job) = self.job(handle) else {
            return past::wait(handle).await;
        };
        if let Some(report) = &locked(&job.state).report {
            return report.clone();
        }
        let (report, nothing_left) = match job.keeper.answer().await {
            // One that could not end it all keeps the locks itself.
            Some(Answer::Ended(report)) => (*report, true),
            _ => self.crew.bury(&job.keeper, &job.token).await,
        };
        let mut state = locked(&job.state);
        let locks = std::mem::take(&mut state.locks);
        if !nothing_left {
            self.crew.hold_for_good(locks);
        }
        state.report.insert(report).clone()
    }

    fn forget(&self, handle: &Handle) {
        let mut jobs = locked(&self.jobs);
        let report = jobs.at_work.get(handle).and_then(|job| locked(&job.state).report.clone());
        // Work that goes on is not settled.
        if let Some((report, job)) = report.and_then(|report| Some((report, jobs.at_work.remove(handle)?))) {
            drop(jobs);
            self.crew.take_back(&job.keeper, &report.outcome, job.stays);
        }
    }
}

impl Executor for Shell {
    fn start(&self, work: Work) -> Pending<'_, Result<Handle, NotStarted>> {
        Box::pin(self.begin(work))
    }

    fn wait<'a>(&'a self, handle: &'a Handle) -> Pending<'a, Report> {
        Box::pin(self.report(handle))
    }

    fn cancel<'a>(&'a self, handle: &'a Handle) -> Pending<'a, ()> {
        Box::pin(async move {
            match self.job(handle) {
                Some(job) => job.keeper.send(&Request::Cancel(job.token.clone())).await,
                None => past::cancel(handle),
            }
        })
    }

    fn settle(&self, handle: &Handle) {
        self.forget(handle);
    }

    fn reattach<'a>(&'a self, trace: Trace<'a>) -> Pending<'a, Standing> {
        Box::pin(past::find(trace))
    }
}
