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
//! [`TaskState::apply`] is the only judge of what is legal, live and in replay, by what `law` says. It knows nothing of
//! other tasks, of locks or of slots.

mod law;

use super::event::{Completion, Event, GateMoment, KeptPort, Moment, Permit};
use super::failure::{Course, Failure};
use super::phase::Phase;
use super::program::{GateTime, TaskSpec};

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

fn name(event: &Event) -> String {
    serde_json::to_value(event)
        .ok()
        .and_then(|value| value.get("event").and_then(serde_json::Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| "an event".to_owned())
}
