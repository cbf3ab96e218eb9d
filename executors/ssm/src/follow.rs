//! A command from its sending to what its machines tell.
//!
//! ```text
//! (unknown) ──found by its comment, or asked for──► first command ──over, all told──► machines
//!                                                        │ cancelled, or over and not all told
//!                                                        ▼
//!                                                   `end` command ──over──► machines, or nobody knows
//! ```
//! Whatever AWS does not answer is asked again, later and later, until patience ends.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use outpost_executor::NotStarted;

use crate::frame::Frame;
use crate::job::Job;
use crate::order::{self, Role, Script};
use crate::place::Place;
use crate::service::{Invocation, Service, Trouble};
use crate::settings::Settings;
use crate::verdict::Machine;

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

/// What was sent a moment ago may not be seen yet: so often it is looked for before it is taken for not sent.
const LOOKS: u32 = 3;
/// A command that asks for an end takes no longer than the grace and this.
const TO_END: Duration = Duration::from_secs(300);

#[derive(Clone, Copy)]
pub(crate) struct Follower<'a> {
    pub(crate) service: &'a Service,
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

    async fn pause(&mut self) {
        let share = RandomState::new().hash_one(0_u8) % 512;
        let share = u32::try_from(share).unwrap_or_default();
        tokio::time::sleep(self.next * 3 / 4 + self.next * share / 1024).await;
        self.next = (self.next * 3 / 2).min(self.pace.most);
    }

    /// Whether patience is at its end.
    fn is_silent_for(&mut self, patience: Duration) -> bool {
        self.silent.get_or_insert_with(Instant::now).elapsed() > patience
    }

    const fn heard(&mut self) {
        self.silent = None;
    }
}

impl Follower<'_> {
    /// Sends a command that must not be performed twice. A place without a command is one of which nobody knows whether it
    /// was sent.
    pub(crate) async fn send(
        &self,
        mut place: Place,
        script: &Script,
        limit: Option<Duration>,
    ) -> Result<Place, NotStarted> {
        let mut pauses = Pauses::new(self.pace);
        loop {
            let mark = place.mark();
            let seconds = limit.map(|limit| limit.as_secs());
            let trouble = match self.service.send(self.settings, &place.targets, &mark, script, seconds).await {
                Ok(id) => {
                    place.sent += 1;
                    place.command = Some(id);
                    return Ok(place);
                }
                Err(trouble) => trouble,
            };
            tracing::debug!(token = mark.0, trouble = trouble.words(), "a command was not sent, as far as is known");
            match &trouble {
                Trouble::Busy(_) => {}
                Trouble::Refused(_) if place.sent > 0 => return Ok(place),
                Trouble::Refused(words) => return Err(NotStarted::Other(format!("AWS takes no command: {words}"))),
                Trouble::Unsure(_) => {
                    place.sent += 1;
                    for _ in 0..LOOKS {
                        pauses.pause().await;
                        if let Ok(Some(id)) = self.service.find(self.settings, &mark).await {
                            place.command = Some(id);
                            return Ok(place);
                        }
                    }
                }
            }
            if pauses.is_silent_for(self.settings.patience()) {
                return if place.sent > 0 {
                    Ok(place)
                } else {
                    Err(NotStarted::Other(format!("AWS takes no command: {}", trouble.words())))
                };
            }
            pauses.pause().await;
        }
    }

    /// Sends a command about a token, once.
    pub(crate) async fn about(&self, place: &Place, role: Role) -> Result<String, Trouble> {
        let mark = place.mark();
        let script = order::about(role, &mark, self.settings);
        let limit = (role == Role::End).then(|| (place.grace + TO_END).as_secs());
        self.service.send(self.settings, &place.targets, &mark, &script, limit).await
    }

    /// What the machines tell in the end. The error says why nobody can.
    pub(crate) async fn machines(&self, job: &Job) -> Result<Vec<Machine>, String> {
        let mut pauses = Pauses::new(self.pace);
        loop {
            let trouble = match self.step(job).await {
                Ok(Some(machines)) => return Ok(machines),
                Ok(None) => {
                    pauses.heard();
                    None
                }
                Err(trouble) => Some(trouble),
            };
            if let Some(trouble) = trouble {
                tracing::debug!(token = job.place.mark().0, trouble = trouble.words(), "AWS did not answer");
                if pauses.is_silent_for(self.settings.patience()) {
                    return Err(format!("AWS has not answered for {} s: {}", self.settings.patience, trouble.words()));
                }
            }
            pauses.pause().await;
        }
    }

    /// One look. Nothing while there is nothing to tell yet.
    async fn step(&self, job: &Job) -> Result<Option<Vec<Machine>>, Trouble> {
        if job.is_to_end() && job.ending().is_none() {
            job.set_ending(self.about(&job.place, Role::End).await?);
            return Ok(None);
        }
        let ending = job.ending();
        let Some(command) = ending.clone().or_else(|| job.first()) else {
            // Of a start that may not have been one.
            let found = self.service.find(self.settings, &job.place.mark()).await?;
            let id = match found {
                Some(id) => id,
                None => self.about(&job.place, Role::Ask).await?,
            };
            job.set_first(id);
            return Ok(None);
        };
        let Some(seen) = self.service.look(&command).await? else {
            return Err(Trouble::Unsure(format!("there is no command `{command}`")));
        };
        if !seen.is_over {
            return Ok(None);
        }
        let mut machines = Vec::new();
        for invocation in self.service.invocations(&command).await? {
            machines.push(self.machine(job, invocation).await?);
        }
        let untold = machines.iter().any(|machine| machine.frame.is_none());
        if ending.is_some() {
            job.recall(&mut machines);
            return Ok(Some(machines));
        }
        job.remember(&machines, &seen.details);
        let is_undelivered = job.place.sent < 2 && machines.iter().all(Machine::is_undelivered);
        if (untold && !is_undelivered) || (machines.is_empty() && !is_nobody(&seen.details)) {
            // Something else ended it: what is left there is ended, and what it was is told.
            job.ask_for_end();
            return Ok(None);
        }
        Ok(Some(machines))
    }

    async fn machine(&self, job: &Job, invocation: Invocation) -> Result<Machine, Trouble> {
        let Invocation { machine: name, details, text, key } = invocation;
        let mark = job.place.mark();
        let (mut frame, mut unread) = (Frame::read(&text, &mark), None);
        if frame.as_ref().is_none_or(|frame| !frame.is_whole)
            && let (Some(store), Some(key)) = (&self.settings.output, key)
        {
            match self.service.fetch(&store.bucket, &key).await {
                Ok(text) => frame = Frame::read(&text, &mark).or(frame),
                Err(trouble @ (Trouble::Busy(_) | Trouble::Unsure(_))) => return Err(trouble),
                Err(Trouble::Refused(words)) => {
                    unread = Some(format!("the output of {name} cannot be read from `{}`: {words}", store.bucket));
                }
            }
        }
        Ok(Machine { name, details, frame, unread })
    }
}

/// Whether there was no machine to go to.
fn is_nobody(details: &str) -> bool {
    matches!(details, "NoInstancesInTag" | "No Instances In Tag" | "Success")
}
