//! Tries a definition: the real program against a model on this machine, which costs nothing and knows no key.
//!
//! `outpost-bp agents test NAME` shows the table. What is tried is what runs depend on: an end that is told, a session that
//! is gone on with, a refused key, a provider that is busy, one that says nothing, and being told to stop. What the
//! real provider does beyond that is not tried.

mod model;
mod speech;

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::attempt::{Access, Around, Fence, Gate, JOB_VERSION, Job, Limits, Outcome, Own, Resume, program, run};
use crate::classify::Class;
use crate::command::{Approval, Trust};
use crate::definition::{Definition, Definitions, Protocol, SessionId};
use crate::prompt::Brief;
use model::{Model, Mood};

/// How long an agent whose model is silent may be quiet, in seconds, once it has said something.
const QUIET: u64 = 20;
/// The longest of them all: some take a minute to start where others use the machine as well.
const WALL: u64 = 300;

/// One of the situations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    Success,
    Resume,
    Refused,
    Busy,
    Hang,
    Cancel,
}

impl Situation {
    pub const ALL: [Self; 6] = [Self::Success, Self::Resume, Self::Refused, Self::Busy, Self::Hang, Self::Cancel];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Resume => "resume",
            Self::Refused => "401",
            Self::Busy => "429",
            Self::Hang => "hang",
            Self::Cancel => "cancel",
        }
    }

    pub const fn expected(self) -> Class {
        match self {
            Self::Success | Self::Resume => Class::Done,
            Self::Refused => Class::Auth,
            Self::Busy => Class::RateLimit,
            Self::Hang => Class::Stalled,
            Self::Cancel => Class::Killed,
        }
    }

    const fn mood(self) -> Mood {
        match self {
            Self::Success | Self::Resume => Mood::Answers,
            Self::Refused => Mood::Unauthorized,
            Self::Busy => Mood::Busy,
            Self::Hang | Self::Cancel => Mood::Silent,
        }
    }
}

/// What came of a situation.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub situation: Situation,
    pub outcome: Outcome,
    pub seconds: f64,
    /// What is not as it should be; empty: all is well.
    pub faults: Vec<String>,
}

/// What came of them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub agent: String,
    pub version: Option<String>,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.faults.is_empty())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.agent, self.version.as_deref().unwrap_or("(it tells no version)"))?;
        writeln!(
            f,
            "{:<9} {:<12} {:<12} {:>5} {:>7} {:>18}  note",
            "situation", "expected", "got", "exit", "seconds", "tokens"
        )?;
        for row in &self.rows {
            let outcome = &row.outcome;
            let exit = outcome.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string());
            let used = outcome.spent.usage;
            let used =
                used.map_or_else(|| "-".to_owned(), |used| format!("{}+{}/{}", used.input, used.cached, used.output));
            let note = if row.faults.is_empty() { "ok".to_owned() } else { row.faults.join("; ") };
            writeln!(
                f,
                "{:<9} {:<12} {:<12} {exit:>5} {:>7.1} {used:>18}  {note}",
                row.situation.name(),
                row.situation.expected().name(),
                outcome.class.name(),
                row.seconds,
            )?;
        }
        Ok(())
    }
}

