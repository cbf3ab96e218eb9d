//! What must hold of every run, checked against its events alone. Slow and simple on purpose: it
//! shares no code with the state machine it judges.

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::run::{Ending, Event, GateTime, Moment, OnTimeout, Permit, Program, Run, Stage};

pub(crate) struct Rules {
    program: Program,
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
    ended: Option<Ending>,
    stopping: bool,
    pub(crate) loud: bool,
}

impl Rules {
    pub(crate) fn new(program: Program) -> Self {
        let settled = program.tasks.iter().filter(|task| task.settled).map(|task| task.id.clone()).collect();
        Self {
            program,
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
            ended: None,
            stopping: false,
            loud: false,
        }
    }

    fn spec(&self, task: &str) -> &outpost_bp::run::TaskSpec {
        self.program.tasks.iter().find(|spec| spec.id == task).expect("a task of the program")
    }

    pub(crate) fn saw(&mut self, now: Moment, event: &Event) {
        if self.loud {
            eprintln!("{now:?} {event:?}");
        }
        assert!(self.ended.is_none(), "nothing happens after the end: {event:?}");
        match event {
            Event::RunnerTookOver { .. } => {
                for (task, stage) in std::mem::take(&mut self.running) {
                    if !stage.starts_with("verify") {
                        self.doubtful.insert(task.clone());
                    }
                }
                // Between two stages nothing runs: whoever goes on asks for room again.
                self.open.clear();
            }
            Event::EditAccepted { again, .. } => {
                for task in again {
                    // It begins anew; what nobody knows of it stays unknown, and its attempts go on counting.
                    for set in [&mut self.satisfied, &mut self.blocked, &mut self.passed] {
                        set.remove(task);
                    }
                    self.approvals.remove(task);
                    self.deadlines.remove(task);
                    self.retry_at.remove(task);
                    self.failures.remove(task);
                    let starts = self.starts.get(task).copied().unwrap_or_default();
                    self.permits.insert(task.clone(), starts);
                }
            }
            Event::StageStarted { task, attempt, stage } => self.started(now, task, *attempt, stage),
            Event::StageEnded { task, stage, failure, .. } => {
                assert_eq!(self.running.remove(task).as_ref(), Some(stage), "only what runs ends");
                // A check of what an interrupted attempt did is an attempt of its own.
                if self.doubtful.contains(task) {
                    self.open.remove(task);
                }
                if failure.is_some() {
                    let optional =
                        self.spec(task).stages.iter().any(|known| {
                            known.word() == stage && matches!(known, Stage::Verify { optional: true, .. })
                        });
                    if !optional && !self.doubtful.contains(task) {
                        *self.failures.entry(task.clone()).or_default() += 1;
                    }
                    if !optional {
                        self.open.remove(task);
                    }
                }
            }
            Event::RetryScheduled { task, at, .. } => {
                assert!(self.failures[task] <= self.spec(task).max_retries, "{task} has no attempt left");
                self.retry_at.insert(task.clone(), *at);
            }
            Event::TaskCompleted { task, .. } => {
                let spec = self.spec(task);
                assert!(spec.gate.is_none() || self.passed.contains(task), "{task} completes past its gate");
                assert!(!self.running.contains_key(task));
                // Its verification told.
                self.doubtful.remove(task);
                self.finish(task, true);
            }
            Event::Draining { ends: true, .. } => {
                assert!(self.program.fail_fast && !self.blocked.is_empty(), "nothing failed, and the run ends early");
            }
            Event::TaskSkipped { task, .. } => self.finish(task, true),
            Event::TaskBlocked { task, .. } => self.finish(task, false),
            Event::RepeatAllowed { task, by } => {
                assert!(
                    matches!(by, Permit::Ordered { .. }) || self.spec(task).idempotent,
                    "nobody allowed {task} again"
                );
                self.doubtful.remove(task);
                self.blocked.remove(task);
                *self.permits.entry(task.clone()).or_default() += 1;
            }
            Event::GateOpened { task, deadline, .. } => {
                assert!(
                    self.spec(task)
                        .needs
                        .iter()
                        .all(|need| self.satisfied.contains(&self.program.tasks[need.get()].id))
                );
                if self.spec(task).gate.as_ref().is_some_and(|gate| gate.time == GateTime::After) {
                    self.open.remove(task);
                    // A review comes after the verification, which told.
                    self.doubtful.remove(task);
                }
                self.deadlines.insert(task.clone(), *deadline);
            }
            Event::GateDecided(decision) => {
                assert!(now < self.deadlines[&decision.task], "nobody decides after the deadline");
                let gate = self.spec(&decision.task).gate.clone().expect("a gate");
                assert!(gate.approvers.is_empty() || gate.approvers.contains(&decision.by), "anybody decides");
                if decision.approved {
                    assert!(gate.by_starter || decision.by != "p0", "p0 began the run and approves it");
                    let approvers = self.approvals.entry(decision.task.clone()).or_default();
                    assert!(approvers.insert(decision.by.clone()), "one person approves once");
                    if approvers.len() >= self.spec(&decision.task).gate.as_ref().expect("a gate").approvals as usize {
                        self.passed.insert(decision.task.clone());
                    }
                }
            }
            Event::GateExpired { task, consequence, unset } => {
                if unset.is_none() {
                    assert!(now >= self.deadlines[task]);
                    assert_eq!(*consequence, self.spec(task).gate.as_ref().expect("a gate").on_timeout);
                }
                match consequence {
                    OnTimeout::Abort => self.finish(&task.clone(), false),
                    OnTimeout::Skip => self.finish(&task.clone(), true),
                    OnTimeout::Continue => {
                        self.passed.insert(task.clone());
                    }
                }
            }
            Event::Stopping { .. } | Event::CancelRequested { .. } => self.stopping = true,
            Event::RunEnded { state } => self.ended = Some(*state),
            _ => {}
        }
    }

