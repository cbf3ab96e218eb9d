//! `outpost-bp run`: from a document to a run, driven to its end or to where a person is needed.

use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::check::valid;
use super::complete;
use super::hired::way_home;
use super::kept::{store, user, whereabouts};
use super::load::load;
use super::observe::{self, Asked, ObserveArgs, Observers, is_document};
use super::prepare::{Prepared, environment, left_alone, planned, prepared};
use super::report::as_markdown;
use super::resume::refuse_over;
use super::screen::{self, Screen, step_summary};
use super::secrets::{Wanted, found};
use super::{Exit, Failure, Output, plan, rollback};
use crate::blueprint::model::RollbackMode;
use crate::blueprint::{Blueprint, digest};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Source;
use crate::engine::driver::{Outlook, Watcher};
use crate::engine::glance::{Glance, begun};
use crate::engine::history::{self, compile};
use crate::engine::session::{Driving, Session};
use crate::engine::store::{RunFiles, Store};
use crate::plan::Plan;
use crate::report::summary::{End, summary};
use crate::report::table::one_line;
use crate::run::RunStarted;
use crate::telemetry::Watchers;

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
    #[command(flatten)]
    observe: ObserveArgs,
}

impl Shown {
    /// Before anything begins: what cannot be written is wrong usage.
    /// Nobody means `document`; `happened` are the events of earlier runners, to which these are added.
    pub(super) fn watched(&self, document: Option<&Path>, happened: usize) -> Result<Watched, Failure> {
        let path = if self.json { Some("-") } else { self.events.as_deref() };
        if let Some(path) = path.filter(|path| is_document(Path::new(path), document)) {
            return Err(Failure::new(
                format!("`{path}` is the blueprint: events would replace it"),
                "name another file for `--events`",
            ));
        }
        let asked = self.observe.asked(document, path == Some("-"))?;
        Ok(Watched {
            wait: self.wait,
            events: path.map(|path| screen::events(path, happened as u64)).transpose()?,
            asked,
        })
    }

    /// By whom a second session of this process is watched. Events go on where the first one left them: to open a
    /// pipe again could wait for a reader for ever.
    pub(super) fn again(&self, document: Option<&Path>, first: Watched) -> Result<Watched, Failure> {
        let takes_stdout = self.json || self.events.as_deref() == Some("-");
        Ok(Watched { asked: self.observe.asked(document, takes_stdout)?, ..first })
    }
}

/// How a run is driven, and who hears of it.
pub(super) struct Watched {
    wait: bool,
    events: Option<screen::Events>,
    asked: Asked,
}

impl Watched {
    /// By the terminal alone.
    pub(super) fn quiet() -> Self {
        Self { wait: false, events: None, asked: Asked::default() }
    }
}

pub(super) fn run(args: &RunArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let source = &loaded.source;
    let (blueprint, diagnostics) = valid(&loaded, "is not run", output)?;
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
    let prepared = match prepared(&blueprint, &plan, source, &root, &environment, output) {
        Ok(prepared) => prepared,
        Err(exit) => return Ok(exit),
    };
    let started = RunStarted {
        run: jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string(),
        blueprint: blueprint.name().to_owned(),
        file: args.file.clone(),
        root: root.display().to_string(),
        digest: digest(source),
        by: user(),
        tasks: blueprint.tasks.len(),
        selection,
        rerun: args.rerun.clone(),
        environment: args.env.clone(),
        jobs: args.jobs,
        fail_fast: args.fail_fast,
        traceparent: observe::traceparent(),
    };
    let (_, program) = compile(&blueprint, &started)?;
    let watched = args.shown.watched(whereabouts(&started).as_deref(), 0)?;
    let session = Session::begin(&store, source.text().as_bytes(), started, program)?;
    output.note(&heading(session.files.id(), &blueprint, &plan, source, &diagnostics));
    let setting = Setting { blueprint: &blueprint, source, environment, prepared };
    drive_and_offer(session, &store, setting, (&args.shown, watched), output)
}

/// What is said when a run begins.
pub(super) fn heading(
    id: &str,
    blueprint: &Blueprint<'_>,
    plan: &Plan,
    source: &Source,
    diagnostics: &[Diagnostic],
) -> String {
    let mut text = format!("run {id} of {}\n{}", blueprint.name(), left_alone(blueprint, plan));
    // What is misspelt does nothing, and a run is where that is missed.
    for unknown in diagnostics.iter().filter(|one| one.code == Code::UnknownKey).take(3) {
        let line = unknown.span.map_or(1, |span| source.position(span.start).line);
        text += &format!("warning: line {line}: {}: outpost-bp check {}\n", one_line(&unknown.message), source.name());
    }
    text
}

