//! `outpost-bp locks`: who holds the locks of the project, and who waits for them in which place.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::kept::store;
use super::{Exit, Failure, Output};
use crate::engine::error::Broken;
use crate::engine::moment::{moment, now};
use crate::locks::{Entry, Life, Mode, Process, Standing, list};
use crate::report::progress::short;
use crate::report::table::Table;
use crate::run::Moment;

#[derive(Args, Debug)]
pub(super) struct LocksArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An entry and its place among those who wait for the same name; holders have none.
struct Placed {
    entry: Entry,
    place: Option<usize>,
}

pub(super) fn run(args: &LocksArgs, output: &mut Output) -> Result<Exit, Failure> {
    let entries = placed(list(&store()?.locks()).map_err(Broken::from)?);
    let now = now();
    if args.json {
        let locks: Vec<Value> = entries.iter().map(|placed| placed.json(now)).collect();
        output.json(&json!({ "locks": locks }))?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        output.note("no lock is held, and nobody waits for one\n");
        return Ok(Exit::Done);
    }
    let host = Process::current().host;
    let mut table = Table::new(&["LOCK", "STANDING", "MODE", "TASK", "RUN", "FOR", "PROCESS"]);
    for placed in &entries {
        let Entry { claim, party, .. } = &placed.entry;
        let unknown = || "?".to_owned();
        table.row(&[
            claim.name.clone(),
            placed.standing(),
            mode(claim.mode),
            party.as_ref().map_or_else(unknown, |party| party.task.clone()),
            party.as_ref().map_or_else(unknown, |party| party.run.clone()),
            placed.age(now).map_or_else(unknown, short),
            party.as_ref().map_or_else(unknown, |party| process(&party.process, &host)),
        ]);
    }
    output.data(&table.text(output.columns()))?;
    Ok(Exit::Done)
}

/// Entries come by name, holders first, then waiters in their order.
fn placed(entries: Vec<Entry>) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::new();
    for entry in entries {
        let before = placed
            .last()
            .filter(|last| last.entry.claim.name == entry.claim.name && last.entry.claim.scope == entry.claim.scope);
        let place = match entry.standing {
            Standing::Holds => None,
            Standing::Waits => Some(before.and_then(|last| last.place).unwrap_or_default() + 1),
        };
        placed.push(Placed { entry, place });
    }
    placed
}

impl Placed {
    fn standing(&self) -> String {
        self.place.map_or_else(|| "held".to_owned(), |place| format!("waits, {place}."))
    }

    fn age(&self, now: Moment) -> Option<Duration> {
        let since = moment(self.entry.since?);
        Some(Duration::from_millis(now.0.saturating_sub(since.0)))
    }

    fn json(&self, now: Moment) -> Value {
        let Entry { claim, party, since, standing } = &self.entry;
        let most = match claim.mode {
            Mode::Shared { max_holders } => max_holders,
            Mode::Exclusive => None,
        };
        json!({
            "lock": claim.name,
            "standing": standing,
            "place": self.place,
            "mode": if claim.mode == Mode::Exclusive { "exclusive" } else { "shared" },
            "max_holders": most,
            "task": party.as_ref().map(|party| &party.task),
            "run": party.as_ref().map(|party| &party.run),
            "pid": party.as_ref().map(|party| party.process.pid),
            "host": party.as_ref().map(|party| &party.process.host),
            "alive": party.as_ref().and_then(|party| match party.process.life() {
                Life::Alive => Some(true),
                Life::Dead => Some(false),
                Life::Unknown => None,
            }),
            "since": since.map(|since| since.to_string()),
            "age_ms": self.age(now).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

fn mode(mode: Mode) -> String {
    match mode {
        Mode::Exclusive => "exclusive".to_owned(),
        Mode::Shared { max_holders: Some(most) } => format!("shared by {most}"),
        Mode::Shared { max_holders: None } => "shared".to_owned(),
    }
}

/// The process, its host unless it is this one, and whether it is gone.
fn process(process: &Process, host: &str) -> String {
    let mut text = process.pid.to_string();
    if process.host != host {
        text += &format!(" on {}", process.host);
    }
    // A copy of the lock is held by something that the process started.
    if process.life() == Life::Dead {
        text += ", gone; what it started has the lock";
    }
    text
}
