//! Where a run stands: for people on one screen, for machines as JSON of a fixed shape.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::progress::{Tally, plain, short, took};
use super::summary::held_up;
use super::table::wrapped;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{Ending, Failure, FailureCode, FailurePhase, GateMoment, Moment, Phase, Run, RunStarted};

/// A run as `status --json` shows it. Fields are only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub run: String,
    pub blueprint: String,
    pub file: String,
    /// `running waiting done failed cancelled interrupted rolled_back`
    pub state: &'static str,
    /// The process that drives it.
    pub driver: Option<String>,
    pub started_at: Option<String>,
    pub tasks: Vec<TaskStatus>,
    pub gates: Vec<GateStatus>,
    pub locks: Vec<LockStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TaskStatus {
    pub id: String,
    pub name: String,
    /// A word of the format, or `unknown` or `interrupted`.
    pub status: &'static str,
    pub stage: Option<&'static str>,
    pub attempts: u32,
    /// `task:ID`, `lock:NAME`, `gate:ID`, `retry:TIME`, `slot`, `person`, `runner`.
    pub waiting_for: Vec<String>,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub error: Option<TaskError>,
}

/// What went wrong, in the shape that the format gives it.
#[derive(Clone, Debug, Serialize)]
pub struct TaskError {
    pub code: FailureCode,
    pub message: String,
    pub task_id: String,
    pub phase: FailurePhase,
    pub timestamp: Option<String>,
    pub details: ErrorDetails,
    /// The failure of the attempt before, where this one says that there are no more.
    pub cause: Option<String>,
    pub retry_info: RetryInfo,
}

