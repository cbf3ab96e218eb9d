//! A journal in a directory on a disk of this machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::commit::Committer;
use super::error::JournalError;
use super::frame::{Chain, Number, Record, VERSION, check_payload};
use super::reader::{Reader, Torn};
use super::runner::Runner;
use super::space::{Room, is_full};
use super::{FILE, Journal};
use crate::locks::{make_private, options, remote_file_system};

/// The journal of one run, open for writing. Dropping it makes everything durable that can be, and lets
/// go of the run.
#[derive(Debug)]
pub struct Local {
    path: PathBuf,
    file: Arc<File>,
    committer: Committer,
    chain: Chain,
    /// Where the last whole record ends.
    end: u64,
    room: Room,
    /// Lines on their way into the file; kept for its memory.
    lines: Vec<u8>,
    full: Option<JournalError>,
    halted: bool,
    /// Last, so that it is let go last.
    _runner: Runner,
}

impl Local {
    /// Makes the journal of a new run in `dir`, which is made if it is not there; its parent must be.
    pub fn create(dir: &Path, now: Timestamp) -> Result<Self, JournalError> {
        make_private(dir).map_err(JournalError::io("make", dir))?;
        refuse_remote(dir)?;
        let runner = Runner::take(dir, now)?;
        let path = dir.join(FILE);
        let fail = |doing| JournalError::io(doing, &path);
        if path.try_exists().map_err(fail("look for"))? {
            return Err(JournalError::Exists { file: path });
        }
        // Under another name until its first line is on the disk: a journal never lacks it.
        let draft = dir.join("journal.new");
        let mut line = Vec::new();
        let chain = Chain::begin(now, &mut line);
        let write = || -> io::Result<File> {
            let mut file = options().write(true).create(true).truncate(true).open(&draft)?;
            file.write_all(&line)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            sync_directory(dir)?;
            dir.parent().map_or(Ok(()), sync_directory)?;
            options().append(true).open(&path)
        };
        let file = write().map_err(fail("make"))?;
        Self::begin(path, file, chain, line.len() as u64, runner)
    }

    /// Opens the journal of the run in `dir` to go on with it. Every record is given to `replay`, in order,
    /// before anything is changed; then a torn end is cut off, and answered to be shown. What `replay` has
    /// seen is durable when this returns.
    pub fn open(
        dir: &Path,
        now: Timestamp,
        mut replay: impl FnMut(Record<'_>),
    ) -> Result<(Self, Option<Torn>), JournalError> {
        let path = dir.join(FILE);
        let fail = |doing| JournalError::io(doing, &path);
        // Before the lock, which would leave a file in a directory that is no run's.
        if !path.try_exists().map_err(fail("look for"))? {
            return Err(JournalError::Missing { file: path });
        }
        refuse_remote(dir)?;
        let runner = Runner::take(dir, now)?;
        let file = options().read(true).append(true).open(&path).map_err(fail("open"))?;
        let mut reader = Reader::new(file.try_clone().map_err(fail("open"))?, &path)?;
        if reader.version() > VERSION {
            return Err(JournalError::Newer { version: reader.version(), file: path });
        }
        while let Some(record) = reader.next_record()? {
            replay(record);
        }
        let torn = reader.torn()?;
        let (end, chain) = (reader.offset(), reader.chain());
        // Also where nothing is torn: blocks allocated ahead by a runner that was killed are freed.
        file.set_len(end).map_err(fail("cut the torn end of"))?;
        file.sync_all().map_err(fail("sync"))?;
        Ok((Self::begin(path, file, chain, end, runner)?, torn))
    }

    fn begin(path: PathBuf, file: File, chain: Chain, end: u64, runner: Runner) -> Result<Self, JournalError> {
        let mut room = Room::behind(end);
        room.ensure(&file, end).map_err(JournalError::io("allocate room for", &path))?;
        let file = Arc::new(file);
        let committer = Committer::start(Arc::clone(&file), path.clone(), chain.last)
            .map_err(JournalError::io("start the thread that syncs", &path))?;
        Ok(Self {
            path,
            file,
            committer,
            chain,
            end,
            room,
            lines: Vec::new(),
            full: None,
            halted: false,
            _runner: runner,
        })
    }

    /// Has `listener` called, from the thread `journal`, whenever more became durable or syncing failed. It
    /// must not wait for anything.
    pub fn listen(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.committer.listen(Box::new(listener));
    }

    /// Writes records that have been checked, room or not.
    fn write<'a>(
        &mut self,
        at: Timestamp,
        payloads: impl Iterator<Item = &'a str>,
        keep_room: bool,
    ) -> Result<Number, JournalError> {
        let mut chain = self.chain;
        self.lines.clear();
        payloads.for_each(|payload| chain.record(at, payload, &mut self.lines));
        let end = self.end + self.lines.len() as u64;
        if keep_room && let Err(error) = self.room.ensure(&self.file, end) {
            return Err(self.refuse_room(error));
        }
        if let Err(error) = write_whole(&self.file, &self.lines) {
            return Err(self.refuse_write(error));
        }
        (self.chain, self.end) = (chain, end);
        self.committer.written(chain.last);
        Ok(chain.last)
    }

