//! What a task is given: the ports it binds, transformed, and what people set when they approved it.
//! And whether it runs at all: its condition, over the environment, the tools here, and earlier tasks.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::bench::{Bench, Capabilities, hand_over};
use super::fence::Fence;
use super::jq;
use super::output::{self, Places, RECORD, Values};
use super::remote::Problem;
use super::remote::errand::{Arrivals, Arrived};
use super::secret::Resolved;
use crate::blueprint::model::{Binding, BindingSource, Transfer};
use crate::blueprint::{Blueprint, TaskIndex, executor, secret, site};
use crate::run::{Condition, Failure, FailureCode, FailurePhase, Moment, Phase, Run};

/// Where a run finds what its tasks are given.
pub trait Shelf {
    fn blueprint(&self) -> &Blueprint<'_>;

    /// What a task left: in this run, or, if it was done before, where its document says.
    fn left(&self, run: &Run, task: TaskIndex) -> Result<Values, String>;

    /// A path of a binding, as its task means it. `bound` is the task and the port that it stands for.
    fn path(&self, task: TaskIndex, at: Moment, bound: Option<(&str, &str)>, text: &str) -> PathBuf;

    /// The text of a file.
    fn text(&self, path: &Path) -> Result<String, String>;

    /// How far links may lead.
    fn fence(&self) -> Fence {
        Fence::default()
    }

    /// Leaves a value for a task in a file.
    fn hand_over(&self, path: &Path, value: &Value) -> Result<(), String>;

    /// The environment, as conditions see it.
    fn variables(&self) -> Map<String, Value>;

    /// What no input may hold.
    fn secrets(&self) -> Option<&Resolved> {
        None
    }
}

impl Shelf for Bench<'_> {
    fn blueprint(&self) -> &Blueprint<'_> {
        self.blueprint
    }

    fn left(&self, run: &Run, task: TaskIndex) -> Result<Values, String> {
        let id = self.task(task).id.as_str();
        match &run.task(task).kept {
            Some((attempt, ports)) => {
                let mut values = output::kept(&self.files.ports(id, *attempt), ports)?;
                values.remove(RECORD);
                Ok(values)
            }
            None if run.program().tasks[task.get()].settled => Self::left(self, task, 0, run.latest())
                .map_err(|reason| format!("`{id}` was done before this run, and {reason}")),
            None => Err(format!("`{id}` left nothing in this run")),
        }
    }

    fn path(&self, task: TaskIndex, at: Moment, bound: Option<(&str, &str)>, text: &str) -> PathBuf {
        Self::path(self, task, at, bound, text)
    }

    fn text(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn fence(&self) -> Fence {
        Self::fence(self)
    }

    fn hand_over(&self, path: &Path, value: &Value) -> Result<(), String> {
        hand_over(&self.fence(), path, value).map_err(|error| error.to_string())
    }

    fn variables(&self) -> Map<String, Value> {
        let own = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, Value::String(value.into_string().ok()?))));
        own.chain(self.environment.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())))).collect()
    }

    fn secrets(&self) -> Option<&Resolved> {
        Some(&self.secrets)
    }
}

/// The inputs of a task.
pub fn of(shelf: &dyn Shelf, run: &Run, index: TaskIndex, arrivals: &Arrivals) -> Result<Values, Failure> {
    let task = shelf.blueprint().task(index);
    let mut inputs = Values::new();
    for (source, arrived) in arrivals {
        if let Ok(arrived) = arrived {
            // As the format has it, beside what is bound.
            inputs.insert(format!("{}.output", shelf.blueprint().task(TaskIndex(*source)).id), arrived.entry.clone());
        }
    }
    for binding in &*task.bindings {
        match bound(shelf, run, index, binding, arrivals) {
            Ok(value) => {
                inputs.insert(binding.name.to_string(), value);
            }
            Err(_) if !binding.required => {}
            Err(reason) => {
                let message = format!("its input `{}` is missing: {reason}", binding.name);
                let failure = Failure::new(FailureCode::DependencyMissing, FailurePhase::Setup, message);
                let may_pass = matches!(arrival(run, binding, arrivals), Some(Err(problem)) if problem.passing);
                return Err(Failure { lasting: !may_pass, ..failure });
            }
        }
    }
    for (name, value) in run.decisions(&task.id).iter().filter(|decision| decision.approved).flat_map(|word| &word.set)
    {
        inputs.insert(name.clone(), Value::String(value.clone()));
    }
    Ok(inputs)
}

