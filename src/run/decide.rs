//! What happens next by itself: state and time in, events out.
//!
//! [`Run::decide`] applies what it decides as it goes, so that one call reaches a point where only
//! the world can make a difference. Whoever drives the run writes the events down and then acts on
//! them; a run that is replayed and decided again decides the same.

use std::collections::BTreeSet;

use super::chore::ChoreState;
use super::event::{Chore, Completion, Event, GateMoment, KeptPort, Moment, Permit};
use super::failure::{Failure, FailureCode};
use super::phase::Phase;
use super::program::{GateTime, OnFailure, OnTimeout, Resumption};
use super::retry;
use super::state::{Mode, Run};
use crate::blueprint::TaskIndex;

/// What a decision needs to ask of the world while it is made.
pub trait World {
    /// Only these tasks hold locks now: those of others are given back.
    fn keep_locks(&mut self, working: &BTreeSet<u32>);

    /// Takes the locks of a task against everybody outside of this run, all or none, without
    /// waiting. Locks once taken are given back when the task's attempt is over.
    fn take_locks(&mut self, task: TaskIndex) -> bool;

    /// The digest of what a person is shown at a gate; `left` is what the task left.
    fn gate_digest(&mut self, task: TaskIndex, moment: GateMoment, left: &[KeptPort]) -> String;
}

impl Run {
    /// Everything that follows from the state by itself at this time, in order.
    pub fn decide(&mut self, now: Moment, world: &mut dyn World) -> Vec<Event> {
        let now = now.max(self.latest);
        let mut events = Vec::new();
        if self.ending.is_some() {
            return events;
        }
        for (chore, attempt) in self.chores.interrupted() {
            self.happen(now, Event::ChoreUnknown { chore, attempt }, &mut events);
        }
        if !self.has_begun(now, &mut events) {
            return events;
        }
        if self.rollback.is_some() {
            self.undo_next(now, world, &mut events);
            return events;
        }
        self.touched.extend(std::mem::take(&mut self.undoing));
        loop {
            let before = events.len();
            self.ring(now, &mut events);
            self.follow_up(now, world, &mut events);
            self.admit(now, world, &mut events);
            self.follow_successes(now, &mut events);
            if events.len() == before {
                break;
            }
        }
        self.conclude(now, &mut events);
        if self.rollback.is_some() {
            self.undo_next(now, world, &mut events);
        }
        events
    }

    /// When something happens by itself at the latest.
    pub fn next_timer(&self) -> Option<Moment> {
        let locks = self.lock_waits.values().min().copied();
        self.timers.first().map(|(at, _)| *at).into_iter().chain(locks).chain(self.chores.next_retry()).min()
    }

    /// Tasks whose condition has to be evaluated; the answer comes by `accept`.
    pub fn questions(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        self.questions.iter().copied().map(TaskIndex)
    }

    /// Whether somebody outside of the run holds locks that the task waits for.
    pub fn waits_outside(&self, task: TaskIndex) -> bool {
        let is_undone = self.rollback.as_ref().is_some_and(|rollback| rollback.next() == Some(task.0));
        is_undone
            || self.undoing.contains(&task.0)
            || self.outside.contains(&self.rank(task.0))
            || self.ready.contains(&self.rank(task.0))
    }

    /// Tasks that could start but for locks: those of this run, and those of others.
    pub fn waiting_for_locks(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        let parked = self.locks.iter().flat_map(|lock| &lock.parked);
        parked.chain(&self.outside).map(|(_, index)| TaskIndex(*index))
    }

    /// Whether one more attempt may start.
    pub fn has_free_slot(&self) -> bool {
        ((self.working.len() + self.chores.beside()) as u64) < u64::from(self.program.slots)
    }

    /// Tries the locks of others again at the next decision.
    pub fn retry_outside(&mut self) {
        self.ready.append(&mut self.outside);
    }

    pub(super) fn happen(&mut self, now: Moment, event: Event, events: &mut Vec<Event>) {
        match self.apply(now, &event) {
            Ok(()) => events.push(event),
            // Decisions are made from the state they change: it cannot refuse them.
            Err(illegal) => panic!("BUG: the run decided what cannot happen: {illegal}"),
        }
    }

