//! What can go wrong, by what the caller can do about it.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Completes "failed to …", and names the way out where there is one.
#[derive(Debug)]
pub enum Error {
    /// The project's repository, or git itself, cannot serve: a person has to change something.
    Unsuited(String),
    /// The branch is checked out where a person works; moving it would leave that folder out of step.
    CheckedOut {
        branch: String,
        at: PathBuf,
    },
    /// Files changed while they were read: something of the agent still runs. Trying again may help.
    Restless(PathBuf),
    /// Git did not do what it was asked for.
    Git {
        doing: &'static str,
        said: String,
    },
    File {
        path: PathBuf,
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File { path: path.to_owned(), error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsuited(reason) => f.write_str(reason),
            Self::CheckedOut { branch, at } => write!(
                f,
                "move the branch `{branch}`: it is checked out in `{}`, which would be left out of step; land on \
                 another branch, or call `git switch --detach` there",
                at.display()
            ),
            Self::Restless(path) => {
                write!(f, "read `{}`: it changed meanwhile; end what still writes there and try again", path.display())
            }
            Self::Git { doing, said } if said.is_empty() => write!(f, "{doing}: git gave no reason"),
            Self::Git { doing, said } => write!(f, "{doing}: git says `{said}`"),
            Self::File { path, error } => write!(f, "use `{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            _ => None,
        }
    }
}
