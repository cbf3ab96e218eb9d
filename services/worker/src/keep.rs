//! What a job leaves, kept: what changed, the transcripts, the files that its outputs name.
//!
//! Each has its bounds, and all together have theirs. What is too large is left out and told in the log; what held a secret
//! is kept without it, and told too.

use std::path::Path;

use outpost_core::job::{Artifact, Code, Outcome};
use outpost_core::spec::PortKind;

use crate::attempt::Attempt;
use crate::ending::End;
use crate::fetch::Base;
use crate::files::{self, Left};
use crate::reins::Cause;

/// Files that are named by outputs.
const NAMED: usize = 32;

impl Attempt<'_> {
    /// Keeps what was left, and names it in the outcome.
    pub(crate) async fn keep(&mut self, outcome: &mut Outcome, base: Option<&Base>) -> Result<(), End> {
        // What the tenant cancelled is over; what changed until then may still be of use.
        let mut left = Vec::new();
        if let Some(base) = base
            && self.reins.cause().is_none()
        {
            left.extend(self.changes(base).await?);
        }
        left.extend(self.transcripts());
        left.extend(self.named(outcome));
        let mut room = self.worker.settings.bounds.artifacts;
        for left in left {
            if let Some(artifact) = self.store(left, room).await? {
                room = room.saturating_sub(artifact.bytes);
                outcome.artifacts.push(artifact);
            }
        }
        Ok(())
    }

    /// Files of the tree that outputs name.
    fn named(&mut self, outcome: &Outcome) -> Vec<Left> {
        let tree = self.place.tree();
        let ports: Vec<String> =
            self.spec().ports.iter().filter(|port| port.kind == PortKind::Path).map(|port| port.name.clone()).collect();
        let mut left = Vec::new();
        for name in ports.into_iter().take(NAMED) {
            let Some(path) = outcome.outputs.get(&name).and_then(|path| path.as_str()) else { continue };
            match files::below(&tree, path) {
                Ok(file) => {
                    left.push(Left { name: called(&name, path), media_type: "application/octet-stream", file });
                }
                Err(error) => self.log.say(format!("the file of the output `{name}` is not kept: {error}")),
            }
        }
        left
    }

    async fn store(&mut self, left: Left, room: u64) -> Result<Option<Artifact>, End> {
        let (name, most) = (left.name.clone(), self.worker.settings.bounds.artifact.min(room));
        let (redaction, folder) = (self.redaction.clone(), self.place.own());
        let copied = tokio::task::spawn_blocking(move || files::copy(left, most, redaction.as_ref(), &folder)).await;
        let copied = copied.map_err(|error| End::Broken(format!("`{name}` could not be copied: {error}")))?;
        let copy = match copied {
            Ok(Some(copy)) => copy,
            Ok(None) => {
                self.log.say(format!("`{name}` is not kept: it has more than {most} bytes"));
                return Ok(None);
            }
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                return Err(End::Broken(format!("`{name}` could not be copied: {error}")));
            }
            Err(error) => {
                self.log.say(format!("`{name}` is not kept: {error}"));
                return Ok(None);
            }
        };
        if copy.hid {
            self.log.say(format!("a secret was in `{name}`: it is kept without it"));
        }
        let stored = tokio::select! {
            stored = self.put(&copy.artifact.name, &copy.path) => stored,
            () = self.reins.lost() => return Err(End::Gone),
        };
        drop(std::fs::remove_file(&copy.path));
        match stored {
            Ok(()) => Ok(Some(copy.artifact)),
            Err(why) => Err(End::Broken(format!("`{name}` could not be stored: {why}"))),
        }
    }

    async fn put(&self, name: &str, path: &Path) -> Result<(), String> {
        let mut round = 0;
        loop {
            match self.worker.desk.put_artifact(&self.claim, name, path).await {
                Ok(()) => return Ok(()),
                Err(error) if round == 5 => return Err(error.to_string()),
                Err(_) => round += 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100 << round)).await;
        }
    }

    /// Whether something ended it that leaves nothing to keep.
    pub(crate) fn leaves_nothing(&self, outcome: &Outcome) -> bool {
        outcome.code == Some(Code::DiskFull) || matches!(self.reins.cause(), Some(Cause::Lost | Cause::Leaving))
    }
}

/// What an output's file is called: below its port, by its own name where that can stand in a path.
fn called(port: &str, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = |text: &str| {
        !matches!(text, "" | "." | "..")
            && text.len() <= 200
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if plain(name) { format!("outputs/{port}/{name}") } else { format!("outputs/{port}/file") }
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn names_of_outputs_can_stand_in_a_path() {
        assert_eq!(called("report", "out/a-1.pdf"), "outputs/report/a-1.pdf");
        for strange in ["out/ä.pdf", "a b", "..", "a/..", ""] {
            assert_eq!(called("report", strange), "outputs/report/file", "{strange}");
        }
    }
}
