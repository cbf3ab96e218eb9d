//! What happens next by itself: state and time in, events out.
//!
//! [`Run::decide`] applies what it decides as it goes, so that one call reaches a point where only
//! the world can make a difference. Whoever drives the run writes the events down and then acts on
//! them; a run that is replayed and decided again decides the same.

use std::collections::BTreeSet;

use super::event::{Completion, Event, GateMoment, KeptPort, Moment, Permit};
use super::failure::{Failure, expired};
use super::phase::{OpenGate, Phase};
use super::program::{GateTime, OnTimeout, Resumption};
use super::purse::Usage;
use super::retry;
use super::rollback::Rollback;
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

    /// What attempts under way have used so far, as far as anybody knows.
    fn underway(&mut self, _attempts: &[(TaskIndex, u32)]) -> Usage {
        Usage::default()
    }

    /// The digest of what a person is shown of an attempt that failed.
    fn failure_digest(&mut self, task: TaskIndex, attempt: u32, failure: &Failure) -> String;
}

impl Run {
    /// Everything that follows from the state by itself at this time, in order.
    pub fn decide(&mut self, now: Moment, world: &mut dyn World) -> Vec<Event> {
        let now = now.max(self.latest).max(self.decided);
        self.decided = now;
        let mut events = Vec::new();
        if self.ending.is_some() {
            return events;
        }
        for (chore, attempt) in self.chores.interrupted() {
            self.happen(now, Event::ChoreUnknown { chore, attempt }, &mut events);
        }
        // What the run asks for at its beginning and at its end is not overtaken by anything.
        if !self.has_begun(now, &mut events) || self.chores.is_ending() {
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
            self.lose_patience(now, &mut events);
            self.follow_successes(now, &mut events);
            if events.len() == before && !self.give_up_stranded(now, &mut events) {
                break;
            }
        }
        self.conclude(now, &mut events);
        if self.rollback.is_some() {
            self.undo_next(now, world, &mut events);
        }
        events
    }

    /// When something happens by itself after `now`. What is due since and cannot start waits for room or for locks.
    pub fn next_timer(&self, now: Moment) -> Option<Moment> {
        let undoing = self.rollback.as_ref().and_then(Rollback::next).into_iter().chain(self.undoing.iter().copied());
        let retries = undoing.filter_map(|index| self.chores.get(&self.rollback_of(index))?.retry);
        let retry = retries.filter(|at| *at > now).min();
        if self.rollback.is_some() || self.chores.is_beginning_or_ending() {
            return retry;
        }
        let locks = self.lock_waits.values().copied().filter(|until| *until > now).min();
        self.timers.first().map(|(at, _)| *at).into_iter().chain(locks).chain(retry).min()
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
        while let Some(&(at, index)) = self.timers.first()
            && at <= now
        {
            match self.tasks[index as usize].phase {
                Phase::Gate(OpenGate { moment: moment @ (GateMoment::Failed | GateMoment::Budget), .. }) => {
                    let who = if moment == GateMoment::Budget { "agents go" } else { "it goes" };
                    let failure = Box::new(expired(format!("nobody said in time whether {who} on")));
                    let task = self.program.tasks[index as usize].id.clone();
                    self.block(now, task, failure, events);
                }
                Phase::Gate(_) => {
                    let spec = &self.program.tasks[index as usize];
                    let consequence = spec.gate.as_ref().map_or(OnTimeout::Abort, |gate| gate.on_timeout);
                    let stops = consequence == OnTimeout::Abort && self.mode < Mode::Stopping;
                    self.happen(now, Event::GateExpired { task: spec.id.clone(), consequence, unset: None }, events);
                    if stops {
                        self.happen(now, Event::Stopping { reason: "a gate timed out".to_owned() }, events);
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
            if self.unmet[index as usize] == 0 || self.is_needless(index) {
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
                if self.is_needless(index) {
                    let reason = "no task needed it as its fallback".to_owned();
                    self.happen(now, Event::TaskSkipped { task: id, reason }, events);
                } else {
                    // Whoever called it may have been started again since.
                    self.unschedule(index, None);
                }
            }
            Phase::Replaced { .. } => self.follow_fallback(index, now, events),
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

    /// Starts what there is room for.
    fn admit(&mut self, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) {
        if self.mode != Mode::Going {
            self.ready.clear();
            // Nobody waits any more for locks of others: the run need not outlast them.
            self.outside.clear();
            self.unpaid.clear();
            self.lock_waits.clear();
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
            } else if !self.is_paid(index, now, world, events) {
                // It waits for a person, or nothing more is to come of it.
            } else if !self.program.tasks[index as usize].locks.is_empty() && !world.take_locks(TaskIndex(index)) {
                self.outside.insert(rank);
                self.lock_waits(index, now);
            } else {
                let (attempt, stage) = self.tasks[index as usize].next_start();
                let spec = &self.program.tasks[index as usize];
                let (task, stage) = (spec.id.clone(), spec.stages[stage].word().to_owned());
                self.happen(now, Event::StageStarted { task, attempt, stage }, events);
            }
        }
    }

    /// Has its patience begin, if it has an end. Work that was begun waits for as long as it takes, and so does its next
    /// attempt, also one that a person ordered: to give up would leave what was done half-way.
    fn lock_waits(&mut self, index: u32, now: Moment) {
        let (spec, state) = (&self.program.tasks[index as usize], &self.tasks[index as usize]);
        if let (Some(timeout), Phase::Waiting, None) = (spec.lock_timeout, &state.phase, state.acted) {
            self.lock_waits.entry(index).or_insert_with(|| now.after(timeout));
        }
    }

    /// Tasks that have waited long enough for locks, and were just looked at: somebody still has them.
    fn lose_patience(&mut self, now: Moment, events: &mut Vec<Event>) {
        let late: Vec<u32> =
            self.lock_waits.iter().filter(|(_, until)| **until <= now).map(|(index, _)| *index).collect();
        for index in late {
            let rank = self.rank(index);
            if self.mode == Mode::Going && (self.outside.contains(&rank) || self.is_parked(index)) {
                let spec = &self.program.tasks[index as usize];
                let failure = retry::no_locks(spec.lock_timeout.unwrap_or_default());
                self.give_up(index, Box::new(failure), now, events);
            }
        }
    }

    fn is_parked(&self, index: u32) -> bool {
        let rank = self.rank(index);
        self.program.tasks[index as usize].locks.iter().any(|(lock, _)| self.locks[*lock].parked.contains(&rank))
    }
}
