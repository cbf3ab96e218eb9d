//! The state of a run: a fold over its events.
//!
//! [`Run::apply`] is how every event changes it, live and in replay. Beside the tasks it keeps the
//! sets that decisions are made from, so that a decision costs what changed and not what there is.
//! It holds no clock, no randomness, and nothing iterates in the order of a hash.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chore::Chores;
use super::event::{Ending, Event, GateDecision, GateMoment, Moment, Permit};
use super::failure::Failure;
use super::notice::Notice;
use super::phase::Phase;
use super::program::{Amounts, OnTimeout, Program};
use super::purse::Usage;
use super::rollback::Rollback;
use super::room::{LockState, Rank, holds_room};
use super::standin::{Caller, Calls};
use super::task::{Illegal, TaskState};

/// How far a run still wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Going,
    /// Nothing more is started.
    Draining,
    /// What runs is terminated.
    Stopping,
}

/// A run as it stands.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) program: Program,
    pub(super) ids: HashMap<String, u32>,
    pub(super) dependents: Vec<Vec<u32>>,
    pub(super) tasks: Vec<TaskState>,
    /// Needs of each task that are not satisfied yet.
    pub(super) unmet: Vec<u32>,
    /// Tasks that something happened to and nothing was decided about yet.
    pub(super) touched: BTreeSet<u32>,
    /// Tasks that may start as soon as there is room.
    pub(super) ready: BTreeSet<Rank>,
    /// Tasks that wait for amounts, until some become free.
    pub(super) short: BTreeSet<Rank>,
    /// Tasks whose locks are held by somebody outside of this run.
    pub(super) outside: BTreeSet<Rank>,
    /// Tasks whose agent would use more than all of them may, and at another one a person is asked.
    pub(super) unpaid: BTreeSet<Rank>,
    /// Tasks whose condition is being asked for.
    pub(super) questions: BTreeSet<u32>,
    /// Retries and deadlines, by time.
    pub(super) timers: BTreeSet<(Moment, u32)>,
    /// Tasks with an attempt under way, gates after the work included.
    pub(super) working: BTreeSet<u32>,
    pub(super) locks: Vec<LockState>,
    pub(super) used: Amounts,
    pub(super) mode: Mode,
    pub(super) ending: Option<Ending>,
    pub(super) cancelled: bool,
    /// What people decided, by task.
    pub(super) decisions: BTreeMap<String, Vec<GateDecision>>,
    /// Who began the run.
    pub(super) starter: String,
    /// Gates and unknown tasks that the run waits for; nothing while it goes on by itself.
    pub(super) told: Option<Vec<String>>,
    /// When it ended, or began to wait for people.
    pub(super) rested: Moment,
    /// Whether it ends, and does not pause, when it has drained.
    pub(super) ends: bool,
    /// Until when tasks wait for locks, for those that may not wait for ever.
    pub(super) lock_waits: BTreeMap<u32, Moment>,
    pub(super) chores: Chores,
    /// Tasks that asked for something when they were complete, and did not get it yet.
    pub(super) successes: BTreeSet<u32>,
    /// The callers of each task, where it is a fallback.
    pub(super) calls: Vec<Calls>,
    /// Failed tasks that wait for their fallback.
    pub(super) replaced: BTreeSet<u32>,
    /// What is being undone.
    pub(super) rollback: Option<Rollback>,
    /// Failed tasks that are undone as soon as there is room.
    pub(super) undoing: BTreeSet<u32>,
    /// What the run waited for when it last said so to its hook.
    pub(super) hooked: Option<Vec<String>>,
    /// What agents used, by task and attempt.
    pub(super) usage: BTreeMap<(String, u32), Usage>,
    /// How much of it was used when they last were given a budget.
    pub(super) granted: Usage,
    /// A person's no to more of it.
    pub(super) closed: Option<Box<Failure>>,
    /// How many tasks have begun something that may have to be undone.
    pub(super) acts: u64,
    /// What became of each notice, by its name and its channel.
    pub(super) notices: BTreeMap<(String, String), Notice>,
    /// Tasks that are not complete, skipped or blocked.
    pub(super) open: usize,
    /// The latest time any event happened at: time does not run backwards within a run.
    pub(super) latest: Moment,
    /// The latest time that this runner decided at, whether anything happened then or not: what was due stays due
    /// when somebody sets the clock back.
    pub(super) decided: Moment,
}