    /// Timers whose time has come.
    fn ring(&mut self, now: Moment, events: &mut Vec<Event>) {
        let late: Vec<u32> =
            self.lock_waits.iter().filter(|(_, until)| **until <= now).map(|(index, _)| *index).collect();
        for index in late {
            let spec = &self.program.tasks[index as usize];
            let (task, failure) = (spec.id.clone(), retry::no_locks(spec.lock_timeout.unwrap_or_default()));
            self.block(now, task, Box::new(failure), events);
        }
        while let Some(&(at, index)) = self.timers.first()
            && at <= now
        {
            match self.tasks[index as usize].phase {
                Phase::Gate(_) => {
                    let spec = &self.program.tasks[index as usize];
                    let consequence = spec.gate.as_ref().map_or(OnTimeout::Abort, |gate| gate.on_timeout);
                    self.happen(now, Event::GateExpired { task: spec.id.clone(), consequence, unset: None }, events);
                    if consequence == OnTimeout::Abort {
                        self.stop(now, "a gate timed out", events);
                    }
                }
                _ => {
                    self.timers.remove(&(at, index));
                    self.touched.insert(index);
                    // Due: it is ready, which its phase does not say.
                    let rank = self.rank(index);
                    self.ready.insert(rank);
                }
            }
        }
    }

    /// What follows for every task that something happened to.
    fn follow_up(&mut self, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) {
        while let Some(index) = self.touched.pop_first() {
            if self.unmet[index as usize] == 0 {
                self.follow(index, now, world, events);
            }
        }
    }

    fn follow(&mut self, index: u32, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) {
        let place = index as usize;
        let spec = &self.program.tasks[place];
        let id = spec.id.clone();
        let state = &self.tasks[place];
        match &state.phase {
            Phase::Waiting if !self.is_wanted(index) => {
                let callers = &spec.stands_in_for;
                if callers.iter().all(|caller| self.tasks[caller.get()].is_final()) {
                    let reason = "no task needed it as its fallback".to_owned();
                    self.happen(now, Event::TaskSkipped { task: id, reason }, events);
                }
            }
            Phase::Replaced { failure, by } => {
                let (failure, by) = (failure.clone(), by.clone());
                match self.find(&by).map(|fallback| &self.tasks[fallback.get()].phase) {
                    Some(Phase::Complete(_)) => {
                        let reason = format!("`{by}` did its work, because it failed: {}", failure.message);
                        self.happen(now, Event::TaskSkipped { task: id, reason }, events);
                    }
                    Some(Phase::Blocked(_) | Phase::Skipped(_)) | None => self.give_up(index, failure, now, events),
                    Some(_) => {}
                }
            }
            Phase::Waiting if self.mode == Mode::Going => {
                if !state.condition_held {
                    self.questions.insert(index);
                } else if !state.admitted {
                    let event = self.open_gate(index, GateMoment::Before, now, world);
                    self.happen(now, event, events);
                } else if spec.stages.is_empty() {
                    if state.accepted {
                        self.happen(now, Event::TaskCompleted { task: id, how: Completion::Collected }, events);
                    }
                } else {
                    let rank = self.rank(index);
                    self.ready.insert(rank);
                }
            }
            Phase::Working { stage, running: false } => {
                let event = if self.mode < Mode::Stopping {
                    let (attempt, stage) = (state.attempts, spec.stages[*stage].word().to_owned());
                    Event::StageStarted { task: id, attempt, stage }
                } else {
                    Event::TaskBlocked { task: id, failure: Box::new(retry::stopped()) }
                };
                self.happen(now, event, events);
            }
            Phase::Finished if state.accepted => {
                let performed = spec.stages.iter().any(|stage| !stage.is_repeatable());
                let how = if performed { Completion::Done } else { Completion::Verified };
                self.happen(now, Event::TaskCompleted { task: id, how }, events);
            }
            Phase::Finished if self.mode < Mode::Stopping => {
                let event = self.open_gate(index, GateMoment::After, now, world);
                self.happen(now, event, events);
            }
            Phase::Failing(failure) => {
                let failure = failure.clone();
                self.after_failure(index, failure, now, world, events);
            }
            Phase::Paused { .. } if self.mode == Mode::Going => {
                let rank = self.rank(index);
                self.ready.insert(rank);
            }
            Phase::Paused { .. } if self.mode == Mode::Stopping => {
                self.happen(now, Event::TaskBlocked { task: id, failure: Box::new(retry::stopped()) }, events);
            }
            Phase::Interrupted { stage } if self.mode == Mode::Going => {
                let stage = spec.stages[*stage];
                if stage.is_repeatable() {
                    let rank = self.rank(index);
                    self.ready.insert(rank);
                } else {
                    let (attempt, stage) = (state.attempts, stage.word().to_owned());
                    self.happen(now, Event::TaskUnknown { task: id, attempt, stage }, events);
                }
            }
            Phase::Unknown { running: None, next, .. } if self.mode == Mode::Going => {
                let goes_on = match spec.handoff {
                    Some(Resumption::FromCheckpoint) => state.checkpoint.is_some(),
                    Some(Resumption::Restart) => true,
                    Some(Resumption::Manual) | None => false,
                };
                if goes_on {
                    self.happen(now, Event::RepeatAllowed { task: id, by: Permit::HandedOff }, events);
                } else if spec.handoff == Some(Resumption::Manual) {
                    // A person looks at the checkpoint first, whatever else is said of the task.
                } else if spec.idempotent {
                    self.happen(now, Event::RepeatAllowed { task: id, by: Permit::Idempotent }, events);
                } else if next.is_some() {
                    let rank = self.rank(index);
                    self.ready.insert(rank);
                }
            }
            _ => {}
        }
    }