    fn started(&mut self, now: Moment, task: &str, attempt: u32, stage: &str) {
        let spec = self.spec(task).clone();
        assert!(!self.satisfied.contains(task), "{task} is done and starts again");
        assert!(!self.blocked.contains(task), "{task} is blocked and starts");
        assert!(!self.stopping, "the run stops and {task} starts");
        for need in &spec.needs {
            let need = &self.program.tasks[need.get()].id;
            assert!(self.satisfied.contains(need), "{task} starts before {need}");
        }
        if spec.gate.as_ref().is_some_and(|gate| gate.time == GateTime::Before) {
            assert!(self.passed.contains(task), "{task} starts before its gate is passed");
        }
        assert!(self.running.insert(task.to_owned(), stage.to_owned()).is_none(), "{task} runs twice at once");
        if !stage.starts_with("verify") {
            assert!(!self.doubtful.contains(task), "nobody knows what {task} did, and it starts again");
        }
        let starts = self.starts.entry(task.to_owned()).or_default();
        if attempt > *starts {
            assert_eq!(attempt, *starts + 1, "attempts of {task} are counted");
            *starts = attempt;
            let permits = self.permits.get(task).copied().unwrap_or_default();
            assert!(attempt <= 1 + spec.max_retries + permits, "{task} was started {attempt} times");
            if let Some(at) = self.retry_at.remove(task) {
                assert!(now >= at, "{task} is tried again too early");
            }
        }
        self.open.insert(task.to_owned());
        self.check_room();
    }

    /// Slots, locks and amounts of all attempts under way.
    fn check_room(&self) {
        let open: Vec<&outpost_bp::run::TaskSpec> = self.open.iter().map(|task| self.spec(task)).collect();
        assert!(open.len() <= self.program.slots as usize, "more attempts than slots");
        for (index, lock) in self.program.locks.iter().enumerate() {
            let holders = open.iter().flat_map(|spec| spec.locks.iter()).filter(|(held, _)| *held == index);
            let alone = holders.clone().filter(|(_, alone)| *alone).count();
            let shared = holders.count() - alone;
            assert!(alone <= 1 && (alone == 0 || shared == 0), "{} is held twice", lock.name);
            assert!(shared <= lock.holders as usize, "{} has too many holders", lock.name);
        }
        let memory: u64 = open.iter().map(|spec| spec.amounts.memory).sum();
        let users = open.iter().filter(|spec| spec.amounts.memory > 0).count();
        assert!(memory <= self.program.capacity.memory || users == 1, "more memory than there is");
    }

    fn finish(&mut self, task: &str, satisfied: bool) {
        self.open.remove(task);
        assert!(!self.blocked.contains(task) && !self.satisfied.contains(task), "{task} ends twice");
        let set = if satisfied { &mut self.satisfied } else { &mut self.blocked };
        set.insert(task.to_owned());
    }

    pub(crate) fn ended(&self, run: &Run) {
        assert!(self.running.is_empty(), "the run ended while something runs");
        let all = self.satisfied.len() == self.program.tasks.len();
        match run.ending() {
            Some(Ending::Done) => assert!(all, "not everything is done"),
            Some(Ending::Failed) => assert!(!all, "everything is done"),
            _ => {}
        }
    }
}
