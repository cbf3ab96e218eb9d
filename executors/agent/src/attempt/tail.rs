//! A file that the agent appends its events to, read while it grows: without secrets, so much at a time, and only where
//! it is a file. A pipe of that name would be waited for, and a device has no end.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use outpost_executor::{Redaction, Redactor};
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::stream::{Line, Lines};

/// The most that is read at one look.
const AT_ONCE: u64 = 8 << 20;
/// The most that is read when nothing more comes.
const AT_LAST: u64 = 64 << 20;

pub(super) struct Tail {
    path: PathBuf,
    at: u64,
    redactor: Option<Redactor>,
    lines: Lines,
}

impl Tail {
    pub(super) fn new(path: PathBuf, redaction: Option<&Redaction>) -> Self {
        Self { path, at: 0, redactor: redaction.map(Redaction::stream), lines: Lines::default() }
    }

    /// What came since the last look.
    pub(super) fn look(&mut self) -> Vec<Line> {
        self.read(AT_ONCE)
    }

    /// What is left.
    pub(super) fn finish(&mut self) -> Vec<Line> {
        let mut found = self.read(AT_LAST);
        if let Some(redactor) = &mut self.redactor {
            let mut clean = Vec::new();
            redactor.finish(&mut clean);
            self.lines.push(&clean, |line| found.push(line));
        }
        found.extend(self.lines.finish());
        found
    }

    fn open(&self) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(CWD, &self.path, flags, Mode::empty()).ok()?);
        let is_file = file.metadata().ok()?.is_file();
        is_file.then_some(())?;
        file.seek(SeekFrom::Start(self.at)).ok()?;
        Some(file)
    }

    fn read(&mut self, most: u64) -> Vec<Line> {
        let (mut found, mut buffer, mut clean) = (Vec::new(), vec![0; 64 << 10], Vec::new());
        let Some(mut file) = self.open().map(|file| file.take(most)) else {
            return found;
        };
        loop {
            let read = match file.read(&mut buffer) {
                Ok(read @ 1..) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // The next look begins where this one ended.
                Ok(0) | Err(_) => return found,
            };
            self.at += read as u64;
            let bytes = buffer.get(..read).unwrap_or_default();
            match &mut self.redactor {
                Some(redactor) => {
                    clean.clear();
                    redactor.push(bytes, &mut clean);
                    self.lines.push(&clean, |line| found.push(line));
                }
                None => self.lines.push(bytes, |line| found.push(line)),
            }
        }
    }
}
