//! A job from its being asked for to its end, through whatever a network and a busy service put in between.
//!
//! ```text
//! (order) ──POST──► id ──GET logs, waiting──► final ──GET job, artifacts──► outcome
//!    │ 429, 503, no answer: again, later and later, until patience ends      ▲
//!    └─ cancelled, or another runner's: is there a job of that key? ─────────┘
//! ```

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use outpost_executor::{NotStarted, Outcome};

use crate::client::{Client, Trouble};
use crate::files;
use crate::job::{Job, Progress};
use crate::printed::Printed;
use crate::settings::Settings;
use crate::wire;

/// Between two questions.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub first: Duration,
    pub most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(10) }
    }
}

/// What was sent a moment ago may not be there yet: so often it is looked for before it is taken for not sent.
const LOOKS: u32 = 3;
/// Seconds that a run which is resumed waits at most to hear what became of a task, whatever its patience is.
const LOOKING: u32 = 300;
/// Seconds that the service waits for something to tell.
const WAIT: u32 = 20;

#[derive(Clone, Copy)]
pub(crate) struct Follower<'a> {
    pub(crate) client: &'a Client,
    pub(crate) settings: &'a Settings,
    pub(crate) pace: Pace,
}

/// Pauses that grow, each a little longer or shorter than it should be: those who wait for one thing do not ask at once.
struct Pauses {
    pace: Pace,
    next: Duration,
    silent: Option<Instant>,
}

impl Pauses {
    const fn new(pace: Pace) -> Self {
        Self { pace, next: pace.first, silent: None }
    }

    async fn pause(&mut self, least: Duration) {
        let share = u32::try_from(RandomState::new().hash_one(0_u8) % 512).unwrap_or_default();
        let pause = self.next * 3 / 4 + self.next * share / 1024;
        tokio::time::sleep(if pause < least { least + self.next * share / 1024 } else { pause }).await;
        self.next = (self.next * 3 / 2).min(self.pace.most);
    }

    /// How long may still be waited.
    fn left(&mut self, patience: Duration) -> Option<Duration> {
        patience.checked_sub(self.silent.get_or_insert_with(Instant::now).elapsed())
    }

    const fn heard(&mut self) {
        self.silent = None;
        self.next = self.pace.first;
    }
}

