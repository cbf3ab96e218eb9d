//! What is asked for all tenants, of the same tables.

use outpost_core::id::{JobId, MessageId, TenantId};
use outpost_core::job::Status;
use outpost_core::key::{KeyHash, KeyRecord};
use outpost_core::moment::Moment;
use outpost_core::store::{Address, House, Page, Pending, Problem, Row};
use outpost_core::tenant::Tenant;
use rusqlite::OptionalExtension as _;

use crate::schema;
use crate::store::{Rows, page, read};

impl House for Rows {
    fn key<'a>(&'a self, hash: &'a KeyHash) -> Pending<'a, Result<Option<KeyRecord>, Problem>> {
        let found = self.any(&Address::key(hash));
        Box::pin(async move {
            match found.await? {
                // The database has looked for it; what it found is compared in a time that tells nothing.
                Some(Row::Key(key)) if key.hash.is(hash) => Ok(Some(key)),
                _ => Ok(None),
            }
        })
    }

    fn tenant_of_email<'a>(&'a self, unique: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        let found = self.any(&Address::email(unique));
        Box::pin(async {
            match found.await? {
                Some(Row::Email(claim)) => Ok(Some(claim.tenant)),
                _ => Ok(None),
            }
        })
    }

    fn tenant_of_customer<'a>(&'a self, customer: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        let customer = customer.to_owned();
        let found = self.database.read(move |connection| {
            let query = "SELECT tenant FROM rows WHERE customer = ?1 ORDER BY rowid LIMIT 1";
            connection.prepare_cached(query)?.query_row((&customer,), |row| row.get::<_, String>(0)).optional()
        });
        Box::pin(async { found.await?.map(|tenant| id(&tenant)).transpose() })
    }

    fn tenants<'a>(&'a self, limit: usize, after: Option<&'a str>) -> Pending<'a, Result<Page<Tenant>, Problem>> {
        let after = after.unwrap_or_default().to_owned();
        let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let found = self.database.read(move |connection| {
            let query =
                "SELECT partition, body FROM rows WHERE kind = 'tenant' AND partition > ?1 ORDER BY partition LIMIT ?2";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map((&after, more), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
        });
        Box::pin(async move {
            page(found.await?, limit, |body| match read(body)? {
                Row::Tenant(tenant) => Ok(tenant),
                _ => Err(Problem::Broken("a row of another kind lies where a tenant belongs".into())),
            })
        })
    }

    fn jobs(
        &self,
        status: Status,
        before: Moment,
        limit: usize,
    ) -> Pending<'_, Result<Vec<(TenantId, JobId)>, Problem>> {
        let (before, now) = (before.to_string(), self.clock.now());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.database.read(move |connection| {
            let query = "SELECT tenant, partition FROM rows WHERE status = ?1 AND place < ?2 \
                         AND (expires IS NULL OR expires > ?3) ORDER BY place LIMIT ?4";
            let mut statement = connection.prepare_cached(query)?;
            let key = (status.as_str(), &before, now.millis(), limit);
            let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
        });
        Box::pin(async {
            found.await?.iter().map(|(tenant, job)| Ok((id(tenant)?, id(job)?))).collect::<Result<Vec<_>, Problem>>()
        })
    }

    fn messages(&self, due: Moment, limit: usize) -> Pending<'_, Result<Vec<(TenantId, MessageId)>, Problem>> {
        let now = self.clock.now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.database.read(move |connection| {
            let query = "SELECT body FROM rows WHERE due <= ?1 AND expires > ?2 ORDER BY due LIMIT ?3";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map((due.millis(), now.millis(), limit), |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        });
        Box::pin(async {
            let rows = found.await?.iter().map(|body| read(body)).collect::<Result<Vec<_>, Problem>>()?;
            let due = rows.into_iter().filter_map(|row| match row {
                Row::Message(message) => Some((message.tenant, message.id)),
                _ => None,
            });
            Ok(due.collect())
        })
    }

    fn throttle<'a>(&'a self, name: &'a str, most: u64, expires: Moment) -> Pending<'a, Result<bool, Problem>> {
        let (name, now) = (name.to_owned(), self.clock.now());
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.database.write(move |connection| {
            let query = "SELECT count FROM throttles WHERE name = ?1 AND expires > ?2";
            let mut statement = connection.prepare_cached(query)?;
            let stands: Option<i64> = statement.query_row((&name, now.millis()), |row| row.get(0)).optional()?;
            if stands.unwrap_or(0) >= most {
                return Ok(false);
            }
            if stands.is_some() {
                connection
                    .prepare_cached("UPDATE throttles SET count = count + 1 WHERE name = ?1")?
                    .execute((&name,))?;
            } else {
                let query = "INSERT OR REPLACE INTO throttles (name, count, expires) VALUES (?1, 1, ?2)";
                connection.prepare_cached(query)?.execute((&name, expires.millis()))?;
            }
            Ok(true)
        })
    }

    fn ready(&self) -> Pending<'_, Result<(), Problem>> {
        let checked = self.database.read(|connection| Ok(schema::check(connection)));
        Box::pin(async { checked.await? })
    }
}

impl Rows {
    /// A row whosever it is.
    fn any(&self, address: &Address) -> Pending<'static, Result<Option<Row>, Problem>> {
        let (address, now) = (address.clone(), self.clock.now());
        let found = self.database.read(move |connection| {
            let query = "SELECT body FROM rows WHERE home = ?1 AND partition = ?2 AND sort = ?3 \
                         AND (expires IS NULL OR expires > ?4)";
            let key = (address.table.name(), &address.partition, &address.sort, now.millis());
            connection.prepare_cached(query)?.query_row(key, |row| row.get::<_, String>(0)).optional()
        });
        Box::pin(async { found.await?.map(|body| read(&body)).transpose() })
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::Broken("a row of `outpost.db` has an id that is none".into()))
}
