//! Many tenants, many jobs, and workers that are killed at random: every job ends, none is lost, none is charged twice.
//!
//! `OUTPOST_CAMPAIGN=TENANTS,JOBS,WORKERS,KILLS`; a small one without it. What is judged is read from the store when all is
//! quiet, by counting, and shares no code with what wrote it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and tells its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outpost_core::actions::{Authority, Caller, Desk, KeyRequest, RequestInfo, TenantRequest};
use outpost_core::fleet;
use outpost_core::id::JobId;
use outpost_core::job::Status;
use outpost_core::key::{Environment, Scope};
use outpost_core::moment::Moment;
use outpost_core::record::Counter;
use outpost_core::store::{Listing, Row};
use outpost_core::tenant::{Overrides, Tier};
use outpost_embedded::installation;

const LEASE: &str = "2";
/// Whoever waits longer than this without anything happening waits for ever.
const FOR_EVER: Duration = Duration::from_secs(300);

struct Size {
    tenants: usize,
    jobs: usize,
    workers: usize,
    kills: usize,
}

fn size() -> Size {
    let text = std::env::var("OUTPOST_CAMPAIGN").unwrap_or_else(|_| "6,5,3,5".to_owned());
    let numbers: Vec<usize> = text.split(',').map(|number| number.parse().expect("a number")).collect();
    let [tenants, jobs, workers, kills] = numbers.try_into().expect("TENANTS,JOBS,WORKERS,KILLS");
    Size { tenants, jobs, workers, kills }
}

fn worker(folder: &Path) -> Child {
    let said = std::fs::File::options().create(true).append(true).open(folder.join("said")).expect("room");
    Command::new(env!("CARGO_BIN_EXE_outpost-worker"))
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--lease", LEASE, "--tell", "0.5", "--grace", "0.5", "--reap", "1", "--slots", "2", "--wait", "1"])
        .stdin(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("a worker")
}

async fn caller(desk: &Desk, number: usize) -> Caller {
    let key = KeyRequest {
        name: "k".to_owned(),
        environment: Environment::Test,
        scopes: Scope::TENANT.to_vec(),
        expires_at: None,
    };
    let tier = Tier::ALL[number % 3];
    let overrides = Overrides {
        jobs_per_day: Some(1000),
        active: Some(1000),
        agents: Some(outpost_core::tenant::Agents::All),
        ..Overrides::default()
    };
    let asked = TenantRequest { email: format!("t{number}@example.com"), name: None, tier, overrides, key };
    let made = desk.create_tenant(&Authority::operator("test", "r"), asked).await.expect("a tenant");
    let request = RequestInfo { request_id: "r".to_owned(), ip: None, traceparent: None };
    desk.authenticate(made.key.key.expect("shown once").reveal(), request).await.expect("a caller")
}

async fn charges(desk: &Desk, caller: &Caller) -> BTreeMap<JobId, usize> {
    let all = Listing::Usage { from: Moment::from_millis(0), to: Moment::from_millis(i64::MAX) };
    let (mut found, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let page = desk.ports().store.list(caller.id(), &all, 100, after.as_deref()).await.expect("a store");
        for row in page.rows {
            let Row::Usage(event) = row else { continue };
            *found.entry(event.job).or_default() += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_ends_once_whoever_is_killed() {
    let Size { tenants, jobs, workers, kills } = size();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let offer = fleet::offer(Vec::new(), true);
    let lease = Duration::from_secs_f64(LEASE.parse().expect("seconds"));
    let opened = installation::open(&data, "http://here", offer, |settings| settings.lease = lease);
    let desk = opened.await.expect("an installation").desk;
    let mut open: Vec<(usize, JobId)> = Vec::new();
    let mut callers = Vec::new();
    for number in 0..tenants {
        let caller = caller(&desk, number).await;
        for job in 0..jobs {
            let line = format!("echo {job}; sleep 0.{}; exit {}", job % 8, job % 2);
            let spec = serde_json::json!({
                "agent": "command", "timeout_seconds": 60, "command": {"argv": ["sh", "-c", line]},
            });
            let spec = serde_json::from_value(spec).expect("a spec");
            open.push((number, desk.submit(&caller, spec, None).await.expect("a job").accepted.value.id));
        }
        callers.push(caller);
    }
    let all: BTreeSet<JobId> = open.iter().map(|(_, id)| id.clone()).collect();
    let begun = Instant::now();
    let mut running: Vec<Child> = (0..workers).map(|_| worker(folder.path())).collect();
    let (mut killed, mut seed, mut progress) = (0, [0; 2], Instant::now());
    let mut ended: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut losses = 0;
    while !open.is_empty() {
        let before = open.len();
        let mut still = Vec::new();
        for (number, id) in open {
            let job = desk.job(&callers[number], &id).await.expect("it is not lost");
            if job.status.is_final() {
                *ended.entry(job.status.as_str()).or_default() += 1;
                losses += job.losses;
            } else {
                still.push((number, id));
            }
        }
        open = still;
        if open.len() < before {
            progress = Instant::now();
        }
        if progress.elapsed() > FOR_EVER {
            for (number, id) in &open {
                println!("{:?}", desk.job(&callers[*number], id).await);
            }
            panic!("{} jobs do not end", open.len());
        }
        // Who dies is a matter of chance, and so is when.
        desk.ports().chance.fill(&mut seed).expect("chance");
        if killed < kills && begun.elapsed() > Duration::from_millis(300) * u32::try_from(killed).expect("few") {
            let victim = usize::from(seed[0]) % running.len();
            running[victim].kill().expect("it is there");
            running[victim].wait().expect("its end");
            running[victim] = worker(folder.path());
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(20 + u64::from(seed[1]))).await;
    }
    let elapsed = begun.elapsed();
    for mut worker in running {
        worker.kill().expect("it is there");
        worker.wait().expect("its end");
    }
    // A final job changes no more: what is counted now stays so.
    let (mut charged, mut twice, mut free) = (BTreeSet::new(), 0, 0);
    for caller in &callers {
        for (job, times) in charges(&desk, caller).await {
            twice += usize::from(times != 1);
            charged.insert(job);
        }
        free += desk.ports().store.count(caller.id(), Counter::Active).await.expect("a store");
    }
    println!(
        "{} jobs of {tenants} tenants, {workers} workers, {killed} killed, {losses} leases lost, {:.1} s: {ended:?}",
        all.len(),
        elapsed.as_secs_f64()
    );
    assert_eq!((twice, free), (0, 0), "charged twice, or still counted as active");
    assert_eq!(charged, all, "each began, and was charged for");
    let done = |status: Status| ended.get(status.as_str()).copied().unwrap_or(0);
    assert_eq!(done(Status::Succeeded) + done(Status::Failed), all.len());
}
