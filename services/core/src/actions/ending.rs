//! How a job is changed, and what else is written when it ends.
//!
//! A change is thought out for the job as it is now, and made only if that is what it still is; else it is thought over. The
//! commit that ends a job is the one place that frees its counters, charges for it and leaves the messages about it.

use serde_json::json;

use super::change::{Fate, ROUNDS};
use super::{Desk, Error};
use crate::id::{JobId, MessageId, TenantId};
use crate::job::Job;
use crate::ports::Ticket;
use crate::record::{AuditEvent, Counter, Message, UsageEvent};
use crate::store::{Address, Problem, Row, Write};
use crate::tenant::{Standing, Tenant};

/// What is to become of a job.
#[derive(Debug)]
pub(super) enum Step {
    /// It is as it should be.
    Keep,
    Write(Box<Job>),
}

impl Desk {
    pub(super) async fn read_job(&self, tenant: &TenantId, id: &JobId) -> Result<Job, Error> {
        match self.read(tenant, &Address::job(id)).await? {
            Some(Row::Job(job)) => Ok(*job),
            _ => Err(Error::NotFound("job")),
        }
    }

    /// Changes a job as `decide` says, from what it is at that moment.
    pub(super) async fn change_job<F>(
        &self,
        tenant: &TenantId,
        id: &JobId,
        audit: Option<&AuditEvent>,
        mut decide: F,
    ) -> Result<Job, Error>
    where
        F: FnMut(&Job) -> Result<Step, Error> + Send,
    {
        for round in 0..ROUNDS {
            let before = self.read_job(tenant, id).await?;
            let after = match decide(&before)? {
                Step::Keep => return Ok(before),
                Step::Write(after) => *after,
            };
            let mut writes = vec![Write::Replace(Row::Job(Box::new(after.clone())))];
            writes.extend(audit.map(|event| Write::Create(Row::Audit(event.clone()))));
            if after.status.is_final() {
                writes.extend(self.ending(&after).await?);
            }
            match self.commit(tenant, writes).await? {
                Fate::Done => return Ok(Job { version: after.version + 1, ..after }),
                Fate::Refused(0) => self.breathe(round).await?,
                Fate::Refused(at) => {
                    return Err(Error::Broken(format!(
                        "write {at} of a change of {id} was refused: counters are damaged"
                    )));
                }
            }
        }
        Err(Error::Busy)
    }

    /// What is written with the final state of a job, beside it.
    async fn ending(&self, job: &Job) -> Result<Vec<Write>, Error> {
        let mut writes = vec![Write::Count { counter: Counter::Active, add: -1, most: None }];
        let day = Counter::Jobs(job.day());
        if job.began() {
            writes.push(Write::Create(Row::Usage(UsageEvent {
                tenant: job.tenant.clone(),
                at: job.completed_at.unwrap_or(job.created_at),
                job: job.id.clone(),
                agent: job.spec.agent.clone(),
                status: job.status,
                usage: job.outcome.as_ref().map(|outcome| outcome.usage).unwrap_or_default(),
                key_shown: job.key_shown.clone(),
            })));
        } else if day.expires().is_none_or(|at| at > self.now()) {
            writes.push(Write::Count { counter: day, add: -1, most: None });
        }
        match self.read_tenant(&job.tenant).await {
            Ok(tenant) if tenant.standing == Standing::Active => writes.extend(self.told(&tenant, job)?),
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(writes)
    }

    /// A message about the end of a job to each place that wants one. The outputs are not in it: they may be large.
    fn told(&self, tenant: &Tenant, job: &Job) -> Result<Vec<Write>, Error> {
        let now = self.now();
        let kind = format!("job.{}", job.status.as_str());
        let outcome = job.outcome.as_ref();
        let body = json!({
            "type": kind,
            "timestamp": now.to_string(),
            "data": {
                "id": job.id,
                "status": job.status,
                "agent": job.spec.agent,
                "labels": job.spec.labels,
                "created_at": job.created_at,
                "started_at": job.started_at,
                "completed_at": job.completed_at,
                "code": outcome.and_then(|outcome| outcome.code),
                "message": outcome.map(|outcome| &outcome.message),
                "usage": outcome.map(|outcome| outcome.usage),
            },
        })
        .to_string();
        let hooks = tenant.hooks.iter().map(|hook| (Some(hook.id.clone()), hook.url.clone()));
        let callback = job.spec.callback_url.iter().map(|url| (None, url.clone()));
        hooks
            .chain(callback)
            .map(|(hook, url)| {
                Ok(Write::Create(Row::Message(Message {
                    id: MessageId::new(now, &self.salt()?),
                    tenant: tenant.id.clone(),
                    hook,
                    url,
                    kind: kind.clone(),
                    body: body.clone(),
                    created_at: now,
                    attempts: 0,
                    next_at: Some(now),
                    delivered_at: None,
                    last_error: None,
                    version: 0,
                })))
            })
            .collect()
    }

    /// Puts a ticket for a pending job into its queue, and says so in its row. Whatever fails of it, the reaper does again.
    pub(super) async fn send(&self, job: &Job) -> Option<Problem> {
        let ticket = Ticket { tenant: job.tenant.clone(), job: job.id.clone(), traceparent: job.traceparent.clone() };
        if let Err(problem) = self.ports.queue.send(job.lane, &ticket).await {
            return Some(problem);
        }
        let queued = Write::Replace(Row::Job(Box::new(job.clone().enqueued(self.now()))));
        // Refused: a worker was quicker, or the tenant cancelled it. Both know better than this row.
        let marked = match self.ports.store.commit(&job.tenant, vec![queued]).await {
            Ok(()) | Err(Problem::Refused(_)) => None,
            Err(problem) => Some(problem),
        };
        let woken = self.ports.wake.wake().await.err();
        marked.or(woken)
    }
}
