//! Jobs, as workers see them: claim, show to be there, bring the end, or hand back.
//!
//! A worker shows its [`Claim`] with everything it writes, and what it shows is compared with the job as it is then. Whoever
//! was away for too long is told so, and has to stop what it runs: nothing that it brings is taken any more.

use std::time::Duration;

use serde_json::{Map, Value};

use super::ending::Step;
use super::{Authority, Desk, Error};
use crate::id::{JobId, TenantId, WorkerId};
use crate::job::{Code, Directive, Job, Outcome, Refusal, Status, Verdict};
use crate::moment::Moment;
use crate::ports::{Secret, SecretKind, Ticket};
use crate::record::Actor;
use crate::store::{Address, Problem, Row};
use crate::tenant::{Standing, Tenant};

/// The largest values that a job may leave, as JSON, and the longest text about its end.
const OUTPUTS: usize = 64 * 1024;
const MESSAGE: usize = 4 * 1024;
const ARTIFACTS: usize = 256;
/// All of it, as JSON: what a row of DynamoDB's leaves beside the largest spec, and some for the rest of the job.
const WHOLE: usize = 120 * 1024;

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    job: Job,
    tenant: Tenant,
    worker: WorkerId,
}

impl Claim {
    /// The job, as it was claimed.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whose it is, with the limits that hold for it.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.job.epoch
    }

    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    pub(super) fn owner(&self) -> &TenantId {
        &self.job.tenant
    }

    pub(super) fn id(&self) -> &JobId {
        &self.job.id
    }

    fn authority(&self) -> Authority {
        Authority { actor: Actor::Worker(self.worker.to_string()), request_id: self.job.request_id.clone(), ip: None }
    }
}

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// The job is this worker's.
    Yes(Box<Claim>),
    /// Another worker has it until then. The ticket is hidden until a little later; handed out for the last time, it is
    /// removed: the reaper sends another one if that worker is lost.
    Held(Moment),
    /// It has ended, now or before, or there is none: the ticket is removed.
    Over,
}

impl Desk {
    /// Takes the job of a ticket. Who works on several jobs at once has a name for each: two that share one could not be told
    /// from each other.
    pub async fn claim(&self, ticket: &Ticket, worker: &WorkerId) -> Result<Claimed, Error> {
        let place = Address::tenant(&ticket.tenant);
        let Some(Row::Tenant(tenant)) = self.read(&ticket.tenant, &place).await? else {
            return Ok(Claimed::Over);
        };
        let gone = tenant.standing == Standing::Deleted;
        // What this call tried to claim: a store that failed after the change must not make us strangers to it.
        let mut tried = None;
        let lease = self.settings.lease;
        let changed = self
            .change_job(&ticket.tenant, &ticket.job, None, |job| {
                let now = self.now();
                let lease_now = job.lease.as_ref().map(|lease| (job.epoch, lease.clone()));
                if lease_now.is_some() && lease_now == tried {
                    return Ok(Step::Keep);
                }
                let claimed =
                    if gone { without_tenant(job, worker, now) } else { job.clone().claim(worker, now, lease) };
                let claimed = claimed.map_err(Error::NotYours)?;
                tried = claimed.lease.as_ref().map(|lease| (claimed.epoch, lease.clone()));
                Ok(Step::Write(Box::new(claimed)))
            })
            .await;
        match changed {
            Ok(job) if job.status.is_final() => Ok(Claimed::Over),
            Ok(job) => Ok(Claimed::Yes(Box::new(Claim { job, tenant, worker: worker.clone() }))),
            Err(Error::NotYours(Refusal::Held(until))) => Ok(Claimed::Held(until)),
            Err(Error::NotYours(Refusal::Final) | Error::NotFound(_)) => Ok(Claimed::Over),
            Err(error) => Err(error),
        }
    }

    /// Shows that the worker is still there, and learns whether it is still wanted.
    pub async fn renew(&self, claim: &Claim) -> Result<Directive, Error> {
        let lease = self.settings.lease;
        let mut told = Directive::GoOn;
        self.change_job(claim.owner(), claim.id(), None, |job| {
            let (job, directive) =
                job.clone().renew(&claim.worker, claim.epoch(), self.now(), lease).map_err(Error::NotYours)?;
            told = directive;
            Ok(Step::Write(Box::new(job)))
        })
        .await?;
        Ok(told)
    }

