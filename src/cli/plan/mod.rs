//! `outpost-bp plan`: what would run, in waves, and what it needs of this machine.

mod json;
pub(super) mod needs;
mod text;

use std::collections::HashMap;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::check::valid;
use super::complete;
use super::load::load;
use super::terms::Terms;
use super::{Exit, Failure, Output};
use crate::blueprint::model::{Budget, Gate, GateTime};
use crate::blueprint::{Blueprint, TaskIndex, digest, task_digest};
use crate::document::Source;
use crate::plan::Plan;
use crate::run::{Usage, micro};
use needs::Needs;

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The blueprint; `-` reads standard input
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// Tasks to plan; all without it
    #[arg(add = ArgValueCompleter::new(complete::selection))]
    selection: Vec<String>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

/// What the two renderings show.
struct Shown<'a, 's> {
    source: &'a Source,
    blueprint: &'a Blueprint<'s>,
    plan: &'a Plan,
    needs: &'a Needs<'a>,
}

/// The terms of a task's agent.
fn terms_of<'b>(shown: &Shown<'b, '_>, index: TaskIndex) -> Option<Terms<'b>> {
    Terms::of(shown.blueprint, index, shown.needs.hired.as_ref().and_then(|hired| hired.definitions().ok()))
}

/// What agents may use together.
fn run_budget(blueprint: &Blueprint<'_>) -> Usage {
    let Budget { usd, tokens } = blueprint.execution.run_budget;
    Usage { micro_usd: usd.map(micro), tokens }
}

pub(super) fn run(args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let (blueprint, _) = valid(&loaded, "cannot be planned", output)?;
    let plan = Plan::of(&blueprint, &args.selection)?;
    if !args.json {
        show(&loaded.source, &blueprint, &plan, output)?;
        return Ok(Exit::Done);
    }
    let needs = Needs::probe(&blueprint, &plan);
    let shown = Shown { source: &loaded.source, blueprint: &blueprint, plan: &plan, needs: &needs };
    output.json(&json::render(&shown, &args.selection))?;
    Ok(Exit::Done)
}

/// Prints the plan for people.
pub(super) fn show(
    source: &Source,
    blueprint: &Blueprint<'_>,
    plan: &Plan,
    output: &mut Output,
) -> Result<(), Failure> {
    let needs = Needs::probe(blueprint, plan);
    let shown = Shown { source, blueprint, plan, needs: &needs };
    text::print(&shown, output)
}

/// The selection of a plan that `plan --json` wrote, if the document is still what was planned.
pub(super) fn promised(
    path: &str,
    blueprint: &Blueprint<'_>,
    source: &Source,
    selection: &[String],
) -> Result<Vec<String>, Failure> {
    let unusable = |reason: String| {
        Failure::new(format!("`{path}` is no plan: {reason}"), "write one with `outpost-bp plan FILE --json`")
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let plan: json::Promise = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if !selection.is_empty() && selection != plan.selection {
        return Err(Failure::new(
            format!("the plan `{path}` selects other tasks than the command line"),
            "leave the selection to the plan",
        ));
    }
    if plan.blueprint.digest == digest(source) {
        return Ok(plan.selection);
    }
    let planned: HashMap<&str, &str> = plan.tasks.iter().map(|task| (task.id.as_str(), task.digest.as_str())).collect();
    let now: HashMap<&str, String> =
        blueprint.tasks.iter().map(|task| (task.id.as_str(), task_digest(source, task))).collect();
    let mut changed: Vec<&str> = planned
        .iter()
        .filter(|(id, digest)| now.get(*id).is_none_or(|now| now != *digest))
        .map(|(id, _)| *id)
        .collect();
    if plan.selection.is_empty() {
        changed.extend(now.keys().filter(|id| !planned.contains_key(*id)));
    }
    changed.sort_unstable();
    let what = if changed.is_empty() { "outside of its tasks".to_owned() } else { changed.join(", ") };
    Err(Failure {
        exit: Exit::Changed,
        ..Failure::new(
            format!("`{}` was changed since it was planned: {what}", source.name()),
            "plan it again, look at the plan, then run it",
        )
    })
}

const fn when(gate: &Gate<'_>) -> &'static str {
    match gate.when {
        GateTime::Before => "before",
        GateTime::After => "after",
    }
}
