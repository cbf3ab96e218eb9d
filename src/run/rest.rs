//! A run that nobody drives: what is left when its runner died, and when nothing follows by itself.

use super::event::{Chore, Hook, Moment};
use super::phase::Phase;
use super::state::{Mode, Run};
use super::task::TaskState;

impl Run {
    /// What ran when the runner died is interrupted; what was promised about the end is void. What is left says
    /// nothing of how far decisions had come: they are made anew.
    pub(super) fn lose_runner(&mut self) {
        // An end that was ordered and not reached is still ordered.
        let is_ordered = self.ending.is_none() && (self.mode == Mode::Stopping || self.ends);
        if !is_ordered {
            self.mode = Mode::Going;
            self.ends = false;
        }
        self.ending = None;
        self.decided = Moment::default();
        for index in std::mem::take(&mut self.working) {
            self.give_room_back(index);
        }
        self.chores.lose_runner();
        if !is_ordered {
            self.chores.forget_failure(&Chore::Hook { hook: Hook::OnStart });
        }
        self.lock_waits.clear();
        self.ready.clear();
        self.outside.clear();
        self.unpaid.clear();
        self.questions.clear();
        self.undoing.clear();
        self.timers.clear();
        self.touched.clear();
        for index in 0..self.tasks.len() {
            self.tasks[index].lose_runner();
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.schedule(index);
            if self.may_follow(index) {
                self.touched.insert(index);
            }
        }
    }

    /// Whether the run goes on only after somebody outside of it did something.
    pub(super) fn is_at_rest(&self) -> bool {
        self.working.is_empty()
            && self.ready.is_empty()
            && self.outside.is_empty()
            && self.questions.is_empty()
            && self.undoing.is_empty()
            && self.chores.running() == 0
            && self.short.is_empty()
            && self.locks.iter().all(|lock| lock.parked.is_empty())
    }

    /// Whether nothing will happen any more: nobody has to be waited for either.
    pub(super) fn is_exhausted(&self) -> bool {
        let goes_on =
            |task: &TaskState| matches!(task.phase, Phase::Retrying { .. } | Phase::Gate(_) | Phase::Unknown { .. });
        self.mode == Mode::Going && self.is_at_rest() && !self.tasks.iter().any(goes_on)
    }
}
