//! What happened to each task, in its order and with its times: the fold of a run's events.
//!
//! [`Fold::saw`] takes an event and the run as it stands after it, as whoever watches a run does. It judges nothing:
//! what is legal, and where a task stands, is the run's business.

use std::collections::HashMap;

use super::{
    AgainPart, Aside, At, AttemptPart, CheckpointPart, DecisionPart, EditPart, GatePart, Happening, Pause, RunnerPart,
    StagePart, WaitPart,
};
use crate::blueprint::Blueprint;
use crate::report::progress::{Weight, line};
use crate::run::{Ending, Event, Failure, GateDecision, GateMoment, Moment, Permit, Phase, Run};

/// A task that had to wait for less is said to have started at once, in milliseconds.
const AT_ONCE: u64 = 1_000;

/// What happened to a task.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) attempts: Vec<AttemptPart>,
    pub(super) waits: Vec<WaitPart>,
    pub(super) again: Vec<AgainPart>,
    pub(super) fallback: Option<String>,
    pub(super) checkpoints: Vec<CheckpointPart>,
    /// Since when what needs it may go on.
    satisfied: Option<Moment>,
    /// Since when nothing of its own keeps it from starting.
    free: Moment,
    /// What its last failed attempt said.
    failed: Option<String>,
}

/// Takes events and remembers what a report tells of them.
#[derive(Debug)]
pub struct Fold<'a> {
    blueprint: &'a Blueprint<'a>,
    places: HashMap<String, usize>,
    /// Tasks of the document in its order, then those that an edit removed.
    pub(super) tasks: Vec<Told>,
    pub(super) gates: Vec<GatePart>,
    pub(super) aside: Aside,
    pub(super) happened: Vec<Happening>,
    pub(super) pauses: Vec<Pause>,
    pub(super) runners: Vec<RunnerPart>,
    pub(super) edits: Vec<EditPart>,
    pub(super) ended: Option<Moment>,
    /// When somebody began to drive the run.
    driven_since: Moment,
    latest: Moment,
    waits_for_people: bool,
}

impl<'a> Fold<'a> {
    /// `blueprint` is the document that is run now.
    pub fn new(blueprint: &'a Blueprint<'a>) -> Self {
        let ids = || blueprint.tasks.iter().map(|task| task.id.to_string());
        Self {
            blueprint,
            places: ids().enumerate().map(|(place, id)| (id, place)).collect(),
            tasks: ids().map(|id| Told { id, ..Told::default() }).collect(),
            gates: Vec::new(),
            aside: Aside::default(),
            happened: Vec::new(),
            pauses: Vec::new(),
            runners: Vec::new(),
            edits: Vec::new(),
            ended: None,
            driven_since: Moment::default(),
            latest: Moment::default(),
            waits_for_people: false,
        }
    }

    /// Takes an event. `run` has taken it already.
    pub fn saw(&mut self, at: Moment, event: &Event, run: &Run) {
        self.tell(at, event, run);
        self.take(at, event, run);
        self.waits_for_people = matches!(event, Event::RunWaiting { .. });
        self.latest = self.latest.max(at);
    }

    fn tell(&mut self, at: Moment, event: &Event, run: &Run) {
        let about_run = |text: String, weight| Some((String::new(), text, weight));
        let told = match event {
            Event::RunStarted(started) => about_run(format!("began, by {}", started.by), Weight::Step),
            Event::RunnerTookOver { by, host, pid } => {
                about_run(format!("driven by {by} on {host}, process {pid}"), Weight::Step)
            }
            Event::RunWaiting { .. } => about_run("only people can make it go on".to_owned(), Weight::Notice),
            Event::RunEnded { state } => {
                let weight = if *state == Ending::Done { Weight::Good } else { Weight::Bad };
                about_run(format!("the run is over: {}", ending(*state)), weight)
            }
            Event::Halted { reason } => about_run(format!("the journal could not be written: {reason}"), Weight::Bad),
            // The document that asked for it may be another one now.
            Event::GateOpened { task, time, .. } if *time != GateMoment::Budget => {
                let action = self.action(task).unwrap_or_else(|| "to approve it".to_owned());
                Some((task.clone(), format!("waits for a person: {action}"), Weight::Notice))
            }
            _ => line(event, run, self.blueprint).map(|line| (line.task, line.text, line.weight)),
        };
        self.happened.extend(told.map(|(task, text, weight)| Happening { at: At(at), task, text, weight }));
    }

    fn action(&self, task: &str) -> Option<String> {
        let gate = self.blueprint.tasks.get(*self.places.get(task)?)?.gate.as_deref()?;
        Some(gate.action.to_string()).filter(|action| !action.is_empty())
    }

