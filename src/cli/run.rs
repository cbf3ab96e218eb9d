//! `outpost-bp run`: from a document to a run, driven to its end or to where a person is needed.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Map, Value};

use super::check::diagnose;
use super::complete;
use super::kept::{store, user};
use super::load::load;
use super::plan::needs::Needs;
use super::resume::{ending, refuse_over};
use super::screen::{self, Screen, step_summary};
use super::{Exit, Failure, Output, plan};
use crate::blueprint::capability::Requirement;
use crate::blueprint::model::{Task, Transfer};
use crate::blueprint::{Blueprint, TaskIndex, digest};
use crate::diagnostic::Code;
use crate::document::Source;
use crate::engine::capability::{self, Outcome};
use crate::engine::driver::Outlook;
use crate::engine::history::{self, History, compile};
use crate::engine::preflight;
use crate::engine::session::{Driving, Session};
use crate::engine::store::{RunFiles, Store};
use crate::plan::Plan;
use crate::report::diagnostics::{Checked, Style, human};
use crate::report::summary::{End, summary};
use crate::report::table::one_line;
use crate::run::RunStarted;

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The blueprint
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// Tasks to run; all without it
    #[arg(add = ArgValueCompleter::new(complete::selection))]
    selection: Vec<String>,
    /// Most attempts at once
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Use the variables of this environment of the document
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// End the run with the first task that is blocked
    #[arg(long, conflicts_with = "keep_going")]
    fail_fast: bool,
    /// Go on with what does not need a blocked task, which is the default
    #[arg(long)]
    keep_going: bool,
    /// Show what would run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Refuse to run anything but this plan, which `plan --json` wrote
    #[arg(long, value_name = "FILE")]
    plan: Option<String>,
    /// Run these tasks although the document calls them complete or skipped
    #[arg(long, value_name = "SELECTION", add = ArgValueCompleter::new(complete::selection))]
    rerun: Vec<String>,
    /// Begin another run although one of this document is not over
    #[arg(long)]
    new_run: bool,
    #[command(flatten)]
    shown: Shown,
}

/// What `run` and `resume` have in common.
#[derive(Args, Debug)]
pub(super) struct Shown {
    /// Go on waiting when only a person can make it go on
    #[arg(long)]
    pub(super) wait: bool,
    /// Write each event as a line of JSON to standard output
    #[arg(long, conflicts_with = "events")]
    json: bool,
    /// Write each event as a line of JSON to a file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    events: Option<String>,
}

impl Shown {
    /// Before anything begins: what cannot be written is wrong usage.
    /// `kept` are files that nobody means; `goes_on` says whether events are added to those of an earlier runner.
    pub(super) fn watched(&self, kept: &[&str], goes_on: bool) -> Result<Watched, Failure> {
        let path = if self.json { Some("-") } else { self.events.as_deref() };
        let real = |path: &str| std::fs::canonicalize(path).ok();
        if let Some(path) = path.filter(|path| kept.iter().any(|kept| real(kept).is_some() && real(kept) == real(path)))
        {
            return Err(Failure::new(
                format!("`{path}` is the blueprint: events would replace it"),
                "name another file for `--events`",
            ));
        }
        Ok(Watched { wait: self.wait, events: path.map(|path| screen::events(path, goes_on)).transpose()? })
    }
}

/// How a run is driven, and who hears of it.
pub(super) struct Watched {
    wait: bool,
    events: Option<screen::Events>,
}

pub(super) fn run(args: &RunArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let reading = diagnose(&loaded, false);
    let tasks = reading.draft.tasks.len();
    let dialect = reading.draft.dialect.to_string();
    let (blueprint, diagnostics) = reading.into_blueprint();
    let source = &loaded.source;
    let Some(blueprint) = blueprint else {
        let checked = Checked { source, tasks, dialect, diagnostics: &diagnostics };
        output.note(&human(&checked, Style { all: false, width: output.width }));
        return Err(Failure::new(format!("`{}` has errors and is not run", args.file), "mend the errors above"));
    };
    let selection = match &args.plan {
        Some(path) => plan::promised(path, &blueprint, source, &args.selection)?,
        None => args.selection.clone(),
    };
    let plan = planned(&blueprint, &selection, &args.rerun)?;
    let environment = environment(&blueprint, args.env.as_deref())?;
    if args.dry_run {
        plan::show(source, &blueprint, &plan, output)?;
        return Ok(Exit::Done);
    }
    let store = store()?;
    let root = std::env::current_dir().map_err(|error| Failure::new(error.to_string(), "change into a directory"))?;
    if !args.new_run {
        refuse_second(&store, &args.file, &root)?;
    }
    if let Some(exit) = unprepared(&blueprint, &plan, source, &root, &environment, output) {
        return Ok(exit);
    }
    let started = RunStarted {
        run: jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string(),
        blueprint: blueprint.name().to_owned(),
        file: args.file.clone(),
        root: root.display().to_string(),
        digest: digest(source),
        by: user(),
        tasks,
        selection,
        rerun: args.rerun.clone(),
        environment: args.env.clone(),
        jobs: args.jobs,
        fail_fast: args.fail_fast,
    };
    let (_, program) = compile(&blueprint, &started)?;
    let watched = args.shown.watched(&[&args.file], false)?;
    let session = Session::begin(&store, source.text().as_bytes(), started, program)?;
    output.note(&format!("run {} of {}\n", session.files.id(), blueprint.name()));
    output.note(&left_alone(&blueprint, &plan));
    // What is misspelt does nothing, and a run is where that is missed.
    for unknown in diagnostics.iter().filter(|one| one.code == Code::UnknownKey).take(3) {
        let line = unknown.span.map_or(1, |span| source.position(span.start).line);
        output.note(&format!("warning: line {line}: {}: outpost-bp check {}\n", one_line(&unknown.message), args.file));
    }
    drive(session, &store, &blueprint, source, environment, watched, output)
}

