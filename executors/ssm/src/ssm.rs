//! The executor: work becomes commands, commands become reports.
//!
//! What is known only here: which secrets are in the output of which work, and who asked for its end. Everything else
//! is in the handle, on the targets, and with AWS.

use std::collections::HashMap;
use std::fmt;
use std::path::absolute;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use outpost_executor::{Executor, Handle, NotStarted, Outcome, Pending, Report, Secrets, Standing, Trace, Work};

use crate::follow::{Follower, Pace};
use crate::job::{Job, locked};
use crate::order::{self, Mark, Role};
use crate::output::{self, Page};
use crate::place::Place;
use crate::service::{Service, Trouble};
use crate::settings::Settings;
use crate::verdict;

/// What a command may take beyond the time of its work, before Systems Manager ends it.
const SLACK: Duration = Duration::from_secs(120);

/// Runs work on machines that AWS Systems Manager reaches.
pub struct Ssm {
    service: Service,
    settings: Settings,
    pace: Pace,
    known: Option<Secrets>,
    jobs: Mutex<HashMap<Handle, Arc<Job>>>,
}

impl fmt::Debug for Ssm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssm").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Ssm {
    /// As whom this machine is to AWS: environment, profile, role.
    pub async fn connect(settings: Settings) -> Self {
        let config = Service::config(&settings).await;
        Self::new(settings, &config)
    }

    pub fn new(settings: Settings, config: &SdkConfig) -> Self {
        let service = Service::new(&settings, config);
        Self { service, settings, pace: Pace::default(), known: None, jobs: Mutex::default() }
    }

    /// The secrets of the run, for output of work that an earlier runner started. Without them such output is not kept
    /// if that work had any.
    #[must_use]
    pub fn knowing(self, secrets: Secrets) -> Self {
        Self { known: Some(secrets), ..self }
    }

    #[must_use]
    pub fn at(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    const fn follower(&self) -> Follower<'_> {
        Follower { service: &self.service, settings: &self.settings, pace: self.pace }
    }

    async fn begin(&self, mut work: Work) -> Result<Handle, NotStarted> {
        if let Some(problem) = self.settings.problems().into_iter().next() {
            return Err(NotStarted::Refused(problem));
        }
        let told = |error: std::io::Error| NotStarted::Other(error.to_string());
        work.log = absolute(&work.log).map_err(told)?;
        if let Some(file) = &mut work.stdout_file {
            file.path = absolute(&file.path).map_err(told)?;
            if file.path.symlink_metadata().is_ok() {
                let path = file.path.display();
                return Err(NotStarted::Other(format!("its output file `{path}` is there already: remove it")));
            }
        }
        let mark = Mark::of(&work.token);
        let script = order::run(&work, &mark, &self.settings)?;
        let place = Place::of(&work, &mark, &self.settings);
        let limit = work.timeout.map(|timeout| timeout + work.grace + work.leak_timeout + SLACK);
        let place = self.follower().send(place, &script, limit).await?;
        let handle = place.handle();
        let job = Job::new(place, Some(work.secrets), work.locks);
        locked(&self.jobs).insert(handle.clone(), Arc::new(job));
        Ok(handle)
    }

    /// Work of this process, or of an earlier one.
    fn job(&self, handle: &Handle) -> Option<Arc<Job>> {
        let mut jobs = locked(&self.jobs);
        if let Some(job) = jobs.get(handle) {
            return Some(Arc::clone(job));
        }
        let place = Place::read(handle, None)?;
        let secrets = self.known.clone().or_else(|| (!place.has_secrets).then(Secrets::default));
        let job = Arc::new(Job::new(place, secrets, Vec::new()));
        jobs.insert(handle.clone(), Arc::clone(&job));
        Some(job)
    }

    async fn report(&self, handle: &Handle) -> Report {
        let Some(job) = self.job(handle) else {
            return lost(format!("`{handle}` is no handle of a command of Systems Manager"));
        };
        let _turn = job.turn.lock().await;
        if let Some(report) = job.report() {
            return report;
        }
        match self.follower().machines(&job).await {
            Ok(machines) => job.end(told(&job, &machines)),
            Err(reason) => job.end(lost(reason)),
        }
    }

    async fn end(&self, handle: &Handle) {
        let Some(job) = self.job(handle).filter(|job| job.cancel()) else {
            return;
        };
        let mark = job.place.mark();
        if let Some(id) = job.first()
            && let Err(trouble) = self.service.cancel(&id).await
        {
            // What was delivered is ended on its target all the same.
            tracing::debug!(token = mark.0, trouble = trouble.words(), "AWS did not cancel a command");
        }
        match self.follower().about(&job.place, Role::End).await {
            Ok(id) => job.set_ending(id),
            // Whoever waits tries again.
            Err(trouble) => tracing::debug!(token = mark.0, trouble = trouble.words(), "the end was not asked for yet"),
        }
    }

    async fn find(&self, trace: Trace<'_>) -> Standing {
        let noted = trace.handle.and_then(|handle| Place::read(handle, Some(trace.token)));
        let place = noted.unwrap_or_else(|| Place::unnoted(&trace, &self.settings));
        let handle = place.handle();
        let Some(id) = &place.command else {
            return self.unnoted(place).await;
        };
        match self.service.look(id).await {
            Ok(Some(seen)) if seen.is_over => Standing::Ended(Box::new(self.report(&handle).await)),
            // AWS has forgotten it, or it is another account: the targets may know.
            Ok(None) => self.unnoted(Place { command: None, ..place }).await,
            // Who waits will see, or will be told that nobody can.
            Ok(Some(_)) | Err(_) => Standing::Running(handle),
        }
    }

    /// Of a start of which nobody knows whether it was one. The targets are asked; and if it never came there, it never
    /// will.
    async fn unnoted(&self, place: Place) -> Standing {
        let found = match self.service.find(&self.settings, &place.mark()).await {
            Ok(Some(id)) => Ok(id),
            Ok(None) => self.follower().about(&place, Role::Ask).await,
            Err(trouble) => Err(trouble),
        };
        match found {
            Ok(id) => Standing::Running(Place { command: Some(id), ..place }.handle()),
            Err(Trouble::Refused(words)) => {
                tracing::warn!(reason = words, "nobody can be asked what became of work");
                Standing::Unknown
            }
            Err(_) => Standing::Running(place.handle()),
        }
    }
}

