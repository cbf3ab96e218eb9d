//! One task of a run: where it stands, and which event may happen to it there.
//!
//! ```text
//! Waiting ──────► Working ─────► Complete
//!  │    ▲          ▲    │  ╲        ▲
//!  ▼    │          │    │   ► Gate (after)
//! Gate (before)    │    ▼
//!              Retrying ◄─ Failing ─► Replaced ─► Blocked or Skipped
//!
//! its runner died: Working ─► Interrupted ─► Unknown ─► Waiting (permitted), Complete (verified)
//! ```
//!
//! [`TaskState::apply`] is the only judge of what is legal, live and in replay. It knows nothing of
//! other tasks, of locks or of slots.

use std::collections::BTreeSet;

use super::event::{Completion, Event, GateMoment, KeptPort, Moment, Permit};
use super::failure::{Course, Failure, expired, rejected, undecided};
use super::phase::{OpenGate, Phase};
use super::program::{GateTime, OnTimeout, Resumption, Stage, TaskSpec};

#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    pub phase: Phase,
    /// Attempts that were started.
    pub attempts: u32,
    /// Attempts that failed; an interrupted one did not.
    pub failures: u32,
    pub condition_held: bool,
    /// The gate before its work was passed.
    pub admitted: bool,
    /// The gate after its work was passed.
    pub accepted: bool,
    pub last_failure: Option<Box<Failure>>,
    /// When that was, and after how many milliseconds of its stage.
    pub failed: Option<(Moment, u64)>,
    /// What its last good attempt left, and which attempt that was.
    pub kept: Option<(u32, Vec<KeptPort>)>,
    /// The fallback that was called to do its work.
    pub replaced_by: Option<String>,
    /// Its place among the tasks that did something, by their last start: what came last is undone first.
    pub acted: Option<u64>,
    /// What that was before its last start, which may turn out never to have begun.
    acted_before: Option<u64>,
    /// What it kept of its state.
    pub checkpoint: Option<Checkpoint>,
    /// The executor's name for the stage that was started last, if it has noted one.
    pub handle: Option<String>,
    /// When its last stage was started.
    pub stage_started: Option<Moment>,
    /// When the attempt began.
    pub attempt_started: Option<Moment>,
    pub started: Option<Moment>,
    pub ended: Option<Moment>,
}

/// A checkpoint that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub attempt: u32,
    pub version: u64,
    pub digest: String,
    pub at: Moment,
}

