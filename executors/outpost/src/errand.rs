//! Work that an agent of the service does: what it is asked, as data, in the place of a command.
//!
//! The prompt is the caller's, and so is what becomes of the changes: they come back as [`CHANGES`] among the files of the
//! job, with what the agent said of its work as `outcome.json`.

use outpost_executor::{NotStarted, Work};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wire::{Asked, Budget};

/// Among the files of its job: what changed since the clone, with all that is binary.
pub const CHANGES: &str = "changes.diff";
/// No program can be called this.
pub(crate) const PROGRAM: &str = "=agent";

/// What an agent is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    pub agent: String,
    pub model: Option<String>,
    /// What is to be done, in words.
    pub task: String,
    /// The commit that it begins with, instead of what the settings say.
    pub reference: Option<String>,
    pub inputs: Map<String, Value>,
    /// What it has to answer with.
    pub ports: Vec<Port>,
    /// What it may use.
    pub usd: Option<f64>,
    pub tokens: Option<u64>,
}

/// A value that an agent has to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub name: String,
    /// A word of the service's: `string`, `integer`, `number`, `boolean`, `path` or `json`.
    pub kind: String,
}

impl Errand {
    /// Makes it the work.
    pub fn give(&self, work: &mut Work) {
        work.program = PROGRAM.into();
        work.args.clear();
        // Texts, numbers and a map of values: they have a written form.
        work.stdin = Some(serde_json::to_vec(self).unwrap_or_default());
    }

    /// What the work is, if an agent is to do it.
    pub(crate) fn of(work: &Work) -> Result<Option<Self>, NotStarted> {
        if work.program != PROGRAM {
            return Ok(None);
        }
        let read = serde_json::from_slice(work.stdin.as_deref().unwrap_or_default());
        read.map(Some).map_err(|error| NotStarted::Refused(format!("what its agent is asked is no errand: {error}")))
    }

    pub(crate) fn asked(self, asked: Asked) -> Asked {
        let Self { agent, model, task, reference, inputs, ports, usd, tokens } = self;
        let budget = (usd.is_some() || tokens.is_some()).then_some(Budget { usd, tokens });
        let reference = reference.or(asked.reference);
        Asked { agent: Some(agent), model, task, inputs, ports, budget, reference, ..asked }
    }
}
