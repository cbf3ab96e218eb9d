//! When an output is deleted or archived: `output.cleanup`, read against what happened so far.
//!
//! Nothing is due while somebody may still need it: a consumer that is not complete or skipped, in this run, in its
//! `resume`, or in a later one because it was not selected. Only the end of a run that nobody can take up again ends that.
//! What is due is due once; what could not be carried out, a few times.

mod work;

use std::collections::HashMap;

use super::bench::Bench;
use super::output;
use super::remote::errand::Record;
use crate::blueprint::model::{BindingSource, Cleanup, CleanupAction, CleanupPolicy};
use crate::blueprint::status::Status;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{CleanUp, Ending, Event, Moment, Run};

pub use work::{Tidied, Tidying};

/// How often a clean-up is tried that fails.
const TRIES: u32 = 3;

/// What happened so far that clean-ups depend on.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    completed: HashMap<String, Moment>,
    ended: Option<(Moment, Ending)>,
    /// By task: how often it was tried.
    tried: HashMap<String, u32>,
}

impl Ledger {
    pub fn of<'e>(events: impl IntoIterator<Item = &'e (Moment, Event)>) -> Self {
        let mut ledger = Self::default();
        for (at, event) in events {
            ledger.saw(*at, event);
        }
        ledger
    }

    pub fn saw(&mut self, at: Moment, event: &Event) {
        match event {
            Event::TaskCompleted { task, .. } | Event::TaskSkipped { task, .. } => {
                self.completed.insert(task.clone(), at);
            }
            // What it leaves now was never cleaned up.
            Event::StageStarted { task, .. } => {
                self.tried.remove(task);
            }
            Event::RunEnded { state } => self.ended = Some((at, *state)),
            Event::RunnerTookOver { .. } => self.ended = None,
            Event::CleanedUp { task, problem, .. } => {
                let tries = self.tried.entry(task.clone()).or_default();
                *tries = if problem.is_some() { *tries + 1 } else { TRIES };
            }
            _ => {}
        }
    }

    fn is_done(&self, task: &str) -> bool {
        self.tried.get(task).is_some_and(|tries| *tries >= TRIES)
    }
}

/// A clean-up that will be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub task: TaskIndex,
    pub at: Moment,
    pub action: CleanUp,
}

/// What there is to clean up in a run, and when.
#[derive(Debug)]
pub struct Schedule {
    pub ledger: Ledger,
    /// Tasks whose output is to be put away one day.
    wanting: Vec<TaskIndex>,
    /// By task: whoever binds what it left, or waits for it.
    consumers: HashMap<u32, Vec<TaskIndex>>,
    /// When attempts left what they left, as far as anybody asked.
    made: HashMap<(u32, u32), Option<Moment>>,
}

