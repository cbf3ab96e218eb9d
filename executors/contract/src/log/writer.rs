//! Writes a log within its caps, creating it with the first output.
//!
//! Never fails and never keeps work waiting for anything but the disk: what cannot be kept is counted, and the first
//! error is told at the end.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::{CUT_AT, Cut, FRAME, HEADER, MAGIC, MOST, Stream};
use crate::{Kept, LogCaps};

/// A tail has room for several frames; one shorter than this counts as this.
const SHORTEST_TAIL: u64 = 4096;

/// Of a file system.
const LARGEST_BLOCK: u64 = 64 * 1024;

/// The log of one attempt, being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    caps: LogCaps,
    file: Option<File>,
    /// Where the next frame goes, and what was written before it.
    end: Mark,
    /// Where the head ends, once it is full.
    head: Option<Mark>,
    /// Where the tail starts.
    tail: Mark,
    /// Frames of the tail, sparsely: where a new tail may start.
    marks: VecDeque<Mark>,
    /// Payload that never reached the file.
    unwritten: u64,
    error: Option<String>,
    /// Whether the file system makes holes, as far as is known.
    pub(super) holes: bool,
}

/// Where a frame starts, and the payload before it by stream.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: u64,
    stdout: u64,
    stderr: u64,
}

impl Writer {
    pub fn new(path: PathBuf, caps: LogCaps) -> Self {
        let start = Mark { at: HEADER, stdout: 0, stderr: 0 };
        Self {
            path,
            caps: LogCaps { head: caps.head, tail: caps.tail.max(SHORTEST_TAIL) },
            file: None,
            end: start,
            head: None,
            tail: start,
            marks: VecDeque::new(),
            unwritten: 0,
            error: None,
            holes: true,
        }
    }

    /// Takes output as it was read.
    pub fn write(&mut self, stream: Stream, at_ms: u64, bytes: &[u8]) {
        let longest = usize::try_from(self.caps.tail / 8).unwrap_or(MOST).min(MOST);
        for piece in bytes.chunks(longest) {
            if self.error.is_some() {
                self.unwritten += piece.len() as u64;
            } else if let Err(error) = self.append(stream, at_ms, piece) {
                self.unwritten += piece.len() as u64;
                self.error = Some(format!("`{}`: {error}", self.path.display()));
                // Half a frame would read as damage once something followed it.
                if let Some(file) = &self.file {
                    let _ = file.set_len(self.end.at);
                }
            }
        }
    }

    /// What the file took.
    pub fn kept(&self) -> Kept {
        let (stdout, stderr) = self.gone();
        let bytes = self.end.stdout + self.end.stderr - stdout - stderr;
        Kept { bytes, cut: stdout + stderr + self.unwritten, error: self.error.clone() }
    }

    /// Payload between the head and the tail.
    const fn gone(&self) -> (u64, u64) {
        match self.head {
            Some(head) => (self.tail.stdout - head.stdout, self.tail.stderr - head.stderr),
            None => (0, 0),
        }
    }

    fn append(&mut self, stream: Stream, at_ms: u64, piece: &[u8]) -> io::Result<()> {
        let size = FRAME + piece.len() as u64;
        if self.file.is_none() {
            self.file = Some(create(&self.path)?);
        }
        if self.head.is_none() && self.end.at + size > HEADER + self.caps.head {
            self.head = Some(self.end);
            self.tail = self.end;
            // Readers learn where the head ends before the tail begins.
            self.publish()?;
        }
        if self.head.is_some() {
            self.make_room(size)?;
        }
        let mut header = [0; FRAME as usize];
        header[0] = stream.code();
        // `write` cuts output into pieces of at most 64 KiB.
        header[4..8].copy_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
        header[8..].copy_from_slice(&at_ms.to_le_bytes());
        if let Some(file) = &mut self.file {
            write_both(file, &header, piece)?;
        }
        self.end.at += size;
        match stream {
            Stream::Stdout => self.end.stdout += piece.len() as u64,
            Stream::Stderr => self.end.stderr += piece.len() as u64,
        }
        Ok(())
    }

    /// Sees to it that a frame of this size fits into the tail.
    fn make_room(&mut self, size: u64) -> io::Result<()> {
        let LogCaps { tail: cap, .. } = self.caps;
        if self.end.at + size - self.tail.at > cap {
            // An eighth goes at once, so that this is rare.
            self.drop_before((self.end.at + size).saturating_sub(cap - cap / 8))?;
        }
        if self.marks.back().is_none_or(|last| self.end.at - last.at >= cap / 64) {
            self.marks.push_back(self.end);
        }
        Ok(())
    }

    fn drop_before(&mut self, wanted: u64) -> io::Result<()> {
        while self.marks.front().is_some_and(|mark| mark.at < wanted) {
            self.marks.pop_front();
        }
        // The last hole ended within a block, which can go as a whole now.
        let dropped = (self.tail.at & !(LARGEST_BLOCK - 1)).max(self.head.map_or(HEADER, |head| head.at));
        self.tail = self.marks.front().copied().unwrap_or(self.end);
        // First the word, then the deed: a reader never takes a hole for frames.
        self.publish()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if self.holes && fallocate(&*file, hole, dropped, self.tail.at - dropped).is_ok() {
            return Ok(());
        }
        self.holes = false;
        self.restart_tail()
    }

    /// Throws the whole tail away, where the file system makes no holes.
    fn restart_tail(&mut self) -> io::Result<()> {
        let (Some(head), Some(file)) = (self.head, &mut self.file) else {
            return Ok(());
        };
        self.marks.clear();
        self.end.at = head.at;
        self.tail = self.end;
        file.set_len(head.at)?;
        file.seek(SeekFrom::Start(head.at))?;
        self.publish()
    }

    fn publish(&self) -> io::Result<()> {
        let (stdout, stderr) = self.gone();
        let from = self.head.map_or(0, |head| head.at);
        let cut = Cut { from, to: self.tail.at, stdout, stderr };
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(&cut.encode(), CUT_AT))
    }
}

/// The file with its header, and the folders above it; nobody else's file.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            options.open(path)?
        }
        opened => opened?,
    };
    let mut header = [0; HEADER as usize];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    let cut = CUT_AT as usize;
    header[cut..cut + Cut::BYTES].copy_from_slice(&Cut::default().encode());
    file.write_all(&header)?;
    Ok(file)
}

/// One call for both in all but odd cases.
fn write_both(file: &mut File, header: &[u8], piece: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write_vectored(&[IoSlice::new(header), IoSlice::new(piece)]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    match written.checked_sub(header.len()) {
        Some(of_piece) => file.write_all(piece.get(of_piece..).unwrap_or_default()),
        None => {
            file.write_all(header.get(written..).unwrap_or_default())?;
            file.write_all(piece)
        }
    }
}