/// Drives a session; if it fails, asks whether what it did is to be undone, where the document does not say
/// otherwise and somebody is there.
pub(super) fn drive_and_offer(
    session: Session,
    store: &Store,
    setting: Setting<'_>,
    (shown, mut watched): (&Shown, Watched),
    output: &mut Output,
) -> Result<Exit, Failure> {
    let asks = matches!(setting.blueprint.execution.rollback, None | Some(RollbackMode::Ask));
    let id = session.files.id().to_owned();
    let secrets = setting.prepared.secrets.clone();
    let exit = drive(session, store, setting, &mut watched, output)?;
    if asks && matches!(exit, Exit::Failed | Exit::Locked) {
        let files = store.find(Some(&id))?;
        return Ok(rollback::offer(store, files, secrets, (shown, watched), output)?.unwrap_or(exit));
    }
    Ok(exit)
}

/// What a run is driven with.
pub(super) struct Setting<'a> {
    pub(super) blueprint: &'a Blueprint<'a>,
    pub(super) source: &'a Source,
    pub(super) environment: Vec<(String, String)>,
    pub(super) prepared: Prepared,
}

/// Drives a session with everything that watches it.
pub(super) fn drive(
    mut session: Session,
    store: &Store,
    setting: Setting<'_>,
    watched: &mut Watched,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Setting { blueprint, source, environment, prepared: Prepared { capabilities, secrets } } = setting;
    let id = session.files.id().to_owned();
    let mut observers = Observers::of(&mut session, blueprint, std::mem::take(&mut watched.asked), output);
    let trail = observers.trail;
    let mut screen = Screen::new(output, blueprint, source, watched.events.take(), observers.share_terminal);
    let mut watchers: Vec<&mut dyn Watcher> = vec![&mut screen];
    watchers.extend(observers.watchers());
    let (watcher, patient) = (&mut Watchers(watchers), watched.wait);
    let driving = Driving { store, blueprint, source, environment, secrets, capabilities, watcher, patient, trail };
    let driven = session.drive(driving);
    let (output, events) = screen.finish();
    watched.events = events;
    observers.end(driven.as_ref().map(|(outlook, run)| (*outlook, run)), output);
    let (outlook, run) = driven?;
    let end = match outlook {
        Outlook::Ended(ending) => End::Over(ending),
        Outlook::Waiting => End::Waiting,
        Outlook::Interrupted(_) => End::Interrupted,
    };
    let said = summary(&run, blueprint, &id, end);
    output.note(&said);
    if let Some(way) = way_home(&run, blueprint, &id) {
        output.note(&way);
    }
    if output.in_github_actions {
        // A summary that cannot be made is no reason to fail the step.
        if let Ok(files) = store.find(Some(&id))
            && let Ok(text) = as_markdown(store, &files)
        {
            step_summary(&text);
        }
    }
    Ok(Exit::of(outlook, &run))
}

/// Drives a run that only has to be ended.
pub(super) fn drive_to_end(store: &Store, files: RunFiles, note: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let opened = Session::open(files)?;
    refuse_over(&opened.history.glance, opened.files().id()).inspect_err(|_| {
        // It came too late, and nobody else takes it away.
        let _ = std::fs::remove_file(note);
    })?;
    let source = opened.history.glance.document(opened.files())?;
    let blueprint = history::blueprint(&source)?;
    let started = opened.history.glance.started()?.clone();
    let (plan, program) = compile(&blueprint, &started)?;
    let session = opened.into_session(program, user())?;
    let environment = environment(&blueprint, started.environment.as_deref())?;
    // Nothing begins but its hooks. What tasks left when they were interrupted may hold whatever they knew.
    let wanted = Wanted::of(&blueprint, &plan, &environment);
    let secrets = found(&blueprint, &wanted, Path::new(&started.root), output)?;
    let prepared = Prepared { secrets, ..Prepared::default() };
    let setting = Setting { blueprint: &blueprint, source: &source, environment, prepared };
    drive(session, store, setting, &mut Watched::quiet(), output)
}

/// The latest run of the same document would be forgotten if it is not over.
fn refuse_second(store: &Store, file: &str, root: &Path) -> Result<(), Failure> {
    let is_this =
        |files: &RunFiles| begun(files).is_ok_and(|started| started.file == file && Path::new(&started.root) == root);
    // A run that cannot be read hinders nobody.
    let read = |files: RunFiles| Some(files).filter(is_this).and_then(|files| Some((Glance::at(&files).ok()?, files)));
    let mut runs = store.runs().unwrap_or_default().into_iter().rev().filter_map(read);
    let Some((glance, last)) = runs.next().filter(|(glance, _)| glance.ending.is_none()) else {
        return Ok(());
    };
    let id = last.id();
    Err(match &glance.held_by {
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
