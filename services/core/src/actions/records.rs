//! What a tenant used, what it has left, and what was done in its name.

use std::collections::BTreeMap;

use super::cursor::fitting;
use super::{Caller, Desk, Error, Listed};
use crate::job::Status;
use crate::key::Scope;
use crate::moment::{Day, Moment};
use crate::record::{AuditEvent, Counter, UsageEvent};
use crate::store::{Listing, Row};
use crate::tenant::Tier;

/// How many days are added up at once.
const DAYS: usize = 92;
/// How many rows are read at once, and how often.
const STRIDE: usize = 500;
const STRIDES: usize = 400;

/// Where a tenant stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    pub tier: Tier,
    pub jobs_today: u64,
    pub jobs_per_day: Option<u64>,
    /// None: as many as it likes.
    pub jobs_remaining: Option<u64>,
    pub active: u64,
    pub active_limit: u64,
    pub quota_resets_at: Moment,
}

/// What jobs that ended on a day used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageDay {
    pub day: Day,
    pub jobs: u64,
    pub succeeded: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub micro_usd: u64,
    pub duration_ms: u64,
}

impl UsageDay {
    fn of(day: Day) -> Self {
        Self { day, jobs: 0, succeeded: 0, input_tokens: 0, output_tokens: 0, micro_usd: 0, duration_ms: 0 }
    }

    fn add(&mut self, event: &UsageEvent) {
        self.jobs += 1;
        self.succeeded += u64::from(event.status == Status::Succeeded);
        self.input_tokens = self.input_tokens.saturating_add(event.usage.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(event.usage.output_tokens);
        self.micro_usd = self.micro_usd.saturating_add(event.usage.micro_usd);
        self.duration_ms = self.duration_ms.saturating_add(event.usage.duration_ms);
    }
}

impl Desk {
    pub async fn usage(&self, caller: &Caller) -> Result<Current, Error> {
        caller.may(Scope::UsageRead)?;
        self.standing(caller).await
    }

    /// The same for a front door that tells everybody what is left, whatever the key may see.
    pub async fn standing(&self, caller: &Caller) -> Result<Current, Error> {
        let today = self.now().day();
        let limits = caller.tenant().limits();
        let jobs_today = self.ports.store.count(caller.id(), Counter::Jobs(today)).await?;
        let active = self.ports.store.count(caller.id(), Counter::Active).await?;
        Ok(Current {
            tier: caller.tenant().tier,
            jobs_today,
            jobs_per_day: limits.jobs_per_day,
            jobs_remaining: limits.jobs_per_day.map(|most| most.saturating_sub(jobs_today)),
            active,
            active_limit: limits.active,
            quota_resets_at: today.ends(),
        })
    }

    /// What was used from the first to the last of these days, each of them there.
    pub async fn usage_by_day(&self, caller: &Caller, first: Day, last: Day) -> Result<Vec<UsageDay>, Error> {
        caller.may(Scope::UsageRead)?;
        let mut days = BTreeMap::new();
        let mut day = first;
        while day <= last {
            if days.len() >= DAYS {
                return Err(Error::invalid("to", format!("is more than {DAYS} days after `from`")));
            }
            days.insert(day, UsageDay::of(day));
            day = day.next();
        }
        if days.is_empty() {
            return Err(Error::invalid("to", "lies before `from`"));
        }
        let listing = Listing::Usage { from: first.begins(), to: last.ends() };
        let mut after: Option<String> = None;
        for _ in 0..STRIDES {
            let page = self.ports.store.list(caller.id(), &listing, STRIDE, after.as_deref()).await?;
            for row in &page.rows {
                if let Row::Usage(event) = row
                    && let Some(day) = days.get_mut(&event.at.day())
                {
                    day.add(event);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(days.into_values().collect());
            }
        }
        Err(Error::invalid("to", "makes it more jobs than can be added up at once: ask for fewer days"))
    }

    /// Single jobs that were charged for, the oldest first.
    pub async fn usage_events(
        &self,
        caller: &Caller,
        from: Moment,
        to: Moment,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<UsageEvent>, Error> {
        caller.may(Scope::UsageRead)?;
        let limit = fitting(limit)?;
        let name = format!("usage {from} {to}");
        let place = self.place(caller.id().as_str(), &name, cursor)?;
        let page = self.ports.store.list(caller.id(), &Listing::Usage { from, to }, limit, place.as_deref()).await?;
        self.listed(caller.id().as_str(), &name, page, |row| match row {
            Row::Usage(event) => Some(event),
            _ => None,
        })
    }

    /// What was done, the newest first.
    pub async fn audit_log(
        &self,
        caller: &Caller,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<AuditEvent>, Error> {
        caller.may(Scope::AuditRead)?;
        let limit = fitting(limit)?;
        let place = self.place(caller.id().as_str(), "audit", cursor)?;
        let page = self.ports.store.list(caller.id(), &Listing::Audit, limit, place.as_deref()).await?;
        self.listed(caller.id().as_str(), "audit", page, |row| match row {
            Row::Audit(event) => Some(event),
            _ => None,
        })
    }
}
