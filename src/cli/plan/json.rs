//! The plan as JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::needs::Need;
use super::{Shown, run_budget, terms_of, when};
use crate::blueprint::model::{LockMode, LockRequest};
use crate::blueprint::{Blueprint, TaskIndex, agent, digest, executor, is_isolated, is_verify_only, task_digest};
use crate::document::Text;
use crate::engine::capability::Outcome;
use crate::engine::secret::Standing;
use crate::plan::Edge;

/// What `run --plan` reads of a plan.
#[derive(Debug, Deserialize)]
pub(super) struct Promise {
    pub(super) blueprint: PromisedBlueprint,
    #[serde(default)]
    pub(super) selection: Vec<String>,
    pub(super) tasks: Vec<PromisedTask>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PromisedBlueprint {
    pub(super) digest: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PromisedTask {
    pub(super) id: String,
    pub(super) digest: String,
}

pub(super) fn render(shown: &Shown<'_, '_>, selection: &[String]) -> Value {
    let Shown { source, blueprint, plan, needs } = shown;
    let tasks: Vec<Value> = plan.order.iter().map(|&index| task(shown, index)).collect();
    let gates: Vec<Value> = plan
        .running()
        .filter_map(|index| Some((index, blueprint.task(index).gate.as_deref()?)))
        .map(|(index, gate)| {
            json!({
                "task": blueprint.task(index).id.as_str(),
                "action": gate.action.as_str(),
                "reason": gate.reason.as_ref().map(Text::as_str),
                "when": when(gate),
            })
        })
        .collect();
    let contention: Vec<Value> = plan
        .contention(blueprint)
        .iter()
        .map(|(lock, tasks)| json!({ "lock": lock, "tasks": ids(blueprint, tasks) }))
        .collect();
    json!({
        "blueprint": {
            "name": blueprint.name(),
            "file": source.name(),
            "dialect": blueprint.dialect.to_string(),
            "tasks": blueprint.tasks.len(),
            "digest": digest(source),
        },
        "selection": selection,
        "tasks": tasks,
        "gates": gates,
        "run_budget": plan.running().any(|index| agent(blueprint, index).is_some()).then(|| run_budget(blueprint)),
        "critical_path": ids(blueprint, &plan.schedule.critical_path),
        "not_selected": ids(blueprint, &plan.missing),
        "contention": contention,
        "capabilities": needs.capabilities.iter().map(|need| tool(blueprint, need, Some(&need.here))).collect::<Vec<_>>(),
        "executors": needs.executors.iter().map(|need| tool(blueprint, need, need.here.as_ref())).collect::<Vec<_>>(),
        "containers": needs.engines.iter().map(|need| json!({
            "engine": need.name,
            "status": if need.here.is_ok() { "present" } else { "missing" },
            "tasks": ids(blueprint, &need.tasks),
        })).collect::<Vec<_>>(),
        "secrets": needs.secrets.iter().map(|need| json!({
            "name": need.name,
            "status": match need.here {
                Standing::Present => "present",
                Standing::Missing => "missing",
                Standing::Remote => "asked_at_run",
            },
            "tasks": ids(blueprint, &need.tasks),
        })).collect::<Vec<_>>(),
    })
}

fn task(shown: &Shown<'_, '_>, index: TaskIndex) -> Value {
    let Shown { blueprint, plan, .. } = shown;
    let task = blueprint.task(index);
    let edges = plan.dag.waits_for(index);
    let kind = |implied: bool| -> Vec<&str> {
        edges
            .iter()
            .filter(|(_, edge)| (*edge == Edge::Implied) == implied)
            .map(|(need, _)| blueprint.task(*need).id.as_str())
            .collect()
    };
    let locks: Vec<Value> =
        task.locks().iter().map(|lock| json!({ "name": lock.name.as_str(), "mode": mode(blueprint, lock) })).collect();
    json!({
        "id": task.id.as_str(),
        "name": task.name.as_str(),
        "digest": task_digest(shown.source, task),
        "needs": kind(false),
        "implied": kind(true),
        "wave": plan.schedule.wave(index),
        "executor": executor(blueprint, index),
        "agent": terms_of(shown, index).map(|terms| terms.json()),
        "isolation": if is_isolated(blueprint, index) { "worktree" } else { "none" },
        "verify_only": is_verify_only(blueprint, index),
        "locks": locks,
        "gate": task.gate.as_ref().map(|gate| json!({ "action": gate.action.as_str(), "when": when(gate) })),
        "when": task.when().map(Text::as_str),
        "status": task.status.word(),
    })
}

fn ids<'b>(blueprint: &'b Blueprint<'_>, tasks: &[TaskIndex]) -> Vec<&'b str> {
    tasks.iter().map(|index| blueprint.task(*index).id.as_str()).collect()
}

fn tool<T>(blueprint: &Blueprint<'_>, need: &Need<&str, T>, here: Option<&Outcome>) -> Value {
    let (status, version) = match here {
        None => ("built_in", None),
        Some(Outcome::Present(version)) => ("present", *version),
        Some(Outcome::Missing) => ("missing", None),
        Some(Outcome::Unfit(version)) => ("wrong_version", Some(*version)),
        Some(Outcome::Unclear) => ("unknown_version", None),
    };
    json!({
        "name": need.name,
        "status": status,
        "version": version.map(|version| version.to_string()),
        "tasks": ids(blueprint, &need.tasks),
    })
}

fn mode(blueprint: &Blueprint<'_>, lock: &LockRequest<'_>) -> &'static str {
    match blueprint.execution.lock_mode(lock) {
        LockMode::Exclusive => "exclusive",
        LockMode::Shared => "shared",
    }
}
