//! What a commit changes, for people and for an agent that is told what it did.

use std::io::Read as _;

use serde::Serialize;

use crate::Error;
use crate::names::CommitId;
use crate::repository::Repository;

/// A patch, or the beginning of one.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// What is not UTF-8 is replaced; it may hold secrets that the files hold.
    pub text: String,
    /// Whether there is more of it.
    pub cut: bool,
}

impl Repository {
    /// The patch between two commits, up to so many bytes.
    pub fn diff(&self, from: &CommitId, to: &CommitId, most: u64) -> Result<Diff, Error> {
        self.compared(&["-p", "--find-renames"], from, to, most)
    }

    /// Which files change by how many lines.
    pub fn diff_stat(&self, from: &CommitId, to: &CommitId, most: u64) -> Result<Diff, Error> {
        self.compared(&["--stat=100", "--summary", "--find-renames"], from, to, most)
    }

    fn compared(&self, how: &[&str], from: &CommitId, to: &CommitId, most: u64) -> Result<Diff, Error> {
        let call = self.framed("compare commits").args(["diff-tree", "-r", "--no-ext-diff", "--no-textconv"]);
        let mut talk = call.arg("--no-color").args(how).args([from.as_str(), to.as_str(), "--"]).start()?;
        let mut bytes = Vec::new();
        let Some(printed) = talk.child.stdout.take() else { return Err(talk.broken()) };
        printed.take(most + 1).read_to_end(&mut bytes).map_err(|_| talk.broken())?;
        let cut = bytes.len() as u64 > most;
        if cut {
            bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        } else {
            talk.end()?;
        }
        Ok(Diff { text: String::from_utf8_lossy(&bytes).into_owned(), cut })
    }
}
