//! Where a run stands: for people on one screen, for machines as JSON of a fixed shape.

mod screen;

use serde::Serialize;

pub use self::screen::{Screen, screen};

use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{
    Asked, Chore, ChoreState, Ending, Failure, FailureCode, FailurePhase, GateMoment, Moment, Notice, Phase, Run,
    RunStarted, Standing, Undo, Usage,
};

/// A run as `status --json` shows it. Fields are only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub run: String,
    pub blueprint: String,
    pub file: String,
    /// `running waiting done failed cancelled interrupted rolled_back rollback_failed`
    pub state: &'static str,
    /// The process that drives it.
    pub driver: Option<String>,
    pub started_at: Option<String>,
    pub tasks: Vec<TaskStatus>,
    pub gates: Vec<GateStatus>,
    /// What agents used, where any did or may use no more than so much together.
    pub agents: Option<AgentsStatus>,
    pub locks: Vec<LockStatus>,
    /// Commands outside of attempts: what undoes tasks, what follows their success, the run's hooks.
    pub chores: Vec<ChoreStatus>,
    /// How it went to tell people: of each gate that is open and each channel the last word, and all that the run
    /// itself had to tell.
    pub notices: Vec<NoticeStatus>,
}

/// What the agents of the run used of the budget that is in force: millionths of a US dollar, and tokens.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AgentsStatus {
    pub used: Usage,
    pub budget: Usage,
}

impl AgentsStatus {
    fn of(run: &Run) -> Option<Self> {
        let (used, budget) = (run.used(), run.program().budget);
        (!used.is_unbounded() || !budget.is_unbounded()).then_some(Self { used, budget })
    }

    /// For people.
    pub fn told(&self) -> String {
        let used = if self.budget.is_unbounded() { self.used.plain() } else { self.budget.told(self.used) };
        format!("agents used {used}")
    }
}

/// Somebody was told, or could not be.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeStatus {
    /// Absent where it is about the whole run.
    pub task: Option<String>,
    /// The way it went, by its place in the document.
    pub channel: String,
    pub at: String,
    /// Why nobody could be told.
    pub error: Option<String>,
}

impl NoticeStatus {
    pub fn new(task: Option<&str>, channel: &str, notice: &Notice) -> Self {
        Self {
            task: task.map(str::to_owned),
            channel: channel.to_owned(),
            at: notice.at.to_string(),
            error: notice.problem.clone(),
        }
    }

    fn all(run: &Run) -> Vec<Self> {
        let mut all = Vec::new();
        for (index, gate) in run.open_gates().filter(|_| run.ending().is_none()) {
            let task = run.program().tasks[index.get()].id.as_str();
            all.extend(
                run.notices_of(task, gate).iter().map(|(channel, notice)| Self::new(Some(task), channel, notice)),
            );
        }
        let of_run = run.notices().filter(|(name, ..)| name.split(':').nth(1) == Some(""));
        all.extend(of_run.map(|(_, channel, notice)| Self::new(None, channel, notice)));
        all
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ChoreStatus {
    /// `rollback`, `on_success` or `hook`.
    pub kind: &'static str,
    /// Its word in logs.
    pub name: &'static str,
    pub task: Option<String>,
    /// `due`, `running`, `done`, `failed` or `unknown`.
    pub state: &'static str,
    pub attempts: u32,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TaskStatus {
    pub id: String,
    pub name: String,
    /// A word of the format, or `unknown interrupted rolling_back rolled_back rollback_failed rollback_unknown`.
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
        Some(Ending::RolledBack) => "rolled_back",
        Some(Ending::RollbackFailed) => "rollback_failed",
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
            agents: AgentsStatus::of(run),
            chores: run.chores().filter_map(|(chore, state)| ChoreStatus::of(chore, state)).collect(),
            notices: NoticeStatus::all(run),
            locks: locks.into_iter().filter(|lock| lock.run == *id).collect(),
        }
    }
}

impl ChoreStatus {
    fn of(chore: &Chore, state: &ChoreState) -> Option<Self> {
        let kind = match chore {
            Chore::Rollback { .. } => "rollback",
            Chore::OnSuccess { .. } => "on_success",
            Chore::Hook { .. } => "hook",
        };
        let (word, error) = match &state.standing {
            Standing::Idle => return None,
            Standing::Due => ("due", None),
            Standing::Running => ("running", None),
            Standing::Interrupted | Standing::Unknown => ("unknown", Some("it ran when its runner ended".to_owned())),
            Standing::Done => ("done", None),
            Standing::Failed(failure) => ("failed", Some(failure.message.clone())),
        };
        let task = chore.task().map(str::to_owned);
        Some(Self { kind, name: chore.word(), task, state: word, attempts: state.attempts, error })
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
        Phase::Gate(_) | Phase::Finished | Phase::Failing(_) | Phase::Retrying { .. } | Phase::Replaced { .. } => {
            "in_progress"
        }
        Phase::Interrupted { stage: now } => {
            stage = Some(*now);
            if state.checkpoint.is_some() { "checkpointed" } else { "interrupted" }
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
    // Whatever it came to, that is undone.
    let status = match run.undo(index) {
        Undo::Running => "rolling_back",
        Undo::Undone => "rolled_back",
        Undo::Failed => "rollback_failed",
        Undo::Unknown => "rollback_unknown",
        Undo::Nothing | Undo::Irreversible | Undo::Due => status,
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
        _ if let Some(asked) = run.awaited_answer(index) => {
            vec![format!("gate:{}", run.program().tasks[asked.get()].id)]
        }
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
    let task = blueprint.task(index);
    let Asked { open, action, reason, approvals, approvers, .. } = run.asked(index, task)?;
    Some(GateStatus {
        task: task.id.to_string(),
        action,
        reason,
        when: open.moment,
        requested_at: open.opened.to_string(),
        deadline: open.deadline.to_string(),
        digest: open.digest,
        approvals: open.approved_by.into_iter().collect(),
        approvals_needed: approvals,
        approvers,
    })
}
