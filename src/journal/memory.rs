//! A journal in memory, for simulations: the same lines, on a disk that fails when it is told to.
//!
//! A [`Disk`] outlives the journals on it, as a real one does. Dropping a [`Memory`] is what `kill -9` is to
//! a process: everything written is there. [`Disk::cut_power`] is the end of the machine: what was synced is
//! there, and of the rest as much as the test decides.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Journal;
use super::error::JournalError;
use super::frame::{Chain, Number, Record, VERSION, check_payload};
use super::reader::{Reader, Source, Torn};

/// What errors name as the file.
const NAME: &str = "memory";

/// What goes wrong, and when. Counted over the life of the disk, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// This append fails, after having written so many of its bytes.
    pub append: Option<(u64, usize)>,
    /// This sync fails.
    pub sync: Option<u64>,
    /// The disk is full when the journal would become longer than this. Room for the last record is left.
    pub full_at: Option<usize>,
}

/// A disk with room for one journal.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    bytes: Vec<u8>,
    synced: usize,
    appends: u64,
    syncs: u64,
    faults: Faults,
    held: bool,
}

impl Disk {
    pub fn new(faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Platter { faults, ..Platter::default() })))
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.platter().faults = faults;
    }

    /// The power fails: of what was not synced, only the first `kept` bytes reached the disk. Whoever has
    /// the journal open is gone with its machine and must not be used any more.
    pub fn cut_power(&self, kept: usize) {
        let mut platter = self.platter();
        let length = platter.bytes.len().min(platter.synced + kept);
        platter.bytes.truncate(length);
        platter.held = false;
    }

    /// What a file would contain.
    pub fn bytes(&self) -> Vec<u8> {
        self.platter().bytes.clone()
    }

    /// Replaces it, synced.
    pub fn set_bytes(&self, bytes: Vec<u8>) {
        let mut platter = self.platter();
        platter.synced = bytes.len();
        platter.bytes = bytes;
    }

    /// How many bytes are synced, and how many there are.
    pub fn extent(&self) -> (usize, usize) {
        let platter = self.platter();
        (platter.synced, platter.bytes.len())
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its bytes are a file's: a [`Reader`] can follow what is written on it.
impl Source for Disk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.platter().bytes.as_slice().read_at(buffer, offset)
    }
}

/// A journal on a [`Disk`].
#[derive(Debug)]
pub struct Memory {
    disk: Disk,
    chain: Chain,
    durable: Number,
    failure: Option<JournalError>,
    halted: bool,
    lines: Vec<u8>,
}

impl Memory {
    /// Makes the journal of a new run on an empty disk.
    pub fn create(disk: &Disk, now: Timestamp) -> Result<Self, JournalError> {
        let mut platter = disk.platter();
        if platter.held {
            return Err(held());
        }
        if !platter.bytes.is_empty() {
            return Err(JournalError::Exists { file: NAME.into() });
        }
        let chain = Chain::begin(now, &mut platter.bytes);
        (platter.synced, platter.held) = (platter.bytes.len(), true);
        drop(platter);
        Ok(Self::on(disk, chain))
    }

    /// Opens it to go on, like [`Local::open`](super::Local::open).
    pub fn open(disk: &Disk, mut replay: impl FnMut(Record<'_>)) -> Result<(Self, Option<Torn>), JournalError> {
        let mut platter = disk.platter();
        if platter.bytes.is_empty() {
            return Err(JournalError::Missing { file: NAME.into() });
        }
        if platter.held {
            return Err(held());
        }
        let mut reader = Reader::new(platter.bytes.as_slice(), Path::new(NAME))?;
        if reader.version() > VERSION {
            return Err(JournalError::Newer { version: reader.version(), file: NAME.into() });
        }
        while let Some(record) = reader.next_record()? {
            replay(record);
        }
        let torn = reader.torn()?;
        let (end, chain) = (reader.offset(), reader.chain());
        platter.bytes.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        (platter.synced, platter.held) = (platter.bytes.len(), true);
        drop(platter);
        Ok((Self::on(disk, chain), torn))
    }

    fn on(disk: &Disk, chain: Chain) -> Self {
        let disk = disk.clone();
        Self { disk, chain, durable: chain.last, failure: None, halted: false, lines: Vec::new() }
    }

    fn write<'a>(
        &mut self,
        at: Timestamp,
        payloads: impl Iterator<Item = &'a str>,
        keep_room: bool,
    ) -> Result<Number, JournalError> {
        let mut chain = self.chain;
        self.lines.clear();
        payloads.for_each(|payload| chain.record(at, payload, &mut self.lines));
        let mut platter = self.disk.platter();
        platter.appends += 1;
        if keep_room && platter.faults.full_at.is_some_and(|most| platter.bytes.len() + self.lines.len() > most) {
            let error = Arc::new(io::ErrorKind::StorageFull.into());
            let full = JournalError::Full { file: NAME.into(), error };
            return Err(self.failure.insert(full).clone());
        }
        if let Some((nth, written)) = platter.faults.append
            && nth == platter.appends
        {
            let written = written.min(self.lines.len());
            platter.bytes.extend_from_slice(&self.lines[..written]);
            drop(platter);
            return Err(self.break_down("write"));
        }
        platter.bytes.extend_from_slice(&self.lines);
        self.chain = chain;
        Ok(chain.last)
    }

    fn break_down(&mut self, doing: &'static str) -> JournalError {
        let error = Arc::new(io::Error::other("a fault that was asked for"));
        self.failure.insert(JournalError::Broken { doing, file: NAME.into(), error }).clone()
    }

    fn broken(&self) -> Option<JournalError> {
        self.failure.clone().filter(|failure| matches!(failure, JournalError::Broken { .. }))
    }
}

impl Journal for Memory {
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
        // Whoever asks and does not wait learns of a failure from the next call.
        let _ = self.sync();
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(broken) = self.broken() {
            return Err(broken);
        }
        if self.durable == self.chain.last {
            return Ok(());
        }
        let mut platter = self.disk.platter();
        platter.syncs += 1;
        if platter.faults.sync == Some(platter.syncs) {
            drop(platter);
            return Err(self.break_down("sync"));
        }
        platter.synced = platter.bytes.len();
        self.durable = self.chain.last;
        Ok(())
    }

    fn halt(&mut self, at: Timestamp, payload: &str) -> Result<Number, JournalError> {
        if let Some(broken) = self.broken() {
            return Err(broken);
        }
        if self.halted {
            return Err(JournalError::Halted { file: NAME.into() });
        }
        check_payload(payload)?;
        self.halted = true;
        let number = self.write(at, [payload].into_iter(), false)?;
        self.sync()?;
        Ok(number)
    }

    fn durable(&self) -> Number {
        self.durable
    }

    fn written(&self) -> Number {
        self.chain.last
    }

    fn failure(&self) -> Option<JournalError> {
        let halted = || self.halted.then(|| JournalError::Halted { file: NAME.into() });
        self.failure.clone().or_else(halted)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.disk.platter().held = false;
    }
}

fn held() -> JournalError {
    JournalError::Held { by: None, file: NAME.into() }
}
