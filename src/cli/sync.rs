//! `outpost-bp sync`: the statuses of a run, written into its document.
//!
//! The journal stays what counts: the document is told, and nothing else in it changes. `resume` knows the statuses
//! for what they are, see [`super::edit`].

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use serde_json::{Value, json};

use super::check::valid;
use super::edit::Edit;
use super::kept::{look, meant, no_run_of, runs_of, store};
use super::load::load;
use super::replace::replace;
use super::{Exit, Failure, Output, complete};
use crate::blueprint::statuses;
use crate::blueprint::{Blueprint, digest};
use crate::document::Source;
use crate::report::progress::{ids, plain};
use crate::report::sync::{Change, Changes, diff};

/// Tasks named in a line.
const MOST: usize = 10;

#[derive(Args, Debug)]
pub(super) struct SyncArgs {
    /// The blueprint
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// How the run's id begins, or its document; the latest run of the blueprint without it
    #[arg(long, value_name = "RUN", add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Change nothing, and exit with 1 if something would change
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Print what changes as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SyncArgs, output: &mut Output) -> Result<Exit, Failure> {
    let path = &args.file;
    if path == "-" {
        return Err(Failure::new("`sync` needs a file to write to", "save the blueprint and name the file"));
    }
    let loaded = load(path)?;
    let source = &loaded.source;
    let (blueprint, _) = valid(&loaded, "is not changed", output)?;
    let store = store()?;
    let files = match &args.run {
        Some(word) => meant(&store, Some(word))?,
        None => runs_of(&store, path).pop().ok_or_else(|| no_run_of(path, "name one with `--run`"))?,
    };
    let (changes, is_edited) = look(&files, |kept| {
        let copy = kept.glance.document(kept.files)?;
        let is_edited = digest(&copy) != digest(source)
            && Edit::between((&copy, kept.blueprint), (source, &blueprint), kept.started, &kept.run).is_some();
        Ok((Changes::of(&kept.run, &blueprint), is_edited))
    })?;
    let wanted: HashMap<_, _> = changes.legal.iter().map(|change| (change.task, change.to)).collect();
    let written = statuses::write(source, &blueprint, &wanted).map_err(|entangled| {
        Failure::new(
            format!("the status of {} hangs on another one, by an alias: nothing was written", entangled.0.join(", ")),
            "write the status out in each task",
        )
    })?;
    let only_shows = args.dry_run || args.check;
    if !changes.legal.is_empty() && !only_shows {
        if load(path)?.source.text() != source.text() {
            return Err(Failure::new(format!("`{path}` was changed by somebody else just now"), "try again"));
        }
        replace(path, written.text())?;
    }
    if args.json {
        let wrote = !changes.legal.is_empty() && !only_shows;
        output.json(&as_json(path, files.id(), source, &blueprint, &changes, (is_edited, wrote)))?;
    } else {
        let difference = diff(path, source.text(), written.text());
        // What a document says must not steer the terminal; a program is given it as it is.
        let shown = |line: &str| plain(line) + "\n";
        let on_terminal = io::stdout().is_terminal();
        output.data(&if on_terminal { difference.lines().map(shown).collect() } else { difference })?;
        output.note(&told(path, files.id(), &blueprint, &changes, (is_edited, only_shows)));
    }
    let is_behind = args.check && !changes.legal.is_empty();
    Ok(if is_behind || !changes.refused.is_empty() { Exit::Failed } else { Exit::Done })
}

fn reason(change: &Change) -> String {
    let Change { from, to, .. } = change;
    format!("`{from}` is final, and the run left it `{to}`")
}

fn told(
    path: &str,
    run: &str,
    blueprint: &Blueprint<'_>,
    changes: &Changes,
    (is_edited, only_shows): (bool, bool),
) -> String {
    let mut text = String::new();
    if is_edited {
        text += &format!("{path} was edited since the run {run} began: tasks are matched by their ids\n");
    }
    if !changes.gone.is_empty() {
        let more = changes.gone.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let gone: Vec<&str> = changes.gone.iter().take(MOST).map(String::as_str).collect();
        text += &format!("not in the document any more: {}{more}\n", gone.join(", "));
    }
    for change in &changes.refused {
        text += &format!("{} is left as it is: {}\n", blueprint.task(change.task).id, reason(change));
    }
    let count = changes.legal.len();
    let (statuses, are) = if count == 1 { ("status", "is") } else { ("statuses", "are") };
    text += &match (count, only_shows) {
        (0, _) => format!("{path}: nothing to write, it says what the run {run} says\n"),
        (_, true) => format!("{path}: {count} {statuses} would be written, as the run {run} says\n"),
        (_, false) => format!("{path}: {count} {statuses} {are} written, as the run {run} says\n"),
    };
    if !changes.refused.is_empty() {
        let tasks: Vec<_> = changes.refused.iter().map(|change| change.task).collect();
        text += &format!(
            "hint: where the document is wrong, edit the status of {} yourself\n",
            ids(blueprint, &tasks, MOST)
        );
    }
    text
}

fn as_json(
    path: &str,
    run: &str,
    source: &Source,
    blueprint: &Blueprint<'_>,
    changes: &Changes,
    (is_edited, wrote): (bool, bool),
) -> Value {
    let one = |change: &Change| {
        let task = blueprint.task(change.task);
        let line = source.position(task.span.start).line;
        json!({ "task": &*task.id.value, "line": line, "from": change.from.word(), "to": change.to.word() })
    };
    let refused = changes.refused.iter().map(|change| {
        let mut row = one(change);
        row["reason"] = reason(change).into();
        row
    });
    json!({
        "file": path,
        "run": run,
        "edited": is_edited,
        "written": wrote,
        "changes": changes.legal.iter().map(one).collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "gone": changes.gone,
    })
}
