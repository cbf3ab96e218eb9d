//! Why a lock could not be asked for. Being told to wait is no error.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Completes "failed to …".
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Kernel locks cannot be trusted where the directory lies.
    Remote {
        dir: PathBuf,
        file_system: &'static str,
    },
    /// Another user could take the locks away, or is the owner of the directory.
    NotPrivate {
        dir: PathBuf,
    },
    /// Somebody has kept the door shut for longer than any decision takes.
    Busy {
        dir: PathBuf,
    },
    /// A request without a name to lock.
    Empty,
    Io {
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
}

impl LockError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Remote { .. } => Some("keep the lock directory on a disk of this machine"),
            Self::NotPrivate { .. } => Some("make it yours and `chmod 700` it, or choose another directory"),
            Self::Busy { .. } => Some("a stopped process may stand in the door: `lsof` on its file `door` names it"),
            Self::Empty | Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote { dir, file_system } => {
                write!(out, "keep locks in `{}`: {file_system} does not lock as this machine's disks do", dir.display())
            }
            Self::NotPrivate { dir } => write!(out, "keep locks in `{}`: others may enter it", dir.display()),
            Self::Busy { dir } => {
                write!(out, "look into `{}`: a decision has been going on for seconds", dir.display())
            }
            Self::Empty => write!(out, "acquire locks: no name was given"),
            Self::Io { doing, path, error } => write!(out, "{doing} `{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
