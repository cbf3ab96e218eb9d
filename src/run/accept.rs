//! What the world tells a run: reports, decisions, orders. Each becomes events or a refusal.
//!
//! A refusal names its reason and changes nothing. Reports that come too late (for an attempt that
//! is over) are refused like everything else that cannot happen.

use super::event::{Chore, CleanUp, Event, GateDecision, KeptPort, Moment, Permit};
use super::failure::{Failure, FailureCode, FailurePhase};
use super::phase::Phase;
use super::program::OnTimeout;
use super::rollback::Undo;
use super::state::{Mode, Run};
use super::task::Illegal;
use crate::blueprint::TaskIndex;

/// How a stage of an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StageReport {
    pub attempt: u32,
    pub stage: String,
    pub milliseconds: u64,
    pub failure: Option<Box<Failure>>,
    /// What the task left.
    pub outputs: Vec<KeptPort>,
}

/// What the condition of a task came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Holds,
    /// The task is skipped, for this reason.
    Fails(String),
    /// It cannot be evaluated, and why.
    Unclear(String),
}

impl Condition {
    /// Of a condition that was evaluated.
    pub fn of(holds: Result<bool, String>) -> Self {
        match holds {
            Ok(true) => Self::Holds,
            Ok(false) => Self::Fails("its condition does not hold".to_owned()),
            Err(problem) => Self::Unclear(problem),
        }
    }
}

/// Why a decision or an order is not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NoSuchTask(String),
    /// The task has no gate that is open.
    NotOpen(String),
    /// Somebody decided before; the first decision stands.
    Decided(Box<GateDecision>),
    /// The same person said the same before: nothing to do, and no error.
    Repeated(Box<GateDecision>),
    Expired {
        deadline: Moment,
    },
    /// Somebody set this value to something else.
    Contradicts(String),
    /// Only these may decide.
    NotApprover(Vec<String>),
    /// Whoever began the run may not approve what it does.
    Own,
    /// What the person saw is not what the gate is about any more.
    Changed,
    RunOver,
    /// What it did is being undone, which is not stopped half-way.
    RollingBack,
    Illegal(Illegal),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |decision: &GateDecision| if decision.approved { "approved" } else { "rejected" };
        match self {
            Self::NoSuchTask(task) => write!(f, "the run has no task `{task}`"),
            Self::NotOpen(task) => write!(f, "`{task}` waits for nobody's word"),
            Self::Decided(first) | Self::Repeated(first) => write!(f, "{} {} it already", first.by, word(first)),
            Self::Expired { .. } => f.write_str("its time to decide is over"),
            Self::Contradicts(key) => write!(f, "somebody who approved it set `{key}` to something else"),
            Self::NotApprover(approvers) => write!(f, "only {} may decide", approvers.join(", ")),
            Self::Own => f.write_str("whoever began the run may not approve it"),
            Self::Changed => f.write_str("what was shown is not what it is about any more"),
            Self::RunOver => f.write_str("the run is over"),
            Self::RollingBack => f.write_str("what the run did is being undone; Ctrl-C ends its runner"),
            Self::Illegal(illegal) => illegal.fmt(f),
        }
    }
}

impl From<Illegal> for Refusal {
    fn from(illegal: Illegal) -> Self {
        Self::Illegal(illegal)
    }
}

impl Run {
    fn take(&mut self, now: Moment, event: Event) -> Result<Vec<Event>, Refusal> {
        self.apply(now.max(self.latest), &event)?;
        Ok(vec![event])
    }

    /// A runner takes the run over; what was running under the last one is interrupted.
    pub fn take_over(&mut self, now: Moment, pid: u32, host: &str, by: &str) -> Result<Vec<Event>, Refusal> {
        self.take(now, Event::RunnerTookOver { pid, host: host.to_owned(), by: by.to_owned() })
    }

    pub fn stage_ended(&mut self, now: Moment, task: TaskIndex, report: StageReport) -> Result<Vec<Event>, Refusal> {
        let StageReport { attempt, stage, milliseconds, failure, outputs } = report;
        let task = self.program.tasks[task.get()].id.clone();
        self.take(now, Event::StageEnded { task, attempt, stage, milliseconds, failure, outputs })
    }

