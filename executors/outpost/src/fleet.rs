//! The executor: work becomes jobs, jobs become reports.
//!
//! What is known only here: which secrets are in the output of which work, and who asked for its end. Everything else
//! is in the handle, and with the service.

use std::collections::HashMap;
use std::fmt;
use std::path::absolute;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use outpost_executor::{Executor, Handle, NotStarted, Outcome, Pending, Report, Secrets, Standing, Trace, Work};

use crate::client::{Client, Key, Trouble};
use crate::follow::{Follower, Pace, printed};
use crate::job::{Job, locked};
use crate::order;
use crate::place::Place;
use crate::printed::moment;
use crate::settings::Settings;
use crate::verdict;
use crate::wire;

/// Runs work as jobs of an Outpost service.
pub struct Fleet {
    client: Client,
    settings: Settings,
    pace: Pace,
    known: Option<Secrets>,
    jobs: Mutex<HashMap<Handle, Arc<Job>>>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Fleet {
    /// The error says what keeps the service from being asked.
    pub fn new(settings: Settings, key: Key) -> Result<Self, String> {
        if let Some(problem) = settings.problem() {
            return Err(problem);
        }
        let client = Client::new(&settings, key)?;
        Ok(Self { client, settings, pace: Pace::default(), known: None, jobs: Mutex::default() })
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
        Follower { client: &self.client, settings: &self.settings, pace: self.pace }
    }

    async fn begin(&self, mut work: Work) -> Result<Handle, NotStarted> {
        let told = |error: std::io::Error| NotStarted::Other(error.to_string());
        work.log = absolute(&work.log).map_err(told)?;
        if let Some(file) = &mut work.stdout_file {
            file.path = absolute(&file.path).map_err(told)?;
            if file.path.symlink_metadata().is_ok() {
                let path = file.path.display();
                return Err(NotStarted::Other(format!("its output file `{path}` is there already: remove it")));
            }
        }
        let order = order::order(&work, &self.settings)?;
        let mut place = Place::of(&work, &self.settings, Some(now_ms()));
        place.note().map_err(|error| NotStarted::Other(format!("nothing can be written beside its log: {error}")))?;
        let job = Job::new(place.clone(), Some(order), Some(work.secrets), work.locks);
        if let Err(Trouble::Refused { words, .. }) = self.follower().submit(&job).await {
            place.forget();
            return Err(NotStarted::Other(format!("the service takes no such job: {words}")));
        }
        // Where it has no room yet, whoever waits for the end asks again.
        place.job = job.id();
        let handle = place.handle();
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
        let job = Arc::new(Job::new(place, None, secrets, Vec::new()));
        jobs.insert(handle.clone(), Arc::clone(&job));
        Some(job)
    }

    async fn report(&self, handle: &Handle) -> Report {
        let Some(job) = self.job(handle) else {
            return lost(format!("`{handle}` is no handle of a job"));
        };
        let mut progress = job.turn.lock().await;
        if let Some(report) = job.report() {
            return report;
        }
        if job.place.service != self.settings.url {
            let (there, here) = (&job.place.service, &self.settings.url);
            return job.end(lost(format!("it is a job of `{there}`, and this run asks `{here}`")));
        }
        let ended = self.follower().end(&job, &mut progress).await;
        let now = now_ms();
        let mut report = match ended {
            Ok(found) => {
                let (outcome, words) = verdict::of(&found, &job.place);
                let left_out = self.follower().files(&job, &found).await;
                let notes: Vec<String> = words.into_iter().chain(left_out).collect();
                for words in &notes {
                    printed(&job, &mut progress).note(now, words);
                }
                timed(outcome, &found, now)
            }
            Err(outcome) => Report::bare(outcome, now),
        };
        if let Some(printed) = progress.printed.take() {
            printed.end(&mut report, now);
        }
        job.end(report)
    }

    async fn end(&self, handle: &Handle) {
        let Some(job) = self.job(handle).filter(|job| job.cancel()) else {
            return;
        };
        if let Some(id) = job.id() {
            match self.client.cancel(&id).await {
                Ok(()) => job.cancel_is_told(),
                // Whoever waits tries again.
                Err(trouble) => tracing::debug!(job = id, trouble = trouble.words(), "the end was not asked for yet"),
            }
        }
        job.woken.notify_one();
    }

    async fn find(&self, trace: Trace<'_>) -> Standing {
        let noted = trace.handle.and_then(|handle| Place::read(handle, Some(trace.token)));
        let noted = noted.or_else(|| Place::noted(&trace));
        let place = noted.unwrap_or_else(|| Place::unnoted(&trace, &self.settings, now_ms()));
        if place.service != self.settings.url {
            tracing::warn!(service = place.service, "a job is with another service than this run asks");
            return Standing::Unknown;
        }
        let found = match &place.job {
            Some(id) => match self.client.job(id).await {
                Ok(found) => Ok(Some(found)),
                Err(Trouble::Refused { words, .. }) => Err(words),
                // There is such a job: who waits will see what becomes of it.
                Err(Trouble::Busy { .. } | Trouble::Unsure(_)) => return Standing::Running(place.handle()),
            },
            // Only of a job that is known may be said that it goes on.
            None => self.follower().look(&place.once).await,
        };
        match found {
            Ok(Some(found)) => {
                let is_final = found.is_final();
                let handle = Place { job: Some(found.id), ..place }.handle();
                if is_final { Standing::Ended(Box::new(self.report(&handle).await)) } else { Standing::Running(handle) }
            }
            // Nobody else asked for it, and whoever did is gone.
            Ok(None) if place.would_be_known(now_ms()) => {
                let outcome = Outcome::NotStarted(NotStarted::Cancelled);
                Standing::Ended(Box::new(Report::bare(outcome, now_ms())))
            }
            Ok(None) => Standing::Unknown,
            Err(words) => {
                tracing::warn!(reason = words, "nobody can be asked what became of a job");
                Standing::Unknown
            }
        }
    }
}

impl Executor for Fleet {
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
        if jobs.get(handle).is_some_and(|job| job.report().is_some())
            && let Some(job) = jobs.remove(handle)
        {
            job.place.forget();
        }
    }

    fn reattach<'a>(&'a self, trace: Trace<'a>) -> Pending<'a, Standing> {
        Box::pin(self.find(trace))
    }
}

fn timed(outcome: Outcome, found: &wire::Job, now: u64) -> Report {
    let at = |text: &Option<String>| text.as_deref().and_then(moment);
    let ended = at(&found.completed_at).unwrap_or(now);
    let mut report = Report::bare(outcome, at(&found.started_at).unwrap_or(ended).min(ended));
    report.ended_ms = ended;
    report.elapsed_ms = found.outcome.as_ref().map_or(0, |outcome| outcome.usage.duration_ms);
    report
}

fn lost(reason: String) -> Report {
    Report::bare(Outcome::Lost(reason), now_ms())
}

pub(crate) fn now_ms() -> u64 {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(at).unwrap_or(u64::MAX)
}
