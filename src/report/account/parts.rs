//! The parts of an account: values of a fixed shape, as `report --format json` shows them. What they mean together and
//! how they are told is not known here.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::At;
use crate::report::progress::Weight;
use crate::run::{GateMoment, Usage};

/// The run itself.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunPart {
    pub id: String,
    /// As in `status --json`.
    pub state: &'static str,
    /// `done failed rejected cancelled rolled_back rollback_failed`, where it is over.
    pub ending: Option<&'static str>,
    pub began_by: String,
    pub began_at: At,
    pub ended_at: Option<At>,
    /// The last thing that the journal knows of.
    pub latest_at: At,
    /// To its end, or to now while somebody drives it.
    pub milliseconds: u64,
    /// The process that drives it now.
    pub driver: Option<String>,
    pub root: String,
    pub environment: Option<String>,
    pub selection: Vec<String>,
    pub rerun: Vec<String>,
    pub jobs: Option<u32>,
    pub fail_fast: bool,
    /// Who drove it, one after the other.
    pub runners: Vec<RunnerPart>,
    pub edits: Vec<EditPart>,
    /// The command that makes it go on.
    pub next: Option<String>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunnerPart {
    pub at: At,
    pub by: String,
    pub host: String,
    pub pid: u32,
}

/// An edited document that was accepted.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EditPart {
    pub at: At,
    pub by: String,
    pub digest: String,
    /// The tasks that run again because of it.
    pub tasks: Vec<String>,
}

/// The document that is run, as it stands now.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DocumentPart {
    pub title: String,
    pub file: String,
    pub digest: String,
    /// Digest of the one that the run began with.
    pub began_with: String,
    /// Keys and values below the title.
    pub banner: Vec<(String, String)>,
    pub vision: Option<String>,
    pub metrics: Metrics,
}

/// What success is measured by, as the document's table has it.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Metrics {
    /// Empty where the document gives none.
    pub headings: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Tasks by where they stand; what was not to be run is not counted.
