//! Events of a run → entries of its log.
//!
//! Locks are told from what tasks do: an attempt takes its locks with its first stage, and has given them back when
//! it holds no room any more. What the format requires stands under the format's names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Entry, data};
use crate::blueprint::Blueprint;
use crate::blueprint::model::LogLevel::{self, Debug, Error, Info, Warn};
use crate::report::progress::line;
use crate::run::{Chore, Ending, Event, Failure, GateMoment, Moment, Resumption, Run};

/// The fold. It may begin in the middle of a run, where `resume` takes it up.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Tasks with an attempt under way.
    holding: BTreeSet<String>,
    /// Attempts whose beginning was told, by task.
    begun: BTreeMap<String, u32>,
    /// What tasks failed with, until it is clear what follows from it.
    failing: BTreeMap<String, Box<Failure>>,
    /// Whether the run was seen to begin.
    is_first: bool,
}

/// An entry without its time and place.
struct Told(LogLevel, &'static str, Option<&'static str>, String, Value);

impl Entries {
    /// What an event adds to the log. `run` is the run as it stands after it, or later.
    pub fn of(&mut self, at: Moment, event: &Event, run: &Run, blueprint: &Blueprint<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let task = event.task().unwrap_or_default();
        let mut add = |Told(level, event, phase, message, fields): Told| {
            entries.push(Entry { at, level, event, task: task.to_owned(), phase, message, data: data(fields) });
        };
        for told in self.before(event, run) {
            add(told);
        }
        let for_people = || line(event, run, blueprint).map(|line| line.text).unwrap_or_default();
        if let Some(told) = self.told(at, event, run, &for_people) {
            add(told);
        }
        for told in self.after(event, run) {
            add(told);
        }
        entries
    }

    /// What comes with an event and happened before it: locks that it needed, a failure that is final now.
    fn before(&mut self, event: &Event, run: &Run) -> Vec<Told> {
        let mut all = Vec::new();
        match event {
            Event::StageStarted { task, attempt, stage } => {
                if self.holding.insert(task.clone()) {
                    all.extend(locks(run, task, "lock.acquired", "has the lock"));
                }
                if self.begun.insert(task.clone(), *attempt) != Some(*attempt) {
                    self.failing.remove(task);
                    all.push(begins(run, task, *attempt, stage));
                }
            }
            // What is undone holds the locks that it was done with.
            Event::ChoreStarted { chore: Chore::Rollback { task }, .. } if self.holding.insert(task.clone()) => {
                all.extend(locks(run, task, "lock.acquired", "has the lock"));
            }
            Event::TaskSkipped { task, .. } => {
                all.extend(self.failing.remove(task).map(|failure| failed(run, task, &failure)));
            }
            _ => {}
        }
        all
    }

    /// Locks that are free now.
    fn after(&mut self, event: &Event, run: &Run) -> Vec<Told> {
        let Some(task) = event.task().filter(|task| self.holding.contains(*task)) else {
            return Vec::new();
        };
        let is_over = match event {
            Event::StageEnded { .. } => !run.find(task).is_some_and(|index| run.holds_room(index)),
            Event::RetryScheduled { .. }
            | Event::TaskCompleted { .. }
            | Event::TaskSkipped { .. }
            | Event::TaskBlocked { .. }
            | Event::TaskUnknown { .. }
            | Event::RepeatAllowed { .. }
            | Event::FallbackCalled { .. }
            | Event::GateOpened { .. }
            | Event::ChoreEnded { .. }
            | Event::ChoreUnknown { .. } => true,
            _ => false,
        };
        if is_over {
            self.holding.remove(task);
            return locks(run, task, "lock.released", "gave back the lock").collect();
        }
        Vec::new()
    }

