//! Who may hold what: slots, locks and amounts.

use std::collections::BTreeSet;

use outpost_bp::run::{Failure, FailureCode, TaskSpec};

use super::Rules;

impl Rules {
    /// Slots, locks and amounts of all attempts under way.
    pub(super) fn check_room(&self) {
        let undone = self.chores.undone_now().map(str::to_owned);
        let open: BTreeSet<String> = self.open.iter().cloned().chain(undone).collect();
        let open: Vec<&TaskSpec> = open.iter().map(|task| self.spec(task)).collect();
        assert!(open.len() + self.chores.slots() <= self.program.slots as usize, "more attempts than slots");
        for (index, lock) in self.program.locks.iter().enumerate() {
            let holders = open.iter().flat_map(|spec| spec.locks.iter()).filter(|(held, _)| *held == index);
            let alone = holders.clone().filter(|(_, alone)| *alone).count();
            let shared = holders.count() - alone;
            assert!(alone <= 1 && (alone == 0 || shared == 0), "{} is held twice", lock.name);
            assert!(shared <= lock.holders as usize, "{} has too many holders", lock.name);
        }
        let memory: u64 = open.iter().map(|spec| spec.amounts.memory).sum();
        let users = open.iter().filter(|spec| spec.amounts.memory > 0).count();
        assert!(memory <= self.program.capacity.memory || users == 1, "more memory than there is");
    }

    /// Only who never began is given up for want of locks.
    pub(super) fn has_lost_patience(&self, task: &str, failure: &Failure) {
        if failure.code == FailureCode::LockTimeout {
            assert!(self.spec(task).lock_timeout.is_some(), "{task} has all the time there is");
            assert!(!self.retry_at.contains_key(task), "{task} was begun and is given up for want of locks");
            let mut held = self.open.iter().map(String::as_str).chain(self.chores.undone_now());
            let is_shared = |other: &str| {
                let locks = &self.spec(other).locks;
                self.spec(task).locks.iter().any(|(lock, _)| locks.iter().any(|(other, _)| other == lock))
            };
            assert!(self.contended || held.any(is_shared), "{task} is given up, and its locks are free");
        }
    }
}
