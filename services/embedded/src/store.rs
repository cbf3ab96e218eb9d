//! What tenants have, in `rows` and `counters`.
//!
//! A change is looked through before anything of it is written: the first write that cannot be names the problem, and the
//! transaction goes on with the changes of others. No two writes of a change have one address, so that none can make
//! another one possible.

use std::sync::Arc;

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::Clock;
use outpost_core::record::Counter;
use outpost_core::store::{Address, Listing, Page, Pending, Problem, Row, Store, Write};
use rusqlite::{Connection, OptionalExtension as _};

use crate::db::Database;

#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) database: Arc<Database>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Store for Rows {
    fn get<'a>(&'a self, tenant: &'a TenantId, address: &'a Address) -> Pending<'a, Result<Option<Row>, Problem>> {
        let (tenant, address, now) = (tenant.clone(), address.clone(), self.clock.now());
        let found = self.database.read(move |connection| {
            let query = "SELECT body FROM rows WHERE home = ?1 AND partition = ?2 AND sort = ?3 AND tenant = ?4 \
                         AND (expires IS NULL OR expires > ?5)";
            let key = (address.table.name(), &address.partition, &address.sort, tenant.as_str(), now.millis());
            connection.prepare_cached(query)?.query_row(key, |row| row.get::<_, String>(0)).optional()
        });
        Box::pin(async { found.await?.map(|body| read(&body)).transpose() })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        listing: &'a Listing,
        limit: usize,
        after: Option<&'a str>,
    ) -> Pending<'a, Result<Page<Row>, Problem>> {
        let (tenant, now) = (tenant.clone(), self.clock.now());
        let Span { kind, status, from, to, rising } = Span::of(listing, after);
        // One more tells whether there are more.
        let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let found = self.database.read(move |connection| {
            let by = if status.is_some() { "shown" } else { "kind" };
            let order = if rising { "ASC" } else { "DESC" };
            let query = format!(
                "SELECT place, body FROM rows WHERE tenant = ?1 AND {by} = ?2 AND place > ?3 AND place < ?4 \
                 AND (expires IS NULL OR expires > ?5) ORDER BY place {order} LIMIT ?6"
            );
            let key = (tenant.as_str(), status.unwrap_or(kind), &from, &to, now.millis(), more);
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
        });
        Box::pin(async move { page(found.await?, limit, read) })
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, counter: Counter) -> Pending<'a, Result<u64, Problem>> {
        let (tenant, now) = (tenant.clone(), self.clock.now());
        let stands = self.database.read(move |connection| stands(connection, &tenant, counter, now));
        Box::pin(async { Ok(u64::try_from(stands.await?).unwrap_or(0)) })
    }

    fn commit<'a>(&'a self, tenant: &'a TenantId, writes: Vec<Write>) -> Pending<'a, Result<(), Problem>> {
        if let Err(problem) = Write::fit(tenant, &writes) {
            return Box::pin(async { Err(problem) });
        }
        let steps = match writes.iter().map(|write| Step::of(tenant, write)).collect::<Result<Vec<_>, _>>() {
            Ok(steps) => steps,
            Err(problem) => return Box::pin(async { Err(problem) }),
        };
        if steps.is_empty() {
            return Box::pin(async { Ok(()) });
        }
        let (tenant, now) = (tenant.clone(), self.clock.now());
        let answer = self.database.write(move |connection| change(connection, &tenant, &steps, now));
        Box::pin(async { answer.await? })
    }
}

/// Which rows a listing is of: those with a place between two, both of which are out.
struct Span {
    kind: &'static str,
    status: Option<&'static str>,
    from: String,
    to: String,
    rising: bool,
}

/// Behind every place: no text of ours has such a character.
const END: &str = "\u{10ffff}";

