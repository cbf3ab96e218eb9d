//! What the service keeps, and the one way to change it.
//!
//! A change is a list of writes that happen all or not at all. Each says what must be true for it to happen: a row must
//! not be there, or be there in one version; a counter must stay within bounds. So the rules live in this crate, once, and a
//! store needs to know none of them: it stores rows, compares versions and adds numbers. DynamoDB does that in
//! `TransactWriteItems`, SQLite in a transaction.
//!
//! What belongs to a tenant is reached through its id only, and a store refuses a row of another tenant in a change. The
//! few questions that are nobody's ("whose key is this?") have a trait of their own.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::id::{JobId, MessageId, TenantId};
use crate::job::{Job, Status};
use crate::key::{KeyHash, KeyRecord};
use crate::moment::Moment;
use crate::record::{Answer, AuditEvent, BillingEvent, Counter, EmailClaim, Message, UsageEvent};
use crate::tenant::Tenant;

/// An answer that is on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that is kept, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "row", content = "value")]
pub enum Row {
    Tenant(Tenant),
    Email(EmailClaim),
    Key(KeyRecord),
    Job(Box<Job>),
    Usage(UsageEvent),
    Audit(AuditEvent),
    Answer(Answer),
    BillingEvent(BillingEvent),
    Message(Message),
}

/// The tables, as they are called after the prefix of the service and before the environment: `outpost-jobs-dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Users,
    ApiKeys,
    Jobs,
    UsageEvents,
    Audit,
    /// What may be forgotten after a while: answers, events that were taken, messages.
    Idempotency,
}

impl Table {
    pub const ALL: [Self; 6] =
        [Self::Users, Self::ApiKeys, Self::Jobs, Self::UsageEvents, Self::Audit, Self::Idempotency];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::ApiKeys => "api-keys",
            Self::Jobs => "jobs",
            Self::UsageEvents => "usage-events",
            Self::Audit => "audit",
            Self::Idempotency => "idempotency",
        }
    }
}

/// Where a row is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub table: Table,
    pub partition: String,
    /// Empty in tables without a sort key.
    pub sort: String,
}

impl Address {
    fn of(table: Table, partition: impl Into<String>) -> Self {
        Self { table, partition: partition.into(), sort: String::new() }
    }

    #[must_use]
    pub fn tenant(id: &TenantId) -> Self {
        Self::of(Table::Users, id.as_str())
    }

    #[must_use]
    pub fn email(unique: &str) -> Self {
        Self::of(Table::Users, format!("EMAIL#{unique}"))
    }

    #[must_use]
    pub fn key(hash: &KeyHash) -> Self {
        Self::of(Table::ApiKeys, hash.as_str())
    }

    #[must_use]
    pub fn job(id: &JobId) -> Self {
        Self::of(Table::Jobs, id.as_str())
    }

    #[must_use]
    pub fn answer(tenant: &TenantId, key: &str) -> Self {
        Self::of(Table::Idempotency, format!("{tenant}#{key}"))
    }

    #[must_use]
    pub fn billing_event(event: &str) -> Self {
        Self::of(Table::Idempotency, format!("stripe#{event}"))
    }

    #[must_use]
    pub fn message(id: &MessageId) -> Self {
        Self::of(Table::Idempotency, format!("message#{id}"))
    }

    /// Beside the events of its tenant: letters sort behind the digits of a year.
    #[must_use]
    pub fn counter(tenant: &TenantId, counter: Counter) -> Self {
        Self { table: Table::UsageEvents, partition: tenant.to_string(), sort: counter.name() }
    }
}

impl Row {
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Tenant(tenant) => Address::tenant(&tenant.id),
            Self::Email(claim) => Address::email(&claim.email),
            Self::Key(key) => Address::key(&key.hash),
            Self::Job(job) => Address::job(&job.id),
            Self::Usage(event) => Address {
                table: Table::UsageEvents,
                partition: event.tenant.to_string(),
                sort: format!("{}#{}", event.at, event.job),
            },
            Self::Audit(event) => {
                Address { table: Table::Audit, partition: event.tenant.to_string(), sort: event.id.to_string() }
            }
            Self::Answer(answer) => Address::answer(&answer.tenant, &answer.key),
            Self::BillingEvent(event) => Address::billing_event(&event.event),
            Self::Message(message) => Address::message(&message.id),
        }
    }

    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Tenant(tenant) => &tenant.id,
            Self::Email(claim) => &claim.tenant,
            Self::Key(key) => &key.tenant,
            Self::Job(job) => &job.tenant,
            Self::Usage(event) => &event.tenant,
            Self::Audit(event) => &event.tenant,
            Self::Answer(answer) => &answer.tenant,
            Self::BillingEvent(event) => &event.tenant,
            Self::Message(message) => &message.tenant,
        }
    }

    /// What a store compares. Rows that are never changed have none.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Tenant(tenant) => tenant.version,
            Self::Email(claim) => claim.version,
            Self::Key(key) => key.version,
            Self::Job(job) => job.version,
            Self::Answer(answer) => answer.version,
            Self::Message(message) => message.version,
            Self::Usage(_) | Self::Audit(_) | Self::BillingEvent(_) => 0,
        }
    }

    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        match &mut self {
            Self::Tenant(tenant) => tenant.version = version,
            Self::Email(claim) => claim.version = version,
            Self::Key(key) => key.version = version,
            Self::Job(job) => job.version = version,
            Self::Answer(answer) => answer.version = version,
            Self::Message(message) => message.version = version,
            Self::Usage(_) | Self::Audit(_) | Self::BillingEvent(_) => {}
        }
        self
    }

    /// From when on it counts as gone, whether or not the store has removed it yet.
    #[must_use]
    pub fn expires(&self) -> Option<Moment> {
        match self {
            Self::Job(job) => job.expires(),
            Self::Usage(event) => Some(event.at.plus(crate::record::USAGE_KEPT)),
            Self::Answer(answer) => Some(answer.expires_at),
            Self::BillingEvent(event) => Some(event.expires_at),
            Self::Message(message) => Some(message.created_at.plus(crate::record::MESSAGE_KEPT)),
            Self::Tenant(_) | Self::Email(_) | Self::Key(_) | Self::Audit(_) => None,
        }
    }
}

