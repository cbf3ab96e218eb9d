//! What else is kept: e-mail addresses that are taken, what was used, what was done, what was answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

use crate::id::{AuditId, HookId, JobId, MessageId, TenantId};
use crate::job::{Status, Usage};
use crate::moment::{Day, Moment};

/// How long it is known what a tenant used.
pub const USAGE_KEPT: Duration = Duration::from_secs(365 * 86_400);
/// How long an answer is given again.
pub const ANSWER_KEPT: Duration = Duration::from_secs(86_400);
/// How long an event of the payment provider is known again.
pub const EVENT_KEPT: Duration = Duration::from_secs(60 * 86_400);
/// How long it is known what was told to a webhook.
pub const MESSAGE_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// That an address is taken. A search would not keep two tenants from taking it at the same time; a row does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailClaim {
    pub email: String,
    pub tenant: TenantId,
    pub version: u64,
}

/// A job that was charged for: one row for each, written with its final state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageEvent {
    pub tenant: TenantId,
    pub at: Moment,
    pub job: JobId,
    pub agent: String,
    pub status: Status,
    pub usage: Usage,
    pub key_shown: String,
}

/// That somebody did something, or was kept from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub id: AuditId,
    pub tenant: TenantId,
    pub at: Moment,
    pub actor: Actor,
    /// `job.submit`, `key.revoke`, …
    pub action: String,
    /// What it was done to, by its id.
    pub subject: Option<String>,
    pub request_id: String,
    pub ip: Option<String>,
    /// What a person needs to know beside it; never a secret.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A key, by its beginning.
    Key(String),
    Worker(String),
    /// The payment provider, by its event.
    Billing(String),
    /// `outpost-admin`, by the user who ran it.
    Operator(String),
    /// Nobody that we know.
    Stranger,
    /// The service itself: leases that ran out, tickets that were missing.
    Service,
}

/// What was answered to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub tenant: TenantId,
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another request is a mistake.
    pub fingerprint: String,
    /// None: the first request is still on its way.
    pub status: Option<u16>,
    pub body: Value,
    pub expires_at: Moment,
    pub version: u64,
}

/// An event of the payment provider that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BillingEvent {
    pub event: String,
    pub tenant: TenantId,
    pub kind: String,
    pub created_at: Moment,
    pub expires_at: Moment,
}

/// A message to a webhook, until it got there or nobody tries any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub tenant: TenantId,
    /// None: to the `callback_url` of a job.
    pub hook: Option<HookId>,
    pub url: String,
    pub kind: String,
    pub body: String,
    pub created_at: Moment,
    pub attempts: u32,
    /// None: it was delivered, or given up.
    pub next_at: Option<Moment>,
    pub delivered_at: Option<Moment>,
    pub last_error: Option<String>,
    pub version: u64,
}

/// A number that many raise at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Jobs accepted on a day. What never began gives its place back.
    Jobs(Day),
    /// Jobs that are accepted and not final.
    Active,
}

impl Counter {
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Jobs(day) => format!("day#{day}"),
            Self::Active => "active".to_owned(),
        }
    }

    /// When nobody asks for it any more.
    #[must_use]
    pub fn expires(self) -> Option<Moment> {
        match self {
            Self::Jobs(day) => Some(day.ends().plus(USAGE_KEPT)),
            Self::Active => None,
        }
    }
}
