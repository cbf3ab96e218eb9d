//! What must hold of every run, checked against its events alone. Slow and simple on purpose: it
//! shares no code with the state machine it judges.

mod courses;
mod gates;
mod memory;
mod purse;
mod room;
mod standins;

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::run::{
    Chore, Ending, Event, FailureCode, FailurePhase, GateTime, Moment, OnFailure, Permit, Program, Resumption, Stage,
    TaskSpec,
};

use self::courses::Courses;
use self::purse::Purse;
use super::chores::ChoreRules;

#[derive(Clone)]
pub(crate) struct Rules {
    program: Program,
    chores: ChoreRules,
    courses: Courses,
    purse: Purse,
    /// Complete; those that were when the run began count.
    complete: BTreeSet<String>,
    /// Complete or skipped.
    satisfied: BTreeSet<String>,
    blocked: BTreeSet<String>,
    /// Attempts under way, from their first stage to the event that ends them.
    open: BTreeSet<String>,
    /// Stages under way.
    running: BTreeMap<String, String>,
    passed: BTreeSet<String>,
    approvals: BTreeMap<String, BTreeSet<String>>,
    deadlines: BTreeMap<String, Moment>,
    starts: BTreeMap<String, u32>,
    failures: BTreeMap<String, u32>,
    permits: BTreeMap<String, u32>,
    /// Its work was interrupted, and nobody allowed to repeat it yet.
    doubtful: BTreeSet<String>,
    retry_at: BTreeMap<String, Moment>,
    /// What its runner left running when it died.
    lost: BTreeMap<String, String>,
    /// Whether somebody outside of the run holds locks now and then.
    pub(crate) contended: bool,
    /// What failed last will not go better the next time.
    lasting: BTreeSet<String>,
    /// Who was called to do a task's work.
    replaced: BTreeMap<String, String>,
    checkpoints: BTreeSet<String>,
    ended: Option<Ending>,
    stopping: bool,
    draining: bool,
    ends: bool,
    /// That it ends was just written, before the task that is blocked for it: whether it was to end before that.
    announced: Option<bool>,
    pub(crate) loud: bool,
}

impl Rules {
    pub(crate) fn new(program: Program) -> Self {
        let settled: BTreeSet<String> =
            program.tasks.iter().filter(|task| task.settled).map(|task| task.id.clone()).collect();
        Self {
            chores: ChoreRules::new(program.clone()),
            program,
            courses: Courses::default(),
            purse: Purse::default(),
            complete: BTreeSet::clone(&settled),
            satisfied: settled,
            blocked: BTreeSet::new(),
            open: BTreeSet::new(),
            running: BTreeMap::new(),
            passed: BTreeSet::new(),
            approvals: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            starts: BTreeMap::new(),
            failures: BTreeMap::new(),
            permits: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            retry_at: BTreeMap::new(),
            lost: BTreeMap::new(),
            contended: false,
            lasting: BTreeSet::new(),
            replaced: BTreeMap::new(),
            checkpoints: BTreeSet::new(),
            ended: None,
            stopping: false,
            draining: false,
            ends: false,
            announced: None,
            loud: false,
        }
    }

    fn spec(&self, task: &str) -> &TaskSpec {
        self.program.tasks.iter().find(|spec| spec.id == task).expect("a task of the program")
    }

