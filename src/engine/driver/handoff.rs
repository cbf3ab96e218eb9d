//! Checkpoints of tasks, taken over at their intervals, when a task ends, and when it was interrupted.

use std::time::{Duration, Instant};

use super::{Driver, Piece};
use crate::blueprint::TaskIndex;
use crate::run::Stage;

/// The least time between two looks at a checkpoint: each reads it.
const SHORTEST: Duration = Duration::from_millis(50);

/// When the checkpoint of work under way is taken over next.
#[derive(Debug)]
pub(super) struct Watch {
    next: Instant,
    interval: Duration,
    /// What was wrong with the last one: said once.
    told: Option<String>,
}

impl Driver<'_> {
    /// How the checkpoint of a piece of work is watched, if it has one.
    pub(super) fn watch(&self, piece: &Piece) -> Option<Watch> {
        match piece {
            Piece::Stage(index, _, word) if *word == Stage::Run.word() => {
                let interval = self.bench.checkpoint_interval(*index)?.max(SHORTEST);
                Some(Watch { next: Instant::now() + interval, interval, told: None })
            }
            _ => None,
        }
    }

    /// Takes over the checkpoints whose time has come.
    pub(super) fn take_checkpoints(&mut self) {
        let now = Instant::now();
        let due: Vec<(TaskIndex, u32)> = self
            .jobs
            .iter_mut()
            .filter_map(|(piece, job)| {
                let watch = job.watch.as_mut().filter(|watch| watch.next <= now)?;
                watch.next = now + watch.interval;
                match piece {
                    Piece::Stage(index, attempt, _) => Some((*index, *attempt)),
                    Piece::Chore(_) => None,
                }
            })
            .collect();
        for (index, attempt) in due {
            self.take_checkpoint(index, attempt);
        }
    }

    /// Takes over what a task wrote before it was interrupted, where the document wants it.
    pub(super) fn take_last_checkpoint(&mut self, index: TaskIndex, attempt: u32) {
        if self.bench.keeps_interrupted(index) {
            self.take_checkpoint(index, attempt);
        }
    }

    /// When the next one is due.
    pub(super) fn next_checkpoint(&self) -> Option<Duration> {
        let next = self.jobs.values().filter_map(|job| job.watch.as_ref()).map(|watch| watch.next).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes over what a task wrote of its state. What is wrong with it is said, and fails nothing: the one before stays.
    pub(super) fn take_checkpoint(&mut self, index: TaskIndex, attempt: u32) {
        let last = self.run.task(index).checkpoint.clone();
        match self.bench.take_checkpoint(index, attempt, self.began(index), last.as_ref(), self.clock) {
            Ok(None) => {}
            Ok(Some(taken)) => {
                let events = self.run.checkpoint_kept(self.clock, index, taken.version, taken.digest);
                self.happened(events.unwrap_or_default());
                self.deposit(index);
                // The last but one: the last stays until this one is in the journal.
                if let Some(spare) = last.and_then(|last| self.spare.insert(index.0, last)) {
                    self.bench.spare_checkpoint(index, &spare);
                }
            }
            Err(why) => {
                let why = self.bench.secrets.clean(why);
                let piece = Piece::Stage(index, attempt, Stage::Run.word());
                let watch = self.jobs.get_mut(&piece).and_then(|job| job.watch.as_mut());
                let is_new = watch.is_none_or(|watch| watch.told.replace(why.clone()).as_ref() != Some(&why));
                if is_new {
                    let task = &self.bench.task(index).id;
                    self.watcher
                        .remark(&format!("`{task}`: its checkpoint is not taken over (E_CHECKPOINT_FAILED): {why}"));
                }
            }
        }
    }
}
