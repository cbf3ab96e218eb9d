//! What the tests share: a cloud, a machine, an executor, work.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::Credentials;
use outpost_executor::{Executor as _, Outcome, Report, Secrets, Token, Work};
use outpost_ssm::{Pace, Settings, Ssm, Targets};
use tempfile::TempDir;

use crate::cloud::Cloud;

pub(crate) const MACHINE: &str = "i-00000001";
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs a test on a runtime of one thread.
pub(crate) fn on_tokio<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") })
}

pub(crate) struct Stage {
    pub(crate) cloud: Cloud,
    pub(crate) settings: Settings,
    folder: TempDir,
    number: AtomicU32,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cloud.close();
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let cloud = Cloud::new();
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::for_targets(Targets::Instances(vec![MACHINE.into()]));
        settings.endpoint = Some(cloud.endpoint().to_owned());
        settings.state_directory = folder.path().join("state").display().to_string();
        settings.patience = 60;
        fs::create_dir(folder.path().join("logs")).expect("a folder");
        let name = folder.path().file_name().expect("a name").to_owned();
        fs::create_dir(folder.path().join(name)).expect("a folder");
        Self { cloud, settings, folder, number: AtomicU32::new(0) }
    }

    /// Where work runs.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join(self.folder.path().file_name().expect("a name"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn touch(&self, name: &str) {
        fs::write(self.path(name), "").expect("a file");
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    /// What a target keeps for its tokens.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let folder = Path::new(&self.settings.state_directory).join(MACHINE);
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    pub(crate) fn ssm(&self) -> Ssm {
        let pace = Pace { first: Duration::from_millis(20), most: Duration::from_millis(200) };
        Ssm::new(self.settings.clone(), &config()).at(pace)
    }

    pub(crate) fn work(&self, script: &str) -> Work {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let run = self.folder.path().file_name().expect("a name").to_string_lossy().into_owned();
        let token = Token { run, task: format!("T{number}"), attempt: 1, stage: "run".into() };
        self.work_of(script, token)
    }

    pub(crate) fn work_of(&self, script: &str, token: Token) -> Work {
        let log = self.log(&token.task);
        let mut work = Work::new(token, "bash", self.place(), log);
        work.args = ["-c", script].map(Into::into).to_vec();
        work.grace = Duration::from_millis(500);
        work
    }

    /// Work that holds a secret which nobody sends anywhere.
    pub(crate) fn secret_work(&self, script: &str) -> Work {
        let mut work = self.work(script);
        work.secrets = Secrets::new([("KEY".to_owned(), b"correct-horse-battery".to_vec())]);
        work
    }

    pub(crate) async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !so() {
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts, waits, settles, with an executor of its own.
    pub(crate) fn report(&self, work: Work) -> Report {
        on_tokio(async {
            let ssm = self.ssm();
            match ssm.start(work).await {
                Ok(handle) => {
                    let report = ssm.wait(&handle).await;
                    ssm.settle(&handle);
                    report
                }
                Err(why) => Report::bare(Outcome::NotStarted(why), 0),
            }
        })
    }
}

/// Keys that open nothing, and nothing of whoever tests.
fn config() -> SdkConfig {
    static SHARED: OnceLock<SdkConfig> = OnceLock::new();
    let load = || {
        let keys = Credentials::new("AKIDEXAMPLE", "opens-nothing", None, None, "tests");
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1"));
        on_tokio(async { loader.credentials_provider(keys).load().await })
    };
    // On a thread without a runtime.
    let shared = SHARED.get_or_init(|| std::thread::spawn(load).join().expect("no panic"));
    shared.clone()
}
