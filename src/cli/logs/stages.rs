//! The stages of a task and its chores as the journal tells them, also while it is written.

use crate::run::{Event, Failure};

/// A stage or a chore that was started.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) attempt: u32,
    pub(super) word: String,
    /// It belongs to no attempt of the task: it counts its own.
    pub(super) is_chore: bool,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    milliseconds: u64,
    failure: Option<Box<Failure>>,
}

impl Run {
    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// How long it took, and why it failed if it did.
    pub(super) fn end(&self) -> Option<(u64, Option<&Failure>)> {
        self.end.as_ref().map(|end| (end.milliseconds, end.failure.as_deref()))
    }
}

/// All stages and chores of a task, or the hooks of a run, in the order they were started.
#[derive(Debug)]
pub(super) struct Stages {
    task: String,
    pub(super) all: Vec<Run>,
    is_settled: bool,
    is_run_over: bool,
}

impl Stages {
    pub(super) fn of(task: &str) -> Self {
        Self { task: task.to_owned(), all: Vec::new(), is_settled: false, is_run_over: false }
    }

    /// Nothing more comes, unless somebody orders it.
    pub(super) const fn is_final(&self) -> bool {
        self.is_settled || self.is_run_over
    }

    pub(super) fn latest(&self) -> Option<u32> {
        self.all.iter().filter(|stage| !stage.is_chore).map(|stage| stage.attempt).max()
    }

    /// Takes a record of the journal. One that is not understood says nothing about stages.
    pub(super) fn take(&mut self, payload: &str) {
        let Ok(event) = serde_json::from_str::<Event>(payload) else {
            return;
        };
        match event {
            Event::StageStarted { task, attempt, stage } if task == self.task => {
                self.is_settled = false;
                // Started again by a later runner, it is the same stage with the same log.
                let known = self.all.iter_mut().find(|known| known.attempt == attempt && known.word == stage);
                match known {
                    Some(known) => known.end = None,
                    None => self.all.push(Run { attempt, word: stage, is_chore: false, end: None }),
                }
            }
            Event::ChoreStarted { chore, attempt } if chore.owner() == self.task => {
                self.all.push(Run { attempt, word: chore.word().to_owned(), is_chore: true, end: None });
            }
            Event::ChoreEnded { chore, attempt, milliseconds, failure } if chore.owner() == self.task => {
                let is_it = |known: &&mut Run| known.attempt == attempt && known.word == chore.word();
                if let Some(known) = self.all.iter_mut().rfind(is_it) {
                    known.end = Some(End { milliseconds, failure });
                }
            }
            Event::StageEnded { task, attempt, stage, milliseconds, failure, .. } if task == self.task => {
                let known = self.all.iter_mut().rfind(|known| known.attempt == attempt && known.word == stage);
                if let Some(known) = known {
                    known.end = Some(End { milliseconds, failure });
                }
            }
            Event::TaskCompleted { task, .. } | Event::TaskSkipped { task, .. } | Event::TaskBlocked { task, .. }
                if task == self.task =>
            {
                self.is_settled = true;
            }
            Event::RepeatAllowed { task, .. } if task == self.task => self.is_settled = false,
            Event::EditAccepted { again, .. } if again.contains(&self.task) => self.is_settled = false,
            Event::RunEnded { .. } => self.is_run_over = true,
            Event::RunnerTookOver { .. } | Event::RollbackOrdered { .. } => self.is_run_over = false,
            _ => {}
        }
    }
}

/// Whether a stage is one of those that were asked for.
pub(super) fn is_meant(asked: &str, word: &str) -> bool {
    asked == word || word.strip_prefix("verify:").is_some_and(|tier| asked == "verify" || asked == tier)
}

#[cfg(test)]
mod tests {
    use super::{Stages, is_meant};
    use crate::run::{Completion, Event};

    fn stages(events: &[Event]) -> Stages {
        let mut stages = Stages::of("a");
        for event in events {
            stages.take(&serde_json::to_string(event).expect("an event is JSON"));
        }
        stages
    }

    fn started(task: &str, attempt: u32, stage: &str) -> Event {
        Event::StageStarted { task: task.to_owned(), attempt, stage: stage.to_owned() }
    }

    #[test]
    fn stages_are_those_of_the_task_each_once() {
        let found = stages(&[
            started("a", 1, "run"),
            started("b", 1, "run"),
            started("a", 1, "verify:unit"),
            started("a", 1, "verify:unit"),
            started("a", 2, "run"),
        ]);
        let all: Vec<(u32, &str)> = found.all.iter().map(|stage| (stage.attempt, stage.word.as_str())).collect();
        assert_eq!(all, [(1, "run"), (1, "verify:unit"), (2, "run")]);
        assert_eq!((found.latest(), found.is_final()), (Some(2), false));
    }

    #[test]
    fn a_task_is_final_until_it_starts_again() {
        let done = Event::TaskCompleted { task: "a".to_owned(), how: Completion::Done };
        assert!(stages(&[started("a", 1, "run"), done.clone()]).is_final());
        assert!(!stages(&[started("a", 1, "run"), done, started("a", 2, "run")]).is_final());
    }

    #[test]
    fn verify_is_all_verifications_and_a_tier_is_one() {
        assert!(is_meant("verify", "verify:unit") && is_meant("run", "run") && is_meant("unit", "verify:unit"));
        assert!(!is_meant("verify", "run") && !is_meant("unit", "verify:smoke") && !is_meant("uni", "verify:unit"));
    }
}
