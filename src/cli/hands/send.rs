//! Brings what a task begins with to a remote of the project, where those who do the task elsewhere clone it.
//!
//! That is the user's own git, in the user's own repository, as if the user pushed: with its settings and credentials, but
//! without hooks and without questions. Nothing that an agent wrote is asked.

use std::process::{Command, Stdio};

use outpost_workspace::{Branch, CommitId, Name};

use super::repository;
use crate::engine::agent::order::Names;

/// The end of what git says.
const MOST: usize = 2000;

/// Brings a commit there, on the branch of the task.
pub(super) fn base(names: &Names, remote: &str, base: &CommitId) -> Result<(), String> {
    let branch = branch(names)?;
    push(names, remote, &format!("+{base}:refs/heads/{branch}"))
        .map_err(|why| format!("what it begins with could not be pushed to `{remote}`: {why}"))
}

/// Removes the branch. It does no harm where it stays: the next attempt has it anew.
pub(super) fn forget(names: &Names, remote: &str) {
    let gone = branch(names).and_then(|branch| push(names, remote, &format!(":refs/heads/{branch}")));
    if let Err(why) = gone {
        super::complain(&format!("its branch at `{remote}` is still there: {why}"));
    }
}

fn branch(names: &Names) -> Result<Branch, String> {
    let run = Name::of(&names.run).map_err(|error| repository::failed(&error))?;
    Ok(Branch::of_task(&run, &repository::task(names)?))
}

fn push(names: &Names, remote: &str, what: &str) -> Result<(), String> {
    let mut git = Command::new("git");
    git.current_dir(&names.project).args(["push", "--quiet", "--no-verify", "--", remote, what]);
    git.env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).stdout(Stdio::null());
    let output = git.output().map_err(|error| format!("`git` could not be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(said.join("; ").chars().take(MOST).collect())
}
