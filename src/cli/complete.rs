//! What the shell offers on Tab: files that may be blueprints, and the tasks of the one named.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};

use super::load::load;
use crate::blueprint::read;
use crate::diagnostic::Code;

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
