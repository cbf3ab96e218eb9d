//! What a task writes: drained in bounded memory, logged, its end remembered for the error.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use outpost_executor::log::{Stream, Writer};
use outpost_executor::{Kept, NotStarted, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::order::Order;

/// Of each stream, for the error.
const TAIL: usize = 10 * 1024;

/// The most that a pipe can hold, when its last writer is gone.
const MOST_IN_A_PIPE: u64 = 1 << 20;

/// Both streams of a task.
pub(super) struct Capture {
    ends: [End; 2],
    /// Held until the task has ended: otherwise each end of a stream would wake the keeper up, just before the end of
    /// the task does.
    writers: Option<[OwnedFd; 2]>,
    log: Writer,
    file: Option<Copy>,
}

/// The reading end of a stream.
struct End {
    stream: Stream,
    pipe: Option<OwnedFd>,
    bytes: u64,
    tail: Vec<u8>,
}

/// The file that takes standard output as it is.
pub(super) struct Copy {
    file: File,
    most: u64,
    kept: Kept,
}

impl Capture {
    pub(super) fn new(order: &Order) -> Result<Self, Errno> {
        let (out, to_out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, to_err) = pipe_with(PipeFlags::CLOEXEC)?;
        let end = |stream, pipe| End { stream, pipe: Some(pipe), bytes: 0, tail: Vec::new() };
        let ends = [end(Stream::Stdout, out), end(Stream::Stderr, err)];
        let log = Writer::new(order.log.to_path(), order.log_caps);
        Ok(Self { ends, writers: Some([to_out, to_err]), log, file: None })
    }

    /// The ends for the task to write to.
    pub(super) fn writers(&self) -> Option<[BorrowedFd<'_>; 2]> {
        self.writers.as_ref().map(|writers| writers.each_ref().map(AsFd::as_fd))
    }

    /// Standard output goes into this file too.
    pub(super) fn copy_to(&mut self, file: Option<Copy>) {
        self.file = file;
    }

    /// The ends that are still open, for `poll`.
    pub(super) fn pipes(&self) -> [Option<BorrowedFd<'_>>; 2] {
        self.ends.each_ref().map(|end| end.pipe.as_ref().map(AsFd::as_fd))
    }

    /// Takes what is there at the end at `index`, after `poll` said that something is.
    pub(super) fn take(&mut self, index: usize, at_ms: u64, buffer: &mut [u8]) -> usize {
        let Some(end) = self.ends.get_mut(index) else {
            return 0;
        };
        let taken = match end.pipe.as_ref().map(|pipe| read(pipe, &mut *buffer)) {
            Some(Ok(taken)) => taken,
            Some(Err(Errno::INTR | Errno::AGAIN)) => return 0,
            Some(Err(_)) | None => 0,
        };
        let Some(bytes) = buffer.get(..taken).filter(|bytes| !bytes.is_empty()) else {
            end.pipe = None;
            return 0;
        };
        end.bytes += taken as u64;
        remember(&mut end.tail, bytes);
        self.log.write(end.stream, at_ms, bytes);
        if let Some(copy) = self.file.as_mut().filter(|_| end.stream == Stream::Stdout) {
            copy.write(bytes);
        }
        taken
    }

    /// Takes what is left in the pipes, without waiting for whoever else may hold them.
    pub(super) fn drain(&mut self, at_ms: u64, buffer: &mut [u8]) {
        self.writers = None;
        let mut left = [MOST_IN_A_PIPE; 2];
        loop {
            let ready = self.filled();
            let mut taken = 0;
            for (index, left) in left.iter_mut().enumerate() {
                if *left > 0 && ready.get(index) == Some(&true) {
                    let took = self.take(index, at_ms, buffer);
                    *left = left.saturating_sub(took as u64);
                    taken += took;
                }
            }
            if taken == 0 {
                return;
            }
        }
    }

    /// In which pipes there is something at this moment.
    fn filled(&self) -> [bool; 2] {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let open: Vec<(usize, &OwnedFd)> =
            self.ends.iter().enumerate().filter_map(|(index, end)| Some((index, end.pipe.as_ref()?))).collect();
        let mut polled: Vec<PollFd<'_>> = open.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)).collect();
        let mut filled = [false; 2];
        if poll(&mut polled, Some(&now)).is_ok() {
            for ((index, _), answer) in open.iter().zip(&polled) {
                if let Some(filled) = filled.get_mut(*index) {
                    *filled = answer.revents().contains(PollFlags::IN);
                }
            }
        }
        filled
    }

    /// What was written, by stream, into the log and into the file.
    pub(super) fn told(self) -> ([Output; 2], Kept, Option<Kept>) {
        let outputs = self.ends.map(|end| Output { bytes: end.bytes, tail: readable(&end.tail, end.bytes) });
        (outputs, self.log.kept(), self.file.map(|copy| copy.kept))
    }
}

impl Copy {
    /// Creates the file that the order asks for, which must not be there.
    pub(super) fn new(order: &Order) -> Result<Option<Self>, NotStarted> {
        let Some((path, most)) = &order.stdout_file else {
            return Ok(None);
        };
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.to_path());
        let file = opened.map_err(|error| {
            NotStarted::Other(format!("its output file `{}` cannot be created: {error}", path.shown()))
        })?;
        Ok(Some(Self { file, most: *most, kept: Kept::default() }))
    }

    fn write(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.most - self.kept.bytes).unwrap_or(usize::MAX);
        let fits = bytes.get(..room).unwrap_or(bytes);
        let written = match &self.kept.error {
            Some(_) => 0,
            None => match self.file.write_all(fits) {
                Ok(()) => fits.len(),
                Err(error) => {
                    self.kept.error = Some(error.to_string());
                    0
                }
            },
        };
        self.kept.bytes += written as u64;
        self.kept.cut += (bytes.len() - written) as u64;
    }
}

/// Adds bytes to a tail and forgets what is too old.
fn remember(tail: &mut Vec<u8>, bytes: &[u8]) {
    let recent = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes);
    let surplus = (tail.len() + recent.len()).saturating_sub(TAIL);
    tail.drain(..surplus);
    tail.extend_from_slice(recent);
}

/// Text for people; a character that the cut went through is left out.
fn readable(tail: &[u8], bytes: u64) -> String {
    let whole = if bytes > tail.len() as u64 {
        let partial = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        tail.get(partial..).unwrap_or_default()
    } else {
        tail
    };
    String::from_utf8_lossy(whole).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{TAIL, readable, remember};

    #[test]
    fn a_tail_is_the_end_of_everything() {
        let all: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for size in [1, 7, 1000, TAIL, TAIL + 1, all.len()] {
            let mut tail = Vec::new();
            for bytes in all.chunks(size) {
                remember(&mut tail, bytes);
            }
            assert_eq!(tail, all[all.len() - TAIL..], "in pieces of {size}");
        }
    }

    #[test]
    fn a_cut_goes_between_characters() {
        assert_eq!(readable("\u{20ac}x".as_bytes(), 4), "\u{20ac}x");
        assert_eq!(readable(&"\u{20ac}x".as_bytes()[1..], 4), "x");
        assert_eq!(readable(b"\xffx", 2), "\u{fffd}x");
    }
}
