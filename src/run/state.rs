//! The state of a run: a fold over its events.
//!
//! [`Run::apply`] is how every event changes it, live and in replay. Beside the tasks it keeps the
//! sets that decisions are made from, so that a decision costs what changed and not what there is.
//! It holds no clock, no randomness, and nothing iterates in the order of a hash.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chore::{ChoreState, Chores};
use super::event::{Chore, Ending, Event, GateDecision, Hook, Moment};
use super::notice::Notice;
use super::phase::{OpenGate, Phase};
use super::program::{Amounts, OnTimeout, Program};
use super::rollback::Rollback;
use super::task::{Illegal, TaskState};
use crate::blueprint::TaskIndex;

/// Tasks in the order they are considered: what most hangs on first, then as in the document.
pub(super) type Rank = (Reverse<u32>, u32);

/// How far a run still wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Going,
    /// Nothing more is started.
    Draining,
    /// What runs is terminated.
    Stopping,
}

/// Who holds a lock within the run.
#[derive(Clone, Debug, Default)]
pub(super) struct LockState {
    pub(super) exclusive: Option<u32>,
    pub(super) sharing: BTreeSet<u32>,
    /// Tasks that could start but for this lock.
    pub(super) parked: BTreeSet<Rank>,
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
    /// Whether a gate was refused, which is another end than a failure.
    pub(super) rejected: bool,
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
    /// What is being undone.
    pub(super) rollback: Option<Rollback>,
    /// Failed tasks that are undone as soon as their locks are free.
    pub(super) undoing: BTreeSet<u32>,
    /// What the run waited for when it last said so to its hook.
    pub(super) hooked: Option<Vec<String>>,
    /// How many tasks have begun something that may have to be undone.
    pub(super) acts: u64,
    /// What became of each notice, by its name and its channel.
    pub(super) notices: BTreeMap<(String, String), Notice>,
    /// Tasks that are not complete, skipped or blocked.
    pub(super) open: usize,
    /// The latest time any event happened at: time does not run backwards within a run.
    pub(super) latest: Moment,
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
        let touched = (0..count).filter(|&index| unmet[index] == 0 && !tasks[index].is_final()).map(number).collect();
        let open = tasks.iter().filter(|task| !task.is_final()).count();
        Self {
            ids: program.tasks.iter().enumerate().map(|(index, spec)| (spec.id.clone(), number(index))).collect(),
            locks: vec![LockState::default(); program.locks.len()],
            program,
            dependents,
            tasks,
            unmet,
            touched,
            ready: BTreeSet::new(),
            short: BTreeSet::new(),
            outside: BTreeSet::new(),
            questions: BTreeSet::new(),
            timers: BTreeSet::new(),
            working: BTreeSet::new(),
            used: Amounts::default(),
            mode: Mode::Going,
            ending: None,
            rejected: false,
            cancelled: false,
            decisions: BTreeMap::new(),
            starter: String::new(),
            told: None,
            rested: Moment::default(),
            ends: false,
            lock_waits: BTreeMap::new(),
            chores: Chores::default(),
            successes: BTreeSet::new(),
            rollback: None,
            undoing: BTreeSet::new(),
            hooked: None,
            acts: 0,
            notices: BTreeMap::new(),
            open,
            latest: Moment::default(),
        }
    }

    pub const fn program(&self) -> &Program {
        &self.program
    }

    pub fn task(&self, index: TaskIndex) -> &TaskState {
        &self.tasks[index.get()]
    }

    /// All tasks, in the order of the document.
    pub fn indices(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.tasks.len()).map(TaskIndex::new)
    }

    pub fn find(&self, id: &str) -> Option<TaskIndex> {
        self.ids.get(id).copied().map(TaskIndex)
    }

    pub const fn mode(&self) -> Mode {
        self.mode
    }

    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub const fn latest(&self) -> Moment {
        self.latest
    }

    /// Whether an attempt of the task is under way, with its slot and its locks.
    pub fn holds_room(&self, index: TaskIndex) -> bool {
        holds_room(&self.tasks[index.get()].phase)
    }

    /// Tasks with an attempt under way.
    pub fn working(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        self.working.iter().copied().map(TaskIndex)
    }

    pub(super) fn rank(&self, index: u32) -> Rank {
        (Reverse(self.program.tasks[index as usize].weight), index)
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
            }
            Event::GateDecided(decision) => {
                self.apply_to(&decision.task, event, at).map_err(|e| e.unwrap_or_else(|| refuse(&decision.task)))?;
                self.rejected |= !decision.approved;
                self.decisions.entry(decision.task.clone()).or_default().push((**decision).clone());
            }
        }
        self.rejected |= matches!(event, Event::GateExpired { consequence: OnTimeout::Abort, .. });
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
            | Event::CleanedUp { .. } => {}
            _ => self.told = None,
        }
        self.latest = self.latest.max(at);
        Ok(())
    }

    /// Gates and tasks of unknown outcome, when only people can make the run go on.
    pub fn waiting(&self) -> Option<&[String]> {
        self.told.as_deref()
    }

    /// The tasks that this one still waits for.
    pub fn unmet(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        let needs = self.program.tasks[index.get()].needs.iter().copied();
        needs.filter(|need| !self.tasks[need.get()].satisfies())
    }

    /// The tasks that wait for this one.
    pub fn dependents(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        self.dependents[index.get()].iter().copied().map(TaskIndex)
    }

    /// Where a chore stands, if anything happened to it.
    pub fn chore(&self, chore: &Chore) -> Option<&ChoreState> {
        self.chores.get(chore)
    }

    /// The chores that anything happened to.
    pub fn chores(&self) -> impl Iterator<Item = (&Chore, &ChoreState)> {
        self.chores.all()
    }

    /// Whether what was done is being undone.
    pub const fn is_rolling_back(&self) -> bool {
        self.rollback.is_some()
    }

    /// Gates that wait for a decision.
    pub fn open_gates(&self) -> impl Iterator<Item = (TaskIndex, &OpenGate)> {
        // Each has a deadline, and is found by it.
        self.timers.iter().filter_map(|(_, index)| match &self.tasks[*index as usize].phase {
            Phase::Gate(gate) => Some((TaskIndex(*index), gate)),
            _ => None,
        })
    }

    /// When the run ended, or began to wait for people.
    pub const fn rested(&self) -> Moment {
        self.rested
    }

    /// Who began the run.
    pub fn starter(&self) -> &str {
        &self.starter
    }

    /// What people decided about a task, in order.
    pub fn decisions(&self, task: &str) -> &[GateDecision] {
        self.decisions.get(task).map_or(&[], Vec::as_slice)
    }

    fn apply_to(&mut self, task: &str, event: &Event, at: Moment) -> Result<(), Option<Illegal>> {
        let index = *self.ids.get(task).ok_or(None)?;
        let place = index as usize;
        // A task starts only after all it needs, and nothing starts while things are undone.
        let starts = matches!(event, Event::StageStarted { .. });
        if starts && (self.unmet[place] > 0 || self.rollback.is_some() || !self.is_wanted(index)) {
            return Err(None);
        }
        let held = holds_room(&self.tasks[place].phase);
        let before = self.tasks[place].is_final();
        self.unschedule(index);
        self.lock_waits.remove(&index);
        let result = self.tasks[place].apply(&self.program.tasks[place], event, at);
        self.schedule(index);
        result.map_err(Some)?;
        self.follow_chores(index, event);
        let state = &self.tasks[place];
        let holds = holds_room(&state.phase);
        let (is_final, satisfies) = (state.is_final(), state.satisfies());
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
        if before != is_final || matches!(event, Event::FallbackCalled { .. }) {
            let spec = &self.program.tasks[place];
            self.touched.extend(spec.fallback.map(|fallback| fallback.0));
            self.touched.extend(spec.stands_in_for.iter().map(|task| task.0));
        }
        Ok(())
    }

    /// What follows from an event of a task for chores and for other tasks.
    fn follow_chores(&mut self, index: u32, event: &Event) {
        let place = index as usize;
        let spec = &self.program.tasks[place];
        match event {
            Event::StageStarted { stage, .. } => {
                if spec.undo.is_some() && !stage.starts_with("verify") {
                    self.acts += 1;
                    self.tasks[place].acted = Some(self.acts);
                    self.chores.forget(&Chore::Rollback { task: spec.id.clone() });
                }
                if !self.program.hooks.is_empty() {
                    self.chores.forget_end();
                    self.hooked = None;
                }
            }
            Event::TaskCompleted { task, .. } if spec.on_success => {
                self.chores.ask(Chore::OnSuccess { task: task.clone() });
                self.successes.insert(index);
            }
            Event::FallbackCalled { fallback, .. } => {
                if let Some(TaskIndex(fallback)) = self.find(fallback) {
                    self.tasks[fallback as usize].called = true;
                }
            }
            _ => {}
        }
    }

    fn apply_to_chore(&mut self, chore: &Chore, event: &Event, at: Moment) -> Option<()> {
        let starts = matches!(event, Event::ChoreStarted { .. });
        match chore {
            Chore::Rollback { task } if starts => {
                let index = self.find(task)?.0;
                let is_next = self.rollback.as_ref().is_some_and(|rollback| rollback.next() == Some(index));
                let is_failing = matches!(self.tasks[index as usize].phase, Phase::Failing(_));
                if is_failing && self.rollback.is_none() {
                    self.chores.ask(chore.clone());
                } else if !is_next {
                    return None;
                }
            }
            Chore::Hook { hook: Hook::OnWaiting } if starts => {
                self.told.as_ref()?;
                if self.hooked != self.told {
                    self.chores.forget(chore);
                }
            }
            _ => {}
        }
        self.chores.apply(event, at)?;
        match chore {
            Chore::Rollback { task } => self.follow_rollback(task, event, at),
            Chore::OnSuccess { task } if starts => {
                let index = self.find(task)?.0;
                self.successes.remove(&index);
            }
            Chore::Hook { hook: Hook::OnWaiting } if starts => self.hooked.clone_from(&self.told),
            _ => {}
        }
        Some(())
    }

    /// Whether a task may run at all: a fallback may when it was called.
    pub(super) fn is_wanted(&self, index: u32) -> bool {
        self.program.tasks[index as usize].stands_in_for.is_empty() || self.tasks[index as usize].called
    }

    /// Takes a task out of the sets that its phase put it into.
    fn unschedule(&mut self, index: u32) {
        let rank = self.rank(index);
        self.ready.remove(&rank);
        self.short.remove(&rank);
        self.outside.remove(&rank);
        self.questions.remove(&index);
        for (lock, _) in &self.program.tasks[index as usize].locks {
            self.locks[*lock].parked.remove(&rank);
        }
        if let Some(at) = timer(&self.tasks[index as usize].phase) {
            self.timers.remove(&(at, index));
        }
    }

    pub(super) fn schedule(&mut self, index: u32) {
        if let Some(at) = timer(&self.tasks[index as usize].phase) {
            self.timers.insert((at, index));
        }
    }

    pub(super) fn take_room(&mut self, index: u32) {
        self.working.insert(index);
        let spec = &self.program.tasks[index as usize];
        self.used = self.used.plus(spec.amounts);
        for (lock, alone) in &spec.locks {
            let lock = &mut self.locks[*lock];
            if *alone {
                lock.exclusive = Some(index);
            } else {
                lock.sharing.insert(index);
            }
        }
    }

    pub(super) fn give_room_back(&mut self, index: u32) {
        self.working.remove(&index);
        let spec = &self.program.tasks[index as usize];
        self.used = self.used.minus(spec.amounts);
        self.ready.append(&mut self.short);
        for (lock, alone) in &spec.locks {
            let lock = &mut self.locks[*lock];
            if *alone {
                lock.exclusive = None;
            } else {
                lock.sharing.remove(&index);
            }
            // All of them are looked at again, in order; those who still find it taken come back.
            self.ready.append(&mut lock.parked);
        }
    }

    /// What ran when the runner died is interrupted; what was promised about the end is void.
    fn lose_runner(&mut self) {
        // An end that was ordered and not reached is still ordered.
        let is_ordered = self.ending.is_none() && (self.mode == Mode::Stopping || self.ends);
        if !is_ordered {
            self.mode = Mode::Going;
            self.ends = false;
        }
        self.ending = None;
        self.lock_waits.clear();
        for index in std::mem::take(&mut self.working) {
            // What was undone as it died is no attempt: its room is free, as that of all others below.
            if !holds_room(&self.tasks[index as usize].phase) {
                self.give_room_back(index);
            } else {
                self.working.insert(index);
            }
        }
        self.chores.lose_runner();
        self.chores.forget_failure(&Chore::Hook { hook: Hook::OnStart });
        for index in 0..self.tasks.len() {
            let held = holds_room(&self.tasks[index].phase);
            self.tasks[index].lose_runner();
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if held && !holds_room(&self.tasks[index as usize].phase) {
                self.give_room_back(index);
            }
            if !self.tasks[index as usize].is_final() && self.unmet[index as usize] == 0 {
                self.touched.insert(index);
            }
        }
        self.ready.clear();
        self.outside.clear();
        self.questions.clear();
    }

    /// Whether the run goes on only after somebody outside of it did something.
    pub(super) fn is_at_rest(&self) -> bool {
        self.working.is_empty()
            && self.ready.is_empty()
            && self.outside.is_empty()
            && self.questions.is_empty()
            && self.undoing.is_empty()
            && self.chores.running() == 0
    }
}

/// Whether a phase occupies a slot, locks and amounts.
pub(super) const fn holds_room(phase: &Phase) -> bool {
    matches!(phase, Phase::Working { .. } | Phase::Unknown { running: Some(_), .. })
}

/// When something happens to a task by itself.
const fn timer(phase: &Phase) -> Option<Moment> {
    match phase {
        Phase::Retrying { at } => Some(*at),
        Phase::Gate(gate) => Some(gate.deadline),
        _ => None,
    }
}
