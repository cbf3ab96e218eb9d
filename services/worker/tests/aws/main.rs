//! A job from its submission to its end with everything in AWS: a server takes it in and calls for a worker, a worker does it,
//! and its files lie behind signed links.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../aws/tests/aws/emulator.rs"]
mod emulator;
#[path = "../../../aws/tests/aws/stage.rs"]
mod stage;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use outpost_aws::aws_config::{self, BehaviorVersion};
use outpost_aws::aws_credential_types::Credentials;
use outpost_aws::aws_credential_types::provider::SharedCredentialsProvider;
use outpost_aws::{Settings, Workers};
use outpost_core::actions::{Authority, Desk, KeyRequest, TenantRequest};
use outpost_core::fleet;
use outpost_core::key::{Environment, Scope};
use outpost_core::tenant::{Overrides, Tier};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::emulator::SECRET;
use crate::stage::{ENVIRONMENT, Stage};

/// Whoever waits longer than this waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// A server in this process, over the same installation as the worker's.
struct Server {
    stage: Stage,
    base: String,
    key: String,
}

impl Server {
    async fn start(stage: Stage) -> Self {
        let who = Credentials::new(&stage.account, SECRET, None, None, "test");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(&stage.endpoint);
        let config = config.credentials_provider(SharedCredentialsProvider::new(who)).load().await;
        let mut settings = Settings::new(ENVIRONMENT, &stage.bucket());
        settings.workers =
            Some(Workers { cluster: "outpost".to_owned(), service: "worker".to_owned(), most: 4, jobs_each: 5 });
        let ports = outpost_aws::open_as(&config, &settings).await.expect("an installation");
        let mut offer = fleet::offer(vec!["git.test".to_owned()], false);
        offer.repositories.folders = true;
        let desk = Arc::new(Desk::new(ports, outpost_core::actions::Settings::new(offer, [7; 32])));
        let key = KeyRequest {
            name: "k".to_owned(),
            environment: Environment::Test,
            scopes: Scope::TENANT.to_vec(),
            expires_at: None,
        };
        let email = "ada@example.com".to_owned();
        let asked = TenantRequest { email, name: None, tier: Tier::Pro, overrides: Overrides::default(), key };
        let made = desk.create_tenant(&Authority::operator("test", "r1"), asked).await.expect("a tenant");
        let key = made.key.key.expect("shown once").reveal().to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let settings = outpost_api::Settings::new(base.as_str());
        tokio::spawn(outpost_api::serve(desk, listener, settings, std::future::pending()));
        Self { stage, base, key }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.base);
        let mut request = self.stage.client.request(method.parse().expect("a method"), url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON"))
    }

    async fn submit(&self, line: &str, repo: &Path) -> String {
        let command = json!({"argv": ["sh", "-c", line]});
        let job = json!({"agent": "command", "command": command, "repo": repo, "timeout_seconds": 120});
        let (status, job) = self.ask("POST", "/v1/jobs", Some(job)).await;
        assert_eq!(status, 202, "{job}");
        job["id"].as_str().expect("an id").to_owned()
    }

    async fn until(&self, id: &str, said: &Path, enough: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let (_, job) = self.ask("GET", &format!("/v1/jobs/{id}"), None).await;
                if enough(&job) {
                    return job;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let told = tokio::time::timeout(FOR_EVER, waiting).await;
        told.unwrap_or_else(|_| panic!("it does not come: {}", fs::read_to_string(said).unwrap_or_default()))
    }
}

/// A worker that is killed with the test.
struct Worker(Child);

impl Worker {
    fn start(stage: &Stage, folder: &Path) -> Self {
        let said = File::options().create(true).append(true).open(folder.join("said")).expect("room");
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-worker"));
        command.arg("--aws").arg("--workspaces").arg(folder.join("workspaces"));
        command
            .arg("--allow-local-repos")
            .arg(folder)
            .args(["--tell", "0.2", "--grace", "2", "--wait", "1", "--reap", "0"]);
        command.env_clear().envs(stage.variables()).envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Self(command.spawn().expect("a worker"))
    }