    fn take(&mut self, at: Moment, event: &Event, run: &Run) {
        match event {
            Event::RunStarted(_) => self.driven_since = at,
            Event::RunnerTookOver { pid, host, by } => {
                self.runner_ended(at);
                self.runners.push(RunnerPart { at: At(at), by: by.clone(), host: host.clone(), pid: *pid });
            }
            Event::StageStarted { task, attempt, stage } => self.stage_started(at, task, *attempt, stage, run),
            Event::StageEnded { task, attempt, stage, milliseconds, failure, .. } => {
                self.stage_ended(at, task, *attempt, stage, *milliseconds, failure.as_deref());
            }
            Event::RetryScheduled { task, attempt, at: due } => {
                let told = self.task(task);
                told.free = *due;
                told.waits.push(WaitPart { what: "retry", from: At(at), to: Some(At(*due)), locks: Vec::new() });
                let failed = told.failed.clone().unwrap_or_default();
                let text = format!("attempt {} failed: {failed}", attempt.saturating_sub(1));
                told.again.push(AgainPart { at: At(at), because: "retry", text });
            }
            Event::RepeatAllowed { task, by } => {
                let (because, text) = match by {
                    Permit::Idempotent => {
                        ("idempotent", "its runner ended, and the document says that twice does no harm".to_owned())
                    }
                    Permit::NeverStarted => ("never_started", "its runner ended before it began".to_owned()),
                    Permit::HandedOff => ("handed_off", "its runner ended, and it has a checkpoint".to_owned()),
                    Permit::Ordered { by } => ("ordered", format!("{by} ordered it")),
                };
                let told = self.task(task);
                told.free = at;
                told.again.push(AgainPart { at: At(at), because, text });
            }
            Event::TaskCompleted { task, .. } | Event::TaskSkipped { task, .. } => {
                self.task(task).satisfied = Some(at);
                self.close_wait(at, task);
            }
            Event::TaskBlocked { task, .. } => self.close_wait(at, task),
            Event::ConditionHeld { task } => self.task(task).free = at,
            Event::GateOpened { task, time, digest, deadline } => self.gate_opened(at, task, *time, digest, *deadline),
            Event::GateDecided(decision) => self.gate_decided(at, decision, run),
            Event::GateExpired { task, consequence, .. } => {
                self.close_gate(at, task, "expired", Some(consequence.word()));
            }
            Event::EditAccepted { by, digest, again } => {
                for id in again {
                    self.close_gate(at, id, "dropped", None);
                    let told = self.task(id);
                    (told.satisfied, told.free) = (None, at);
                    for attempt in &mut told.attempts {
                        attempt.of_earlier_document = true;
                    }
                    if !told.attempts.is_empty() {
                        let text = format!("{by} accepted an edit of the document that touches it");
                        told.again.push(AgainPart { at: At(at), because: "edited", text });
                    }
                }
                let (by, digest, tasks) = (by.clone(), digest.clone(), again.clone());
                self.edits.push(EditPart { at: At(at), by, digest, tasks });
            }
            Event::RunEnded { .. } => self.ended = Some(at),
            Event::Draining { .. }
            | Event::Stopping { .. }
            | Event::StageHandle { .. }
            | Event::TaskUnknown { .. }
            | Event::CancelRequested { .. }
            | Event::RunWaiting { .. }
            | Event::Halted { .. } => {}
            Event::FallbackCalled { task, fallback } => {
                self.task(task).fallback = Some(fallback.clone());
                self.task(fallback).free = at;
            }
            Event::UsageCounted { task, attempt, usage } => {
                let attempts = &mut self.task(task).attempts;
                if let Some(part) = attempts.iter_mut().find(|part| part.number == *attempt) {
                    part.usage = Some(*usage);
                }
            }
            Event::CheckpointKept { task, attempt, version, digest } => {
                let kept = CheckpointPart { at: At(at), attempt: *attempt, version: *version, digest: digest.clone() };
                self.task(task).checkpoints.push(kept);
            }
            Event::ChoreStarted { .. }
            | Event::ChoreHandle { .. }
            | Event::ChoreEnded { .. }
            | Event::ChoreUnknown { .. }
            | Event::RollbackOrdered { .. }
            | Event::NoticeSent { .. }
            | Event::NoticeFailed { .. }
            | Event::CleanedUp { .. } => self.aside.saw(at, event),
        }
    }

    /// What is remembered of a task; one that the document has no longer is added.
    fn task(&mut self, id: &str) -> &mut Told {
        let next = self.tasks.len();
        let place = *self.places.entry(id.to_owned()).or_insert(next);
        if place == next {
            self.tasks.push(Told { id: id.to_owned(), ..Told::default() });
        }
        &mut self.tasks[place]
    }

    fn runner_ended(&mut self, at: Moment) {
        self.ended = None;
        // The first runner takes over from nobody.
        if !self.runners.is_empty() {
            let waited_for = if self.waits_for_people { "people" } else { "runner" };
            self.pauses.push(Pause { from: At(self.latest), to: At(at), waited_for });
        }
        self.driven_since = at;
        let of_chores = self.aside.chores.iter_mut().flat_map(|chore| &mut chore.attempts);
        let attempts = self.tasks.iter_mut().flat_map(|told| &mut told.attempts).chain(of_chores);
        for stage in attempts.flat_map(|attempt| &mut attempt.stages) {
            if stage.result == "running" {
                stage.result = "interrupted";
            }
        }
    }

