//! A run on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Status, TaskStatus};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::report::progress::{Tally, plain, short, took};
use crate::report::summary::held_up;
use crate::report::table::wrapped;
use crate::run::{Chore, Ending, Moment, Phase, Run, Standing, Undo};

/// What the screen is made for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub width: usize,
    /// Most lines about tasks.
    pub rows: usize,
    pub now: Moment,
}

/// The status on one screen: what needs attention first, what is done not at all.
pub fn screen(status: &Status, run: &Run, blueprint: &Blueprint<'_>, screen: Screen) -> String {
    let tally = Tally::of(run);
    let mut text = format!("{}  run {}  {}\n", plain(&status.blueprint), status.run, status.state);
    let mut facts = vec![bar(&tally), format!("{} of {} tasks complete", tally.complete, tally.total)];
    let runs = if status.driver.is_some() { "running" } else { "interrupted" };
    let counts = [
        (tally.running, runs),
        (tally.people, "waiting for a person"),
        (tally.blocked, "blocked"),
        (tally.skipped, "skipped"),
        (run.indices().filter(|task| run.undo(*task) == Undo::Undone).count(), "rolled back"),
    ];
    for (count, word) in counts {
        if count > 0 {
            facts.push(format!("{count} {word}"));
        }
    }
    let _ = writeln!(text, "{}", facts.join(", ").replacen(", ", "  ", 1));
    if let Some(driver) = &status.driver {
        let _ = writeln!(text, "driven by {driver}");
    }
    if let Some(agents) = &status.agents {
        let _ = writeln!(text, "{}", agents.told());
    }
    text.push('\n');
    let mut rows: Vec<(u32, String)> = status
        .tasks
        .iter()
        .enumerate()
        .filter_map(|(place, task)| row(run, blueprint, TaskIndex::new(place), task, status, screen))
        .collect();
    rows.sort_by_key(|(rank, _)| *rank);
    let (mut shown, mut left) = (0, screen.rows);
    for (_, row) in &rows {
        let lines = row.lines().count();
        if lines > left {
            break;
        }
        text += row;
        (shown, left) = (shown + 1, left - lines);
    }
    let hidden = rows.len() - shown;
    if hidden > 0 {
        let _ = writeln!(text, "… and {hidden} more: --all, or --json");
    }
    if rows.is_empty() {
        text.pop();
    }
    for chore in status.chores.iter().filter(|chore| !matches!(chore.kind, "rollback")) {
        if let Some(error) = &chore.error {
            let whose = chore.task.as_deref().unwrap_or("hook");
            text += &wrapped(&format!("{whose:<12}"), &format!("{}: {error}", chore.name), Some(screen.width));
        }
    }
    for notice in &status.notices {
        if let Some(error) = &notice.error {
            let whose = notice.task.as_deref().unwrap_or("run");
            let told = format!("nobody was told by {}: {error}", notice.channel);
            text += &wrapped(&format!("{whose:<12}"), &told, Some(screen.width));
        }
    }
    text += &next(status, run);
    text
}

fn bar(tally: &Tally) -> String {
    const WIDTH: usize = 24;
    let done = (tally.settled() * WIDTH).checked_div(tally.total).unwrap_or(WIDTH);
    format!("[{}{}]", "#".repeat(done), ".".repeat(WIDTH - done))
}

