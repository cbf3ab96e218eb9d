//! Listings: which index knows the order, and where a page goes on.
//!
//! An index is asked for keys only, and the rows are read by them as they are now: an index may lag, and a row of another
//! tenant or another status must not come out of it. A place is what an index is sorted by, of the last row that was looked
//! at; whose index it is, is said anew with each question, so that no place leads to another tenant.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use outpost_core::id::TenantId;
use outpost_core::job::Status;
use outpost_core::store::{Listing, Page, Problem, Row, Table};

use crate::item::{self, CREATED, Item, STATUS_AT, USER, text};
use crate::tables::{BATCH, Tables};

/// How often an index is asked for one page: what has ended is skipped, and a page may be short.
const ROUNDS: usize = 8;
/// The longest part of a key.
const LONGEST: usize = 1024;
/// Between the parts of a place.
const PARTS: char = '|';

/// A question for one partition.
struct Span {
    table: Table,
    index: Option<&'static str>,
    /// What it is sorted by.
    range: &'static str,
    /// Between these, both in.
    between: Option<(String, String)>,
    rising: bool,
    status: Option<Status>,
}

impl Span {
    /// None: nothing can be there.
    fn of(listing: &Listing) -> Option<Self> {
        let all = |table, index, range| Self { table, index, range, between: None, rising: false, status: None };
        Some(match listing {
            Listing::Keys => all(Table::ApiKeys, Some("user_id-index"), CREATED),
            Listing::Jobs { status: None } => all(Table::Jobs, Some("user_id-created_at-index"), CREATED),
            Listing::Jobs { status: Some(status) } => {
                let begun = status.shown().as_str();
                Self {
                    between: Some((format!("{begun}#"), format!("{begun}$"))),
                    status: Some(*status),
                    ..all(Table::Jobs, Some("user_id-status-index"), STATUS_AT)
                }
            }
            Listing::Usage { from, to } if from >= to => return None,
            // What is there goes on behind the moment, so that nothing is equal to it.
            Listing::Usage { from, to } => Self {
                between: Some((from.to_string(), to.to_string())),
                rising: true,
                ..all(Table::UsageEvents, None, "timestamp")
            },
            Listing::Audit => all(Table::Audit, None, "id"),
            Listing::Messages => all(Table::Idempotency, Some("user_id-created_at-index"), CREATED),
        })
    }

    /// The key that a place stands for.
    fn start(&self, tenant: &TenantId, place: &str) -> Result<Item, Problem> {
        let unknown = || Problem::Broken("a place that no page of this store named".into());
        let fits = |part: &str| (1..=LONGEST).contains(&part.len()) && !part.contains(char::is_control);
        let mut start = Item::from([(USER.to_owned(), text(tenant.as_str()))]);
        let range = match self.index {
            None => place,
            Some(_) => {
                let (range, key) = place.split_once(PARTS).ok_or_else(unknown)?;
                if !fits(key) {
                    return Err(unknown());
                }
                start.insert(item::key_names(self.table).0.to_owned(), text(key));
                range
            }
        };
        let within = self.between.as_ref().is_none_or(|(from, to)| from.as_str() <= range && range <= to.as_str());
        if !fits(range) || !within {
            return Err(unknown());
        }
        start.insert(self.range.to_owned(), text(range));
        Ok(start)
    }

    /// The place of what an index has.
    fn place(&self, entry: &Item) -> Result<String, Problem> {
        let part = |name| {
            item::said(entry, name)
                .ok_or_else(|| Problem::Broken(format!("an entry of an index of {:?} has no `{name}`", self.table)))
        };
        let range = part(self.range)?;
        Ok(match self.index {
            None => range.to_owned(),
            Some(_) => format!("{range}{PARTS}{}", part(item::key_names(self.table).0)?),
        })
    }

    fn wants(&self, tenant: &TenantId, row: &Row) -> bool {
        let status = match (self.status, row) {
            (Some(status), Row::Job(job)) => job.status.shown() == status.shown(),
            (Some(_), _) => false,
            (None, _) => true,
        };
        status && row.tenant() == tenant
    }
}

impl Tables {
    pub(crate) async fn listed(
        &self,
        tenant: &TenantId,
        listing: &Listing,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Page<Row>, Problem> {
        let Some(span) = Span::of(listing) else { return Ok(Page { rows: Vec::new(), next: None }) };
        let mut page = Page { rows: Vec::new(), next: after.map(str::to_owned) };
        let now = self.now();
        for _ in 0..ROUNDS {
            let start = page.next.as_deref().map(|place| span.start(tenant, place)).transpose()?;
            // One more tells whether there are more.
            let most = (limit - page.rows.len().min(limit) + 1).min(BATCH);
            let (entries, more) = self.entries(&span, tenant, start, most).await?;
            let mut items = match span.index {
                Some(_) => self.by_key(span.table, &entries).await?,
                None => HashMap::new(),
            };
            for entry in entries {
                let place = span.place(&entry)?;
                let there = match span.index {
                    Some(_) => items.remove(&own_key(span.table, &entry)),
                    None => Some(entry),
                };
                let row = there.as_ref().map(|there| item::row(there, now)).transpose()?.flatten();
                if let Some(row) = row.filter(|row| span.wants(tenant, row)) {
                    if page.rows.len() == limit {
                        return Ok(page);
                    }
                    page.rows.push(row);
                }
                page.next = Some(place);
            }
            if !more {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }

    /// What an index has, and whether there is more of it.
    async fn entries(
        &self,
        span: &Span,
        tenant: &TenantId,
        start: Option<Item>,
        most: usize,
    ) -> Result<(Vec<Item>, bool), Problem> {
        let mut query = self
            .client
            .query()
            .table_name(self.name(span.table))
            .set_index_name(span.index.map(str::to_owned))
            .consistent_read(span.index.is_none())
            .scan_index_forward(span.rising)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .expression_attribute_names("#u", USER)
            .expression_attribute_values(":u", text(tenant.as_str()));
        query = match &span.between {
            None => query.key_condition_expression("#u = :u"),
            Some((from, to)) => query
                .key_condition_expression("#u = :u AND #r BETWEEN :from AND :to")
                .expression_attribute_names("#r", span.range)
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":to", text(to)),
        };
        let answer = query.send().await.map_err(|error| self.call("Query", span.table).failed(&error))?;
        let more = answer.last_evaluated_key.is_some_and(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), more))
    }

    /// The items that entries of an index stand for, by their own key.
    pub(crate) async fn by_key(&self, table: Table, entries: &[Item]) -> Result<HashMap<String, Item>, Problem> {
        let name = item::key_names(table).0;
        let key = |entry: &Item| Item::from([(name.to_owned(), text(own_key(table, entry)))]);
        let found = self.items(table, entries.iter().map(key).collect()).await?;
        Ok(found.into_iter().map(|found| (own_key(table, &found), found)).collect())
    }
}

/// The key of an item of a table that has no sort key.
pub(crate) fn own_key(table: Table, item: &Item) -> String {
    item.get(item::key_names(table).0).and_then(|key: &AttributeValue| key.as_s().ok()).cloned().unwrap_or_default()
}
