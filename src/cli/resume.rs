//! `outpost-bp resume`: a run that waits, was interrupted or failed, driven on.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::check::diagnose;
use super::decide::{Word, leave_word};
use super::kept::{store, user};
use super::load::{Loaded, load};
use super::run::{Shown, drive, environment, planned, unprepared};
use super::{Exit, Failure, Output, complete};
use crate::blueprint::{Blueprint, digest, task_digest};
use crate::document::Source;
use crate::engine::error::Broken;
use crate::engine::history::{History, blueprint, compile};
use crate::engine::inbox::{self, Note};
use crate::engine::session::Session;
use crate::engine::store::{RunFiles, Store};
use crate::journal::holder;
use crate::plan::Plan;
use crate::run::{Ending, Event, RunStarted};

#[derive(Args, Debug)]
pub(super) struct ResumeArgs {
    /// How the run's id begins; the latest run that is not over without it
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

pub(super) fn run(args: &ResumeArgs, output: &mut Output) -> Result<Exit, Failure> {
    let watched = args.shown.watched()?;
    let store = store()?;
    let files = open_run(&store, args.run.as_deref())?;
    if let Some(holder) = holder(files.folder()).map_err(Broken::from)? {
        return Err(Failure::new(
            format!("the run `{}` is driven by {holder}", files.id()),
            "watch it with `outpost-bp status --watch`; decide its gates with `outpost-bp approve`",
        ));
    }
    let by = user();
    for task in &args.approve {
        leave_word(&files, &Word { task, approved: true, by: &by, comment: "", set: &[], digest: None })?;
    }
    let opened = Session::open(files)?;
    if opened.torn.is_some() {
        output.note("the last record of the journal was cut short and is gone; no other is lost\n");
    }
    refuse_over(&opened.history, opened.files().id())?;
    let kept = opened.history.document(opened.files())?;
    let started = opened.history.started()?.clone();
    let digest_before = opened.history.digest()?.to_owned();
    let edited = document_now(&started).filter(|now| digest(&now.source) != digest_before);
    let mut session = opened.into_session(&kept, by.clone())?;
    let mut source = kept;
    if let Some(now) = edited {
        let edit = Edit::between(&source, &now)?;
        if !args.accept_edit {
            output.note(&edit.told());
            return Err(Failure {
                exit: Exit::Changed,
                ..Failure::new(
                    format!("`{}` was changed since the run `{}` began", started.file, session.files.id()),
                    "go on with `resume --accept-edit`, or put the old text back; `outpost-bp run --new-run` begins anew",
                )
            });
        }
        let program = compile(&blueprint(&now.source)?, &started)?.1;
        session.accept_edit(now.source.text().as_bytes(), &digest(&now.source), program, &edit.again)?;
        source = now.source;
    }
    let blueprint = blueprint(&source)?;
    let plan = planned(&blueprint, &started.selection, &started.rerun)?;
    let environment = environment(&blueprint, started.environment.as_deref())?;
    let root = Path::new(&started.root);
    if let Some(exit) = unprepared(&blueprint, &plan, &source, root, &environment, output) {
        return Ok(exit);
    }
    for task in &args.rerun {
        if blueprint.tasks.iter().all(|known| known.id.value != *task) {
            return Err(Failure::new(format!("the run has no task `{task}`"), "`outpost-bp status` lists them"));
        }
        // Only once the driver has looked is it known which tasks are unknown.
        let note = Note::Again { task: task.clone(), by: by.clone() };
        inbox::leave(&session.files.inbox(), &note).map_err(|error| Broken::Io("the run's inbox".to_owned(), error))?;
    }
    output.note(&format!("run {} of {} goes on\n", session.files.id(), blueprint.name()));
    drive(session, &store, &blueprint, &source, environment, watched, output)
}

/// The document as it lies where the run found it, wherever this is called from. One that came through a pipe
/// or is gone was not edited: the run has its copy.
fn document_now(started: &RunStarted) -> Option<Loaded> {
    if started.file == "-" {
        return None;
    }
    let root = Path::new(&started.root);
    let is_here = std::env::current_dir().is_ok_and(|here| here == root);
    let path = if is_here { PathBuf::from(&started.file) } else { root.join(&started.file) };
    load(path.to_str()?).ok()
}

/// The run that is meant: the one named, the latest, or, when that is over, the only one that is not.
pub(super) fn open_run(store: &Store, beginning: Option<&str>) -> Result<RunFiles, Failure> {
    let meant = store.find(beginning)?;
    let is_open =
        |files: &RunFiles| History::read(files).is_ok_and(|history| !is_over(&history) && history.started().is_ok());
    if beginning.is_some() || is_open(&meant) {
        return Ok(meant);
    }
    let mut open: Vec<RunFiles> = store.runs().unwrap_or_default().into_iter().filter(is_open).collect();
    match (open.pop(), open.is_empty()) {
        (None, _) => Ok(meant),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let ids: Vec<&str> = open.iter().chain([&last]).map(RunFiles::id).collect();
            Err(Failure::new(format!("several runs are not over: {}", ids.join(", ")), "name one of them"))
        }
    }
}

