//! Rows and tickets for cases: whole, and each with an id of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, json};

use crate::id::{AuditId, JobId, KeyId, MessageId, Salt, TenantId};
use crate::job::{Job, Status, Usage};
use crate::key::{ApiKey, Environment, KeyRecord, Scope};
use crate::moment::Moment;
use crate::ports::Ticket;
use crate::record::{Actor, Answer, AuditEvent, BillingEvent, EmailClaim, Message, UsageEvent};
use crate::store::Row;
use crate::tenant::{Billing, Email, Overrides, Standing, Tenant, Tier};

/// One that no other call gets, in this process or another.
pub(super) fn salt() -> Salt {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let [a, b, c, d] = std::process::id().to_be_bytes();
    let [_, _, e, f, g, h, i, j] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j]
}

pub(super) fn text() -> String {
    salt().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn tenant_id(now: Moment) -> TenantId {
    TenantId::new(now, &salt())
}

pub(super) fn tenant(id: &TenantId, now: Moment) -> Tenant {
    Tenant {
        id: id.clone(),
        email: Email::try_from(format!("{}@example.com", text())).expect("an address"),
        name: "Ada \"the first\" Lovelace \u{1f9ee}".into(),
        tier: Tier::Pro,
        overrides: Overrides { jobs_per_day: Some(500), ..Overrides::default() },
        standing: Standing::Active,
        created_at: now,
        updated_at: now,
        billing: Billing::default(),
        hooks: Vec::new(),
        callback: None,
        version: 1,
    }
}

pub(super) fn email(tenant: &TenantId) -> EmailClaim {
    EmailClaim { email: format!("{}@example.com", text()), tenant: tenant.clone(), version: 1 }
}

pub(super) fn key(tenant: &TenantId, now: Moment) -> KeyRecord {
    let mut random = [0; 32];
    random[..10].copy_from_slice(&salt());
    let key = ApiKey::mint(Environment::Test, &random);
    KeyRecord {
        hash: key.hash(),
        id: KeyId::new(now, &salt()),
        tenant: tenant.clone(),
        name: String::new(),
        shown: key.shown(),
        environment: Environment::Test,
        scopes: Scope::TENANT.to_vec(),
        created_at: now,
        expires_at: Some(now),
        revoked_at: None,
        last_used_at: None,
        version: 1,
    }
}

pub(super) fn job(tenant: &TenantId, now: Moment) -> Job {
    let job = json!({
        "id": JobId::new(now, &salt()), "tenant": tenant, "lane": "pro", "status": "pending", "created_at": now,
        "spec": {
            "agent": "claude", "task": "say 'hello';\n\u{0}--", "timeout_seconds": 60,
            "inputs": {"z": 1, "a": [null, 1.5, {"b": "c"}]}, "labels": {"team": "x"},
        },
        "key_shown": "op_test_000000", "request_id": "r", "epoch": 0, "losses": 0, "returns": 0, "version": 1,
    });
    serde_json::from_value(job).expect("a job")
}

/// As it is when it was cancelled, at once.
pub(super) fn cancelled(job: Job) -> Job {
    let now = job.created_at;
    job.cancel(now).expect("a job that can be cancelled")
}

pub(super) fn usage(tenant: &TenantId, at: Moment) -> UsageEvent {
    UsageEvent {
        tenant: tenant.clone(),
        at,
        job: JobId::new(at, &salt()),
        agent: "claude".into(),
        status: Status::Succeeded,
        usage: Usage { input_tokens: u64::from(u32::MAX), output_tokens: 2, micro_usd: 3, duration_ms: 4 },
        key_shown: "op_test_000000".into(),
    }
}

pub(super) fn audit(tenant: &TenantId, at: Moment) -> AuditEvent {
    let mut details = Map::new();
    details.insert("why".into(), json!(["because", 7]));
    AuditEvent {
        id: AuditId::new(at, &salt()),
        tenant: tenant.clone(),
        at,
        actor: Actor::Key("op_test_000000".into()),
        action: "job.submit".into(),
        subject: Some("job".into()),
        request_id: "r".into(),
        ip: None,
        details,
    }
}

pub(super) fn answer(tenant: &TenantId, now: Moment) -> Answer {
    Answer {
        tenant: tenant.clone(),
        key: text(),
        fingerprint: "f".into(),
        status: Some(202),
        body: json!({"id": "job_1", "n": [1, 2.5, null]}),
        expires_at: now.plus(Duration::from_secs(60)),
        version: 1,
    }
}

pub(super) fn billing_event(tenant: &TenantId, now: Moment) -> BillingEvent {
    BillingEvent {
        event: format!("evt_{}", text()),
        tenant: tenant.clone(),
        kind: "customer.subscription.updated".into(),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(60)),
    }
}

pub(super) fn message(tenant: &TenantId, now: Moment) -> Message {
    Message {
        id: MessageId::new(now, &salt()),
        tenant: tenant.clone(),
        hook: None,
        url: "https://example.com/hook".into(),
        kind: "job.succeeded".into(),
        body: "{}".into(),
        created_at: now,
        attempts: 0,
        next_at: None,
        delivered_at: None,
        last_error: None,
        version: 1,
    }
}

pub(super) fn ticket(now: Moment) -> Ticket {
    Ticket { tenant: tenant_id(now), job: JobId::new(now, &salt()), traceparent: Some("00-a-b-01".into()) }
}

macro_rules! rows {
    ($($kind:ty => $row:ident),*) => {
        $(impl From<$kind> for Row {
            fn from(value: $kind) -> Self {
                Self::$row(value)
            }
        })*
    };
}
rows!(Tenant => Tenant, EmailClaim => Email, KeyRecord => Key, UsageEvent => Usage, AuditEvent => Audit, Answer => Answer,
    BillingEvent => BillingEvent, Message => Message);

impl From<Job> for Row {
    fn from(job: Job) -> Self {
        Self::Job(Box::new(job))
    }
}
