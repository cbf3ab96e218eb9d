//! What a scenario says, once it is known to fit its blueprint.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::blueprint::TaskIndex;
use crate::document::Node;
use crate::engine::bench::Capabilities;
use crate::engine::output::Values;
use crate::plan::Plan;
use crate::run::{FailureCode, Program};

/// A scenario that fits its blueprint.
#[derive(Debug)]
pub struct Scenario<'s> {
    pub name: String,
    pub plan: Plan,
    pub program: Program,
    /// Who begins the run.
    pub by: String,
    pub environment: Option<String>,
    pub world: Surroundings,
    pub(super) scripts: BTreeMap<TaskIndex, Script>,
    pub(super) gates: BTreeMap<TaskIndex, Vec<Said>>,
    pub(super) hooks: BTreeMap<String, Outcome>,
    pub(super) happens: Vec<Happening>,
    /// The value of `expect`.
    pub(super) expect: Node<'s>,
}

/// What is there.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Only those that were named; `None` is missing.
    pub(super) capabilities: BTreeMap<String, Option<Value>>,
    /// Secrets that no source has.
    pub(super) no_secrets: BTreeSet<String>,
    pub(super) variables: BTreeMap<String, String>,
    /// Milliseconds for which somebody else holds them.
    pub(super) locks: BTreeMap<String, u64>,
    pub(super) files: BTreeMap<String, String>,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    #[default]
    Ok,
    Fail,
    Timeout,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) stage: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) code: Option<FailureCode>,
    pub(super) message: Option<String>,
    pub(super) lasting: bool,
    /// Milliseconds.
    pub(super) takes: Option<u64>,
    pub(super) outputs: Option<Values>,
    pub(super) checkpoint: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// The last one stands for all that follow; none succeeds.
    pub(super) attempts: Vec<Attempt>,
    pub(super) left: Option<Values>,
    pub(super) rollback: Outcome,
    pub(super) on_success: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Approve,
    Reject,
    /// The time of the gate runs out.
    Nobody,
    /// The scenario ends where the run waits for it.
    Open,
}

#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) word: Word,
    pub(super) by: Option<String>,
    /// Milliseconds after the gate opened.
    pub(super) after: u64,
    pub(super) comment: String,
    pub(super) set: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Milliseconds until somebody takes the run up again.
    Crash {
        down: u64,
    },
    Cancel,
    Resume,
    Rerun(String),
    Rollback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Milliseconds after the beginning.
    At(u64),
    /// A stage has just started; any, without one.
    On { task: String, stage: Option<String>, attempt: u32 },
    /// Nothing goes on any more.
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub(super) trigger: Trigger,
    pub(super) deed: Deed,
    pub(super) by: String,
}

impl Surroundings {
    /// The tools by name, as conditions see them: all that the plan needs, but those that are missing.
    pub(super) fn tools<'n>(&self, needed: impl Iterator<Item = &'n str>) -> Capabilities {
        let mut tools: Capabilities = needed.map(|name| (name.to_owned(), Value::Bool(true))).collect();
        for (name, here) in &self.capabilities {
            match here {
                Some(version) => tools.insert(name.clone(), version.clone()),
                None => tools.shift_remove(name),
            };
        }
        tools
    }
}
