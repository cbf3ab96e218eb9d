//! The words and marks every drawing uses for the same thing.
//!
//! Guarantees: each status has a word and a mark of its own, so that no drawing depends on
//! colour; locks and gates read the same everywhere.
//!
//! Does not escape anything for an output format.

use super::picture::{Gate, NodeBox, Picture, Status};

/// All statuses, in the order a legend lists them.
pub(super) const STATUSES: [Status; 10] = [
    Status::NotStarted,
    Status::InProgress,
    Status::Checkpointed,
    Status::Complete,
    Status::Blocked,
    Status::Failed,
    Status::Skipped,
    Status::Asked,
    Status::Unknown,
    Status::Undone,
];

impl Status {
    /// Whether only a run has it, and no document.
    pub(super) const fn is_of_a_run(self) -> bool {
        matches!(self, Self::Asked | Self::Unknown | Self::Undone)
    }

    /// The status in words.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::InProgress => "in progress",
            Self::Complete => "complete",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
            Self::Checkpointed => "checkpointed",
            Self::Failed => "failed",
            Self::Asked => "waits for a person",
            Self::Unknown => "unknown or interrupted",
            Self::Undone => "rolled back",
        }
    }

    /// One drawn mark.
    pub(super) fn mark(self) -> char {
        match self {
            Self::NotStarted => '○',
            Self::InProgress => '▶',
            Self::Complete => '✔',
            Self::Blocked => '■',
            Self::Skipped => '»',
            Self::Checkpointed => '◆',
            Self::Failed => '✘',
            Self::Asked => '◐',
            Self::Unknown => '?',
            Self::Undone => '↶',
        }
    }

    /// One typed mark, for terminals.
    pub(super) fn letter(self) -> char {
        match self {
            Self::NotStarted => ' ',
            Self::InProgress => '>',
            Self::Complete => 'x',
            Self::Blocked => '#',
            Self::Skipped => '-',
            Self::Checkpointed => '~',
            Self::Failed => '!',
            Self::Asked => '@',
            Self::Unknown => '?',
            Self::Undone => '<',
        }
    }

    /// A name for style classes.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::NotStarted => "waiting",
            Self::InProgress => "running",
            Self::Complete => "complete",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
            Self::Checkpointed => "checkpointed",
            Self::Failed => "failed",
            Self::Asked => "asked",
            Self::Unknown => "unknown",
            Self::Undone => "undone",
        }
    }
}

impl Gate {
    /// What is asked, and when if that is not before the task.
    pub(super) fn describe(&self) -> String {
        let action = self.action.trim();
        let action = if action.is_empty() { "approval" } else { action };
        if self.after { format!("{action} (after)") } else { action.to_owned() }
    }
}

/// A lock as one task holds it.
pub(super) struct HeldLock<'a> {
    pub name: &'a str,
    pub exclusive: bool,
}

impl HeldLock<'_> {
    /// The lock with its mode; exclusive is the usual mode and goes without saying.
    pub(super) fn describe(&self) -> String {
        if self.exclusive { self.name.to_owned() } else { format!("{} (shared)", self.name) }
    }
}

/// The locks a task holds, leaving out indexes that point nowhere.
pub(super) fn list_locks<'a>(picture: &'a Picture, node: &NodeBox) -> Vec<HeldLock<'a>> {
    node.locks
        .iter()
        .filter_map(|&(at, exclusive)| picture.locks.get(at).map(|name| HeldLock { name, exclusive }))
        .collect()
}

/// The executor, where it is worth saying.
pub(super) fn unusual_executor(node: &NodeBox) -> Option<&str> {
    let executor = node.executor.trim();
    (!executor.is_empty() && executor != "shell").then_some(executor)
}
