//! Where a task of a run may stand. What leads from one phase to the next is `task`'s business.

use std::collections::BTreeSet;

use super::event::{Completion, GateMoment, Moment};
use super::failure::Failure;

/// Where a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// For tasks it needs, or for its condition.
    Waiting,
    /// For a person, before its work or after.
    Gate(OpenGate),
    /// `stage` is an index into the stages of the task.
    Working {
        stage: usize,
        running: bool,
    },
    /// All stages are over; it is complete unless a person has to look at it.
    Finished,
    /// Its attempt failed; what follows is not decided yet.
    Failing(Box<Failure>),
    Retrying {
        at: Moment,
    },
    /// It failed, and another task does its work.
    Replaced {
        failure: Box<Failure>,
        by: String,
    },
    /// Its runner ended between two stages: this one is next, as soon as there is room again.
    Paused {
        stage: usize,
    },
    /// Its runner died while this stage ran.
    Interrupted {
        stage: usize,
    },
    /// Nobody knows how its work ended. Its verifications may tell: one runs, one is next, or none
    /// is left and a person has to say.
    Unknown {
        stage: usize,
        running: Option<usize>,
        next: Option<usize>,
    },
    Complete(Completion),
    Skipped(String),
    Blocked(Box<Failure>),
}

impl Phase {
    /// The word for it in messages.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Gate(_) => "waiting for a person",
            Self::Working { running: true, .. } => "running",
            Self::Working { running: false, .. } => "between stages",
            Self::Finished => "finished",
            Self::Failing(_) => "failing",
            Self::Retrying { .. } => "waiting for its retry",
            Self::Replaced { .. } => "waiting for its fallback",
            Self::Paused { .. } => "between stages",
            Self::Interrupted { .. } => "interrupted",
            Self::Unknown { .. } => "unknown",
            Self::Complete(_) => "complete",
            Self::Skipped(_) => "skipped",
            Self::Blocked(_) => "blocked",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenGate {
    pub moment: GateMoment,
    pub digest: String,
    pub opened: Moment,
    pub deadline: Moment,
    pub approved_by: BTreeSet<String>,
}
