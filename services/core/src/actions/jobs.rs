//! Jobs, as their tenants see them: submit, look, cancel.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cursor::fitting;
use super::ending::Step;
use super::once::Taken;
use super::{Caller, Desk, Error, Idempotency, Listed, Once};
use crate::id::JobId;
use crate::job::{Job, Status};
use crate::key::Scope;
use crate::moment::Moment;
use crate::record::Counter;
use crate::spec;
use crate::spec::Spec;
use crate::store::{Address, Listing, Problem, Row, Write};
use crate::tenant::Tier;

/// What is answered when a job was accepted: what it is at that moment, and the same however often it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub id: JobId,
    pub status: Status,
    pub agent: String,
    pub lane: Tier,
    pub created_at: Moment,
    pub timeout_seconds: u32,
}

/// A job that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    pub accepted: Once<Accepted>,
    /// What kept its ticket from its queue, or workers from being woken. For the log only: the reaper makes up for it.
    pub late: Option<Problem>,
}

impl Desk {
    /// Accepts a job: from then on it is not lost, and has one end.
    pub async fn submit(&self, caller: &Caller, spec: Spec, once: Option<&Idempotency>) -> Result<Submitted, Error> {
        caller.may(Scope::JobsWrite)?;
        let tenant = caller.tenant();
        let limits = tenant.limits();
        if let Err(faults) = spec::check(&spec, tenant.tier, &limits, &self.settings.offer) {
            // What was accepted stays accepted, also if the rules changed since.
            let before = self.answered(&tenant.id, once).await?;
            return before.map(|accepted| Submitted { accepted, late: None }).ok_or(Error::Invalid(faults));
        }
        let now = self.now();
        let job = Job {
            id: JobId::new(now, &self.salt()?),
            tenant: tenant.id.clone(),
            lane: tenant.tier,
            spec,
            status: Status::Pending,
            created_at: now,
            queued_at: None,
            started_at: None,
            completed_at: None,
            key_shown: caller.key().shown.clone(),
            request_id: caller.request().request_id.clone(),
            traceparent: caller.request().traceparent.clone(),
            epoch: 0,
            lease: None,
            losses: 0,
            returns: 0,
            outcome: None,
            version: 0,
        };
        let accepted = Accepted {
            id: job.id.clone(),
            status: job.status,
            agent: job.spec.agent.clone(),
            lane: job.lane,
            created_at: now,
            timeout_seconds: job.spec.timeout_seconds,
        };
        let mut details = Map::new();
        details.insert("agent".to_owned(), Value::from(job.spec.agent.clone()));
        let audit = self.audit(&tenant.id, &caller.authority(), "job.submit", Some(job.id.to_string()), details)?;
        let writes = vec![
            Write::Create(Row::Job(Box::new(job.clone()))),
            Write::Count { counter: Counter::Jobs(job.day()), add: 1, most: limits.jobs_per_day },
            Write::Count { counter: Counter::Active, add: 1, most: Some(limits.active) },
            Write::Create(Row::Audit(audit)),
        ];
        match self.commit_once(&tenant.id, writes, once, &accepted).await? {
            Taken::Done => {
                let late = self.send(&Job { version: 1, ..job }).await;
                Ok(Submitted { accepted: Once::first(accepted, once), late })
            }
            Taken::Before(accepted) => Ok(Submitted { accepted, late: None }),
            Taken::Refused(1) => {
                Err(Error::Quota { limit: limits.jobs_per_day.unwrap_or(u64::MAX), resets_at: now.day().ends() })
            }
            Taken::Refused(2) => Err(Error::Concurrency { limit: limits.active }),
            Taken::Refused(_) => Err(Error::Busy),
        }
    }

    pub async fn job(&self, caller: &Caller, id: &JobId) -> Result<Job, Error> {
        caller.may(Scope::JobsRead)?;
        self.read_job(caller.id(), id).await
    }

    /// The job that was accepted with an idempotency key, for as long as the answer to that is kept.
    pub async fn job_of_key(&self, caller: &Caller, key: &str) -> Result<Option<Job>, Error> {
        caller.may(Scope::JobsRead)?;
        let Some(Row::Answer(answer)) = self.read(caller.id(), &Address::answer(caller.id(), key)).await? else {
            return Ok(None);
        };
        // Other requests have keys, too.
        let Ok(accepted) = serde_json::from_value::<Accepted>(answer.body) else { return Ok(None) };
        self.read_job(caller.id(), &accepted.id).await.map(Some)
    }

    /// Jobs, the newest first.
    pub async fn jobs(
        &self,
        caller: &Caller,
        status: Option<Status>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<Job>, Error> {
        caller.may(Scope::JobsRead)?;
        let limit = fitting(limit)?;
        let name = format!("jobs {}", status.map_or("", Status::as_str));
        let place = self.place(caller.id().as_str(), &name, cursor)?;
        let page = self.ports.store.list(caller.id(), &Listing::Jobs { status }, limit, place.as_deref()).await?;
        self.listed(caller.id().as_str(), &name, page, |row| match row {
            Row::Job(job) => Some(*job),
            _ => None,
        })
    }

    /// Ends a job that waits, and asks the worker of a running one to stop. Asked again, nothing more happens.
    pub async fn cancel(&self, caller: &Caller, id: &JobId) -> Result<Job, Error> {
        caller.may(Scope::JobsWrite)?;
        let audit = self.audit(caller.id(), &caller.authority(), "job.cancel", Some(id.to_string()), Map::new())?;
        let now = self.now();
        self.change_job(caller.id(), id, Some(&audit), |job| match job.status {
            Status::Cancelling | Status::Cancelled => Ok(Step::Keep),
            status => match job.clone().cancel(now) {
                Ok(job) => Ok(Step::Write(Box::new(job))),
                Err(_) => Err(Error::Ended(status)),
            },
        })
        .await
    }
}
