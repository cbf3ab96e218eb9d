//! The log of an attempt: both streams in the order they were read, told apart, stamped, bytes as they came.
//!
//! ```text
//! file    header (64 bytes) · frame · frame · … (all numbers little-endian)
//! header  "outpost log 1\n\0\0" · cut from · cut to · stdout cut · stderr cut · check   (u64 each)
//! frame   stream (1 out, 2 err) · 3 zero bytes · payload length u32 · ms since the epoch u64 · payload
//! ```
//! The head is kept, then the tail: when the tail is full, its oldest part becomes a hole in the file (the space goes
//! back to the file system, offsets stay) and the header says which frames that were. So a reader may follow while
//! the file is written, and a writer killed at any point leaves a log that reads up to its last whole frame. Where a
//! file system makes no holes, the tail starts anew instead.
//!
//! Nothing here is synced: a log explains, the journal remembers.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Entry, ReadError, Reader};
pub use writer::Writer;

/// Which stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    const fn code(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

const MAGIC: &[u8; 16] = b"outpost log 1\n\0\0";
/// Where the numbers of the header start.
const CUT_AT: u64 = 16;
const HEADER: u64 = 64;
const FRAME: u64 = 16;
/// Payload of a frame at most.
const MOST: usize = 64 * 1024;

/// The part of the header that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    /// First byte after the head; 0 while the head is not full.
    from: u64,
    /// First frame of the tail.
    to: u64,
    stdout: u64,
    stderr: u64,
}

impl Cut {
    const BYTES: usize = 40;

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.from, self.to, self.stdout, self.stderr, self.check()];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// `None` when it was read while it was being written.
    fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut numbers = [0; 5];
        for (number, place) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_le_bytes(place.try_into().ok()?);
        }
        let [from, to, stdout, stderr, check] = numbers;
        let cut = Self { from, to, stdout, stderr };
        (cut.check() == check).then_some(cut)
    }

    const fn check(self) -> u64 {
        // Rotated, so that numbers that change places are noticed.
        !(self.from ^ self.to.rotate_left(16) ^ self.stdout.rotate_left(32) ^ self.stderr.rotate_left(48))
    }
}
