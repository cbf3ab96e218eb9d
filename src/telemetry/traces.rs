//! A run told to a collector of traces, by a watcher that never waits for it.

use std::path::{Path, PathBuf};

use super::otlp::{Collector, Outbox, acknowledged};
use crate::blueprint::Blueprint;
use crate::engine::driver::Watcher;
use crate::engine::moment::now;
use crate::report::trace::Spans;
use crate::run::{Event, Moment, Run, Trail};

/// A watcher that makes spans of what it sees.
#[derive(Debug)]
pub struct Traces<'a> {
    spans: Spans<'a>,
    outbox: Outbox,
}

impl<'a> Traces<'a> {
    /// Goes on where the runner before this one ended: what it could not send any more is sent now.
    pub fn begin(
        blueprint: &'a Blueprint<'a>,
        collector: Collector,
        trail: Trail,
        folder: &Path,
        past: &[(Moment, Event)],
    ) -> Result<Self, String> {
        let note: PathBuf = folder.join("traced");
        let known = acknowledged(&note);
        let mut traces = Self { spans: Spans::new(blueprint, trail), outbox: Outbox::open(collector, trail, note)? };
        for (at, event) in past {
            for span in traces.spans.of(*at, event).into_iter().filter(|span| span.after > known) {
                traces.outbox.put(span);
            }
        }
        Ok(traces)
    }

    /// Gives what is left a little time to arrive, and tells what went wrong.
    pub fn end(self) -> Vec<String> {
        self.outbox.close()
    }
}

impl Watcher for Traces<'_> {
    fn saw(&mut self, at: Moment, event: &Event, _: &Run) {
        for span in self.spans.of(at, event) {
            self.outbox.put(span);
        }
    }

    fn remark(&mut self, _: &str) {}

    fn tick(&mut self, run: &Run) {
        let tasks = &run.program().tasks;
        self.spans.wait(now(), run.waiting_for_locks().map(|index| tasks[index.get()].id.as_str()));
    }

    fn trouble(&mut self) -> Option<String> {
        self.outbox.trouble()
    }
}
