//! Fallbacks: who is called, who is needless, and what becomes of the task that called.
//!
//! A fallback runs while a failed task that named it waits for it, and is skipped when all that might have named it
//! are satisfied. What a task of which nobody knows more than that it is blocked may still need is kept: somebody
//! may have it started again.

use std::collections::BTreeSet;

use super::event::{Event, Moment};
use super::phase::Phase;
use super::state::Run;
use super::task::TaskState;
use crate::blueprint::TaskIndex;

/// The callers of a fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Those that called it.
    made: u32,
    /// Those that are not satisfied yet.
    open: u32,
}

/// What a task is to its fallback.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    has_called: bool,
    is_open: bool,
}

impl Caller {
    pub(super) fn of(state: &TaskState) -> Self {
        Self { has_called: state.replaced_by.is_some(), is_open: !state.satisfies() }
    }
}

/// What became of the fallback that a failed task waits for.
enum Relief {
    Coming,
    Done,
    Never,
}

impl Run {
    /// Counts the callers of all fallbacks.
    pub(super) fn count_calls(&mut self) {
        self.calls = vec![Calls::default(); self.tasks.len()];
        for spec in &self.program.tasks {
            let Some(fallback) = self.ids.get(&spec.id).copied() else {
                continue;
            };
            for caller in &spec.stands_in_for {
                let caller = Caller::of(&self.tasks[caller.get()]);
                let calls = &mut self.calls[fallback as usize];
                calls.made += u32::from(caller.has_called);
                calls.open += u32::from(caller.is_open);
            }
        }
    }

    /// A task changed from what it was to its fallback: both of them may have something to do now.
    pub(super) fn follow_call(&mut self, index: u32, before: Caller) {
        let after = Caller::of(&self.tasks[index as usize]);
        let Some(TaskIndex(fallback)) = self.program.tasks[index as usize].fallback else {
            return;
        };
        let calls = &mut self.calls[fallback as usize];
        let change = |count: &mut u32, before: bool, after: bool| match (before, after) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        };
        change(&mut calls.made, before.has_called, after.has_called);
        change(&mut calls.open, before.is_open, after.is_open);
        if before.has_called != after.has_called || before.is_open != after.is_open {
            self.touched.insert(fallback);
        }
    }

    /// Whether a task may begin at all: a fallback may when it was called.
    pub(super) fn is_wanted(&self, index: u32) -> bool {
        self.program.tasks[index as usize].stands_in_for.is_empty() || self.calls[index as usize].made > 0
    }

    /// Whether it is a fallback that nobody called and nobody will call.
    pub(super) fn is_needless(&self, index: u32) -> bool {
        !self.is_wanted(index) && self.calls[index as usize].open == 0
    }

    /// Who did the work of a task: itself, or its fallback, or that one's.
    pub fn stand_in(&self, task: TaskIndex) -> TaskIndex {
        let mut at = task;
        // Fallbacks form no circle; a program that has one all the same is not walked for ever.
        for _ in 0..self.tasks.len() {
            let state = &self.tasks[at.get()];
            let is_replaced = matches!(state.phase, Phase::Skipped(_) | Phase::Replaced { .. });
            match state.replaced_by.as_deref().filter(|_| is_replaced).and_then(|by| self.find(by)) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// Whether a task's work was done by another one.
    pub(super) fn is_relieved(&self, task: TaskIndex) -> bool {
        let other = self.stand_in(task);
        other != task && matches!(self.tasks[other.get()].phase, Phase::Complete(_))
    }

    fn relief(&self, index: u32, by: &str) -> Relief {
        let Some(fallback) = self.find(by) else {
            return Relief::Never;
        };
        match &self.tasks[fallback.get()].phase {
            Phase::Complete(_) => Relief::Done,
            Phase::Skipped(_) if self.is_relieved(fallback) => Relief::Done,
            Phase::Skipped(_) | Phase::Blocked(_) => Relief::Never,
            // Under another document it may be somebody else's by now.
            _ if self.program.tasks[index as usize].fallback != Some(fallback) => Relief::Never,
            _ => Relief::Coming,
        }
    }

    /// What follows for a failed task from what its fallback does.
    pub(super) fn follow_fallback(&mut self, index: u32, now: Moment, events: &mut Vec<Event>) {
        let Phase::Replaced { failure, by } = &self.tasks[index as usize].phase else {
            return;
        };
        match self.relief(index, by) {
            Relief::Coming => {}
            Relief::Done => {
                let reason = format!("`{by}` did its work, because it failed: {}", failure.message);
                let task = self.program.tasks[index as usize].id.clone();
                self.happen(now, Event::TaskSkipped { task, reason }, events);
            }
            Relief::Never => {
                let failure = failure.clone();
                self.give_up(index, failure, now, events);
            }
        }
    }

    /// A failed task whose fallback can never begin, because nothing happens any more that it could wait for, is
    /// given up: its `action` counts. One at a time: that may be what another fallback waited for.
    pub(super) fn give_up_stranded(&mut self, now: Moment, events: &mut Vec<Event>) -> bool {
        if self.replaced.is_empty() || !self.is_exhausted() {
            return false;
        }
        let first = self.replaced.iter().copied().find(|index| !self.waits_for_relief(*index));
        let Some(index) = first.or_else(|| self.replaced.first().copied()) else {
            return false;
        };
        let Phase::Replaced { failure, .. } = &self.tasks[index as usize].phase else {
            return false;
        };
        let failure = failure.clone();
        self.give_up(index, failure, now, events);
        true
    }

    /// Whether the fallback of a task waits for another task that waits for its own.
    fn waits_for_relief(&self, index: u32) -> bool {
        let mut seen = BTreeSet::new();
        let mut left: Vec<u32> = self.program.tasks[index as usize].fallback.iter().map(|task| task.0).collect();
        while let Some(at) = left.pop() {
            for need in self.unmet(TaskIndex(at)) {
                if self.replaced.contains(&need.0) && need.0 != index {
                    return true;
                }
                if seen.insert(need.0) {
                    left.push(need.0);
                }
            }
        }
        false
    }
}
