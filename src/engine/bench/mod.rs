//! A stage of an attempt as work for an executor: command, directory, environment, limits.
//!
//! Data never becomes shell text: what a task binds reaches its command as environment variables and
//! as a JSON file. Commands are the document's own words.

mod agent;
mod chore;
mod command;
mod errand;
mod handoff;
mod landing;
mod left;
mod reach;
mod secret;
mod site;

pub use agent::{Turn, private};
pub use chore::chore_limit;
pub use command::is_direct;
pub(in crate::engine) use command::shell;
pub(in crate::engine) use left::hand_over;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use command::{command, may_be_direct};
use left::clear;
use outpost_executor::{StdoutFile, Token, Work};
use serde_json::{Map, Value};
use site::{bind_there, root_there};

use crate::blueprint::model::{Task, Transfer};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::engine::fence::Fence;
use crate::engine::output::{MOST_BYTES, Values};
use crate::engine::place::Variables;
use crate::engine::secret::Resolved;
use crate::engine::store::RunFiles;
use crate::run::{Checkpoint, Failure, FailureCode, FailurePhase, Moment, Part, Stage, Trail};

/// The format's limit for a task without one.
const TASK_TIMEOUT: Duration = Duration::from_secs(3600);

/// What all attempts of a run have in common.
#[derive(Debug)]
pub struct Bench<'a> {
    pub blueprint: &'a Blueprint<'a>,
    pub files: RunFiles,
    /// The directory of the project.
    pub root: PathBuf,
    /// The name of the document, for paths.
    pub name: String,
    /// The document, as it was named when the run began.
    pub document: String,
    /// The user's own definitions of agents, and where agents have trees of their own.
    pub definitions: Option<PathBuf>,
    pub trees: Option<PathBuf>,
    /// Variables of the chosen environment.
    pub environment: Vec<(String, String)>,
    /// The distributed trace of the run, where somebody collects traces.
    pub trail: Option<Trail>,
    pub secrets: Resolved,
}

/// The tools that are here, by name: their version, or `true`.
pub type Capabilities = Map<String, Value>;

/// How long a stage may take, and the field that says so.
pub type Limit = (Duration, &'static str);

/// How long a stage of a task may take, and the field that says so. `spent` is what the attempt took so far.
pub fn limit(task: &Task<'_>, stage: Stage, spent: Duration) -> Limit {
    let whole = task.resources.as_ref().and_then(|resources| resources.timeout).unwrap_or(TASK_TIMEOUT);
    let left = whole.saturating_sub(spent).max(Duration::from_secs(1));
    let own = match stage {
        Stage::Setup | Stage::Run => {
            let limit = task.context.as_ref().and_then(|context| context.timeout);
            limit.map(|limit| (limit, "execution_context.timeout"))
        }
        Stage::Verify { tier, .. } => {
            let stage = task.verification.iter().find(|stage| stage.stage == tier);
            stage.map(|stage| (stage.timeout(), "verification timeout"))
        }
        Stage::Tree | Stage::Commit | Stage::Land => None,
    };
    own.filter(|(limit, _)| *limit < left).unwrap_or((left, "resources.timeout"))
}

/// A start of a stage.
#[derive(Debug)]
pub struct Start<'s> {
    pub task: TaskIndex,
    pub attempt: u32,
    pub stage: Stage,
    /// When the attempt began, and when this stage of it.
    pub at: Moment,
    pub stage_at: Moment,
    pub inputs: &'s Values,
    /// What went wrong the last time.
    pub last: Option<&'s Failure>,
    /// What it kept of its state.
    pub checkpoint: Option<&'s Checkpoint>,
    pub limit: Duration,
    pub locks: Vec<OwnedFd>,
    /// What an agent has to know.
    pub turn: Turn<'s>,
}

