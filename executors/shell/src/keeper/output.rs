//! What a task writes: drained in bounded memory, freed of secrets, then logged, and its end remembered for the error.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use std::time::{Duration, Instant};

use outpost_executor::log::{Stream, Writer};
use outpost_executor::{Kept, NotStarted, Output, Redaction, Redactor, Tail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::order::Order;

/// The most that a pipe can hold, when its last writer is gone.
const MOST_IN_A_PIPE: u64 = 1 << 20;

/// How long nothing comes before what may be the beginning of a secret is taken for a prompt.
const PAUSE: Duration = Duration::from_millis(100);

/// Both streams of a task.
pub(super) struct Capture {
    ends: [End; 2],
    /// Held until the task has ended: otherwise each end of a stream would wake the keeper up, just before the end of
    /// the task does.
    writers: Option<[OwnedFd; 2]>,
    keep: Keep,
    /// When a prompt that is held back is shown.
    pause: Option<Instant>,
}

/// Where output goes.
struct Keep {
    log: Writer,
    file: Option<Copy>,
}

/// The reading end of a stream.
struct End {
    stream: Stream,
    pipe: Option<OwnedFd>,
    bytes: u64,
    tail: Tail,
    redactor: Option<Redactor>,
}

/// The file that takes standard output byte for byte, but for secrets.
pub(super) struct Copy {
    file: File,
    most: u64,
    kept: Kept,
}

impl Capture {
    pub(super) fn new(order: &Order, redaction: Option<&Redaction>) -> Result<Self, Errno> {
        let (out, to_out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, to_err) = pipe_with(PipeFlags::CLOEXEC)?;
        let redactor = || redaction.map(Redaction::stream);
        let end =
            |stream, pipe| End { stream, pipe: Some(pipe), bytes: 0, tail: Tail::default(), redactor: redactor() };
        let ends = [end(Stream::Stdout, out), end(Stream::Stderr, err)];
        let log = Writer::new(order.log.to_path(), order.log_caps);
        Ok(Self { ends, writers: Some([to_out, to_err]), keep: Keep { log, file: None }, pause: None })
    }

    /// The ends for the task to write to.
    pub(super) fn writers(&self) -> Option<[BorrowedFd<'_>; 2]> {
        self.writers.as_ref().map(|writers| writers.each_ref().map(AsFd::as_fd))
    }

    /// Standard output goes into this file too.
    pub(super) fn copy_to(&mut self, file: Option<Copy>) {
        self.keep.file = file;
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
        match &mut end.redactor {
            None => self.keep.take(end.stream, &mut end.tail, at_ms, bytes),
            Some(redactor) => {
                let mut clean = Vec::with_capacity(taken);
                redactor.push(bytes, &mut clean);
                if redactor.is_waiting() {
                    self.pause = Some(Instant::now() + PAUSE);
                }
                self.keep.take(end.stream, &mut end.tail, at_ms, &clean);
            }
        }
        taken
    }

    /// When `show` has something to do.
    pub(super) const fn pause(&self) -> Option<Instant> {
        self.pause
    }

    /// Shows prompts that are held back, if nothing came for a while.
    pub(super) fn show(&mut self, at_ms: u64) {
        if self.pause.take_if(|pause| *pause <= Instant::now()).is_some() {
            self.let_go(at_ms, Redactor::pause);
        }
    }

    fn let_go(&mut self, at_ms: u64, how: impl Fn(&mut Redactor, &mut Vec<u8>)) {
        for End { stream, tail, redactor, .. } in &mut self.ends {
            if let Some(redactor) = redactor {
                let mut clean = Vec::new();
                how(redactor, &mut clean);
                self.keep.take(*stream, tail, at_ms, &clean);
            }
        }
    }

    /// Takes what is left, and all that was held back.
    pub(super) fn drain(&mut self, at_ms: u64, buffer: &mut [u8]) {
        self.writers = None;
        self.empty(at_ms, buffer);
        self.let_go(at_ms, Redactor::finish);
    }

    /// Takes what is left in the pipes, without waiting for whoever else may hold them.
    fn empty(&mut self, at_ms: u64, buffer: &mut [u8]) {
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
        let outputs = self.ends.map(|end| Output {
            bytes: end.bytes,
            tail: end.tail.readable(),
            secrets: end.redactor.map_or(0, |redactor| redactor.found()),
        });
        (outputs, self.keep.log.kept(), self.keep.file.map(|copy| copy.kept))
    }
}

impl Keep {
    fn take(&mut self, stream: Stream, tail: &mut Tail, at_ms: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        tail.remember(bytes);
        self.log.write(stream, at_ms, bytes);
        if let Some(copy) = self.file.as_mut().filter(|_| stream == Stream::Stdout) {
            copy.write(bytes);
        }
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