impl Span {
    fn of(listing: &Listing, after: Option<&str>) -> Self {
        let all = |kind| Self { kind, status: None, from: String::new(), to: END.into(), rising: false };
        let mut span = match listing {
            Listing::Keys => all("key"),
            Listing::Jobs { status } => Self { status: status.map(|status| status.shown().as_str()), ..all("job") },
            // Places go on behind the moment, so that none is equal to it.
            Listing::Usage { from, to } => {
                Self { from: from.to_string(), to: to.to_string(), rising: true, ..all("usage") }
            }
            Listing::Audit => all("audit"),
            Listing::Messages => all("message"),
        };
        match after {
            Some(after) if span.rising => span.from = span.from.max(after.to_owned()),
            Some(after) => span.to = span.to.min(after.to_owned()),
            None => {}
        }
        span
    }
}

/// Cuts what is more than was asked for, and says where to go on.
pub(crate) fn page<T>(
    mut found: Vec<(String, String)>,
    limit: usize,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Page<T>, Problem> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(|(place, _)| place.clone()) } else { None };
    let rows = found.iter().map(|(_, body)| read(body)).collect::<Result<Vec<T>, Problem>>()?;
    Ok(Page { rows, next })
}

pub(crate) fn read(body: &str) -> Result<Row, Problem> {
    // Where it does not read, the text may hold what a tenant wrote: it stays out of the log.
    serde_json::from_str(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::Broken(format!("a row of `outpost.db` cannot be read at {line}:{column}: {:?}", error.classify()))
    })
}

/// A write, ready to be done.
enum Step {
    /// The version that must be there; none: no row may be there.
    Put {
        kept: Box<Kept>,
        was: Option<i64>,
    },
    Remove {
        address: Address,
        version: i64,
    },
    Count {
        counter: Counter,
        add: i64,
        most: Option<u64>,
    },
    /// It is another tenant's, or a version that no row has.
    Never,
}

/// A row as the table has it.
struct Kept {
    address: Address,
    kind: &'static str,
    version: i64,
    expires: Option<i64>,
    place: Option<String>,
    status: Option<&'static str>,
    shown: Option<&'static str>,
    due: Option<i64>,
    customer: Option<String>,
    body: String,
}

impl Step {
    fn of(tenant: &TenantId, write: &Write) -> Result<Self, Problem> {
        let version = |version: u64| i64::try_from(version).ok().filter(|version| *version < i64::MAX);
        Ok(match write {
            Write::Create(row) | Write::Replace(row) if row.tenant() != tenant => Self::Never,
            Write::Create(row) => Self::Put { kept: Kept::of(&row.clone().with_version(1))?, was: None },
            Write::Replace(row) => match version(row.version()) {
                Some(was) => {
                    let next = row.clone().with_version(row.version() + 1);
                    Self::Put { kept: Kept::of(&next)?, was: Some(was) }
                }
                None => Self::Never,
            },
            Write::Remove { address, version: wanted } => match version(*wanted) {
                Some(version) => Self::Remove { address: address.clone(), version },
                None => Self::Never,
            },
            Write::Count { counter, add, most } => Self::Count { counter: *counter, add: *add, most: *most },
        })
    }
}

impl Kept {
    fn of(row: &Row) -> Result<Box<Self>, Problem> {
        let body = serde_json::to_string(row)
            .map_err(|error| Problem::Broken(format!("a row that cannot be written: {:?}", error.classify())))?;
        let address = row.address();
        let (mut place, mut status, mut shown, mut due, mut customer) = (None, None, None, None, None);
        let kind = match row {
            Row::Tenant(tenant) => {
                customer.clone_from(&tenant.billing.customer);
                "tenant"
            }
            Row::Email(_) => "email",
            Row::Key(key) => {
                place = Some(format!("{}#{}", key.created_at, key.id));
                "key"
            }
            Row::Job(job) => {
                place = Some(format!("{}#{}", job.created_at, job.id));
                status = Some(job.status.as_str());
                shown = Some(job.status.shown().as_str());
                "job"
            }
            Row::Usage(_) => {
                place = Some(address.sort.clone());
                "usage"
            }
            Row::Audit(_) => {
                place = Some(address.sort.clone());
                "audit"
            }
            Row::Answer(_) => "answer",
            Row::BillingEvent(_) => "billing_event",
            Row::Message(message) => {
                place = Some(format!("{}#{}", message.created_at, message.id));
                due = message.next_at.map(Moment::millis);
                "message"
            }
        };
        let version = i64::try_from(row.version()).unwrap_or(i64::MAX);
        let expires = row.expires().map(Moment::millis);
        Ok(Box::new(Self { address, kind, version, expires, place, status, shown, due, customer, body }))
    }
}

