//! `outpost-bp runs`: what was run in this project, the latest first.
//!
//! A run that cannot be read has its row as well: one bad run hides no other.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::kept::{look, store};
use super::{Exit, Failure, Output};
use crate::engine::moment::{now, timestamp};
use crate::engine::store::RunFiles;
use crate::report::progress::{Tally, short};
use crate::report::status::state;
use crate::report::table::Table;
use crate::run::Moment;

#[derive(Args, Debug)]
pub(super) struct RunsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is told of a run.
struct Row {
    blueprint: String,
    file: String,
    state: &'static str,
    tally: Tally,
    began: Moment,
    /// The end, if it is over.
    ended: Option<Moment>,
    took: Duration,
}

pub(super) fn run(args: &RunsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut runs = store()?.runs()?;
    runs.reverse();
    let now = now();
    let rows: Vec<(&RunFiles, Result<Row, Failure>)> = runs.iter().map(|files| (files, row(files, now))).collect();
    if args.json {
        let rows: Vec<Value> = rows.iter().map(|(files, row)| json_of(files.id(), row)).collect();
        output.json(&json!({ "runs": rows }))?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output.note("nothing was ever run here; begin with `outpost-bp run blueprint.md`\n");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["RUN", "STATE", "TASKS", "BEGAN", "TOOK", "BLUEPRINT"]);
    for (files, row) in &rows {
        let id = files.id().to_owned();
        match row {
            Ok(row) => table.row(&[
                id,
                row.state.to_owned(),
                format!("{}/{}", row.tally.complete, row.tally.total),
                format!("{} ago", short(Duration::from_millis(now.0.saturating_sub(row.began.0)))),
                short(row.took),
                row.blueprint.clone(),
            ]),
            Err(failure) => {
                let none = || "-".to_owned();
                table.row(&[id, "unreadable".to_owned(), none(), none(), none(), failure.message.clone()]);
            }
        }
    }
    output.data(&table.text(output.columns()))?;
    Ok(Exit::Done)
}

fn row(files: &RunFiles, now: Moment) -> Result<Row, Failure> {
    look(files, |kept| {
        let driven = kept.glance.held_by.is_some();
        let began = kept.glance.began.unwrap_or(now);
        let ended = kept.run.ending().map(|_| kept.run.latest());
        let until = if driven { now } else { kept.run.latest() };
        Ok(Row {
            blueprint: kept.started.blueprint.clone(),
            file: kept.started.file.clone(),
            state: state(&kept.run, driven),
            tally: Tally::of(&kept.run),
            began,
            ended,
            took: Duration::from_millis(ended.unwrap_or(until).0.saturating_sub(began.0)),
        })
    })
}

fn json_of(id: &str, row: &Result<Row, Failure>) -> Value {
    match row {
        Ok(row) => json!({
            "run": id,
            "blueprint": row.blueprint,
            "file": row.file,
            "state": row.state,
            "tasks": {
                "total": row.tally.total,
                "done": row.tally.complete,
                "skipped": row.tally.skipped,
                "blocked": row.tally.blocked,
            },
            "started_at": timestamp(row.began).to_string(),
            "ended_at": row.ended.map(|at| timestamp(at).to_string()),
            "took_ms": u64::try_from(row.took.as_millis()).unwrap_or(u64::MAX),
        }),
        Err(failure) => json!({ "run": id, "state": "unreadable", "error": failure.message }),
    }
}
