//! What a request costs with one tenant in the folder, ten, a hundred and a thousand, each with twenty jobs: whether a tenant
//! pays for its neighbours.
//!
//! `cargo bench -p outpost-embedded --bench tenants`. One caller, one request after the other, each for a tenant taken at random,
//! through the desk: what a front door adds is the same for all. Time stands still, so that nobody's key is noted as used again;
//! told is the quickest quarter of each, as other work of the machine has no part in it.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement tells its figures, and has nobody to fail for"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost_core::actions::{Authority, Desk, KeyRequest, RequestInfo, TenantRequest};
use outpost_core::fleet;
use outpost_core::key::{Environment, Scope};
use outpost_core::moment::Moment;
use outpost_core::ports::Clock;
use outpost_core::spec::Spec;
use outpost_core::tenant::{Overrides, Tier};
use outpost_embedded::{Settings, installation};
use serde_json::json;

const TENANTS: [usize; 4] = [1, 10, 100, 1000];
const JOBS: usize = 20;
const REQUESTS: usize = 300;
const NAMES: [&str; 5] = ["check a key", "submit", "get a job", "list 20 jobs", "usage"];

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let offer = fleet::offer(vec!["github.com".to_owned()], false);
        let mut settings = Settings::new("http://here");
        settings.clock = Arc::new(Still("2026-11-22T12:00:00.000Z".parse().expect("a moment")));
        let opened = installation::open_with(folder.path(), settings, offer, |_| {}).await.expect("a data folder");
        let mut keys = Vec::new();
        println!("{:>8}  {}", "tenants", NAMES.map(|name| format!("{name:>13}")).join("  "));
        let mut first = None;
        for tenants in TENANTS {
            let mut made = tokio::task::JoinSet::new();
            for number in keys.len()..tenants {
                let desk = Desk::clone(&opened.desk);
                made.spawn(async move { tenant(&desk, number).await });
                if made.len() > 100 {
                    keys.extend(made.join_next().await.map(|key| key.expect("a tenant")));
                }
            }
            keys.extend(made.join_all().await);
            let quarters = measured(&opened.desk, &keys).await;
            println!(
                "{tenants:>8}  {}",
                quarters.map(|time| format!("{:>10.3} ms", time.as_secs_f64() * 1e3)).join("  ")
            );
            first.get_or_insert(quarters);
            if let (1000, Some(first)) = (tenants, first) {
                let times = [0, 1, 2, 3, 4].map(|at| quarters[at].as_secs_f64() / first[at].as_secs_f64());
                println!("{:>8}  {}", "ratio", times.map(|time| format!("{time:>13.2}")).join("  "));
            }
        }
    });
}

#[derive(Debug)]
struct Still(Moment);

impl Clock for Still {
    fn now(&self) -> Moment {
        self.0
    }
}

fn spec() -> Spec {
    let spec = json!({"agent": "claude", "task": "x".repeat(2_000), "timeout_seconds": 60});
    serde_json::from_value(spec).expect("a spec")
}

/// A tenant with jobs, by its key.
async fn tenant(desk: &Desk, number: usize) -> String {
    let scopes = Scope::TENANT.to_vec();
    let key = KeyRequest { name: "k".to_owned(), environment: Environment::Test, scopes, expires_at: None };
    let overrides = Overrides { active: Some(100_000), ..Overrides::default() };
    let email = format!("t{number}@example.com");
    let asked = TenantRequest { email, name: None, tier: Tier::Enterprise, overrides, key };
    let made = desk.create_tenant(&Authority::operator("bench", "r"), asked).await.expect("a tenant");
    let key = made.key.key.expect("a key").reveal().to_owned();
    let caller = desk.authenticate(&key, RequestInfo::default()).await.expect("a caller");
    for _ in 0..JOBS {
        desk.submit(&caller, spec(), None).await.expect("a job");
    }
    key
}

/// What the quickest quarter of each request took at most.
async fn measured(desk: &Desk, keys: &[String]) -> [Duration; NAMES.len()] {
    let mut times = [const { Vec::new() }; NAMES.len()];
    for number in 0..REQUESTS {
        // A multiplicative walk meets them all, and in no order that a cache could know.
        let key = &keys[(number * 7919 + 104_729) % keys.len()];
        let mut begun = Instant::now();
        let mut lap = |at: usize| {
            times[at].push(begun.elapsed());
            begun = Instant::now();
        };
        let caller = desk.authenticate(key, RequestInfo::default()).await.expect("a caller");
        lap(0);
        let job = desk.submit(&caller, spec(), None).await.expect("a job").accepted.value.id;
        lap(1);
        desk.job(&caller, &job).await.expect("a job");
        lap(2);
        desk.jobs(&caller, None, 20, None).await.expect("jobs");
        lap(3);
        desk.usage(&caller).await.expect("usage");
        lap(4);
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 4]
    })
}