impl Executor for Ssm {
    fn start(&self, work: Work) -> Pending<'_, Result<Handle, NotStarted>> {
        Box::pin(self.begin(work))
    }

    fn wait<'a>(&'a self, handle: &'a Handle) -> Pending<'a, Report> {
        Box::pin(self.report(handle))
    }

    fn cancel<'a>(&'a self, handle: &'a Handle) -> Pending<'a, ()> {
        Box::pin(self.end(handle))
    }

    fn settle(&self, handle: &Handle) {
        let mut jobs = locked(&self.jobs);
        // Work that goes on is not settled.
        if jobs.get(handle).is_some_and(|job| job.report().is_some()) {
            jobs.remove(handle);
        }
    }

    fn reattach<'a>(&'a self, trace: Trace<'a>) -> Pending<'a, Standing> {
        Box::pin(self.find(trace))
    }
}

/// One report for all machines.
fn told(job: &Job, machines: &[verdict::Machine]) -> Report {
    let Job { place, secrets, .. } = job;
    let was_cancelled = job.was_cancelled();
    let (outcome, bad) = verdict::of(machines, place, was_cancelled);
    let now = now_ms();
    let title = |machine: &verdict::Machine| {
        let outcome = machine.outcome(place, was_cancelled);
        (machines.len() > 1).then(|| format!("outpost: {} {}", machine.name, verdict::told(&outcome)))
    };
    let mut pages: Vec<Page<'_>> =
        machines.iter().map(|machine| Page { title: title(machine), frame: machine.frame.as_ref() }).collect();
    if !bad.is_empty() {
        let words =
            format!("outpost: {} of {} machines did not succeed: {}", bad.len(), machines.len(), bad.join("; "));
        pages.push(Page { title: Some(words), frame: None });
    }
    let printed = output::keep(place, &pages, secrets.as_ref(), now);
    let frames = || machines.iter().filter_map(|machine| machine.frame.as_ref());
    let started_ms = frames().map(|frame| frame.started_ms).filter(|at| *at > 0).min().unwrap_or(now);
    let ended_ms = frames().map(|frame| frame.started_ms + frame.elapsed_ms).max().unwrap_or(now).max(started_ms);
    let mut report = Report::bare(outcome, started_ms);
    report.ended_ms = ended_ms;
    report.elapsed_ms = frames().map(|frame| frame.elapsed_ms).max().unwrap_or_default();
    report.stdout = printed.stdout;
    report.stderr = printed.stderr;
    report.log = printed.log;
    report.stdout_file = printed.stdout_file;
    report.leaked = frames().flat_map(|frame| frame.leaked.iter().cloned()).collect();
    if report.log.error.is_none() {
        report.log.error = machines.iter().find_map(|machine| machine.unread.clone());
    }
    report
}

fn lost(reason: String) -> Report {
    Report::bare(Outcome::Lost(reason), now_ms())
}

fn now_ms() -> u64 {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(at).unwrap_or(u64::MAX)
}