impl Run {
    pub fn new(program: Program) -> Self {
        let count = program.tasks.len();
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let tasks: Vec<TaskState> = program.tasks.iter().map(TaskState::new).collect();
        let mut dependents = vec![Vec::new(); count];
        let mut unmet = vec![0; count];
        for (index, spec) in program.tasks.iter().enumerate() {
            for need in &spec.needs {
                dependents[need.get()].push(number(index));
                unmet[index] += u32::from(!tasks[need.get()].satisfies());
            }
        }
        let open = tasks.iter().filter(|task| !task.is_final()).count();
        let mut run = Self {
            ids: program.tasks.iter().enumerate().map(|(index, spec)| (spec.id.clone(), number(index))).collect(),
            locks: vec![LockState::default(); program.locks.len()],
            program,
            dependents,
            tasks,
            unmet,
            touched: BTreeSet::new(),
            ready: BTreeSet::new(),
            short: BTreeSet::new(),
            outside: BTreeSet::new(),
            unpaid: BTreeSet::new(),
            questions: BTreeSet::new(),
            timers: BTreeSet::new(),
            working: BTreeSet::new(),
            used: Amounts::default(),
            mode: Mode::Going,
            ending: None,
            cancelled: false,
            decisions: BTreeMap::new(),
            starter: String::new(),
            told: None,
            rested: Moment::default(),
            ends: false,
            lock_waits: BTreeMap::new(),
            chores: Chores::default(),
            successes: BTreeSet::new(),
            calls: Vec::new(),
            replaced: BTreeSet::new(),
            rollback: None,
            undoing: BTreeSet::new(),
            hooked: None,
            usage: BTreeMap::new(),
            granted: Usage::default(),
            closed: None,
            acts: 0,
            notices: BTreeMap::new(),
            open,
            latest: Moment::default(),
            decided: Moment::default(),
        };
        run.count_calls();
        run.touched = (0..count).map(number).filter(|index| run.may_follow(*index)).collect();
        run
    }

    /// Whether anything can follow for a task by itself: it is not over, and does not wait for what it needs.
    pub(super) fn may_follow(&self, index: u32) -> bool {
        !self.tasks[index as usize].is_final() && (self.unmet[index as usize] == 0 || self.is_needless(index))
    }

    pub(super) fn rank(&self, index: u32) -> Rank {
        (std::cmp::Reverse(self.program.tasks[index as usize].weight), index)
    }

