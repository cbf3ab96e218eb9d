//! `outpost-bp plan`: what would run, in waves.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::check::diagnose;
use super::load::load;
use super::{Exit, Failure, Output};
use crate::blueprint::model::GateTime;
use crate::blueprint::{Blueprint, TaskIndex, digest, executor};
use crate::document::Source;
use crate::plan::{Edge, Plan};
use crate::report::diagnostics::{Checked, Style, counted, human};

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The blueprint; `-` reads standard input
    file: String,
    /// Tasks to plan; all without it
    selection: Vec<String>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let reading = diagnose(&loaded, false);
    if !reading.is_valid() {
        let checked = Checked {
            source: &loaded.source,
            tasks: reading.draft.tasks.len(),
            dialect: reading.draft.dialect.to_string(),
            diagnostics: &reading.diagnostics,
        };
        output.note(&human(&checked, Style { all: false, width: output.width }));
        return Err(Failure::new(
            format!("`{}` has errors and cannot be planned", args.file),
            "mend the errors above; `outpost-bp graph` draws what could be read",
        ));
    }
    let (Some(blueprint), _) = reading.into_blueprint() else {
        return Err(Failure::new("the blueprint is not valid", "run `outpost-bp check`"));
    };
    let plan = Plan::of(&blueprint, &args.selection).map_err(|error| {
        Failure::new(error.to_string(), "a selection is an id, `T1.*`, `tier:1`, `status:…`, `+T1.1` or `T1.1+`")
    })?;
    if args.json {
        output.json(&as_json(&blueprint, &plan, &loaded.source))?;
    } else {
        output.data(&as_text(&blueprint, &plan, output.width))?;
    }
    Ok(Exit::Done)
}

fn as_json(blueprint: &Blueprint<'_>, plan: &Plan, source: &Source) -> Value {
    let id = |index: TaskIndex| blueprint.task(index).id.as_str();
    let ids = |indices: &[TaskIndex]| indices.iter().map(|index| id(*index)).collect::<Vec<_>>();
    let tasks: Vec<Value> = plan
        .order
        .iter()
        .map(|&index| {
            let task = blueprint.task(index);
            let edges = plan.dag.waits_for(index);
            let kind = |implied: bool| -> Vec<&str> {
                edges.iter().filter(|(_, edge)| (*edge == Edge::Implied) == implied).map(|(need, _)| id(*need)).collect()
            };
            let locks: Vec<Value> = task
                .locks()
                .iter()
                .map(|lock| json!({ "name": lock.name.as_str(), "mode": mode(blueprint, lock) }))
                .collect();
            json!({
                "id": task.id.as_str(),
                "name": task.name.as_str(),
                "needs": kind(false),
                "implied": kind(true),
                "wave": plan.waves[index.get()],
                "executor": executor(blueprint, index),
                "locks": locks,
                "gate": task.gate.as_ref().map(|gate| json!({ "action": gate.action.as_str(), "when": when(gate.when) })),
                "status": task.status.word(),
            })
        })
        .collect();
    let gates: Vec<Value> = plan
        .order
        .iter()
        .filter_map(|&index| {
            let gate = blueprint.task(index).gate.as_ref()?;
            Some(json!({
                "task": id(index),
                "action": gate.action.as_str(),
                "reason": gate.reason.as_ref().map(crate::document::Text::as_str),
                "when": when(gate.when),
            }))
        })
        .collect();
    let contention: Vec<Value> =
        plan.contention(blueprint).iter().map(|(lock, tasks)| json!({ "lock": lock, "tasks": ids(tasks) })).collect();
    json!({
        "blueprint": {
            "name": blueprint.name(),
            "file": source.name(),
            "dialect": blueprint.dialect.to_string(),
            "tasks": blueprint.tasks.len(),
            "digest": digest(source),
        },
        "tasks": tasks,
        "gates": gates,
        "critical_path": ids(&plan.critical_path),
        "contention": contention,
        "capabilities": capabilities(blueprint, plan),
        "secrets": secrets(source),
    })
}

fn mode(blueprint: &Blueprint<'_>, lock: &crate::blueprint::model::LockRequest<'_>) -> &'static str {
    use crate::blueprint::model::LockMode;
    let declared = blueprint.execution.lock(&lock.name).map_or(LockMode::Exclusive, |lock| lock.mode);
    match lock.mode.unwrap_or(declared) {
        LockMode::Exclusive => "exclusive",
        LockMode::Shared => "shared",
    }
}

const fn when(time: GateTime) -> &'static str {
    match time {
        GateTime::Before => "before",
        GateTime::After => "after",
    }
}

fn capabilities(blueprint: &Blueprint<'_>, plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = plan
        .order
        .iter()
        .flat_map(|index| &blueprint.task(*index).capabilities)
        .map(|capability| capability.text().to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Names of the secrets the document refers to.
fn secrets(source: &Source) -> Vec<String> {
    let mut names: Vec<String> = crate::blueprint::variable::references(source.text())
        .filter_map(|reference| reference.secret())
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn as_text(blueprint: &Blueprint<'_>, plan: &Plan, width: usize) -> String {
    let id = |index: &TaskIndex| blueprint.task(*index).id.to_string();
    let join = |indices: &[TaskIndex]| indices.iter().map(id).collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    let waves = plan.order.iter().map(|index| plan.waves[index.get()] + 1).max().unwrap_or(0);
    let count = |number: usize, word: &str| counted(number, word);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}\n{} in {}\n",
        blueprint.name(),
        count(plan.order.len(), "task"),
        count(waves as usize, "wave")
    );
    for wave in 0..waves {
        let _ = writeln!(out, "wave {}", wave + 1);
        for index in plan.order.iter().filter(|index| plan.waves[index.get()] == wave) {
            let task = blueprint.task(*index);
            let mut marks = Vec::new();
            let who = executor(blueprint, *index);
            if who != "shell" {
                marks.push(who.to_owned());
            }
            if task.status != crate::blueprint::Status::NotStarted {
                marks.push(task.status.to_string());
            }
            marks.extend(task.locks().iter().map(|lock| format!("lock {}", lock.name)));
            if let Some(gate) = &task.gate {
                marks.push(format!("gate {}: {}", when(gate.when), gate.action));
            }
            let edges = plan.dag.waits_for(*index);
            let needs: Vec<String> = edges
                .iter()
                .map(|(need, edge)| if *edge == Edge::Implied { format!("({})", id(need)) } else { id(need) })
                .collect();
            let needs = if needs.is_empty() { String::new() } else { format!("  <- {}", needs.join(" ")) };
            let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join("; ")) };
            let line = format!("  {:10} {}{marks}{needs}", task.id, task.name);
            let _ = writeln!(out, "{}", cut(&line, width));
        }
    }
    let _ = writeln!(out, "\ncritical path  {}", join(&plan.critical_path));
    for (lock, tasks) in plan.contention(blueprint) {
        let _ = writeln!(out, "lock {lock} may be waited for by {}", join(&tasks));
    }
    let needed = capabilities(blueprint, plan);
    if !needed.is_empty() {
        let _ = writeln!(out, "capabilities   {}", needed.join(" "));
    }
    out.push_str("(an id in parentheses is a child its parent waits for)\n");
    out
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
