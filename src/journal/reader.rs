//! Reading records one by one, also while they are being written.
//!
//! A reader remembers how far it has read whole, checked records, and nothing of what comes after: what
//! was half written then is read again. It needs no lock and disturbs nobody; its memory is one buffer.
//!
//! **Torn or damaged?** Bytes after the last good record are a torn end only if a cut-off or power cut can
//! have left them: no line's end, or an only line with holes (NUL bytes, blocks that never reached the
//! disk). A line that was written whole and is wrong, or that others follow, is damage.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{Damage, JournalError};
use super::frame::{Chain, Fault, MOST_LINE, Number, Record, VERSION, holds_another};

/// Bytes asked for at once.
const PORTION: usize = 128 << 10;
/// The most of a torn end that is kept to be shown.
const SHOWN: usize = 4 << 10;

/// Bytes at places: a file, or memory.
pub trait Source {
    /// Reads some bytes from `offset` on; none at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// What stands after the last whole record and is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub offset: u64,
    pub length: u64,
    /// How it begins: the first 4 KiB.
    pub bytes: Vec<u8>,
}

/// Reads the records of a journal in order, and later those that were added.
#[derive(Debug)]
pub struct Reader<S> {
    source: S,
    path: PathBuf,
    /// What follows the last record, as far as it was fetched, is `buffer[start..filled]`.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Where `buffer[start]` stands in the file.
    offset: u64,
    chain: Chain,
    version: u32,
}

/// What follows the last record.
enum Next {
    /// A line: `buffer[start..end]`, without its end.
    Line { end: usize },
    /// Nothing, or a line without an end.
    End,
}

impl<S: Source> Reader<S> {
    /// Reads the first line. `path` is named in errors.
    pub fn new(source: S, path: &Path) -> Result<Self, JournalError> {
        let (path, buffer) = (path.to_owned(), vec![0; PORTION]);
        let (chain, version) = (Chain::EMPTY, VERSION);
        let mut reader = Self { source, path, buffer, start: 0, filled: 0, offset: 0, chain, version };
        // It is written whole before the file gets its name, so it cannot be torn.
        let Next::Line { end } = reader.fetch_line()? else {
            return Err(reader.damage("its first line has no end"));
        };
        match Chain::check_header(&reader.buffer[..end]) {
            Ok((chain, header)) => {
                reader.version = header.version;
                reader.chain = chain;
                reader.advance(end);
                Ok(reader)
            }
            Err(fault) => Err(reader.damage(&format!("its first line does not name the format: {fault}"))),
        }
    }

    /// The version of the format that the file names.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The last record that was read.
    pub const fn last(&self) -> Number {
        self.chain.last
    }

    pub(super) const fn chain(&self) -> Chain {
        self.chain
    }

