//! A service in a folder that is gone with the test: a desk, tenants, and as many workers as a test starts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use outpost_core::actions::{Authority, Caller, Desk, KeyRequest, Line, RequestInfo, Settings, TenantRequest};
use outpost_core::id::JobId;
use outpost_core::job::{Job, Outcome};
use outpost_core::key::{Environment, Scope};
use outpost_core::moment::Moment;
use outpost_core::spec::{Command as Asked, Offer, Spec};
use outpost_core::store::Listing;
use outpost_core::tenant::{Agents, Overrides, Tier};
use outpost_core::web::Repositories;
use outpost_embedded::Embedded;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Seconds of a lease, unless a test is about leases.
pub(crate) const LEASE: &str = "3";
/// Whoever waits longer than this waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(25);

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) desk: Desk,
    pub(crate) embedded: Embedded,
    pub(crate) lease: &'static str,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_lease(LEASE).await
    }

    pub(crate) async fn with_lease(lease: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let embedded = Embedded::open(&data, outpost_embedded::Settings::new("http://here")).await.expect("a world");
        let repositories = Repositories { hosts: vec!["git.test".to_owned(), "localhost".to_owned()], folders: true };
        let agents = folder.path().join("agents");
        fs::create_dir(&agents).expect("room");
        fs::copy("../../executors/agent/tests/fake.toml", agents.join("fake.toml"))
            .expect("the definition of a fake agent");
        let agents = outpost_worker::agents(Some(&agents)).expect("definitions");
        let offer = Offer { agents, commands: true, repositories, callbacks_anywhere: true };
        let lease_time = Duration::from_secs_f64(lease.parse().expect("seconds"));
        let settings = Settings { lease: lease_time, ..Settings::new(offer, [7; 32]) };
        let desk = Desk::new(embedded.ports.clone(), settings);
        Self { folder, desk, embedded, lease }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn tenant(&self, tier: Tier) -> Caller {
        let mut salt = [0; 8];
        self.desk.ports().chance.fill(&mut salt).expect("chance");
        let key = KeyRequest {
            name: "k".to_owned(),
            environment: Environment::Test,
            scopes: Scope::TENANT.to_vec(),
            expires_at: None,
        };
        let email = format!("t{}@example.com", u64::from_be_bytes(salt));
        let overrides = Overrides { active: Some(100), agents: Some(Agents::All), ..Overrides::default() };
        let asked = TenantRequest { email, name: None, tier, overrides, key };
        let who = Authority::operator("test", "r1");
        let made = self.desk.create_tenant(&who, asked).await.expect("a tenant");
        let request = RequestInfo { request_id: "r2".to_owned(), ip: None, traceparent: None };
        self.desk.authenticate(made.key.key.expect("shown once").reveal(), request).await.expect("a caller")
    }

    pub(crate) async fn submit(&self, caller: &Caller, spec: Spec) -> JobId {
        self.desk.submit(caller, spec, None).await.expect("a job").accepted.value.id
    }

    pub(crate) fn worker(&self) -> Launch {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-worker"));
        // The folders as people name them: from where they are.
        command.current_dir(self.path(""));
        command.args(["--data", "data", "--workspaces", "workspaces", "--agents", "agents"]);
        command.args(["--lease", self.lease, "--tell", "0.1", "--grace", "1"]);
        command.args([
            "--reap",
            "0",
            "--slots",
            "4",
            "--wait",
            "1",
            "--git-host",
            "git.test",
            "--git-host",
            "localhost",
        ]);
        Launch(command)
    }

    /// Jobs end when they end; this waits for that.
    pub(crate) async fn ended(&self, caller: &Caller, id: &JobId) -> (Job, Outcome) {
        let job = self.until(caller, id, |job| job.status.is_final()).await;
        let outcome = job.outcome.clone().expect("an outcome");
        (job, outcome)
    }

    pub(crate) async fn until(&self, caller: &Caller, id: &JobId, enough: impl Fn(&Job) -> bool) -> Job {
        let waiting = async {
            loop {
                let job = self.desk.job(caller, id).await.expect("a job");
                if enough(&job) {
                    return job;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(FOR_EVER, waiting).await {
            Ok(job) => job,
            Err(_) => panic!(
                "it does not come: {:?}\n{}",
                self.desk.job(caller, id).await,
                fs::read_to_string(self.path("said")).unwrap_or_default()
            ),
        }
    }

    pub(crate) async fn log(&self, caller: &Caller, id: &JobId) -> Vec<Line> {
        let (mut lines, mut after) = (Vec::new(), 0);
        loop {
            let page = self.desk.log(caller, id, after).await.expect("a log");
            let none = page.lines.is_empty();
            (after, lines) = (page.next, [lines, page.lines].concat());
            if none {
                return lines;
            }
        }
    }

    /// The bytes of an artifact.
    pub(crate) async fn artifact(&self, job: &Job, name: &str) -> Vec<u8> {
        let path = format!("{}/a{}/out/{name}", job.id, job.epoch);
        let found = self.embedded.ports.blobs.get(&job.tenant, &path, 1 << 30).await.expect("a store");
        found.unwrap_or_else(|| panic!("there is no `{name}`"))
    }

    /// Waits until a worker has said this.
    pub(crate) async fn said(&self, text: &str) {
        while !fs::read_to_string(self.path("said")).expect("a log").contains(text) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How often a tenant was charged.
    pub(crate) async fn charges(&self, caller: &Caller) -> usize {
        let all = Listing::Usage { from: Moment::from_millis(0), to: Moment::from_millis(i64::MAX) };
        let (mut count, mut after) = (0, None::<String>);
        loop {
            let page = self.desk.ports().store.list(caller.id(), &all, 100, after.as_deref()).await.expect("a store");
            count += page.rows.len();
            match page.next {
                Some(next) => after = Some(next),
                None => return count,
            }
        }
    }

    /// Names of what is left of jobs.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for worker in fs::read_dir(self.path("workspaces")).into_iter().flatten().flatten() {
            found.extend(fs::read_dir(worker.path()).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        found
    }
}

/// A worker that is about to be started.
pub(crate) struct Launch(Command);

impl Launch {
    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn start(mut self, said: &Path) -> Running {
        let said = File::options().create(true).append(true).open(said).expect("room");
        self.0.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Running(self.0.spawn().expect("a worker"))
    }
}

/// A worker that is killed with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).expect("it is there");
    }

    pub(crate) async fn ended(mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.0.try_wait().expect("our child") {
                return status.code();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it is there");
        self.0.wait().expect("its end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn spec() -> Spec {
    serde_json::from_value(serde_json::json!({"agent": "command", "timeout_seconds": 120})).expect("a spec")
}

/// A job that runs a line of shell.
pub(crate) fn shell(line: &str) -> Spec {
    let argv = ["sh", "-c", line].map(str::to_owned).to_vec();
    Spec { command: Some(Asked { argv, stdin: String::new() }), ..spec() }
}
