//! Checkpoints in the store: the file that a task wrote, and the checkpoint of the format, each under its number.

use std::path::{Path, PathBuf};

use super::{Place, Problem};
use crate::blueprint::TaskIndex;
use crate::engine::bench::Bench;
use crate::engine::handoff::{copy, told};
use crate::run::Checkpoint;

/// The files of a checkpoint, here and in the store.
#[derive(Debug)]
pub struct Copies(Vec<(PathBuf, Place)>);

impl Bench<'_> {
    /// Where a checkpoint is here and in the store, if the store keeps checkpoints. The error says what is missing.
    pub(in crate::engine) fn copies(&self, index: TaskIndex, kept: &Checkpoint) -> Option<Result<Copies, String>> {
        let id = &self.task(index).id;
        let name = format!("{id}/checkpoint-{}", kept.version);
        let written = self.stored_checkpoint(index, &name)?;
        let formatted = self.stored_checkpoint(index, &format!("{name}.json"))?;
        let here = (copy(&self.files, id, kept.attempt, kept.version), told(&self.files, id, kept));
        Some(written.and_then(|written| Ok(Copies(vec![(here.0, written), (here.1, formatted?)]))))
    }
}

impl Copies {
    /// Whether all of it is on this machine.
    pub fn are_here(&self) -> bool {
        self.0.iter().all(|(file, _)| file.exists())
    }

    /// Sends all of it, over whatever is there.
    pub async fn send(self) -> Result<(), Problem> {
        for (file, place) in self.0 {
            place.put(&file).await?;
        }
        Ok(())
    }

    /// Fetches all of it. Whether it is what was sent is seen when it is offered to a task.
    pub async fn fetch(self) -> Result<(), Problem> {
        for (file, place) in self.0 {
            let folder = file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(|error| super::local(&error))?;
            place.get(None, None, &file).await?;
        }
        Ok(())
    }
}
