//! The tree of a task, at one path for all its attempts: some agents find their sessions by where they run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::names::{CommitId, Name, TreeId};
use crate::repository::{Repository, id, write};
use crate::{conflict::Conflict, removal};

/// What an attempt begins with.
#[derive(Clone, Debug)]
pub enum Start {
    /// The files of `base`.
    Fresh { base: CommitId },
    /// What the last attempt left, on the base it had. Without one, or after a crash while it was made, as `Fresh`.
    Keep { base: CommitId },
    /// The files of `tree`, on `onto`: what `land` could not merge, with its marks, on the tip that it did not fit; or what a
    /// patch made.
    Merged { onto: CommitId, tree: TreeId },
}

impl Start {
    /// For the agent that is to resolve a conflict.
    pub fn resolving(conflict: &Conflict) -> Self {
        Self::Merged { onto: conflict.onto.clone(), tree: conflict.tree.clone() }
    }
}

/// A tree that is ready to be worked in.
#[derive(Clone, Debug)]
pub struct Worktree {
    /// Where the agent works.
    pub path: PathBuf,
    /// What its work is compared with, and the parent of what is committed.
    pub base: CommitId,
    /// Whether an earlier attempt has worked here.
    pub kept: bool,
    pub task: Name,
}

/// The first line of what says where a tree began.
const VERSION: &str = "outpost-worktree 1";
/// The file that says so, beside the tree.
const NOTED: &str = "base";

impl Repository {
    /// Where the tree of a task is, whether or not there is one.
    pub fn place(&self, task: &Name) -> PathBuf {
        self.task_folder(task).join("tree")
    }

    /// Makes the tree of a task, or finds it. One process at a time may do that for a task.
    pub fn prepare(&self, task: &Name, start: &Start) -> Result<Worktree, Error> {
        let folder = self.task_folder(task);
        let noted = folder.join(NOTED);
        self.sweep(&folder)?;
        let (base, tree) = match start {
            Start::Keep { base } => {
                if fs::symlink_metadata(self.place(task)).is_ok_and(|found| found.is_dir())
                    && let Some(base) = read(&noted)
                {
                    return Ok(Worktree { path: self.place(task), base, kept: true, task: task.clone() });
                }
                (base, self.tree_of(base)?)
            }
            Start::Fresh { base } => (base, self.tree_of(base)?),
            Start::Merged { onto, tree } => (onto, tree.clone()),
        };
        let path = self.replace(&folder, |new| {
            self.fill(new, base, &tree)?;
            // Before the tree has its name: there is no tree of which nobody knows where it began.
            write(&noted, format!("{VERSION}\n{base}\n").as_bytes())
        })?;
        Ok(Worktree { path, base: base.clone(), kept: false, task: task.clone() })
    }

    /// Removes the tree of a task; its branch stays.
    pub fn release(&self, task: &Name) -> Result<(), Error> {
        removal::remove(&self.task_folder(task))
    }

    pub(crate) fn task_folder(&self, task: &Name) -> PathBuf {
        self.folder.join("tasks").join(task.as_str())
    }
}

/// The commit that the tree at a path began with, if it was made here.
pub fn began_with(tree: &Path) -> Option<CommitId> {
    read(&tree.parent()?.join(NOTED))
}

fn read(noted: &Path) -> Option<CommitId> {
    let text = fs::read_to_string(noted).ok()?;
    let mut lines = text.lines();
    (lines.next()? == VERSION).then_some(())?;
    id(lines.next()?.to_owned()).ok().map(CommitId)
}
