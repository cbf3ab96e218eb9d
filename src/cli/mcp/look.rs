//! What a run did, for agents: read as `outpost-bp status`, `logs` and `gates` read it, and bounded.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::kept::look;
use super::super::logs::{Wanted, page};
use super::super::status::status as status_of;
use super::super::why::no_task;
use super::super::{Failure, gates as open_gates};
use super::seat::Seat;
use crate::report::status::TaskStatus;

pub(super) const MOST_LINES: usize = 500;
const LINES: usize = 200;
const MOST_TASKS: usize = 200;
const MOST_GATES: usize = 100;
/// The longest text in a list.
const TEXT: usize = 512;
/// The end of what a task printed.
const TAIL: usize = 8 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StatusOf {
    run: Option<String>,
    task: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogsOf {
    run: Option<String>,
    task: Option<String>,
    attempt: Option<u32>,
    stage: Option<String>,
    from: Option<u64>,
    lines: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GatesOf {
    run: Option<String>,
}

/// A failure as an agent hears it.
pub(super) fn told(failure: &Failure) -> String {
    format!("{}; {}", failure.message, failure.hint)
}

pub(super) fn status(seat: &Seat, asked: &StatusOf) -> Result<Value, String> {
    let (store, files) = seat.run(asked.run.as_deref())?;
    look(&files, |kept| {
        let status = status_of(kept, &store.locks());
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for task in &status.tasks {
            *counts.entry(task.status).or_default() += 1;
        }
        let total = status.tasks.len();
        let mut tasks: Vec<&TaskStatus> = status.tasks.iter().collect();
        if let Some(id) = &asked.task {
            tasks.retain(|task| task.id == *id);
            if tasks.is_empty() {
                return Err(no_task(files.id(), id, status.tasks.iter().map(|task| task.id.as_str())));
            }
        }
        // Those that go on are asked for; the order of the document stays within.
        tasks.sort_by_key(|task| matches!(task.status, "complete" | "skipped"));
        let is_one = asked.task.is_some();
        let shown: Vec<Value> = tasks.iter().take(MOST_TASKS).map(|task| row(task, is_one)).collect();
        Ok(json!({
            "run": status.run,
            "blueprint": cut(&status.blueprint, TEXT),
            "state": status.state,
            "started_at": status.started_at,
            "total": total,
            "counts": counts,
            "left_out": tasks.len() - shown.len(),
            "tasks": shown,
            "gates": status.gates.iter().take(MOST_GATES).map(|gate| gate.task.as_str()).collect::<Vec<_>>(),
        }))
    })
    .map_err(|failure| told(&failure))
}

fn row(task: &TaskStatus, is_alone: bool) -> Value {
    let mut row = json!({
        "id": task.id,
        "name": cut(&task.name, TEXT),
        "status": task.status,
        "stage": task.stage,
        "attempts": task.attempts,
        "waiting_for": task.waiting_for.iter().take(20).collect::<Vec<_>>(),
        "error": task.error.as_ref().map(|error| cut(&error.message, TEXT)),
    });
    if let (Some(error), true) = (&task.error, is_alone) {
        let details = &error.details;
        row["failed"] = json!({
            "code": error.code,
            "message": cut(&error.message, TAIL),
            "exit_code": details.exit_code,
            "stdout": end(&details.stdout, TAIL),
            "stderr": end(&details.stderr, TAIL),
        });
    }
    row
}

pub(super) fn logs(seat: &Seat, asked: &LogsOf) -> Result<Value, String> {
    let (_, files) = seat.run(asked.run.as_deref())?;
    let task = match (&asked.task, seat.own_task()) {
        (Some(task), _) => task.as_str(),
        (None, Some(own)) => own,
        (None, None) => return Err("`task` is missing: name the task whose log is wanted".to_owned()),
    };
    let lines = asked.lines.unwrap_or(LINES).clamp(1, MOST_LINES);
    let stage = asked.stage.as_deref();
    let found = page(&files, &Wanted { task, attempt: asked.attempt, stage, from: asked.from, lines })
        .map_err(|failure| told(&failure))?;
    serde_json::to_value(found).map_err(|error| error.to_string())
}

pub(super) fn gates(seat: &Seat, asked: &GatesOf) -> Result<Value, String> {
    let (_, files) = seat.run(asked.run.as_deref())?;
    let mut gates = open_gates::waiting(&files).map_err(|failure| told(&failure))?;
    gates.truncate(MOST_GATES);
    let how = "Only a person decides a gate, on a terminal: `command` of the gate, or `reject` in its place. Do not try to \
               answer it; go on with what does not need it, or end with what you have.";
    Ok(json!({ "run": files.id(), "gates": gates, "how": how }))
}

/// The beginning of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut at = most;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    format!("{} [… {} bytes left out …]", &text[..at], text.len() - at)
}

/// The end of a text.
pub(super) fn end(text: &str, most: usize) -> String {
    let Some(mut at) = text.len().checked_sub(most).filter(|at| *at > 0) else {
        return text.to_owned();
    };
    while !text.is_char_boundary(at) {
        at += 1;
    }
    format!("[… {at} bytes left out …] {}", &text[at..])
}
