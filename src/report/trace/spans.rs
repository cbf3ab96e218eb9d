//! Events of a run → the spans that end with them.

use std::collections::HashMap;

use super::open::{Open, OpenAttempt, OpenGate, OpenTask};
use super::{Field, Kind, Span, Status};
use crate::blueprint::model::Task;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{Chore, Ending, Event, Failure, GateDecision, GateMoment, Moment, Part, RunStarted, SpanId, Trail};

/// The fold.
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    blueprint: &'a Blueprint<'a>,
    trail: Trail,
    places: HashMap<String, TaskIndex>,
    /// What the run is called in all of its spans, once it has begun.
    run: Option<(RunStarted, Open)>,
    /// The span of the run before it failed and was taken up again.
    former: Option<SpanId>,
    tasks: HashMap<String, OpenTask>,
    chores: HashMap<Chore, Open>,
    /// How often a task has ended, and the last attempt of each.
    ended: HashMap<String, u32>,
    attempts: HashMap<String, SpanId>,
    /// Since when tasks wait for locks. The journal does not say: whoever drives the run saw it.
    waiting: HashMap<String, Moment>,
    seen: u64,
    over: Vec<Span>,
}

impl<'a> Spans<'a> {
    pub fn new(blueprint: &'a Blueprint<'a>, trail: Trail) -> Self {
        let places = blueprint.indices().map(|index| (blueprint.task(index).id.to_string(), index)).collect();
        Self {
            blueprint,
            trail,
            places,
            run: None,
            former: None,
            tasks: HashMap::new(),
            chores: HashMap::new(),
            ended: HashMap::new(),
            attempts: HashMap::new(),
            waiting: HashMap::new(),
            seen: 0,
            over: Vec::new(),
        }
    }

