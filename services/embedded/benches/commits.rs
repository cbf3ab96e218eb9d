//! How many commits a second, and how long each takes, with one caller, eight and sixty-four; and beside 500 submits a
//! second, how long it takes to look up a key.
//!
//! `cargo bench -p outpost-embedded --bench commits`. A commit is that of a submit: a job, an answer, a row of the audit log
//! and two counters.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement tells its figures, and has nobody to fail for"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost_core::id::{AuditId, JobId, KeyId, TenantId};
use outpost_core::job::Job;
use outpost_core::key::{ApiKey, Environment, KeyRecord, Scope};
use outpost_core::moment::Moment;
use outpost_core::record::{ANSWER_KEPT, Actor, Answer, AuditEvent, Counter};
use outpost_core::store::{Row, Write};
use outpost_embedded::{Embedded, Settings};
use serde_json::{Map, Value, json};

const EACH: u64 = 3_000;
const RATE: u64 = 500;
const SECONDS: u64 = 10;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let embedded = Embedded::open(folder.path(), Settings::new("")).await.expect("a data folder");
        for callers in [1, 8, 64] {
            closed(&embedded, callers).await;
        }
        open(&embedded).await;
    });
}

fn salt(embedded: &Embedded) -> [u8; 10] {
    let mut salt = [0; 10];
    embedded.ports.chance.fill(&mut salt).expect("randomness");
    salt
}

fn submit(embedded: &Embedded, tenant: &TenantId) -> Vec<Write> {
    let now = embedded.ports.clock.now();
    let id = JobId::new(now, &salt(embedded));
    let job = json!({
        "id": id, "tenant": tenant, "lane": "pro", "status": "pending", "created_at": now,
        "spec": {"agent": "claude", "task": "x".repeat(2_000), "timeout_seconds": 60},
        "key_shown": "op_test_000000", "request_id": "r", "epoch": 0, "losses": 0, "returns": 0, "version": 1,
    });
    let job: Job = serde_json::from_value(job).expect("a job");
    let answer = Answer {
        tenant: tenant.clone(),
        key: id.to_string(),
        fingerprint: "f".repeat(64),
        status: Some(202),
        body: Value::Null,
        expires_at: now.plus(ANSWER_KEPT),
        version: 1,
    };
    let audit = AuditEvent {
        id: AuditId::new(now, &salt(embedded)),
        tenant: tenant.clone(),
        at: now,
        actor: Actor::Service,
        action: "job.submit".into(),
        subject: Some(id.to_string()),
        request_id: "r".into(),
        ip: None,
        details: Map::new(),
    };
    vec![
        Write::Create(Row::Answer(answer)),
        Write::Create(Row::Job(Box::new(job))),
        Write::Create(Row::Audit(audit)),
        Write::Count { counter: Counter::Jobs(now.day()), add: 1, most: None },
        Write::Count { counter: Counter::Active, add: 1, most: None },
    ]
}

fn told(what: &str, mut times: Vec<Duration>, whole: Duration) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
        times.len() as f64 / whole.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

/// Each caller asks again when it was answered.
async fn closed(embedded: &Embedded, callers: u64) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let embedded = embedded.clone();
        let tenant = TenantId::new(embedded.ports.clock.now(), &salt(&embedded));
        tasks.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..EACH.div_ceil(callers) {
                let writes = submit(&embedded, &tenant);
                let at = Instant::now();
                embedded.ports.store.commit(&tenant, writes).await.expect("a commit");
                times.push(at.elapsed());
            }
            times
        });
    }
    let times = tasks.join_all().await.concat();
    told(&format!("commits, {callers} callers"), times, begun.elapsed());
}

/// So many a second whether or not the earlier ones were answered, from when each was due.
async fn open(embedded: &Embedded) {
    let tenant = TenantId::new(embedded.ports.clock.now(), &salt(embedded));
    let key = ApiKey::mint(Environment::Test, &[5; 32]);
    let record = KeyRecord {
        hash: key.hash(),
        id: KeyId::new(Moment::from_millis(1), &[1; 10]),
        tenant: tenant.clone(),
        name: "bench".into(),
        shown: key.shown(),
        environment: Environment::Test,
        scopes: Scope::TENANT.to_vec(),
        created_at: Moment::from_millis(1),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        version: 1,
    };
    embedded.ports.store.commit(&tenant, vec![Write::Create(Row::Key(record))]).await.expect("a commit");
    let (key, begun) = (Arc::new(key.hash()), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..RATE * SECONDS {
        let due = begun + Duration::from_micros(number * 1_000_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
        let (embedded, tenant, key) = (embedded.clone(), tenant.clone(), Arc::clone(&key));
        // The timer wakes by the millisecond: what it was late is not the store's.
        let at = Instant::now();
        tasks.spawn(async move {
            embedded.ports.house.key(&key).await.expect("an answer").expect("a key");
            let checked = at.elapsed();
            embedded.ports.store.commit(&tenant, submit(&embedded, &tenant)).await.expect("a commit");
            (checked, at.elapsed())
        });
    }
    let (checks, submits) = tasks.join_all().await.into_iter().unzip();
    told(&format!("key checks at {RATE}/s"), checks, begun.elapsed());
    told(&format!("check and submit at {RATE}/s"), submits, begun.elapsed());
}