impl Bench<'_> {
    pub fn task(&self, index: TaskIndex) -> &Task<'_> {
        self.blueprint.task(index)
    }

    pub(super) fn variables(&self, index: TaskIndex, at: Moment) -> Variables<'_> {
        self.variables_in(index, at, self.root_of(index))
    }

    /// The values of variables where this is the directory of the project.
    fn variables_in(&self, index: TaskIndex, at: Moment, root: PathBuf) -> Variables<'_> {
        let task = self.task(index);
        let seconds = at.0 / 1000;
        let variables = Variables {
            task: task.id.as_str(),
            blueprint: &self.name,
            directory: root.clone(),
            root: root.into(),
            seconds,
            bound: None,
        };
        let directory = task.context.as_ref().and_then(|context| context.working_directory.as_deref());
        let directory = directory.map_or_else(|| variables.directory.clone(), |text| variables.path(text));
        // A path of the project means the same place in its copy.
        let directory = match directory.strip_prefix(&self.root) {
            Ok(within) if *variables.root != *self.root => variables.root.join(within),
            _ => directory,
        };
        Variables { directory, ..variables }
    }

    /// How far links may lead.
    pub(in crate::engine) fn fence(&self) -> Fence {
        Fence::new(&self.root, self.files.folder())
    }

    fn named(&self, owner: &str, attempt: u32, word: &str) -> Token {
        let run = self.files.folder().to_string_lossy().into_owned();
        Token { run, task: owner.to_owned(), attempt, stage: word.to_owned() }
    }

    /// A path of a binding, as its task means it.
    pub fn path(&self, index: TaskIndex, at: Moment, bound: Option<(&str, &str)>, text: &str) -> PathBuf {
        Variables { bound, ..self.variables(index, at) }.path(text)
    }

    /// How long a stage may take, and the field that says so. `spent` is what the attempt took so far.
    pub fn limit(&self, index: TaskIndex, stage: Stage, spent: Duration) -> Limit {
        limit(self.task(index), stage, spent)
    }

    /// The work of a stage. What an earlier attempt left in the way is moved or removed.
    pub fn prepare(&self, start: Start<'_>) -> Result<Work, Failure> {
        let Start { task: index, attempt, stage, at, stage_at, inputs, last, checkpoint, limit, locks, turn } = start;
        let task = self.task(index);
        let file = |name| self.files.of_attempt(&task.id, attempt, name);
        if let Some(failure) = self.lost_tree(index, stage) {
            return Err(failure);
        }
        let there = root_there(&self.site_of(index, stage));
        let variables = self.variables_in(index, at, there.clone().unwrap_or_else(|| self.root_of(index)));
        let hired = self.is_hired(index, stage);
        let errand = self.errand(index).filter(|_| stage == Stage::Run);
        let Some(command) = command(task, stage).or((hired || errand.is_some()).then_some("")) else {
            let message = "there is no command for this stage".to_owned();
            return Err(failure(FailureCode::ExecutionFailed, FailurePhase::Setup, message));
        };
        let token = self.token(index, attempt, stage, stage_at);
        let log = self.files.log(&task.id, attempt, stage.word());
        // The work of an attempt starts once.
        if stage.is_repeatable() {
            set_aside(&log).map_err(|error| unusable(&log, &error))?;
        }
        let (program, args) = shell(self.blueprint, Some(task));
        let mut work = Work::new(token, program, &variables.directory, log);
        work.args = args;
        work.direct = may_be_direct(self.blueprint, Some(task));
        work.timeout = Some(limit);
        work.locks = locks;
        work.env = self.environment_of(task, &variables, attempt, stage.word());
        work.env.extend(self.trace_of(Part::Stage { task: &task.id, attempt, stage: stage.word(), at: stage_at }));
        if !hired && errand.is_none() {
            self.give(&mut work, command);
        }
        self.refuse_secrets(inputs)?;
        if let Some(fleet) = errand {
            self.send_out(&mut work, &fleet, (index, attempt), inputs, &turn, &variables)?;
            return Ok(work);
        }
        if there.is_some() {
            bind_there(&mut work, inputs)?;
            if stage == Stage::Run && task.output.as_ref().is_some_and(|output| output.location == Transfer::Stdout) {
                work.stdout_file = Some(StdoutFile { path: file("stdout"), most: MOST_BYTES });
            }
            return Ok(work);
        }
        work.env.push(("OUTPOST_OUTPUT".into(), file("output").into()));
        let file_of_inputs = if inputs.is_empty() { self.files.no_inputs() } else { file("inputs.json") };
        bind(&mut work, inputs, file_of_inputs)?;
        if let Some(last) = last {
            let text = format!("{}\n{}\n{}", last.message, last.stdout, last.stderr);
            let path = file("last-failure.txt");
            fs::write(&path, text).map_err(|error| unusable(&path, &error))?;
            work.env.push(("OUTPOST_LAST_FAILURE".into(), path.into()));
        }
        if stage == Stage::Run
            && let Some(output) = task.output.as_deref()
        {
            if output.location == Transfer::Stdout {
                work.stdout_file = Some(StdoutFile { path: file("stdout"), most: MOST_BYTES });
            }
            if let Some(path) = output.path.as_deref() {
                clear(&self.fence(), &variables.path(path))?;
            }
            if output.cleanup.is_some() {
                self.note_before(index, attempt, at)?;
            }
        }
        self.hand_off(&mut work, index, (attempt, stage, at), checkpoint)?;
        if hired {
            self.hire(&mut work, (index, attempt, stage), inputs, &turn, &variables)?;
        }
        Ok(work)
    }

    /// What a command is told of the trace that it belongs to, where somebody collects traces.
    fn trace_of(&self, part: Part<'_>) -> Option<(OsString, OsString)> {
        self.trail.map(|trail| ("TRACEPARENT".into(), trail.within(part).to_string().into()))
    }

    fn environment_of(
        &self,
        task: &Task<'_>,
        variables: &Variables<'_>,
        attempt: u32,
        word: &str,
    ) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = Vec::new();
        env.extend(self.environment.iter().map(|(name, value)| (name.into(), self.secrets.fill(value))));
        for (name, value) in task.context.iter().flat_map(|context| context.environment.iter()) {
            env.push((name.as_str().into(), variables.fill(value, &self.secrets)));
        }
        env.extend(variables.pairs().into_iter().map(|(name, value)| (name.into(), value.into())));
        for (name, value) in [
            ("OUTPOST_RUN", self.files.id().to_owned()),
            ("OUTPOST_TASK", task.id.to_string()),
            ("OUTPOST_ATTEMPT", attempt.to_string()),
            ("OUTPOST_STAGE", word.to_owned()),
        ] {
            env.push((name.into(), value.into()));
        }
        env
    }
}

