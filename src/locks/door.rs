//! The door of a lock directory: one at a time decides, takes, queues or looks.
//!
//! It is locked for microseconds. Who finds it shut tries again for a while and then goes away without
//! an answer, so that a process stopped in the door stops no event loop.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::LockError;
use super::place::{is_same, options};

/// How long one who found the door shut sleeps. Decisions take 20 to 100 µs.
const PAUSE: Duration = Duration::from_micros(50);

/// The right to decide, until it is dropped.
#[derive(Debug)]
pub(super) struct Door(File);

impl Door {
    /// Tries to pass for as long as `patience`.
    pub(super) fn pass(dir: &Path, patience: Duration) -> Result<Option<Self>, LockError> {
        let path = dir.join("door");
        let fail = |doing| LockError::io(doing, &path);
        let mut since = None;
        loop {
            // A descriptor of its own for each passing: threads that shared one would not exclude each other.
            let file = options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(fail("open the door"))?;
            match file.try_lock() {
                // The directory may have been emptied by hand since: then this door leads nowhere.
                Ok(()) if is_same(&file, &path).map_err(fail("look at the door"))? => return Ok(Some(Self(file))),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(fail("lock the door")(error)),
            }
            if since.get_or_insert_with(Instant::now).elapsed() >= patience {
                return Ok(None);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Door {
    /// Unlocked, not only closed: a child between fork and exec holds a copy of every descriptor. If the
    /// kernel refuses, closing does it a moment later.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
