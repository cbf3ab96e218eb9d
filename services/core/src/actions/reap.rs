//! What makes up for everything that can go missing: tickets that were not sent, workers that were lost.
//!
//! | what is found | what is done |
//! |---|---|
//! | pending for longer than 30 seconds | its ticket is sent (again) |
//! | running, and the lease over for longer than a minute | counts as a lost worker: it waits again, or ends |
//! | queued for longer than a day | a queue may have lost its ticket: another one is sent |
//! | a dead ticket of a job that waits | counts as a lost worker, as nobody could even claim it |
//! | a dead ticket of any other job | is forgotten: the job's row knows better |
//! | a ticket that waits | workers are woken: the call that came with its job may have failed |
//!
//! Any number of these may run at once, at any time: each change is made to the version it was thought out for, and a ticket
//! too many is harmless.

use std::time::Duration;

use serde_json::Map;

use super::ending::Step;
use super::{Authority, Desk, Error};
use crate::id::{JobId, TenantId};
use crate::job::{Job, Status};
use crate::moment::Moment;
use crate::ports::Delivery;
use crate::tenant::Tier;

const UNSENT: Duration = Duration::from_secs(30);
const SILENT: Duration = Duration::from_secs(60);
const FORGOTTEN: Duration = Duration::from_secs(86_400);
/// How many jobs of a kind are looked at, and how many dead tickets.
const MANY: usize = 1000;
const TICKETS: usize = 100;

/// What a round of it did. Problems keep none of the rest from being done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub sent: u32,
    /// Workers that were counted as lost.
    pub lost: u32,
    /// Jobs that ended by it.
    pub ended: u32,
    /// Dead tickets that were forgotten.
    pub buried: u32,
    /// For the log.
    pub problems: Vec<String>,
}

impl Desk {
    /// One round. To be called every minute, or more rarely: what it makes up for waits so much longer.
    pub async fn tick(&self) -> Reaped {
        let mut done = Reaped::default();
        let now = self.now();
        for job in self.overdue(Status::Pending, now.minus(UNSENT), &mut done).await {
            if job.status == Status::Pending {
                self.resend(&job, &mut done).await;
            }
        }
        for job in self.overdue(Status::Queued, now.minus(FORGOTTEN), &mut done).await {
            if job.status == Status::Queued && job.queued_at.is_none_or(|at| now.since(at) > FORGOTTEN) {
                self.resend(&job, &mut done).await;
            }
        }
        for status in [Status::Running, Status::Cancelling] {
            for job in self.overdue(status, now, &mut done).await {
                if silent(&job, now, SILENT) {
                    self.lose(&job.tenant, &job.id, SILENT, &mut done).await;
                }
            }
        }
        match self.ports.queue.dead(TICKETS).await {
            Ok(dead) => {
                for delivery in &dead {
                    self.lay_out(delivery, &mut done).await;
                }
            }
            Err(problem) => done.problems.push(format!("dead tickets: {problem}")),
        }
        self.rouse(&mut done).await;
        done
    }

    async fn rouse(&self, done: &mut Reaped) {
        for lane in Tier::ALL {
            match self.ports.queue.depth(lane).await {
                Ok(depth) if depth.ready == 0 => {}
                Ok(_) => {
                    if let Err(problem) = self.ports.wake.wake().await {
                        done.problems.push(format!("waking workers: {problem}"));
                    }
                    return;
                }
                Err(problem) => done.problems.push(format!("tickets of `{}`: {problem}", lane.as_str())),
            }
        }
    }

    /// Jobs as they are, of those that a listing names, which may lag behind.
    async fn overdue(&self, status: Status, before: Moment, done: &mut Reaped) -> Vec<Job> {
        let found = self.ports.house.jobs(status, before, MANY).await.unwrap_or_else(|problem| {
            done.problems.push(format!("jobs that are `{}`: {problem}", status.as_str()));
            Vec::new()
        });
        let mut jobs = Vec::new();
        for (tenant, id) in found {
            match self.read_job(&tenant, &id).await {
                Ok(job) => jobs.push(job),
                Err(Error::NotFound(_)) => {}
                Err(error) => done.problems.push(format!("{id}: {error}")),
            }
        }
        jobs
    }

    async fn resend(&self, job: &Job, done: &mut Reaped) {
        match self.send(job).await {
            None => done.sent += 1,
            Some(problem) => done.problems.push(format!("ticket of {}: {problem}", job.id)),
        }
    }

    /// Counts a lost worker, if the job is still one that waits for nothing else.
    async fn lose(&self, tenant: &TenantId, id: &JobId, patience: Duration, done: &mut Reaped) -> bool {
        let changed = async {
            let who = Authority::service("reaper");
            let audit = self.audit(tenant, &who, "job.lost", Some(id.to_string()), Map::new())?;
            let mut lost = false;
            let job = self
                .change_job(tenant, id, Some(&audit), |job| {
                    let now = self.now();
                    let waits = patience.is_zero() && matches!(job.status, Status::Pending | Status::Queued);
                    lost = waits || silent(job, now, patience);
                    Ok(if lost { Step::Write(Box::new(job.clone().lost(now))) } else { Step::Keep })
                })
                .await?;
            Ok::<_, Error>(lost.then_some(job))
        }
        .await;
        match changed {
            Ok(Some(job)) => {
                done.lost += 1;
                if job.status.is_final() {
                    done.ended += 1;
                } else {
                    self.resend(&job, done).await;
                }
            }
            Ok(None) | Err(Error::NotFound(_)) => {}
            Err(error) => {
                done.problems.push(format!("{id}: {error}"));
                return false;
            }
        }
        true
    }

    async fn lay_out(&self, delivery: &Delivery, done: &mut Reaped) {
        let ticket = &delivery.ticket;
        if !self.lose(&ticket.tenant, &ticket.job, Duration::ZERO, done).await {
            return;
        }
        match self.ports.queue.bury(delivery).await {
            Ok(()) => done.buried += 1,
            Err(problem) => done.problems.push(format!("dead ticket of {}: {problem}", ticket.job)),
        }
    }
}

/// Whether its worker has been away for this much longer than it may.
fn silent(job: &Job, now: Moment, patience: Duration) -> bool {
    matches!(job.status, Status::Running | Status::Cancelling)
        && job.lease.as_ref().is_none_or(|lease| lease.until.plus(patience) <= now)
}