/// The lines of a task and how urgent they are; none for what is done and what merely waits its turn.
fn row(
    run: &Run,
    blueprint: &Blueprint<'_>,
    index: TaskIndex,
    task: &TaskStatus,
    status: &Status,
    screen: Screen,
) -> Option<(u32, String)> {
    let state = run.task(index);
    let since = |from| took(from, Some(screen.now)).map_or_else(String::new, |time| format!(", {}", short(time)));
    let until = |at: Moment| short(Duration::from_millis(at.0.saturating_sub(screen.now.0)));
    let again = if task.attempts > 1 { format!(", attempt {}", task.attempts) } else { String::new() };
    let mut commands = Vec::new();
    let undo = run.undo(index);
    let (rank, text) = match &state.phase {
        _ if undo == Undo::Undone => return None,
        _ if undo == Undo::Running => (0, "is rolled back now".to_owned()),
        _ if matches!(undo, Undo::Failed | Undo::Unknown) => {
            commands.push(format!("outpost-bp rollback {} {}", status.run, task.id));
            let chore = run.chore(&Chore::Rollback { task: task.id.clone() });
            match chore.map(|state| &state.standing) {
                Some(Standing::Failed(failure)) => (0, format!("not undone: {}", failure.message)),
                _ => (0, "undone or not: its rollback ran when its runner ended".to_owned()),
            }
        }
        Phase::Gate(gate) => {
            let entry = status.gates.iter().find(|gate| gate.task == task.id)?;
            let action = if entry.action.is_empty() { "to approve it" } else { &entry.action };
            commands.push(format!("outpost-bp approve {} --run {}", task.id, status.run));
            let given = match entry.approvals.len() {
                0 if entry.approvals_needed < 2 => String::new(),
                given => format!(", {given} of {} approvals", entry.approvals_needed),
            };
            (0, format!("waits for a person: {action} ({} left{given})", until(gate.deadline)))
        }
        Phase::Unknown { running: None, next: None, .. } => {
            commands.push(format!("outpost-bp resume {} --rerun {}", status.run, task.id));
            (0, "unknown: it ran when its runner ended; look how far it came".to_owned())
        }
        Phase::Blocked(failure) => {
            let held = held_up(run, index).len();
            commands.push(format!("outpost-bp logs {} --run {}", task.id, status.run));
            let held = if held > 0 { format!(" (keeps {held} from starting)") } else { String::new() };
            (1, format!("blocked: {}{held}", failure.message))
        }
        Phase::Working { .. } if status.driver.is_some() => {
            (2, format!("{}{again}{}", task.stage.unwrap_or("runs"), since(state.attempt_started)))
        }
        Phase::Working { .. } | Phase::Interrupted { .. } | Phase::Paused { .. } => {
            (2, format!("interrupted in {}{again}", task.stage.unwrap_or("an attempt")))
        }
        Phase::Retrying { at } => (3, format!("attempt {} in {}", task.attempts + 1, until(*at))),
        Phase::Replaced { by, .. } => (3, format!("failed for good; {by} does its work")),
        Phase::Skipped(reason) => (6, format!("skipped: {reason}")),
        Phase::Waiting if !task.waiting_for.is_empty() => {
            let is_next = task.waiting_for.iter().all(|what| !what.starts_with("task:"));
            (if is_next { 4 } else { 5 }, format!("waits for {}", named(&task.waiting_for, status)))
        }
        _ => return None,
    };
    let name = blueprint.task(index).id.as_str();
    let indent = 12;
    let mut lines = wrapped(&format!("{name:<indent$}"), &text, Some(screen.width));
    for command in commands {
        let _ = writeln!(lines, "{:indent$}{command}", "");
    }
    Some((rank, lines))
}

/// `task:T1` → `T1`; `lock:db` → the lock and who has it.
fn named(waiting_for: &[String], status: &Status) -> String {
    const MOST: usize = 6;
    let one = |what: &String| match what.split_once(':') {
        Some(("lock", name)) => {
            let holder = status.locks.iter().find(|lock| lock.name == name && lock.standing == "holds");
            let holder = holder.map_or_else(String::new, |holder| format!(", which {} has", holder.task));
            format!("the lock {name}{holder}")
        }
        Some((_, name)) => name.to_owned(),
        None if what == "runner" => "a runner".to_owned(),
        None => format!("a {what}"),
    };
    let mut names: Vec<String> = waiting_for.iter().take(MOST).map(one).collect();
    if waiting_for.len() > MOST {
        names.push(format!("{} more", waiting_for.len() - MOST));
    }
    names.join(", ")
}

/// What somebody who reads this can do.
fn next(status: &Status, run: &Run) -> String {
    let id = &status.run;
    match status.state {
        "interrupted" => format!("\nto go on: outpost-bp resume {id}\n"),
        "waiting" if status.driver.is_none() => format!("\nthen: outpost-bp resume {id}\n"),
        "failed" if run.ending() == Some(Ending::Failed) => {
            let undo = if run.undoable().is_empty() { "" } else { "; or: outpost-bp rollback" };
            format!("\nmend it, then: outpost-bp resume {id}{undo}\n")
        }
        _ => String::new(),
    }
}
