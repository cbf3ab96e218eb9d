//! Rows as items: the row as JSON in `body`, and beside it what it is looked for, judged and thrown away by.
//!
//! ```text
//! key of the table    user_id | key_hash | job_id | user_id + timestamp | user_id + id | key
//! every row           tenant_id, kind, version, body, nonce (of the commit that wrote it)
//! what ends           ends_ms (compared), expires_at (whole seconds, not before it: what DynamoDB deletes by, some day)
//! what is listed      user_id, created_at, status, status_at, due, due_at, stripe_customer_id (in indexes)
//! for who looks       email, tier, standing, agent, action
//! ```
//! A counter has `total` and no `body`: it is no row.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use outpost_core::moment::Moment;
use outpost_core::store::{Address, Problem, Row, Table};

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const TENANT: &str = "tenant_id";
pub(crate) const KIND: &str = "kind";
pub(crate) const VERSION: &str = "version";
pub(crate) const BODY: &str = "body";
pub(crate) const NONCE: &str = "nonce";
pub(crate) const ENDS: &str = "ends_ms";
pub(crate) const EXPIRES: &str = "expires_at";
pub(crate) const TOTAL: &str = "total";
pub(crate) const USER: &str = "user_id";
pub(crate) const CREATED: &str = "created_at";
pub(crate) const STATUS: &str = "status";
pub(crate) const STATUS_AT: &str = "status_at";
pub(crate) const CUSTOMER: &str = "stripe_customer_id";
pub(crate) const DUE: &str = "due";
pub(crate) const DUE_AT: &str = "due_at";
/// What all messages that are due have in `due`.
pub(crate) const DUE_MESSAGE: &str = "message";

pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: impl Into<Number>) -> AttributeValue {
    AttributeValue::N(number.into().0)
}

/// A number, as DynamoDB is told it.
pub(crate) struct Number(String);

macro_rules! numbers {
    ($($kind:ty)*) => {
        $(impl From<$kind> for Number {
            fn from(number: $kind) -> Self {
                Self(number.to_string())
            }
        })*
    };
}
numbers!(i64 u64 i128);

/// What the key of a table is made of.
pub(crate) fn key_names(table: Table) -> (&'static str, Option<&'static str>) {
    match table {
        Table::Users => (USER, None),
        Table::ApiKeys => ("key_hash", None),
        Table::Jobs => ("job_id", None),
        Table::UsageEvents => (USER, Some("timestamp")),
        Table::Audit => (USER, Some("id")),
        Table::Idempotency => ("key", None),
    }
}

pub(crate) fn key(address: &Address) -> Item {
    let (partition, sort) = key_names(address.table);
    let mut key = Item::from([(partition.to_owned(), text(&address.partition))]);
    if let Some(sort) = sort {
        key.insert(sort.to_owned(), text(&address.sort));
    }
    key
}

/// When the database may throw away what ends then: not before.
pub(crate) fn seconds(ends: Moment) -> i64 {
    (ends.millis() + 999).div_euclid(1000)
}

/// A row as it is stored; `nonce` names the commit.
pub(crate) fn item(row: &Row, nonce: &str) -> Result<Item, Problem> {
    let body = serde_json::to_string(row)
        .map_err(|error| Problem::Broken(format!("a row that cannot be written: {:?}", error.classify())))?;
    let mut item = key(&row.address());
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put(TENANT, text(row.tenant().as_str()));
    put(VERSION, number(row.version()));
    put(BODY, text(body));
    put(NONCE, text(nonce));
    if let Some(ends) = row.expires() {
        put(ENDS, number(ends.millis()));
        put(EXPIRES, number(seconds(ends)));
    }
    let kind = match row {
        Row::Tenant(tenant) => {
            put("email", text(tenant.email.as_str()));
            put("tier", text(tenant.tier.as_str()));
            put(CREATED, text(tenant.created_at.to_string()));
            // A key of an index may not be empty.
            if let Some(customer) = tenant.billing.customer.as_ref().filter(|customer| !customer.is_empty()) {
                put(CUSTOMER, text(customer));
            }
            "tenant"
        }
        Row::Email(_) => "email",
        Row::Key(key) => {
            put(USER, text(key.tenant.as_str()));
            put(CREATED, text(key.created_at.to_string()));
            put("key_id", text(key.id.as_str()));
            "key"
        }
        Row::Job(job) => {
            put(USER, text(job.tenant.as_str()));
            put(CREATED, text(job.created_at.to_string()));
            put(STATUS, text(job.status.as_str()));
            put(STATUS_AT, text(format!("{}#{}", job.status.shown().as_str(), job.created_at)));
            put("tier", text(job.lane.as_str()));
            "job"
        }
        Row::Usage(event) => {
            put("job_id", text(event.job.as_str()));
            put("agent", text(&event.agent));
            "usage"
        }
        Row::Audit(event) => {
            put("action", text(&event.action));
            put(CREATED, text(event.at.to_string()));
            "audit"
        }
        Row::Answer(_) => "answer",
        Row::BillingEvent(_) => "billing_event",
        Row::Message(message) => {
            put(USER, text(message.tenant.as_str()));
            put(CREATED, text(message.created_at.to_string()));
            if let Some(due) = message.next_at {
                put(DUE, text(DUE_MESSAGE));
                put(DUE_AT, number(due.millis()));
            }
            "message"
        }
    };
    put(KIND, text(kind));
    Ok(item)
}

/// What an attribute says, if it is a text.
pub(crate) fn said<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(crate) fn counted(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Whether it counts as gone, though it is still there.
pub(crate) fn has_ended(item: &Item, now: Moment) -> bool {
    counted(item, ENDS).is_some_and(|ends| ends <= now.millis())
}

/// The row of an item, if it is one and has not ended.
pub(crate) fn row(item: &Item, now: Moment) -> Result<Option<Row>, Problem> {
    let Some(body) = said(item, BODY) else { return Ok(None) };
    if has_ended(item, now) {
        return Ok(None);
    }
    // Where it does not read, the text may hold what a tenant wrote: it stays out of the log.
    serde_json::from_str(body).map(Some).map_err(|error| {
        let kind = said(item, KIND).unwrap_or("no kind");
        let (line, column) = (error.line(), error.column());
        Problem::Broken(format!("an item of kind `{kind}` cannot be read at {line}:{column}: {:?}", error.classify()))
    })
}

#[cfg(test)]
mod tests {
    use outpost_core::record::EmailClaim;

    use super::*;

    #[test]
    fn what_is_deleted_has_ended() {
        for (ends, deleted) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(seconds(Moment::from_millis(ends)), deleted, "{ends}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_what_it_says() {
        let tenant = "6bdd64cb-5e12-4024-b3c1-d2b14ca77705".parse().expect("an id");
        let row = Row::Email(EmailClaim { email: "ada@example.com".into(), tenant, version: 1 });
        let mut stored = item(&row, "n").expect("an item");
        assert_eq!(super::row(&stored, Moment::from_millis(1)), Ok(Some(row)));
        assert_eq!(said(&stored, USER), Some("EMAIL#ada@example.com"));
        stored.insert(BODY.to_owned(), text("{\"row\": \"email\", \"value\": {\"canary\": 1}}"));
        let told = super::row(&stored, Moment::from_millis(1)).expect_err("a fault").to_string();
        assert!(told.contains("`email`") && !told.contains("canary"), "{told}");
        stored.remove(BODY);
        assert_eq!(super::row(&stored, Moment::from_millis(1)), Ok(None), "a counter is no row");
    }
}
