//! The account of a run: everything that a report of it tells, as one value.
//!
//! It is folded from what the journal says happened ([`Fold`]), the state that this leads to, and the document.
//! Every format of a report shows this value; `--format json` is this value, and `docs/REPORTS.md` its description.
//! It is the same for the same journal, document and time. What tasks printed and who drives the run it is told.

mod chores;
mod fold;
mod held;
mod html;
mod junit;
mod markdown;
mod parts;
mod print;
mod schema;
mod stage;
mod tell;
#[cfg(test)]
pub(super) mod tests;
pub mod words;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

pub use chores::{Aside, ChorePart};
pub use fold::Fold;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use parts::{
    AgainPart, AttemptPart, CheckpointPart, Counts, DecisionPart, DocumentPart, EditPart, FailurePart, GatePart,
    Happening, HeldPart, Metrics, OutputPart, Pause, Printed, PrintedLine, RunPart, RunnerPart, StagePart, TaskPart,
    WaitPart,
};
pub use print::Logs;
pub use schema::schema;
pub use tell::Facts;

use crate::run::{Moment, Usage};

/// What the JSON of an account says it is.
pub const FORMAT: &str = "outpost-report";
/// Fields are only ever added within a version.
pub const VERSION: u32 = 1;

/// A point in time; in JSON as ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub Moment);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for At {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl At {
    /// Milliseconds from here to there; none where it lies before.
    pub fn until(self, to: At) -> u64 {
        to.0.0.saturating_sub(self.0.0)
    }
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Account {
    pub format: &'static str,
    pub version: u32,
    /// The tool that made it.
    pub made_by: String,
    pub made_at: At,
    pub run: RunPart,
    pub document: DocumentPart,
    pub counts: Counts,
    pub tasks: Vec<TaskPart>,
    pub gates: Vec<GatePart>,
    /// What happened outside of attempts.
    pub aside: Aside,
    /// What happened, as `run` told it, in order.
    pub happened: Vec<Happening>,
    /// Times in which nobody drove the run.
    pub pauses: Vec<Pause>,
    /// What there was no room for, in words.
    pub left_out: Vec<String>,
}

impl Account {
    /// The value as JSON, a field below the other.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What the agents of all attempts used, as far as they told; nothing where there were none.
    pub fn used(&self) -> Option<String> {
        let attempts = self.tasks.iter().flat_map(|task| &task.attempts);
        let used = attempts.filter_map(|attempt| attempt.usage).fold(Usage::default(), Usage::plus);
        (!used.is_unbounded()).then(|| used.plain())
    }

    /// Tasks that this run was to carry out.
    pub fn meant(&self) -> impl Iterator<Item = &TaskPart> {
        self.tasks.iter().filter(|task| !task.settled)
    }
}