    /// These tasks wait for locks now.
    pub fn wait<'t>(&mut self, at: Moment, tasks: impl Iterator<Item = &'t str>) {
        for task in tasks {
            if !self.waiting.contains_key(task) {
                self.waiting.insert(task.to_owned(), at);
            }
        }
    }

    /// The spans that an event ends, inner ones first.
    pub fn of(&mut self, at: Moment, event: &Event) -> Vec<Span> {
        self.seen += 1;
        self.see(at, event);
        std::mem::take(&mut self.over)
    }

    fn see(&mut self, at: Moment, event: &Event) {
        match event {
            Event::RunStarted(started) => self.begin((**started).clone(), at),
            Event::RunnerTookOver { pid, host, .. } => self.taken_over(at, *pid, host),
            Event::RunEnded { state } => self.end(at, *state),
            Event::EditAccepted { again, .. } => {
                for task in again {
                    self.end_task(at, task, "edited", Status::Unset);
                }
            }
            Event::StageStarted { task, attempt, stage } => self.stage(at, task, *attempt, stage),
            Event::StageEnded { task, stage, failure, .. } => self.stage_ended(at, task, stage, failure.as_deref()),
            Event::RetryScheduled { task, attempt, at: due } => {
                let code = self.end_attempt(at, task, "outpost.interrupted");
                let due = due.0.saturating_sub(at.0);
                let delay = Field::Number(i64::try_from(due).unwrap_or(i64::MAX));
                let mut fields = vec![("outpost.attempt", (*attempt).into()), ("outpost.delay_ms", delay)];
                fields.extend(code.map(|code| ("error.type", code.into())));
                self.task(at, task).span.happened(at, "retry", fields);
            }
            Event::FallbackCalled { task, fallback } => {
                self.end_attempt(at, task, "outpost.interrupted");
                self.task(at, task).span.happened(at, "fallback", vec![("outpost.task", fallback.as_str().into())]);
            }
            Event::CheckpointKept { task, version, .. } => {
                let version = Field::Number(i64::try_from(*version).unwrap_or(i64::MAX));
                self.task(at, task).span.happened(at, "checkpoint", vec![("outpost.version", version)]);
            }
            Event::UsageCounted { task, usage, .. } => {
                let number = |count: u64| Field::Number(i64::try_from(count).unwrap_or(i64::MAX));
                let usd = usage.micro_usd.map(|micro| ("outpost.micro_usd", number(micro)));
                let tokens = usage.tokens.map(|tokens| ("outpost.tokens", number(tokens)));
                self.task(at, task).span.happened(at, "usage", usd.into_iter().chain(tokens).collect());
            }
            Event::ChoreStarted { chore, attempt } => self.chore(at, chore, *attempt),
            Event::ChoreEnded { chore, failure, .. } => self.chore_ended(at, chore, failure.as_deref(), None),
            Event::ChoreUnknown { chore, .. } => self.chore_ended(at, chore, None, Some("nobody knows how it ended")),
            Event::RollbackOrdered { by, .. } => {
                self.taken_up(at);
                let by = by.as_deref().unwrap_or("the document");
                self.in_run(at, "rollback ordered", vec![("outpost.by", by.into())]);
            }
            Event::ConditionHeld { task } => self.task(at, task).span.happened(at, "condition held", Vec::new()),
            Event::TaskCompleted { task, how } => {
                self.task(at, task).span.set("outpost.how", how.word());
                self.end_task(at, task, "complete", Status::Good);
            }
            Event::TaskSkipped { task, reason } => {
                self.task(at, task).span.set("outpost.reason", reason.as_str());
                self.end_task(at, task, "skipped", Status::Unset);
            }
            Event::TaskBlocked { task, failure } => {
                self.task(at, task).span.set("error.type", failure.code.to_string());
                self.end_task(at, task, "blocked", Status::Bad(failure.message.clone()));
            }
            Event::TaskUnknown { task, .. } => self.task(at, task).span.happened(at, "unknown", Vec::new()),
            Event::RepeatAllowed { task, .. } => {
                self.end_attempt(at, task, "outpost.interrupted");
                self.task(at, task).span.happened(at, "repeat allowed", Vec::new());
            }
            Event::GateOpened { task, time, .. } => self.gate(at, task, *time),
            Event::GateDecided(decision) => self.gate_decided(at, decision),
            Event::GateExpired { task, .. } => self.end_gate(at, task, "expired"),
            // Words about the run, and what its executors note for themselves.
            Event::Draining { .. }
            | Event::Stopping { .. }
            | Event::CancelRequested { .. }
            | Event::StageHandle { .. }
            | Event::ChoreHandle { .. }
            | Event::NoticeSent { .. }
            | Event::NoticeFailed { .. }
            | Event::CleanedUp { .. }
            | Event::RunWaiting { .. }
            | Event::Halted { .. } => {}
        }
    }

    fn begin(&mut self, started: RunStarted, at: Moment) {
        let id = self.trail.span(Part::Run { at });
        let parent = self.trail.parent;
        let span = Open::new(Kind::Run, id, parent, started.blueprint.clone(), at)
            .follows(self.former.take())
            .with("cicd.pipeline.name", started.blueprint.as_str())
            .with("cicd.pipeline.run.id", started.run.as_str())
            .with("outpost.run", started.run.as_str())
            .with("outpost.file", started.file.as_str())
            .with("outpost.digest", started.digest.as_str());
        self.run = Some((started, span));
    }

    /// A run that was over and is taken up again, to be mended or undone, has another span.
    fn taken_up(&mut self, at: Moment) {
        if let Some((started, span)) = &self.run
            && self.former == Some(span.id())
        {
            self.begin(started.clone(), at);
        }
    }

    fn taken_over(&mut self, at: Moment, pid: u32, host: &str) {
        self.taken_up(at);
        let fields = vec![("process.pid", Field::Number(pid.into())), ("host.name", host.into())];
        self.in_run(at, "runner", fields);
        self.waiting.clear();
    }

    fn in_run(&mut self, at: Moment, name: &'static str, fields: Vec<(&'static str, Field)>) {
        if let Some((_, span)) = &mut self.run {
            span.happened(at, name, fields);
        }
    }

    fn chore(&mut self, at: Moment, chore: &Chore, attempt: u32) {
        self.chore_ended(at, chore, None, Some("its runner ended"));
        let (owner, word) = (chore.owner(), chore.word());
        let id = self.trail.span(Part::Chore { owner, chore: word, attempt, at });
        let name = chore.task().map_or_else(|| word.to_owned(), |task| format!("{word} {task}"));
        let parent = self.run.as_ref().map(|(_, span)| span.id());
        let mut span =
            Open::new(Kind::Chore, id, parent, name, at).with("outpost.chore", word).with("outpost.attempt", attempt);
        if let Some(task) = chore.task() {
            span.set("outpost.task", task);
        }
        self.chores.insert(chore.clone(), span);
    }

    fn chore_ended(&mut self, at: Moment, chore: &Chore, failure: Option<&Failure>, lost: Option<&str>) {
        if let Some(span) = self.chores.remove(chore) {
            self.over.push(match (failure, lost) {
                (Some(failure), _) => span.fail(at, failure, self.seen),
                (None, Some(why)) => span.with("outpost.interrupted", true).end(at, bad(why), self.seen),
                (None, None) => span.end(at, Status::Good, self.seen),
            });
        }
    }

    fn end(&mut self, at: Moment, state: Ending) {
        let mut open: Vec<String> = self.tasks.keys().cloned().collect();
        open.sort_unstable();
        for task in open {
            self.end_task(at, &task, "unfinished", Status::Unset);
        }
        let (result, status) = match state {
            Ending::Done => ("success", Status::Good),
            Ending::Failed => ("failure", Status::Bad("a task failed".to_owned())),
            Ending::Rejected => ("failure", Status::Bad("it ended at a gate".to_owned())),
            Ending::Cancelled => ("cancellation", Status::Bad("it was cancelled".to_owned())),
            Ending::RolledBack => ("failure", Status::Bad("what it did is undone".to_owned())),
            Ending::RollbackFailed => ("failure", Status::Bad("what it did is not undone altogether".to_owned())),
        };
        if let Some((_, span)) = &self.run {
            let mut span = span.clone();
            span.set("cicd.pipeline.result", result);
            self.former = Some(span.id());
            self.over.push(span.end(at, status, self.seen));
        }
    }

    /// The task's span, begun now if it had not.
    fn task(&mut self, at: Moment, task: &str) -> &mut OpenTask {
        let Self { blueprint, trail, places, run, ended, waiting, .. } = self;
        let open = self.tasks.entry(task.to_owned()).or_insert_with(|| {
            let count = ended.get(task).copied().unwrap_or_default();
            let name = places.get(task).map_or("", |index| blueprint.task(*index).name.as_str());
            let parent = run.as_ref().map(|(_, span)| span.id());
            let span =
                Open::new(Kind::Task, trail.span(Part::Task { task, count }), parent, format!("{task} {name}"), at)
                    .with("outpost.task", task)
                    .with("cicd.pipeline.task.name", name);
            OpenTask { span, attempt: None, gate: None }
        });
        if let Some(since) = waiting.get(task) {
            open.span.since(*since);
        }
        open
    }

    fn end_task(&mut self, at: Moment, task: &str, status: &'static str, end: Status) {
        self.end_gate(at, task, status);
        self.end_attempt(at, task, if status == "complete" { "" } else { "outpost.interrupted" });
        self.waiting.remove(task);
        if let Some(OpenTask { mut span, .. }) = self.tasks.remove(task) {
            span.set("outpost.status", status);
            *self.ended.entry(task.to_owned()).or_default() += 1;
            self.over.push(span.end(at, end, self.seen));
        }
    }

    fn stage(&mut self, at: Moment, task: &str, attempt: u32, stage: &str) {
        let trail = self.trail;
        self.task(at, task);
        if self.tasks.get(task).and_then(|task| task.attempt.as_ref()).is_some_and(|open| open.number != attempt) {
            self.end_attempt(at, task, "outpost.interrupted");
        }
        let parent = self.task(at, task).span.id();
        if let Some(since) = self.waiting.remove(task) {
            let locks = self.places.get(task).map_or_else(String::new, |index| locks(self.blueprint.task(*index)));
            let id = trail.span(Part::Locks { task, at: since });
            let wait = Open::new(Kind::Locks, id, Some(parent), "lock wait", since).with("outpost.task", task);
            self.over.push(wait.with("outpost.locks", locks).end(at, Status::Unset, self.seen));
        }
        let id = trail.span(Part::Attempt { task, attempt });
        let before = self.attempts.insert(task.to_owned(), id).filter(|before| *before != id);
        let after = self.seen;
        let open = self.task(at, task).attempt.get_or_insert_with(|| OpenAttempt {
            number: attempt,
            span: Open::new(Kind::Attempt, id, Some(parent), format!("attempt {attempt}"), at)
                .follows(before)
                .with("outpost.task", task)
                .with("outpost.attempt", attempt),
            stage: None,
            failure: None,
        });
        open.failure = None;
        let part = Part::Stage { task, attempt, stage, at };
        let span = Open::new(Kind::Stage, trail.span(part), Some(id), stage, at)
            .with("outpost.task", task)
            .with("outpost.attempt", attempt)
            .with("outpost.stage", stage);
        if let Some(lost) = open.stage.replace(span) {
            self.over.push(lost.with("outpost.interrupted", true).end(at, bad("its runner ended"), after));
        }
    }

    fn stage_ended(&mut self, at: Moment, task: &str, stage: &str, failure: Option<&Failure>) {
        let is_optional = self.is_optional(task, stage);
        let after = self.seen;
        let Some(open) = self.tasks.get_mut(task).and_then(|task| task.attempt.as_mut()) else {
            return;
        };
        open.failure = failure.filter(|_| !is_optional).cloned().map(Box::new);
        if let Some(mut span) = open.stage.take() {
            if is_optional {
                span.set("outpost.optional", true);
            }
            self.over.push(match failure {
                Some(failure) => span.fail(at, failure, after),
                None => span.end(at, Status::Good, after),
            });
        }
    }

    fn is_optional(&self, task: &str, stage: &str) -> bool {
        let task = self.places.get(task).map(|index| self.blueprint.task(*index));
        let known = task.iter().flat_map(|task| task.verification.iter());
        known.filter(|known| known.optional).any(|known| stage.strip_prefix("verify:") == Some(known.stage.word()))
    }

    /// Ends what is open of the last attempt, and answers what it failed with. One that neither failed nor came to
    /// its end gets this mark.
    fn end_attempt(&mut self, at: Moment, task: &str, unfinished: &'static str) -> Option<String> {
        let after = self.seen;
        let open = self.tasks.get_mut(task)?.attempt.take()?;
        let was_lost = open.stage.is_some();
        if let Some(stage) = open.stage {
            self.over.push(stage.with("outpost.interrupted", true).end(at, bad("nobody knows how it ended"), after));
        }
        let code = open.failure.as_ref().map(|failure| failure.code.to_string());
        self.over.push(match open.failure {
            Some(failure) => open.span.fail(at, &failure, after),
            None if was_lost && !unfinished.is_empty() => {
                open.span.with(unfinished, true).end(at, bad("it was interrupted"), after)
            }
            None => open.span.end(at, Status::Good, after),
        });
        code
    }

    fn gate(&mut self, at: Moment, task: &str, time: GateMoment) {
        let id = self.trail.span(Part::Gate { task, at });
        if time != GateMoment::Before {
            self.end_attempt(at, task, "");
        }
        let open = self.task(at, task);
        let span = Open::new(Kind::Gate, id, Some(open.span.id()), "gate wait", at).with("outpost.task", task);
        open.gate = Some(OpenGate { span: span.with("outpost.gate", time.word()), approved_by: Vec::new() });
    }

    fn gate_decided(&mut self, at: Moment, decision: &GateDecision) {
        let needed = self.places.get(&decision.task).and_then(|index| self.blueprint.task(*index).gate.as_deref());
        let needed = needed.and_then(|gate| gate.min_approvals).unwrap_or(1).max(1);
        let Some(gate) = self.tasks.get_mut(&decision.task).and_then(|task| task.gate.as_mut()) else {
            return;
        };
        let fields = vec![("outpost.approved", decision.approved.into()), ("outpost.by", decision.by.as_str().into())];
        gate.span.happened(at, "decision", fields);
        gate.approved_by.push(decision.by.clone());
        if !decision.approved {
            self.end_gate(at, &decision.task, "rejected");
        } else if gate.approved_by.len() >= needed as usize {
            self.end_gate(at, &decision.task, "approved");
        }
    }

    fn end_gate(&mut self, at: Moment, task: &str, decision: &'static str) {
        let gate = self.tasks.get_mut(task).and_then(|task| task.gate.take());
        self.over
            .extend(gate.map(|gate| gate.span.with("outpost.decision", decision).end(at, Status::Unset, self.seen)));
    }
}

fn bad(why: &str) -> Status {
    Status::Bad(why.to_owned())
}

/// The locks of a task, each once.
fn locks(task: &Task<'_>) -> String {
    let mut names: Vec<String> = task.all_locks().map(|request| request.name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