    /// The disk has no room for what was to be written. Nothing was, and room for the last record is left.
    fn refuse_room(&mut self, error: io::Error) -> JournalError {
        if !is_full(&error) {
            return self.break_down("allocate room for", error);
        }
        let full = JournalError::Full { file: self.path.clone(), error: Arc::new(error) };
        self.full.get_or_insert(full).clone()
    }

    /// A write failed. If for want of room, what it wrote of the records is cut off again; otherwise the
    /// file is left as it is, for who opens it next.
    fn refuse_write(&mut self, error: io::Error) -> JournalError {
        if is_full(&error) && self.file.set_len(self.end).is_ok() {
            return self.refuse_room(error);
        }
        self.break_down("write", error)
    }

    fn break_down(&mut self, doing: &'static str, error: io::Error) -> JournalError {
        let (file, error) = (self.path.clone(), Arc::new(error));
        self.committer.fail(JournalError::Broken { doing, file, error })
    }
}

impl Journal for Local {
    fn append(&mut self, at: Timestamp, payloads: &[String]) -> Result<Number, JournalError> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        payloads.iter().try_for_each(|payload| check_payload(payload))?;
        if payloads.is_empty() {
            return Ok(self.written());
        }
        self.write(at, payloads.iter().map(String::as_str), true)
    }

    fn start_sync(&mut self) {
        self.committer.hasten();
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.committer.wait()
    }

    fn halt(&mut self, at: Timestamp, payload: &str) -> Result<Number, JournalError> {
        if let Some(broken) = self.committer.failure() {
            return Err(broken);
        }
        if self.halted {
            return Err(JournalError::Halted { file: self.path.clone() });
        }
        check_payload(payload)?;
        self.halted = true;
        let number = self.write(at, [payload].into_iter(), false)?;
        self.sync()?;
        Ok(number)
    }

    fn durable(&self) -> Number {
        self.committer.durable()
    }

    fn written(&self) -> Number {
        self.chain.last
    }

    fn failure(&self) -> Option<JournalError> {
        let refused =
            || self.full.clone().or_else(|| self.halted.then(|| JournalError::Halted { file: self.path.clone() }));
        self.committer.failure().or_else(refused)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.committer.stop();
        if self.committer.failure().is_none() {
            // Frees what was allocated ahead. If it cannot be, the next who opens the journal does it.
            let _ = self.file.set_len(self.end);
        }
    }
}

/// Writes all of `bytes`, in one system call unless the kernel takes less.
fn write_whole(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            // Nothing was written and nothing failed: a signal came first.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn refuse_remote(dir: &Path) -> Result<(), JournalError> {
    let found = remote_file_system(dir).map_err(JournalError::io("look at", dir))?;
    found.map_or(Ok(()), |file_system| Err(JournalError::Remote { dir: dir.to_owned(), file_system }))
}

/// A file's name is in its directory: it is durable when the directory is.
fn sync_directory(dir: &Path) -> io::Result<()> {
    // The parent of a relative path of one word.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}
