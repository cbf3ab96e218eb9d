//! A worker: takes tickets, holds as many jobs as it has slots, and goes when it is told to.
//!
//! ```text
//! ticket ─► claim ─┬─ yes ──► attempt ─┬─ over ───► finish, remove the ticket
//!                  │                   ├─ back ───► hand back (a fresh ticket), remove the old one
//!                  │                   └─ gone, broken: nothing is written; the lease runs out
//!                  ├─ held ─► hidden until a little after that lease; handed out for the last time, removed
//!                  └─ over ─► removed
//! ```
//! A ticket says where to look and nothing more: the row of the job says whose it is. So a ticket too many is harmless, and
//! one too few is sent again by the reaper.

use std::sync::Arc;
use std::time::Duration;

use outpost_agent::definition::Definitions;
use outpost_core::actions::{Claim, Claimed, Desk, Error};
use outpost_core::id::WorkerId;
use outpost_core::job::{Code, Outcome, Verdict};
use outpost_core::ports::{Delivery, Queue, RECEIVES};
use outpost_executor::{Redaction, Secrets};
use outpost_sandbox::Layers;
use outpost_shell::Shell;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tracing::{error, info, warn};

use crate::attempt::Attempt;
use crate::beat::Beat;
use crate::busy::Busy;
use crate::ending::{End, clean};
use crate::lanes::{Lanes, give_back, remove};
use crate::place::{House, Place};
use crate::reins::{Cause, Reins};
use crate::room::Room;
use crate::settings::Settings;
use crate::tell::Log;

/// How long after the end of a lease its ticket is seen again.
const LATER: Duration = Duration::from_millis(500);
/// After a job that could not be begun.
const BREATH: Duration = Duration::from_millis(200);

/// What a worker is told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Work,
    /// To take nothing more, end what runs, hand it back, and go.
    Leave,
    /// To go at once: what runs is ended by its keepers, and its leases run out.
    Vanish,
}

/// What all jobs of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) desk: Desk,
    pub(crate) settings: Settings,
    pub(crate) shell: Shell,
    pub(crate) layers: Layers,
    pub(crate) definitions: Definitions,
    pub(crate) house: House,
    pub(crate) busy: Busy,
}

impl Worker {
    fn queue(&self) -> &dyn Queue {
        &*self.desk.ports().queue
    }

    /// Works until it is told to go. False: told to go at once.
    pub(crate) async fn serve(self: &Arc<Self>, orders: &watch::Receiver<Order>) -> bool {
        let clocks = &self.settings.clocks;
        let slots = Arc::new(Semaphore::new(self.settings.slots));
        let mut lanes = Lanes::new(Arc::clone(&self.desk.ports().queue), clocks.hide, clocks.wait);
        let mut jobs = JoinSet::new();
        let reaper = clocks.reap.map(|pause| tokio::spawn(reap(Arc::clone(self), pause)));
        let mut told = orders.clone();
        while *orders.borrow() == Order::Work {
            while jobs.try_join_next().is_some() {}
            let slot = tokio::select! {
                // Only where there is no slot is anything given back.
                biased;
                slot = Arc::clone(&slots).acquire_owned() => slot,
                never = lanes.refuse() => match never {},
                _ = told.wait_for(|order| *order != Order::Work) => break,
            };
            let Ok(slot) = slot else { break };
            let Some(delivery) = lanes.next().await else {
                tokio::select! {
                    () = lanes.wait() => {}
                    _ = told.wait_for(|order| *order != Order::Work) => {}
                }
                continue;
            };
            if *orders.borrow() != Order::Work {
                give_back(self.queue(), &delivery).await;
                break;
            }
            let (worker, orders) = (Arc::clone(self), orders.clone());
            jobs.spawn(async move {
                worker.take(delivery, orders).await;
                drop(slot);
            });
        }
        if let Some(reaper) = reaper {
            reaper.abort();
        }
        let rest = async {
            lanes.close().await;
            while jobs.join_next().await.is_some() {}
        };
        tokio::select! {
            () = rest => true,
            _ = told.wait_for(|order| *order == Order::Vanish) => false,
        }
    }

    /// Waits until its keepers are gone, and moves out.
    pub(crate) async fn close(self) {
        self.shell.close().await;
        self.house.close();
    }

    async fn take(&self, delivery: Delivery, orders: watch::Receiver<Order>) {
        let since = Instant::now();
        let job = &delivery.ticket.job;
        match self.desk.claim(&delivery.ticket, &self.id).await {
            Ok(Claimed::Yes(claim)) => self.hold(*claim, delivery, orders, since).await,
            Ok(Claimed::Over) => remove(self.queue(), &delivery).await,
            Ok(Claimed::Held(_)) if delivery.receives >= RECEIVES => remove(self.queue(), &delivery).await,
            Ok(Claimed::Held(until)) => {
                let hide = until.since(self.desk.ports().clock.now()) + LATER;
                if let Err(problem) = self.queue().hide(&delivery, hide).await {
                    warn!(%job, %problem, "the ticket of a job of another worker could not be hidden");
                }
            }
            Err(error) => {
                warn!(%job, %error, "a job could not be claimed");
                give_back(self.queue(), &delivery).await;
                sleep(BREATH).await;
            }
        }
    }