    fn open_gate(&self, index: u32, moment: GateMoment, now: Moment, world: &mut dyn World) -> Event {
        let spec = &self.program.tasks[index as usize];
        let timeout = spec.gate.as_ref().map_or(0, |gate| gate.timeout);
        let left = self.tasks[index as usize].kept.as_ref().map_or(&[][..], |(_, ports)| ports);
        debug_assert!(
            spec.gate.as_ref().is_some_and(|gate| (gate.time == GateTime::Before) == (moment == GateMoment::Before))
        );
        Event::GateOpened {
            task: spec.id.clone(),
            time: moment,
            digest: world.gate_digest(TaskIndex(index), moment, left),
            deadline: now.after(timeout),
        }
    }

    fn after_failure(
        &mut self,
        index: u32,
        failure: Box<Failure>,
        now: Moment,
        world: &mut dyn World,
        events: &mut Vec<Event>,
    ) {
        let place = index as usize;
        let spec = &self.program.tasks[place];
        let (task, state) = (spec.id.clone(), &self.tasks[place]);
        let may_retry = !failure.lasting && self.mode == Mode::Going && state.failures <= spec.max_retries;
        if may_retry {
            let attempt = state.attempts + 1;
            let at = now.after(retry::delay(spec.retry_delay, state.failures, &task));
            self.happen(now, Event::RetryScheduled { task, attempt, at }, events);
            return;
        }
        let is_order = is_order(&failure);
        if !is_order && !self.is_cleared_up(index, now, world, events) {
            return;
        }
        let spec = &self.program.tasks[place];
        if let Some(fallback) = spec.fallback.filter(|_| !is_order && self.mode == Mode::Going)
            && self.tasks[place].replaced_by.is_none()
            && !self.tasks[fallback.get()].is_final()
        {
            let fallback = self.program.tasks[fallback.get()].id.clone();
            self.happen(now, Event::FallbackCalled { task, fallback }, events);
            return;
        }
        self.give_up(index, failure, now, events);
    }

    /// Whether a failed task that is undone at once has been.
    fn is_cleared_up(&mut self, index: u32, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) -> bool {
        let (spec, state) = (&self.program.tasks[index as usize], &self.tasks[index as usize]);
        let is_meant = spec.undone_on_failure && spec.undo.as_ref().is_some_and(|undo| !undo.irreversible);
        if !is_meant || state.acted.is_none() || self.mode == Mode::Stopping {
            return true;
        }
        let chore = Chore::Rollback { task: spec.id.clone() };
        let known = self.chores.get(&chore);
        if known.is_some_and(ChoreState::is_over) {
            return true;
        }
        let is_running = known.is_some_and(ChoreState::is_running);
        if !is_running && !self.start_undoing(index, now, world, events) {
            self.undoing.insert(index);
        }
        false
    }

    /// Begins to undo a task, if its locks are free and it is time.
    pub(super) fn start_undoing(
        &mut self,
        index: u32,
        now: Moment,
        world: &mut dyn World,
        events: &mut Vec<Event>,
    ) -> bool {
        let spec = &self.program.tasks[index as usize];
        let chore = Chore::Rollback { task: spec.id.clone() };
        let known = self.chores.get(&chore);
        let attempt = known.map_or(0, |state| state.attempts) + 1;
        if known.and_then(|state| state.retry).is_some_and(|due| now < due) || self.taken_lock(index).is_some() {
            return false;
        }
        if !spec.locks.is_empty() {
            world.keep_locks(&self.working);
            if !world.take_locks(TaskIndex(index)) {
                return false;
            }
        }
        self.happen(now, Event::ChoreStarted { chore, attempt }, events);
        true
    }

