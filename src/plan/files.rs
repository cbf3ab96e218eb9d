//! Two tasks that may run at once must not write the same file.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Dag;
use super::together::Together;
use crate::blueprint::model::{LockMode, Task};
use crate::blueprint::variable::references;
use crate::blueprint::{Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::source::offset;

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
    let held = if shared.is_empty() { Vec::new() } else { held(draft) };
    let mut together = Together::of(dag);
    let mut problems = Vec::new();
    for (file, tasks) in &shared {
        let group: Vec<TaskIndex> = tasks.iter().map(|(index, _)| *index).collect();
        let locks: Vec<&[Held]> = group.iter().map(|index| held[index.get()].as_slice()).collect();
        if held_by_all(&locks) {
            continue;
        }
        let earlier = together.earlier(&group, |a, b| excludes(locks[a], locks[b]));
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

/// A lock of a task, by its place among all names, and whether the task holds it alone.
type Held = (u32, bool);

/// What each task holds, in order of the locks. A lock that is asked for twice is held alone if one
/// of the two says so.
fn held(draft: &Draft<'_>) -> Vec<Vec<Held>> {
    let declared: HashMap<&str, _> = draft.execution.locks.iter().map(|lock| (lock.name.as_str(), lock)).collect();
    let mut names: HashMap<&str, u32> = HashMap::new();
    let tasks = draft.tasks.iter().map(|task| {
        let mut held: Vec<Held> = Vec::new();
        for request in task.locks() {
            let next = offset(names.len());
            let lock = *names.entry(&request.name).or_insert(next);
            let mode = declared.get(request.name.as_str()).map(|lock| lock.mode_of(request)).unwrap_or_default();
            held.push((lock, mode == LockMode::Exclusive));
        }
        // Alone first: it is what stays of a lock that is asked for twice.
        held.sort_unstable_by_key(|(lock, alone)| (*lock, !alone));
        held.dedup_by_key(|(lock, _)| *lock);
        held
    });
    tasks.collect()
}

/// Whether a lock keeps two tasks from running at once.
fn excludes(a: &[Held], b: &[Held]) -> bool {
    a.iter().any(|(lock, alone)| {
        let other = b.binary_search_by_key(lock, |(other, _)| *other);
        other.is_ok_and(|other| *alone || b[other].1)
    })
}

/// Whether every one of the tasks holds one and the same lock alone.
fn held_by_all(locks: &[&[Held]]) -> bool {
    let alone = |held: &[Held], lock: u32| held.binary_search(&(lock, true)).is_ok();
    let Some((first, rest)) = locks.split_first() else {
        return false;
    };
    let mut left: Vec<u32> = first.iter().filter(|(_, alone)| *alone).map(|(lock, _)| *lock).collect();
    for held in rest {
        left.retain(|lock| alone(held, *lock));
    }
    !left.is_empty()
}