/// What the document says and this run does not do, each in a line.
fn left_alone(blueprint: &Blueprint<'_>, plan: &Plan) -> String {
    let mut text = String::new();
    let done: Vec<TaskIndex> =
        plan.order.iter().copied().filter(|index| plan.schedule.wave(*index).is_none()).collect();
    if !done.is_empty() {
        text += &format!("the document calls {} complete or skipped: not run without --rerun\n", ids(blueprint, &done));
    }
    let running = |has: &dyn Fn(&Task<'_>) -> bool| -> Vec<TaskIndex> {
        plan.running().filter(|index| has(blueprint.task(*index))).collect()
    };
    let fallback = running(&|task| task.on_failure.as_ref().is_some_and(|failure| failure.fallback.is_some()));
    let success = running(&|task| task.on_success().is_some());
    let notify = running(&|task| task.gate.as_ref().is_some_and(|gate| gate.notify.is_some()));
    let cleanup = running(&|task| task.output.as_ref().is_some_and(|output| output.cleanup.is_some()));
    let handoff = running(&|task| task.handoff.is_some());
    let words = [
        ("on_failure.fallback_task", fallback),
        ("on_success", success),
        ("human_required.notify", notify),
        ("output.cleanup", cleanup),
        ("handoff", handoff),
    ];
    for (word, tasks) in words.iter().filter(|(_, tasks)| !tasks.is_empty()) {
        text += &format!("this version does not carry out `{word}` ({})\n", ids(blueprint, tasks));
    }
    text
}

/// The first of some tasks.
fn ids(blueprint: &Blueprint<'_>, tasks: &[TaskIndex]) -> String {
    const MOST: usize = 5;
    let mut ids: Vec<&str> = tasks.iter().take(MOST).map(|index| blueprint.task(*index).id.as_str()).collect();
    let more = format!("and {} more", tasks.len().saturating_sub(MOST));
    if tasks.len() > MOST {
        ids.push(&more);
    }
    ids.join(", ")
}

/// Drives a session with everything that watches it.
pub(super) fn drive(
    session: Session,
    store: &Store,
    blueprint: &Blueprint<'_>,
    source: &Source,
    environment: Vec<(String, String)>,
    watched: Watched,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let id = session.files.id().to_owned();
    let mut screen = Screen::new(output, blueprint, source, watched.events);
    let driving = Driving {
        store,
        blueprint,
        source,
        environment,
        capabilities: capabilities(blueprint),
        watcher: &mut screen,
        patient: watched.wait,
    };
    let driven = session.drive(driving);
    let output = screen.finish();
    let (outlook, run) = driven?;
    let end = match outlook {
        Outlook::Ended(ending) => End::Over(ending),
        Outlook::Waiting => End::Waiting,
        Outlook::Interrupted(_) => End::Interrupted,
    };
    let said = summary(&run, blueprint, &id, end);
    output.note(&said);
    if output.in_github_actions {
        step_summary(&run, blueprint, &said);
    }
    Ok(Exit::of(outlook, &run))
}

/// Drives a run that only has to be ended.
pub(super) fn drive_to_end(store: &Store, files: RunFiles, note: &Path, output: &mut Output) -> Result<(), Failure> {
    let opened = Session::open(files)?;
    refuse_over(&opened.history, opened.files().id()).inspect_err(|_| {
        // It came too late, and nobody else takes it away.
        let _ = std::fs::remove_file(note);
    })?;
    let source = opened.history.document(opened.files())?;
    let session = opened.into_session(&source, user())?;
    let blueprint = history::blueprint(&source)?;
    let watched = Watched { wait: false, events: None };
    drive(session, store, &blueprint, &source, Vec::new(), watched, output)?;
    Ok(())
}

