//! One attempt: the process `outpost-bp __agent JOB.json`.
//!
//! ```text
//! job ─► folders, definition, program, prompt ─► the agent's process ─► classify, answer ─► outcome.json
//! ```
//! Its keeper (`executors/shell`) has the clock on the wall and ends the whole tree; this process has the clocks that
//! need to understand what the agent says. It writes transcripts, hides secrets before anything is written, tells
//! one line per event on stdout, and writes `outcome.json` as the last thing. It knows nothing of git, of verification and
//! of other attempts.

mod circles;
mod clocks;
mod environment;
mod fence;
mod follow;
mod group;
mod job;
mod judge;
mod outcome;
mod record;
mod say;
mod tail;
mod toolchain;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use outpost_executor::{MARK, Redaction, Secrets};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::classify::Class;
use crate::command::{Values, render};
use crate::contract;
use crate::definition::{Definition, Definitions, SessionId, Via, hex};
use crate::prompt;
use crate::stream::Spent;
use environment::Folders;
use fence::Walls;
use follow::{Start, follow};
use record::Record;
use tail::Tail;

pub use environment::{Own, program};
pub use fence::Fence;
pub use job::{Access, Job, Limits, Resume, VERSION as JOB_VERSION};
pub use outcome::{FILE as OUTCOME, Outcome, VERSION as OUTCOME_VERSION, Versions};

/// What the agent was told, beside its outcome.
pub const PROMPT: &str = "prompt.md";

/// What stands between the agent and its model, and has the key.
pub trait Gate: Send + Sync {
    /// Where the agent finds it, without the path that its definition adds.
    fn base_url(&self) -> String;

    /// What the agent shows instead of a key. It is hidden in everything that is written.
    fn token(&self) -> String;

    /// When the model last sent something that was no error.
    fn last_activity(&self) -> Option<Instant>;

    /// What was used, exactly; none where the agent's own account is to be believed.
    fn spent(&self) -> Option<Spent>;

    /// The cap that was reached, for people.
    fn breach(&self) -> Option<String>;
}

/// What an attempt finds around it.
pub struct Around<'a> {
    /// Our own environment.
    pub own: Own<'a>,
    pub definitions: &'a Definitions,
    pub gate: Option<Arc<dyn Gate>>,
    /// What keeps the agent to its own; none: it may do what we may.
    pub fence: Option<&'a Fence>,
    /// Takes a line per event.
    pub out: &'a mut (dyn Write + Send),
    /// Ready when the attempt is to end.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around").field("gate", &self.gate.is_some()).finish_non_exhaustive()
    }
}

/// Runs a job without a gateway.
pub fn main(job: &Path) -> ExitCode {
    main_with(job, |_, _| Ok(None))
}

/// Runs a job. `open` is called first and may open a gateway, which lives as long as the attempt.
pub fn main_with(
    job: &Path,
    open: impl FnOnce(&Job, &Definition) -> Result<Option<Arc<dyn Gate>>, String>,
) -> ExitCode {
    match attempt(job, open) {
        Ok(outcome) if outcome.class == Class::Done => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "failed to run the agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn attempt(
    path: &Path,
    open: impl FnOnce(&Job, &Definition) -> Result<Option<Arc<dyn Gate>>, String>,
) -> Result<Outcome, String> {
    let job = Job::read(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let written = |outcome: Outcome| {
        let written = outcome.write(&job.folder);
        written.map_err(|error| format!("`{}` could not be written: {error}", job.folder.join(OUTCOME).display()))?;
        Ok(outcome)
    };
    let gate =
        Definitions::load(job.definitions.as_deref()).map_err(|error| error.to_string()).and_then(|definitions| {
            let gate = open(&job, chosen(&definitions, &job.agent)?)?;
            Ok((definitions, gate))
        });
    let (definitions, gate) = match gate {
        Ok(both) => both,
        Err(message) => {
            fs::create_dir_all(&job.folder).map_err(|error| format!("`{}`: {error}", job.folder.display()))?;
            let _ = writeln!(std::io::stdout(), "ends   {}", say::one_line(&message));
            return written(unstarted(&job, message));
        }
    };
    let own = |name: &str| std::env::var_os(name);
    let mut out = std::io::stdout();
    let outcome = runtime.block_on(async {
        let around = Around {
            own: &own,
            definitions: &definitions,
            gate,
            fence: None,
            out: &mut out,
            stop: Box::pin(asked_to_stop()),
        };
        run(&job, around).await
    });
    written(outcome)
}

fn chosen<'a>(definitions: &'a Definitions, name: &str) -> Result<&'a Definition, String> {
    definitions.get(name).ok_or_else(|| {
        let known = definitions.names().collect::<Vec<_>>().join(", ");
        format!("there is no agent `{name}`; there are {known}, and docs/AGENTS.md says how to add one")
    })
}

