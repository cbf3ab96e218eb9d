//! What happened: the one type that is journaled, replayed and shown.
//!
//! An event is written before anything acts on it. Its JSON is the journal's body and what
//! `--events` prints; fields are only ever added.

mod chore;
mod gate;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use chore::{Chore, Hook};
pub use gate::{GateDecision, GateMoment};

use super::failure::Failure;
use super::program::OnTimeout;
use super::purse::Usage;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    pub const fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}

/// ISO 8601, in UTC.
impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        time.unwrap_or(jiff::Timestamp::MAX).fmt(f)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first record of a run.
    RunStarted(Box<RunStarted>),
    /// A runner took the run over: the first one, or `resume`.
    RunnerTookOver {
        pid: u32,
        host: String,
        by: String,
    },
    /// Nothing more is started; what runs may end.
    Draining {
        reason: String,
        /// Whether the run is over when nothing works any more; otherwise `resume` goes on.
        #[serde(default)]
        ends: bool,
    },
    /// What runs is terminated.
    Stopping {
        reason: String,
    },
    /// The intent to start an attempt; executors start after it is written.
    StageStarted {
        task: String,
        attempt: u32,
        stage: String,
    },
    /// The executor's own name for what it started, to find it again.
    StageHandle {
        task: String,
        attempt: u32,
        handle: String,
    },
    StageEnded {
        task: String,
        attempt: u32,
        stage: String,
        milliseconds: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
        /// What the task left, by port; with the end in one record, so that neither is without the other.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<KeptPort>,
    },
    RetryScheduled {
        task: String,
        attempt: u32,
        at: Moment,
    },
    TaskCompleted {
        task: String,
        how: Completion,
    },
    TaskSkipped {
        task: String,
        reason: String,
    },
    TaskBlocked {
        task: String,
        failure: Box<Failure>,
    },
    /// A stage was started and nobody knows how it ended.
    TaskUnknown {
        task: String,
        attempt: u32,
        stage: String,
    },
    /// An unknown task starts again, and why it may.
    RepeatAllowed {
        task: String,
        by: Permit,
    },
    ConditionHeld {
        task: String,
    },
    GateOpened {
        task: String,
        time: GateMoment,
        digest: String,
        deadline: Moment,
    },
    GateDecided(Box<GateDecision>),
    GateExpired {
        task: String,
        consequence: OnTimeout,
        /// The variable that the decision was to stand in, and that is not set: then it is not the deadline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unset: Option<String>,
    },
    /// A failed task's fallback does its work.
    FallbackCalled {
        task: String,
        fallback: String,
    },
    CheckpointKept {
        task: String,
        attempt: u32,
        version: u64,
        digest: String,
    },
    /// What the agent of an attempt used, as far as anybody knows. The last word about an attempt counts.
    UsageCounted {
        task: String,
        attempt: u32,
        usage: Usage,
    },
    /// The intent to carry out a chore; it starts after this is written.
    ChoreStarted {
        chore: Chore,
        attempt: u32,
    },
    /// The executor's own name for it, to find it again.
    ChoreHandle {
        chore: Chore,
        attempt: u32,
        handle: String,
    },
    ChoreEnded {
        chore: Chore,
        attempt: u32,
        milliseconds: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
    },
    /// A chore was started and nobody knows how it ended. It is not repeated.
    ChoreUnknown {
        chore: Chore,
        attempt: u32,
    },
    /// What these tasks did is undone, one after the other.
    RollbackOrdered {
        /// A person, or nobody: the document says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        tasks: Vec<String>,
    },
    /// Somebody was told. `notice` names what of, with colons between kind, task, since when, and which reminder; it is
    /// the same in every attempt to tell it.
    NoticeSent {
        notice: String,
        channel: String,
    },
    /// Somebody could not be told.
    NoticeFailed {
        notice: String,
        channel: String,
        reason: String,
    },
    /// What a task left was put away.
    CleanedUp {
        task: String,
        action: CleanUp,
        what: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    CancelRequested {
        by: String,
    },
    /// The run goes on with an edited document: these tasks run again, all others stand as they do.
    EditAccepted {
        by: String,
        digest: String,
        again: Vec<String>,
    },
    /// Only people can make it go on.
    RunWaiting {
        gates: Vec<String>,
    },
    RunEnded {
        state: Ending,
    },
    /// The journal could not be written any more.
    Halted {
        reason: String,
    },
}

impl Event {
    /// The task that it happened to, if it is not about the whole run.
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::StageStarted { task, .. }
            | Self::StageHandle { task, .. }
            | Self::StageEnded { task, .. }
            | Self::RetryScheduled { task, .. }
            | Self::TaskCompleted { task, .. }
            | Self::TaskSkipped { task, .. }
            | Self::TaskBlocked { task, .. }
            | Self::TaskUnknown { task, .. }
            | Self::RepeatAllowed { task, .. }
            | Self::ConditionHeld { task }
            | Self::GateOpened { task, .. }
            | Self::FallbackCalled { task, .. }
            | Self::CheckpointKept { task, .. }
            | Self::UsageCounted { task, .. }
            | Self::CleanedUp { task, .. }
            | Self::GateExpired { task, .. } => Some(task),
            Self::ChoreStarted { chore, .. }
            | Self::ChoreHandle { chore, .. }
            | Self::ChoreEnded { chore, .. }
            | Self::ChoreUnknown { chore, .. } => chore.task(),
            Self::GateDecided(decision) => Some(&decision.task),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    pub run: String,
    pub blueprint: String,
    pub file: String,
    /// The directory of the project, in which commands run.
    pub root: String,
    /// SHA-256 of the document that is run; the run keeps a copy.
    pub digest: String,
    pub by: String,
    pub tasks: usize,
    #[serde(default)]
    pub selection: Vec<String>,
    /// What runs although the document calls it complete or skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rerun: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How many attempts at once the command line asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    /// Whether the first blocked task ends the run.
    #[serde(default)]
    pub fail_fast: bool,
    /// The span within which the run was begun, if somebody traced that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl RunStarted {
    /// What `${blueprint_id}` stands for: the name of the document's file, without its ending.
    pub fn blueprint_id(&self) -> String {
        let stem = Path::new(&self.file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        stem.unwrap_or_else(|| "blueprint".to_owned())
    }
}

/// A port of a task and the SHA-256 of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptPort {
    pub port: String,
    pub digest: String,
}

/// How a task came to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Completion {
    /// Its work was done and verified.
    Done,
    /// Nobody was asked to do it; its verification passes.
    Verified,
    /// It only collects its children.
    Collected,
}

impl Completion {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Verified => "verified",
            Self::Collected => "collected",
        }
    }
}

/// Why an unknown task may be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Permit {
    /// The document says that doing it twice does no harm.
    Idempotent,
    /// Its executor knows that the attempt never began.
    NeverStarted,
    /// The document says how it goes on from its last checkpoint, or from the beginning.
    HandedOff,
    /// A person ordered it.
    Ordered { by: String },
}

/// What became of what a task left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CleanUp {
    Deleted,
    Archived,
}

impl CleanUp {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Archived => "archived",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Done,
    Failed,
    /// A person rejected a gate, or its time ran out.
    Rejected,
    Cancelled,
    /// What was done is undone.
    RolledBack,
    /// What was done is not undone altogether.
    RollbackFailed,
}

impl Ending {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
        }
    }
}
