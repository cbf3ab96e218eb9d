//! Which event may happen to a task where it stands, and where it stands then.
//!
//! The same for an event that is about to be written and for one that is read again. Nothing is changed here.

use std::collections::BTreeSet;

use super::TaskState;
use crate::run::event::{Completion, Event, GateMoment, Moment, Permit};
use crate::run::failure::{Course, expired, rejected, undecided};
use crate::run::phase::{OpenGate, Phase};
use crate::run::program::{OnTimeout, Resumption, Stage, TaskSpec};

impl TaskState {
    /// The phase after an event; `None` where the event cannot happen.
    pub(super) fn next(&self, spec: &TaskSpec, event: &Event, at: Moment) -> Option<Phase> {
        let index = |word: &str| spec.stages.iter().position(|stage| stage.word() == word);
        Some(match (&self.phase, event) {
            (Phase::Waiting, Event::ConditionHeld { .. }) if !self.condition_held => Phase::Waiting,
            (Phase::Waiting, Event::StageStarted { attempt, stage, .. })
                if self.condition_held && self.admitted && *attempt == self.attempts + 1 && index(stage) == Some(0) =>
            {
                Phase::Working { stage: 0, running: true }
            }
            (Phase::Retrying { at: due }, Event::StageStarted { attempt, stage, .. })
                if at >= *due && *attempt == self.attempts + 1 && index(stage) == Some(0) =>
            {
                Phase::Working { stage: 0, running: true }
            }
            (Phase::Working { stage: done, running: false }, Event::StageStarted { attempt, stage, .. })
                if *attempt == self.attempts && index(stage) == Some(*done) =>
            {
                Phase::Working { stage: *done, running: true }
            }
            (Phase::Paused { stage: next }, Event::StageStarted { attempt, stage, .. })
                if *attempt == self.attempts && index(stage) == Some(*next) =>
            {
                Phase::Working { stage: *next, running: true }
            }
            (Phase::Interrupted { stage: was }, Event::StageStarted { attempt, stage, .. })
                if *attempt == self.attempts && index(stage) == Some(*was) && spec.stages[*was].is_repeatable() =>
            {
                Phase::Working { stage: *was, running: true }
            }
            (
                Phase::Unknown { stage: was, running: None, next: next @ Some(_) },
                Event::StageStarted { attempt, stage, .. },
            ) if *attempt == self.attempts && index(stage) == *next => {
                Phase::Unknown { stage: *was, running: *next, next: None }
            }
            (working @ Phase::Working { running: true, .. }, Event::StageHandle { attempt, .. })
                if *attempt == self.attempts =>
            {
                working.clone()
            }
            // Its executor found it going on.
            (Phase::Interrupted { stage }, Event::StageHandle { attempt, .. }) if *attempt == self.attempts => {
                Phase::Working { stage: *stage, running: true }
            }
            (
                Phase::Working { stage: now, running: true } | Phase::Interrupted { stage: now },
                Event::StageEnded { attempt, stage, failure, .. },
            ) if *attempt == self.attempts && index(stage) == Some(*now) => match failure {
                Some(failure) if !is_optional(spec.stages[*now]) => Phase::Failing(failure.clone()),
                // What an earlier runner held it does not hold any more: there has to be room again.
                _ if now + 1 < spec.stages.len() && matches!(self.phase, Phase::Interrupted { .. }) => {
                    Phase::Paused { stage: now + 1 }
                }
                _ if now + 1 < spec.stages.len() => Phase::Working { stage: now + 1, running: false },
                _ => Phase::Finished,
            },
            (
                Phase::Unknown { stage: was, running: Some(now), .. },
                Event::StageEnded { attempt, stage, failure, .. },
            ) if *attempt == self.attempts && index(stage) == Some(*now) => match failure {
                // That it is not done does not say that nothing was done.
                Some(_) if !is_optional(spec.stages[*now]) => Phase::Unknown { stage: *was, running: None, next: None },
                _ if now + 1 < spec.stages.len() => Phase::Unknown { stage: *was, running: None, next: Some(now + 1) },
                _ => Phase::Finished,
            },
            (Phase::Failing(_), Event::RetryScheduled { attempt, at, .. }) if *attempt == self.attempts + 1 => {
                Phase::Retrying { at: *at }
            }
            (
                Phase::Failing(_)
                | Phase::Waiting
                | Phase::Working { running: false, .. }
                | Phase::Paused { .. }
                | Phase::Retrying { .. }
                | Phase::Replaced { .. }
                | Phase::Gate(_),
                Event::TaskBlocked { failure, .. },
            ) => Phase::Blocked(failure.clone()),
            (Phase::Unknown { running: None, .. }, Event::TaskBlocked { failure, .. }) => {
                Phase::Blocked(failure.clone())
            }
            (
                Phase::Failing(_) | Phase::Waiting | Phase::Replaced { .. } | Phase::Gate(_),
                Event::TaskSkipped { reason, .. },
            ) => Phase::Skipped(reason.clone()),
            (Phase::Failing(failure), Event::FallbackCalled { fallback, .. })
                if spec.fallback.is_some() && self.replaced_by.is_none() =>
            {
                Phase::Replaced { failure: failure.clone(), by: fallback.clone() }
            }
            (phase, Event::CheckpointKept { attempt, version, .. })
                if spec.handoff.is_some()
                    && self.attempts > 0
                    && !self.is_final()
                    && *attempt == self.attempts
                    && self.checkpoint.as_ref().is_none_or(|last| last.version < *version) =>
            {
                phase.clone()
            }
            (Phase::Interrupted { stage }, Event::TaskUnknown { attempt, .. }) if *attempt == self.attempts => {
                // Where a person looks at the checkpoint first, no verification is asked.
                let is_asked = spec.handoff != Some(Resumption::Manual);
                let next = spec.stages.iter().position(|stage| is_asked && stage.is_verification());
                // What is verified is what was committed.
                let next = next.map(|at| if at > 0 && spec.stages[at - 1] == Stage::Commit { at - 1 } else { at });
                Phase::Unknown { stage: *stage, running: None, next }
            }
            (Phase::Unknown { running: None, .. }, Event::RepeatAllowed { .. }) => Phase::Waiting,
            // Only by order: a task does not get up from its last failure by itself.
            (Phase::Blocked(failure), Event::RepeatAllowed { by: Permit::Ordered { .. }, .. })
                if !failure.is_rejection() =>
            {
                Phase::Waiting
            }
            (_, Event::GateOpened { time, digest, deadline, .. }) if self.may_ask(spec, *time) => {
                Phase::Gate(OpenGate {
                    moment: *time,
                    digest: digest.clone(),
                    opened: at,
                    deadline: *deadline,
                    approved_by: BTreeSet::new(),
                })
            }
            (Phase::Gate(gate), Event::GateDecided(decision))
                if decision.digest == gate.digest && at < gate.deadline =>
            {
                if !decision.approved {
                    return Some(Phase::Failing(Box::new(rejected(decision))));
                }
                let mut gate = gate.clone();
                if !gate.approved_by.insert(decision.by.clone()) {
                    return None;
                }
                let needed = spec.gate.as_ref().map_or(1, |gate| gate.approvals.max(1));
                if gate.approved_by.len() < needed as usize { Phase::Gate(gate) } else { passed(&gate, at) }
            }
            (Phase::Gate(gate), Event::GateExpired { consequence, unset, .. })
                if !matches!(gate.moment, GateMoment::Failed | GateMoment::Budget)
                    && (unset.is_some() || at >= gate.deadline) =>
            {
                let reason = undecided(unset.as_deref());
                match consequence {
                    OnTimeout::Continue => passed(gate, at),
                    OnTimeout::Skip => Phase::Skipped(reason),
                    OnTimeout::Abort => Phase::Blocked(Box::new(expired(reason))),
                }
            }
            (Phase::Waiting | Phase::Finished, Event::TaskCompleted { how, .. }) if self.may_complete(spec, *how) => {
                Phase::Complete(*how)
            }
            _ => return None,
        })
    }

