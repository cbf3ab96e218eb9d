//! How a run begins and ends: its hooks, what is undone, and the last word.

use super::chore::Standing;
use super::decide::World;
use super::event::{Chore, Ending, Event, Hook, Moment};
use super::failure::Failure;
use super::phase::Phase;
use super::rollback::Rollback;
use super::state::{Mode, Run};

impl Run {
    /// Whether what the run asks for before its first task is over. Where it failed, the run ends.
    pub(super) fn has_begun(&mut self, now: Moment, events: &mut Vec<Event>) -> bool {
        if !self.is_over(Hook::OnStart, now, events) {
            return false;
        }
        if let Some(failure) = self.failed_to_begin()
            && !self.ends
            && self.rollback.is_none()
        {
            let reason = format!("`on_start` failed: {}", failure.message);
            self.happen(now, Event::Draining { reason, ends: true }, events);
        }
        true
    }

    /// Why what the run asks for before its first task failed.
    pub(super) fn failed_to_begin(&self) -> Option<&Failure> {
        match &self.chores.get(&Chore::Hook { hook: Hook::OnStart })?.standing {
            Standing::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Has a hook carried out; whether that is over.
    fn is_over(&mut self, hook: Hook, now: Moment, events: &mut Vec<Event>) -> bool {
        if !self.program.hooks.contains(&hook) {
            return true;
        }
        let chore = Chore::Hook { hook };
        let known = self.chores.get(&chore);
        match known.map_or(&Standing::Idle, |state| &state.standing) {
            Standing::Done | Standing::Failed(_) => true,
            Standing::Unknown if hook != Hook::OnStart => true,
            Standing::Running | Standing::Interrupted => false,
            // Nothing is begun any more just to be ended.
            Standing::Idle | Standing::Due | Standing::Unknown if hook == Hook::OnStart && self.mode != Mode::Going => {
                true
            }
            Standing::Idle | Standing::Due | Standing::Unknown => {
                let attempt = known.map_or(0, |state| state.attempts) + 1;
                self.happen(now, Event::ChoreStarted { chore, attempt }, events);
                false
            }
        }
    }

    /// What complete tasks ask for, as long as there is room.
    pub(super) fn follow_successes(&mut self, now: Moment, events: &mut Vec<Event>) {
        if self.mode == Mode::Stopping || self.is_pausing() {
            return;
        }
        while self.has_free_slot()
            && let Some(&index) = self.successes.first()
        {
            let chore = Chore::OnSuccess { task: self.program.tasks[index as usize].id.clone() };
            let attempt = self.chores.get(&chore).map_or(0, |state| state.attempts) + 1;
            self.happen(now, Event::ChoreStarted { chore, attempt }, events);
        }
    }

    /// Ends the run when nothing can happen any more, or says who it waits for.
    pub(super) fn conclude(&mut self, now: Moment, events: &mut Vec<Event>) {
        if !self.is_at_rest() {
            return;
        }
        let stopped = self.mode != Mode::Going;
        // Those that wait for money wait for a person.
        let mut retrying = self.indices().filter(|index| matches!(self.task(*index).phase, Phase::Retrying { .. }));
        if !stopped && retrying.any(|index| !self.waits_for_budget(index)) {
            return;
        }
        let waiting: Vec<String> = self
            .program
            .tasks
            .iter()
            .zip(&self.tasks)
            .filter(|(_, task)| matches!(task.phase, Phase::Gate(_) | Phase::Unknown { .. }))
            .map(|(spec, _)| spec.id.clone())
            .collect();
        if self.is_pausing() && (self.open > 0 || !self.successes.is_empty()) {
            return;
        }
        if self.open > 0 && !stopped && !waiting.is_empty() {
            self.wait(waiting, now, events);
            return;
        }
        let state = self.verdict();
        let hook = if state == Ending::Done { Hook::OnSuccess } else { Hook::OnFailure };
        if !self.is_over(hook, now, events) {
            return;
        }
        if state == Ending::Failed && self.program.undoes {
            let tasks: Vec<String> =
                self.undoable().into_iter().map(|task| self.program.tasks[task.get()].id.clone()).collect();
            if !tasks.is_empty() {
                self.happen(now, Event::RollbackOrdered { by: None, tasks }, events);
                return;
            }
        }
        if self.is_over(Hook::OnExit, now, events) {
            self.happen(now, Event::RunEnded { state }, events);
        }
    }

    /// How the run ends, if it ends now.
    pub fn verdict(&self) -> Ending {
        if let Some(state) = self.ending.or_else(|| self.rolled_back()) {
            return state;
        }
        let failed = self.tasks.iter().filter_map(|task| match &task.phase {
            Phase::Blocked(failure) => Some(failure),
            _ => None,
        });
        let is_done = self.open == 0 && failed.clone().next().is_none() && self.failed_to_begin().is_none();
        if is_done {
            // Also where somebody cancelled it when there was nothing left to cancel.
            Ending::Done
        } else if self.cancelled {
            Ending::Cancelled
        } else if failed.clone().any(|failure| failure.is_rejection()) {
            Ending::Rejected
        } else {
            Ending::Failed
        }
    }

    /// Only people can make it go on: that is said once, and so is its hook told.
    fn wait(&mut self, waiting: Vec<String>, now: Moment, events: &mut Vec<Event>) {
        if self.told.is_none() {
            self.happen(now, Event::RunWaiting { gates: waiting }, events);
        }
        if self.program.hooks.contains(&Hook::OnWaiting) && self.hooked != self.told {
            let chore = Chore::Hook { hook: Hook::OnWaiting };
            let attempt = self.chores.get(&chore).map_or(0, |state| state.attempts) + 1;
            self.happen(now, Event::ChoreStarted { chore, attempt }, events);
        }
    }

    /// Undoes the next task, or ends the run when all is undone.
    pub(super) fn undo_next(&mut self, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) {
        if self.chores.running() > 0 {
            return;
        }
        if let Some(state) = self.rolled_back() {
            if self.is_over(Hook::OnExit, now, events) {
                self.happen(now, Event::RunEnded { state }, events);
            }
            return;
        }
        let next = self.rollback.as_ref().and_then(Rollback::next);
        if let Some(next) = next.filter(|_| self.mode == Mode::Going) {
            self.start_undoing(next, now, world, events);
        }
    }
}
