//! Undoing what tasks did: which ones, in which order, one at a time, whatever fails on the way.
//!
//! A task may have to be undone from the moment its work was about to start: the record of that is older than the work.
//! What came last is undone first. An undoing that failed may be tried again as the document allows; one that ended
//! well, or of which nobody knows how it ended, is not repeated unless a person names it.

use std::collections::VecDeque;

use super::chore::Standing;
use super::event::{Chore, Ending, Event, Hook, Moment};
use super::phase::Phase;
use super::state::{Mode, Run};
use crate::blueprint::TaskIndex;

/// What is being undone.
#[derive(Clone, Debug)]
pub(super) struct Rollback {
    /// Still to be undone, the next one first.
    queue: VecDeque<u32>,
    /// All that was ordered.
    ordered: Vec<u32>,
}

impl Rollback {
    /// The task that is undone now, or next.
    pub(super) fn next(&self) -> Option<u32> {
        self.queue.front().copied()
    }
}

/// Whether a task can be undone, and how far that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// It did nothing, or nothing is said of how to undo it.
    Nothing,
    /// Its author says that nothing undoes it.
    Irreversible,
    Due,
    Running,
    Undone,
    Failed,
    /// Its runner died on the way: nobody knows how it ended.
    Unknown,
}

impl Run {
    /// Whether a task can be undone, and how far that has come.
    pub fn undo(&self, task: TaskIndex) -> Undo {
        let (spec, state) = (&self.program.tasks[task.get()], &self.tasks[task.get()]);
        let Some(undo) = spec.undo.as_ref().filter(|_| state.acted.is_some()) else {
            return Undo::Nothing;
        };
        if undo.irreversible {
            return Undo::Irreversible;
        }
        let chore = Chore::Rollback { task: spec.id.clone() };
        match self.chores.get(&chore).map_or(&Standing::Idle, |state| &state.standing) {
            Standing::Idle | Standing::Due => Undo::Due,
            // Whoever started it may still tell how it ended.
            Standing::Running | Standing::Interrupted => Undo::Running,
            Standing::Done => Undo::Undone,
            Standing::Failed(_) => Undo::Failed,
            Standing::Unknown => Undo::Unknown,
        }
    }

    /// The tasks that did something, what came last in front.
    pub fn acted(&self) -> Vec<TaskIndex> {
        let mut acted: Vec<TaskIndex> = self.indices().filter(|task| self.tasks[task.get()].acted.is_some()).collect();
        acted.sort_by_key(|task| std::cmp::Reverse(self.tasks[task.get()].acted));
        acted
    }

    pub(super) fn acted_at(&self, task: u32) -> Option<u64> {
        self.tasks[task as usize].acted
    }

    /// The tasks that are to be undone, in the order in which it is done.
    pub fn undoable(&self) -> Vec<TaskIndex> {
        self.acted().into_iter().filter(|task| self.undo(*task) == Undo::Due).collect()
    }

    pub(super) fn rollback_of(&self, task: u32) -> Chore {
        Chore::Rollback { task: self.program.tasks[task as usize].id.clone() }
    }

    pub(super) fn order_rollback(&mut self, by: Option<&str>, tasks: &[String]) -> Option<()> {
        if self.rollback.is_some() || !self.working.is_empty() || self.chores.running() > 0 {
            return None;
        }
        let ordered: Vec<u32> = tasks.iter().map(|task| Some(self.find(task)?.0)).collect::<Option<_>>()?;
        let may_be_undone = |task: &u32| match self.undo(TaskIndex(*task)) {
            Undo::Due => true,
            // Again only where a person says so.
            Undo::Failed | Undo::Unknown => by.is_some(),
            Undo::Nothing | Undo::Irreversible | Undo::Running | Undo::Undone => false,
        };
        // What came last is undone first, whoever ordered it.
        let is_in_order = ordered.is_sorted_by(|one, next| self.acted_at(*one) > self.acted_at(*next));
        if ordered.is_empty() || !is_in_order || !ordered.iter().all(may_be_undone) {
            return None;
        }
        for task in tasks {
            self.chores.order(Chore::Rollback { task: task.clone() });
        }
        if by.is_some() {
            // The run may have been over for long: what its beginning set up is not there any more.
            for hook in [Hook::OnStart, Hook::OnExit] {
                self.chores.forget(&Chore::Hook { hook });
            }
        }
        self.undoing.clear();
        self.ending = None;
        self.mode = Mode::Going;
        self.ends = false;
        self.rollback = Some(Rollback { queue: ordered.iter().copied().collect(), ordered });
        Some(())
    }

    /// A chore that undoes a task began or ended: its room, and what comes next.
    pub(super) fn follow_rollback(&mut self, task: &str, event: &Event, at: Moment) {
        let Some(TaskIndex(index)) = self.find(task) else {
            return;
        };
        if matches!(event, Event::ChoreStarted { .. }) {
            self.take_room(index);
            return;
        }
        let chore = Chore::Rollback { task: task.to_owned() };
        let Some(state) = self.chores.get(&chore).filter(|state| !state.is_running()) else {
            return;
        };
        let spec = self.program.tasks[index as usize].undo.as_ref();
        let retries = spec.map_or((0, 0), |undo| (undo.max_retries, undo.retry_delay));
        let is_tried_again = match &state.standing {
            Standing::Failed(failure) => !failure.lasting && state.tries <= retries.0,
            _ => false,
        };
        if self.working.contains(&index) {
            self.give_room_back(index);
        }
        if is_tried_again {
            self.chores.retry(&chore, at.after(retries.1));
        } else if let Some(rollback) = &mut self.rollback {
            rollback.queue.retain(|queued| *queued != index);
        }
        if matches!(self.tasks[index as usize].phase, Phase::Failing(_)) {
            self.touched.insert(index);
        }
    }

    /// A task turned out never to have begun: there is nothing to undo.
    pub(super) fn leave_as_it_is(&mut self, index: u32) {
        if let Some(rollback) = &mut self.rollback {
            rollback.queue.retain(|queued| *queued != index);
            rollback.ordered.retain(|ordered| *ordered != index);
        }
    }

    /// How a rollback ended, when nothing of it is left to do, or when it could not begin.
    pub(super) fn rolled_back(&self) -> Option<Ending> {
        let rollback = self.rollback.as_ref()?;
        if !rollback.queue.is_empty() && self.failed_to_begin().is_none() {
            return None;
        }
        let is_undone = |task: &u32| self.undo(TaskIndex(*task)) == Undo::Undone;
        // Also what was tried before, and what nobody orders any more by itself.
        let is_left = |task: TaskIndex| matches!(self.undo(task), Undo::Failed | Undo::Unknown | Undo::Running);
        let all = rollback.ordered.iter().all(is_undone) && !self.indices().any(is_left);
        Some(if all { Ending::RolledBack } else { Ending::RollbackFailed })
    }
}