    /// Where what was read ends.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; none at the end, for now. Ask again later and it answers what came since.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        let mut again = false;
        let (line, parts) = loop {
            let Next::Line { end } = self.fetch_line()? else {
                self.forget();
                return Ok(None);
            };
            match self.chain.check(&self.buffer[self.start..end]) {
                Ok((chain, parts)) => {
                    let line = self.start;
                    self.chain = chain;
                    self.advance(end);
                    break (line, parts);
                }
                // Somebody may have cut off a torn end and written on between two looks at the file.
                Err(_) if !again => {
                    again = true;
                    self.forget();
                }
                Err(fault) => {
                    self.judge_tail(Some(fault))?;
                    self.forget();
                    return Ok(None);
                }
            }
        };
        let payload = &self.buffer[line + parts.payload.start..line + parts.payload.end];
        // It was text a moment ago, so nothing is ever replaced.
        let payload = str::from_utf8(payload).map_or_else(|_| String::from_utf8_lossy(payload), Cow::Borrowed);
        Ok(Some(Record { number: self.chain.last, at: parts.at, payload }))
    }

    /// The next record whose payload may begin as is `wanted`. Those before it are passed over: their checksums and
    /// numbers are checked, what they say is not looked at. One that is not wanted may be answered nonetheless.
    pub fn next_wanted(&mut self, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<Option<Record<'_>>, JournalError> {
        while let Next::Line { end } = self.fetch_line()? {
            match self.chain.pass(&self.buffer[self.start..end]) {
                Some((chain, beginning)) if !wanted(beginning) => {
                    self.chain = chain;
                    self.advance(end);
                }
                // Whatever is not passed over is judged like any other.
                _ => break,
            }
        }
        self.next_record()
    }

    /// What stands after the last record, once [`next_record`](Self::next_record) has answered none. While
    /// somebody writes it is a record on its way; otherwise a torn end.
    pub fn torn(&mut self) -> Result<Option<Torn>, JournalError> {
        self.forget();
        let fault = match self.fetch_line()? {
            Next::End => None,
            Next::Line { end } => match self.chain.check(&self.buffer[self.start..end]) {
                // It was on its way and has arrived.
                Ok(_) => return Ok(None),
                Err(fault) => Some(fault),
            },
        };
        self.judge_tail(fault)?;
        let tail = self.tail();
        let bytes = tail[..tail.len().min(SHOWN)].to_vec();
        Ok((!tail.is_empty()).then_some(Torn { offset: self.offset, length: tail.len() as u64, bytes }))
    }

    /// Judges what was fetched after the last record: no next record, because it has no end or for the
    /// reason given.
    fn judge_tail(&mut self, fault: Option<Fault>) -> Result<(), JournalError> {
        if let Some(fault) = fault {
            let is_last = memchr::memchr(b'\n', self.tail()).is_none_or(|end| end + 1 == self.tail().len());
            if !is_last || self.fetch()? != 0 {
                return Err(self.damage(&format!("{fault}, and more follows")));
            }
            if memchr::memchr(0, self.tail()).is_none() {
                return Err(self.damage(&format!("{fault}, and no power cut leaves a line like this")));
            }
        }
        if self.chain.begins_whole(self.tail()) {
            return Err(self.damage("a whole record has no end of line"));
        }
        if holds_another(self.tail()) {
            return Err(self.damage("another record begins in the same line"));
        }
        Ok(())
    }

    fn tail(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// Fetches until there is a line's end, or the file's.
    fn fetch_line(&mut self) -> Result<Next, JournalError> {
        let mut searched = 0;
        loop {
            let tail = self.tail();
            if let Some(at) = memchr::memchr(b'\n', &tail[searched..]) {
                return Ok(Next::Line { end: self.start + searched + at });
            }
            searched = tail.len();
            if searched > MOST_LINE {
                return Err(self.damage("a line is longer than any record"));
            }
            if self.fetch()? == 0 {
                return Ok(Next::End);
            }
        }
    }

    /// Fetches some more bytes, and answers how many.
    fn fetch(&mut self) -> Result<usize, JournalError> {
        self.buffer.copy_within(self.start..self.filled, 0);
        (self.start, self.filled) = (0, self.filled - self.start);
        // Only a line longer than a portion makes it grow.
        if self.filled == self.buffer.len() {
            self.buffer.resize(2 * self.filled, 0);
        }
        let fetched = self.source.read_at(&mut self.buffer[self.filled..], self.offset + self.filled as u64);
        let fetched = fetched.map_err(JournalError::io("read", &self.path))?;
        self.filled += fetched;
        Ok(fetched)
    }

    /// Steps over the line that ends at `end`.
    fn advance(&mut self, end: usize) {
        self.offset += (end + 1 - self.start) as u64;
        self.start = end + 1;
    }

    /// Forgets what was fetched and not read: it may be another thing the next time.
    fn forget(&mut self) {
        (self.start, self.filled) = (0, 0);
    }

    /// What follows the last record cannot be relied on. In a later program's file it may be right.
    fn damage(&self, reason: &str) -> JournalError {
        let file = self.path.clone();
        if self.version > VERSION {
            return JournalError::Newer { file, version: self.version };
        }
        let first = self.offset == 0;
        let record = if first { Number::NONE } else { self.chain.last.next() };
        JournalError::Damaged(Box::new(Damage { file, offset: self.offset, record, reason: reason.to_owned() }))
    }
}