    pub(crate) fn saw(&mut self, now: Moment, event: &Event) {
        if self.loud {
            eprintln!("{now:?} {event:?}");
        }
        let may_go_on = match event {
            Event::RunnerTookOver { .. } => self.ended == Some(Ending::Failed),
            Event::RollbackOrdered { .. } => true,
            _ => false,
        };
        assert!(self.ended.is_none() || may_go_on, "nothing happens after the end: {event:?}");
        let keeps_word = matches!(event, Event::TaskBlocked { .. } | Event::RunnerTookOver { .. });
        let announced = self.announced.take();
        let is_bound = announced.is_some() && !self.stopping;
        assert!(!is_bound || keeps_word, "nothing failed, and the run ends early: {event:?}");
        self.chores.saw(now, event, !self.running.is_empty(), self.stopping);
        match event {
            Event::RunnerTookOver { .. } => {
                for (task, stage) in std::mem::take(&mut self.running) {
                    if !is_repeatable(&stage) {
                        self.doubtful.insert(task.clone());
                    }
                    self.lost.insert(task, stage);
                }
                self.chores.lost_runner();
                let is_ordered = self.ended.is_none() && (self.stopping || self.ends);
                if !is_ordered {
                    (self.stopping, self.draining, self.ends) = (false, false, false);
                }
                self.chores.took_up(is_ordered);
                self.ended = None;
                // Between two stages nothing runs: whoever goes on asks for room again.
                self.open.clear();
            }
            Event::EditAccepted { again, .. } => {
                self.leaves_nothing_stale(again);
                for task in again.iter().filter(|task| !self.spec(task).settled).cloned().collect::<Vec<_>>() {
                    let task = &task;
                    // It begins anew; what nobody knows of it stays unknown, and its attempts go on counting.
                    self.begin_anew(task);
                    self.approvals.remove(task);
                    self.deadlines.remove(task);
                    self.retry_at.remove(task);
                    self.failures.remove(task);
                    self.courses.settled(task);
                    self.purse.forget(task);
                    let starts = self.starts.get(task).copied().unwrap_or_default();
                    self.permits.insert(task.clone(), starts);
                }
            }
            Event::StageStarted { task, attempt, stage } => self.started(now, task, *attempt, stage),
            Event::StageEnded { task, stage, failure, .. } => {
                let was_lost = self.lost.remove(task).as_ref() == Some(stage);
                if was_lost {
                    // Its executor knows how it ended.
                    self.doubtful.remove(task);
                } else {
                    assert_eq!(self.running.remove(task).as_ref(), Some(stage), "only what runs ends");
                }
                // A check of what an interrupted attempt did is an attempt of its own.
                if self.doubtful.contains(task) {
                    self.open.remove(task);
                }
                // Nothing comes after it that would need its room.
                if self.spec(task).stages.last().is_some_and(|last| last.word() == stage) {
                    self.open.remove(task);
                    // Its verifications told, whether or not its runner came to say so.
                    if failure.is_none() {
                        self.doubtful.remove(task);
                    }
                }
                if let Some(failure) = failure {
                    if failure.lasting {
                        self.lasting.insert(task.clone());
                    } else {
                        self.lasting.remove(task);
                    }
                    let optional =
                        self.spec(task).stages.iter().any(|known| {
                            known.word() == stage && matches!(known, Stage::Verify { optional: true, .. })
                        });
                    if !optional && !self.doubtful.contains(task) && self.courses.failed(task, failure) {
                        *self.failures.entry(task.clone()).or_default() += 1;
                    }
                    if !optional {
                        self.open.remove(task);
                    }
                }
            }
            Event::RetryScheduled { task, at, .. } => {
                if self.courses.is_later(task, *at) {
                    *self.permits.entry(task.clone()).or_default() += 1;
                } else {
                    assert!(!self.courses.asks(task), "a person is to say whether {task} goes on");
                    assert!(self.failures[task] <= self.spec(task).max_retries, "{task} has no attempt left");
                }
                self.retry_at.insert(task.clone(), *at);
            }
            Event::TaskCompleted { task, .. } => {
                self.chores.completed(task);
                self.complete.insert(task.clone());
                let spec = self.spec(task);
                assert!(spec.gate.is_none() || self.passed.contains(task), "{task} completes past its gate");
                assert!(!self.running.contains_key(task));
                // Its verification told.
                self.doubtful.remove(task);
                self.finish(task, true);
            }
            Event::Draining { ends: true, .. } => {
                let begins_badly = self.chores.begins_badly();
                assert!(self.program.fail_fast || begins_badly, "nothing failed, and the run ends early");
                self.announced = (!begins_badly).then_some(self.draining);
                (self.draining, self.ends) = (true, true);
            }
            Event::Draining { .. } => self.draining = true,
            Event::TaskSkipped { task, .. } => {
                self.may_be_skipped(task);
                self.finish(task, true);
            }
            Event::TaskBlocked { task, failure } => {
                self.has_lost_patience(task, failure);
                let is_own = !matches!(failure.code, FailureCode::Cancelled | FailureCode::GateRejected);
                // What a condition is that cannot be evaluated is no failure of its task.
                let failed = is_own && failure.phase != FailurePhase::Preflight;
                let aborts = failed && self.spec(task).on_failure == OnFailure::Abort;
                assert!(!aborts || self.stopping, "{task} aborts the run, which may go on if its runner dies now");
                let ends = self.program.fail_fast && !self.stopping;
                assert!(!ends || self.draining, "{task} ends the run, which may go on if its runner dies now");
                if failed && !announced.unwrap_or(self.stopping || self.draining) {
                    assert!(!self.chores.owes_undoing(task), "{task} is to be undone first");
                }
                if self.purse.is_asked(task) && failure.is_rejection() {
                    self.purse.answered(false);
                }
                if self.replaced.contains_key(task) {
                    assert!(!self.is_relieved(task), "{task} was replaced and is blocked");
                }
                self.finish(task, false);
            }
            Event::FallbackCalled { task, fallback } => self.called(task, fallback),
            Event::CheckpointKept { task, .. } => {
                self.checkpoints.insert(task.clone());
            }
            Event::UsageCounted { task, attempt, usage } => self.counted(task, *attempt, usage.tokens),
            Event::RepeatAllowed { task, by } => {
                let spec = self.spec(task);
                let may = match by {
                    Permit::Ordered { .. } => true,
                    Permit::Idempotent => spec.idempotent,
                    Permit::NeverStarted => self.lost.contains_key(task),
                    Permit::HandedOff => match spec.handoff {
                        Some(Resumption::Restart) => true,
                        Some(Resumption::FromCheckpoint) => self.checkpoints.contains(task),
                        Some(Resumption::Manual) | None => false,
                    },
                };
                assert!(may, "nobody allowed {task} again");
                if *by == Permit::NeverStarted && self.lost.get(task).is_some_and(|stage| !is_repeatable(stage)) {
                    self.chores.never_began(task);
                }
                self.lost.remove(task);
                self.doubtful.remove(task);
                self.blocked.remove(task);
                self.replaced.remove(task);
                *self.permits.entry(task.clone()).or_default() += 1;
            }
            Event::GateOpened { .. } | Event::GateDecided(_) | Event::GateExpired { .. } => {
                self.saw_of_gate(now, event);
            }
            Event::Stopping { .. } => {
                self.announced = Some(self.stopping || self.draining);
                self.stopping = true;
            }
            Event::CancelRequested { .. } => self.stopping = true,
            Event::RollbackOrdered { .. } => {
                (self.stopping, self.draining, self.ends, self.ended) = (false, false, false, None);
            }
            Event::ChoreStarted { chore, .. } => {
                assert!(
                    !self.draining || self.ends || !matches!(chore, Chore::OnSuccess { .. } | Chore::Rollback { .. })
                );
                self.check_room();
            }
            Event::RunEnded { state } => {
                self.chores.run_ended(*state, self.stopping);
                self.ended = Some(*state);
            }
            _ => {}
        }
    }

