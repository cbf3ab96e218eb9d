//! A piece of work, as this process knows it.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outpost_executor::{Report, Secrets};
use tokio::sync::Notify;

use crate::order::Order;
use crate::place::Place;
use crate::printed::Printed;

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) place: Place,
    /// What the job is asked for with; an earlier runner's is not known any more.
    pub(crate) order: Option<Order>,
    /// Missing where an earlier runner knew them and this one does not.
    pub(crate) secrets: Option<Secrets>,
    /// One at a time asks and writes: how far that is.
    pub(crate) turn: tokio::sync::Mutex<Progress>,
    /// Somebody wants it to end.
    pub(crate) woken: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) after: u64,
    pub(crate) printed: Option<Printed>,
}

#[derive(Debug, Default)]
struct State {
    id: Option<String>,
    /// Whether it may have been taken without an answer.
    may_be_sent: bool,
    was_cancelled: bool,
    is_cancel_told: bool,
    report: Option<Report>,
    locks: Vec<OwnedFd>,
}

/// A poisoned lock means that another thread panicked; what it guards changes in single steps.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub(crate) fn new(place: Place, order: Option<Order>, secrets: Option<Secrets>, locks: Vec<OwnedFd>) -> Self {
        let may_be_sent = order.is_none();
        let state = State { id: place.job.clone(), may_be_sent, locks, ..State::default() };
        Self { place, order, secrets, turn: Default::default(), woken: Notify::new(), state: Mutex::new(state) }
    }

    pub(crate) fn id(&self) -> Option<String> {
        locked(&self.state).id.clone()
    }

    pub(crate) fn set_id(&self, id: String) {
        locked(&self.state).id = Some(id);
    }

    pub(crate) fn may_be_sent(&self) -> bool {
        locked(&self.state).may_be_sent
    }

    pub(crate) fn doubt(&self) {
        locked(&self.state).may_be_sent = true;
    }

    /// Says that somebody wants it to end; `false` where it has ended, or where that was said before.
    pub(crate) fn cancel(&self) -> bool {
        let mut state = locked(&self.state);
        let is_new = state.report.is_none() && !state.was_cancelled;
        state.was_cancelled |= is_new;
        is_new
    }

    pub(crate) fn was_cancelled(&self) -> bool {
        locked(&self.state).was_cancelled
    }

    /// Whether the service still has to be told.
    pub(crate) fn is_to_end(&self) -> bool {
        let state = locked(&self.state);
        state.was_cancelled && !state.is_cancel_told
    }

    pub(crate) fn cancel_is_told(&self) {
        locked(&self.state).is_cancel_told = true;
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