/// An event that cannot happen to the task as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    pub task: String,
    pub event: String,
    pub phase: String,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` cannot have {} while it is {}", self.task, self.event, self.phase)
    }
}

impl TaskState {
    pub(super) fn new(spec: &TaskSpec) -> Self {
        Self {
            phase: if spec.settled { Phase::Complete(Completion::Verified) } else { Phase::Waiting },
            attempts: 0,
            failures: 0,
            condition_held: !spec.conditional,
            admitted: !matches!(&spec.gate, Some(gate) if gate.time == GateTime::Before),
            accepted: !matches!(&spec.gate, Some(gate) if gate.time == GateTime::After),
            last_failure: None,
            failed: None,
            kept: None,
            replaced_by: None,
            acted: None,
            acted_before: None,
            checkpoint: None,
            handle: None,
            stage_started: None,
            attempt_started: None,
            started: None,
            ended: None,
        }
    }

    /// Whether what needs it may go on.
    pub const fn satisfies(&self) -> bool {
        matches!(self.phase, Phase::Complete(_) | Phase::Skipped(_))
    }

    pub const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete(_))
    }

    /// Whether it will not change any more by itself.
    pub const fn is_final(&self) -> bool {
        matches!(self.phase, Phase::Complete(_) | Phase::Skipped(_) | Phase::Blocked(_))
    }

    /// The attempt and the stage that a start would be: a new attempt, or, after a runner died, the
    /// verification that was interrupted or that may tell how the work ended.
    pub(super) const fn next_start(&self) -> (u32, usize) {
        match self.phase {
            Phase::Paused { stage } | Phase::Interrupted { stage } => (self.attempts, stage),
            Phase::Unknown { next: Some(stage), .. } => (self.attempts, stage),
            _ => (self.attempts + 1, 0),
        }
    }

    /// Changes the state by an event of this task.
    pub(super) fn apply(&mut self, spec: &TaskSpec, event: &Event, at: Moment) -> Result<(), Illegal> {
        let next = self.next(spec, event, at).ok_or_else(|| Illegal {
            task: spec.id.clone(),
            event: name(event),
            phase: self.phase.word().to_owned(),
        })?;
        match event {
            Event::StageStarted { attempt, .. } => {
                // The time during which nobody drove the run does not count.
                let goes_on = matches!(self.phase, Phase::Working { .. } | Phase::Unknown { .. });
                if !goes_on {
                    self.attempt_started = Some(at);
                }
                self.attempts = *attempt;
                self.handle = None;
                self.stage_started = Some(at);
                self.started.get_or_insert(at);
            }
            Event::StageHandle { handle, .. } => self.handle = Some(handle.clone()),
            Event::StageEnded { failure: Some(failure), milliseconds, .. } => {
                self.last_failure = Some(failure.clone());
                self.failed = Some((at, *milliseconds));
                let is_late = matches!(failure.course, Some(Course::Later { .. }));
                self.failures += u32::from(matches!(next, Phase::Failing(_)) && !is_late);
            }
            Event::StageEnded { attempt, outputs, .. } if !outputs.is_empty() => {
                self.kept = Some((*attempt, outputs.clone()));
            }
            Event::ConditionHeld { .. } => self.condition_held = true,
            Event::FallbackCalled { fallback, .. } => self.replaced_by = Some(fallback.clone()),
            Event::RepeatAllowed { by, .. } => {
                self.replaced_by = None;
                if *by == Permit::NeverStarted {
                    self.acted = self.acted_before;
                }
            }
            Event::CheckpointKept { attempt, version, digest, .. } => {
                let (attempt, version) = (*attempt, *version);
                self.checkpoint = Some(Checkpoint { attempt, version, digest: digest.clone(), at });
            }
            Event::GateDecided(_) | Event::GateExpired { .. } => {
                if let (Phase::Gate(gate), Phase::Waiting | Phase::Finished | Phase::Retrying { .. }) =
                    (&self.phase, &next)
                {
                    match gate.moment {
                        GateMoment::Before => self.admitted = true,
                        GateMoment::After => self.accepted = true,
                        // Whoever says that it goes on gives it its attempts again.
                        GateMoment::Failed => self.failures = 0,
                        // It is the run's, not the task's.
                        GateMoment::Budget => {}
                    }
                }
            }
            _ => {}
        }
        self.phase = next;
        self.ended = self.is_final().then_some(at);
        Ok(())
    }

    /// The phase after an event; `None` where the event cannot happen.
    fn next(&self, spec: &TaskSpec, event: &Event, at: Moment) -> Option<Phase> {
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
            (Phase::Waiting, Event::GateOpened { time: GateMoment::Before, digest, deadline, .. })
                if !self.admitted =>
            {
                Phase::Gate(OpenGate {
                    moment: GateMoment::Before,
                    digest: digest.clone(),
                    opened: at,
                    deadline: *deadline,
                    approved_by: BTreeSet::new(),
                })
            }
            (Phase::Finished, Event::GateOpened { time: GateMoment::After, digest, deadline, .. })
                if !self.accepted =>
            {
                Phase::Gate(OpenGate {
                    moment: GateMoment::After,
                    digest: digest.clone(),
                    opened: at,
                    deadline: *deadline,
                    approved_by: BTreeSet::new(),
                })
            }
            (Phase::Failing(failure), Event::GateOpened { time: GateMoment::Failed, digest, deadline, .. })
                if failure.course == Some(Course::Ask) =>
            {
                Phase::Gate(OpenGate {
                    moment: GateMoment::Failed,
                    digest: digest.clone(),
                    opened: at,
                    deadline: *deadline,
                    approved_by: BTreeSet::new(),
                })
            }
            (
                Phase::Waiting | Phase::Retrying { .. },
                Event::GateOpened { time: GateMoment::Budget, digest, deadline, .. },
            ) if spec.is_agents && self.condition_held && self.admitted => Phase::Gate(OpenGate {
                moment: GateMoment::Budget,
                digest: digest.clone(),
                opened: at,
                deadline: *deadline,
                approved_by: BTreeSet::new(),
            }),
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

    fn may_complete(&self, spec: &TaskSpec, how: Completion) -> bool {
        match (&self.phase, how) {
            (Phase::Waiting, Completion::Collected) => spec.stages.is_empty() && self.admitted && self.accepted,
            (Phase::Finished, _) => self.accepted,
            _ => false,
        }
    }

    /// A task that starts from the beginning, after what happened to it under another document.
    pub(super) fn begin_anew(&mut self, spec: &TaskSpec, old: &Self, was: &TaskSpec) {
        self.attempts = old.attempts;
        // Its last attempt may have done its work: to start it again takes a permit, edited or not. Where a
        // verification was interrupted, the work had come to its end.
        if let (Phase::Interrupted { stage } | Phase::Unknown { stage, .. }, Some(last)) =
            (&old.phase, spec.stages.len().checked_sub(1))
            && !spec.settled
            && !was.stages[*stage].is_repeatable()
        {
            // Its verification is that of another task now: it cannot tell.
            self.phase = Phase::Unknown { stage: (*stage).min(last), running: None, next: None };
        }
    }

    /// It begins something that may have to be undone. What it did before may be undone already.
    pub(super) fn act(&mut self, number: u64, is_undone: bool) {
        self.acted_before = self.acted.filter(|_| !is_undone);
        self.acted = Some(number);
    }

    /// What a dead runner leaves behind.
    pub(super) fn lose_runner(&mut self) {
        self.phase = match &self.phase {
            Phase::Working { stage, running: true } => Phase::Interrupted { stage: *stage },
            Phase::Working { stage, running: false } => Phase::Paused { stage: *stage },
            Phase::Unknown { stage, running: Some(now), .. } => {
                Phase::Unknown { stage: *stage, running: None, next: Some(*now) }
            }
            other => other.clone(),
        };
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

fn name(event: &Event) -> String {
    serde_json::to_value(event)
        .ok()
        .and_then(|value| value.get("event").and_then(serde_json::Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| "an event".to_owned())
}