/// By which what others wrote is fenced in a prompt: another one for each.
pub fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Ready when somebody ends this process: by TERM, INT or HUP.
pub async fn asked_to_stop() {
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    match signals {
        [Ok(mut term), Ok(mut int), Ok(mut hup)] => {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, _ = hup.recv() => {} }
        }
        // Then signals do what they do to everyone.
        _ => std::future::pending().await,
    }
}

/// An attempt whose agent could not be started.
fn unstarted(job: &Job, message: String) -> Outcome {
    let now = now_ms();
    Outcome {
        version: OUTCOME_VERSION,
        class: Class::Config,
        message,
        retry_after: None,
        agent: job.agent.clone(),
        versions: Versions { outpost: env!("CARGO_PKG_VERSION").to_owned(), ..Versions::default() },
        session_id: job.resume.as_ref().map(|resume| resume.session_id.clone()),
        resumed: job.resume.is_some(),
        spent: Spent {
            totals: job.resume.as_ref().map(|resume| resume.totals).unwrap_or_default(),
            ..Spent::default()
        },
        turns: None,
        prompt_sha256: String::new(),
        started_ms: now,
        ended_ms: now,
        exit: None,
        answer: None,
        text: String::new(),
        sandbox: Vec::new(),
        cut: 0,
        record_error: None,
    }
}

/// Runs the agent to its end. Writes everything into the folder of the attempt but `outcome.json`.
pub async fn run(job: &Job, mut around: Around<'_>) -> Outcome {
    let mut outcome = unstarted(job, String::new());
    if let Err(message) = agent(job, &mut around, &mut outcome).await {
        outcome.message = message;
    }
    outcome.ended_ms = now_ms();
    let _ = writeln!(around.out, "ends   {}: {}", outcome.class, say::one_line(&outcome.message));
    outcome
}

/// What the agent is given to show to its model, and the address of it.
struct Reach {
    key: Option<Vec<u8>>,
    base_url: Option<String>,
}

fn reach(job: &Job, definition: &Definition, around: &Around<'_>) -> Result<Reach, String> {
    let Some(auth) = &definition.auth else {
        return Ok(Reach { key: None, base_url: None });
    };
    let with_path = |base: &str| format!("{}{}", base.trim_end_matches('/'), auth.base_url.path);
    match (&job.access, &around.gate) {
        (_, Some(gate)) => {
            Ok(Reach { key: Some(gate.token().into_bytes()), base_url: Some(with_path(&gate.base_url())) })
        }
        (Access::Gate, None) => Err(format!(
            "the job wants a gateway for `{}`, and none was opened: give `access` a `key` or a `login`",
            job.agent
        )),
        (Access::Key { env, base_url }, None) => {
            let key = (around.own)(env).filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| format!("the variable `{env}` with the key of `{}` is not set", job.agent))?;
            let base = base_url.as_deref().unwrap_or(&auth.base_url.upstream);
            let key = std::os::unix::ffi::OsStringExt::into_vec(key);
            Ok(Reach { key: Some(key), base_url: Some(with_path(base)) })
        }
        (Access::Login { .. }, None) => Ok(Reach { key: None, base_url: None }),
    }
}

/// All that must not be written anywhere.
fn hidden(job: &Job, reach: &Reach, own: Own<'_>) -> Result<Option<Redaction>, String> {
    let bytes = std::os::unix::ffi::OsStringExt::into_vec;
    let listed = job.hide.iter().filter_map(|name| Some((name.clone(), bytes(own(name)?))));
    let key = reach.key.iter().map(|key| ("the key".to_owned(), key.clone()));
    Redaction::of(&Secrets::new(key.chain(listed))).map_err(|error| error.to_string())
}