/// What came of fetching the output that a binding takes from.
fn arrival<'a>(run: &Run, binding: &Binding<'_>, arrivals: &'a Arrivals) -> Option<&'a Result<Arrived, Problem>> {
    match &binding.source {
        BindingSource::Task { target: Some(source), .. } => arrivals.get(&run.stand_in(*source).0),
        _ => None,
    }
}

fn bound(
    shelf: &dyn Shelf,
    run: &Run,
    index: TaskIndex,
    binding: &Binding<'_>,
    arrivals: &Arrivals,
) -> Result<Value, String> {
    // The time in paths is that of the attempt.
    let began = run.task(index).attempt_started.unwrap_or(run.latest());
    let value = match &binding.source {
        BindingSource::Path(path) => {
            Ok(Value::String(shelf.path(index, began, None, path).to_string_lossy().into_owned()))
        }
        BindingSource::Task { target: None, task, .. } => Err(format!("there is no task `{task}`")),
        BindingSource::Task { target: Some(source), port, .. } => match arrival(run, binding, arrivals) {
            Some(Err(problem)) => Err(problem.to_string()),
            Some(Ok(arrived)) => port_of(shelf, run, *source, port.as_deref(), Some(&arrived.file)),
            None => port_of(shelf, run, *source, port.as_deref(), None),
        },
    };
    let value = match value {
        Ok(value) => cross(shelf, run, index, binding, value),
        Err(reason) => Err(reason),
    };
    let value =
        value.or_else(|reason| match binding.fallback.as_ref().and_then(|fallback| fallback.path.as_deref()) {
            Some(path) => {
                let source = match &binding.source {
                    BindingSource::Task { task, port, .. } => {
                        Some((task.as_str(), port.as_deref().unwrap_or_default()))
                    }
                    BindingSource::Path(_) => None,
                };
                let path = shelf.path(index, began, source, path);
                let text = shelf
                    .text(&path)
                    .map_err(|error| format!("{reason}; its fallback `{}`: {error}", path.display()))?;
                // What is not JSON is text.
                Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
            }
            None => Err(reason),
        })?;
    match binding.transform.as_deref() {
        Some(expression) => jq::transform(expression, &value).map_err(|error| format!("its transform failed: {error}")),
        None => Ok(value),
    }
}

/// Where the file of a value is that memory cannot carry, unless the document says otherwise.
const FALLBACK: &str = "/tmp/blueprint/fallback/${source_task_id}/${output_port}.json";

/// Memory is not shared between executors: what one left there is left for another in a file as well, as the format has
/// it. It is among the inputs all the same.
fn cross(shelf: &dyn Shelf, run: &Run, index: TaskIndex, binding: &Binding<'_>, value: Value) -> Result<Value, String> {
    let BindingSource::Task { target: Some(source), task, port } = &binding.source else {
        return Ok(value);
    };
    let is_shared = executor(shelf.blueprint(), *source) == executor(shelf.blueprint(), index);
    if binding.transfer != Transfer::Memory || is_shared {
        return Ok(value);
    }
    let port =
        port.as_deref().or_else(|| shelf.blueprint().task(*source).ports().first().map(|port| port.name.as_str()));
    let began = run.task(index).attempt_started.unwrap_or(run.latest());
    let declared = binding.fallback.as_ref().and_then(|fallback| fallback.path.as_deref());
    let path = shelf.path(index, began, Some((task, port.unwrap_or_default())), declared.unwrap_or(FALLBACK));
    match shelf.hand_over(&path, &value) {
        Err(error) if declared.is_some() => Err(format!("its fallback `{}`: {error}", path.display())),
        // The document does not know of it.
        _ => Ok(value),
    }
}

fn port_of(
    shelf: &dyn Shelf,
    run: &Run,
    source: TaskIndex,
    port: Option<&str>,
    arrived: Option<&Path>,
) -> Result<Value, String> {
    let source = run.stand_in(source);
    let task = shelf.blueprint().task(source);
    let id = task.id.as_str();
    let mut values = match arrived {
        // What was done before this run, or is not looked into, is the file that arrived.
        Some(file) if run.task(source).kept.is_none() || task.output.as_deref().is_some_and(output::is_opaque) => {
            let nowhere = PathBuf::new();
            let declared = Some(file.to_owned());
            let places = Places {
                offered: nowhere.clone(),
                declared,
                printed: nowhere,
                is_exchanged: true,
                fence: shelf.fence(),
            };
            output::collect(task, &places, shelf.secrets().unwrap_or(&Resolved::default()))?
        }
        _ => shelf.left(run, source)?,
    };
    match port {
        Some(port) => values.remove(port).ok_or_else(|| format!("`{id}` did not leave the port `{port}`")),
        None => values.into_values().next().ok_or_else(|| format!("`{id}` left no port")),
    }
}

