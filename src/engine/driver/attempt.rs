//! One stage of one attempt: started, waited for, judged; what it left is kept.

use std::sync::Arc;
use std::time::Duration;

use outpost_executor::{Executor, Handle, NotStarted, Report, Work};
use tokio::task::JoinError;
use tracing::{Instrument as _, debug};

use super::{Answer, Driver, Job, Piece, sound};
use crate::blueprint::TaskIndex;
use crate::blueprint::site::Site;
use crate::engine::agent::course::{Unfinished, told};
use crate::engine::bench::{Limit, Start, Turn};
use crate::engine::error::Broken;
use crate::engine::hands::Owner;
use crate::engine::inputs;
use crate::engine::output::{self, Values};
use crate::engine::verdict;
use crate::run::{Failure, FailureCode, FailurePhase, KeptPort, Moment, Phase, Refusal, Stage, StageReport, Usage};

impl Driver<'_> {
    /// A stage by its word.
    pub(super) fn stage(&self, index: TaskIndex, word: &str) -> Result<Stage, Broken> {
        let spec = &self.run.program().tasks[index.get()];
        let stage = spec.stages.iter().copied().find(|known| known.word() == word);
        stage.ok_or_else(|| Broken::History(format!("`{}` has no stage `{word}`", spec.id)))
    }

    pub(super) async fn start(&mut self, task: &str, attempt: u32, stage: &str) -> Result<(), Broken> {
        let Some(index) = self.run.find(task) else {
            return Err(Broken::History(format!("there is no task `{task}`")));
        };
        let stage = self.stage(index, stage)?;
        self.begin(index, attempt, stage).await
    }

    /// Asks an executor to start a stage, once all that it needs is here.
    pub(super) async fn begin(&mut self, index: TaskIndex, attempt: u32, stage: Stage) -> Result<(), Broken> {
        let limit = self.limit(index, stage);
        let lacking = inputs::lacking_secret(self.bench, index);
        let lacking = lacking.or_else(|| inputs::lacking(self.bench.blueprint, index, &self.capabilities));
        let arrivals = match lacking {
            Some(failure) => Err(failure),
            None => self.arrivals(index, attempt, stage),
        };
        let inputs = match arrivals {
            Ok(Some(arrivals)) => inputs::of(self.bench, &self.run, index, &arrivals),
            Ok(None) => return Ok(()),
            Err(failure) => Err(failure),
        };
        let prepared = inputs.and_then(|inputs| {
            let locks = self.outside.descriptors(index).map_err(|error| {
                let message = format!("its locks cannot be passed on: {error}");
                Failure::new(FailureCode::ExecutionFailed, FailurePhase::Setup, message)
            })?;
            let last = self.run.task(index).last_failure.as_deref();
            let stage_at = self.run.task(index).stage_started.unwrap_or(self.run.latest());
            let (at, limit) = (self.began(index), limit.0);
            let checkpoint = self.run.task(index).checkpoint.as_ref();
            let (inputs, turn) = (&inputs, self.turn_of(index));
            let start =
                Start { task: index, attempt, stage, at, stage_at, inputs, last, checkpoint, limit, locks, turn };
            self.bench.prepare(start)
        });
        let owner = Owner { bench: self.bench, task: Some((index, self.began(index))) };
        let failure = match prepared {
            Ok(work) => match self.set_going(work, &self.bench.site_of(index, stage), owner).await {
                Ok((executor, handle)) => {
                    debug!(%handle, limit = ?limit.0, "started");
                    let events = self.run.started(self.clock, index, handle.0.clone()).unwrap_or_default();
                    self.happened(events);
                    self.wait_for(Piece::Stage(index, attempt, stage.word()), executor, handle, limit);
                    return Ok(());
                }
                Err(reason) => verdict::not_started(&reason, stage),
            },
            Err(failure) => failure,
        };
        self.report(index, attempt, stage, 0, Err(failure))
    }

    /// Has the executor of a place begin with work.
    pub(super) async fn set_going(
        &self,
        work: Work,
        site: &Site<'_, '_>,
        owner: Owner<'_>,
    ) -> Result<(Arc<dyn Executor>, Handle), NotStarted> {
        let executor = self.hands.at(site, owner).await?;
        let handle = executor.start(work).await?;
        Ok((executor, handle))
    }

    /// Work is on its way: its report will come.
    pub(super) fn wait_for(&mut self, piece: Piece, executor: Arc<dyn Executor>, handle: Handle, limit: Limit) {
        let (asked_of, waited, asked) = (Arc::clone(&executor), handle.clone(), piece.clone());
        let wait = async move {
            let report = asked_of.wait(&waited).await;
            debug!(outcome = ?report.outcome, milliseconds = report.elapsed_ms, "ended");
            (asked, report)
        };
        self.answers.spawn(wait.in_current_span());
        let watch = self.watch(&piece);
        self.jobs.insert(piece, Job { executor, handle, limit, watch });
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, JoinError>) -> Result<(), Broken> {
        let (piece, report) = sound(answer);
        let Some(limit) = self.jobs.get(&piece).map(|job| job.limit) else {
            return Ok(());
        };
        let is_over = match &piece {
            Piece::Stage(index, attempt, word) => {
                self.ended(*index, *attempt, self.stage(*index, word)?, &report, limit)?
            }
            Piece::Chore(chore) => {
                self.chore_ended(chore, &report, limit)?;
                true
            }
        };
        if is_over {
            self.is_over(&piece);
        }
        Ok(())
    }

    /// The end of a stage is told: its executor may forget it once that is written down.
    pub(super) fn is_over(&mut self, piece: &Piece) {
        if let Some(Job { executor, handle, .. }) = self.jobs.remove(piece) {
            self.record.unsettled.push((executor, handle));
        }
    }

    /// A stage is over: judge it, keep what it left, write both down. Not yet where what it left has to be sent first.
    pub(super) fn ended(
        &mut self,
        index: TaskIndex,
        attempt: u32,
        stage: Stage,
        report: &Report,
        limit: Limit,
    ) -> Result<bool, Broken> {
        let task = self.bench.task(index);
        self.tell_leaked(&task.id, report);
        if stage == Stage::Run {
            self.take_checkpoint(index, attempt);
        }
        let expected = match stage {
            Stage::Verify { tier, .. } => task.verification.iter().find(|known| known.stage == tier),
            Stage::Tree | Stage::Setup | Stage::Run | Stage::Commit | Stage::Land => None,
        };
        let expected = expected.map_or(0, |stage| i32::from(stage.expected_exit_code));
        let brought = if stage == Stage::Run { self.bench.bring_home(index, attempt, report) } else { Ok(()) };
        let outputs = match verdict::on(stage, report, expected, limit).or(brought.err()) {
            Some(failure) => Err(failure),
            None if self.leaves_output(index, stage) => self.left(index, attempt, report).and_then(|values| {
                let is_sent = self.send((index, attempt, stage), report.elapsed_ms, &values)?;
                Ok((!is_sent).then_some(values))
            }),
            None => Ok(Some(Values::new())),
        };
        // What is being sent is looked through on its way.
        if !matches!(outputs, Ok(None)) && (stage == Stage::Run || outputs.is_err()) {
            self.sweep(index, attempt);
        }
        let is_performed = self.run.program().tasks[index.get()].stages.contains(&Stage::Run);
        let outputs = match outputs {
            Ok(None) => return Ok(false),
            Ok(Some(values)) => Ok(self.keep(index, attempt, &values)?),
            Err(failure) if is_performed => Err(failure),
            Err(failure) => Err(verdict::unperformed(failure)),
        };
        self.report(index, attempt, stage, report.elapsed_ms, outputs)?;
        Ok(true)
    }

    /// Looks for secrets in what an attempt left, beside the loop.
    fn sweep(&mut self, index: TaskIndex, attempt: u32) {
        if let Some(sweep) = self.bench.removing_secrets(index, attempt) {
            self.sweeps.spawn_blocking(sweep);
        }
        while let Some(swept) = self.sweeps.try_join_next() {
            sound(swept);
        }
    }

    pub(super) fn tell_leaked(&mut self, whose: &str, report: &Report) {
        if !report.leaked.is_empty() {
            let names: Vec<String> = report.leaked.iter().map(ToString::to_string).collect();
            self.watcher.remark(&format!("`{whose}` left processes behind, ended now: {}", names.join(", ")));
        }
    }

    /// Outputs come with the work; where there is none, or nobody saw its end, what is there is taken once it
    /// is verified.
    fn leaves_output(&self, index: TaskIndex, stage: Stage) -> bool {
        let stages = &self.run.program().tasks[index.get()].stages;
        let is_seen = stages.contains(&Stage::Run) && !self.is_unknown(index);
        // What an agent of the fleet left is here when it is committed.
        let brings = if self.bench.errand(index).is_some() { Stage::Commit } else { Stage::Run };
        if is_seen { stage == brings } else { stages.last() == Some(&stage) }
    }

    fn is_unknown(&self, index: TaskIndex) -> bool {
        matches!(self.run.task(index).phase, Phase::Unknown { .. })
    }

    /// What a task left, if it is what it promised.
    fn left(&self, index: TaskIndex, attempt: u32, report: &Report) -> Result<Values, Failure> {
        let wrong = |message: String| Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message);
        if self.is_unknown(index) && self.bench.prints_output(index, attempt) {
            // Its verification cannot have looked at it.
            return Err(wrong("its output is what it printed, and nobody saw it end".to_owned()));
        }
        // The same again would leave the same again.
        let secret = self.bench.printed_secret(index, attempt, report);
        secret.map_err(|message| Failure { lasting: true, ..wrong(message) })?;
        if self.bench.prints_output(index, attempt)
            && let Some(missing) = verdict::incomplete(report)
        {
            return Err(Failure { lasting: true, ..wrong(missing) });
        }
        self.bench.left(index, attempt, self.began(index)).map_err(wrong)
    }

    /// Keeps what a task left. That it cannot be kept is no failure of the task: the run stops, and its executor
    /// has the report of the work until `resume` comes back to it.
    pub(super) fn keep(&self, index: TaskIndex, attempt: u32, values: &Values) -> Result<Vec<KeptPort>, Broken> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let file = self.bench.files.ports(&self.bench.task(index).id, attempt);
        output::keep(&file, values).map_err(|error| Broken::Io(file.display().to_string(), error))
    }

    pub(super) fn report(
        &mut self,
        index: TaskIndex,
        attempt: u32,
        stage: Stage,
        milliseconds: u64,
        end: Result<Vec<KeptPort>, Failure>,
    ) -> Result<(), Broken> {
        let end = end.map_err(|failure| self.judged(index, attempt, stage, failure));
        let stage = stage.word().to_owned();
        let (outputs, failure) = match end {
            Ok(outputs) => (outputs, None),
            Err(failure) => (Vec::new(), Some(Box::new(self.bench.secrets.clean_failure(failure)))),
        };
        if Stage::Run.word() == stage {
            self.count_usage(index, attempt);
        }
        match self.run.stage_ended(self.clock, index, StageReport { attempt, stage, milliseconds, failure, outputs }) {
            Ok(events) => {
                self.happened(events);
                Ok(())
            }
            Err(Refusal::Illegal(illegal)) => Err(Broken::History(illegal.to_string())),
            Err(_) => Ok(()),
        }
    }

    /// What an agent has to know of its attempt.
    fn turn_of(&self, index: TaskIndex) -> Turn<'_> {
        let spec = &self.run.program().tasks[index.get()];
        let last = self.run.decisions(&spec.id).last().filter(|last| last.approved && !last.comment.is_empty());
        Turn {
            source: self.source,
            attempts: spec.max_retries + 1,
            said: last.map(|last| last.comment.clone()),
            left: self.left_for_agents(index),
            now: self.clock,
        }
    }

    /// What is left for all agents of the run together, as the agent of a task begins.
    fn left_for_agents(&self, index: TaskIndex) -> Usage {
        let budget = self.run.program().budget;
        if budget.is_unbounded() {
            return budget;
        }
        let others = self.run.uncounted().into_iter().filter(|(task, _)| *task != index);
        let underway = others.filter_map(|(task, attempt)| self.bench.underway(task, attempt));
        budget.less(underway.fold(self.run.used(), Usage::plus))
    }

    /// Writes down what the agent of an attempt used.
    pub(super) fn count_usage(&mut self, index: TaskIndex, attempt: u32) {
        if let Some(usage) = self.bench.usage(index, attempt) {
            let events = self.run.usage_counted(self.clock, index, attempt, usage).unwrap_or_default();
            self.happened(events);
        }
    }

    /// Where an agent does the work, it knows better than the document what follows from a failure.
    fn judged(&self, index: TaskIndex, attempt: u32, stage: Stage, failure: Failure) -> Failure {
        let failure = told(stage, failure);
        let Some((agent, terms)) = self.bench.agent(index) else {
            return failure;
        };
        let (files, task) = (&self.bench.files, self.bench.task(index).id.as_str());
        let failure = self.bench.secrets.clean_failure(failure);
        Unfinished { files, task, agent, terms: &terms, attempt, stage, now: self.clock }.judged(failure)
    }

    /// When the attempt of a task began: the time that stands in its paths, in all its stages.
    pub(super) fn began(&self, index: TaskIndex) -> Moment {
        self.run.task(index).attempt_started.unwrap_or(self.run.latest())
    }

    /// How long a stage may take from now on, and the field that says so.
    fn limit(&self, index: TaskIndex, stage: Stage) -> Limit {
        let began = self.began(index);
        let spent = Duration::from_millis(self.run.latest().0.saturating_sub(began.0));
        self.bench.limit(index, stage, spent)
    }
}
