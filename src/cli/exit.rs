//! Exit codes, in one place.

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    /// The command line or the blueprint is wrong.
    Invalid,
}

impl Exit {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Invalid => 2,
        }
    }
}
