//! What the stories begin with: settings, a tenant with a key, a job to be asked for.

use std::sync::Arc;

use outpost_core::actions::{
    Authority, Caller, Claim, Claimed, Desk, Idempotency, KeyRequest, Registered, RequestInfo, Settings, TenantRequest,
};
use outpost_core::id::{TenantId, WorkerId};
use outpost_core::job::{Artifact, Outcome, Usage, Verdict};
use outpost_core::key::{Environment, Scope};
use outpost_core::ports::{SecretKind, Ticket};
use outpost_core::spec::{Agent, Offer, Spec};
use outpost_core::tenant::{Overrides, Tier};
use outpost_core::web::Repositories;
use serde_json::json;

use crate::world::{World, alone};

pub(crate) fn settings() -> Settings {
    let agent = |name: &str, secret| Agent { name: name.to_owned(), model: None, secret };
    let agents = vec![agent("claude", Some(SecretKind::Anthropic)), agent("codex", Some(SecretKind::Openai))];
    let repositories = Repositories { hosts: vec!["github.com".to_owned()], folders: false };
    let offer = Offer { agents, commands: true, repositories, callbacks_anywhere: false };
    let mut settings = Settings::new(offer, [9; 32]);
    settings.prices = vec![("price_pro".to_owned(), Tier::Pro), ("price_ent".to_owned(), Tier::Enterprise)];
    settings
}

pub(crate) fn world() -> (Arc<World>, Desk) {
    let world = World::new(7);
    let desk = world.desk(settings());
    (world, desk)
}

pub(crate) fn operator() -> Authority {
    Authority::operator("ada", "req_op")
}

pub(crate) fn key_request(scopes: &[Scope]) -> KeyRequest {
    KeyRequest { name: "k".to_owned(), environment: Environment::Live, scopes: scopes.to_vec(), expires_at: None }
}

pub(crate) fn tenant(desk: &Desk, name: &str, tier: Tier, overrides: Overrides) -> (Registered, Caller) {
    let asked = TenantRequest {
        email: format!("{name}@example.com"),
        name: None,
        tier,
        overrides,
        key: key_request(&Scope::TENANT),
    };
    let made = alone(desk.create_tenant(&operator(), asked)).expect("a tenant");
    let key = made.key.key.clone().expect("a key");
    let caller = alone(desk.authenticate(key.reveal(), RequestInfo::default())).expect("a caller");
    (made, caller)
}

pub(crate) fn pro(desk: &Desk, name: &str) -> Caller {
    tenant(desk, name, Tier::Pro, Overrides::default()).1
}

pub(crate) fn spec() -> Spec {
    let spec = json!({"agent": "claude", "task": "say hello", "timeout_seconds": 60});
    serde_json::from_value(spec).expect("a spec")
}

pub(crate) fn once(key: &str, body: &str) -> Idempotency {
    Idempotency::new(key, "POST", "/v1/jobs", body.as_bytes(), 202).expect("a key")
}

pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId::new("2026-01-01T00:00:00.000Z".parse().expect("a moment"), &[number; 10])
}

pub(crate) fn ticket(tenant: &TenantId, job: &outpost_core::id::JobId) -> Ticket {
    Ticket { tenant: tenant.clone(), job: job.clone(), traceparent: None }
}

pub(crate) fn claimed(desk: &Desk, ticket: &Ticket, worker: &WorkerId) -> Claim {
    match alone(desk.claim(ticket, worker)).expect("an answer") {
        Claimed::Yes(claim) => *claim,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn outcome(claim: &Claim) -> Outcome {
    Outcome {
        result: Verdict::Succeeded,
        code: None,
        message: format!("by {} {}", claim.worker(), claim.epoch()),
        exit_code: Some(0),
        outputs: json!({"n": 0.1}).as_object().cloned().expect("a map"),
        usage: Usage { input_tokens: 10, output_tokens: 5, micro_usd: 3, duration_ms: 1000 },
        artifacts: vec![Artifact {
            name: "diff.patch".to_owned(),
            media_type: "text/x-diff".to_owned(),
            bytes: 3,
            sha256: String::new(),
        }],
    }
}
