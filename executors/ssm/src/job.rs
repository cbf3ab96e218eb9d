//! A piece of work, as this process knows it: which commands were sent about it, and how it ended.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outpost_executor::{Report, Secrets};

use crate::place::Place;
use crate::verdict::Machine;

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) place: Place,
    /// Missing where an earlier runner knew them and this one does not.
    pub(crate) secrets: Option<Secrets>,
    /// One at a time asks and writes.
    pub(crate) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    first: Option<String>,
    ending: Option<String>,
    is_to_end: bool,
    was_cancelled: bool,
    /// What Systems Manager said of each machine when the first command was over.
    details: HashMap<String, String>,
    report: Option<Report>,
    locks: Vec<OwnedFd>,
}

/// A poisoned lock means that another thread panicked; what it guards changes in single steps.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub(crate) fn new(place: Place, secrets: Option<Secrets>, locks: Vec<OwnedFd>) -> Self {
        let state = State { first: place.command.clone(), locks, ..State::default() };
        Self { place, secrets, turn: tokio::sync::Mutex::new(()), state: Mutex::new(state) }
    }

    pub(crate) fn first(&self) -> Option<String> {
        locked(&self.state).first.clone()
    }

    pub(crate) fn set_first(&self, id: String) {
        locked(&self.state).first = Some(id);
    }

    pub(crate) fn ending(&self) -> Option<String> {
        locked(&self.state).ending.clone()
    }

    pub(crate) fn set_ending(&self, id: String) {
        locked(&self.state).ending = Some(id);
    }

    pub(crate) fn is_to_end(&self) -> bool {
        locked(&self.state).is_to_end
    }

    pub(crate) fn ask_for_end(&self) {
        locked(&self.state).is_to_end = true;
    }

    /// Says that somebody wants it to end; `false` where it has ended, or where that was said before.
    pub(crate) fn cancel(&self) -> bool {
        let mut state = locked(&self.state);
        let is_new = state.report.is_none() && !state.was_cancelled;
        state.was_cancelled |= is_new;
        state.is_to_end |= is_new;
        is_new
    }

    pub(crate) fn was_cancelled(&self) -> bool {
        locked(&self.state).was_cancelled
    }

    /// Keeps what was said when the first command ended: the second one ends well whatever the first did.
    pub(crate) fn remember(&self, machines: &[Machine], details: &str) {
        let mut state = locked(&self.state);
        state.details = machines.iter().map(|machine| (machine.name.clone(), machine.details.clone())).collect();
        state.details.insert(String::new(), details.to_owned());
    }

    pub(crate) fn recall(&self, machines: &mut [Machine]) {
        let state = locked(&self.state);
        for machine in machines.iter_mut().filter(|machine| machine.frame.is_some()) {
            let said = state.details.get(&machine.name).or_else(|| state.details.get(""));
            if let Some(said) = said {
                machine.details.clone_from(said);
            }
        }
    }

    pub(crate) fn report(&self) -> Option<Report> {
        locked(&self.state).report.clone()
    }

    /// Nothing of it is left: its locks go.
    pub(crate) fn end(&self, report: Report) -> Report {
        let mut state = locked(&self.state);
        state.locks.clear();
        state.report.insert(report).clone()
    }
}
