//! Tenants, keys, webhooks and the audit log.

use outpost_core::actions::{HookView, NewHook, NewKey};
use outpost_core::key::{ApiKey, KeyRecord};
use outpost_core::ports::{Secret, SecretNote};
use outpost_core::record::{Actor, AuditEvent, Message};
use outpost_core::tenant::{Agents, Limits, Overrides, Tenant};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::word;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub(crate) struct TenantView {
    tenant_id: String,
    /// The same: a tenant is one user.
    user_id: String,
    email: String,
    name: String,
    tier: String,
    /// `active`, `suspended` or `deleted`.
    standing: String,
    limits: LimitsView,
    created_at: String,
    updated_at: String,
    billing: BillingView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LimitsView {
    /// Null: as many as you like.
    jobs_per_day: Option<u64>,
    active: u64,
    timeout_seconds: u32,
    /// Null: all of them.
    agents: Option<Vec<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BillingView {
    customer: Option<String>,
    subscription: Option<String>,
    status: Option<String>,
}

fn these(agents: Agents) -> Option<Vec<String>> {
    match agents {
        Agents::All => None,
        Agents::Only(these) => Some(these),
    }
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        Self {
            jobs_per_day: limits.jobs_per_day,
            active: limits.active,
            timeout_seconds: limits.timeout_seconds,
            agents: these(limits.agents),
        }
    }
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            tenant_id: tenant.id.to_string(),
            user_id: tenant.id.to_string(),
            limits: tenant.limits().into(),
            email: tenant.email.to_string(),
            name: tenant.name,
            tier: tenant.tier.as_str().to_owned(),
            standing: word(tenant.standing),
            created_at: tenant.created_at.to_string(),
            updated_at: tenant.updated_at.to_string(),
            billing: BillingView {
                customer: tenant.billing.customer,
                subscription: tenant.billing.subscription,
                status: tenant.billing.status,
            },
        }
    }
}

/// A tenant, and what of its limits is not its tier's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TenantForAdmins")]
pub(crate) struct AdminView {
    #[serde(flatten)]
    tenant: TenantView,
    overrides: OverridesView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OverridesView {
    jobs_per_day: Option<u64>,
    active: Option<u64>,
    timeout_seconds: Option<u32>,
    agents: Option<Vec<String>>,
}

impl From<Tenant> for AdminView {
    fn from(tenant: Tenant) -> Self {
        let Overrides { jobs_per_day, active, timeout_seconds, agents } = tenant.overrides.clone();
        let overrides = OverridesView { jobs_per_day, active, timeout_seconds, agents: agents.and_then(these) };
        Self { tenant: tenant.into(), overrides }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(crate) struct KeyView {
    id: String,
    name: String,
    /// Its beginning, to tell it from others.
    masked: String,
    /// `live` or `test`.
    environment: String,
    scopes: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
}

pub(crate) fn masked(shown: &str) -> String {
    format!("{shown}…")
}

impl From<KeyRecord> for KeyView {
    fn from(key: KeyRecord) -> Self {
        let time = |moment: Option<outpost_core::moment::Moment>| moment.map(|moment| moment.to_string());
        Self {
            id: key.id.to_string(),
            name: key.name,
            masked: masked(&key.shown),
            environment: word(key.environment),
            scopes: key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: key.created_at.to_string(),
            expires_at: time(key.expires_at),
            revoked_at: time(key.revoked_at),
            last_used_at: time(key.last_used_at),
        }
    }
}

/// A key that was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewApiKey")]
pub(crate) struct NewKeyView {
    #[serde(flatten)]
    key: KeyView,
    /// The key itself: shown this once. Null where the same request is answered again.
    api_key: Option<String>,
}

impl From<NewKey> for NewKeyView {
    fn from(made: NewKey) -> Self {
        Self { key: made.record.into(), api_key: made.key.as_ref().map(ApiKey::reveal).map(str::to_owned) }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Secret")]
pub(crate) struct SecretView {
    kind: String,
    /// Its last four characters, where it is long enough.
    last4: Option<String>,
    updated_at: String,
}

impl From<SecretNote> for SecretView {
    fn from(note: SecretNote) -> Self {
        let last4 = (!note.last4.is_empty()).then_some(note.last4);
        Self { kind: note.name, last4, updated_at: note.updated_at.to_string() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(crate) struct WebhookView {
    id: String,
    url: String,
    created_at: String,
}

impl From<HookView> for WebhookView {
    fn from(hook: HookView) -> Self {
        Self { id: hook.id.to_string(), url: hook.url, created_at: hook.created_at.to_string() }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewWebhook")]
pub(crate) struct NewWebhookView {
    #[serde(flatten)]
    hook: WebhookView,
    /// What its messages are signed with: shown this once. Null where the same request is answered again.
    secret: Option<String>,
}

impl From<NewHook> for NewWebhookView {
    fn from(made: NewHook) -> Self {
        Self { hook: made.hook.into(), secret: made.secret.as_ref().map(Secret::reveal).map(str::to_owned) }
    }
}

/// A message to a webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Message")]
pub(crate) struct MessageView {
    id: String,
    /// Null: to the `callback_url` of a job.
    webhook_id: Option<String>,
    url: String,
    kind: String,
    created_at: String,
    attempts: u32,
    /// Null: it was delivered, or given up.
    next_at: Option<String>,
    delivered_at: Option<String>,
    last_error: Option<String>,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            id: message.id.to_string(),
            webhook_id: message.hook.map(|hook| hook.to_string()),
            url: message.url,
            kind: message.kind,
            created_at: message.created_at.to_string(),
            attempts: message.attempts,
            next_at: message.next_at.map(|at| at.to_string()),
            delivered_at: message.delivered_at.map(|at| at.to_string()),
            last_error: message.last_error,
        }
    }
}

/// That somebody did something.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent")]
pub(crate) struct AuditView {
    id: String,
    at: String,
    actor: ActorView,
    action: String,
    /// What it was done to, by its id.
    subject: Option<String>,
    request_id: String,
    ip: Option<String>,
    details: Map<String, Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ActorView {
    /// `key`, `worker`, `billing`, `operator`, `stranger` or `service`.
    kind: String,
    name: Option<String>,
}

impl From<AuditEvent> for AuditView {
    fn from(event: AuditEvent) -> Self {
        let (kind, name) = match event.actor {
            Actor::Key(shown) => ("key", Some(masked(&shown))),
            Actor::Worker(id) => ("worker", Some(id)),
            Actor::Billing(event) => ("billing", Some(event)),
            Actor::Operator(user) => ("operator", Some(user)),
            Actor::Stranger => ("stranger", None),
            Actor::Service => ("service", None),
        };
        Self {
            id: event.id.to_string(),
            at: event.at.to_string(),
            actor: ActorView { kind: kind.to_owned(), name },
            action: event.action,
            subject: event.subject,
            request_id: event.request_id,
            ip: event.ip,
            details: event.details,
        }
    }
}
