//! The transcripts of an attempt: raw output, errors and events, capped, free of secrets before the first write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use outpost_executor::{Redaction, Redactor};
use serde::Serialize;

use super::outcome::SPENT;
use crate::stream::{Event, Spent};

/// The most that is kept of the events, and of what it says on stderr.
const MOST: u64 = 16 << 20;
/// Of the beginning and of the end of a stream, for who judges it.
const ENDS: usize = 32 << 10;

/// A file that takes so much and no more.
#[derive(Debug)]
struct Capped {
    file: File,
    room: u64,
    cut: u64,
    error: Option<String>,
}

impl Capped {
    fn create(path: &Path, room: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file, room, cut: 0, error: None })
    }

    fn write(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, cut) = bytes.split_at(room);
        if self.error.is_none()
            && let Err(error) = self.file.write_all(kept)
        {
            self.error = Some(error.to_string());
        }
        self.room -= kept.len() as u64;
        self.cut += cut.len() as u64;
    }

    /// Says at the end what is missing.
    fn finish(&mut self) {
        if self.cut > 0 {
            let _ = writeln!(self.file, "\n[{} bytes left out]", self.cut);
        }
    }
}

/// A stream on its way to its file.
#[derive(Debug)]
pub(super) struct Stream {
    file: Capped,
    redactor: Option<Redactor>,
    clean: Vec<u8>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Stream {
    fn new(path: &Path, room: u64, redaction: Option<&Redaction>) -> io::Result<Self> {
        let redactor = redaction.map(Redaction::stream);
        Ok(Self { file: Capped::create(path, room)?, redactor, clean: Vec::new(), head: Vec::new(), tail: Vec::new() })
    }

    /// Writes bytes down, and gives back what is settled of them, without secrets.
    pub(super) fn take(&mut self, bytes: &[u8]) -> &[u8] {
        self.clean.clear();
        match &mut self.redactor {
            Some(redactor) => redactor.push(bytes, &mut self.clean),
            None => self.clean.extend_from_slice(bytes),
        }
        self.keep()
    }

    /// What was held back, when nothing more comes.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.clean.clear();
        if let Some(redactor) = &mut self.redactor {
            redactor.finish(&mut self.clean);
        }
        self.keep();
        self.file.finish();
        &self.clean
    }

    fn keep(&mut self) -> &[u8] {
        self.file.write(&self.clean);
        let room = ENDS.saturating_sub(self.head.len()).min(self.clean.len());
        let (head, rest) = self.clean.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        let over = self.tail.len().saturating_sub(ENDS);
        // Not for each byte anew.
        if over > ENDS {
            self.tail.drain(..over);
        }
        &self.clean
    }

    /// How it began and how it ended.
    pub(super) fn ends(&self) -> String {
        let tail = self.tail.get(self.tail.len().saturating_sub(ENDS)..).unwrap_or_default();
        let gap: &[u8] = if tail.len() < self.tail.len() { b"\n" } else { b"" };
        String::from_utf8_lossy(&[self.head.as_slice(), gap, tail].concat()).into_owned()
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    seq: u64,
    at_ms: u64,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    events: Capped,
    seq: u64,
    folder: PathBuf,
    spent: Option<Spent>,
}

impl Record {
    pub(super) fn create(folder: &Path, room: u64, redaction: Option<&Redaction>) -> io::Result<Self> {
        Ok(Self {
            stdout: Stream::new(&folder.join("stdout.jsonl"), room, redaction)?,
            stderr: Stream::new(&folder.join("stderr.log"), MOST.min(room), redaction)?,
            events: Capped::create(&folder.join("events.jsonl"), MOST.min(room))?,
            seq: 0,
            folder: folder.to_owned(),
            spent: None,
        })
    }

    /// Events are made of lines that are clean already.
    pub(super) fn event(&mut self, event: &Event, at_ms: u64) {
        self.seq += 1;
        if let Ok(mut line) = serde_json::to_vec(&Entry { seq: self.seq, at_ms, event }) {
            line.push(b'\n');
            // All of a line or nothing of it, and nothing after a gap.
            if self.events.cut > 0 || line.len() as u64 > self.events.room {
                self.events.cut += line.len() as u64;
            } else {
                self.events.write(&line);
            }
        }
    }

    /// What was used so far, for whoever finds no outcome: it is written down where it changed.
    pub(super) fn spent(&mut self, spent: Option<Spent>) {
        if spent != self.spent {
            // The outcome tells it again; this is for the case that there is none.
            let _ = self.write_spent(spent.as_ref());
            self.spent = spent;
        }
    }

    fn write_spent(&self, spent: Option<&Spent>) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        draft.write_all(&serde_json::to_vec(&spent)?)?;
        draft.persist(self.folder.join(SPENT)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Bytes that are missing, and the first error.
    pub(super) fn missing(&self) -> (u64, Option<String>) {
        let files = [&self.stdout.file, &self.stderr.file, &self.events];
        (files.iter().map(|file| file.cut).sum(), files.iter().find_map(|file| file.error.clone()))
    }
}
