//! What happened outside of attempts: what undid tasks, followed their success, or the run asked for; who was told;
//! what was put away.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{At, AttemptPart, FailurePart, StagePart};
use crate::run::{Chore, Event, Moment};

/// All of it, each list in the order it happened.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Aside {
    /// Orders to undo tasks.
    pub rollbacks: Vec<RollbackPart>,
    pub chores: Vec<ChorePart>,
    pub notices: Vec<NoticePart>,
    pub cleaned_up: Vec<CleanUpPart>,
    #[serde(skip)]
    places: HashMap<Chore, usize>,
}

/// An order to undo tasks, in this order.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RollbackPart {
    pub at: At,
    /// A person; nobody where the document says so.
    pub by: Option<String>,
    pub tasks: Vec<String>,
}

/// A command outside of any attempt.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ChorePart {
    /// `rollback`, `on_success` or `hook`.
    pub kind: &'static str,
    /// Its word in logs: that of a hook says which.
    pub name: &'static str,
    pub task: Option<String>,
    /// Each has one stage.
    pub attempts: Vec<AttemptPart>,
    /// Whose logs it has.
    #[serde(skip)]
    pub(super) owner: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct NoticePart {
    pub at: At,
    /// What of, with colons between kind, task, since when, and which reminder.
    pub notice: String,
    pub channel: String,
    /// Why nobody was told.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CleanUpPart {
    pub at: At,
    pub task: String,
    /// `deleted` or `archived`.
    pub action: &'static str,
    pub what: String,
    /// Why it could not be.
    pub problem: Option<String>,
}

impl Aside {
    /// Takes an event, if it is one of these.
    pub(super) fn saw(&mut self, at: Moment, event: &Event) {
        match event {
            Event::RollbackOrdered { by, tasks } => {
                self.rollbacks.push(RollbackPart { at: At(at), by: by.clone(), tasks: tasks.clone() });
            }
            Event::ChoreStarted { chore, attempt } => self.chore(chore).attempts.push(AttemptPart {
                number: *attempt,
                started_at: At(at),
                ended_at: None,
                result: "running",
                of_earlier_document: false,
                usage: None,
                stages: vec![StagePart::begun(chore.word(), at)],
            }),
            Event::ChoreEnded { chore, attempt, milliseconds, failure } => {
                let known = self.chore(chore).attempts.iter_mut().rfind(|known| known.number == *attempt);
                if let Some(stage) = known.and_then(|known| known.stages.last_mut()) {
                    stage.ended(at, *milliseconds, failure.as_deref());
                }
            }
            Event::ChoreUnknown { chore, attempt } => {
                let known = self.chore(chore).attempts.iter_mut().rfind(|known| known.number == *attempt);
                if let Some(stage) = known.and_then(|known| known.stages.last_mut()) {
                    stage.result = "interrupted";
                }
            }
            Event::NoticeSent { notice, channel } => {
                let (notice, channel) = (notice.clone(), channel.clone());
                self.notices.push(NoticePart { at: At(at), notice, channel, problem: None });
            }
            Event::NoticeFailed { notice, channel, reason } => {
                let (notice, channel) = (notice.clone(), channel.clone());
                self.notices.push(NoticePart { at: At(at), notice, channel, problem: Some(reason.clone()) });
            }
            Event::CleanedUp { task, action, what, problem } => self.cleaned_up.push(CleanUpPart {
                at: At(at),
                task: task.clone(),
                action: action.word(),
                what: what.clone(),
                problem: problem.clone(),
            }),
            _ => {}
        }
    }

    fn chore(&mut self, chore: &Chore) -> &mut ChorePart {
        let (next, owner) = (self.chores.len(), chore.owner().to_owned());
        let place = *self.places.entry(chore.clone()).or_insert(next);
        if place == next {
            self.chores.push(ChorePart {
                kind: match chore {
                    Chore::Rollback { .. } => "rollback",
                    Chore::OnSuccess { .. } => "on_success",
                    Chore::Hook { .. } => "hook",
                },
                name: chore.word(),
                task: chore.task().map(str::to_owned),
                attempts: Vec::new(),
                owner,
            });
        }
        &mut self.chores[place]
    }

    pub fn is_empty(&self) -> bool {
        self.rollbacks.is_empty() && self.chores.is_empty() && self.notices.is_empty() && self.cleaned_up.is_empty()
    }
}

impl ChorePart {
    /// How its last attempt ended: `passed failed interrupted running`.
    pub fn result(&self) -> &'static str {
        self.attempts.last().map_or("running", |last| last.result)
    }

    /// Why its last attempt failed.
    pub fn failure(&self) -> Option<&FailurePart> {
        self.attempts.last()?.stages.last()?.failure.as_ref()
    }
}