    /// The event itself. Where a line for people says it all, that is the message.
    fn told(&mut self, at: Moment, event: &Event, run: &Run, line: &dyn Fn() -> String) -> Option<Told> {
        Some(match event {
            Event::RunStarted(started) => {
                self.is_first = true;
                let message = format!("run {} of {} begins", started.run, started.blueprint);
                let fields =
                    json!({"by": started.by, "file": started.file, "digest": started.digest, "tasks": started.tasks});
                Told(Info, "blueprint.start", None, message, fields)
            }
            Event::RunnerTookOver { pid, host, by } => {
                let fields = json!({"pid": pid, "host": host, "by": by});
                self.holding.clear();
                if std::mem::take(&mut self.is_first) {
                    Told(Debug, "runner.start", None, format!("process {pid} on {host} drives the run"), fields)
                } else {
                    Told(Info, "blueprint.resume", None, format!("the run goes on, driven by {by}"), fields)
                }
            }
            Event::RunEnded { state } => ended(run, *state),
            Event::RunWaiting { gates } => {
                let message = format!("the run waits for a person: {}", gates.join(", "));
                Told(Info, "blueprint.waiting", None, message, json!({"tasks": gates}))
            }
            // Nobody is there to see it: whoever drove the run tells of it.
            Event::Halted { .. } | Event::StageHandle { .. } | Event::ChoreHandle { .. } => return None,
            Event::FallbackCalled { fallback, .. } => {
                Told(Warn, "task.fallback", Some("execution"), line(), json!({"fallback": fallback}))
            }
            Event::UsageCounted { attempt, usage, .. } => {
                let fields = json!({"attempt": attempt, "usage": usage});
                Told(Debug, "task.usage", Some("execution"), format!("attempt {attempt} used what it did"), fields)
            }
            Event::CheckpointKept { attempt, version, digest, .. } => {
                let fields = json!({"attempt": attempt, "version": version, "digest": digest});
                Told(Info, "task.checkpoint", Some("execution"), line(), fields)
            }
            Event::ChoreStarted { chore, attempt } => {
                let fields = json!({"chore": chore, "attempt": attempt});
                Told(Debug, "chore.start", Some("cleanup"), format!("{} begins", chore.word()), fields)
            }
            Event::ChoreEnded { chore, attempt, milliseconds, failure } => {
                let mut fields = json!({"chore": chore, "attempt": attempt, "duration_ms": milliseconds});
                match failure {
                    None => Told(Info, "chore.complete", Some("cleanup"), format!("{} is over", chore.word()), fields),
                    Some(failure) => {
                        fields["error"] = error(failure);
                        Told(Error, "chore.failed", Some("cleanup"), line(), fields)
                    }
                }
            }
            Event::ChoreUnknown { chore, attempt } => {
                Told(Warn, "chore.unknown", Some("cleanup"), line(), json!({"chore": chore, "attempt": attempt}))
            }
            Event::RollbackOrdered { by, tasks } => {
                Told(Warn, "blueprint.rollback", Some("cleanup"), line(), json!({"by": by, "tasks": tasks}))
            }
            Event::NoticeSent { notice, channel } => {
                let message = format!("told by {channel}: {notice}");
                Told(Info, "notice.sent", None, message, json!({"notice": notice, "channel": channel}))
            }
            Event::NoticeFailed { notice, channel, reason } => {
                let fields = json!({"notice": notice, "channel": channel, "reason": reason});
                Told(Warn, "notice.failed", None, line(), fields)
            }
            Event::CleanedUp { action, what, problem, .. } => {
                let level = if problem.is_some() { Warn } else { Info };
                let fields = json!({"action": action, "what": what, "problem": problem});
                Told(level, "output.cleaned", Some("cleanup"), line(), fields)
            }
            Event::Draining { reason, .. } => Told(Warn, "blueprint.draining", None, line(), json!({"reason": reason})),
            Event::Stopping { reason } => Told(Warn, "blueprint.stopping", None, line(), json!({"reason": reason})),
            Event::CancelRequested { by } => Told(Warn, "blueprint.cancelled", None, line(), json!({"by": by})),
            Event::EditAccepted { by, digest, again } => {
                let fields = json!({"by": by, "digest": digest, "tasks": again});
                Told(Info, "blueprint.edited", None, line(), fields)
            }
            Event::StageStarted { attempt, stage, .. } => {
                let fields = json!({"attempt": attempt, "stage": stage});
                Told(Debug, "stage.start", Some(phase_of(stage)), format!("{stage} begins"), fields)
            }
            Event::StageEnded { task, attempt, stage, milliseconds, failure, .. } => {
                let mut fields = json!({"attempt": attempt, "stage": stage, "duration_ms": milliseconds});
                match failure {
                    None => {
                        let message = format!("{stage} is over");
                        Told(Debug, "stage.complete", Some(phase_of(stage)), message, fields)
                    }
                    Some(failure) => {
                        fields["error"] = error(failure);
                        if is_optional(run, task, stage) {
                            fields["optional"] = true.into();
                        } else {
                            self.failing.insert(task.clone(), failure.clone());
                        }
                        Told(Warn, "stage.failed", Some(phase_of(stage)), line(), fields)
                    }
                }
            }
            Event::RetryScheduled { task, attempt, at: due } => {
                let failure = self.failing.remove(task);
                let error = failure.as_deref().map(error);
                let delay = due.0.saturating_sub(at.0);
                let fields = json!({"attempt": attempt, "at": super::iso(*due), "delay_ms": delay, "error": error});
                let phase = failure.map(|failure| failure.phase.word());
                Told(Warn, "task.retry", phase, line(), fields)
            }
            Event::TaskCompleted { task, how } => {
                self.failing.remove(task);
                let mut fields = whole(run, task);
                fields["how"] = serde_json::to_value(how).unwrap_or_default();
                Told(Info, "task.complete", Some("execution"), line(), fields)
            }
            Event::TaskSkipped { reason, .. } => Told(Info, "task.skipped", None, line(), json!({"reason": reason})),
            Event::TaskBlocked { task, failure } => {
                self.failing.remove(task);
                failed(run, task, failure)
            }
            Event::TaskUnknown { attempt, stage, .. } => {
                let fields = json!({"attempt": attempt, "stage": stage});
                Told(Warn, "task.unknown", Some(phase_of(stage)), line(), fields)
            }
            Event::RepeatAllowed { by, .. } => {
                let fields = json!({"because": serde_json::to_value(by).unwrap_or_default()["because"]});
                Told(Warn, "task.repeat", None, line(), fields)
            }
            Event::ConditionHeld { .. } => {
                Told(Debug, "condition.held", Some("preflight"), "its condition holds".to_owned(), json!({}))
            }
            Event::GateOpened { time, digest, deadline, .. } => {
                let fields = json!({"digest": digest, "deadline": super::iso(*deadline)});
                Told(Info, "gate.opened", Some(gate_phase(*time)), line(), fields)
            }
            Event::GateDecided(decision) => {
                let (level, name) = if decision.approved { (Info, "gate.approved") } else { (Warn, "gate.rejected") };
                Told(level, name, None, line(), json!({"by": decision.by, "comment": decision.comment}))
            }
            Event::GateExpired { consequence, .. } => {
                Told(Warn, "gate.expired", None, line(), json!({"consequence": consequence}))
            }
        })
    }
}

