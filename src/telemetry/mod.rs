//! OBSERVE: a run told to machines that keep what they hear: logs, metrics, traces.
//!
//! The pure halves are in `report`: events in, lines out. Here they are given a file, a socket or a collector, as
//! watchers of the driver. A watcher decides nothing, and none can fail a run: what does not get out is lost, and that is
//! told once. Lines for standard output and standard error are written as the terminal is, by the driver itself: a pipe
//! that nobody reads holds it up when it is full. Nothing else waits. What nobody asked for is not built.

pub mod faults;
pub mod file;
pub mod log;
pub mod metrics;
pub mod otlp;
pub mod syslog;
pub mod traces;

use crate::engine::driver::Watcher;
use crate::run::{Event, Moment, Run};

/// Everybody who watches a run, in the order in which they are told.
#[expect(missing_debug_implementations, reason = "watchers have nothing to show")]
pub struct Watchers<'w>(pub Vec<&'w mut dyn Watcher>);

impl Watchers<'_> {
    /// Has those who can talk tell what troubles one who cannot.
    fn pass_on(&mut self) {
        for place in 0..self.0.len() {
            while let Some(trouble) = self.0[place].trouble() {
                let others = self.0.iter_mut().enumerate().filter(|(other, _)| *other != place);
                others.for_each(|(_, watcher)| watcher.remark(&trouble));
            }
        }
    }
}

impl Watcher for Watchers<'_> {
    fn saw(&mut self, at: Moment, event: &Event, run: &Run) {
        self.0.iter_mut().for_each(|watcher| watcher.saw(at, event, run));
        self.pass_on();
    }

    fn shown(&mut self) {
        self.0.iter_mut().for_each(|watcher| watcher.shown());
    }

    fn remark(&mut self, text: &str) {
        self.0.iter_mut().for_each(|watcher| watcher.remark(text));
        self.pass_on();
    }

    fn call(&mut self, text: &str) {
        self.0.iter_mut().for_each(|watcher| watcher.call(text));
        self.pass_on();
    }

    fn tick(&mut self, run: &Run) {
        self.0.iter_mut().for_each(|watcher| watcher.tick(run));
        self.pass_on();
    }
}
