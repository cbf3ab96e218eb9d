//! The world's store, and what it is asked for all tenants.

use outpost_core::id::{JobId, MessageId, TenantId};
use outpost_core::job::Status;
use outpost_core::key::{KeyHash, KeyRecord};
use outpost_core::moment::Moment;
use outpost_core::record::Counter;
use outpost_core::store::{Address, House, Listing, Page, Pending, Problem, Row, Store, Write};
use outpost_core::tenant::Tenant;

use crate::world::{Fault, World, aside, at};

impl Store for World {
    fn get<'a>(&'a self, tenant: &'a TenantId, address: &'a Address) -> Pending<'a, Result<Option<Row>, Problem>> {
        Box::pin(async move {
            aside().await;
            let mut state = self.state();
            state.read_fault()?;
            Ok(state.alive(&at(address)).filter(|row| row.tenant() == tenant).cloned())
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        listing: &'a Listing,
        limit: usize,
        after: Option<&'a str>,
    ) -> Pending<'a, Result<Page<Row>, Problem>> {
        Box::pin(async move {
            aside().await;
            let state = self.state();
            let mut rows: Vec<(String, &Row)> = Vec::new();
            for (place, row) in &state.rows {
                let sort = match (listing, row) {
                    _ if row.tenant() != tenant || state.alive(place).is_none() => None,
                    (Listing::Keys, Row::Key(key)) => Some(key.id.to_string()),
                    (Listing::Jobs { status: None }, Row::Job(job)) => Some(job.id.to_string()),
                    (Listing::Jobs { status: Some(wanted) }, Row::Job(job)) => {
                        // Nobody is told which of the two it is.
                        let waits = [Status::Pending, Status::Queued];
                        let both = waits.contains(wanted) && waits.contains(&job.status);
                        (both || *wanted == job.status).then(|| job.id.to_string())
                    }
                    (Listing::Usage { from, to }, Row::Usage(event)) if *from <= event.at && event.at < *to => {
                        Some(place.2.clone())
                    }
                    (Listing::Audit, Row::Audit(event)) => Some(event.id.to_string()),
                    (Listing::Messages, Row::Message(message)) => Some(message.id.to_string()),
                    _ => None,
                };
                rows.extend(sort.map(|sort| (sort, row)));
            }
            rows.sort_by(|a, b| a.0.cmp(&b.0));
            let up = matches!(listing, Listing::Usage { .. });
            if !up {
                rows.reverse();
            }
            rows.retain(|(sort, _)| {
                after.is_none_or(|after| if up { sort.as_str() > after } else { sort.as_str() < after })
            });
            let next = (rows.len() > limit).then(|| rows[limit - 1].0.clone());
            rows.truncate(limit);
            Ok(Page { rows: rows.into_iter().map(|(_, row)| row.clone()).collect(), next })
        })
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, counter: Counter) -> Pending<'a, Result<u64, Problem>> {
        Box::pin(async move { Ok(self.counter(tenant, counter)) })
    }

    fn commit<'a>(&'a self, tenant: &'a TenantId, writes: Vec<Write>) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            aside().await;
            let answer = {
                let mut state = self.state();
                let broken = Err(Problem::Broken("a commit".to_owned()));
                match state.fault() {
                    Fault::Busy => Err(Problem::Busy),
                    Fault::Before => broken,
                    Fault::After => state.change(tenant, writes).and(broken),
                    Fault::None => state.change(tenant, writes),
                }
            };
            // Whoever is dropped here never learns of it.
            aside().await;
            answer
        })
    }
}

impl House for World {
    fn key<'a>(&'a self, hash: &'a KeyHash) -> Pending<'a, Result<Option<KeyRecord>, Problem>> {
        Box::pin(async move {
            let mut state = self.state();
            state.read_fault()?;
            Ok(state.rows.values().find_map(|row| match row {
                Row::Key(key) if key.hash == *hash => Some(key.clone()),
                _ => None,
            }))
        })
    }

    fn tenant_of_email<'a>(&'a self, unique: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        Box::pin(async move {
            Ok(self.state().rows.values().find_map(|row| match row {
                Row::Email(claim) if claim.email == unique => Some(claim.tenant.clone()),
                _ => None,
            }))
        })
    }

    fn tenant_of_customer<'a>(&'a self, customer: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        Box::pin(async move {
            Ok(self.state().rows.values().find_map(|row| match row {
                Row::Tenant(tenant) if tenant.billing.customer.as_deref() == Some(customer) => Some(tenant.id.clone()),
                _ => None,
            }))
        })
    }

    fn tenants<'a>(&'a self, limit: usize, after: Option<&'a str>) -> Pending<'a, Result<Page<Tenant>, Problem>> {
        Box::pin(async move {
            let state = self.state();
            let mut rows: Vec<Tenant> = Vec::new();
            for row in state.rows.values() {
                if let Row::Tenant(tenant) = row
                    && after.is_none_or(|after| tenant.id.as_str() > after)
                {
                    rows.push(tenant.clone());
                }
            }
            let next = (rows.len() > limit).then(|| rows[limit - 1].id.to_string());
            rows.truncate(limit);
            Ok(Page { rows, next })
        })
    }

    fn jobs(
        &self,
        status: Status,
        before: Moment,
        limit: usize,
    ) -> Pending<'_, Result<Vec<(TenantId, JobId)>, Problem>> {
        Box::pin(async move {
            let jobs = self.state().jobs().into_iter();
            let found = jobs.filter(|job| job.status == status && job.created_at < before);
            Ok(found.map(|job| (job.tenant, job.id)).take(limit).collect())
        })
    }

    fn messages(&self, due: Moment, limit: usize) -> Pending<'_, Result<Vec<(TenantId, MessageId)>, Problem>> {
        Box::pin(async move {
            let state = self.state();
            let due = state.rows.values().filter_map(|row| match row {
                Row::Message(message) if message.next_at.is_some_and(|at| at <= due) => {
                    Some((message.tenant.clone(), message.id.clone()))
                }
                _ => None,
            });
            Ok(due.take(limit).collect())
        })
    }

    fn throttle<'a>(&'a self, name: &'a str, most: u64, _: Moment) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let mut state = self.state();
            let count = state.throttles.entry(name.to_owned()).or_default();
            *count += 1;
            Ok(*count <= most)
        })
    }

    fn ready(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async { Ok(()) })
    }
}