/// Makes room for a log: a verification that was interrupted has one already.
fn set_aside(log: &Path) -> io::Result<()> {
    if !log.exists() {
        return Ok(());
    }
    let mut number = 1;
    loop {
        let aside = log.with_extension(format!("log.{number}"));
        if !aside.exists() {
            return fs::rename(log, aside);
        }
        number += 1;
    }
}

/// A file of the attempt that cannot be made. It is not the task that failed: what the document says about
/// its failures does not count.
fn unusable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("`{}` cannot be written: {error}", path.display());
    failure(FailureCode::Cancelled, FailurePhase::Setup, message)
}

fn failure(code: FailureCode, phase: FailurePhase, message: String) -> Failure {
    Failure { lasting: true, ..Failure::new(code, phase, message) }
}

/// Gives the work its inputs: all as a file, each as a variable.
fn bind(work: &mut Work, inputs: &Values, path: PathBuf) -> Result<(), Failure> {
    if !inputs.is_empty() {
        let text = serde_json::to_vec_pretty(inputs).map_err(io::Error::other);
        text.and_then(|text| fs::write(&path, text)).map_err(|error| unusable(&path, &error))?;
    }
    work.env.push(("OUTPOST_INPUTS".into(), path.into()));
    for (name, value) in inputs {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Longer values, and those no variable can hold, are in the file.
        if text.len() < 100_000 && !text.contains('\0') {
            work.env.push((format!("OUTPOST_INPUT_{}", variable(name)).into(), text.into()));
        }
    }
    Ok(())
}

/// `my-port` → `MY_PORT`.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