    /// The answer to a question of [`Run::questions`].
    pub fn condition(&mut self, now: Moment, task: TaskIndex, answer: Condition) -> Result<Vec<Event>, Refusal> {
        let id = self.program.tasks[task.get()].id.clone();
        let mut events = Vec::new();
        let event = match answer {
            Condition::Holds => Event::ConditionHeld { task: id },
            Condition::Fails(reason) => Event::TaskSkipped { task: id, reason },
            Condition::Unclear(problem) => {
                if self.questions.contains(&task.0) {
                    self.end_early(now, &id, &mut events);
                }
                let message = format!("its condition cannot be evaluated: {problem}");
                let failure = Failure::new(FailureCode::ExecutionFailed, FailurePhase::Preflight, message);
                Event::TaskBlocked { task: id, failure: Box::new(Failure { lasting: true, ..failure }) }
            }
        };
        events.extend(self.take(now, event)?);
        Ok(events)
    }

    /// A person's decision. The first one that is written down is final.
    pub fn decided(&mut self, now: Moment, decision: GateDecision) -> Result<Vec<Event>, Refusal> {
        let now = now.max(self.latest);
        let index = self.find(&decision.task).ok_or_else(|| Refusal::NoSuchTask(decision.task.clone()))?;
        if self.is_rolling_back() {
            return Err(Refusal::RollingBack);
        }
        if let Some(known) = self.decisions.get(&decision.task).into_iter().flatten().find(|known| {
            known.by == decision.by
                && known.approved == decision.approved
                && known.digest == decision.digest
                && known.set == decision.set
        }) {
            return Err(Refusal::Repeated(Box::new(known.clone())));
        }
        let Phase::Gate(gate) = &self.tasks[index.get()].phase else {
            return Err(match self.decisions.get(&decision.task).and_then(|all| all.last()) {
                Some(last) => Refusal::Decided(Box::new(last.clone())),
                None if self.ending.is_some() => Refusal::RunOver,
                None => Refusal::NotOpen(decision.task),
            });
        };
        if now >= gate.deadline {
            return Err(Refusal::Expired { deadline: gate.deadline });
        }
        if gate.digest != decision.digest {
            return Err(Refusal::Changed);
        }
        let said = self.decisions.get(&decision.task).into_iter().flatten().flat_map(|known| &known.set);
        for (key, value) in said {
            if decision.set.iter().any(|(own, other)| own == key && other != value) {
                return Err(Refusal::Contradicts(key.clone()));
            }
        }
        if let Some(spec) = &self.program.tasks[index.get()].gate {
            if !spec.approvers.is_empty() && !spec.approvers.contains(&decision.by) {
                return Err(Refusal::NotApprover(spec.approvers.clone()));
            }
            if decision.approved && !spec.by_starter && decision.by == self.starter {
                return Err(Refusal::Own);
            }
        }
        self.take(now, Event::GateDecided(Box::new(decision)))
    }

    /// Undoes what these tasks did, what came last first.
    pub fn roll_back(&mut self, now: Moment, by: &str, mut tasks: Vec<String>) -> Result<Vec<Event>, Refusal> {
        if self.is_rolling_back() {
            return Err(Refusal::RollingBack);
        }
        if let Some(task) = tasks.iter().find(|task| self.find(task).is_none()) {
            return Err(Refusal::NoSuchTask(task.clone()));
        }
        tasks.sort_by_key(|task| std::cmp::Reverse(self.find(task).and_then(|index| self.acted_at(index.0))));
        tasks.dedup();
        self.take(now, Event::RollbackOrdered { by: Some(by.to_owned()), tasks })
    }

    pub fn chore_started(&mut self, now: Moment, chore: Chore, handle: String) -> Result<Vec<Event>, Refusal> {
        let attempt = self.chore(&chore).map_or(0, |state| state.attempts);
        self.take(now, Event::ChoreHandle { chore, attempt, handle })
    }

    pub fn chore_ended(
        &mut self,
        now: Moment,
        chore: Chore,
        milliseconds: u64,
        failure: Option<Box<Failure>>,
    ) -> Result<Vec<Event>, Refusal> {
        let attempt = self.chore(&chore).map_or(0, |state| state.attempts);
        self.take(now, Event::ChoreEnded { chore, attempt, milliseconds, failure })
    }

    /// A task's executor took over what the task keeps of its state.
    pub fn checkpoint_kept(
        &mut self,
        now: Moment,
        task: TaskIndex,
        version: u64,
        digest: String,
    ) -> Result<Vec<Event>, Refusal> {
        let (id, attempt) = (self.program.tasks[task.get()].id.clone(), self.tasks[task.get()].attempts);
        self.take(now, Event::CheckpointKept { task: id, attempt, version, digest })
    }

