//! One attempt at a job, from its folder to its end.
//!
//! ```text
//! secrets ─► clone ─► the agent, or the command ─► what changed ─► artifacts ─► an end
//! ```
//! Each process of it runs below a keeper, behind the clock of the job and the reins: whoever pulls them ends the whole
//! tree, and the attempt learns why. It writes its log and its artifacts below its own epoch; whether its end counts is
//! for the desk to say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::actions::{Claim, Stream};
use outpost_core::job::{Code, Outcome, Verdict};
use outpost_core::spec::Spec;
use outpost_executor::{Executor as _, LogCaps, Outcome as Became, Redaction, Report, Secrets, Token, Work};
use tokio::time::Instant;

use crate::ending::{self, End};
use crate::place::Place;
use crate::reins::{Cause, Reins};
use crate::tell::{Followed, Log, Voices};
use crate::work::Worker;

/// This program, wherever it lies.
pub(crate) const OURSELVES: &str = "/proc/self/exe";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// How long may be worked on what a job left, beyond its own time.
const AFTER: Duration = Duration::from_secs(120);

/// What an attempt knows of itself.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) claim: Arc<Claim>,
    pub(crate) reins: Reins,
    pub(crate) place: &'a Place,
    pub(crate) log: Log,
    pub(crate) secrets: Secrets,
    pub(crate) redaction: Option<Redaction>,
    /// When its time is over.
    pub(crate) deadline: Instant,
}

impl Attempt<'_> {
    pub(crate) fn spec(&self) -> &Spec {
        &self.claim.job().spec
    }

    /// Does all of it.
    pub(crate) async fn perform(&mut self) -> End {
        let base = match self.fetch().await {
            Ok(base) => base,
            Err(end) => return end,
        };
        let begun = Instant::now();
        let end = if self.spec().command.is_some() { self.command().await } else { self.agent().await };
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let end = ending::with(end, |outcome| outcome.usage.duration_ms = millis);
        let End::Over(mut outcome) = end else { return end };
        if self.leaves_nothing(&outcome) {
            return End::Over(outcome);
        }
        self.deadline = Instant::now() + AFTER;
        match self.keep(&mut outcome, base.as_ref()).await {
            Ok(()) => End::Over(outcome),
            Err(end) => ending::with(end, |end| end.usage = outcome.usage),
        }
    }

    /// A piece of work, with the time that is left.
    pub(crate) fn work(&self, stage: &str, program: impl Into<std::ffi::OsString>) -> Work {
        let job = self.claim.job();
        let token = Token {
            run: job.id.to_string(),
            task: format!("a{}", self.claim.epoch()),
            attempt: self.claim.epoch(),
            stage: stage.to_owned(),
        };
        let bounds = &self.worker.settings.bounds;
        let (head, tail) = (bounds.log_head as u64, bounds.log_tail as u64);
        Work {
            direct: true,
            inherit_env: false,
            log_caps: LogCaps { head, tail },
            secrets: self.secrets.clone(),
            timeout: Some(self.left()),
            grace: self.worker.settings.clocks.grace,
            ..Work::new(token, program, self.place.path(), self.record(stage))
        }
    }

    pub(crate) fn record(&self, stage: &str) -> PathBuf {
        self.place.own().join(format!("{stage}.log"))
    }

    /// The time that is left; something is, so that a process is ended by the one who counts it.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    /// Runs it to its end; with voices, what it says is passed on meanwhile. Where the reins were pulled, that is the end.
    pub(crate) async fn run(&mut self, work: Work, voices: Option<Voices>) -> Result<Report, End> {
        let path = work.log.clone();
        let report = {
            let running = perform(self.worker, work, &self.reins);
            let mut running = std::pin::pin!(running);
            match voices {
                None => running.await,
                Some(voices) => {
                    let mut followed = Followed::new(voices);
                    let mut look = tokio::time::interval(self.worker.settings.clocks.tell / 4);
                    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                    let report = loop {
                        tokio::select! {
                            report = &mut running => break report,
                            _ = look.tick() => self.log.follow(&mut followed, &path).await,
                        }
                    };
                    self.log.rest(&mut followed, &path).await;
                    report
                }
            }
        };
        match self.reins.cause() {
            None => Ok(report),
            Some(cause) => Err(self.stopped(cause)),
        }
    }

    /// What a pulled rein comes to.
    pub(crate) fn stopped(&self, cause: Cause) -> End {
        match cause {
            Cause::Lost => End::Gone,
            Cause::Leaving => End::Back,
            Cause::Cancelled => {
                End::Over(Box::new(Outcome::of(Verdict::Cancelled, Code::Cancelled, "cancelled while it ran")))
            }
            Cause::DiskFull => {
                let most = self.worker.settings.bounds.disk(self.claim.job().lane);
                End::failed(Code::DiskFull, &format!("it took more than the {most} bytes of disk that it may take"))
            }
        }
    }

    async fn command(&mut self) -> End {
        let seconds = self.spec().timeout_seconds;
        let work = match self.command_work() {
            Ok(work) => work,
            Err(why) => return End::Broken(why),
        };
        let report = match self.run(work, Some(Voices { stdout: Stream::Out, stderr: Stream::Err })).await {
            Ok(report) => report,
            Err(end) => return end,
        };
        for process in &report.leaked {
            self.log.outlived(process);
        }
        let end = ending::of_command(&report, seconds);
        let outputs = self.command_outputs();
        ending::with(end, |outcome| match outputs {
            Ok(outputs) => outcome.outputs = outputs,
            Err(why) if outcome.result == Verdict::Succeeded => {
                *outcome =
                    Outcome { exit_code: outcome.exit_code, ..Outcome::of(Verdict::Failed, Code::CommandFailed, &why) };
            }
            Err(_) => {}
        })
    }

    /// A variable of ours that is no secret.
    pub(crate) fn path_variable() -> std::ffi::OsString {
        std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.into())
    }
}

/// Has a keeper do it, and ends it when the reins are pulled.
async fn perform(worker: &Worker, work: Work, reins: &Reins) -> Report {
    let handle = match worker.shell.start(work).await {
        Ok(handle) => handle,
        Err(why) => return Report::bare(Became::NotStarted(why), 0),
    };
    let report = tokio::select! {
        report = worker.shell.wait(&handle) => report,
        _ = reins.pulled() => {
            worker.shell.cancel(&handle).await;
            worker.shell.wait(&handle).await
        }
    };
    worker.shell.settle(&handle);
    report
}