/// Tries a definition in a folder of its own, which stays behind with all transcripts. Nobody but its owner may write to the
/// folders above it. `out` is told what happens; `Err`: it cannot be tried.
pub fn trial(
    definitions: &Definitions,
    name: &str,
    folder: &Path,
    (own, fence): (Own<'_>, Option<&Fence>),
    out: &mut (dyn Write + Send),
) -> Result<Table, String> {
    let definition = definitions.get(name).ok_or_else(|| format!("there is no agent `{name}`"))?;
    program(definition, own)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(tried(definitions, definition, folder, (own, fence), out))
}

async fn tried(
    definitions: &Definitions,
    definition: &Definition,
    folder: &Path,
    (own, fence): (Own<'_>, Option<&Fence>),
    out: &mut (dyn Write + Send),
) -> Result<Table, String> {
    // Looks like a key to those that look, and is none.
    let token = format!("sk-trial-{}", Uuid::new_v4().simple());
    let protocol = definition.auth.as_ref().map_or(Protocol::OpenaiChat, |auth| auth.protocol);
    let model = Model::open(protocol, token).await.map_err(|error| format!("no port on loopback: {error}"))?;
    let workspace = folder.join("workspace");
    std::fs::create_dir_all(&workspace).map_err(|error| format!("`{}`: {error}", workspace.display()))?;
    let mut rows: Vec<Row> = Vec::new();
    for situation in Situation::ALL {
        let success = rows.iter().find(|row| row.situation == Situation::Success).map(|row| row.outcome.clone());
        let resume = success
            .clone()
            .filter(|_| situation == Situation::Resume)
            .and_then(|outcome| Some(Resume { session_id: outcome.session_id?, totals: outcome.spent.totals }));
        if situation == Situation::Resume && resume.is_none() {
            let _ = writeln!(out, "resume: skipped, for there is no session");
            continue;
        }
        let _ = writeln!(out, "{}:", situation.name());
        let job = job(definition, situation, folder, resume);
        model.set(situation.mood());
        let began = Instant::now();
        let stop: Pin<Box<dyn Future<Output = ()> + Send>> = match situation {
            Situation::Cancel => {
                let model = Arc::clone(&model);
                Box::pin(async move { model.is_asked().await })
            }
            _ => Box::pin(std::future::pending()),
        };
        let gate: Arc<dyn Gate> = Arc::clone(&model) as Arc<dyn Gate>;
        let outcome = run(&job, Around { own, definitions, gate: Some(gate), fence, out: &mut *out, stop }).await;
        outcome.write(&job.folder).map_err(|error| format!("`{}`: {error}", job.folder.display()))?;
        let faults = faults(definition, situation, &outcome, success.as_ref(), model.asked());
        rows.push(Row { situation, outcome, seconds: began.elapsed().as_secs_f64(), faults });
    }
    let version = rows.iter().find_map(|row| row.outcome.versions.agent.clone());
    Ok(Table { agent: definition.id.clone(), version, rows })
}

fn job(definition: &Definition, situation: Situation, folder: &Path, resume: Option<Resume>) -> Job {
    let quiet = if situation == Situation::Hang { QUIET } else { WALL };
    Job {
        version: JOB_VERSION,
        agent: definition.id.clone(),
        definitions: None,
        folder: folder.join(situation.name()),
        state: folder.join("state"),
        workspace: folder.join("workspace"),
        brief: Brief {
            blueprint: "trial".to_owned(),
            task_id: situation.name().to_owned(),
            task_name: "Say that you are done".to_owned(),
            goal: "Change nothing. Say that you are done.".to_owned(),
            ..Brief::default()
        },
        model: definition.trial.model.clone(),
        effort: None,
        approval: Approval::Full,
        trust: Trust::Untrusted,
        access: Access::Gate,
        resume,
        limits: Limits { start: WALL, idle: quiet, tool: quiet, wall: Some(2 * WALL), ..Limits::default() },
        files: Vec::new(),
        env: std::collections::BTreeMap::new(),
        hide: Vec::new(),
    }
}

fn faults(
    definition: &Definition,
    situation: Situation,
    outcome: &Outcome,
    success: Option<&Outcome>,
    asked: u32,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut hold = |is_so: bool, fault: &dyn Fn() -> String| {
        if !is_so {
            faults.push(fault());
        }
    };
    hold(outcome.class == situation.expected(), &|| outcome.message.clone());
    hold(definition.auth.is_none() || asked > 0, &|| {
        "the model was never asked: the address did not arrive".to_owned()
    });
    if outcome.class == Class::Done && definition.auth.is_some() {
        hold(outcome.spent.usage.is_some(), &|| "it does not tell what it used".to_owned());
        let has_session = definition.session.id == SessionId::None || outcome.session_id.is_some();
        hold(has_session, &|| "it does not tell its session".to_owned());
    }
    if let (Situation::Resume, Some(success)) = (situation, success) {
        hold(outcome.session_id == success.session_id, &|| "it went on in another session".to_owned());
        let used = |outcome: &Outcome| outcome.spent.usage.map(|usage| usage.output);
        hold(used(outcome) <= used(success).map(|used| used * 3 / 2), &|| {
            "it counts what the session used before: `usage_scope` should be `session`".to_owned()
        });
    }
    faults
}