    async fn told_to_go(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it is there");
        loop {
            if let Some(status) = self.0.try_wait().expect("our child") {
                return status.code();
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn repository(folder: &Path) -> PathBuf {
    let repo = folder.join("repo");
    fs::create_dir(&repo).expect("room");
    fs::write(repo.join("hello.txt"), "hello\n").expect("room");
    for words in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "first"]] {
        let mut git = Command::new("git");
        git.current_dir(&repo).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(words);
        assert!(git.status().expect("git").success());
    }
    repo
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_called_for_done_and_its_files_are_behind_links() {
    let Some(emulator) = emulator::emulator() else { return };
    let stage = Stage::make(emulator).await;
    stage.workers().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (repo, said) = (repository(folder.path()), folder.path().join("said"));
    let server = Server::start(stage).await;
    assert_eq!(server.stage.wanted().await, 0);
    let id = server.submit("echo to the log; echo world >> hello.txt", &repo).await;
    assert_eq!(server.stage.wanted().await, 1, "the server has called for a worker");

    let worker = Worker::start(&server.stage, folder.path());
    let job = server.until(&id, &said, |job| job["outcome"].is_object()).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job}");
    let (_, log) = server.ask("GET", &format!("/v1/jobs/{id}/logs"), None).await;
    assert!(log.to_string().contains("to the log"), "{log}");
    let (_, files) = server.ask("GET", &format!("/v1/jobs/{id}/artifacts"), None).await;
    let link = files["data"].as_array().expect("a list").iter().find(|file| file["name"] == "changes.diff");
    let link = link.and_then(|file| file["url"].as_str()).unwrap_or_else(|| panic!("no diff: {files}"));
    assert!(link.starts_with(&server.stage.endpoint) && link.contains(&server.stage.bucket()), "of S3: {link}");
    let diff = server.stage.client.get(link).send().await.expect("an answer").text().await.expect("a text");
    assert!(diff.contains("+world") && diff.contains("hello.txt"), "{diff}");
    assert_eq!(worker.told_to_go().await, Some(0));
    let held = server.stage.queue("outpost-jobs-pro").await;
    let depth = json!({"QueueUrl": held, "AttributeNames": ["All"]});
    let told = server.stage.ask("sqs", "AmazonSQS.GetQueueAttributes", &depth).await;
    let counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    assert_eq!(
        counts.map(|name| told["Attributes"][name].as_str() == Some("0")),
        [true; 2],
        "its ticket is gone: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_go_hands_its_job_to_the_next() {
    let Some(emulator) = emulator::emulator() else { return };
    let stage = Stage::make(emulator).await;
    stage.workers().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (repo, said) = (repository(folder.path()), folder.path().join("said"));
    let server = Server::start(stage).await;
    let first = Worker::start(&server.stage, folder.path());
    let id = server.submit("[ $OUTPOST_ATTEMPT = 2 ] || sleep 72727", &repo).await;
    server.until(&id, &said, |job| job["status"] == "running").await;
    assert_eq!(first.told_to_go().await, Some(0));
    let (_, back) = server.ask("GET", &format!("/v1/jobs/{id}"), None).await;
    assert_eq!(back["status"], "queued", "{back}");
    let queue = server.stage.queue("outpost-jobs-pro").await;
    let take = json!({"QueueUrl": queue, "VisibilityTimeout": 0, "MessageSystemAttributeNames": ["All"]});
    let ticket = server.stage.ask("sqs", "AmazonSQS.ReceiveMessage", &take).await;
    assert_eq!(ticket["Messages"][0]["Attributes"]["ApproximateReceiveCount"], "1", "a fresh ticket: {ticket}");
    let _second = Worker::start(&server.stage, folder.path());
    let job = server.until(&id, &said, |job| job["outcome"].is_object()).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");
    let (_, usage) = server.ask("GET", "/v1/usage/events", None).await;
    assert_eq!(usage["data"].as_array().map(Vec::len), Some(1), "charged once: {usage}");
}
