//! Who holds what within the run: slots, locks and amounts, of attempts and of what undoes them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::phase::Phase;
use super::state::Run;
use crate::blueprint::TaskIndex;

/// Tasks in the order they are considered: what most hangs on first, then as in the document.
pub(super) type Rank = (Reverse<u32>, u32);

/// Who holds a lock within the run.
#[derive(Clone, Debug, Default)]
pub(super) struct LockState {
    pub(super) exclusive: Option<u32>,
    pub(super) sharing: BTreeSet<u32>,
    /// Tasks that could start but for this lock.
    pub(super) parked: BTreeSet<Rank>,
}

impl Run {
    /// Whether an attempt of the task is under way, with its slot and its locks.
    pub fn holds_room(&self, index: TaskIndex) -> bool {
        holds_room(&self.tasks[index.get()].phase)
    }

    /// Whether one more attempt may start.
    pub fn has_free_slot(&self) -> bool {
        ((self.working.len() + self.chores.beside()) as u64) < u64::from(self.program.slots)
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

    /// Whether there is a slot for one more, and as much of everything as it asks for.
    pub(super) fn has_room_for(&self, index: u32) -> bool {
        let amounts = self.program.tasks[index as usize].amounts;
        self.has_free_slot() && self.used.leaves_room_for(amounts, self.program.capacity)
    }

    /// The first lock of a task that another task of the run holds.
    pub(super) fn taken_lock(&self, index: u32) -> Option<usize> {
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

/// Whether a phase occupies a slot, locks and amounts.
pub(super) const fn holds_room(phase: &Phase) -> bool {
    matches!(phase, Phase::Working { .. } | Phase::Unknown { running: Some(_), .. })
}
