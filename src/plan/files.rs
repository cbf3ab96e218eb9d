//! Two tasks that may run at once must not write the same file.

use std::collections::HashMap;

use super::Dag;
use crate::blueprint::{Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Pairs looked at before the search is given up: each may cost a walk through the graph.
const MOST_PAIRS: usize = 2_000;

pub fn check_files(draft: &Draft<'_>, dag: &Dag) -> Vec<Diagnostic> {
    if dag.order().is_empty() {
        return Vec::new();
    }
    let mut writers: HashMap<&str, Vec<(TaskIndex, Span)>> = HashMap::new();
    for &index in dag.order() {
        let task = draft.task(index);
        for file in task.files_to_create.iter().chain(&task.files_to_modify) {
            let tasks = writers.entry(file.trim_start_matches("./")).or_default();
            if tasks.last().is_none_or(|(last, _)| *last != index) {
                tasks.push((index, file.span));
            }
        }
    }
    let mut shared: Vec<_> = writers.into_iter().filter(|(_, tasks)| tasks.len() > 1).collect();
    shared.sort_unstable_by_key(|(_, tasks)| tasks[0].1);
    let mut problems = Vec::new();
    let pairs = shared.iter().flat_map(|(file, tasks)| tasks.windows(2).map(move |pair| (*file, pair[0], pair[1])));
    for (file, first, second) in pairs.take(MOST_PAIRS) {
        if dag.reaches(second.0, first.0) || draft.excludes(first.0, second.0) {
            continue;
        }
        let id = &draft.task(second.0).id;
        problems.push(
            Diagnostic::new(
                Code::SharedFile,
                second.1,
                format!("`{id}` and `{}` may run at once and both write `{file}`", draft.task(first.0).id),
            )
            .label("written here")
            .related(first.1, "and here")
            .help("let one depend on the other, or give both the same exclusive lock")
            .task(id),
        );
    }
    problems
}
