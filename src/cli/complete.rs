//! What the shell offers on Tab: files that may be blueprints, and the tasks of the one named.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};

use super::kept::{look, store, whereabouts};
use super::load::load;
use super::resume::open_run;
use crate::blueprint::read;
use crate::diagnostic::Code;
use crate::engine::glance::begun;
use crate::run::Phase;

/// The environment variable by which the shell asks.
pub(super) const ASKED: &str = "COMPLETE";

/// Documents and directories.
pub(super) fn files() -> impl ValueCompleter {
    PathCompleter::any().filter(is_offered).stdio()
}

fn is_offered(path: &Path) -> bool {
    let document = path.extension().is_some_and(|ending| ["md", "yaml", "yml"].iter().any(|known| ending == *known));
    document || path.is_dir()
}

pub(super) fn codes() -> Vec<CompletionCandidate> {
    Code::ALL.iter().map(|code| CompletionCandidate::new(code.number()).help(Some(code.title().into()))).collect()
}

/// Terms of a selection: what goes before an id stays in front of every candidate.
pub(super) fn selection(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let prefix = &current[..current.len() - current.trim_start_matches(['!', '+']).len()];
    let Some(loaded) =
        std::env::args().skip(2).filter(|word| Path::new(word).is_file()).find_map(|path| load(&path).ok())
    else {
        return Vec::new();
    };
    let draft = read(&loaded.source, false).draft;
    let tiers = draft.tiers.iter().filter_map(|tier| Some((format!("tier:{}", tier.number?), tier.title.clone())));
    let tasks = draft.tasks.iter().map(|task| (task.id.to_string(), task.name.to_string()));
    tasks
        .chain(tiers)
        .map(|(term, help)| (format!("{prefix}{term}"), help))
        .filter(|(term, _)| term.starts_with(&*current))
        .map(|(term, help)| CompletionCandidate::new(term).help(Some(help.into())))
        .collect()
}

/// The runs of the project, the latest first, and the documents that they are of.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    let runs = store().ok().and_then(|store| store.runs().ok()).unwrap_or_default();
    let mut candidates = Vec::new();
    let mut documents = BTreeSet::new();
    for files in runs.iter().rev() {
        let started = begun(files).ok();
        let name = started.as_ref().map(|started| started.blueprint.clone());
        candidates.push(CompletionCandidate::new(files.id()).help(name.map(Into::into)));
        documents.extend(started.and_then(|started| whereabouts(&started)).filter(|document| document.is_file()));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let near = |document: PathBuf| document.strip_prefix(&here).map(Path::to_owned).unwrap_or(document);
    candidates.extend(documents.into_iter().map(near).map(CompletionCandidate::new));
    candidates
}

/// Tasks of the latest run.
pub(super) fn tasks() -> Vec<CompletionCandidate> {
    let latest = store().ok().and_then(|store| store.find(None).ok());
    let tasks = latest.and_then(|files| {
        let tasks = look(&files, |kept| {
            let tasks = kept.blueprint.tasks.iter().map(|task| (task.id.to_string(), task.name.to_string()));
            Ok(tasks.collect::<Vec<_>>())
        });
        tasks.ok()
    });
    tasks
        .unwrap_or_default()
        .into_iter()
        .map(|(id, name)| CompletionCandidate::new(id).help(Some(name.into())))
        .collect()
}

/// Tasks of the latest run that wait for a person.
pub(super) fn gates() -> Vec<CompletionCandidate> {
    let open = store().ok().and_then(|store| open_run(&store, None).ok());
    let waiting = open.and_then(|files| {
        let gates = look(&files, |kept| {
            let gates = kept.blueprint.indices().filter(|index| matches!(kept.run.task(*index).phase, Phase::Gate(_)));
            Ok(gates.map(|index| kept.blueprint.task(index).id.to_string()).collect::<Vec<_>>())
        });
        gates.ok()
    });
    waiting.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}