/// Whether a task runs at all: its condition holds, and its secrets are there.
pub(super) fn condition(bench: &Bench<'_>, run: &Run, capabilities: &Capabilities, index: TaskIndex) -> Condition {
    let holds = holds(bench, run, capabilities, index).map_err(|problem| bench.secrets.clean(problem));
    let uses = secret::of_task(bench.task(index));
    judged(bench.blueprint, index, holds, bench.secrets.lacking(&uses))
}

/// What a condition comes to where a secret of the task is missing.
pub fn judged(
    blueprint: &Blueprint<'_>,
    index: TaskIndex,
    holds: Result<bool, String>,
    lacking: Option<&str>,
) -> Condition {
    match lacking {
        Some(name) if holds == Ok(true) && secret::may_skip(&blueprint.execution, blueprint.task(index)) => {
            Condition::Fails(format!("its secret `{name}` is missing"))
        }
        _ => Condition::of(holds),
    }
}

/// A secret of a task that is missing: one that became so after the run began.
pub(super) fn lacking_secret(bench: &Bench<'_>, index: TaskIndex) -> Option<Failure> {
    let uses = secret::of_task(bench.task(index));
    let message = format!("its secret `{}` is missing", bench.secrets.lacking(&uses)?);
    let failure = Failure::new(FailureCode::SecretMissing, FailurePhase::Preflight, message);
    Some(Failure { lasting: true, ..failure })
}

/// Whether the condition of a task holds.
pub fn holds(shelf: &dyn Shelf, run: &Run, capabilities: &Capabilities, index: TaskIndex) -> Result<bool, String> {
    let blueprint = shelf.blueprint();
    let Some(condition) = blueprint.task(index).when() else {
        return Ok(true);
    };
    let tasks: Map<String, Value> = blueprint
        .indices()
        .filter(|task| run.task(*task).satisfies() && may_name(condition, &blueprint.task(*task).id))
        .map(|task| {
            let status = if matches!(run.task(task).phase, Phase::Skipped(_)) { "skipped" } else { "complete" };
            let value = json!({ "status": status, "output": shelf.left(run, run.stand_in(task)).ok() });
            (blueprint.task(task).id.to_string(), value)
        })
        .collect();
    jq::holds(condition, &json!({ "env": shelf.variables(), "capabilities": capabilities, "tasks": tasks }))
}

/// What a task needs and is not here. For a task without a condition that was asked before the run began.
pub fn lacking(blueprint: &Blueprint<'_>, index: TaskIndex, capabilities: &Capabilities) -> Option<Failure> {
    let task = blueprint.task(index);
    task.when()?;
    // What is in a container or on other machines is not known here.
    if !site::is_here(blueprint, index) {
        return None;
    }
    let tools = task.context.iter().flat_map(|context| context.required_tools.iter()).map(|tool| tool.trim());
    let mut names = task.capabilities.iter().map(|needed| needed.requirement().name).chain(tools);
    let name = names.find(|name| !name.is_empty() && !capabilities.contains_key(*name))?;
    let failure =
        Failure::new(FailureCode::CapabilityMissing, FailurePhase::Preflight, format!("`{name}` is not here"));
    Some(Failure { lasting: true, ..failure })
}

/// Whether an expression may look at a task. Only what it may look at is read: that is all of them, unless every
/// `tasks` in it is followed by the name of one.
fn may_name(expression: &str, id: &str) -> bool {
    let is_name = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
    let names_one = |rest: &str| rest.starts_with("[\"") || rest.strip_prefix('.').is_some_and(is_name);
    let names_all = expression.match_indices("tasks").any(|(at, word)| !names_one(&expression[at + word.len()..]));
    names_all || expression.contains(id)
}

#[cfg(test)]
mod tests {
    use super::may_name;

    #[test]
    fn an_expression_is_shown_what_it_may_look_at() {
        for (expression, id, may) in [
            (".env.CI == \"true\"", "T1", false),
            (".tasks[\"T1\"].status == \"complete\"", "T1", true),
            (".tasks[\"T1\"].status == \"complete\"", "T2", false),
            (".tasks.T1.output.n > 3", "T1", true),
            (".tasks | length > 3", "T9", true),
            (".tasks[.env.WHICH] != null", "T9", true),
            (".tasks.[.env.WHICH] != null", "T9", true),
        ] {
            assert_eq!(may_name(expression, id), may, "{expression} {id}");
        }
    }
}