/// How the run ended, if it did and nobody took it up since.
pub(super) fn ending(history: &History) -> Option<Ending> {
    history.events.iter().rev().find_map(|(_, event)| match event {
        Event::RunEnded { state } => Some(Some(*state)),
        Event::RunnerTookOver { .. } => Some(None),
        _ => None,
    })?
}

/// A run that failed may be mended and resumed; all other ends are final.
fn is_over(history: &History) -> bool {
    ending(history).is_some_and(|ending| ending != Ending::Failed)
}

fn refuse_over(history: &History, id: &str) -> Result<(), Failure> {
    let word = match ending(history) {
        None | Some(Ending::Failed) => return Ok(()),
        Some(Ending::Done) => "done",
        Some(Ending::Rejected) => "ended by a gate",
        Some(Ending::Cancelled) => "cancelled",
    };
    Err(Failure::new(format!("the run `{id}` is over: {word}"), "begin another with `outpost-bp run`"))
}

/// What an edit of the document means for a run.
struct Edit {
    changed: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    /// Changed and new tasks, and all that need them.
    again: Vec<String>,
}

impl Edit {
    fn between(old: &Source, new: &Loaded) -> Result<Self, Failure> {
        let before = blueprint(old)?;
        let after = diagnose(new, false).into_blueprint().0.ok_or_else(|| {
            Failure::new(
                format!("`{}` was edited and has errors now", new.source.name()),
                format!("`outpost-bp check {}` shows them", new.source.name()),
            )
        })?;
        let digests = |source: &Source, document: &Blueprint<'_>| -> HashMap<String, String> {
            document.tasks.iter().map(|task| (task.id.to_string(), task_digest(source, task))).collect()
        };
        let (known, now) = (digests(old, &before), digests(&new.source, &after));
        let ids = |document: &Blueprint<'_>, is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = document.tasks.iter().map(|task| task.id.as_str());
            ids.filter(|id| is_meant(id)).map(str::to_owned).collect()
        };
        let changed = ids(&after, &|id| known.get(id).is_some_and(|digest| now.get(id) != Some(digest)));
        let added = ids(&after, &|id| !known.contains_key(id));
        let removed = ids(&before, &|id| !now.contains_key(id));
        let plan = Plan::of(&after, &[]).map_err(|error| Failure::new(error.to_string(), "run `outpost-bp check`"))?;
        let own: HashSet<&str> = changed.iter().chain(&added).map(String::as_str).collect();
        let mut dirty = vec![false; after.tasks.len()];
        for &index in &plan.order {
            let own = own.contains(after.task(index).id.as_str());
            let inherited = plan.dag.waits_for(index).iter().any(|(need, _)| dirty[need.get()]);
            dirty[index.get()] = own || inherited;
        }
        let again = after.indices().filter(|index| dirty[index.get()]).map(|index| after.task(index).id.to_string());
        let again = again.collect();
        Ok(Self { changed, added, removed, again })
    }

    fn told(&self) -> String {
        let mut text = String::from("the document is not what the run began with:\n");
        for (word, ids) in [("changed", &self.changed), ("new", &self.added), ("gone", &self.removed)] {
            if !ids.is_empty() {
                text += &format!("  {word}: {}\n", ids.join(", "));
            }
        }
        if self.again.is_empty() {
            text += "  no task would run again\n";
        } else {
            text += &format!("  would run again: {}\n", self.again.join(", "));
        }
        text
    }
}