/// One part of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It must not be there yet. It is stored as version 1, or 0 where rows have no versions.
    Create(Row),
    /// It must be there in the version that the row carries; it is stored as the next one.
    Replace(Row),
    /// It must be there in this version.
    Remove { address: Address, version: u64 },
    /// The sum must not become negative, nor greater than `most`. A counter begins with nothing.
    Count { counter: Counter, add: i64, most: Option<u64> },
}

/// How many writes one change may have.
pub const WRITES: usize = 25;

impl Write {
    /// What it changes; a counter counts as its tenant's.
    #[must_use]
    pub fn address(&self, tenant: &TenantId) -> Address {
        match self {
            Self::Create(row) | Self::Replace(row) => row.address(),
            Self::Remove { address, .. } => address.clone(),
            Self::Count { counter, .. } => Address::counter(tenant, *counter),
        }
    }

    /// Whether a list of writes can be one change at all. For stores, so that all of them say the same.
    pub fn fit(tenant: &TenantId, writes: &[Self]) -> Result<(), Problem> {
        if writes.len() > WRITES {
            return Err(Problem::Broken(format!("a change of {} writes, and {WRITES} is the most", writes.len())));
        }
        let mut seen = HashSet::new();
        match writes.iter().find(|write| !seen.insert(write.address(tenant))) {
            Some(twice) => {
                let table = twice.address(tenant).table.name();
                Err(Problem::Broken(format!("a change with two writes at one address of `{table}`")))
            }
            None => Ok(()),
        }
    }
}

/// Why nothing of a change happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The write of this number was refused: what it asks for is not so. The first one that is, where several are.
    Refused(usize),
    /// Somebody else changed the same at the same time, or too much is asked of the store: it may work a moment later.
    Busy,
    /// The store is not there, or answers what it must not. With a text for the log, free of secrets.
    Broken(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(at) => write!(f, "what write {at} asks for is not so"),
            Self::Busy => f.write_str("the store is busy"),
            Self::Broken(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for Problem {}

/// A question for many rows of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The newest first.
    Keys,
    /// The newest first. By status, those that [show](Status::shown) the same: `Queued` has what is `Pending`, too.
    Jobs { status: Option<Status> },
    /// From the first to before the last, the oldest first.
    Usage { from: Moment, to: Moment },
    /// The newest first.
    Audit,
    /// The newest first.
    Messages,
}

/// Some of the rows that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Where to go on; none where there are no more. It means something to its store only.
    pub next: Option<String>,
}

/// What a tenant has. Whatever has expired is not found, whether or not it is still stored.
pub trait Store: Send + Sync + fmt::Debug {
    /// A row, as it is now and not as it was; none as well if it is another tenant's.
    fn get<'a>(&'a self, tenant: &'a TenantId, address: &'a Address) -> Pending<'a, Result<Option<Row>, Problem>>;

    /// Rows in their order, at most `limit`, after the place that an earlier page named.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        listing: &'a Listing,
        limit: usize,
        after: Option<&'a str>,
    ) -> Pending<'a, Result<Page<Row>, Problem>>;

    /// Where a counter stands.
    fn count<'a>(&'a self, tenant: &'a TenantId, counter: Counter) -> Pending<'a, Result<u64, Problem>>;

    /// Changes all or nothing: writes that [fit](Write::fit), all of rows of this tenant. When it returns without a problem,
    /// the change outlives the machine. Told `Broken`, it may have happened all the same.
    fn commit<'a>(&'a self, tenant: &'a TenantId, writes: Vec<Write>) -> Pending<'a, Result<(), Problem>>;
}

/// What is asked before it is known whose it is, or for all tenants: by the door, by those who run the service, by the
/// reaper. Nothing that a tenant asks for may end here but its own key.
pub trait House: Send + Sync + fmt::Debug {
    /// The row of a key, as it is now.
    fn key<'a>(&'a self, hash: &'a KeyHash) -> Pending<'a, Result<Option<KeyRecord>, Problem>>;

    /// Whose address this is.
    fn tenant_of_email<'a>(&'a self, unique: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>>;

    /// Whose event of the payment provider this is, by the customer.
    fn tenant_of_customer<'a>(&'a self, customer: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>>;

    fn tenants<'a>(&'a self, limit: usize, after: Option<&'a str>) -> Pending<'a, Result<Page<Tenant>, Problem>>;

    /// Jobs with a status that were created before a moment, the oldest first. May lag behind what is stored.
    fn jobs(
        &self,
        status: Status,
        before: Moment,
        limit: usize,
    ) -> Pending<'_, Result<Vec<(TenantId, JobId)>, Problem>>;

    /// Messages to webhooks that are due, the longest first. May lag behind what is stored.
    fn messages(&self, due: Moment, limit: usize) -> Pending<'_, Result<Vec<(TenantId, MessageId)>, Problem>>;

    /// Counts something that is no tenant's, such as registrations from an address in an hour: false if that was one too
    /// many. Forgotten at `expires`.
    fn throttle<'a>(&'a self, name: &'a str, most: u64, expires: Moment) -> Pending<'a, Result<bool, Problem>>;

    /// Whether the store answers.
    fn ready(&self) -> Pending<'_, Result<(), Problem>>;
}