/// Looks through all, then writes all.
fn change(
    connection: &Connection,
    tenant: &TenantId,
    steps: &[Step],
    now: Moment,
) -> rusqlite::Result<Result<(), Problem>> {
    for (at, step) in steps.iter().enumerate() {
        let fine = match step {
            Step::Put { kept, was: None } => found(connection, &kept.address, now)?.is_none(),
            Step::Put { kept, was: Some(was) } => is(found(connection, &kept.address, now)?, tenant, *was),
            Step::Remove { address, version } => is(found(connection, address, now)?, tenant, *version),
            Step::Count { counter, add, most } => {
                let sum = stands(connection, tenant, *counter, now)?.checked_add(*add);
                let most = most.unwrap_or(u64::MAX);
                sum.and_then(|sum| u64::try_from(sum).ok()).is_some_and(|sum| sum <= most)
            }
            Step::Never => false,
        };
        if !fine {
            return Ok(Err(Problem::Refused(at)));
        }
    }
    for step in steps {
        match step {
            Step::Put { kept, .. } => put(connection, tenant, kept)?,
            Step::Remove { address, .. } => {
                let query = "DELETE FROM rows WHERE home = ?1 AND partition = ?2 AND sort = ?3";
                let key = (address.table.name(), &address.partition, &address.sort);
                connection.prepare_cached(query)?.execute(key)?;
            }
            Step::Count { counter, add, .. } => {
                let sum = stands(connection, tenant, *counter, now)?.saturating_add(*add);
                let query = "INSERT OR REPLACE INTO counters (tenant, name, stands, expires) VALUES (?1, ?2, ?3, ?4)";
                let expires = counter.expires().map(Moment::millis);
                connection.prepare_cached(query)?.execute((tenant.as_str(), counter.name(), sum, expires))?;
            }
            Step::Never => {}
        }
    }
    Ok(Ok(()))
}

type Found = Option<(String, i64)>;

/// Whose row is there, in which version; one that has expired is not there.
fn found(connection: &Connection, address: &Address, now: Moment) -> rusqlite::Result<Found> {
    let query = "SELECT tenant, version FROM rows WHERE home = ?1 AND partition = ?2 AND sort = ?3 \
                 AND (expires IS NULL OR expires > ?4)";
    let key = (address.table.name(), &address.partition, &address.sort, now.millis());
    connection.prepare_cached(query)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn is(found: Found, tenant: &TenantId, version: i64) -> bool {
    found.is_some_and(|(whose, is)| whose == tenant.as_str() && is == version)
}

fn stands(connection: &Connection, tenant: &TenantId, counter: Counter, now: Moment) -> rusqlite::Result<i64> {
    let query = "SELECT stands FROM counters WHERE tenant = ?1 AND name = ?2 AND (expires IS NULL OR expires > ?3)";
    let key = (tenant.as_str(), counter.name(), now.millis());
    Ok(connection.prepare_cached(query)?.query_row(key, |row| row.get(0)).optional()?.unwrap_or(0))
}

fn put(connection: &Connection, tenant: &TenantId, kept: &Kept) -> rusqlite::Result<()> {
    let query = "INSERT INTO rows (home, partition, sort, tenant, kind, version, expires, place, status, shown, due, \
                 customer, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO UPDATE \
                 SET tenant = ?4, kind = ?5, version = ?6, expires = ?7, place = ?8, status = ?9, shown = ?10, \
                 due = ?11, customer = ?12, body = ?13";
    let Kept { address, kind, version, expires, place, status, shown, due, customer, body } = kept;
    connection.prepare_cached(query)?.execute((
        address.table.name(),
        &address.partition,
        &address.sort,
        tenant.as_str(),
        kind,
        version,
        expires,
        place,
        status,
        shown,
        due,
        customer,
        body,
    ))?;
    Ok(())
}
