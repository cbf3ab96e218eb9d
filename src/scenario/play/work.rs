//! Stages and chores as the scripts have them: begun, ended at their time, and judged as the driver judges.

use std::collections::HashMap;
use std::time::Duration;

use outpost_executor::{Outcome as Ended, Report};
use serde_json::Value;

use super::{Job, Piece, Play};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Transfer;
use crate::engine::bench::{Limit, chore_limit, limit};
use crate::engine::inputs;
use crate::engine::output::{self, Values};
use crate::engine::verdict;
use crate::run::{Chore, Failure, FailureCode, FailurePhase, Phase, Stage, StageReport};
use crate::scenario::script::{Attempt, Outcome};

impl Play<'_, '_> {
    pub(super) fn start(&mut self, task: &str, attempt: u32, stage: &str) {
        let Some(index) = self.played.run.find(task) else {
            return;
        };
        let spec = &self.played.run.program().tasks[index.get()];
        let Some(stage) = spec.stages.iter().copied().find(|known| known.word() == stage) else {
            return;
        };
        let script = self.scenario.scripts.get(&index).map_or(&[][..], |script| &script.attempts);
        let nth = (attempt as usize).saturating_sub(1).min(script.len().saturating_sub(1));
        let script = script.get(nth).cloned().unwrap_or_default();
        // What is not said of a stage is said of the work, and where nobody works of the first verification.
        let work = spec.stages.iter().copied().find(|stage| *stage == Stage::Run).or(spec.stages.first().copied());
        let meant = match &script.stage {
            Some(word) => spec.stages.iter().copied().find(|stage| stage.word() == word),
            None => work,
        };
        // Nothing has to be fetched: what tasks leave is in the script, wherever they leave it.
        let bound = inputs::lacking(self.blueprint, index, &self.tools)
            .map_or_else(|| inputs::of(self, &self.played.run, index, &HashMap::new()), Err);
        let began = self.played.run.task(index).attempt_started.unwrap_or(self.now);
        let spent = Duration::from_millis(self.now.0.saturating_sub(began.0));
        let limit = limit(self.blueprint.task(index), stage, spent);
        let here = meant == Some(stage);
        let most = u64::try_from(limit.0.as_millis()).unwrap_or(u64::MAX);
        let takes = if here { script.takes.unwrap_or(0) } else { 0 };
        let (ended, takes) = match (script.outcome, bound) {
            (_, Err(failure)) => {
                self.tell(index, attempt, stage, 0, Err(failure));
                return;
            }
            (outcome, Ok(inputs)) => {
                self.played.inputs.insert(index, inputs);
                match outcome {
                    Outcome::Timeout if here => (Ended::TimedOut, script.takes.unwrap_or(most)),
                    _ if takes > most => (Ended::TimedOut, most),
                    Outcome::Fail if here => (Ended::Exited(script.exit_code.unwrap_or(1)), takes),
                    _ => (Ended::Exited(self.expected(index, stage)), takes),
                }
            }
        };
        let what = Piece::Stage(index, attempt, stage);
        let keeps = script.checkpoint && here;
        self.jobs.push(Job { what, began: self.now, ends: self.now.after(takes), ended, limit, script });
        if keeps {
            let events = self.played.run.checkpoint_kept(self.now, index, attempt.into(), String::new());
            self.saw(events.unwrap_or_default());
        }
    }

    /// The status that means success.
    fn expected(&self, index: TaskIndex, stage: Stage) -> i32 {
        let task = self.blueprint.task(index);
        let known = match stage {
            Stage::Verify { tier, .. } => task.verification.iter().find(|known| known.stage == tier),
            Stage::Tree | Stage::Setup | Stage::Run | Stage::Commit | Stage::Land => None,
        };
        known.map_or(0, |known| i32::from(known.expected_exit_code))
    }

    pub(super) fn start_chore(&mut self, chore: &Chore) {
        let script = chore
            .task()
            .and_then(|task| self.played.run.find(task))
            .and_then(|index| self.scenario.scripts.get(&index));
        let outcome = match chore {
            Chore::Rollback { .. } => script.map(|script| script.rollback),
            Chore::OnSuccess { .. } => script.map(|script| script.on_success),
            Chore::Hook { hook } => self.scenario.hooks.get(hook.word()).copied(),
        };
        let limit = chore_limit(self.blueprint, &self.played.run, chore);
        let (ended, takes) = match outcome.unwrap_or_default() {
            Outcome::Ok => (Ended::Exited(0), 0),
            Outcome::Fail => (Ended::Exited(1), 0),
            Outcome::Timeout => (Ended::TimedOut, u64::try_from(limit.0.as_millis()).unwrap_or(u64::MAX)),
        };
        let (what, ends) = (Piece::Chore(chore.clone()), self.now.after(takes));
        self.jobs.push(Job { what, began: self.now, ends, ended, limit, script: Attempt::default() });
    }

