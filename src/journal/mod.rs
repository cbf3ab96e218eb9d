//! KEEP: the append-only record of a run.
//!
//! A record is a number, a time and one JSON value as text; what the value means is its writer's business.
//! Records are chained by checksums: a changed, lost, repeated or moved one is seen. A torn end, which is
//! what a killed writer or a power cut leaves, is cut off and shown; any other damage is refused, and so is
//! the format of a later program. `docs/JOURNAL.md` has the format and the promises.
//!
//! One writer per run, any number of readers at any time. A journal that could not be written is broken for
//! good: nothing is tried twice, because after a failed sync nobody knows what the disk holds.
//!
//! It knows files, a thread and a disk that may be full; no events, no clock, no async.

mod commit;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damage;
mod error;
mod frame;
mod local;
mod memory;
mod reader;
mod reading;
mod runner;
mod space;

use jiff::Timestamp;

pub use error::{Damage, JournalError};
pub use frame::{FORMAT, MOST_PAYLOAD, Number, Record, VERSION};
pub use local::Local;
pub use memory::{Disk, Faults, Memory};
pub use reader::{Reader, Source, Torn};
pub use reading::{Examination, Reading, examine, follow, holder, read};
pub use runner::{Holder, Runner};

/// The name of the file with the records, in the directory of a run.
pub const FILE: &str = "journal.log";
/// The name of the file that whoever drives the run keeps locked. It is never removed.
pub const LOCK_FILE: &str = "runner.lock";

/// A journal open for writing. Whoever has one is the only one.
///
/// [`append`](Self::append) makes records survive the end of the process, [`sync`](Self::sync) the end of
/// the machine. The first failure of either is the answer of every later call, with one exception: when
/// the disk is full, [`halt`](Self::halt) still writes one record.
pub trait Journal {
    /// Writes records, all with the time `at`, in one step, and answers the number of the last one. A
    /// payload is one JSON value without line breaks; one that is not is refused, and nothing is written
    /// or broken. No payload, no record.
    ///
    /// After a failure some of the records may be in the journal when it is opened again.
    fn append(&mut self, at: Timestamp, payloads: &[String]) -> Result<Number, JournalError>;

    /// Asks that everything written be made durable as soon as may be, and does not wait.
    fn start_sync(&mut self);

    /// Returns when everything written is durable.
    fn sync(&mut self) -> Result<(), JournalError>;

    /// Writes one last record and makes it durable, also when the disk is full: room is kept for it. No
    /// record can follow.
    fn halt(&mut self, at: Timestamp, payload: &str) -> Result<Number, JournalError>;

    /// The last record that survives the end of the machine.
    fn durable(&self) -> Number;

    /// The last record.
    fn written(&self) -> Number;

    /// Why nothing can be written any more, if that is so.
    fn failure(&self) -> Option<JournalError>;
}
