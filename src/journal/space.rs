//! Room on the disk, taken before it is needed.
//!
//! Blocks are allocated behind the end of the file: always enough for what is to be written and 1 MiB more.
//! So a full disk is noticed before a write fails and while every record is whole, and the 1 MiB that is
//! left cannot be taken by whoever is filling the disk. Readers see none of it: the file ends where its
//! records end.

use std::fs::File;
use std::io;

/// What is left for the last record when the disk is full.
pub(super) const RESERVE: u64 = 1 << 20;
/// How much is taken at a time.
const STEP: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Room {
    /// Where the allocated part ends.
    until: u64,
    /// Some file systems cannot allocate ahead; there, nothing is kept for the last record.
    can_allocate: bool,
}

impl Room {
    /// For a file of which nothing beyond `end` is allocated.
    pub(super) const fn behind(end: u64) -> Self {
        Self { until: end, can_allocate: true }
    }

    /// Makes sure that a file that will end at `end` can be written, and its last record as well.
    pub(super) fn ensure(&mut self, file: &File, end: u64) -> io::Result<()> {
        let needed = end + RESERVE;
        if needed <= self.until || !self.can_allocate {
            return Ok(());
        }
        let allocated = self.allocate(file, needed + STEP);
        match allocated {
            // A disk that has no room for a whole step may still have enough.
            Err(error) if is_full(&error) => self.allocate(file, needed),
            other => other,
        }
    }

    fn allocate(&mut self, file: &File, until: u64) -> io::Result<()> {
        match reserve(file, self.until, until - self.until) {
            Ok(()) => self.until = until,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.can_allocate = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, from: u64, length: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, from, length)?)
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether there is no room: on the disk, in a quota, or in the longest file this process may write.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