    /// A person says whether a task goes on that failed: then it has its attempts again.
    fn goes_on(&mut self, now: Moment, task: &str, does: bool) {
        self.courses.settled(task);
        if does {
            self.failures.remove(task);
            self.retry_at.insert(task.to_owned(), now);
            *self.permits.entry(task.to_owned()).or_default() += 1 + self.spec(task).max_retries;
        }
    }

    fn begin_anew(&mut self, task: &str) {
        for set in [
            &mut self.satisfied,
            &mut self.complete,
            &mut self.blocked,
            &mut self.passed,
            &mut self.lasting,
            &mut self.checkpoints,
        ] {
            set.remove(task);
        }
        self.replaced.remove(task);
        self.lost.remove(task);
    }

    /// Nothing that stands on what runs again stays as it is.
    fn leaves_nothing_stale(&self, again: &[String]) {
        let is_again = |task: &TaskIndex| again.contains(&self.program.tasks[task.get()].id);
        for spec in self.program.tasks.iter().filter(|spec| !again.contains(&spec.id)) {
            assert!(!spec.needs.iter().any(is_again), "{} stands on what runs again", spec.id);
            let is_called_anew = spec.stands_in_for.iter().any(is_again);
            assert!(!is_called_anew || self.complete.contains(&spec.id), "{} is called by what runs again", spec.id);
            let fallback = self.replaced.get(&spec.id);
            assert!(fallback.is_none_or(|by| !again.contains(by)), "{} was relieved by what runs again", spec.id);
        }
    }

