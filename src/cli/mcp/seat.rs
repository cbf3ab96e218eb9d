//! Where a server sits: outside of any attempt, or within one, whose task is its own.
//!
//! The attempt gives its agent the path of its order in `OUTPOST_ORDER`; nothing that a client says can name another. The
//! order has no secret in it. What is reported goes into the file that agents write themselves, and when the agent ends
//! it is taken and judged from there as always.

use std::path::{Path, PathBuf};

use outpost_agent::attempt::OUTCOME;
use outpost_agent::contract::{self, Answer, Port, PortKind, Status};
use outpost_agent::prompt::Failure as LastFailure;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::kept::{meant, store};
use super::look::{cut, end, told};
use crate::engine::agent::order::{self, Order, VARIABLE, VERSION};
use crate::engine::store::{RunFiles, Store};

/// The longest parts of a task that are told, as in a prompt.
const GOAL: usize = 64 << 10;
const INPUT: usize = 16 << 10;
const INPUTS: usize = 128 << 10;
const FAILURE: usize = 12 << 10;
const LINE: usize = 2 << 10;
const ITEMS: usize = 200;

pub(super) enum Seat {
    Outside,
    Within(Box<Attempt>),
    /// Within an attempt of which nothing can be read, and why.
    Lost(String),
}

pub(super) struct Attempt {
    order: Order,
    store: Store,
    run: String,
    number: u32,
}

/// No arguments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What `report` takes: an answer, and nothing that nobody would keep.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    status: Status,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    outputs: Map<String, Value>,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    human_action: Option<String>,
}

impl Seat {
    /// Where this process sits.
    pub(super) fn here() -> Self {
        let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) else {
            return Self::Outside;
        };
        match Attempt::at(&path) {
            Ok(attempt) => Self::Within(Box::new(attempt)),
            Err(why) => Self::Lost(format!("the order of this attempt, `{}`, {why}", path.display())),
        }
    }

    fn attempt(&self) -> Result<&Attempt, String> {
        match self {
            Self::Within(attempt) => Ok(attempt),
            Self::Lost(why) => Err(why.clone()),
            Self::Outside => Err(format!("this is no attempt of a task: `{VARIABLE}` is not set")),
        }
    }

    pub(super) fn own_task(&self) -> Option<&str> {
        self.attempt().ok().map(|attempt| attempt.order.job.brief.task_id.as_str())
    }

    /// The run that is meant, which within an attempt is its own.
    pub(super) fn run(&self, word: Option<&str>) -> Result<(Store, RunFiles), String> {
        if let Self::Outside = self {
            let store = store().map_err(|failure| told(&failure))?;
            let files = meant(&store, word).map_err(|failure| told(&failure))?;
            return Ok((store, files));
        }
        let attempt = self.attempt()?;
        if word.is_some_and(|word| word != attempt.run) {
            return Err(format!("an attempt sees its own run, {}, and no other", attempt.run));
        }
        let files = meant(&attempt.store, Some(&attempt.run)).map_err(|failure| told(&failure))?;
        Ok((attempt.store.clone(), files))
    }

    /// The task of this attempt, as its prompt tells it.
    pub(super) fn task(&self) -> Result<Value, String> {
        let attempt = self.attempt()?;
        let brief = &attempt.order.job.brief;
        let texts = |texts: &[String]| texts.iter().take(ITEMS).map(|text| cut(text, LINE)).collect::<Vec<_>>();
        let mut room = INPUTS;
        let inputs = brief.inputs.iter().map(|input| {
            let value = cut(&input.value, INPUT.min(room));
            room = room.saturating_sub(value.len());
            json!({ "name": cut(&input.name, LINE), "from": cut(&input.source, LINE), "value": value })
        });
        let inputs: Vec<Value> = inputs.take(ITEMS).collect();
        let checks = brief.verification.iter().take(ITEMS);
        let checks = checks.map(|check| json!({ "name": check.name, "command": cut(&check.command, INPUT) }));
        Ok(json!({
            "run": attempt.run,
            "task": brief.task_id,
            "attempt": attempt.number,
            "blueprint": cut(&brief.blueprint, LINE),
            "name": cut(&brief.task_name, LINE),
            "goal": cut(&brief.goal, GOAL),
            "interface": brief.interface.as_deref().map(|text| cut(text, INPUT)),
            "acceptance": texts(&brief.acceptance),
            "files_to_create": texts(&brief.files_to_create),
            "may_write": texts(&brief.allowed_paths),
            "may_not_change": texts(&brief.protected_paths),
            "verification": checks.collect::<Vec<_>>(),
            "inputs": inputs,
            "outputs": brief.ports.iter().map(port).collect::<Vec<_>>(),
            "last_failure": brief.last_failure.as_ref().map(last_failure),
            "workspace": attempt.order.job.workspace,
        }))
    }

    /// What `report` takes in this attempt.
    pub(super) fn answer_schema(&self) -> Value {
        let ports: &[Port] = self.attempt().map_or(&[], |attempt| &attempt.order.job.brief.ports);
        let outputs: Map<String, Value> = ports.iter().map(|port| (port.name.clone(), schema(port))).collect();
        json!({
            "type": "object",
            "properties": {
                "status": {
                    "type": "string", "enum": ["done", "blocked", "needs_human"],
                    "description": "`blocked`: it cannot be done like this, `summary` says why; `needs_human`: `human_action` \
                        says what a person has to do",
                },
                "summary": { "type": "string", "description": "what you did, in a few sentences" },
                "outputs": {
                    "type": "object", "properties": outputs, "additionalProperties": false,
                    "description": "the outputs of your task, all of them when it is done",
                },
                "notes": { "type": "string" },
                "human_action": { "type": "string", "description": "what a person has to do" },
            },
            "required": ["status", "summary"],
            "additionalProperties": false,
        })
    }

    /// Leaves the answer of this attempt.
    pub(super) fn report(&self, answered: Answered) -> Result<Value, String> {
        let attempt = self.attempt()?;
        let job = &attempt.order.job;
        if job.folder.join(OUTCOME).exists() {
            return Err(format!("attempt {} of `{}` is over: nobody would read it", attempt.number, job.brief.task_id));
        }
        let Answered { status, summary, outputs, notes, human_action } = answered;
        let answer = Answer { status, summary, outputs, notes, human_action };
        contract::leave(&job.workspace, &job.brief.ports, &answer)?;
        Ok(json!({
            "kept": format!("{}/{}", contract::FOLDER, contract::FILE),
            "status": answer.status,
            "outputs": answer.outputs.keys().collect::<Vec<_>>(),
            "then": "it is read when you end, and the verification decides",
        }))
    }
}