    /// Changes the state by an event. On an event that cannot happen nothing changes.
    pub fn apply(&mut self, at: Moment, event: &Event) -> Result<(), Illegal> {
        let refuse = |task: &str| Illegal {
            task: task.to_owned(),
            event: format!("{event:?}").chars().take(60).collect(),
            phase: "over".to_owned(),
        };
        // A run that failed may be mended and taken up again; what any run did may be undone.
        let may_go_on = match event {
            Event::RunnerTookOver { .. } => self.ending == Some(Ending::Failed),
            Event::RollbackOrdered { .. }
            | Event::NoticeSent { .. }
            | Event::NoticeFailed { .. }
            | Event::CleanedUp { .. } => true,
            _ => false,
        };
        if self.ending.is_some() && !may_go_on {
            return Err(refuse("the run"));
        }
        // Undoing is not turned into anything else half-way.
        let turns =
            matches!(event, Event::EditAccepted { .. } | Event::CancelRequested { .. } | Event::Stopping { .. });
        if self.rollback.is_some() && turns {
            return Err(refuse("the run"));
        }
        match event {
            Event::RollbackOrdered { by, tasks } => {
                self.order_rollback(by.as_deref(), tasks).ok_or_else(|| refuse("a rollback"))?;
            }
            Event::ChoreStarted { chore, .. }
            | Event::ChoreHandle { chore, .. }
            | Event::ChoreEnded { chore, .. }
            | Event::ChoreUnknown { chore, .. } => {
                self.apply_to_chore(chore, event, at).ok_or_else(|| refuse(chore.word()))?;
            }
            Event::NoticeSent { notice, channel } => {
                self.notices.insert((notice.clone(), channel.clone()), Notice { at, problem: None });
            }
            Event::NoticeFailed { notice, channel, reason } => {
                self.notices.insert((notice.clone(), channel.clone()), Notice { at, problem: Some(reason.clone()) });
            }
            Event::UsageCounted { task, attempt, usage } => {
                self.count_usage(task, *attempt, *usage).ok_or_else(|| refuse(task))?;
            }
            Event::CleanedUp { .. } => {}
            Event::RunStarted(started) => self.starter.clone_from(&started.by),
            // An accepted edit changes the program: whoever replays sees to it, by `carry_over`.
            Event::Halted { .. } | Event::EditAccepted { .. } | Event::RunWaiting { .. } => {}
            Event::RunnerTookOver { .. } => self.lose_runner(),
            Event::Draining { ends, .. } => {
                self.mode = self.mode.max(Mode::Draining);
                self.ends |= ends;
            }
            Event::Stopping { .. } => self.mode = Mode::Stopping,
            Event::CancelRequested { .. } => {
                self.cancelled = true;
                self.mode = Mode::Stopping;
            }
            Event::RunEnded { state } => {
                self.ending = Some(*state);
                self.rollback = None;
                self.rested = at;
            }
            Event::StageStarted { task, .. }
            | Event::StageHandle { task, .. }
            | Event::StageEnded { task, .. }
            | Event::RetryScheduled { task, .. }
            | Event::TaskCompleted { task, .. }
            | Event::TaskSkipped { task, .. }
            | Event::TaskBlocked { task, .. }
            | Event::TaskUnknown { task, .. }
            | Event::RepeatAllowed { task, .. }
            | Event::FallbackCalled { task, .. }
            | Event::CheckpointKept { task, .. }
            | Event::ConditionHeld { task }
            | Event::GateOpened { task, .. }
            | Event::GateExpired { task, .. } => {
                self.apply_to(task, event, at).map_err(|e| e.unwrap_or_else(|| refuse(task)))?;
                // That it stops follows as an event of its own, which a runner that dies now does not come to write.
                if matches!(event, Event::GateExpired { consequence: OnTimeout::Abort, .. }) {
                    self.mode = Mode::Stopping;
                }
            }
            Event::GateDecided(decision) => {
                self.apply_to(&decision.task, event, at).map_err(|e| e.unwrap_or_else(|| refuse(&decision.task)))?;
                self.decisions.entry(decision.task.clone()).or_default().push((**decision).clone());
            }
        }
        match event {
            Event::RunWaiting { gates } => {
                self.told = Some(gates.clone());
                self.rested = at;
            }
            // They change nothing of what it waits for.
            Event::ChoreStarted { .. }
            | Event::ChoreHandle { .. }
            | Event::ChoreEnded { .. }
            | Event::NoticeSent { .. }
            | Event::NoticeFailed { .. }
            | Event::UsageCounted { .. }
            | Event::CleanedUp { .. } => {}
            _ => self.told = None,
        }
        self.latest = self.latest.max(at);
        Ok(())
    }

