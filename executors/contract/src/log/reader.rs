//! Reads a log, also one that is still being written.
//!
//! `next` answers `None` where the log ends for now; asked again later it goes on with what has come. Parts that are
//! gone are told once, as [`Entry::Cut`].

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{CUT_AT, Cut, FRAME, HEADER, MAGIC, MOST, Stream};

/// What a log holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Output {
        stream: Stream,
        /// Milliseconds since the epoch.
        at_ms: u64,
        bytes: Vec<u8>,
    },
    /// This many bytes of output were here once.
    Cut { stdout: u64, stderr: u64 },
}

/// Why a log cannot be read.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    NotALog,
    /// Written by a later version.
    Newer,
    Damaged {
        at: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotALog => f.write_str("this is not a log"),
            Self::Newer => f.write_str("this log was written by a later version"),
            Self::Damaged { at } => write!(f, "the log is damaged at byte {at}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A place in a log.
#[derive(Debug)]
pub struct Reader {
    file: File,
    at: u64,
    /// Payload after the head up to this place, shown or told as gone.
    past: Passed,
    /// What was gone when this place was found: a tail that started anew moves every place in it.
    gone: Passed,
}

/// Payload by stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Passed {
    stdout: u64,
    stderr: u64,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path)?;
        let mut magic = [0; MAGIC.len()];
        if !fill(&file, &mut magic, 0)? {
            return Err(ReadError::NotALog);
        }
        if &magic != MAGIC {
            let name = MAGIC.split(u8::is_ascii_digit).next().unwrap_or_default();
            return Err(if magic.starts_with(name) { ReadError::Newer } else { ReadError::NotALog });
        }
        Ok(Self { file, at: HEADER, past: Passed::default(), gone: Passed::default() })
    }

    /// The next entry, or `None` where the log ends for now.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be over after its first `None`")]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let Some(cut) = self.cut()? else {
                return Ok(None);
            };
            let in_tail = cut.from != 0 && self.at >= cut.from;
            let gone = Passed { stdout: cut.stdout, stderr: cut.stderr };
            let anew = cut.to == cut.from && gone != self.gone;
            if in_tail && (self.at < cut.to || anew) {
                let stdout = gone.stdout.saturating_sub(self.past.stdout);
                let stderr = gone.stderr.saturating_sub(self.past.stderr);
                (self.at, self.past, self.gone) = (cut.to, gone, gone);
                if stdout + stderr > 0 {
                    return Ok(Some(Entry::Cut { stdout, stderr }));
                }
                continue;
            }
            let frame = self.frame();
            if self.cut()? != Some(cut) {
                // It may have been read while its place was given away.
                continue;
            }
            let Some((stream, at_ms, bytes)) = frame? else {
                return Ok(None);
            };
            let length = bytes.len() as u64;
            self.at += FRAME + length;
            if in_tail {
                match stream {
                    Stream::Stdout => self.past.stdout += length,
                    Stream::Stderr => self.past.stderr += length,
                }
            }
            return Ok(Some(Entry::Output { stream, at_ms, bytes }));
        }
    }

    /// `None` while the file has no whole header.
    fn cut(&self) -> Result<Option<Cut>, ReadError> {
        let mut bytes = [0; Cut::BYTES];
        // Read while it was being written, it reads well the next time.
        for _ in 0..100 {
            if !fill(&self.file, &mut bytes, CUT_AT)? {
                return Ok(None);
            }
            if let Some(cut) = Cut::decode(&bytes) {
                return Ok(Some(cut));
            }
        }
        Err(ReadError::Damaged { at: CUT_AT })
    }

    /// The frame at this place, or `None` if it is not there as a whole.
    fn frame(&self) -> Result<Option<(Stream, u64, Vec<u8>)>, ReadError> {
        let mut header = [0; FRAME as usize];
        if !fill(&self.file, &mut header, self.at)? {
            return Ok(None);
        }
        let [code, _, _, _, a, b, c, d, at_ms @ ..] = header;
        let damaged = ReadError::Damaged { at: self.at };
        let stream = match code {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return Err(damaged),
        };
        let Some(length) = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok().filter(|length| *length <= MOST)
        else {
            return Err(damaged);
        };
        let mut bytes = vec![0; length];
        let whole = fill(&self.file, &mut bytes, self.at + FRAME)?;
        Ok(whole.then_some((stream, u64::from_le_bytes(at_ms), bytes)))
    }
}

/// Whether the file had enough for the buffer at this place.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
