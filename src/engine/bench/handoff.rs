//! The checkpoint of a task, as its stages see it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use outpost_executor::Work;
use serde_json::Value;

use super::Bench;
use super::left::are_own;
use crate::blueprint::model::Handoff;
use crate::blueprint::{TaskIndex, executor};
use crate::engine::fence::is_exchanged;
use crate::engine::handoff::{Subject, Taken, copy, told};
use crate::engine::verdict::unresumed;
use crate::run::{Checkpoint, Failure, Moment, Stage};

/// The format's time for a task that is told to end.
const INTERRUPT: Duration = Duration::from_secs(30);
/// The time between two looks where the document says nothing.
const INTERVAL: Duration = Duration::from_secs(300);

impl Bench<'_> {
    /// How often a task's checkpoint is taken over, if it has one.
    pub fn checkpoint_interval(&self, index: TaskIndex) -> Option<Duration> {
        let handoff = self.task(index).handoff.as_deref()?;
        Some(handoff.checkpoint_interval.unwrap_or(INTERVAL))
    }

    /// The checkpoint that the next attempt of a task goes on from, by the document's strategy.
    pub(in crate::engine) fn resumes_from<'c>(
        &self,
        index: TaskIndex,
        last: Option<&'c Checkpoint>,
    ) -> Option<&'c Checkpoint> {
        let handoff = self.task(index).handoff.as_deref()?;
        last.filter(|_| handoff.resume_strategy.as_deref() != Some("restart"))
    }

    /// Whether what a task left is taken over when it was interrupted.
    pub fn keeps_interrupted(&self, index: TaskIndex) -> bool {
        let handoff = self.task(index).handoff.as_deref();
        handoff.is_some_and(|handoff| handoff.interrupt_action.as_deref().is_none_or(|action| action == "checkpoint"))
    }

    /// Takes over what the task wrote of its state, if it wrote something since.
    pub(in crate::engine) fn take_checkpoint(
        &self,
        index: TaskIndex,
        attempt: u32,
        began: Moment,
        last: Option<&Checkpoint>,
        now: Moment,
    ) -> Result<Option<Taken>, String> {
        let Some(handoff) = self.task(index).handoff.as_deref() else {
            return Ok(None);
        };
        self.with_subject(index, handoff, attempt, began, last, |subject| {
            if is_exchanged(&subject.path) {
                are_own(&subject.path, false)?;
            }
            subject.take(now)
        })
    }

    /// Removes a checkpoint that nobody goes on from any more, unless the document keeps all of them.
    pub(in crate::engine) fn spare_checkpoint(&self, index: TaskIndex, kept: &Checkpoint) {
        let task = self.task(index);
        if task.handoff.as_deref().is_some_and(|handoff| !handoff.checkpoint_versioning) {
            for file in [copy(&self.files, &task.id, kept.attempt, kept.version), told(&self.files, &task.id, kept)] {
                // It is only room.
                let _ = fs::remove_file(file);
            }
        }
    }

    /// Gives a stage its checkpoint.
    pub(super) fn hand_off(
        &self,
        work: &mut Work,
        index: TaskIndex,
        (attempt, stage, began): (u32, Stage, Moment),
        last: Option<&Checkpoint>,
    ) -> Result<(), Failure> {
        let task = self.task(index);
        let Some(handoff) = task.handoff.as_deref() else {
            return Ok(());
        };
        let last = self.resumes_from(index, last);
        let path = self.checkpoint_path(index, handoff, attempt, began);
        if stage == Stage::Run {
            let offered = self.with_subject(index, handoff, attempt, began, last, |subject| {
                if is_exchanged(&subject.path) {
                    are_own(&subject.path, true)?;
                }
                self.may_take_over(index, handoff, last)?;
                subject.offer()
            });
            offered.map_err(|why| unresumed(&why))?;
            if self.keeps_interrupted(index) {
                work.grace = handoff.interrupt_timeout.unwrap_or(INTERRUPT);
            }
        }
        work.env.push(("OUTPOST_CHECKPOINT".into(), path.into()));
        if let Some(last) = last {
            work.env.push(("OUTPOST_RESUME_FROM".into(), told(&self.files, &task.id, last).into()));
            work.env.push(("OUTPOST_CHECKPOINT_VERSION".into(), last.version.to_string().into()));
        }
        Ok(())
    }

    fn checkpoint_path(&self, index: TaskIndex, handoff: &Handoff<'_>, attempt: u32, began: Moment) -> PathBuf {
        match handoff.checkpoint_path.as_deref() {
            Some(path) => self.path(index, began, None, path),
            None => self.files.of_attempt(&self.task(index).id, attempt, "checkpoint"),
        }
    }

    /// Another executor takes over only where the document allows it.
    fn may_take_over(&self, index: TaskIndex, handoff: &Handoff<'_>, last: Option<&Checkpoint>) -> Result<(), String> {
        let Some(last) = last.filter(|_| !handoff.handoff_allowed) else {
            return Ok(());
        };
        let text = fs::read_to_string(told(&self.files, &self.task(index).id, last)).unwrap_or_default();
        let whose: Value = serde_json::from_str(&text).unwrap_or_default();
        match whose["executor_id"].as_str() {
            Some(before) if before != executor(self.blueprint, index) => Err(format!(
                "it is that of the executor `{before}`, and `agent_handoff.allowed` does not let another go on"
            )),
            _ => Ok(()),
        }
    }

    fn with_subject<T>(
        &self,
        index: TaskIndex,
        handoff: &Handoff<'_>,
        attempt: u32,
        began: Moment,
        last: Option<&Checkpoint>,
        act: impl FnOnce(&Subject<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let variables = self.variables(index, began);
        let path = self.checkpoint_path(index, handoff, attempt, began);
        let is_ours = handoff.checkpoint_path.is_none() || is_exchanged(&path);
        act(&Subject {
            files: &self.files,
            handoff,
            task: &self.task(index).id,
            attempt,
            path,
            directory: &variables.directory,
            started: began,
            format: self.blueprint.metadata.version.as_deref().unwrap_or("2.0.2"),
            executor: executor(self.blueprint, index),
            last,
            secrets: &self.secrets,
            fence: self.fence(),
            is_ours,
        })
    }
}