#[derive(Clone, Debug, Serialize)]
pub struct ErrorDetails {
    pub exit_code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Seconds.
    pub duration: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RetryInfo {
    pub attempt: u32,
    pub max_retries: u32,
    pub next_retry_at: Option<String>,
}

impl TaskError {
    fn of(run: &Run, index: TaskIndex, failure: &Failure) -> Self {
        let (spec, state) = (&run.program().tasks[index.get()], run.task(index));
        let is_last = state.last_failure.as_deref() == Some(failure);
        let next = match state.phase {
            Phase::Retrying { at } => Some(at.to_string()),
            _ => None,
        };
        Self {
            code: failure.code,
            message: failure.message.clone(),
            task_id: spec.id.clone(),
            phase: failure.phase,
            timestamp: state.failed.filter(|_| is_last).map(|(at, _)| at).or(state.ended).map(|at| at.to_string()),
            details: ErrorDetails {
                exit_code: failure.exit_code,
                stdout: failure.stdout.clone(),
                stderr: failure.stderr.clone(),
                duration: state.failed.filter(|_| is_last).map(|(_, milliseconds)| milliseconds as f64 / 1000.0),
            },
            cause: state.last_failure.as_ref().filter(|_| !is_last).map(|last| last.message.clone()),
            retry_info: RetryInfo { attempt: state.attempts, max_retries: spec.max_retries, next_retry_at: next },
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct GateStatus {
    pub task: String,
    pub action: String,
    pub reason: Option<String>,
    pub when: GateMoment,
    pub requested_at: String,
    pub deadline: String,
    /// What an approval is bound to.
    pub digest: String,
    pub approvals: Vec<String>,
    pub approvals_needed: u32,
    pub approvers: Vec<String>,
}

/// A lock that the run holds or waits for.
#[derive(Clone, Debug, Serialize)]
pub struct LockStatus {
    pub name: String,
    pub run: String,
    pub task: String,
    pub pid: u32,
    /// `holds` or `waits`.
    pub standing: &'static str,
    pub since: Option<String>,
}

/// The word for a run. `driven` says whether a process drives it.
pub fn state(run: &Run, driven: bool) -> &'static str {
    match run.ending() {
        Some(Ending::Done) => "done",
        Some(Ending::Failed | Ending::Rejected) => "failed",
        Some(Ending::Cancelled) => "cancelled",
        None if run.waiting().is_some() => "waiting",
        None if driven => "running",
        None => "interrupted",
    }
}

impl Status {
    /// `driver` is who drives the run; `locks` are those of the project that somebody holds or waits for.
    pub fn of(
        run: &Run,
        blueprint: &Blueprint<'_>,
        started: &RunStarted,
        began: Option<Moment>,
        driver: Option<String>,
        locks: Vec<LockStatus>,
    ) -> Self {
        let id = &started.run;
        let driven = driver.is_some();
        let gates = run.indices().filter_map(|index| gate(run, blueprint, index)).collect();
        let tasks = run.indices().map(|index| task(run, blueprint, index, driven, &locks)).collect();
        Self {
            run: id.clone(),
            blueprint: started.blueprint.clone(),
            file: started.file.clone(),
            state: state(run, driven),
            driver,
            started_at: began.map(|at| at.to_string()),
            tasks,
            gates,
            locks: locks.into_iter().filter(|lock| lock.run == *id).collect(),
        }
    }
}

fn task(run: &Run, blueprint: &Blueprint<'_>, index: TaskIndex, driven: bool, locks: &[LockStatus]) -> TaskStatus {
    let (spec, state) = (&run.program().tasks[index.get()], run.task(index));
    let (mut stage, mut error) = (None, state.last_failure.as_deref());
    let status = match &state.phase {
        Phase::Waiting => "not_started",
        Phase::Gate(gate) if gate.moment == GateMoment::Before => "not_started",
        Phase::Working { stage: now, .. } | Phase::Paused { stage: now } => {
            stage = Some(*now);
            "in_progress"
        }
        Phase::Gate(_) | Phase::Finished | Phase::Failing(_) | Phase::Retrying { .. } => "in_progress",
        Phase::Interrupted { stage: now } => {
            stage = Some(*now);
            "interrupted"
        }
        Phase::Unknown { stage: now, .. } => {
            stage = Some(*now);
            "unknown"
        }
        Phase::Complete(_) => {
            error = None;
            "complete"
        }
        Phase::Skipped(_) => "skipped",
        Phase::Blocked(failure) => {
            error = Some(failure);
            "blocked"
        }
    };
    // What the run leaves alone is as the document says.
    let status = if spec.settled { blueprint.task(index).status.word() } else { status };
    // Nobody drives it: what seems to run does not.
    let status = if status == "in_progress" && !driven && run.holds_room(index) { "interrupted" } else { status };
    TaskStatus {
        id: spec.id.clone(),
        name: blueprint.task(index).name.to_string(),
        status,
        stage: stage.map(|stage| spec.stages[stage].word()),
        attempts: state.attempts,
        waiting_for: waiting_for(run, index, driven, locks),
        started_at: state.started.map(|at| at.to_string()),
        ended_at: state.ended.map(|at| at.to_string()),
        error: error.map(|failure| TaskError::of(run, index, failure)),
    }
}

/// What keeps a task from going on.
fn waiting_for(run: &Run, index: TaskIndex, driven: bool, locks: &[LockStatus]) -> Vec<String> {
    let spec = &run.program().tasks[index.get()];
    let ids =
        |tasks: Vec<TaskIndex>| tasks.into_iter().map(|task| format!("task:{}", run.program().tasks[task.get()].id));
    match &run.task(index).phase {
        Phase::Complete(_) | Phase::Skipped(_) | Phase::Blocked(_) => Vec::new(),
        Phase::Gate(_) => vec![format!("gate:{}", spec.id)],
        Phase::Unknown { running: None, next: None, .. } => vec!["person".to_owned()],
        _ if run.ending().is_some() => Vec::new(),
        Phase::Waiting if run.unmet(index).next().is_some() => ids(run.unmet(index).collect()).collect(),
        Phase::Working { .. } | Phase::Finished | Phase::Failing(_) | Phase::Unknown { .. } if driven => Vec::new(),
        _ if !driven => vec!["runner".to_owned()],
        Phase::Retrying { at } => vec![format!("retry:{at}")],
        _ => {
            let inside = run.lock_holder(index).map(|(lock, _)| lock.to_owned());
            let is_held = |name: &str| locks.iter().any(|lock| lock.name == name && lock.standing == "holds");
            let outside =
                spec.locks.iter().map(|(lock, _)| &run.program().locks[*lock].name).find(|name| is_held(name));
            let lock = inside.or_else(|| outside.cloned());
            vec![lock.map_or_else(|| "slot".to_owned(), |lock| format!("lock:{lock}"))]
        }
    }
}

fn gate(run: &Run, blueprint: &Blueprint<'_>, index: TaskIndex) -> Option<GateStatus> {
    let Phase::Gate(open) = &run.task(index).phase else {
        return None;
    };
    let (spec, task) = (run.program().tasks[index.get()].gate.as_ref()?, blueprint.task(index));
    let gate = task.gate.as_deref()?;
    Some(GateStatus {
        task: task.id.to_string(),
        action: gate.action.to_string(),
        reason: gate.reason.as_ref().map(ToString::to_string),
        when: open.moment,
        requested_at: open.opened.to_string(),
        deadline: open.deadline.to_string(),
        digest: open.digest.clone(),
        approvals: open.approved_by.iter().cloned().collect(),
        approvals_needed: spec.approvals,
        approvers: spec.approvers.clone(),
    })
}

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
    let (rank, text) = match &state.phase {
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
        "failed" if run.ending() == Some(Ending::Failed) => format!("\nmend it, then: outpost-bp resume {id}\n"),
        _ => String::new(),
    }
}