    /// Work whose time has come tells how it ended.
    pub(super) fn answer(&mut self) {
        let (mut over, running): (Vec<Job>, Vec<Job>) =
            std::mem::take(&mut self.jobs).into_iter().partition(|job| job.ends <= self.now);
        self.jobs = running;
        over.sort_by_key(|job| job.ends);
        for Job { what, began, ended, limit, script, .. } in over {
            let report = Report { elapsed_ms: self.now.0.saturating_sub(began.0), ..Report::bare(ended, self.now.0) };
            match what {
                Piece::Stage(index, attempt, stage) => self.ended(index, attempt, stage, &report, limit, &script),
                Piece::Chore(chore) => {
                    let failure = verdict::on_chore(&chore, &report, limit).map(Box::new);
                    let events =
                        self.played.run.chore_ended(self.now, chore, report.elapsed_ms, failure).unwrap_or_default();
                    self.saw(events);
                }
            }
        }
    }

    /// A stage is over: what the driver makes of it, with outputs that were made up.
    fn ended(&mut self, index: TaskIndex, attempt: u32, stage: Stage, report: &Report, limit: Limit, script: &Attempt) {
        let stages = &self.played.run.program().tasks[index.get()].stages;
        let is_performed = stages.contains(&Stage::Run);
        let is_unknown = matches!(self.played.run.task(index).phase, Phase::Unknown { .. });
        let leaves = if is_performed && !is_unknown { stage == Stage::Run } else { stages.last() == Some(&stage) };
        let end = match verdict::on(stage, report, self.expected(index, stage), limit) {
            Some(failure) if report.outcome == Ended::Cancelled => Err(failure),
            Some(failure) => Err(Failure {
                code: script.code.unwrap_or(failure.code),
                message: script.message.clone().unwrap_or_else(|| failure.message.clone()),
                lasting: script.lasting || failure.lasting,
                ..failure
            }),
            None if leaves => self.outputs(index, script, is_unknown),
            None => Ok(Values::new()),
        };
        let end = if is_performed { end } else { end.map_err(verdict::unperformed) };
        self.tell(index, attempt, stage, report.elapsed_ms, end);
    }

    /// What the attempt leaves, judged as always. Where the scenario says nothing of it, nobody may bind it.
    fn outputs(&self, index: TaskIndex, script: &Attempt, is_unknown: bool) -> Result<Values, Failure> {
        let wrong = |reason: String| Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, reason);
        let task = self.blueprint.task(index);
        let fixed = task.ports().iter().all(|port| port.value.is_some());
        let is_printed = task.output.as_ref().is_some_and(|output| output.location == Transfer::Stdout);
        if is_unknown && is_printed && !fixed {
            return Err(wrong("its output is what it printed, and nobody saw it end".to_owned()));
        }
        let left = script.outputs.clone().map(|outputs| Value::Object(outputs.into_iter().collect()));
        if left.is_none() && !fixed {
            return Ok(Values::new());
        }
        let judged = output::judged(task, left.as_ref());
        // An output may be the value of its only port, and its schema is about that.
        let alone = match task.ports() {
            [port] => left.as_ref().and_then(|left| left.get(port.name.as_str())),
            _ => None,
        };
        judged.or_else(|why| alone.and_then(|value| output::judged(task, Some(value)).ok()).ok_or(why)).map_err(wrong)
    }

    fn tell(&mut self, index: TaskIndex, attempt: u32, stage: Stage, milliseconds: u64, end: Result<Values, Failure>) {
        let (outputs, failure) = match end {
            Ok(values) => {
                let named = output::named(&values);
                if !values.is_empty() {
                    self.left.insert((index, attempt), values);
                }
                (named, None)
            }
            Err(failure) => (Vec::new(), Some(Box::new(failure))),
        };
        let report = StageReport { attempt, stage: stage.word().to_owned(), milliseconds, failure, outputs };
        // What comes too late is told by nobody.
        let events = self.played.run.stage_ended(self.now, index, report).unwrap_or_default();
        self.saw(events);
    }
}