/// The latest run of the same document would be forgotten if it is not over.
fn refuse_second(store: &Store, file: &str, root: &Path) -> Result<(), Failure> {
    let is_this = |started: &RunStarted| started.file == file && Path::new(&started.root) == root;
    // A run that cannot be read hinders nobody.
    let read = |files: RunFiles| History::read(&files).ok().map(|history| (files, history));
    let mut runs = store.runs().unwrap_or_default().into_iter().rev().filter_map(read);
    let Some((last, history)) = runs.find(|(_, history)| history.started().is_ok_and(is_this)) else {
        return Ok(());
    };
    if ending(&history).is_some() {
        return Ok(());
    }
    let id = last.id();
    Err(match &history.held_by {
        Some(holder) => Failure::new(
            format!("the run `{id}` of `{file}` is driven by {holder}"),
            "watch it with `outpost-bp status --watch`, or begin another with `--new-run`",
        ),
        None => Failure::new(
            format!("the run `{id}` of `{file}` is not over"),
            format!(
                "go on with `outpost-bp resume {id}`, end it with `outpost-bp cancel {id}`, or begin another with `--new-run`"
            ),
        ),
    })
}

pub(super) fn planned(blueprint: &Blueprint<'_>, selection: &[String], rerun: &[String]) -> Result<Plan, Failure> {
    let plan = Plan::again(blueprint, selection, rerun).map_err(|error| {
        Failure::new(error.to_string(), "a selection is an id, `T1.*`, `tier:1`, `status:…`, `+T1.1` or `T1.1+`")
    })?;
    if plan.missing.is_empty() {
        return Ok(plan);
    }
    let ids: Vec<&str> = plan.missing.iter().map(|index| blueprint.task(*index).id.as_str()).collect();
    Err(Failure::new(
        format!("the selected tasks wait for {}, which are not selected and not complete", ids.join(", ")),
        "select with `+TASK` to run what a task waits for as well",
    ))
}

/// The variables of an environment of the document.
pub(super) fn environment(blueprint: &Blueprint<'_>, name: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let environments = &blueprint.execution.environments;
    match environments.iter().find(|environment| environment.name.as_str() == name) {
        Some(found) => Ok(found.variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()),
        None => {
            let names: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
            let hint = if names.is_empty() {
                "the document has no `execution.environments`".to_owned()
            } else {
                format!("the document has {}", names.join(", "))
            };
            Err(Failure::new(format!("there is no environment `{name}`"), hint))
        }
    }
}

/// Says everything that keeps the planned tasks from being run here, all of it at once.
pub(super) fn unprepared(
    blueprint: &Blueprint<'_>,
    plan: &Plan,
    source: &Source,
    root: &Path,
    environment: &[(String, String)],
    output: &mut Output,
) -> Option<Exit> {
    let mut missing = missing(blueprint, plan, source);
    missing.extend(preflight::check(blueprint, root, environment));
    if missing.is_empty() {
        return None;
    }
    output.note(&format!("error: `{}` cannot be run here\n", source.name()));
    for line in missing {
        output.note(&format!("  {line}\n"));
    }
    output.note("hint: nothing was started; put right what is listed, and run it again\n");
    Some(Exit::Unprepared)
}

fn missing(blueprint: &Blueprint<'_>, plan: &Plan, source: &Source) -> Vec<String> {
    let needs = Needs::probe(blueprint, plan, source);
    let mut missing = Vec::new();
    for need in &needs.capabilities {
        let what = match &need.here {
            Outcome::Missing => "is not here".to_owned(),
            Outcome::Unfit(version) => format!("is required, and {version} is here"),
            Outcome::Present(_) | Outcome::Unclear => continue,
        };
        missing.push(format!("E_CAPABILITY_MISSING: `{}` {what} ({})", need.name, ids(blueprint, &need.tasks)));
    }
    for need in needs.executors.iter().filter(|need| !matches!(need.name, "shell" | "manual")) {
        missing.push(format!(
            "E_CAPABILITY_MISSING: the executor `{}` is not in this version ({})",
            need.name,
            ids(blueprint, &need.tasks)
        ));
    }
    for need in &needs.secrets {
        missing.push(format!(
            "E_SECRET_MISSING: `{}`: this version resolves no secrets ({})",
            need.name,
            ids(blueprint, &need.tasks)
        ));
    }
    let network = plan.running().filter(|index| {
        blueprint.task(*index).output.as_ref().is_some_and(|output| output.location == Transfer::Network)
    });
    for index in network {
        missing.push(format!(
            "`{}` leaves its output in the network, which this version does not do",
            blueprint.task(index).id
        ));
    }
    missing
}

/// The tools of the document that are here, for conditions: their version, or `true`.
fn capabilities(blueprint: &Blueprint<'_>) -> Value {
    if blueprint.tasks.iter().all(|task| task.when().is_none()) {
        return Value::Object(Map::new());
    }
    let mut tools: BTreeMap<&str, Requirement<'_>> = BTreeMap::new();
    for needed in blueprint.tasks.iter().flat_map(|task| task.capabilities.iter()) {
        let requirement = needed.requirement();
        tools.insert(requirement.name, requirement);
    }
    let requirements: Vec<Requirement<'_>> = tools.values().copied().collect();
    let found = capability::probe(&requirements, &std::env::var_os("PATH").unwrap_or_default());
    let present = tools.keys().zip(found).filter(|(_, outcome)| outcome.suffices()).map(|(name, outcome)| {
        let version = match outcome {
            Outcome::Present(Some(version)) => Value::String(version.to_string()),
            _ => Value::Bool(true),
        };
        ((*name).to_owned(), version)
    });
    Value::Object(present.collect())
}
