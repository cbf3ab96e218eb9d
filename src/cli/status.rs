//! `outpost-bp status`: where a run stands, while it runs or after it died.

use std::io::IsTerminal as _;
use std::thread;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::kept::{Kept, look, meant, store};
use super::{Exit, Failure, Output, complete};
use crate::engine::moment::now;
use crate::locks::{self, Standing};
use crate::report::status::{LockStatus, Screen, Status, screen};

/// How often `--watch` looks.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// How the run's id begins, or its document; the latest run without it
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Look again and again until the run is over
    #[arg(long, short)]
    watch: bool,
    /// Show every task that is not complete, however many
    #[arg(long)]
    all: bool,
    /// Print the status as JSON; with `--watch` a line whenever it changes
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StatusArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let files = meant(&store, args.run.as_deref())?;
    let locks = store.locks();
    let draws = std::io::stdout().is_terminal() && !args.json;
    let mut last = String::new();
    loop {
        let (text, is_over) = look(&files, |kept| {
            let status = status(kept, &locks);
            let is_over = status.driver.is_none();
            let text = match (args.json, args.watch) {
                (true, true) => format!("{}\n", json(&status)?),
                (true, false) => format!("{:#}\n", json(&status)?),
                (false, _) => shown(kept, &status, args, output.width),
            };
            Ok((text, is_over))
        })?;
        if !args.watch {
            output.data(&text)?;
            return Ok(Exit::Done);
        }
        if draws {
            // Home, the text with the rest of each line cleared, then the rest of the screen.
            output.data(&format!("\u{1b}[H{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n")))?;
        } else if text != last {
            output.data(&text)?;
        }
        if is_over {
            return Ok(Exit::Done);
        }
        last = text;
        thread::sleep(INTERVAL);
    }
}

fn json(status: &Status) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(status).map_err(|error| Failure::new(error.to_string(), "try without `--json`"))
}

fn shown(kept: &Kept<'_>, status: &Status, args: &StatusArgs, width: usize) -> String {
    let height = terminal_size::terminal_size().map_or(40, |(_, height)| usize::from(height.0));
    let rows = if args.all { usize::MAX } else { height.saturating_sub(8).max(10) };
    screen(status, &kept.run, kept.blueprint, Screen { width: width.min(100), rows, now: now() })
}

pub(super) fn status(kept: &Kept<'_>, locks: &std::path::Path) -> Status {
    let driver = kept.glance.held_by.as_ref().map(ToString::to_string);
    // Locks that cannot be listed now are left out: a look must not fail because of them.
    let held = if driver.is_some() { locks::list(locks).unwrap_or_default() } else { Vec::new() };
    let held = held.into_iter().filter_map(|entry| {
        let party = entry.party?;
        Some(LockStatus {
            name: entry.claim.name,
            run: party.run,
            task: party.task,
            pid: party.process.pid,
            standing: if entry.standing == Standing::Holds { "holds" } else { "waits" },
            since: entry.since.map(|since| since.to_string()),
        })
    });
    Status::of(&kept.run, kept.blueprint, kept.started, kept.glance.began, driver, held.collect())
}
