//! The tree of a task, as its processes find it: made, taken up again, and committed.

use std::path::Path;

use outpost_executor::{Redaction, Secrets};
use outpost_workspace::{Branch, Commit, CommitId, Patched, Policy, Repository, Start, Worktree};
use serde::Deserialize;

use super::repository;
use crate::engine::agent::order::{self, Place, Tree};

/// How much of what changed is told.
const STAT: u64 = 16 << 10;
const MOST_CHANGED: usize = 1000;

/// A tree that is worked in.
pub(super) struct Stand {
    pub(super) repository: Repository,
    pub(super) worktree: Worktree,
}

/// The part of a conflict that a tree begins with.
#[derive(Deserialize)]
struct Unmerged {
    onto: CommitId,
    tree: outpost_workspace::TreeId,
}

impl Stand {
    /// Makes it, or finds it as the order says.
    pub(super) fn ready(tree: &Tree) -> Result<Self, String> {
        let repository = repository::open(&tree.names)?;
        let told = |error| repository::failed(&error);
        let branch = repository.integration(repository.head()).map_err(told)?;
        let tip = repository.tip(&branch).map_err(told)?.unwrap_or_else(|| repository.head().clone());
        let before = if tree.apart { repository.common(repository.head(), &tip).map_err(told)? } else { None };
        let base = before.unwrap_or(tip);
        let start = match &tree.start {
            order::Start::Fresh => Start::Fresh { base },
            order::Start::Keep => Start::Keep { base },
            order::Start::Resolve(path) => {
                let found = order::read::<Unmerged>(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
                match found {
                    Some(Unmerged { onto, tree }) => Start::Merged { onto, tree },
                    None => Start::Keep { base },
                }
            }
        };
        let worktree = repository.prepare(&repository::task(&tree.names)?, &start).map_err(told)?;
        let within = worktree.path.join(&tree.within);
        std::fs::create_dir_all(&within).map_err(|error| format!("`{}` cannot be made: {error}", within.display()))?;
        Ok(Self { repository, worktree })
    }

    /// Lays out what somebody elsewhere changed, on what the tree began with.
    pub(super) fn change(&mut self, changes: &Path) -> Result<(), String> {
        if !changes.is_file() {
            return Err("what was changed did not come back whole: have it done again, with less in it".to_owned());
        }
        let told = |error| repository::failed(&error);
        let Worktree { task, base, .. } = &self.worktree;
        let tree = match self.repository.patched(task, base, changes).map_err(told)? {
            Patched::Made(tree) => tree,
            Patched::Unfit(why) => {
                let why = if why.is_empty() { "git gave no reason".to_owned() } else { why.replace('\n', "; ") };
                return Err(format!("what was changed does not apply to {base}, which it was to begin with: {why}"));
            }
        };
        let start = Start::Merged { onto: base.clone(), tree };
        self.worktree = self.repository.prepare(task, &start).map_err(told)?;
        Ok(())
    }

    /// Commits what is there, and asks whether it may land.
    pub(super) fn keep(&self, tree: &Tree, secrets: Secrets, is_done: bool, place: &mut Place) -> Result<(), String> {
        let told = |error| repository::failed(&error);
        let redaction = Redaction::beyond_doubt(&secrets).map_err(|error| error.to_string())?;
        // What a file is called may be a secret, too.
        let clean = |text: String| redaction.as_ref().map_or_else(|| text.clone(), |redaction| redaction.text(&text));
        let policy =
            Policy { allowed: tree.allowed.clone(), protected: tree.protected.clone(), secrets, ..Policy::default() };
        let findings = match self.repository.commit(&self.worktree, &tree.message, &tree.trailers).map_err(told)? {
            Commit::Made(committed) => {
                let stat = self.repository.diff_stat(&committed.base, &committed.commit, STAT).map_err(told)?;
                let changed = committed.changed.iter().take(MOST_CHANGED);
                place.branch = Some(Branch::to_string(&committed.branch));
                place.commit = Some(committed.commit.to_string());
                place.changed = changed.map(|change| clean(change.path.to_string())).collect();
                place.changes = clean(stat.text);
                is_done.then(|| self.repository.policy(&policy, &committed))
            }
            Commit::NoChange { left_out } => is_done.then(|| self.repository.untaken(&policy, &left_out)),
        };
        let findings = findings.transpose().map_err(told)?.unwrap_or_default();
        place.findings = findings.iter().map(ToString::to_string).collect();
        Ok(())
    }
}
