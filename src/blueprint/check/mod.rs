//! What only the whole document can show: references, order, ports, schemas, locks.
//!
//! Each file judges one thing and adds its diagnostics; none stops another.

mod bindings;
mod errands;
mod execution;
mod fallbacks;
mod graph;
mod graph_edits;
mod hands;
mod jq;
pub(super) mod links;
mod notify;
mod quotes;
mod references;
mod remote;
mod schemas;
mod secrets;
mod sites;
mod tasks;

use std::collections::HashMap;

use super::model::Draft;
use super::read::Found;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Source;
use links::Links;

/// Checks a draft, fills in the targets of its references, and answers who needs whom.
pub(super) fn check(found: &mut Found<'_>, source: &Source) -> Links {
    let problems = &mut found.problems;
    references::resolve(&mut found.draft, &found.unreadable, problems);
    let links = Links::of(&found.draft);
    let draft = &found.draft;
    let is_circular = links::check_cycles(draft, &links, problems);
    if !fallbacks::check(draft, problems) && !is_circular {
        fallbacks::check_waits(draft, &links, problems);
    }
    graph::check(draft, &links, &found.unreadable, source, problems);
    tasks::check(draft, problems);
    hands::check(draft, &links, problems);
    schemas::Schemas::default().check_all(draft, problems);
    bindings::check(draft, &mut jq::Expressions::default(), problems);
    if !found.execution_unreadable {
        execution::check(draft, problems);
        notify::check_run(&draft.execution, problems);
    }
    sites::check(draft, !found.execution_unreadable, problems);
    remote::check_storage(draft, problems);
    secrets::check(source, problems);
    quotes::check(draft, problems);
    absent_fields(found);
    // Where a scalar was folded, a place within it is a guess: it is one of whole characters all the same.
    for span in found.problems.iter_mut().filter_map(|problem| problem.span.as_mut()) {
        *span = source.whole(*span);
    }
    links
}

/// Fields that strict 2.0 requires: one diagnostic per field, or under `--strict` per place.
fn absent_fields(found: &mut Found<'_>) {
    let Found { draft, problems, absences, .. } = found;
    let total = draft.tasks.len();
    for absence in absences.iter() {
        let (id, key) = (&draft.tasks[absence.task as usize].id, absence.key);
        let (message, label) = match absence.count {
            1 => (format!("`{id}` has no `{key}`, which strict BSF 2.0 requires"), "belongs here"),
            count => (
                format!("{count} of {total} tasks have no `{key}`, which strict BSF 2.0 requires"),
                "the first of them",
            ),
        };
        problems
            .push(Diagnostic::new(Code::StrictField, absence.at, message).label(label).help(strict_help(key)).task(id));
    }
}

fn strict_help(key: &str) -> String {
    match key {
        "input_bindings" => "add `input_bindings: {}` where a task binds nothing".to_owned(),
        "status" => "add `status: not_started`".to_owned(),
        "dependencies" => "add `dependencies: []` where a task waits for nothing".to_owned(),
        "rollback" => "add the command that undoes the task".to_owned(),
        "verification" => {
            "add a command that fails when the work is not done; until then the exit code of `run` decides".to_owned()
        }
        "output" => "add `output:` with a `location` and `ports` for what other tasks need".to_owned(),
        _ => format!("add `{key}:`"),
    }
}

/// Ids and their places, the first of each.
fn index_of<'d>(draft: &'d Draft<'_>) -> HashMap<&'d str, super::TaskIndex> {
    let mut ids = HashMap::with_capacity(draft.tasks.len());
    for index in draft.indices() {
        ids.entry(&*draft.task(index).id.value).or_insert(index);
    }
    ids
}