    fn stage_started(&mut self, at: Moment, task: &str, number: u32, stage: &str, run: &Run) {
        let spec = run.find(task).map(|index| &run.program().tasks[index.get()]);
        let is_new = self.task(task).attempts.last().is_none_or(|last| last.number != number);
        if is_new {
            let needs = spec.map(|spec| &spec.needs[..]).unwrap_or_default();
            let ids = needs.iter().map(|need| run.program().tasks[need.get()].id.as_str());
            let satisfied = ids.filter_map(|id| self.tasks[*self.places.get(id)?].satisfied).max();
            let since = self.driven_since.max(satisfied.unwrap_or_default()).max(self.task(task).free);
            if since.after(AT_ONCE) <= at {
                let wait = WaitPart { what: "queue", from: At(since), to: Some(At(at)), locks: Vec::new() };
                self.task(task).waits.push(wait);
            }
            self.task(task).attempts.push(AttemptPart {
                number,
                started_at: At(at),
                ended_at: None,
                result: "running",
                of_earlier_document: false,
                usage: None,
                stages: Vec::new(),
            });
        }
        let Some(attempt) = self.task(task).attempts.last_mut() else {
            return;
        };
        let is_optional = spec.is_some_and(|spec| spec.is_optional(stage));
        attempt.stages.push(StagePart { optional: is_optional, ..StagePart::begun(stage, at) });
    }

    fn stage_ended(
        &mut self,
        at: Moment,
        task: &str,
        number: u32,
        word: &str,
        milliseconds: u64,
        failure: Option<&Failure>,
    ) {
        let told = self.task(task);
        let attempt = told.attempts.iter_mut().rfind(|attempt| attempt.number == number);
        let stage = attempt.and_then(|attempt| attempt.stages.iter_mut().rfind(|stage| stage.stage == word));
        let Some(stage) = stage else {
            return;
        };
        stage.ended(at, milliseconds, failure);
        if let Some(failure) = failure.filter(|_| !stage.optional) {
            told.failed = Some(failure.message.clone());
        }
    }

    fn gate_opened(&mut self, at: Moment, task: &str, when: GateMoment, digest: &str, deadline: Moment) {
        let written = self.places.get(task).and_then(|place| self.blueprint.tasks.get(*place));
        let gate = written.and_then(|task| task.gate.as_deref());
        let part = GatePart {
            task: task.to_owned(),
            when,
            action: gate.map(|gate| gate.action.to_string()).unwrap_or_default(),
            reason: gate.and_then(|gate| gate.reason.as_ref()).map(ToString::to_string),
            digest: digest.to_owned(),
            opened_at: At(at),
            deadline: At(deadline),
            closed_at: None,
            outcome: "open",
            consequence: None,
            decisions: Vec::new(),
            approvals_needed: gate.and_then(|gate| gate.min_approvals).unwrap_or(1).max(1),
            approvers: gate.map(|gate| gate.approvers.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        };
        self.gates.push(part);
        let wait = WaitPart { what: "gate", from: At(at), to: None, locks: Vec::new() };
        self.task(task).waits.push(wait);
    }

    fn gate_decided(&mut self, at: Moment, decision: &GateDecision, run: &Run) {
        let GateDecision { task, approved, by, comment, digest, set } = decision.clone();
        if let Some(gate) = self.open_gate(&task) {
            gate.decisions.push(DecisionPart { at: At(at), approved, by, comment, digest, set });
        }
        let is_open = run.find(&task).is_some_and(|index| matches!(run.task(index).phase, Phase::Gate(_)));
        if !is_open {
            self.close_gate(at, &task, if approved { "approved" } else { "rejected" }, None);
        }
    }

    fn open_gate(&mut self, task: &str) -> Option<&mut GatePart> {
        self.gates.iter_mut().rfind(|gate| gate.task == task && gate.outcome == "open")
    }

    fn close_gate(&mut self, at: Moment, task: &str, outcome: &'static str, consequence: Option<&'static str>) {
        if let Some(gate) = self.open_gate(task) {
            (gate.outcome, gate.consequence, gate.closed_at) = (outcome, consequence, Some(At(at)));
        }
        self.close_wait(at, task);
        self.task(task).free = at;
    }

    fn close_wait(&mut self, at: Moment, task: &str) {
        if let Some(wait) = self.task(task).waits.last_mut().filter(|wait| wait.what == "gate") {
            wait.to.get_or_insert(At(at));
        }
    }

    /// The last thing that happened.
    pub(super) const fn latest(&self) -> Moment {
        self.latest
    }
}

/// The word for how a run ended.
pub(super) const fn ending(ending: Ending) -> &'static str {
    ending.word()
}