async fn agent(job: &Job, around: &mut Around<'_>, outcome: &mut Outcome) -> Result<(), String> {
    let definition = chosen(around.definitions, &job.agent)?;
    outcome.versions.definition.clone_from(&definition.digest);
    if !job.workspace.is_dir() {
        return Err(format!("the workspace `{}` is no folder", job.workspace.display()));
    }
    let folders = Folders::make(job, around.fence.is_some())
        .map_err(|error| format!("the folders could not be made: {error}"))?;
    let program = program(definition, around.own)?;
    let reach = reach(job, definition, around)?;
    let redaction = hidden(job, &reach, around.own)?;
    let clean = |text: &str| redaction.as_ref().map_or_else(|| text.to_owned(), |redaction| redaction.text(text));

    let nonce = nonce();
    let prompt = match job.resume {
        Some(_) => prompt::again(&job.brief, &nonce),
        None => prompt::first(&job.brief, &nonce),
    };
    let prompt = clean(&prompt);
    outcome.prompt_sha256 = hex(&Sha256::digest(prompt.as_bytes()));
    let prompt_file = job.folder.join(PROMPT);
    write(&prompt_file, prompt.as_bytes())?;

    outcome.session_id = match (&job.resume, definition.session.id) {
        (Some(resume), _) => Some(resume.session_id.clone()),
        (None, SessionId::Assign) => Some(Uuid::new_v4().to_string()),
        // Its history is a file of the task, which has no name of its own.
        (None, SessionId::None) => definition.session.resume.is_some().then(|| "history".to_owned()),
        (None, SessionId::Capture) => None,
    };
    let command = render(
        definition,
        &Values {
            bin: program.to_string_lossy().into_owned(),
            model: job.model.clone(),
            effort: job.effort.clone(),
            max_turns: job.limits.max_turns,
            budget_usd: job.limits.budget_usd,
            workspace: job.workspace.clone(),
            home: folders.home.clone(),
            run_dir: folders.run.clone(),
            run_state: folders.state.clone(),
            secure: folders.secure.clone(),
            prompt_file,
            session_id: outcome.session_id.clone(),
            resume: job.resume.is_some(),
            base_url: reach.base_url.clone(),
            approval: job.approval,
            trust: job.trust,
            files: job.files.clone(),
            is_root: rustix::process::geteuid().is_root(),
        },
    )
    .map_err(|missing| missing.to_string())?;
    environment::write_files(&command, &folders, &job.access)
        .map_err(|error| format!("the files of `{}` could not be written: {error}", job.agent))?;
    let port = around.gate.as_ref().and_then(|gate| fence::port(&gate.base_url()));
    let raised = |fence| Walls::raise(fence, (job, definition), (&folders, &program), port, around.own);
    let walls = around.fence.map(raised).transpose()?;
    let walls = walls.as_ref();
    outcome.sandbox = walls.map(Walls::lines).unwrap_or_default();
    for line in &outcome.sandbox {
        // Nobody may be reading.
        let _ = writeln!(around.out, "{line}");
    }
    let mut env = environment::variables(definition, &command, &folders, job, around.own);
    outcome.versions.agent = environment::version(definition, &program, &env, (walls, &job.workspace)).await?;
    write(&job.folder.join("argv.json"), clean(&shown(job, definition, &command.argv, &env, walls)).as_bytes())?;
    if let (Some(key), Some(auth)) = (&reach.key, &definition.auth) {
        env.insert(auth.secret.env.clone().into(), std::os::unix::ffi::OsStringExt::from_vec(key.clone()));
    }
    contract::forget(&job.workspace);
    let mut record = Record::create(&job.folder, job.limits.transcript, redaction.as_ref())
        .map_err(|error| format!("the transcripts could not be opened: {error}"))?;
    let start = Start {
        definition,
        argv: &command.argv,
        env: env.into_iter().collect(),
        workspace: &job.workspace,
        stdin: (definition.prompt.via == Via::Stdin).then_some(prompt),
        tail: command.events_file.map(|path| Tail::new(path, redaction.as_ref())),
        limits: &job.limits,
        gate: around.gate.as_deref(),
        walls,
    };
    outcome.started_ms = now_ms();
    let followed = follow(start, &mut record, &mut *around.out, around.stop.as_mut()).await;
    environment::open_again(&folders);
    // The agent may have written a secret into its answer.
    let answer = match contract::take(&job.workspace, &job.brief.ports) {
        Ok(answer) => Ok(answer.map(|answer| judge::concealed(answer, &clean))),
        Err(message) => Err(clean(&message)),
    };
    judge::judge(job, definition, around, outcome, &followed?, &record, answer);
    Ok(())
}

fn shown(
    job: &Job,
    definition: &Definition,
    argv: &[String],
    env: &BTreeMap<OsString, OsString>,
    walls: Option<&Walls<'_>>,
) -> String {
    let mut env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into())).collect();
    env.extend(definition.auth.iter().map(|auth| (auth.secret.env.clone(), MARK.to_owned())));
    let shown = json!({
        "version": 1, "argv": argv, "env": env, "cwd": job.workspace, "definition": definition.origin,
        "definition_sha256": definition.digest, "sandbox": walls.map(Walls::shown),
    });
    format!("{shown:#}\n")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("`{}` could not be written: {error}", path.display()))
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
