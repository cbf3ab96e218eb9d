//! What follows when an attempt failed: another one, or, when it failed for good, its undoing, its fallback, its action.

use super::decide::World;
use super::event::{Chore, Event, GateMoment, Moment};
use super::failure::{Course, Failure, FailureCode};
use super::phase::Phase;
use super::program::OnFailure;
use super::retry;
use super::rollback::Undo;
use super::state::{Mode, Run};
use crate::blueprint::TaskIndex;

/// How long a person may take to say whether a failed task goes on, where the document does not say: a week.
const PATIENCE: u64 = 7 * 24 * 3600 * 1000;

impl Run {
    pub(super) fn after_failure(
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
        match failure.course.filter(|_| self.mode == Mode::Going) {
            Some(Course::Later { at }) => {
                let (attempt, at) = (state.attempts + 1, at.max(now));
                self.happen(now, Event::RetryScheduled { task, attempt, at }, events);
                return;
            }
            Some(Course::Ask) => {
                let digest = world.failure_digest(TaskIndex(index), state.attempts, &failure);
                let timeout = spec.gate.as_ref().map_or(PATIENCE, |gate| gate.timeout);
                let (time, deadline) = (GateMoment::Failed, now.after(timeout));
                self.happen(now, Event::GateOpened { task, time, digest, deadline }, events);
                return;
            }
            None => {}
        }
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
            && self.may_relieve(fallback)
        {
            let fallback = self.program.tasks[fallback.get()].id.clone();
            self.happen(now, Event::FallbackCalled { task, fallback }, events);
            return;
        }
        self.give_up(index, failure, now, events);
    }

    /// Whether a fallback may still do somebody's work, or has done it: once is enough for all who call it.
    fn may_relieve(&self, fallback: TaskIndex) -> bool {
        match self.tasks[fallback.get()].phase {
            Phase::Blocked(_) => false,
            Phase::Skipped(_) => self.is_relieved(fallback),
            _ => true,
        }
    }

    /// Whether a failed task that is undone at once has been. Where the run only pauses, nothing more is begun: that is
    /// left to whoever goes on.
    fn is_cleared_up(&mut self, index: u32, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) -> bool {
        if !self.program.tasks[index as usize].undone_on_failure {
            return true;
        }
        let chore = Chore::Rollback { task: self.program.tasks[index as usize].id.clone() };
        let is_due = match self.undo(TaskIndex(index)) {
            Undo::Due => true,
            Undo::Running => return false,
            // Until its last retry is over.
            Undo::Failed => self.chores.get(&chore).is_some_and(|state| state.retry.is_some()),
            Undo::Nothing | Undo::Irreversible | Undo::Undone | Undo::Unknown => false,
        };
        if !is_due || self.mode == Mode::Stopping {
            return true;
        }
        if self.is_pausing() {
            return false;
        }
        if !self.has_room_for(index) || !self.start_undoing(index, now, world, events) {
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
    pub(super) fn give_up(&mut self, index: u32, failure: Box<Failure>, now: Moment, events: &mut Vec<Event>) {
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
                self.stop(now, &reason, events);
                self.happen(now, Event::TaskBlocked { task, failure }, events);
            }
        }
    }

    pub(super) fn block(&mut self, now: Moment, task: String, failure: Box<Failure>, events: &mut Vec<Event>) {
        self.end_early(now, &task, events);
        self.happen(now, Event::TaskBlocked { task, failure }, events);
    }

    /// A task is about to be blocked, and the run may end with the first that is. That it ends is written first, here and
    /// above: a runner that dies between the two leaves a task whose end is decided again, and no run that goes on.
    pub(super) fn end_early(&mut self, now: Moment, task: &str, events: &mut Vec<Event>) {
        if self.program.fail_fast && self.mode == Mode::Going {
            let reason = format!("`{task}` is blocked and the run ends with its first failure");
            self.happen(now, Event::Draining { reason, ends: true }, events);
        }
    }

    fn stop(&mut self, now: Moment, reason: &str, events: &mut Vec<Event>) {
        if self.mode < Mode::Stopping {
            self.happen(now, Event::Stopping { reason: reason.to_owned() }, events);
        }
    }
}

/// Whether somebody ordered it, which is no failure of the task.
fn is_order(failure: &Failure) -> bool {
    failure.is_rejection() || failure.code == FailureCode::Cancelled
}
