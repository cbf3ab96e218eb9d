//! LOCKS: who may use a named thing now, between processes and runs of one machine.
//!
//! A lock is a file that is never removed, locked by the kernel: it is free the moment the last copy
//! of its descriptor is closed, also by `kill -9`. Waiting is a ticket, a locked file as well, so that a
//! dead waiter holds nobody up. One file, the door, is locked for the microseconds of a decision and
//! makes it one step for all names of a request: nothing is held while something else is awaited, so
//! nothing can deadlock. What is granted follows one rule, in `claim`.
//!
//! It knows names, modes and who asks; no task, no journal, no clock. It never waits: whoever asks, asks
//! again after [`Request::poll_after`].

mod acquire;
mod claim;
mod door;
mod error;
mod holders;
mod list;
mod place;
mod process;
mod queue;
mod record;
#[cfg(test)]
mod tests;

pub use acquire::{Attempt, Guard, Locks, Request};
pub use claim::{Claim, Entry, Mode, Party, Standing};
pub use error::LockError;
pub use list::list;
pub use place::remote_file_system;
pub use process::{Life, Process};

pub(crate) use place::{make_private, options};
pub(crate) use record::{read_record, write_record};
