//! What the tests share: a service in a folder, a tenant and its key, workers that can be killed, and a folder to work in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use outpost_core::actions::{Authority, Desk, KeyRequest, TenantRequest};
use outpost_core::fleet;
use outpost_core::key::{Environment, Scope};
use outpost_core::tenant::{Overrides, Tier};
use outpost_embedded::installation;
use outpost_executor::{Executor as _, Report, Token, Work};
use outpost_fleet::{Fleet, Key, Pace, Settings};
use outpost_worker::{Order, Settings as Worker, Walls};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::proxy::Proxy;

pub(crate) const WORKER: &str = "be-a-worker";
/// A link in the folder of the stage, to where repositories may be cloned from.
pub(crate) const SHARED: &str = "shared";
/// After so long a test is taken to hang.
const PATIENCE: Duration = Duration::from_secs(300);
const LEASE: Duration = Duration::from_secs(3);

pub(crate) fn on_tokio<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
    runtime.shutdown_background();
    done
}

/// The worker that [`Stage::worker`] starts.
pub(crate) fn worker(folder: &Path, slots: &str) -> ExitCode {
    on_worker(async {
        let desk = open(folder, "").await.desk;
        let mut settings = Worker::new(folder.join("workspaces"), LEASE);
        settings.slots = slots.parse().expect("a number");
        settings.fence.walls = Walls::Off;
        settings.clocks.wait = Duration::from_millis(200);
        settings.clocks.tell = Duration::from_millis(50);
        settings.clocks.grace = Duration::from_millis(300);
        settings.clocks.reap = Some(Duration::from_millis(500));
        // Also where a link leads: to a project of the test.
        settings.sources.folders = vec![folder.to_owned(), folder.join(SHARED)];
        settings.agents = agents(folder);
        let (_tell, orders) = watch::channel(Order::Work);
        outpost_worker::run(desk.as_ref().clone(), settings, orders).await.expect("a worker");
    });
    ExitCode::SUCCESS
}

fn on_worker(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads").block_on(work);
}

/// Definitions of agents, beside the built-in ones.
fn agents(folder: &Path) -> Option<PathBuf> {
    Some(folder.join("agents")).filter(|agents| agents.is_dir())
}

async fn open(folder: &Path, base: &str) -> installation::Installation {
    let mut offer = fleet::offer(vec!["git.test".to_owned()], true);
    if let Some(agents) = agents(folder) {
        offer.agents = outpost_worker::agents(Some(&agents)).expect("definitions");
    }
    installation::open(&folder.join("data"), base, offer, |settings| settings.lease = LEASE)
        .await
        .expect("an installation")
}

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    logs: TempDir,
    /// In which work of this stage runs, and no other.
    pub(crate) place: PathBuf,
    pub(crate) proxy: Proxy,
    pub(crate) key: String,
    desk: Arc<Desk>,
}

/// A worker that is killed with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn kill(&mut self) {
        // One that has ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Overrides)) -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), change).await
    }

    /// In a folder where definitions of agents may be.
    pub(crate) async fn at(folder: TempDir, change: impl FnOnce(&mut Overrides)) -> Self {
        let place = folder.path().join(folder.path().file_name().expect("a name"));
        std::fs::create_dir(&place).expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy::before(listener.local_addr().expect("an address")).await;
        let base = format!("http://{}", proxy.address);
        let opened = open(folder.path(), &base).await;
        let mut overrides = Overrides { active: Some(400), ..Overrides::default() };
        change(&mut overrides);
        let scopes = Scope::TENANT.to_vec();
        let key = KeyRequest { name: "k".into(), environment: Environment::Test, scopes, expires_at: None };
        let asked = TenantRequest { email: "t@example.com".into(), name: None, tier: Tier::Enterprise, overrides, key };
        let made = opened.desk.create_tenant(&Authority::operator("test", "r1"), asked).await.expect("a tenant");
        let key = made.key.key.expect("shown once").reveal().to_owned();
        let mut settings = outpost_api::Settings::new(&base);
        settings.files = Some(Arc::new(opened.embedded.clone()));
        let desk = Arc::clone(&opened.desk);
        tokio::spawn(outpost_api::serve(opened.desk, listener, settings, std::future::pending()));
        Self { folder, logs: tempfile::tempdir().expect("a folder"), place, proxy, key, desk }
    }

    /// The service, asked without HTTP.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::at(format!("http://{}", self.proxy.address))
    }

    pub(crate) fn fleet(&self) -> Fleet {
        self.fleet_with(self.settings())
    }

    pub(crate) fn fleet_with(&self, settings: Settings) -> Fleet {
        let pace = Pace { first: Duration::from_millis(20), most: Duration::from_millis(200) };
        Fleet::new(settings, Key::new(&self.key)).expect("a client").at(pace)
    }

    pub(crate) fn worker(&self) -> Running {
        self.worker_of("4")
    }

    /// One that does so many jobs at once.
    pub(crate) fn worker_of(&self, slots: &str) -> Running {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(WORKER).arg(self.folder.path()).arg(slots).stdin(Stdio::null()).stdout(Stdio::null());
        Running(command.spawn().expect("a worker"))
    }

    /// Work for bash, in the folder of this stage.
    pub(crate) fn work(&self, script: &str, token: Token) -> Work {
        let log = self.logs.path().join(&token.task);
        let mut work = Work::new(token, "bash", &self.place, log);
        work.args = ["-c", script].map(Into::into).to_vec();
        work.grace = Duration::from_millis(300);
        work
    }

    pub(crate) fn token(&self, task: &str) -> Token {
        let run = self.place.file_name().expect("a name").to_string_lossy().into_owned();
        Token { run, task: task.into(), attempt: 1, stage: "run".into() }
    }
}

/// Starts, waits, settles.
pub(crate) async fn perform(fleet: &Fleet, work: Work) -> Report {
    let handle = fleet.start(work).await.expect("a start");
    let report = fleet.wait(&handle).await;
    fleet.settle(&handle);
    report
}