    /// Somebody was told something, or could not be.
    pub fn noticed(
        &mut self,
        now: Moment,
        notice: String,
        channel: String,
        problem: Option<String>,
    ) -> Result<Vec<Event>, Refusal> {
        let event = match problem {
            // It is tried as often as anybody looks, for as long as nobody mends it.
            Some(problem) if self.problem_of(&notice, &channel) == Some(problem.as_str()) => return Ok(Vec::new()),
            None => Event::NoticeSent { notice, channel },
            Some(reason) => Event::NoticeFailed { notice, channel, reason },
        };
        self.take(now, event)
    }

    /// What a task left was put away, or could not be.
    pub fn cleaned_up(
        &mut self,
        now: Moment,
        task: &str,
        action: CleanUp,
        what: String,
        problem: Option<String>,
    ) -> Result<Vec<Event>, Refusal> {
        self.take(now, Event::CleanedUp { task: task.to_owned(), action, what, problem })
    }

    /// The variable that a decision was to stand in is not set, and the document says what happens then.
    pub fn gate_unset(
        &mut self,
        now: Moment,
        task: TaskIndex,
        variable: &str,
        consequence: OnTimeout,
    ) -> Result<Vec<Event>, Refusal> {
        let task = self.program.tasks[task.get()].id.clone();
        let event = Event::GateExpired { task, consequence, unset: Some(variable.to_owned()) };
        let stops = consequence == OnTimeout::Abort && self.mode < Mode::Stopping;
        let mut events = self.take(now, event)?;
        if stops {
            let reason = format!("nobody decided: `{variable}` is not set");
            events.extend(self.take(now, Event::Stopping { reason })?);
        }
        Ok(events)
    }

    /// The executor's name for the stage that was just started, or that it found going on after its runner died.
    pub fn started(&mut self, now: Moment, task: TaskIndex, handle: String) -> Result<Vec<Event>, Refusal> {
        let (id, attempt) = (self.program.tasks[task.get()].id.clone(), self.tasks[task.get()].attempts);
        self.take(now, Event::StageHandle { task: id, attempt, handle })
    }

    /// What was interrupted never began, as its executor knows: it is not unknown.
    pub fn never_started(&mut self, now: Moment, task: TaskIndex) -> Result<Vec<Event>, Refusal> {
        let (spec, state) = (&self.program.tasks[task.get()], &self.tasks[task.get()]);
        let Phase::Interrupted { stage } = state.phase else {
            return Err(Refusal::NotOpen(spec.id.clone()));
        };
        // A verification is started anyway, and the work before it is not repeated. And what was undone in the belief
        // that it had begun stays undone.
        let undo = self.undo(task);
        if spec.stages[stage].is_repeatable() || !matches!(undo, Undo::Due | Undo::Nothing | Undo::Irreversible) {
            return Ok(Vec::new());
        }
        let (id, attempt, stage) = (spec.id.clone(), state.attempts, spec.stages[stage].word().to_owned());
        let mut events = self.take(now, Event::TaskUnknown { task: id.clone(), attempt, stage })?;
        events.extend(self.take(now, Event::RepeatAllowed { task: id, by: Permit::NeverStarted })?);
        Ok(events)
    }

    /// A person orders one more attempt of a task whose outcome is unknown, or that is blocked.
    pub fn ordered_again(&mut self, now: Moment, task: &str, by: &str) -> Result<Vec<Event>, Refusal> {
        let index = self.find(task).ok_or_else(|| Refusal::NoSuchTask(task.to_owned()))?;
        if self.is_rolling_back() {
            return Err(Refusal::RollingBack);
        }
        let again = match &self.tasks[index.get()].phase {
            Phase::Unknown { running, .. } => running.is_none(),
            Phase::Blocked(failure) => !failure.is_rejection(),
            _ => false,
        };
        if !again {
            return Err(Refusal::NotOpen(task.to_owned()));
        }
        let by = Permit::Ordered { by: by.to_owned() };
        self.take(now, Event::RepeatAllowed { task: task.to_owned(), by })
    }

    pub fn cancel(&mut self, now: Moment, by: &str) -> Result<Vec<Event>, Refusal> {
        if self.ending.is_some() {
            return Err(Refusal::RunOver);
        }
        if self.is_rolling_back() {
            return Err(Refusal::RollingBack);
        }
        if self.cancelled {
            return Ok(Vec::new());
        }
        self.take(now, Event::CancelRequested { by: by.to_owned() })
    }

    /// Starts nothing more; what runs may end.
    pub fn drain(&mut self, now: Moment, reason: &str) -> Result<Vec<Event>, Refusal> {
        if self.mode >= Mode::Draining {
            return Ok(Vec::new());
        }
        self.take(now, Event::Draining { reason: reason.to_owned(), ends: false })
    }
}
