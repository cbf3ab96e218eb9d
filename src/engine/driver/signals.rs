//! The signals that a driver hears, by their numbers.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::error::Broken;

/// The signals that end a driver.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Broken> {
        let one = |kind| signal(kind).map_err(|error| Broken::Io("signals".to_owned(), error));
        let (interrupt, terminate) = (one(SignalKind::interrupt())?, one(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: one(SignalKind::hangup())? })
    }

    pub(super) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}
