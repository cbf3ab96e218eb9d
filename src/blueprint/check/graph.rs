//! The dependency graph the author wrote must say what the tasks say.

use std::collections::{HashMap, HashSet};

use super::links::Links;
use super::references::{Guesses, nearest_id};
use super::{graph_edits, index_of};
use crate::blueprint::model::{Draft, GraphEntry, TaskIndex};
use crate::blueprint::read::port_reference;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Source, Text};

pub(super) fn check(
    draft: &Draft<'_>,
    links: &Links,
    unreadable: &HashSet<String>,
    source: &Source,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(graph) = &draft.graph else {
        return;
    };
    let ids = index_of(draft);
    let mut entries: HashMap<TaskIndex, &GraphEntry<'_>> = HashMap::with_capacity(graph.entries.len());
    let mut guesses = Guesses::default();
    let mut unknown = |name: &Text<'_>, problems: &mut Vec<Diagnostic>| {
        if unreadable.contains(&*name.value) {
            return;
        }
        let problem = Diagnostic::new(
            Code::UnknownTask,
            name.span,
            format!("the graph names `{name}`, and there is no such task"),
        );
        let ids = draft.tasks.iter().map(|task| &*task.id.value);
        problems.push(match guesses.another().then(|| nearest_id(name, ids)).flatten() {
            Some(meant) => problem.label(format!("did you mean `{meant}`?")).help("name a task of this document"),
            None => problem.label("unknown task").help("name a task of this document, or remove the entry"),
        });
    };
    for entry in &graph.entries {
        match ids.get(&*entry.task.value) {
            Some(&index) => {
                if let Some(first) = entries.insert(index, entry) {
                    problems.push(
                        Diagnostic::new(
                            Code::DuplicateKey,
                            entry.task.span,
                            format!("the graph has `{}` twice", entry.task),
                        )
                        .label("again here")
                        .related(first.task.span, "first here")
                        .help("keep one entry"),
                    );
                }
            }
            None => unknown(&entry.task, problems),
        }
    }
    let mut missing: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut first_missing = None;
    // The last task that needs another, and the last entry that names it: a task may need all others.
    let mut needed_by: Vec<Option<TaskIndex>> = vec![None; draft.tasks.len()];
    let mut drawn_for = needed_by.clone();
    for index in draft.indices() {
        let task = draft.task(index);
        // A second task of the same id is another error's business.
        if ids.get(&*task.id.value) != Some(&index) {
            continue;
        }
        let entry = entries.get(&index).copied();
        for need in links.needs(index) {
            needed_by[need.task.get()] = Some(index);
        }
        let mut only_graph: Vec<&str> = Vec::new();
        let mut dangling = false;
        for name in entry.map(named).unwrap_or_default() {
            match ids.get(&*name.value) {
                Some(target) => {
                    let drawn = drawn_for[target.get()].replace(index) == Some(index);
                    if !drawn && needed_by[target.get()] != Some(index) {
                        only_graph.push(&draft.task(*target).id);
                    }
                }
                None => {
                    dangling = true;
                    unknown(&name, problems);
                }
            }
        }
        let only_task: Vec<_> =
            links.needs(index).iter().filter(|need| drawn_for[need.task.get()] != Some(index)).collect();
        if only_graph.is_empty() && only_task.is_empty() {
            continue;
        }
        let lacks: Vec<&str> = only_task.iter().map(|need| draft.task(need.task).id.as_str()).collect();
        let mut parts = Vec::new();
        if !lacks.is_empty() {
            parts.push(format!("the task needs {}, the graph does not say so", list(&lacks)));
        }
        if !only_graph.is_empty() {
            parts.push(format!("the graph says it needs {}, the task does not", list(&only_graph)));
        }
        let place = entry.map_or_else(|| head(graph.span), |entry| entry.task.span);
        let mut problem = Diagnostic::new(Code::GraphMismatch, place, format!("`{}`: {}", task.id, parts.join("; ")))
            .label(if entry.is_some() { "this entry" } else { "no entry for it here" })
            .help(BY_HAND)
            .task(&task.id);
        problem = match only_task.first() {
            Some(need) => problem.related(need.span, format!("`{}` needs it here", task.id)),
            None => problem.related(task.id.span, "the task"),
        };
        match entry {
            Some(entry) if !dangling => {
                let gone: HashSet<&str> = only_graph.into_iter().collect();
                let keep = |id: &str| !gone.contains(id);
                problem.edits = graph_edits::of_entry(source.text(), entry, keep, &lacks).unwrap_or_default();
                if !problem.edits.is_empty() {
                    problem.help = MENDABLE.into();
                }
            }
            Some(_) => {}
            None => {
                first_missing.get_or_insert(problems.len());
                missing.push((&task.id, lacks));
                problem.help = MENDABLE.into();
            }
        }
        problems.push(problem);
    }
    // One edit adds all entries, in the order of the tasks, and mends all of these problems.
    if let Some(first) = first_missing {
        match graph_edits::of_missing(source.text(), graph, &missing) {
            Some(edit) => problems[first].edits.push(edit),
            None => {
                let unmended = problems[first..].iter_mut().filter(|problem| problem.edits.is_empty());
                unmended.filter(|problem| problem.help == MENDABLE).for_each(|problem| problem.help = BY_HAND.into());
            }
        }
    }
}

const BY_HAND: &str = "correct the graph, or the task";
const MENDABLE: &str = "run `outpost-bp check --fix` to write the graph from the tasks, or correct the task";

/// The tasks an entry names, as written.
fn named<'s>(entry: &GraphEntry<'s>) -> Vec<Text<'s>> {
    let bound = entry.bindings.iter().filter_map(port_reference).map(|(task, _)| task);
    entry.depends_on.iter().cloned().chain(bound).collect()
}

fn head(span: Span) -> Span {
    Span::new(span.start, span.end.min(span.start + 16))
}

/// Ids a message shows before it is cut.
const SHOWN: usize = 20;

fn list(ids: &[&str]) -> String {
    let quoted: Vec<String> = ids.iter().take(SHOWN).map(|id| format!("`{id}`")).collect();
    let more = if ids.len() > SHOWN { format!(" and {} more", ids.len() - SHOWN) } else { String::new() };
    format!("{}{more}", quoted.join(", "))
}
