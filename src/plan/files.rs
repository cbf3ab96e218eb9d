//! Two tasks that may run at once must not write the same file.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Dag;
use super::together::Together;
use crate::blueprint::model::{LockMode, Task};
use crate::blueprint::variable::references;
use crate::blueprint::{Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Variables with the same value for all tasks of a run.
const SHARED_VARIABLES: &[&str] = &["blueprint_id", "blueprint_root"];

pub fn check_files(draft: &Draft<'_>, dag: &Dag) -> Vec<Diagnostic> {
    if dag.order().is_empty() {
        return Vec::new();
    }
    let mut writers: HashMap<Cow<'_, str>, Vec<(TaskIndex, Span)>> = HashMap::new();
    for index in draft.indices() {
        let task = draft.task(index);
        for file in task.files_to_create.iter().chain(&task.files_to_modify) {
            let Some(path) = path(task, file) else {
                continue;
            };
            let tasks = writers.entry(path).or_default();
            if tasks.last().is_none_or(|(last, _)| *last != index) {
                tasks.push((index, file.span));
            }
        }
    }
    let mut shared: Vec<_> = writers.into_iter().filter(|(_, tasks)| tasks.len() > 1).collect();
    shared.sort_unstable_by_key(|(_, tasks)| tasks[0].1);
    let mut together = Together::of(dag);
    let mut problems = Vec::new();
    for (file, tasks) in &shared {
        let group: Vec<TaskIndex> = tasks.iter().map(|(index, _)| *index).collect();
        if held_by_all(draft, &group) {
            continue;
        }
        let earlier = together.earlier(&group, |a, b| draft.excludes(a, b));
        for (&(index, place), other) in tasks.iter().zip(earlier) {
            let Some((other, other_place)) = other.map(|other| tasks[other]) else {
                continue;
            };
            let id = &draft.task(index).id;
            problems.push(
                Diagnostic::new(
                    Code::SharedFile,
                    place,
                    format!("`{id}` and `{}` may run at once and both write `{file}`", draft.task(other).id),
                )
                .label("written here")
                .related(other_place, "and here")
                .help("let one depend on the other, or give both the same exclusive lock")
                .task(id),
            );
        }
    }
    problems
}

/// What a path names, as far as the document says: below the task's own directory when it is not
/// absolute, and nothing when it holds a variable that is another one for every task.
fn path<'t>(task: &'t Task<'_>, file: &'t str) -> Option<Cow<'t, str>> {
    if references(file).any(|reference| !SHARED_VARIABLES.contains(&reference.name)) {
        return None;
    }
    let file = file.trim_start_matches("./");
    let directory = task.context.as_ref().and_then(|context| context.working_directory.as_deref());
    Some(match directory.map(|directory| directory.trim_end_matches('/')) {
        Some(directory) if !file.starts_with(['/', '$', '~']) && !matches!(directory, "" | ".") => {
            Cow::Owned(format!("{}/{file}", directory.trim_start_matches("./")))
        }
        _ => Cow::Borrowed(file),
    })
}

/// Whether every one of the tasks holds one and the same lock alone.
fn held_by_all(draft: &Draft<'_>, group: &[TaskIndex]) -> bool {
    let alone = |index: TaskIndex, name: &str| {
        let request = draft.task(index).locks().iter().find(|request| request.name.value == name);
        request.is_some_and(|request| draft.execution.lock_mode(request) == LockMode::Exclusive)
    };
    let first = group.first().map(|first| draft.task(*first).locks()).unwrap_or_default();
    first.iter().any(|request| group.iter().all(|&index| alone(index, &request.name)))
}
