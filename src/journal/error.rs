//! Why a journal could not be written, opened or read, and what the operator can do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{FORMAT, Number, VERSION};
use super::runner::Holder;
use super::space::is_full;

/// Completes "failed to …". Cheap to clone: the first failure of a journal is every later answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process drives this run.
    Held {
        by: Option<Box<Holder>>,
        file: PathBuf,
    },
    /// There is a journal where one was to be made.
    Exists {
        file: PathBuf,
    },
    /// There is none where one was to be read.
    Missing {
        file: PathBuf,
    },
    /// A later program wrote it: it may be read as far as it can be understood, and not be written.
    Newer {
        file: PathBuf,
        version: u32,
    },
    Damaged(Box<Damage>),
    /// The directory lies where a synced file is as safe as another machine.
    Remote {
        dir: PathBuf,
        file_system: &'static str,
    },
    /// A mistake of the caller: what was to be written cannot be a payload.
    Payload {
        reason: String,
    },
    /// The disk is full. Every record so far is whole, and [`halt`](super::Journal::halt) still works.
    Full {
        file: PathBuf,
        error: Arc<io::Error>,
    },
    /// The last record has been written.
    Halted {
        file: PathBuf,
    },
    /// Writing or syncing failed. What of the last records is on the disk is not known.
    Broken {
        doing: &'static str,
        file: PathBuf,
        error: Arc<io::Error>,
    },
    /// Nothing was tried on the journal yet.
    Io {
        doing: &'static str,
        path: PathBuf,
        error: Arc<io::Error>,
    },
}

/// Where a journal is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: PathBuf,
    /// The first byte that cannot be relied on.
    pub offset: u64,
    /// The record that would come here; none for the first line of the file.
    pub record: Number,
    pub reason: String,
}

impl JournalError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Held { .. } => "wait for it, or look at it with `outpost-bp status`".to_owned(),
            Self::Newer { .. } => "use the program that wrote it, or a later one".to_owned(),
            Self::Damaged(damage) => format!(
                "nothing was changed. Records before it are whole: `outpost-bp status --raw` shows them. Keep a copy of \
                 the file and look for the disk's errors; `head -c {} {}` is the part to go on from, if you decide to",
                damage.offset,
                damage.file.display()
            ),
            Self::Remote { .. } => "keep runs on a disk of this machine".to_owned(),
            Self::Full { .. } => "free some space, then `outpost-bp resume`".to_owned(),
            Self::Broken { .. } => {
                "look for the disk's errors in the kernel's log, then `outpost-bp resume`".to_owned()
            }
            Self::Exists { .. }
            | Self::Missing { .. }
            | Self::Payload { .. }
            | Self::Halted { .. }
            | Self::Io { .. } => {
                return None;
            }
        })
    }

    /// What fails before a journal is open.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| {
            let full = is_full(&error);
            let error = Arc::new(error);
            if full { Self::Full { file: path, error } } else { Self::Io { doing, path, error } }
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { by, file } => {
                write!(out, "drive this run: `{}` is held by ", file.display())?;
                match by {
                    Some(holder) => write!(out, "{holder}"),
                    None => out.write_str("a process that does not say which"),
                }
            }
            Self::Exists { file } => write!(out, "make a journal: `{}` is there", file.display()),
            Self::Missing { file } => write!(out, "find a journal: `{}` is not there", file.display()),
            Self::Newer { file, version } => write!(
                out,
                "write `{}`: it has version {version} of {FORMAT}, this program knows {VERSION}",
                file.display()
            ),
            Self::Damaged(damage) => write!(out, "trust {damage}"),
            Self::Remote { dir, file_system } => {
                write!(out, "keep a journal in `{}`: {file_system} is not a disk of this machine", dir.display())
            }
            Self::Payload { reason } => write!(out, "write a record: {reason}"),
            Self::Full { file, error } => write!(out, "write `{}`: {error}", file.display()),
            Self::Halted { file } => write!(out, "write `{}`: its last record has been written", file.display()),
            Self::Broken { doing, file, error } => write!(out, "{doing} `{}`: {error}", file.display()),
            Self::Io { doing, path, error } => write!(out, "{doing} `{}`: {error}", path.display()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` from byte {} on", self.file.display(), self.offset)?;
        if self.record != Number::NONE {
            write!(out, ", where record {} should be", self.record)?;
        }
        write!(out, ": {}", self.reason)
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full { error, .. } | Self::Broken { error, .. } | Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
