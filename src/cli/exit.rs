//! What each end of a command is called by its exit code. The only place that knows the numbers.

use crate::engine::driver::Outlook;
use crate::report::summary::failures;
use crate::run::{Ending, FailureCode, Run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    /// A task failed, a person cancelled the run, or the tool could not do its work.
    Failed,
    /// Wrong command line, or an invalid blueprint.
    Invalid,
    /// Only a person can make it go on.
    Waiting,
    /// A gate was rejected, or its time ran out.
    Rejected,
    /// What the run did is undone.
    RolledBack,
    /// What the run did is not undone altogether.
    RollbackFailed,
    /// Locks were not free in time, and nothing else failed.
    Locked,
    /// A preflight check, a secret or a capability is missing.
    Unprepared,
    /// The document is not what was planned, or what the run began with.
    Changed,
    /// A signal ended it.
    Signal(u8),
}

impl Exit {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::Waiting => 3,
            Self::Rejected => 4,
            Self::RolledBack => 5,
            Self::RollbackFailed => 6,
            Self::Locked => 7,
            Self::Unprepared => 8,
            Self::Changed => 9,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// How a runner ended.
    pub(super) fn of(outlook: Outlook, run: &Run) -> Self {
        match outlook {
            Outlook::Ended(Ending::Done) => Self::Done,
            Outlook::Ended(Ending::Failed) => {
                let failures = failures(run);
                let locked = failures.iter().all(|(_, failure)| failure.code == FailureCode::LockTimeout);
                if locked && !failures.is_empty() { Self::Locked } else { Self::Failed }
            }
            Outlook::Ended(Ending::Cancelled) => Self::Failed,
            Outlook::Ended(Ending::Rejected) => Self::Rejected,
            Outlook::Ended(Ending::RolledBack) => Self::RolledBack,
            Outlook::Ended(Ending::RollbackFailed) => Self::RollbackFailed,
            Outlook::Waiting => Self::Waiting,
            Outlook::Interrupted(signal) => Self::Signal(u8::try_from(signal).unwrap_or(2)),
        }
    }
}