impl Schedule {
    pub fn of(blueprint: &Blueprint<'_>, ledger: Ledger) -> Self {
        let is_wanting = |index: &TaskIndex| {
            let output = blueprint.task(*index).output.as_deref();
            let cleanup = output.and_then(|output| output.cleanup.as_deref());
            cleanup.is_some_and(|cleanup| cleanup.policy != CleanupPolicy::Never)
        };
        let wanting: Vec<TaskIndex> = blueprint.indices().filter(is_wanting).collect();
        let mut consumers: HashMap<u32, Vec<TaskIndex>> = HashMap::new();
        for index in blueprint.indices().filter(|_| !wanting.is_empty()) {
            let task = blueprint.task(index);
            let bound = task.bindings.iter().filter_map(|binding| match &binding.source {
                BindingSource::Task { target, .. } => *target,
                BindingSource::Path(_) => None,
            });
            for source in task.dependencies.iter().filter_map(|dependency| dependency.target).chain(bound) {
                consumers.entry(source.0).or_default().push(index);
            }
        }
        Self { ledger, wanting, consumers, made: HashMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.wanting.is_empty()
    }

    /// What is due now or will be by time alone, soonest first.
    pub fn coming(&mut self, bench: &Bench<'_>, run: &Run) -> Vec<Due> {
        // Who did the work of another serves the consumers of that one.
        let mut stands_for: HashMap<&str, Vec<TaskIndex>> = HashMap::new();
        for index in bench.blueprint.indices() {
            if let Some(fallback) = run.task(index).replaced_by.as_deref() {
                stands_for.entry(fallback).or_default().push(index);
            }
        }
        let mut all: Vec<Due> = Vec::new();
        for task in self.wanting.clone() {
            let others = stands_for.get(bench.task(task).id.as_str()).into_iter().flatten().copied();
            let sources = std::iter::once(task).chain(others);
            let served = sources.flat_map(|source| self.consumers.get(&source.0).into_iter().flatten());
            let served: Vec<TaskIndex> = served.copied().filter(|consumer| *consumer != task).collect();
            all.extend(self.due(bench, run, task, &served));
        }
        all.sort_by_key(|due| due.at);
        all
    }

    fn due(&mut self, bench: &Bench<'_>, run: &Run, task: TaskIndex, consumers: &[TaskIndex]) -> Option<Due> {
        let Self { ledger, made, .. } = self;
        let cleanup = bench.task(task).output.as_deref()?.cleanup.as_deref()?;
        let id = bench.task(task).id.as_str();
        if !run.task(task).satisfies() || ledger.is_done(id) {
            return None;
        }
        // Made by this run, and known to the last byte.
        let (attempt, ports) = run.task(task).kept.as_ref()?;
        let is_final = ledger.ended.is_some_and(|(_, ending)| !matches!(ending, Ending::Done | Ending::Failed));
        if !is_final && consumers.iter().any(|consumer| is_pending(bench, run, *consumer)) {
            return None;
        }
        let (at, action) = when(cleanup, ledger, || {
            let made = *made.entry((task.0, *attempt)).or_insert_with(|| {
                let values = output::kept(&bench.files.ports(id, *attempt), ports).ok()?;
                Some(Record::among(&values)?.made)
            });
            let times = consumers.iter().filter_map(|consumer| ledger.completed.get(bench.task(*consumer).id.as_str()));
            Some((made?, times.max().or_else(|| ledger.completed.get(id)).copied().or(made)?))
        })?;
        Some(Due { task, at, action })
    }
}

/// When a clean-up is due that nobody stands in the way of. `made` tells when the output was left, and when the last of
/// its consumers was done.
fn when(
    cleanup: &Cleanup<'_>,
    ledger: &Ledger,
    made: impl FnOnce() -> Option<(Moment, Moment)>,
) -> Option<(Moment, CleanUp)> {
    let ttl = cleanup.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    if let Some((ended, ending)) = ledger.ended {
        let action = if ending == Ending::Done { cleanup.on_complete } else { cleanup.on_failure };
        let action = match action {
            None => None,
            Some(CleanupAction::Keep) => return None,
            Some(CleanupAction::Delete) => Some(CleanUp::Deleted),
            Some(CleanupAction::Archive) => Some(CleanUp::Archived),
        };
        let later = if cleanup.policy == CleanupPolicy::Blueprint { ttl } else { None };
        if let Some(action) = action {
            return Some((ended.after(later.unwrap_or(0)), action));
        }
        if let Some(later) = later {
            return Some((ended.after(later), CleanUp::Deleted));
        }
    }
    let (made, served) = match cleanup.policy {
        CleanupPolicy::Creation | CleanupPolicy::Consumers => made()?,
        CleanupPolicy::Blueprint | CleanupPolicy::Never => return None,
    };
    let from = if cleanup.policy == CleanupPolicy::Creation { made } else { served };
    Some((from.after(ttl?), CleanUp::Deleted))
}

/// Whether a task may still start, now or in another run.
fn is_pending(bench: &Bench<'_>, run: &Run, task: TaskIndex) -> bool {
    if run.program().tasks[task.get()].settled {
        return !matches!(bench.task(task).status, Status::Complete | Status::Skipped);
    }
    !run.task(task).satisfies()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ledger, when};
    use crate::blueprint::model::{Cleanup, CleanupAction, CleanupPolicy};
    use crate::diagnostic::Span;
    use crate::run::{CleanUp, Ending, Moment};

    fn cleanup(policy: CleanupPolicy, ttl: Option<u64>) -> Cleanup<'static> {
        let span = Span::new(0, 0);
        let ttl = ttl.map(Duration::from_millis);
        Cleanup { ttl, policy, on_complete: None, on_failure: None, archive_path: None, archives: None, span }
    }

    #[test]
    fn an_end_of_the_run_counts_before_a_time() {
        let made = || Some((Moment(1), Moment(100)));
        let going = Ledger::default();
        let done = Ledger { ended: Some((Moment(1000), Ending::Done)), ..Ledger::default() };
        let failed = Ledger { ended: Some((Moment(1000), Ending::Failed)), ..Ledger::default() };
        let deleted = |at| Some((Moment(at), CleanUp::Deleted));
        for (policy, ttl, on_complete, while_it_goes, when_done, when_failed) in [
            (CleanupPolicy::Creation, Some(5), None, deleted(6), deleted(6), deleted(6)),
            (CleanupPolicy::Consumers, Some(5), None, deleted(105), deleted(105), deleted(105)),
            (CleanupPolicy::Blueprint, Some(5), None, None, deleted(1005), deleted(1005)),
            (CleanupPolicy::Blueprint, None, None, None, None, None),
            (CleanupPolicy::Consumers, Some(5), Some(CleanupAction::Keep), deleted(105), None, deleted(105)),
            (CleanupPolicy::Consumers, None, Some(CleanupAction::Delete), None, deleted(1000), None),
            (CleanupPolicy::Blueprint, Some(5), Some(CleanupAction::Delete), None, deleted(1005), deleted(1005)),
            (
                CleanupPolicy::Blueprint,
                None,
                Some(CleanupAction::Archive),
                None,
                Some((Moment(1000), CleanUp::Archived)),
                None,
            ),
        ] {
            let cleanup = Cleanup { on_complete, ..cleanup(policy, ttl) };
            assert_eq!(when(&cleanup, &going, made), while_it_goes, "{cleanup:?}");
            assert_eq!(when(&cleanup, &done, made), when_done, "{cleanup:?}");
            assert_eq!(when(&cleanup, &failed, made), when_failed, "{cleanup:?}");
        }
    }
}