    fn may_ask(&self, spec: &TaskSpec, moment: GateMoment) -> bool {
        match (&self.phase, moment) {
            (Phase::Waiting, GateMoment::Before) => !self.admitted,
            (Phase::Finished, GateMoment::After) => !self.accepted,
            (Phase::Failing(failure), GateMoment::Failed) => failure.course == Some(Course::Ask),
            (Phase::Waiting | Phase::Retrying { .. }, GateMoment::Budget) => {
                spec.is_agents && self.condition_held && self.admitted
            }
            _ => false,
        }
    }

    fn may_complete(&self, spec: &TaskSpec, how: Completion) -> bool {
        match (&self.phase, how) {
            (Phase::Waiting, Completion::Collected) => spec.stages.is_empty() && self.admitted && self.accepted,
            (Phase::Finished, _) => self.accepted,
            _ => false,
        }
    }
}

/// Where a task goes when its gate was passed.
const fn passed(gate: &OpenGate, at: Moment) -> Phase {
    match gate.moment {
        GateMoment::Before => Phase::Waiting,
        GateMoment::After => Phase::Finished,
        GateMoment::Failed | GateMoment::Budget => Phase::Retrying { at },
    }
}

const fn is_optional(stage: Stage) -> bool {
    matches!(stage, Stage::Verify { optional: true, .. })
}
