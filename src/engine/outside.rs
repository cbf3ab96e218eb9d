//! What a run asks of the world while it decides: locks of the project, and what a gate shows.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tracing::{debug, trace};

use super::bench::Bench;
use crate::blueprint::model::{LockMode, LockRequest};
use crate::blueprint::{TaskIndex, task_digest};
use crate::document::Source;
use crate::locks::{Attempt, Claim, Guard, LockError, Locks, Mode, Party, Request};
use crate::run::{Failure, GateMoment, KeptPort, Usage, World};

pub(super) struct Outside<'a> {
    bench: &'a Bench<'a>,
    source: &'a Source,
    locks: Locks,
    /// Places in the queues of locks.
    wishes: HashMap<u32, Request>,
    guards: HashMap<u32, Guard>,
    /// Why locks cannot be relied on. Nothing that needs one starts any more.
    broken: Option<LockError>,
}

impl<'a> Outside<'a> {
    pub(super) fn new(bench: &'a Bench<'a>, source: &'a Source, locks: Locks) -> Self {
        Self { bench, source, locks, wishes: HashMap::new(), guards: HashMap::new(), broken: None }
    }

    fn ask(&mut self, task: TaskIndex) -> Result<bool, LockError> {
        if !self.wishes.contains_key(&task.0) {
            let claims = claims(self.bench, task);
            // One of ours in the queue of a lock is enough: the next one asks when that one has it.
            let is_wanted =
                |claim: &Claim| self.wishes.values().flat_map(Request::claims).any(|one| one.name == claim.name);
            if claims.iter().any(is_wanted) {
                return Ok(false);
            }
            debug!(task = %self.bench.task(task).id, locks = claims.len(), "asks for its locks");
            let party = Party::new(self.bench.files.id(), self.bench.task(task).id.as_str());
            self.wishes.insert(task.0, self.locks.request(party, claims)?);
        }
        let Some(request) = self.wishes.get_mut(&task.0) else {
            return Ok(false);
        };
        match request.try_acquire(Timestamp::now())? {
            Attempt::Acquired(guard) => {
                self.wishes.remove(&task.0);
                self.guards.insert(task.0, guard);
                debug!(task = %self.bench.task(task).id, "has its locks");
                Ok(true)
            }
            Attempt::Waiting => {
                trace!(task = %self.bench.task(task).id, "waits for locks that others hold");
                Ok(false)
            }
        }
    }

    /// Gives up the places in queues of tasks that do not wait any more.
    pub(super) fn give_up(&mut self, waits: impl Fn(TaskIndex) -> bool) {
        self.wishes.retain(|index, _| waits(TaskIndex(*index)));
    }

    /// Copies of the descriptors of a task's locks, for the work to hold.
    pub(super) fn descriptors(&self, task: TaskIndex) -> std::io::Result<Vec<OwnedFd>> {
        let guard = self.guards.get(&task.0);
        guard.into_iter().flat_map(Guard::descriptors).map(|file| file.try_clone_to_owned()).collect()
    }

    /// When to ask for the locks of others again.
    pub(super) fn poll_after(&self) -> Option<Duration> {
        self.wishes.values().map(Request::poll_after).min()
    }

    pub(super) const fn take_problem(&mut self) -> Option<LockError> {
        self.broken.take()
    }
}

impl World for Outside<'_> {
    fn keep_locks(&mut self, working: &BTreeSet<u32>) {
        self.guards.retain(|index, _| working.contains(index));
    }

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        self.ask(task).unwrap_or_else(|error| {
            self.broken = Some(error);
            false
        })
    }

    /// What a person is shown: the task as it stands in the document and, for a review, what it left.
    fn gate_digest(&mut self, task: TaskIndex, moment: GateMoment, left: &[KeptPort]) -> String {
        let mut hasher = Sha256::new();
        hasher.update(task_digest(self.source, self.bench.task(task)));
        if moment == GateMoment::After {
            for KeptPort { port, digest } in left {
                hasher.update(format!("\0{port}={digest}"));
            }
        }
        short(hasher)
    }

    fn underway(&mut self, attempts: &[(TaskIndex, u32)]) -> Usage {
        let known = attempts.iter().filter_map(|(task, attempt)| self.bench.underway(*task, *attempt));
        known.fold(Usage::default(), Usage::plus)
    }

    /// The task, and how its attempt failed.
    fn failure_digest(&mut self, task: TaskIndex, attempt: u32, failure: &Failure) -> String {
        let mut hasher = Sha256::new();
        hasher.update(task_digest(self.source, self.bench.task(task)));
        for text in [&attempt.to_string(), &failure.message, &failure.stdout, &failure.stderr] {
            hasher.update(format!("\0{text}"));
        }
        short(hasher)
    }
}

/// As much of a digest as people compare.
fn short(hasher: Sha256) -> String {
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The locks of a task and of its verifications, as claims.
fn claims(bench: &Bench<'_>, index: TaskIndex) -> Vec<Claim> {
    let claim = |request: LockRequest<'_>| {
        // `check` refuses names that are not declared.
        let declared = bench.blueprint.execution.lock(&request.name)?;
        let mode = match declared.mode_of(&request) {
            LockMode::Exclusive => Mode::Exclusive,
            LockMode::Shared => Mode::Shared { max_holders: NonZeroU32::new(declared.max_holders) },
        };
        // All runs of a project share a directory of locks, so that its name would tell nothing.
        Some(Claim::new("", declared.name.as_str(), mode))
    };
    bench.task(index).all_locks().filter_map(claim).collect()
}