    fn started(&mut self, now: Moment, task: &str, attempt: u32, stage: &str) {
        let spec = self.spec(task).clone();
        self.chores.began(task, stage);
        let calls = self.replaced.values().filter(|fallback| *fallback == task).count();
        let goes_on = attempt <= self.starts.get(task).copied().unwrap_or_default();
        let is_begun = goes_on || self.doubtful.contains(task) || self.retry_at.contains_key(task);
        assert!(spec.stands_in_for.is_empty() || calls > 0 || is_begun, "nobody called {task}");
        let is_manual = spec.handoff == Some(Resumption::Manual);
        assert!(!is_manual || !self.doubtful.contains(task), "a person looks at {task} first");
        self.lost.remove(task);
        assert!(!self.satisfied.contains(task), "{task} is done and starts again");
        assert!(!self.blocked.contains(task), "{task} is blocked and starts");
        assert!(!self.stopping, "the run stops and {task} starts");
        assert!(!self.draining || goes_on, "the run drains and {task} starts");
        for need in &spec.needs {
            let need = &self.program.tasks[need.get()].id;
            assert!(self.satisfied.contains(need), "{task} starts before {need}");
        }
        if spec.gate.as_ref().is_some_and(|gate| gate.time == GateTime::Before) {
            assert!(self.passed.contains(task), "{task} starts before its gate is passed");
        }
        assert!(self.running.insert(task.to_owned(), stage.to_owned()).is_none(), "{task} runs twice at once");
        if !is_repeatable(stage) {
            assert!(!self.doubtful.contains(task), "nobody knows what {task} did, and it starts again");
        }
        let starts = self.starts.entry(task.to_owned()).or_default();
        let is_new = attempt > *starts;
        if is_new {
            assert_eq!(attempt, *starts + 1, "attempts of {task} are counted");
            *starts = attempt;
            let permits = self.permits.get(task).copied().unwrap_or_default();
            assert!(attempt <= 1 + spec.max_retries + permits, "{task} was started {attempt} times");
            if let Some(at) = self.retry_at.remove(task) {
                assert!(now >= at, "{task} is tried again too early");
            }
        }
        if is_new {
            self.pays(task);
        }
        self.open.insert(task.to_owned());
        self.check_room();
    }

    fn finish(&mut self, task: &str, satisfied: bool) {
        self.open.remove(task);
        assert!(!self.blocked.contains(task) && !self.satisfied.contains(task), "{task} ends twice");
        let set = if satisfied { &mut self.satisfied } else { &mut self.blocked };
        set.insert(task.to_owned());
    }

    pub(crate) fn ended(&self, ending: Ending) {
        assert_eq!(self.ended, Some(ending));
        assert!(self.running.is_empty(), "the run ended while something runs");
        let all = self.satisfied.len() == self.program.tasks.len() && !self.chores.begins_badly();
        match ending {
            Ending::Done => assert!(all, "not everything is done"),
            Ending::RolledBack | Ending::RollbackFailed => {}
            Ending::Failed | Ending::Rejected | Ending::Cancelled => assert!(!all, "everything is done"),
        }
    }
}

/// Whether a stage may be begun again without harm.
fn is_repeatable(stage: &str) -> bool {
    stage.starts_with("verify") || matches!(stage, "tree" | "commit" | "land")
}
