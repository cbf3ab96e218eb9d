//! `outpost-bp gc`: removes old runs that are over, and puts away outputs whose time has come.
//!
//! It never touches a run that somebody drives or that may go on by itself or by a person's word: what waits or
//! was interrupted has to be cancelled first. A run that never began is nobody's after an hour.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::{Value, json};

use super::cleanup::{pending, put_away};
use super::kept::{look, store};
use super::{Exit, Failure, Output};
use crate::blueprint::duration;
use crate::engine::agent;
use crate::engine::error::Broken;
use crate::engine::glance::{Glance, begun};
use crate::engine::moment::now;
use crate::engine::retire::{finish, remove, size};
use crate::engine::store::RunFiles;
use crate::journal::{FILE, JournalError, holder};
use crate::report::progress::plain;
use crate::report::status::state;
use crate::report::table::Table;
use crate::run::Moment;

/// The latest runs that stay.
const KEPT: usize = 20;
/// A runner that was killed before it began is not on its way any more.
const STILLBORN: Duration = Duration::from_secs(3600);

#[derive(Args, Debug)]
pub(super) struct GcArgs {
    /// Leave the N latest runs; 20 without `--older-than`, none with it
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Only runs that ended longer ago, such as `P30D` or `PT12H`
    #[arg(long, value_name = "DURATION", value_parser = length)]
    older_than: Option<Duration>,
    /// Also runs that cannot be read, which may be runs that are not over
    #[arg(long)]
    unreadable: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn length(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|not| match not.meant {
        Some(meant) => format!("{}; write {meant}", not.reason),
        None => not.reason.to_owned(),
    })
}

/// Whether a run may go, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Over at this time.
    Over(&'static str, Moment),
    /// Its runner was killed before it did anything.
    NeverBegan(Moment),
    Unreadable(Moment),
    /// It is driven, or it may go on.
    Open,
}

/// A run that goes.
struct Old {
    files: RunFiles,
    state: &'static str,
    bytes: u64,
}

pub(super) fn run(args: &GcArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let runs = store.runs()?;
    let keep = args.keep.unwrap_or(if args.older_than.is_some() { 0 } else { KEPT });
    let before = args
        .older_than
        .map_or(now(), |age| Moment(now().0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))));
    let count = runs.len();
    let mut removed = Vec::new();
    let mut failed = false;
    if !args.dry_run
        && let Err(broken) = finish(&store)
    {
        output.note(&format!("error: an earlier removal is not finished: {}\n", plain(&broken.to_string())));
        failed = true;
    }
    for files in runs.iter().filter(|files| !args.dry_run && pending(files).now) {
        if let Err(failure) = put_away(&store, files, output) {
            output.note(&format!("error: outputs of {} are left: {}\n", files.id(), plain(&failure.message)));
            failed = true;
        }
    }
    let mut awaited = 0;
    for files in runs.into_iter().take(count.saturating_sub(keep)) {
        let Some(state) = removable(args, standing(&files), before) else {
            continue;
        };
        // Without its record nobody would know what to put away.
        let pending = pending(&files);
        if pending.now || pending.later {
            awaited += 1;
            continue;
        }
        if !holder(files.folder()).is_ok_and(|holder| holder.is_none()) {
            continue;
        }
        let bytes = size(files.folder());
        let root = begun(&files).ok().map(|started| started.root);
        // Asked again when nobody can drive it any more: it may have been taken up meanwhile.
        let gone = args.dry_run || {
            let gone = remove(&store, &files, || removable(args, standing(&files), before).is_some());
            gone.unwrap_or_else(|broken| {
                output.note(&format!("error: {} is not removed: {}\n", files.id(), plain(&broken.to_string())));
                failed = true;
                false
            })
        };
        let trees = root
            .filter(|_| gone && !args.dry_run)
            .and_then(|root| agent::trees(Path::new(&root), |name| std::env::var_os(name)));
        if let Some(Err(error)) = trees.map(|trees| agent::clear_trees(&trees, files.id())) {
            output.note(&format!("error: the trees of agents of {} are left: {error}\n", files.id()));
            failed = true;
        }
        if gone {
            removed.push(Old { files, state, bytes });
        }
    }
    if awaited > 0 {
        output.note(&format!("left for now, because outputs are to be cleaned up: {awaited}\n"));
    }
    tell(args, &removed, count - removed.len(), output)?;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The word for the state of a run that may go.
fn removable(args: &GcArgs, standing: Standing, before: Moment) -> Option<&'static str> {
    match standing {
        Standing::Over(state, at) if at <= before => Some(state),
        Standing::NeverBegan(at) if at <= before && at.after(milliseconds(STILLBORN)) <= now() => Some("never began"),
        Standing::Unreadable(at) if args.unreadable && at <= before => Some("unreadable"),
        _ => None,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn standing(files: &RunFiles) -> Standing {
    let touched = touched(files);
    let looked = look(files, |kept| {
        Ok(match kept.run.ending() {
            Some(_) => Standing::Over(state(&kept.run, false), kept.run.latest()),
            None => Standing::Open,
        })
    });
    looked.unwrap_or_else(|_| match Glance::at(files) {
        Ok(glance) if glance.started().is_err() => Standing::NeverBegan(touched),
        Err(Broken::Journal(JournalError::Missing { .. })) => Standing::NeverBegan(touched),
        _ => Standing::Unreadable(touched),
    })
}

/// When something was written to the run last. The lock does not count: looking takes it.
fn touched(files: &RunFiles) -> Moment {
    let times = [files.blueprint(), files.folder().join(FILE)].map(|path| {
        let at = fs::metadata(path).and_then(|found| found.modified()).ok();
        at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
    });
    // What has no age is as young as can be.
    Moment(times.into_iter().flatten().max().map_or(u64::MAX, milliseconds))
}

fn tell(args: &GcArgs, removed: &[Old], left: usize, output: &mut Output) -> Result<(), Failure> {
    let bytes: u64 = removed.iter().map(|old| old.bytes).sum();
    if args.json {
        let runs: Vec<Value> = removed
            .iter()
            .map(|old| json!({ "run": old.files.id(), "state": old.state, "bytes": old.bytes }))
            .collect();
        return output.json(&json!({ "removed": runs, "bytes": bytes, "kept": left, "dry_run": args.dry_run }));
    }
    if !removed.is_empty() {
        let mut table = Table::new(&["RUN", "STATE", "SIZE"]);
        for old in removed {
            table.row(&[old.files.id().to_owned(), old.state.to_owned(), room(old.bytes)]);
        }
        output.data(&table.text(output.columns()))?;
    }
    let runs = |count: usize| if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
    let word = if args.dry_run { "would remove" } else { "removed" };
    output.note(&format!("{word} {}, {}; {} left\n", runs(removed.len()), room(bytes), runs(left)));
    Ok(())
}

/// `3.2 MiB`.
pub(super) fn room(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{amount:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::room;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 40, "5.0 TiB")]
        {
            assert_eq!(room(bytes), text);
        }
    }
}