    async fn hold(&self, claim: Claim, delivery: Delivery, orders: watch::Receiver<Order>, since: Instant) {
        let (claim, delivery) = (Arc::new(claim), Arc::new(delivery));
        let (id, epoch) = (&claim.job().id, claim.epoch());
        info!(job = %id, epoch, "began");
        let reins = Reins::new();
        let told = (reins.clone(), since);
        let beat =
            Beat::start(self.desk.clone(), Arc::clone(&claim), Arc::clone(&delivery), self.settings.clocks.hide, told);
        let leaving = reins.clone();
        let mut orders = orders;
        let leave = tokio::spawn(async move {
            if orders.wait_for(|order| *order != Order::Work).await.is_ok() {
                leaving.pull(Cause::Leaving);
            }
        });
        self.busy.begin().await;
        let end = self.attempt(&claim, &reins, since).await;
        leave.abort();
        match end {
            End::Over(outcome) => self.finish(&claim, &delivery, &reins, *outcome).await,
            End::Back => match self.desk.hand_back(&claim).await {
                Ok((_, late)) => {
                    info!(job = %id, epoch, late = late.map(|problem| problem.to_string()), "handed back");
                    remove(self.queue(), &delivery).await;
                }
                Err(error) => warn!(job = %id, epoch, %error, "could not be handed back: its lease runs out"),
            },
            End::Gone => warn!(job = %id, epoch, "its lease was lost: nothing of it is written"),
            End::Broken(why) => error!(job = %id, epoch, why, "this worker failed at it: its lease runs out"),
        }
        drop(beat);
        self.busy.end().await;
    }

    /// Works on it in a folder of its own, which is gone afterwards.
    async fn attempt(&self, claim: &Arc<Claim>, reins: &Reins, since: Instant) -> End {
        let job = claim.job();
        let place = match self.house.place(&job.tenant, &job.id) {
            Ok(place) => place,
            Err(error) => return End::Broken(format!("its folder could not be made: {error}")),
        };
        let secrets = match self.desk.secrets_for(claim).await {
            Ok(secrets) => secrets,
            Err(Error::NotYours(_)) => return End::Gone,
            Err(error) => return End::Broken(format!("its secrets could not be read: {error}")),
        };
        let secrets = Secrets::new(
            secrets.iter().map(|(kind, secret)| (kind.as_str().to_owned(), secret.reveal().as_bytes().to_vec())),
        );
        let redaction = match Redaction::of(&secrets) {
            Ok(redaction) => redaction,
            Err(error) => return End::failed(Code::SecretMissing, &error.to_string()),
        };
        let bounds = &self.settings.bounds;
        let disk = bounds.disk(job.lane);
        let room = Room::watch(place.path().to_owned(), disk, self.settings.clocks.measure, reins.clone());
        let log = Log::new(&self.desk, claim, reins, self.settings.clocks.tell, (bounds.log_head, bounds.log_tail));
        let deadline = since + Duration::from_secs(job.spec.timeout_seconds.into());
        let mut attempt = Attempt {
            worker: self,
            claim: Arc::clone(claim),
            reins: reins.clone(),
            place: &place,
            log,
            secrets,
            redaction,
            deadline,
        };
        let end = attempt.perform().await;
        if let End::Over(outcome) = &end {
            let told = clean(&outcome.message, attempt.redaction.as_ref());
            attempt.log.say(told);
        }
        if !attempt.log.close().await && matches!(end, End::Over(_)) {
            warn!(job = %job.id, epoch = claim.epoch(), "the end of its log is missing");
        }
        let redaction = attempt.redaction.clone();
        drop(attempt);
        drop(room);
        self.wipe(place).await;
        match end {
            End::Over(mut outcome) => {
                outcome.message = clean(&outcome.message, redaction.as_ref());
                End::Over(outcome)
            }
            end => end,
        }
    }

    async fn wipe(&self, place: Place) {
        // It may be large, and others want this thread.
        if tokio::task::spawn_blocking(move || drop(place)).await.is_err() {
            warn!("wiping the folder of a job failed; it is tried again by the next worker that starts");
        }
    }

    /// Brings the end, for as long as it may be brought.
    async fn finish(&self, claim: &Claim, delivery: &Delivery, reins: &Reins, mut outcome: Outcome) {
        let (job, epoch) = (&claim.job().id, claim.epoch());
        let mut round = 0;
        loop {
            let brought = tokio::select! {
                brought = self.desk.finish(claim, outcome.clone()) => brought,
                () = reins.lost() => return warn!(%job, epoch, "its lease was lost before its end was written"),
            };
            match brought {
                Ok(ended) => {
                    info!(%job, epoch, status = ended.status.as_str(), "ended");
                    return remove(self.queue(), delivery).await;
                }
                Err(Error::NotYours(why)) => return warn!(%job, epoch, ?why, "its end was refused"),
                // The desk takes no such end from anybody: the job must not be tried again for that.
                Err(error @ Error::Invalid(_)) => {
                    error!(%job, epoch, %error, "its end was not one");
                    let told = format!("how it ended could not be written: {error}");
                    let usage = outcome.usage;
                    outcome = Outcome { usage, ..Outcome::of(Verdict::Failed, Code::Internal, &clean(&told, None)) };
                }
                Err(error) => warn!(%job, epoch, %error, "its end could not be written; trying again"),
            }
            round += 1;
            sleep(BREATH * round.min(20)).await;
        }
    }
}

/// Looks for what went missing, and for what dead workers left here.
async fn reap(worker: Arc<Worker>, pause: Duration) {
    let mut clock = interval(pause);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let done = worker.desk.tick().await;
        for problem in &done.problems {
            warn!(problem, "the reaper could not do all of it");
        }
        if (done.sent, done.lost, done.ended, done.buried) != (0, 0, 0, 0) {
            let (sent, lost, ended, buried) = (done.sent, done.lost, done.ended, done.buried);
            info!(sent, lost, ended, buried, "the reaper made up for what was missing");
        }
        let sweeper = Arc::clone(&worker);
        let _ = tokio::task::spawn_blocking(move || sweeper.house.sweep()).await;
    }
}
