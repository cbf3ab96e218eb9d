//! Putting away what tasks left, beside the work: what is due is carried out on a thread of its own, one batch at a time,
//! and what became of it is written down. It fails no run and holds nothing up.

use std::collections::BTreeSet;
use std::io;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::signals::Signals;
use super::{Driver, sound};
use crate::engine::bench::Bench;
use crate::engine::cleanup::{Due, Ledger, Schedule, Tidied, Tidying};
use crate::engine::error::Broken;
use crate::engine::moment::now;
use crate::engine::remote::errand::{STOPPED, apart};
use crate::journal::Journal as _;
use crate::run::{Event, Moment};

/// Clean-ups of a run.
pub(super) struct Tidy {
    schedule: Schedule,
    /// Whether something happened that may make another one due.
    is_stale: bool,
    going: JoinSet<io::Result<Option<Vec<Tidied>>>>,
    stop: watch::Sender<bool>,
    /// Tried by this process: what fails is left to the next one.
    tried: BTreeSet<u32>,
    /// When the next one is due.
    next: Option<Moment>,
}

impl Tidy {
    pub(super) fn new(bench: &Bench<'_>, ledger: Ledger) -> Self {
        let (going, stop) = (JoinSet::new(), watch::Sender::new(false));
        let schedule = Schedule::of(bench.blueprint, ledger);
        Self { schedule, is_stale: true, going, stop, tried: BTreeSet::new(), next: None }
    }

    pub(super) fn saw(&mut self, at: Moment, event: &Event) {
        self.schedule.ledger.saw(at, event);
        self.is_stale = true;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.going.is_empty()
    }

    /// The batch under way, once it is over.
    pub(super) async fn done(&mut self) -> Option<io::Result<Option<Vec<Tidied>>>> {
        self.going.join_next().await.map(sound)
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Driver<'_> {
    /// Begins with what is due, if nothing of the kind goes on.
    pub(super) fn tidy(&mut self) {
        let at = now();
        let is_time = self.tidy.is_stale || self.tidy.next.is_some_and(|next| next <= at);
        if self.tidy.schedule.is_empty() || !is_time || !self.tidy.is_idle() || *self.tidy.stop.borrow() {
            return;
        }
        self.tidy.is_stale = false;
        let coming = self.tidy.schedule.coming(self.bench, &self.run);
        let mut coming = coming.into_iter().filter(|due| !self.tidy.tried.contains(&due.task.0)).peekable();
        let mut batch = Vec::new();
        let mut failed = Vec::new();
        while let Some(Due { task, action, .. }) = coming.next_if(|due| due.at <= at) {
            match Tidying::of(self.bench, &self.run, task, action) {
                Ok(tidying) => batch.push(tidying),
                Err(problem) => {
                    failed.push(Tidied { task, action, what: "nothing".to_owned(), problem: Some(problem) });
                }
            }
        }
        self.tidy.next = coming.peek().map(|due| due.at);
        let tasks = failed.iter().map(|tidied| tidied.task.0).chain(batch.iter().map(|tidying| tidying.task().0));
        self.tidy.tried.extend(tasks);
        self.tidied(failed);
        if batch.is_empty() {
            return;
        }
        let stop = self.tidy.stop.subscribe();
        let errand = async move || {
            let mut done = Vec::new();
            for tidying in batch {
                done.push(tidying.carry_out().await);
            }
            done
        };
        self.tidy.going.spawn(apart(errand, stop));
    }

    /// What became of clean-ups, to be written down with the rest of the turn.
    pub(super) fn tidied(&mut self, all: Vec<Tidied>) {
        for Tidied { task, action, what, problem } in all {
            let id = self.bench.task(task).id.to_string();
            let problem = problem.map(|problem| self.bench.secrets.clean(problem));
            let events = self.run.cleaned_up(now(), &id, action, what, problem).unwrap_or_default();
            self.happened(events);
        }
    }

    /// Waits for what goes on. A signal ends the wait: what was not done then is done by who takes the run up.
    pub(super) async fn finish_tidying(&mut self, signals: &mut Signals) -> Result<(), Broken> {
        let done = tokio::select! {
            biased;
            done = self.tidy.done() => done,
            _ = signals.next() => {
                self.tidy.stop();
                timeout(STOPPED, self.tidy.done()).await.unwrap_or_else(|_| {
                    self.tidy.going.detach_all();
                    None
                })
            }
        };
        let done = done.transpose().map_err(|error| Broken::Io("a clean-up".to_owned(), error))?;
        self.tidied(done.flatten().unwrap_or_default());
        self.flush()
    }

    /// Puts away what is due, and leaves the run as it is.
    pub async fn put_away(&mut self) -> Result<(), Broken> {
        let mut signals = Signals::listen()?;
        self.tidy();
        self.flush()?;
        while !self.tidy.is_idle() {
            self.finish_tidying(&mut signals).await?;
        }
        Ok(self.journal.sync()?)
    }
}
