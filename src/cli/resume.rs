//! `outpost-bp resume`: a run that waits, was interrupted or failed, driven on.

use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::check::diagnose;
use super::decide::{Word, leave_word};
use super::edit::Edit;
use super::kept::{meant, runs_of, store, user, whereabouts};
use super::load::{Loaded, load};
use super::prepare::{environment, planned, prepared};
use super::run::{Setting, Shown, drive_and_offer};
use super::{Exit, Failure, Output, complete};
use crate::blueprint::digest;
use crate::document::Source;
use crate::engine::error::Broken;
use crate::engine::glance::Glance;
use crate::engine::history::{self, blueprint, compile};
use crate::engine::inbox::{self, Note};
use crate::engine::session::{Opened, Session};
use crate::engine::store::{RunFiles, Store};
use crate::journal::holder;
use crate::run::{Ending, Phase, RunStarted};

#[derive(Args, Debug)]
pub(super) struct ResumeArgs {
    /// How the run's id begins, or its document; the latest run that is not over without it
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Approve this gate first
    #[arg(long, value_name = "TASK", add = ArgValueCandidates::new(complete::gates))]
    approve: Vec<String>,
    /// Start these tasks again although nobody knows what their last attempt did
    #[arg(long, value_name = "TASK")]
    rerun: Vec<String>,
    /// Go on with the document as it is now; what changed, and what needs it, runs again
    #[arg(long)]
    accept_edit: bool,
    #[command(flatten)]
    shown: Shown,
}

impl ResumeArgs {
    /// Whether nothing is asked for but to go on.
    fn has_no_orders(&self) -> bool {
        self.approve.is_empty() && self.rerun.is_empty() && !self.accept_edit
    }
}

pub(super) fn run(args: &ResumeArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let files = open_run(&store, args.run.as_deref())?;
    if let Some(holder) = holder(files.folder()).map_err(Broken::from)? {
        return Err(Failure::new(
            format!("the run `{}` is driven by {holder}", files.id()),
            "watch it with `outpost-bp status --watch`; decide its gates with `outpost-bp approve`",
        ));
    }
    if args.has_no_orders() && is_done(&files)? {
        return Ok(nothing_to_do(files.id(), output));
    }
    let by = user();
    for task in &args.approve {
        leave_word(&files, &Word { task, approved: true, by: &by, comment: "", set: &[], digest: None })?;
    }
    let opened = Session::open(files)?;
    if opened.torn.is_some() {
        output.note("the last record of the journal was cut short and is gone; no other is lost\n");
    }
    if args.has_no_orders() && opened.history.glance.ending == Some(Ending::Done) {
        return Ok(nothing_to_do(opened.files().id(), output));
    }
    refuse_over(&opened.history.glance, opened.files().id())?;
    let glance = &opened.history.glance;
    let kept = glance.document(opened.files())?;
    let started = glance.started()?.clone();
    let digest_before = glance.digest()?.to_owned();
    // What is being undone was done by the document that the run has.
    let is_edited = |now: &Loaded| !glance.is_rolling_back && digest(&now.source) != digest_before;
    let edited = document_now(&started).filter(is_edited);
    let edit = edited.as_ref().map(|now| edit(&opened, &kept, now)).transpose()?.flatten();
    let edited = edited.filter(|_| edit.is_some());
    if let Some(edit) = edit.as_ref().filter(|_| !args.accept_edit) {
        output.note(&edit.told());
        return Err(Failure {
            exit: Exit::Changed,
            ..Failure::new(
                format!("`{}` was changed since the run `{}` began", started.file, opened.files().id()),
                "go on with `resume --accept-edit`, or put the old text back; `outpost-bp run --new-run` begins anew",
            )
        });
    }
    // All that may be refused is refused before anything is written down.
    let source = edited.as_ref().map_or(&kept, |now| &now.source);
    let blueprint = blueprint(source)?;
    let plan = planned(&blueprint, &started.selection, &started.rerun).map_err(|failure| match edit {
        Some(_) => Failure {
            hint: "the edit takes away or needs more than this run selected; `outpost-bp run --new-run` begins anew"
                .into(),
            ..failure
        },
        None => failure,
    })?;
    let environment = environment(&blueprint, started.environment.as_deref())?;
    let root = Path::new(&started.root);
    let prepared = match prepared(&blueprint, &plan, source, root, &environment, output) {
        Ok(prepared) => prepared,
        Err(exit) => return Ok(exit),
    };
    if let Some(task) = args.rerun.iter().find(|task| blueprint.tasks.iter().all(|known| known.id.as_str() != *task)) {
        return Err(Failure::new(format!("the run has no task `{task}`"), "`outpost-bp status` lists them"));
    }
    let watched = args.shown.watched(whereabouts(&started).as_deref(), opened.history.events.len())?;
    let (_, program) = compile(&blueprint, &started)?;
    let (before, after) = match edit {
        Some(_) => (compile(&history::blueprint(&kept)?, &started)?.1, Some(program)),
        None => (program, None),
    };
    let mut session = opened.into_session(before, by.clone())?;
    if let (Some(edit), Some(program)) = (&edit, after) {
        session.accept_edit(source.text().as_bytes(), &digest(source), program, &edit.again)?;
    }
    // A task that was blocked starts again with every `resume`.
    let is_ordered =
        |task: &str| session.run.find(task).is_some_and(|index| session.run.task(index).phase == Phase::Waiting);
    for task in args.rerun.iter().filter(|task| !is_ordered(task)) {
        // Only once the driver has looked is it known which tasks are unknown.
        let note = Note::Again { task: task.clone(), by: by.clone() };
        inbox::leave(&session.files.inbox(), &note).map_err(|error| Broken::Io("the run's inbox".to_owned(), error))?;
    }
    output.note(&format!("run {} of {} goes on\n", session.files.id(), blueprint.name()));
    let setting = Setting { blueprint: &blueprint, source, environment, prepared };
    drive_and_offer(session, &store, setting, (&args.shown, watched), output)
}

