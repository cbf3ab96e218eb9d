//! Who held the locks that a task waited for.
//!
//! The journal does not say what a task waits for while it is in no attempt; it says when attempts held their locks.
//! What is told is what overlapped: a wait may have had other reasons as well, such as a slot.

use std::collections::HashMap;

use super::fold::Told;
use super::{At, HeldPart, WaitPart};
use crate::blueprint::TaskIndex;
use crate::run::Program;

/// Holders of a lock that are named at most, and looked at.
const HOLDERS: usize = 3;
const LOOKED_AT: usize = 500;

/// Attempts that held a lock, by lock, in the order they began.
pub(super) struct Holders {
    by_lock: HashMap<usize, Vec<Holding>>,
    names: Vec<String>,
}

struct Holding {
    from: At,
    to: Option<At>,
    task: usize,
    id: String,
    alone: bool,
}

impl Holders {
    pub(super) fn of(program: &Program, tasks: &[Told]) -> Self {
        let mut by_lock: HashMap<usize, Vec<Holding>> = HashMap::new();
        for (task, (told, spec)) in tasks.iter().zip(&program.tasks).enumerate() {
            for (lock, alone) in &spec.locks {
                let held = told.attempts.iter().map(|attempt| Holding {
                    from: attempt.started_at,
                    to: attempt.stages.last().and_then(|last| last.ended_at),
                    task,
                    id: told.id.clone(),
                    alone: *alone,
                });
                by_lock.entry(*lock).or_default().extend(held);
            }
        }
        for held in by_lock.values_mut() {
            held.sort_by_key(|holding| holding.from);
        }
        Self { by_lock, names: program.locks.iter().map(|lock| lock.name.clone()).collect() }
    }

    /// Who held the locks of a task while it waited.
    pub(super) fn of_wait(&self, locks: &[(usize, bool)], task: TaskIndex, wait: &WaitPart) -> Vec<HeldPart> {
        let mut held = Vec::new();
        for (lock, alone) in locks {
            let all = self.by_lock.get(lock).map(Vec::as_slice).unwrap_or_default();
            let end = all.partition_point(|holding| wait.to.is_none_or(|to| holding.from < to));
            let mut by: Vec<String> = Vec::new();
            for holding in all[..end].iter().rev().take(LOOKED_AT) {
                let overlaps = holding.to.is_none_or(|to| to > wait.from);
                let is_other = holding.task != task.get() && (*alone || holding.alone);
                if overlaps && is_other && by.len() < HOLDERS && !by.contains(&holding.id) {
                    by.push(holding.id.clone());
                }
            }
            if !by.is_empty() {
                by.reverse();
                held.push(HeldPart { lock: self.names[*lock].clone(), by });
            }
        }
        held
    }
}