    /// Brings how it ended. Brought twice by the same worker, it is written once.
    pub async fn finish(&self, claim: &Claim, outcome: Outcome) -> Result<Job, Error> {
        self.judge(&outcome)?;
        let mut details = Map::new();
        details.insert("status".to_owned(), serde_json::to_value(outcome.result).unwrap_or(Value::Null));
        details.insert("epoch".to_owned(), Value::from(claim.epoch()));
        let subject = Some(claim.id().to_string());
        let audit = self.audit(claim.owner(), &claim.authority(), "job.finish", subject, details)?;
        self.change_job(claim.owner(), claim.id(), Some(&audit), |job| {
            let brought = job.outcome.as_ref().is_some_and(|before| same(before, &outcome));
            if brought && job.epoch == claim.epoch() {
                return Ok(Step::Keep);
            }
            let ended = job.clone().finish(&claim.worker, claim.epoch(), outcome.clone(), self.now());
            ended.map(|job| Step::Write(Box::new(job))).map_err(Error::NotYours)
        })
        .await
    }

    /// Gives the job to another worker, because this one has to go. Its ticket is removed by the caller; a fresh one is sent,
    /// so that going in order does not count as having failed. What kept that from its queue is told for the log.
    pub async fn hand_back(&self, claim: &Claim) -> Result<(Job, Option<Problem>), Error> {
        let job = self
            .change_job(claim.owner(), claim.id(), None, |job| {
                let back = job.clone().hand_back(&claim.worker, claim.epoch(), self.now());
                back.map(|job| Step::Write(Box::new(job))).map_err(Error::NotYours)
            })
            .await?;
        let late = if job.status == Status::Pending { self.send(&job).await } else { None };
        Ok((job, late))
    }

    /// The secrets that this job needs and its tenant has: for its agent, and for its repository.
    pub async fn secrets_for(&self, claim: &Claim) -> Result<Vec<(SecretKind, Secret)>, Error> {
        self.held(claim).await?;
        let spec = &claim.job.spec;
        let agent = self.settings.offer.agent(&spec.agent).and_then(|agent| agent.secret);
        let github = spec.repo.as_ref().map(|_| SecretKind::GithubToken);
        let mut secrets = Vec::new();
        for kind in agent.into_iter().chain(github) {
            if let Some(secret) = self.ports.vault.get(claim.owner(), kind.as_str()).await? {
                secrets.push((kind, secret));
            }
        }
        Ok(secrets)
    }

    /// Whether the claim is the one in force.
    pub(super) async fn held(&self, claim: &Claim) -> Result<(), Error> {
        let job = self.read_job(claim.owner(), claim.id()).await?;
        job.renew(&claim.worker, claim.epoch(), self.now(), self.settings.lease).map_err(Error::NotYours)?;
        Ok(())
    }

    /// What would not fit into the row of a job, or name no file of it.
    fn judge(&self, outcome: &Outcome) -> Result<(), Error> {
        if serde_json::to_vec(&outcome.outputs).map_or(usize::MAX, |text| text.len()) > OUTPUTS {
            return Err(Error::invalid("/outputs", format!("has more than {OUTPUTS} bytes as JSON")));
        }
        if outcome.message.len() > MESSAGE {
            return Err(Error::invalid("/message", format!("has more than {MESSAGE} bytes")));
        }
        if outcome.artifacts.len() > ARTIFACTS {
            return Err(Error::invalid("/artifacts", format!("are more than {ARTIFACTS}")));
        }
        if serde_json::to_vec(outcome).map_or(usize::MAX, |text| text.len()) > WHOLE {
            return Err(Error::invalid("", format!("has more than {WHOLE} bytes as JSON, all in all")));
        }
        outcome.artifacts.iter().try_for_each(|artifact| super::files::plain(&artifact.name))
    }
}

/// A job whose tenant was deleted while it waited is not begun.
fn without_tenant(job: &Job, worker: &WorkerId, now: Moment) -> Result<Job, Refusal> {
    if matches!(job.status, Status::Pending | Status::Queued) {
        return job.clone().cancel(now);
    }
    let job = job.clone().claim(worker, now, Duration::ZERO)?;
    if job.status.is_final() {
        return Ok(job);
    }
    let epoch = job.epoch;
    job.finish(worker, epoch, Outcome::of(Verdict::Cancelled, Code::Cancelled, "cancelled; the tenant is gone"), now)
}

/// Whether an end that was brought is the one that is written. Outputs are left out: a store need not keep the last digit
/// of a number.
fn same(before: &Outcome, brought: &Outcome) -> bool {
    let without = |outcome: &Outcome| Outcome { outputs: Map::new(), ..outcome.clone() };
    without(before) == without(brought)
}