#[derive(Clone, Copy, Debug, Default, JsonSchema, Serialize)]
pub struct Counts {
    pub tasks: usize,
    pub complete: usize,
    pub blocked: usize,
    pub skipped: usize,
    pub waiting_for_people: usize,
    pub open: usize,
    /// Attempts that were started.
    pub attempts: usize,
    /// Verifications that passed, and that failed.
    pub verifications_passed: usize,
    pub verifications_failed: usize,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct TaskPart {
    pub id: String,
    pub name: String,
    pub tier: Option<u32>,
    pub tier_title: String,
    /// Where it is written.
    pub line: u32,
    pub executor: String,
    /// As in `status --json`; `removed` where an edit took it out of the document.
    pub status: &'static str,
    /// Whether this run leaves it as the document has it.
    pub settled: bool,
    /// `done verified collected`, where it is complete.
    pub completed: Option<&'static str>,
    /// Why it stands there, where it is not complete.
    pub why: Option<String>,
    /// What makes it go on.
    pub command: Option<String>,
    pub needs: Vec<String>,
    pub locks: Vec<String>,
    pub criteria: Vec<String>,
    pub started_at: Option<At>,
    pub ended_at: Option<At>,
    /// What its stages took, those of all attempts together; one that was interrupted counts nothing.
    pub milliseconds: Option<u64>,
    pub failure: Option<FailurePart>,
    pub attempts: Vec<AttemptPart>,
    /// Times in which it could have worked and did not.
    pub waits: Vec<WaitPart>,
    /// What its last good attempt left.
    pub outputs: Vec<OutputPart>,
    /// Why it was started once more, each time.
    pub again: Vec<AgainPart>,
    /// The task that does its work, since it failed for good.
    pub fallback: Option<String>,
    pub checkpoints: Vec<CheckpointPart>,
    /// Whether what it did is undone: `due running undone failed unknown irreversible`; nothing where there is nothing
    /// to undo.
    pub undo: Option<&'static str>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct AttemptPart {
    pub number: u32,
    pub started_at: At,
    pub ended_at: Option<At>,
    /// `passed failed interrupted running`.
    pub result: &'static str,
    /// Made with an earlier version of the document.
    pub of_earlier_document: bool,
    /// What its agent used, as far as it told: millionths of a US dollar, and tokens.
    pub usage: Option<Usage>,
    pub stages: Vec<StagePart>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StagePart {
    /// `setup`, `run`, `verify:unit` …
    pub stage: String,
    pub started_at: At,
    pub ended_at: Option<At>,
    pub milliseconds: Option<u64>,
    /// `passed failed interrupted running`.
    pub result: &'static str,
    /// Its failure does not count.
    pub optional: bool,
    /// What was run; nothing where the document was edited since.
    pub command: Option<String>,
    /// The exit code that means success, where a command is run.
    pub expected_exit_code: Option<i32>,
    pub exit_code: Option<i32>,
    pub failure: Option<FailurePart>,
    /// The end of what it printed.
    pub printed: Option<Printed>,
    /// What the journal has of that.
    #[serde(skip)]
    pub(super) tail: Option<Printed>,
    #[serde(skip)]
    pub(super) is_read: bool,
}

impl StagePart {
    pub fn is_verification(&self) -> bool {
        self.stage.starts_with("verify:")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct FailurePart {
    pub code: String,
    pub phase: String,
    pub message: String,
}

/// The end of what a stage printed, both streams in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Printed {
    pub lines: Vec<PrintedLine>,
    /// Lines before these.
    pub before: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct PrintedLine {
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    pub text: String,
}

/// A time in which a task could have worked and did not.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct WaitPart {
    /// `queue` (for a lock, a slot, or room), `retry` or `gate`.
    pub what: &'static str,
    pub from: At,
    pub to: Option<At>,
    /// Locks it needs that other tasks of the run held, and who.
    pub locks: Vec<HeldPart>,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct HeldPart {
    pub lock: String,
    pub by: Vec<String>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct OutputPart {
    pub port: String,
    pub digest: String,
}

/// Why a task was started once more.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct AgainPart {
    pub at: At,
    /// `retry`, `idempotent`, `never_started`, `handed_off`, `ordered` or `edited`.
    pub because: &'static str,
    pub text: String,
}

/// A state of its work that a task left, for whoever goes on with it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CheckpointPart {
    pub at: At,
    pub attempt: u32,
    pub version: u64,
    pub digest: String,
}

/// A decision that people were asked for.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct GatePart {
    pub task: String,
    pub when: GateMoment,
    pub action: String,
    pub reason: Option<String>,
    /// What a decision is bound to.
    pub digest: String,
    pub opened_at: At,
    pub deadline: At,
    pub closed_at: Option<At>,
    /// `open approved rejected expired`; `dropped` where an edit asked anew.
    pub outcome: &'static str,
    /// What came of its expiry: `abort skip continue`.
    pub consequence: Option<&'static str>,
    pub decisions: Vec<DecisionPart>,
    pub approvals_needed: u32,
    pub approvers: Vec<String>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DecisionPart {
    pub at: At,
    pub approved: bool,
    pub by: String,
    pub comment: String,
    pub digest: String,
    /// Values that were set with it.
    pub set: Vec<(String, String)>,
}

/// A line of what happened.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Happening {
    pub at: At,
    /// Empty where it is about the whole run.
    pub task: String,
    pub text: String,
    #[serde(serialize_with = "weight")]
    #[schemars(with = "String")]
    pub weight: Weight,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Pause {
    pub from: At,
    pub to: At,
    /// `people` where the run waited for a person, else `runner`.
    pub waited_for: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn weight<S: Serializer>(weight: &Weight, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match weight {
        Weight::Step => "step",
        Weight::Good => "good",
        Weight::Notice => "notice",
        Weight::Bad => "bad",
    })
}
