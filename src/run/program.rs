//! What is to be run, reduced to what decisions depend on. Commands, paths and prompts are the
//! engine's business; here a task is a row of numbers and a few words.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Hook;
use super::purse::Usage;
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Stage as Verification;

/// The tasks of a run and what they share.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub tasks: Vec<TaskSpec>,
    pub locks: Vec<LockSpec>,
    /// Most attempts at once.
    pub slots: u32,
    /// What the machine has; attempts at once need no more in sum. Absent amounts are not limited.
    pub capacity: Amounts,
    /// Whether the first blocked task ends the run.
    pub fail_fast: bool,
    /// What the run asks for at its own moments.
    pub hooks: BTreeSet<Hook>,
    /// Whether a run that fails undoes what it did.
    pub undoes: bool,
    /// What agents may use together.
    pub budget: Usage,
}

/// A lock of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSpec {
    pub name: String,
    /// Most holders at once when all of them share it.
    pub holders: u32,
}

/// Processors in thousandths, memory and disk in bytes; zero asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub cpu: u64,
    pub memory: u64,
    pub disk: u64,
    pub gpu: u64,
}

impl Amounts {
    fn each(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            cpu: f(self.cpu, other.cpu),
            memory: f(self.memory, other.memory),
            disk: f(self.disk, other.disk),
            gpu: f(self.gpu, other.gpu),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    /// Whether `wanted` more fits beside `self` into `capacity`. What asks for more than there is
    /// may run alone.
    pub(super) fn leaves_room_for(self, wanted: Self, capacity: Self) -> bool {
        let one = |used: u64, wanted: u64, all: u64| {
            all == 0 || wanted == 0 || used == 0 || used.saturating_add(wanted) <= all
        };
        one(self.cpu, wanted.cpu, capacity.cpu)
            && one(self.memory, wanted.memory, capacity.memory)
            && one(self.disk, wanted.disk, capacity.disk)
            && one(self.gpu, wanted.gpu, capacity.gpu)
    }
}

/// A part of an attempt, carried out by the engine in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The place of its own that the attempt works in is made.
    Tree,
    Setup,
    Run,
    /// What a command made there is committed; an agent's process does that itself.
    Commit,
    Verify {
        tier: Verification,
        /// Its failure is recorded and does not fail the task.
        optional: bool,
    },
    /// What was made in a place of its own becomes part of the project.
    Land,
}

impl Stage {
    /// Whether doing it twice is as good as doing it once: verifications look and touch nothing, a place is found made,
    /// and what is committed or has landed is found there.
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Tree | Self::Commit | Self::Verify { .. } | Self::Land)
    }

    /// Whether it may tell how work ended that nobody saw end.
    pub const fn is_verification(self) -> bool {
        matches!(self, Self::Verify { .. })
    }

    /// `run`, `verify:smoke`: the word of the journal, the command line and the logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Setup => "setup",
            Self::Run => "run",
            Self::Verify { tier: Verification::Smoke, .. } => "verify:smoke",
            Self::Verify { tier: Verification::Unit, .. } => "verify:unit",
            Self::Verify { tier: Verification::Integration, .. } => "verify:integration",
            Self::Verify { tier: Verification::E2e, .. } => "verify:e2e",
            Self::Land => "land",
        }
    }
}

/// A task as decisions see it.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    pub id: String,
    /// Written and implied edges.
    pub needs: Vec<TaskIndex>,
    /// Never empty, unless the task only collects its children.
    pub stages: Vec<Stage>,
    /// Its place in `Program::locks`, and whether it is held alone.
    pub locks: Vec<(usize, bool)>,
    /// Milliseconds that it may wait for its locks, if there is a limit.
    pub lock_timeout: Option<u64>,
    pub amounts: Amounts,
    pub gate: Option<GateSpec>,
    pub max_retries: u32,
    /// Milliseconds before the first retry; later ones wait longer.
    pub retry_delay: u64,
    pub on_failure: OnFailure,
    /// The task that does its work when it failed for good.
    pub fallback: Option<TaskIndex>,
    /// The tasks whose fallback it is: it runs when one of them calls it, and else not at all.
    pub stands_in_for: Vec<TaskIndex>,
    pub undo: Option<UndoSpec>,
    /// Whether it is undone as soon as it failed for good.
    pub undone_on_failure: bool,
    /// Whether it asks for something when it is complete.
    pub on_success: bool,
    pub handoff: Option<Resumption>,
    pub idempotent: bool,
    /// Whether an agent does it, whose use is counted.
    pub is_agents: bool,
    /// Whether a condition decides if it runs at all: its own, or whether its secrets are there.
    pub conditional: bool,
    /// How much hangs on it: tasks on the longest way from it to the end.
    pub weight: u32,
    /// The document says it is complete or skipped, or it was not selected.
    pub settled: bool,
}

impl TaskSpec {
    /// Whether this stage is a verification whose failure does not count.
    pub fn is_optional(&self, stage: &str) -> bool {
        self.stages.iter().any(|known| matches!(known, Stage::Verify { optional: true, .. }) && known.word() == stage)
    }
}

/// How what a task did is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoSpec {
    /// Nothing undoes it, as its author says.
    pub irreversible: bool,
    pub max_retries: u32,
    /// Milliseconds before it is tried again.
    pub retry_delay: u64,
}

/// How a task goes on whose runner died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// From its last checkpoint, if there is one.
    FromCheckpoint,
    /// From the beginning.
    Restart,
    /// As a person says.
    Manual,
}

/// A decision that a person takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSpec {
    pub time: GateTime,
    /// Milliseconds until nobody may decide any more.
    pub timeout: u64,
    pub on_timeout: OnTimeout,
    /// How many people must approve.
    pub approvals: u32,
    /// Who may decide; anybody if it is empty.
    pub approvers: Vec<String>,
    /// Whether whoever began the run may approve it.
    pub by_starter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateTime {
    Before,
    After,
}

/// What an expired gate does. None of it is an approval, and the journal does not call it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The run ends.
    Abort,
    /// The task is skipped and its dependents go on.
    Skip,
    /// The document says to go on without a decision.
    Continue,
}

impl OnTimeout {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Skip => "skip",
            Self::Continue => "continue",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The task is blocked; what does not need it goes on.
    Block,
    /// The run ends.
    Abort,
    /// The task is skipped and its dependents go on.
    Skip,
}
