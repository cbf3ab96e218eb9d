//! Who drives a run: one process, the one that has `runner.lock` locked.
//!
//! The file is never removed and says who its holder is. Readers believe that text as long as the process
//! it names lives, and do not touch the lock: a look must not keep a runner from starting.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LOCK_FILE;
use super::error::JournalError;
use crate::locks::{Life, Process, options, read_record, write_record};

/// A reader from another process namespace cannot see whether the holder lives and tries the lock for a
/// microsecond: so one failure is not believed.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// The process that drives a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub process: Process,
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "process {} on {} since {:.0}", self.process.pid, self.process.host, self.since)
    }
}

/// The right to drive a run, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Runner(File);

impl Runner {
    /// Takes the right, unless somebody has it. Whoever removes a run takes it as well.
    pub fn take(dir: &Path, now: Timestamp) -> Result<Self, JournalError> {
        let path = dir.join(LOCK_FILE);
        let fail = |doing| JournalError::io(doing, &path);
        let file = options().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail("open"))?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let holder = Holder { process: Process::current(), since: now };
                    write_record(&file, &holder).map_err(fail("write"))?;
                    return Ok(Self(file));
                }
                Err(TryLockError::WouldBlock) if attempt < TRIES => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(fail("lock")(error)),
            }
        }
        Err(JournalError::Held { by: read_record(&file).map(Box::new), file: path })
    }
}

impl Drop for Runner {
    /// Emptied first, so that nobody takes a process that lives on for one that still drives the run.
    /// Unlocked, not only closed: a child between fork and exec holds a copy of the descriptor.
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
        let _ = self.0.unlock();
    }
}

/// Who drives the run in `dir` now, if anybody does.
pub(super) fn holder(dir: &Path) -> Result<Option<Holder>, JournalError> {
    let path = dir.join(LOCK_FILE);
    let fail = |doing| JournalError::io(doing, &path);
    let file = match options().read(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail("open")(error)),
    };
    let Some(holder) = read_record::<Holder>(&file) else { return Ok(None) };
    let held = match holder.process.life() {
        Life::Alive => true,
        Life::Dead => false,
        Life::Unknown => match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false).map_err(fail("unlock"))?,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(fail("look at")(error)),
        },
    };
    Ok(held.then_some(holder))
}