fn nothing_to_do(id: &str, output: &mut Output) -> Exit {
    output.note(&format!("nothing to do: the run {id} is done; begin another with `outpost-bp run`\n"));
    Exit::Done
}

/// Whether a run has nothing left to do. Where something stands behind its last record, who opens it sees what that is.
fn is_done(files: &RunFiles) -> Result<bool, Failure> {
    let glance = Glance::at(files)?;
    Ok(glance.ending == Some(Ending::Done) && !glance.is_torn)
}

/// What the document says otherwise now than the run and its copy.
fn edit(opened: &Opened, kept: &Source, now: &Loaded) -> Result<Option<Edit>, Failure> {
    let started = opened.history.glance.started()?;
    let before = blueprint(kept)?;
    let run = opened.history.replay(opened.files(), compile(&before, started)?.1)?;
    let after = diagnose(now, false).into_blueprint().0.ok_or_else(|| {
        let name = now.source.name();
        let message = format!("`{name}` was edited and has errors now");
        Failure::new(message, format!("`outpost-bp check {name}` shows them"))
    })?;
    Ok(Edit::between((kept, &before), (&now.source, &after), started, &run))
}

/// The document as it lies where the run found it. One that came through a pipe or is gone was not edited: the run
/// has its copy.
fn document_now(started: &RunStarted) -> Option<Loaded> {
    load(whereabouts(started)?.to_str()?).ok()
}

/// The run that is meant: the one named, the latest of the document named, or the latest; where a run is not over,
/// rather that one.
pub(super) fn open_run(store: &Store, word: Option<&str>) -> Result<RunFiles, Failure> {
    let meant = meant(store, word)?;
    let is_named = word.is_some_and(|word| meant.id().starts_with(word));
    if is_named || is_open(&meant) {
        return Ok(meant);
    }
    let others = word.map_or_else(|| store.runs().unwrap_or_default(), |path| runs_of(store, path));
    let mut open: Vec<RunFiles> =
        others.into_iter().filter(|other| other.id() != meant.id() && is_open(other)).collect();
    match (open.pop(), open.is_empty()) {
        (None, _) => Ok(meant),
        (Some(last), only) if only || word.is_some() => Ok(last),
        (Some(last), _) => {
            let ids: Vec<&str> = open.iter().chain([&last]).map(RunFiles::id).collect();
            Err(Failure::new(format!("several runs are not over: {}", ids.join(", ")), "name one of them"))
        }
    }
}

/// One that cannot be read is not.
fn is_open(files: &RunFiles) -> bool {
    // A run that failed may be mended and resumed; all other ends are final.
    Glance::at(files)
        .is_ok_and(|glance| glance.started().is_ok() && matches!(glance.ending, None | Some(Ending::Failed)))
}

pub(super) fn refuse_over(glance: &Glance, id: &str) -> Result<(), Failure> {
    let word = match glance.ending {
        None | Some(Ending::Failed) => return Ok(()),
        Some(Ending::Done) => "done",
        Some(Ending::Rejected) => "ended by a gate",
        Some(Ending::Cancelled) => "cancelled",
        Some(Ending::RolledBack) => "rolled back",
        Some(Ending::RollbackFailed) => "rolled back in part: outpost-bp rollback",
    };
    Err(Failure::new(format!("the run `{id}` is over: {word}"), "begin another with `outpost-bp run`"))
}
