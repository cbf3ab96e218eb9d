//! What must hold of chores: what undoes tasks, what follows their success, what the run asks for at its moments.
//! Like all rules it knows events alone.

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::run::{Chore, Ending, Event, Failure, Hook, Moment, Program, TaskSpec};

/// How the undoing of a task stands since it was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undoing {
    Failed,
    Unknown,
}

/// What a run undoes: all that was ordered, and what of it is left, the next one first.
#[derive(Clone, Debug)]
struct Rollback {
    by_person: bool,
    ordered: Vec<String>,
    left: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct ChoreRules {
    program: Program,
    /// Starts of work that may have to be undone, in their order. What was undone is none any more.
    acts: Vec<String>,
    undoings: BTreeMap<String, Undoing>,
    tries: BTreeMap<String, u32>,
    retry_at: BTreeMap<String, Moment>,
    rollback: Option<Rollback>,
    pub(crate) running: BTreeSet<Chore>,
    /// Their runner died.
    lost: BTreeSet<Chore>,
    attempts: BTreeMap<Chore, u32>,
    /// Completions that something has to follow.
    successes: BTreeSet<String>,
    /// Hooks that need not, and must not, be carried out again.
    hooked: BTreeSet<Hook>,
    begin_failed: bool,
    waiting: Vec<String>,
    /// What the hook of waiting was told last.
    told: Option<Vec<String>>,
}

impl ChoreRules {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            acts: Vec::new(),
            undoings: BTreeMap::new(),
            tries: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            rollback: None,
            running: BTreeSet::new(),
            lost: BTreeSet::new(),
            attempts: BTreeMap::new(),
            successes: BTreeSet::new(),
            hooked: BTreeSet::new(),
            begin_failed: false,
            waiting: Vec::new(),
            told: None,
        }
    }

    /// All that was learned from events, in words.
    pub(crate) fn memory(&self) -> String {
        let Self { acts, undoings, tries, retry_at, rollback, running, lost, attempts, .. } = self;
        let Self { successes, hooked, begin_failed, waiting, told, .. } = self;
        format!(
            "{acts:?}{undoings:?}{tries:?}{retry_at:?}{rollback:?}{running:?}{lost:?}{attempts:?}{successes:?}{hooked:?}\
             {begin_failed}{waiting:?}{told:?}"
        )
    }

    fn spec(&self, task: &str) -> &TaskSpec {
        self.program.tasks.iter().find(|spec| spec.id == task).expect("a task of the program")
    }

    /// Whether a task has to be undone before anything else follows its failure.
    pub(crate) fn owes_undoing(&self, task: &str) -> bool {
        let undo = self.spec(task).undo.as_ref().filter(|undo| !undo.irreversible);
        let tried = self.undoings.contains_key(task) && !self.retry_at.contains_key(task);
        undo.is_some() && self.spec(task).undone_on_failure && self.acts.iter().any(|act| act == task) && !tried
    }

    /// Successes that are being followed take slots.
    pub(crate) fn slots(&self) -> usize {
        self.running.iter().filter(|chore| matches!(chore, Chore::OnSuccess { .. })).count()
    }

    /// Tasks that are being undone hold their locks.
    pub(crate) fn undone_now(&self) -> impl Iterator<Item = &str> {
        self.running.iter().filter_map(|chore| match chore {
            Chore::Rollback { task } => Some(&**task),
            _ => None,
        })
    }

    pub(crate) fn began(&mut self, task: &str, stage: &str) {
        assert!(self.rollback.is_none(), "{task} starts while things are undone");
        self.nothing_of_the_run("a task");
        let begins = !self.program.hooks.contains(&Hook::OnStart) || self.hooked.contains(&Hook::OnStart);
        assert!(begins && !self.begin_failed, "{task} starts before the run has begun");
        self.hooked.retain(|hook| *hook == Hook::OnStart);
        // Where a task will work is nothing that it did.
        if !stage.starts_with("verify") && stage != "tree" && self.spec(task).undo.is_some() {
            self.acts.push(task.to_owned());
            self.undoings.remove(task);
            self.tries.remove(task);
            self.retry_at.remove(task);
        }
    }

    /// Its executor knows that the last start of a task was none.
    pub(crate) fn never_began(&mut self, task: &str) {
        if let Some(place) = self.acts.iter().rposition(|act| act == task) {
            self.acts.remove(place);
        }
        assert!(!self.undoings.contains_key(task), "{task} never began, and something was undone");
        if let Some(rollback) = self.rollback.as_mut().filter(|_| !self.acts.iter().any(|act| act == task)) {
            rollback.ordered.retain(|ordered| ordered != task);
            rollback.left.retain(|ordered| ordered != task);
        }
    }

    pub(crate) fn completed(&mut self, task: &str) {
        if self.spec(task).on_success {
            assert!(self.successes.insert(task.to_owned()), "{task} completes twice");
        }
    }

    /// Nothing else goes on while the run carries out what it asks for at its beginning and its end.
    fn nothing_of_the_run(&self, what: &str) {
        let holds = |chore: &&Chore| matches!(chore, Chore::Hook { hook } if *hook != Hook::OnWaiting);
        assert!(!self.running.iter().any(|chore| holds(&chore)), "{what} starts during a hook: {:?}", self.running);
    }

    pub(crate) fn lost_runner(&mut self) {
        self.lost.extend(std::mem::take(&mut self.running));
        self.waiting.clear();
    }

    pub(crate) fn took_up(&mut self, ends: bool) {
        if self.begin_failed && !ends {
            self.begin_failed = false;
            self.hooked.remove(&Hook::OnStart);
        }
    }

    pub(crate) fn edited(&mut self, again: &[String]) {
        for task in again {
            self.successes.remove(task);
        }
    }

    pub(crate) fn ordered(&mut self, by_person: bool, tasks: &[String], works: bool) {
        assert!(self.rollback.is_none() && !works && self.running.is_empty(), "undone while something goes on");
        let last = |task: &String| self.acts.iter().rposition(|act| act == task);
        assert!(!tasks.is_empty() && tasks.iter().all(|task| last(task).is_some()), "{tasks:?} did nothing");
        assert!(tasks.is_sorted_by(|one, next| last(one) > last(next)), "{tasks:?}: not as they began, backwards");
        let may_be = |task: &String| self.spec(task).undo.as_ref().is_some_and(|undo| !undo.irreversible);
        assert!(tasks.iter().all(may_be), "what cannot be undone");
        if !by_person {
            assert!(self.program.undoes, "nobody ordered it");
            let due: BTreeSet<&String> =
                self.acts.iter().filter(|task| may_be(task) && !self.undoings.contains_key(*task)).collect();
            assert_eq!(tasks.iter().collect::<BTreeSet<_>>(), due, "all that is due and nothing twice");
        }
        for task in tasks {
            self.undoings.remove(task);
            self.tries.remove(task);
            self.retry_at.remove(task);
        }
        if by_person {
            self.hooked.remove(&Hook::OnStart);
            self.hooked.remove(&Hook::OnExit);
            self.begin_failed = false;
        }
        self.rollback = Some(Rollback { by_person, ordered: tasks.to_vec(), left: tasks.to_vec() });
    }

    pub(crate) fn started(&mut self, now: Moment, chore: &Chore, attempt: u32, stage_runs: bool, stopping: bool) {
        let attempts = self.attempts.entry(chore.clone()).or_default();
        *attempts += 1;
        assert_eq!(attempt, *attempts, "attempts of {chore:?} are counted");
        assert!(!self.lost.contains(chore), "nobody asked what became of {chore:?}");
        match chore {
            Chore::Rollback { task } => {
                let own = self.spec(task).clone();
                let undo = own.undo.as_ref().expect("a rollback");
                assert!(!undo.irreversible && self.acts.contains(task), "{task} has nothing to undo");
                self.nothing_of_the_run("a rollback");
                match &self.rollback {
                    Some(rollback) => {
                        assert_eq!(rollback.left.first(), Some(task), "another one is next");
                        assert!(!stage_runs && self.running.is_empty(), "one at a time");
                    }
                    None => assert!(own.undone_on_failure && !stopping, "nobody asked to undo {task}"),
                }
                let tries = self.tries.entry(task.clone()).or_default();
                *tries += 1;
                assert!(*tries <= 1 + undo.max_retries, "{task} is undone {tries} times");
                assert_ne!(self.undoings.remove(task), Some(Undoing::Unknown), "nobody knows whether {task} is undone");
                assert!(self.retry_at.remove(task).is_none_or(|at| now >= at), "too early");
            }
            Chore::OnSuccess { task } => {
                assert!(self.rollback.is_none() && !stopping, "something starts although it ends");
                self.nothing_of_the_run("what follows a success");
                assert!(self.successes.remove(task), "what follows the success of {task} comes once");
            }
            Chore::Hook { hook } => {
                assert!(self.program.hooks.contains(hook), "nobody asked for {hook:?}");
                assert!(!stage_runs && self.running.is_empty(), "{hook:?} comes before or after everything else");
                match hook {
                    Hook::OnWaiting => {
                        assert!(!self.waiting.is_empty(), "the run waits for nobody");
                        assert_ne!(self.told.as_ref(), Some(&self.waiting), "it is told once");
                        self.told = Some(self.waiting.clone());
                    }
                    Hook::OnExit => {
                        assert!(self.is_end_told(), "{hook:?} is the last one");
                        assert!(self.hooked.insert(*hook), "{hook:?} comes once");
                    }
                    Hook::OnStart | Hook::OnSuccess | Hook::OnFailure => {
                        assert!(self.hooked.insert(*hook), "{hook:?} comes once");
                    }
                }
            }
        }
        self.running.insert(chore.clone());
    }

    /// Whether the hook of success or of failure is over, if there has to be one.
    fn is_end_told(&self) -> bool {
        let is_told = |hook: &Hook| self.hooked.contains(hook);
        let ends = [Hook::OnSuccess, Hook::OnFailure];
        let wanted = ends.iter().filter(|hook| self.program.hooks.contains(hook)).count();
        let by_person = self.rollback.as_ref().is_some_and(|rollback| rollback.by_person);
        by_person || wanted < 2 || ends.iter().any(is_told)
    }

    pub(crate) fn ended(&mut self, now: Moment, chore: &Chore, failure: Option<&Failure>) {
        let was_lost = self.lost.remove(chore);
        assert!(self.running.remove(chore) || was_lost, "only what was started ends: {chore:?}");
        match chore {
            Chore::Rollback { task } => {
                let undo = self.spec(task).undo.clone().expect("a rollback");
                match failure {
                    None => {
                        self.acts.retain(|act| act != task);
                        self.is_over(task);
                    }
                    Some(failure) => {
                        self.undoings.insert(task.clone(), Undoing::Failed);
                        if failure.lasting || self.tries[task] > undo.max_retries {
                            self.is_over(task);
                        } else {
                            self.retry_at.insert(task.clone(), now.after(undo.retry_delay));
                        }
                    }
                }
            }
            Chore::Hook { hook: Hook::OnStart } if self.hooked.contains(&Hook::OnStart) => {
                self.begin_failed = failure.is_some();
            }
            Chore::Hook { .. } | Chore::OnSuccess { .. } => {}
        }
    }

    fn is_over(&mut self, task: &str) {
        if let Some(rollback) = &mut self.rollback {
            rollback.left.retain(|left| left != task);
        }
    }

    pub(crate) fn unknown(&mut self, chore: &Chore) {
        assert!(self.lost.remove(chore), "everybody knows how {chore:?} ended");
        match chore {
            Chore::Rollback { task } => {
                self.undoings.insert(task.clone(), Undoing::Unknown);
                self.is_over(task);
            }
            // It comes before everything else, and whoever resumes the run wants it.
            Chore::Hook { hook: Hook::OnStart } => {
                self.hooked.remove(&Hook::OnStart);
            }
            _ => {}
        }
    }

    pub(crate) fn begins_badly(&self) -> bool {
        self.begin_failed
    }

    pub(crate) fn run_ended(&mut self, state: Ending, stopping: bool) {
        assert!(self.running.is_empty() && self.lost.is_empty(), "the run ends before {:?}", self.running);
        let is_exit_due = self.program.hooks.contains(&Hook::OnExit) && !self.hooked.contains(&Hook::OnExit);
        assert!(!is_exit_due, "the run ends without its last hook");
        let is_undone = |task: &String| !self.acts.contains(task) && !self.undoings.contains_key(task);
        match (state, self.rollback.take()) {
            (Ending::RolledBack, Some(rollback)) => {
                assert!(rollback.ordered.iter().all(is_undone), "not all is undone");
                assert!(self.undoings.is_empty(), "{:?} were tried and are not undone", self.undoings);
            }
            (Ending::RollbackFailed, Some(rollback)) => {
                let is_all = rollback.ordered.iter().all(is_undone) && self.undoings.is_empty();
                assert!(!is_all, "all is undone");
                assert!(rollback.left.is_empty() || self.begin_failed, "{:?} were not tried", rollback.left);
            }
            (state, rollback) => {
                assert!(rollback.is_none() && !matches!(state, Ending::RolledBack | Ending::RollbackFailed));
                let hook = if state == Ending::Done { Hook::OnSuccess } else { Hook::OnFailure };
                assert!(!self.program.hooks.contains(&hook) || self.hooked.contains(&hook), "{hook:?} is left out");
                assert!(self.successes.is_empty() || stopping, "{:?} succeeded, and nothing follows", self.successes);
            }
        }
    }

    /// Only people can make the run go on.
    pub(crate) fn waits(&mut self, gates: &[String]) {
        self.waiting = gates.to_vec();
    }

    /// Something else is waited for from now on, whatever it is called.
    pub(crate) fn waits_anew(&mut self) {
        self.told = None;
    }
}

/// Events of chores, and of what is undone.
impl ChoreRules {
    pub(crate) fn saw(&mut self, now: Moment, event: &Event, stage_runs: bool, stopping: bool) {
        match event {
            Event::RollbackOrdered { by, tasks } => self.ordered(by.is_some(), tasks, stage_runs),
            Event::ChoreStarted { chore, attempt } => self.started(now, chore, *attempt, stage_runs, stopping),
            Event::ChoreEnded { chore, failure, .. } => self.ended(now, chore, failure.as_deref()),
            Event::ChoreUnknown { chore, .. } => self.unknown(chore),
            Event::RunWaiting { gates } => self.waits(gates),
            Event::GateOpened { .. } | Event::TaskUnknown { .. } => self.waits_anew(),
            Event::EditAccepted { again, .. } => {
                assert!(self.rollback.is_none(), "the document changes while things are undone");
                self.edited(again);
            }
            _ => {}
        }
    }
}