    fn apply_to(&mut self, task: &str, event: &Event, at: Moment) -> Result<(), Option<Illegal>> {
        let index = *self.ids.get(task).ok_or(None)?;
        let place = index as usize;
        if !self.is_its_turn(index, event) {
            return Err(None);
        }
        let held = holds_room(&self.tasks[place].phase);
        let before = self.tasks[place].is_final();
        let (caller, timed) = (Caller::of(&self.tasks[place]), timer(&self.tasks[place].phase));
        let asked = matches!(&self.tasks[place].phase, Phase::Gate(gate) if gate.moment == GateMoment::Budget);
        self.tasks[place].apply(&self.program.tasks[place], event, at).map_err(Some)?;
        self.unschedule(index, timed);
        self.lock_waits.remove(&index);
        self.schedule(index);
        self.follow_chores(index, event);
        self.follow_call(index, caller);
        if asked {
            self.follow_budget(index, event);
        }
        let state = &self.tasks[place];
        let holds = holds_room(&state.phase);
        let (is_final, satisfies) = (state.is_final(), state.satisfies());
        if matches!(state.phase, Phase::Replaced { .. }) {
            self.replaced.insert(index);
        } else {
            self.replaced.remove(&index);
        }
        match (held, holds) {
            (false, true) => self.take_room(index),
            (true, false) => self.give_room_back(index),
            _ => {}
        }
        match (before, is_final) {
            (false, true) => self.open -= 1,
            (true, false) => self.open += 1,
            _ => {}
        }
        if satisfies && !before {
            for position in 0..self.dependents[place].len() {
                let dependent = self.dependents[place][position];
                self.unmet[dependent as usize] -= 1;
                if self.unmet[dependent as usize] == 0 {
                    self.touched.insert(dependent);
                }
            }
        }
        self.touched.insert(index);
        if before != is_final {
            self.touched.extend(self.program.tasks[place].stands_in_for.iter().map(|task| task.0));
        }
        Ok(())
    }

    /// Whether other tasks, and the run, let this happen to a task.
    fn is_its_turn(&self, index: u32, event: &Event) -> bool {
        let place = index as usize;
        if self.rollback.is_some() {
            // Nothing starts while things are undone; how it ended what an earlier runner started may still be heard.
            return matches!(
                event,
                Event::StageEnded { .. }
                    | Event::CheckpointKept { .. }
                    | Event::TaskUnknown { .. }
                    | Event::RepeatAllowed { by: Permit::NeverStarted, .. }
            );
        }
        match event {
            // A task starts only after all it needs, and a fallback begins only when it was called.
            Event::StageStarted { .. } => {
                self.unmet[place] == 0 && (self.tasks[place].phase != Phase::Waiting || self.is_wanted(index))
            }
            // What goes on takes its room again: nobody else may have it.
            Event::StageHandle { .. } if matches!(self.tasks[place].phase, Phase::Interrupted { .. }) => {
                self.has_free_slot()
                    && self.taken_lock(index).is_none()
                    && self.used.leaves_room_for(self.program.tasks[place].amounts, self.program.capacity)
            }
            Event::FallbackCalled { fallback, .. } => {
                let own = self.program.tasks[place].fallback;
                own.is_some_and(|own| self.program.tasks[own.get()].id == *fallback)
            }
            _ => true,
        }
    }

    /// Takes a task out of the sets that its phase put it into.
    pub(super) fn unschedule(&mut self, index: u32, timed: Option<Moment>) {
        let rank = self.rank(index);
        self.ready.remove(&rank);
        self.short.remove(&rank);
        self.outside.remove(&rank);
        self.unpaid.remove(&rank);
        self.questions.remove(&index);
        for (lock, _) in &self.program.tasks[index as usize].locks {
            self.locks[*lock].parked.remove(&rank);
        }
        if let Some(at) = timed {
            self.timers.remove(&(at, index));
        }
    }

    pub(super) fn schedule(&mut self, index: u32) {
        if let Some(at) = timer(&self.tasks[index as usize].phase) {
            self.timers.insert((at, index));
        }
    }
}

/// When something happens to a task by itself.
const fn timer(phase: &Phase) -> Option<Moment> {
    match phase {
        Phase::Retrying { at } => Some(*at),
        Phase::Gate(gate) => Some(gate.deadline),
        _ => None,
    }
}
