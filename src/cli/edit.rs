//! What an edit of the document means for a run that goes on with it.

use std::collections::{HashMap, HashSet};

use super::Failure;
use super::check::diagnose;
use super::load::Loaded;
use crate::blueprint::{Blueprint, task_digest};
use crate::document::Source;
use crate::engine::history::blueprint;
use crate::plan::Plan;
use crate::run::{Amounts, Program, RunStarted, Stage};

/// What an edit of the document means for a run.
pub(super) struct Edit {
    changed: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    /// Changed and new tasks, and all that need them.
    pub(super) again: Vec<String>,
}

impl Edit {
    pub(super) fn between(old: &Source, new: &Loaded, started: &RunStarted) -> Result<Self, Failure> {
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
        // Settings of all tasks may change what one consists of.
        let stages = |document: &Blueprint<'_>| -> HashMap<String, Vec<Stage>> {
            let tasks = Program::of(document, &Plan::all(document), started.jobs, Amounts::default()).tasks;
            tasks.into_iter().map(|task| (task.id, task.stages)).collect()
        };
        let (had, has) = (stages(&before), stages(&after));
        let is_other = |id: &str| known.get(id) != now.get(id) || had.get(id) != has.get(id);
        let changed = ids(&after, &|id| known.contains_key(id) && is_other(id));
        let added = ids(&after, &|id| !known.contains_key(id));
        let removed = ids(&before, &|id| !now.contains_key(id));
        let plan = Plan::all(&after);
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
