//! Lands the work of a task: merges it without a checkout, and moves the branch by compare and swap.
//!
//! ```text
//! land ─► Already | FastForward | Merged ─► checkout, verification ─► advance ─► Done
//!    │                                                                   └─► Moved ─► land again
//!    └─► Conflict ─► prepare(Start::resolving) ─► the agent ─► commit ─► land
//! ```
//! Nothing but `advance` changes a branch. A merge of the same two commits with the same message is the same commit,
//! so doing a step again after a crash does nothing new.

use serde::Serialize;

use crate::Error;
use crate::conflict::Conflict;
use crate::names::{Branch, CommitId, TreeId};
use crate::repository::{Repository, id};

/// What a branch would become.
#[derive(Clone, Debug, Serialize)]
pub enum Landing {
    /// The branch has it, from an earlier time.
    Already {
        tip: CommitId,
    },
    /// The branch has not moved since the work began.
    FastForward {
        onto: CommitId,
        commit: CommitId,
    },
    /// Verify the tree before the branch gets the commit.
    Merged {
        onto: CommitId,
        tree: TreeId,
        commit: CommitId,
    },
    Conflict(Conflict),
}

/// What came of moving a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Advanced {
    Done,
    /// Somebody was faster: what was verified is not what the branch would become. Land again.
    Moved {
        tip: CommitId,
    },
}

impl Repository {
    /// Merges a commit into the tip of a branch, in the object store only.
    pub fn land(&self, onto: &Branch, commit: &CommitId, message: &str) -> Result<Landing, Error> {
        let Some(tip) = self.tip(onto)? else {
            return Err(Error::Unsuited(format!(
                "land on `{onto}`: there is no such branch; make it, or begin the run anew"
            )));
        };
        if self.holds(&tip, commit)? {
            return Ok(Landing::Already { tip });
        }
        if self.holds(commit, &tip)? {
            return Ok(Landing::FastForward { onto: tip, commit: commit.clone() });
        }
        let call = self.framed("merge").args(["merge-tree", "--write-tree", "--messages", "-z", tip.as_str()]);
        let merged = call.arg(commit.as_str()).output()?;
        match merged.status.code() {
            Some(0) => {}
            Some(1) => return self.conflict(&tip, &merged.stdout).map(Landing::Conflict),
            _ => {
                let said = String::from_utf8_lossy(merged.stderr.trim_ascii()).into_owned();
                return Err(Error::Git { doing: "merge", said });
            }
        }
        let tree = merged.stdout.split(|byte| *byte == 0).next().unwrap_or_default();
        let tree = TreeId(id(String::from_utf8_lossy(tree).into_owned())?);
        let commit = self.join(&tip, commit, &tree, message)?;
        Ok(Landing::Merged { onto: tip, tree, commit })
    }

    /// Moves a branch from `old` to `new`, unless it is elsewhere or somebody works on it.
    pub fn advance(&self, branch: &Branch, old: &CommitId, new: &CommitId) -> Result<Advanced, Error> {
        let tip = self.tip(branch)?;
        if tip.as_ref() == Some(new) {
            return Ok(Advanced::Done);
        }
        let moved = self.set(branch, Some(old), new, "outpost: land");
        if moved.is_ok() {
            return Ok(Advanced::Done);
        }
        match self.tip(branch)? {
            Some(tip) if tip == *new => Ok(Advanced::Done),
            Some(tip) if tip != *old => Ok(Advanced::Moved { tip }),
            _ => moved.map(|()| Advanced::Done),
        }
    }

    /// Whether `commit` is `tip` or comes before it.
    fn holds(&self, tip: &CommitId, commit: &CommitId) -> Result<bool, Error> {
        let call = self.framed("compare commits").args(["merge-base", "--is-ancestor", commit.as_str(), tip.as_str()]);
        call.line().map(|line| line.is_some())
    }

    /// A commit with two parents, as old as the work in it.
    fn join(&self, tip: &CommitId, work: &CommitId, tree: &TreeId, message: &str) -> Result<CommitId, Error> {
        let call = self.framed("read the date of a commit").args(["log", "-1", "--format=%cd", "--date=raw"]);
        let date = call.arg(work.as_str()).line()?.unwrap_or_default();
        let call = self.framed("make a merge").env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        let call = call.args(["commit-tree", tree.as_str(), "-p", tip.as_str(), "-p", work.as_str(), "-F", "-"]);
        let message = message.replace('\0', " ");
        let message = if message.trim().is_empty() { "Land the work of an agent\n".to_owned() } else { message };
        let commit = call.input(message.into_bytes()).line()?.unwrap_or_default();
        id(commit).map(CommitId)
    }
}