fn begins(run: &Run, task: &str, attempt: u32, stage: &str) -> Told {
    let fields = json!({"attempt": attempt, "stage": stage});
    // In the middle of an attempt only a new runner begins to tell of it.
    let first = run.find(task).and_then(|index| run.program().tasks[index.get()].stages.first().copied());
    if first.is_some_and(|first| first.word() != stage) {
        let message = format!("attempt {attempt} goes on with {stage}");
        return Told(Info, "task.resume", Some(phase_of(stage)), message, fields);
    }
    let state = run.find(task).map(|index| (run.task(index), &run.program().tasks[index.get()]));
    if let Some((state, spec)) = state
        && let Some(checkpoint) = &state.checkpoint
        && spec.handoff == Some(Resumption::FromCheckpoint)
    {
        let message = format!("attempt {attempt} goes on from checkpoint {}", checkpoint.version);
        let fields = json!({"attempt": attempt, "stage": stage, "version": checkpoint.version});
        return Told(Info, "task.resume", Some(phase_of(stage)), message, fields);
    }
    let message = if attempt > 1 { format!("attempt {attempt} begins") } else { "begins".to_owned() };
    Told(Info, "task.start", Some(phase_of(stage)), message, fields)
}

fn failed(run: &Run, task: &str, failure: &Failure) -> Told {
    let mut fields = whole(run, task);
    fields["error"] = error(failure);
    let message = format!("failed: {}: {}", failure.code, failure.message);
    Told(Error, "task.failed", Some(failure.phase.word()), message, fields)
}

fn ended(run: &Run, state: Ending) -> Told {
    let fields = json!({"state": state});
    let (level, name, message) = match state {
        Ending::Done => (Info, "blueprint.complete", "the run is done".to_owned()),
        Ending::Failed => {
            let blocked = crate::report::summary::failures(run).len();
            (Error, "blueprint.failed", format!("the run failed: {blocked} blocked"))
        }
        Ending::Rejected => (Error, "blueprint.failed", "the run ended at a gate".to_owned()),
        Ending::Cancelled => (Error, "blueprint.failed", "the run was cancelled".to_owned()),
        Ending::RolledBack => (Warn, "blueprint.rolled_back", "what the run did is undone".to_owned()),
        Ending::RollbackFailed => (Error, "blueprint.failed", "what the run did is not undone altogether".to_owned()),
    };
    Told(level, name, None, message, fields)
}

/// Attempts and time of a whole task.
fn whole(run: &Run, task: &str) -> Value {
    let state = run.find(task).map(|index| run.task(index));
    let took = state.and_then(|state| crate::report::progress::took(state.started, state.ended));
    let took = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    json!({"attempts": state.map(|state| state.attempts), "duration_ms": took})
}

fn locks<'r>(
    run: &'r Run,
    task: &str,
    name: &'static str,
    words: &'static str,
) -> impl Iterator<Item = Told> + use<'r> {
    let program = run.program();
    let held = run.find(task).map_or(&[][..], |index| &program.tasks[index.get()].locks);
    held.iter().map(move |(lock, alone)| {
        let lock = &program.locks[*lock].name;
        let mode = if *alone { "exclusive" } else { "shared" };
        Told(Debug, name, None, format!("{words} {lock}"), json!({"lock": lock, "mode": mode}))
    })
}

fn is_optional(run: &Run, task: &str, stage: &str) -> bool {
    run.find(task).is_some_and(|index| run.program().tasks[index.get()].is_optional(stage))
}

fn error(failure: &Failure) -> Value {
    let mut fields = json!({"code": failure.code, "message": failure.message, "phase": failure.phase});
    if let Some(code) = failure.exit_code {
        fields["exit_code"] = code.into();
    }
    fields
}

fn phase_of(stage: &str) -> &'static str {
    match stage {
        "tree" | "setup" => "setup",
        "run" | "commit" | "land" => "execution",
        _ => "verification",
    }
}

const fn gate_phase(time: GateMoment) -> &'static str {
    match time {
        GateMoment::Before | GateMoment::Budget => "preflight",
        GateMoment::After => "verification",
        GateMoment::Failed => "execution",
    }
}
