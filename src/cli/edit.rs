//! What an edit of the document means for a run that goes on with it.

use std::collections::{HashMap, HashSet};

use crate::blueprint::statuses::{are_all_that_differs, write};
use crate::blueprint::{Blueprint, Draft, Status, read, task_digest};
use crate::document::Source;
use crate::plan::Plan;
use crate::run::{Amounts, Program, Run, RunStarted, Stage};

/// What an edit of the document means for a run.
pub(super) struct Edit {
    changed: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    /// Changed and new tasks, and all that need them.
    pub(super) again: Vec<String>,
}

/// A document and what was read from it.
type Read<'a, 's> = (&'a Source, &'a Blueprint<'s>);

impl Edit {
    /// Nothing where the documents differ in statuses only, and the new ones are what the run says as well.
    ///
    /// The statuses of a document are its word on what is done before a run. Of its own tasks a run knows better: that
    /// one is called complete or skipped, or is so no more, is an edit only if the run says otherwise.
    pub(super) fn between(old: Read<'_, '_>, new: Read<'_, '_>, started: &RunStarted, run: &Run) -> Option<Self> {
        let (before, after) = (old.1, new.1);
        let known: HashMap<&str, Status> = before.tasks.iter().map(|task| (task.id.as_str(), task.status)).collect();
        let now: HashMap<&str, Status> = after.tasks.iter().map(|task| (task.id.as_str(), task.status)).collect();
        let is_done = |id: &str| run.find(id).is_some_and(|index| run.task(index).satisfies());
        let contradicts = |id: &str| match (known.get(id), now.get(id)) {
            (Some(was), Some(is)) => was.is_terminal() != is.is_terminal() && is.is_terminal() != is_done(id),
            _ => false,
        };
        let is_edited = !are_all_that_differs((old.0, before), (new.0, after));
        if !is_edited && !now.keys().any(|id| contradicts(id)) {
            return None;
        }
        let (was, is) = (spelt_alike(old, &now), task_digests(new.0, after));
        // Settings of all tasks may change what one consists of.
        let program =
            |document: &Blueprint<'_>| Program::of(document, &Plan::all(document), started.jobs, Amounts::default());
        let (old_program, program) = (program(before), program(after));
        let (had, has) = (stages(&old_program), stages(&program));
        let is_other = |id: &str| was.get(id) != is.get(id) || had.get(id) != has.get(id) || contradicts(id);
        let ids = |document: &Blueprint<'_>, is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = document.tasks.iter().map(|task| task.id.as_str());
            ids.filter(|id| is_meant(id)).map(str::to_owned).collect()
        };
        let changed = ids(after, &|id| known.contains_key(id) && is_other(id));
        let added = ids(after, &|id| !known.contains_key(id));
        let removed = ids(before, &|id| !now.contains_key(id));
        let own: HashSet<&str> = changed.iter().chain(&added).map(String::as_str).collect();
        let again = run.stale(&program, |id| own.contains(id));
        Some(Self { changed, added, removed, again })
    }

    pub(super) fn told(&self) -> String {
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

fn stages(program: &Program) -> HashMap<&str, &[Stage]> {
    program.tasks.iter().map(|task| (task.id.as_str(), &*task.stages)).collect()
}

fn task_digests(source: &Source, document: &Draft<'_>) -> HashMap<String, String> {
    document.tasks.iter().map(|task| (task.id.to_string(), task_digest(source, task))).collect()
}

/// The digests of a document's tasks, as if it had the statuses of another one: they are no difference then.
fn spelt_alike((source, document): Read<'_, '_>, statuses: &HashMap<&str, Status>) -> HashMap<String, String> {
    let wanted = document.indices().filter_map(|index| {
        let status = statuses.get(document.task(index).id.as_str())?;
        Some((index, *status))
    });
    match write(source, document, &wanted.collect()) {
        Ok(alike) => task_digests(&alike, &read(&alike, false).draft),
        Err(_) => task_digests(source, document),
    }
}