impl Attempt {
    /// The attempt with this order: `…/runs/RUN/tasks/TASK@NUMBER.agent/order.json`.
    fn at(path: &Path) -> Result<Self, String> {
        let order = match order::read::<Order>(path) {
            Ok(Some(order)) if order.version == VERSION => order,
            Ok(Some(order)) => return Err(format!("has version {}, and this program knows {VERSION}", order.version)),
            Ok(None) => return Err("is not there".to_owned()),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let place = path.parent().and_then(|folder| {
            let name = folder.file_name()?.to_str()?;
            let number = name.strip_suffix(".agent")?.rsplit_once('@')?.1.parse().ok()?;
            let run = folder.parent()?.parent()?;
            Some((number, run.file_name()?.to_str()?.to_owned(), run.parent()?.parent()?))
        });
        let (number, run, root) = place.ok_or("lies in no folder of an attempt")?;
        Ok(Self { order, store: Store::at(root), run, number })
    }
}

fn port(port: &Port) -> Value {
    json!({
        "name": port.name,
        "kind": port.kind,
        "what": port.kind.explain(),
        "description": cut(&port.description, LINE),
        "optional": port.optional,
    })
}

/// A port in words that models know.
fn schema(port: &Port) -> Value {
    let mut schema = json!({ "description": format!("{}. {}", port.kind.explain(), cut(&port.description, LINE)) });
    let kind = match port.kind {
        PortKind::String | PortKind::Path => "string",
        PortKind::Integer => "integer",
        PortKind::Number => "number",
        PortKind::Boolean => "boolean",
        PortKind::Json => return schema,
    };
    schema["type"] = kind.into();
    schema
}

fn last_failure(failure: &LastFailure) -> Value {
    json!({
        "attempts": failure.attempts,
        "what": cut(&failure.what, FAILURE),
        "exit": failure.exit,
        "output": end(&failure.output, FAILURE),
        "not_met": failure.failing.iter().take(ITEMS).map(|text| cut(text, LINE)).collect::<Vec<_>>(),
        "changes": cut(&failure.changes, FAILURE),
        "earlier": failure.earlier.iter().take(ITEMS).map(|text| cut(text, LINE)).collect::<Vec<_>>(),
    })
}
