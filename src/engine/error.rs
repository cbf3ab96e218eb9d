//! Why a run cannot be read or driven, and what a person can do about it.

use std::fmt;
use std::io;

use crate::journal::JournalError;
use crate::locks::LockError;

#[derive(Debug)]
pub enum Broken {
    Journal(JournalError),
    Locks(LockError),
    /// The journal says what cannot be, or what this version does not know.
    History(String),
    /// The run's copy of its document is not the one that it began with.
    Copy(String),
    /// Its runner was killed before the first record.
    NeverBegan,
    /// A file, and what the system said about it.
    Io(String, io::Error),
}

impl Broken {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            Self::Journal(JournalError::Held { .. }) => {
                "watch it with `outpost-bp status`; decide its gates with `outpost-bp approve`".to_owned()
            }
            Self::Journal(JournalError::Full { .. }) => {
                "nothing is lost: make room on the disk, then `outpost-bp resume`".to_owned()
            }
            Self::Journal(JournalError::Remote { .. }) => {
                "keep the project on a disk of this machine: a network file system loses locks".to_owned()
            }
            Self::Journal(JournalError::Damaged(_)) => {
                "restore the run's directory from a backup, or begin a new run; docs/JOURNAL.md has the format"
                    .to_owned()
            }
            Self::Journal(JournalError::Broken { .. }) => {
                "check the disk, then `outpost-bp resume`: it goes on from what the disk has".to_owned()
            }
            Self::Journal(_) => "check the disk; docs/JOURNAL.md says what is safe".to_owned(),
            Self::Locks(error) => error.hint().unwrap_or("check the permissions of `.outpost/locks`").to_owned(),
            Self::History(_) => "use the version of outpost-bp that began the run".to_owned(),
            Self::Copy(_) => "put the copy back as it was, or begin another run".to_owned(),
            Self::NeverBegan => "begin another with `outpost-bp run`; `outpost-bp gc` removes this one".to_owned(),
            Self::Io(..) => "check the permissions of `.outpost`, and the disk".to_owned(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(JournalError::Held { by: Some(by), .. }) => write!(f, "the run is driven by {by}"),
            Self::Journal(JournalError::Held { .. }) => f.write_str("the run is driven by another process"),
            Self::Journal(error) => error.fmt(f),
            Self::Locks(error) => error.fmt(f),
            Self::History(problem) => write!(f, "the journal and this version disagree: {problem}"),
            Self::Copy(path) => write!(f, "`{path}` was changed: it is not the document that the run began with"),
            Self::NeverBegan => f.write_str("the run never began: its runner was killed before it did anything"),
            Self::Io(what, error) => write!(f, "`{what}`: {error}"),
        }
    }
}

impl std::error::Error for Broken {}

impl From<JournalError> for Broken {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<LockError> for Broken {
    fn from(error: LockError) -> Self {
        Self::Locks(error)
    }
}
