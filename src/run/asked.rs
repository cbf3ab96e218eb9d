//! What a person is asked at an open gate, wherever that is shown or told.

use super::event::GateMoment;
use super::phase::{OpenGate, Phase};
use super::program::OnTimeout;
use super::state::Run;
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Task;

/// An open gate, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub open: OpenGate,
    /// What the person must do, if it is written.
    pub action: String,
    pub reason: Option<String>,
    /// How many people must approve, and who may; anybody if nobody is named.
    pub approvals: u32,
    pub approvers: Vec<String>,
    /// Whether whoever began the run may approve.
    pub by_starter: bool,
    /// `abort`, `skip`, `continue`, `block`: what happens when nobody decides in time.
    pub on_timeout: &'static str,
}

impl Asked {
    /// What the person must do, as it continues "waits for a person: ".
    pub fn what(&self) -> &str {
        if self.action.is_empty() { "to approve it" } else { &self.action }
    }

    /// What happens when nobody decides in time, as a clause.
    pub fn then(&self) -> &'static str {
        match self.on_timeout {
            "skip" => "it is skipped",
            "continue" => "it goes on",
            "block" => "it is blocked",
            _ => "the run ends",
        }
    }
}

impl Run {
    /// What a person is asked about a task, if anything.
    pub fn asked(&self, index: TaskIndex, task: &Task<'_>) -> Option<Asked> {
        let Phase::Gate(open) = &self.task(index).phase else {
            return None;
        };
        let spec = self.program().tasks[index.get()].gate.as_ref();
        let written = task.gate.as_deref();
        let has_failed = matches!(open.moment, GateMoment::Failed | GateMoment::Budget);
        let (action, reason) = if open.moment == GateMoment::Budget {
            let told = self.program().budget.told(self.used());
            ("to say whether agents go on".to_owned(), Some(format!("the agents of this run have used {told}")))
        } else if has_failed {
            let failure = self.task(index).last_failure.as_ref();
            ("to say whether it goes on".to_owned(), failure.map(|failure| failure.message.clone()))
        } else {
            let action = written.map(|gate| gate.action.to_string());
            let reason = written.and_then(|gate| gate.reason.as_ref()).map(ToString::to_string);
            (action.unwrap_or_default(), reason)
        };
        Some(Asked {
            open: open.clone(),
            action,
            reason,
            approvals: spec.map_or(1, |gate| gate.approvals.max(1)),
            approvers: spec.map(|gate| gate.approvers.clone()).unwrap_or_default(),
            by_starter: spec.is_none_or(|gate| gate.by_starter),
            on_timeout: match spec {
                _ if has_failed => "block",
                Some(gate) => gate.on_timeout.word(),
                None => OnTimeout::Abort.word(),
            },
        })
    }
}