impl Follower<'_> {
    /// The end of it, and the job, if there was one.
    pub(crate) async fn end(&self, job: &Job, progress: &mut Progress) -> Result<wire::Job, Outcome> {
        let id = self.id(job, progress).await?;
        let mut pauses = Pauses::new(self.pace);
        let mut wait = WAIT;
        loop {
            if job.is_to_end() && self.client.cancel(&id).await.is_ok() {
                job.cancel_is_told();
            }
            let page = match self.client.log(&id, progress.after, wait).await {
                Ok(page) => page,
                Err(trouble) => {
                    // Others wait already, it may be: then it is asked without waiting.
                    wait = if matches!(trouble, Trouble::Busy { .. }) { 0 } else { WAIT };
                    self.bear(&mut pauses, &trouble).await.map_err(Outcome::Lost)?;
                    continue;
                }
            };
            pauses.heard();
            let is_silent = page.data.is_empty();
            let (is_final, after) = (page.is_final, page.next_after);
            let now = crate::fleet::now_ms();
            let printed = printed(job, progress);
            for line in page.data {
                printed.take(line, now);
            }
            progress.after = after;
            if is_final {
                break;
            }
            if is_silent && wait == 0 {
                tokio::select! {
                    () = tokio::time::sleep(self.pace.first) => {}
                    () = job.woken.notified() => {}
                }
                wait = WAIT;
            }
        }
        let mut pauses = Pauses::new(self.pace);
        loop {
            match self.client.job(&id).await {
                Ok(found) if found.is_final() => return Ok(found),
                Ok(_) => pauses.pause(Duration::ZERO).await,
                Err(trouble) => self.bear(&mut pauses, &trouble).await.map_err(Outcome::Lost)?,
            }
        }
    }

    /// Brings the files of a job that has ended. What is missing, and why.
    pub(crate) async fn files(&self, job: &Job, found: &wire::Job) -> Vec<String> {
        if found.outcome.as_ref().is_none_or(|outcome| outcome.artifacts.is_empty()) {
            return Vec::new();
        }
        let mut pauses = Pauses::new(self.pace);
        loop {
            let brought = match self.client.artifacts(&found.id).await {
                Ok(artifacts) => files::fetch(self.client, artifacts, &job.place.artifacts()).await,
                Err(trouble) => Err(trouble),
            };
            match brought {
                Ok(left_out) => return left_out,
                Err(trouble) => {
                    if let Err(why) = self.bear(&mut pauses, &trouble).await {
                        return vec![format!("its files were not brought here: {why}")];
                    }
                }
            }
        }
    }

    /// Waits after trouble; the error is the end of patience, or that nothing better will come.
    async fn bear(&self, pauses: &mut Pauses, trouble: &Trouble) -> Result<(), String> {
        self.bear_for(pauses, trouble, self.settings.patience).await
    }

    async fn bear_for(&self, pauses: &mut Pauses, trouble: &Trouble, patience: u32) -> Result<(), String> {
        tracing::debug!(trouble = trouble.words(), "the service did not answer");
        let after = match trouble {
            Trouble::Refused { words, .. } => return Err(format!("the service does not tell: {words}")),
            Trouble::Busy { after, .. } => after.unwrap_or_default(),
            Trouble::Unsure(_) => Duration::ZERO,
        };
        match pauses.left(Duration::from_secs(patience.into())) {
            Some(left) if after <= left => {
                pauses.pause(after).await;
                Ok(())
            }
            _ => {
                let named = if patience == self.settings.patience { " (`patience`)" } else { "" };
                Err(format!("the service has not helped within {patience} s{named}: {}", trouble.words()))
            }
        }
    }

    /// One attempt at having the job taken.
    pub(crate) async fn submit(&self, job: &Job) -> Result<(), Trouble> {
        let Some(order) = &job.order else { return Ok(()) };
        let answer = self.client.submit(&order.0, &job.place.once).await;
        match &answer {
            Ok(id) => job.set_id(id.clone()),
            Err(Trouble::Unsure(_)) => job.doubt(),
            Err(_) => {}
        }
        answer.map(drop)
    }

    /// The id of the job, once the service has taken it.
    async fn id(&self, job: &Job, progress: &mut Progress) -> Result<String, Outcome> {
        let mut pauses = Pauses::new(self.pace);
        let mut told = String::new();
        loop {
            if let Some(id) = job.id() {
                return Ok(id);
            }
            if job.was_cancelled() || job.order.is_none() {
                return self.found(job, &mut pauses).await;
            }
            let Err(trouble) = self.submit(job).await else { continue };
            if let Trouble::Refused { words, .. } = &trouble {
                return Err(unsent(job, format!("the service takes no such job: {words}")));
            }
            if trouble.words() != told {
                told = trouble.words().to_owned();
                let words = format!("the service has not taken the job yet: {told}");
                tracing::info!(job = job.place.once, "{words}");
                printed(job, progress).note(crate::fleet::now_ms(), &words);
            }
            tokio::select! {
                borne = self.bear(&mut pauses, &trouble) => borne.map_err(|why| unsent(job, why))?,
                () = job.woken.notified() => {}
            }
        }
    }

    /// The job that an earlier request may have made.
    async fn found(&self, job: &Job, pauses: &mut Pauses) -> Result<String, Outcome> {
        let mut looks = 0;
        loop {
            if !job.may_be_sent() {
                return Err(Outcome::NotStarted(NotStarted::Cancelled));
            }
            match self.client.find(&job.place.once).await {
                Ok(Some(found)) => {
                    job.set_id(found.id.clone());
                    return Ok(found.id);
                }
                Ok(None) => {
                    looks += 1;
                    if looks >= LOOKS {
                        let is_sure = job.order.is_some() || job.place.would_be_known(crate::fleet::now_ms());
                        return Err(if is_sure {
                            Outcome::NotStarted(NotStarted::Cancelled)
                        } else {
                            Outcome::Lost("the service does not know whether there was such a job".to_owned())
                        });
                    }
                    pauses.pause(Duration::ZERO).await;
                }
                Err(trouble) => self.bear(pauses, &trouble).await.map_err(Outcome::Lost)?,
            }
        }
    }

    /// The same for who only wants to know: nothing if it never came there, or nobody can say so any more. The error says
    /// why nobody can be asked.
    pub(crate) async fn look(&self, once: &str) -> Result<Option<wire::Job>, String> {
        let mut pauses = Pauses::new(self.pace);
        let mut looks = 0;
        loop {
            match self.client.find(once).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {
                    looks += 1;
                    if looks >= LOOKS {
                        return Ok(None);
                    }
                    pauses.pause(Duration::ZERO).await;
                }
                Err(trouble) => self.bear_for(&mut pauses, &trouble, self.settings.patience.min(LOOKING)).await?,
            }
        }
    }
}

/// What is printed goes here, from the first word on.
pub(crate) fn printed<'a>(job: &Job, progress: &'a mut Progress) -> &'a mut Printed {
    progress.printed.get_or_insert_with(|| Printed::new(&job.place, job.secrets.as_ref()))
}

/// The end of a job that the service has not taken, as far as is known.
fn unsent(job: &Job, why: String) -> Outcome {
    if job.may_be_sent() { Outcome::Lost(why) } else { Outcome::NotStarted(NotStarted::Other(why)) }
}
