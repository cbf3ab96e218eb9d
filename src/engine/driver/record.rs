//! What happened, on its way into the journal and from there to who watches.
//!
//! Nobody acts on it before it is written, or hears of it.

use std::sync::Arc;

use outpost_executor::{Executor, Handle};
use tracing::trace;

use super::Driver;
use crate::engine::error::Broken;
use crate::engine::moment::timestamp;
use crate::journal::Journal as _;
use crate::run::{Event, Moment};

#[derive(Default)]
pub(super) struct Record {
    /// What happened and is not in the journal yet.
    unwritten: Vec<(Moment, Event)>,
    /// What is in the journal and was not shown yet.
    unshown: Vec<(Moment, Event)>,
    /// Work whose end is among what is not in the journal yet.
    pub(super) unsettled: Vec<(Arc<dyn Executor>, Handle)>,
}

impl Driver<'_> {
    /// Remembers what happened until it is written down with the rest of the turn.
    pub(super) fn happened(&mut self, events: Vec<Event>) {
        let at = self.run.latest();
        self.record.unwritten.extend(events.into_iter().map(|event| (at, event)));
    }

    /// Writes down what happened, and shows it.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        self.write_down()?;
        self.show();
        Ok(())
    }

    /// Writes down what happened, in one step for each moment. Only then may anybody act on it, or hear of it.
    pub(super) fn write_down(&mut self) -> Result<(), Broken> {
        let happened = std::mem::take(&mut self.record.unwritten);
        for events in happened.chunk_by(|(one, _), (next, _)| one == next) {
            let payloads: Result<Vec<String>, _> =
                events.iter().map(|(_, event)| serde_json::to_string(event)).collect();
            let payloads = payloads.map_err(|error| Broken::History(error.to_string()))?;
            self.journal.append(timestamp(events[0].0), &payloads)?;
            trace!(events = events.len(), "written to the journal");
        }
        for (at, event) in &happened {
            self.tidy.saw(*at, event);
        }
        self.record.unshown.extend(happened);
        for (executor, handle) in self.record.unsettled.drain(..) {
            executor.settle(&handle);
        }
        // Whoever could not start now must not stand in the way of others.
        let run = &self.run;
        self.outside.give_up(|task| run.has_free_slot() && run.waits_outside(task));
        Ok(())
    }

    /// Shows what was written down. It may take its time: what follows has been started.
    pub(super) fn show(&mut self) {
        for (at, event) in self.record.unshown.drain(..) {
            self.watcher.saw(at, &event, &self.run);
        }
        self.watcher.shown();
    }
}