    /// What a task that failed for good does to the rest.
    fn give_up(&mut self, index: u32, failure: Box<Failure>, now: Moment, events: &mut Vec<Event>) {
        let spec = &self.program.tasks[index as usize];
        let task = spec.id.clone();
        // A person's no is no failure that the document may shrug off, and what was stopped did not fail.
        let action = if is_order(&failure) { OnFailure::Block } else { spec.on_failure };
        match action {
            OnFailure::Skip => {
                let reason = format!("it failed and `on_failure` says so: {}", failure.message);
                self.happen(now, Event::TaskSkipped { task, reason }, events);
            }
            OnFailure::Block => self.block(now, task, failure, events),
            OnFailure::Abort => {
                let reason = format!("`{task}` failed and `on_failure.action` is `abort`");
                self.happen(now, Event::TaskBlocked { task, failure }, events);
                self.stop(now, &reason, events);
            }
        }
    }

    fn block(&mut self, now: Moment, task: String, failure: Box<Failure>, events: &mut Vec<Event>) {
        let reason = format!("`{task}` is blocked and the run ends with its first failure");
        self.happen(now, Event::TaskBlocked { task, failure }, events);
        if self.program.fail_fast && self.mode == Mode::Going {
            self.happen(now, Event::Draining { reason, ends: true }, events);
        }
    }

    fn stop(&mut self, now: Moment, reason: &str, events: &mut Vec<Event>) {
        if self.mode < Mode::Stopping {
            self.happen(now, Event::Stopping { reason: reason.to_owned() }, events);
        }
    }

    /// Starts what there is room for.
    fn admit(&mut self, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) {
        if self.mode != Mode::Going {
            self.ready.clear();
            // Nobody waits any more for locks of others: the run need not outlast them.
            self.outside.clear();
            return;
        }
        world.keep_locks(&self.working);
        while self.has_free_slot() {
            let Some(rank) = self.ready.pop_first() else {
                return;
            };
            let index = rank.1;
            let spec = &self.program.tasks[index as usize];
            if let Some(lock) = self.taken_lock(index) {
                self.locks[lock].parked.insert(rank);
                self.lock_waits(index, now);
            } else if !self.used.leaves_room_for(spec.amounts, self.program.capacity) {
                self.short.insert(rank);
            } else if !spec.locks.is_empty() && !world.take_locks(TaskIndex(index)) {
                self.outside.insert(rank);
                self.lock_waits(index, now);
            } else {
                let (attempt, stage) = self.tasks[index as usize].next_start();
                let (task, stage) = (spec.id.clone(), spec.stages[stage].word().to_owned());
                self.happen(now, Event::StageStarted { task, attempt, stage }, events);
            }
        }
    }

    /// Has its patience begin, if it has an end. Work that was begun waits for as long as it takes:
    /// to give up would be to do it again.
    fn lock_waits(&mut self, index: u32, now: Moment) {
        let (spec, state) = (&self.program.tasks[index as usize], &self.tasks[index as usize]);
        if let (Some(timeout), Phase::Waiting | Phase::Retrying { .. }) = (spec.lock_timeout, &state.phase) {
            self.lock_waits.entry(index).or_insert_with(|| now.after(timeout));
        }
    }

    /// The first lock of a task that another task of the run holds.
    fn taken_lock(&self, index: u32) -> Option<usize> {
        let spec = &self.program.tasks[index as usize];
        spec.locks.iter().find_map(|(lock, alone)| {
            let state = &self.locks[*lock];
            let full = state.sharing.len() as u64 >= u64::from(self.program.locks[*lock].holders);
            let taken = state.exclusive.is_some() || if *alone { !state.sharing.is_empty() } else { full };
            taken.then_some(*lock)
        })
    }

    /// The lock that another task of this run keeps a task from, and that task.
    pub fn lock_holder(&self, task: TaskIndex) -> Option<(&str, TaskIndex)> {
        let state = &self.tasks[task.get()];
        if self.unmet[task.get()] > 0 || !matches!(state.phase, Phase::Waiting | Phase::Paused { .. }) {
            return None;
        }
        let lock = self.taken_lock(task.0)?;
        let holder = self.locks[lock].exclusive.or_else(|| self.locks[lock].sharing.first().copied())?;
        Some((&self.program.locks[lock].name, TaskIndex(holder)))
    }
}

/// Whether somebody ordered it, which is no failure of the task.
fn is_order(failure: &Failure) -> bool {
    failure.is_rejection() || failure.code == FailureCode::Cancelled
}
