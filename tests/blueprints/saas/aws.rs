//! The AWS of this machine alone: one address for two emulators, a fleet that starts and ends workers, and an end, however
//! it comes, after which nothing of it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{is_emulator_here, is_here, root, skipped};
use crate::project::{Ended, Project};

/// What a worker is here: it says what it was given, and goes when it is told.
const WORKER: &str = "#!/usr/bin/env bash\ntrap 'echo went; exit' TERM\necho \"started for $GREETING at $AWS_ENDPOINT_URL\"\n\
    while :; do sleep 0.05; done\n";

struct Aws {
    project: Project,
}

impl Aws {
    fn new() -> Option<Self> {
        if !is_emulator_here(&["python", "ministack"]) {
            return None;
        }
        if let Some(missing) = ["python3", "curl", "bash"].into_iter().find(|name| !is_here(name)) {
            assert!(std::env::var_os("CI").is_none(), "the emulator needs `{missing}`");
            skipped(&format!("no `{missing}`"));
            return None;
        }
        let project = Project::of("");
        fs::create_dir(project.path("aws")).expect("a folder");
        fs::write(project.path("aws/worker"), WORKER).expect("a program");
        fs::set_permissions(project.path("aws/worker"), fs::Permissions::from_mode(0o755)).expect("ours");
        Some(Self { project })
    }

    fn script(&self, name: &str) -> Ended {
        let mut command = Command::new(root().join("infrastructure/emulator").join(name));
        command.arg(self.project.path("aws"));
        self.project.place(&mut command);
        // Where Python is found may be a matter of the home.
        command.envs(std::env::var_os("HOME").map(|home| ("HOME", home)));
        self.project.start(command).end()
    }

    fn up(&self) -> String {
        let told = self.script("up").with(0).stdout;
        let endpoint = told.lines().last().and_then(|line| line.strip_prefix("AWS of this machine: "));
        endpoint.expect("an address").to_owned()
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.path("aws").join(name)
    }

    /// What programs of it run.
    fn parts(&self) -> Vec<String> {
        let known = ["aws.py", "from_ministack.py", "stripe.py", "fleet.py"];
        let running = self.project.processes();
        let count = |part: &str| running.iter().filter(|line| line.contains(part)).count();
        known.iter().flat_map(|part| vec![(*part).to_owned(); count(part)]).collect()
    }

    fn curl(&self, arguments: &[&str]) -> Ended {
        self.project.start(self.call(arguments)).end()
    }

    fn call(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "--noproxy", "*"]).args(arguments);
        self.project.place(&mut command);
        command
    }

    /// Whether a process has a connection: `st` of an established one is 01.
    fn connections(&self, process: u32) -> bool {
        let folder = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let sockets: Vec<String> = folder
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let table = fs::read_to_string("/proc/net/tcp").expect("connections");
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|row| {
            row.get(3) == Some(&"01") && row.get(9).is_some_and(|inode| sockets.iter().any(|socket| socket == inode))
        })
    }

    fn ask(&self, endpoint: &str, service: &str, operation: &str, question: &Value) -> Value {
        let told = self.project.start(self.question(endpoint, service, operation, question)).end().with(0).stdout;
        serde_json::from_str(&told).unwrap_or(Value::Null)
    }

    fn question(&self, endpoint: &str, service: &str, operation: &str, question: &Value) -> Command {
        let (target, version) = match service {
            "dynamodb" => ("DynamoDB_20120810", "1.0"),
            "ecs" => ("AmazonEC2ContainerServiceV20141113", "1.1"),
            other => ("AmazonSQS", if other == "sqs" { "1.0" } else { panic!("no such service: {other}") }),
        };
        let scope =
            format!("authorization: AWS4-HMAC-SHA256 Credential=TEST/20260101/us-east-1/{service}/aws4_request, ");
        self.call(&[
            "-H",
            &format!("{scope}SignedHeaders=host, Signature=0"),
            "-H",
            &format!("x-amz-target: {target}.{operation}"),
            "-H",
            &format!("content-type: application/x-amz-json-{version}"),
            "-d",
            &question.to_string(),
            endpoint,
        ])
    }

    fn desired(&self, endpoint: &str) -> Value {
        let question = json!({"cluster": "workers", "services": ["a-worker-service"]});
        self.ask(endpoint, "ecs", "DescribeServices", &question)["services"][0]["desiredCount"].clone()
    }

    /// A service that wants a worker, and the lane that it looks at.
    fn service(&self, endpoint: &str) -> String {
        let queue = self.ask(endpoint, "sqs", "CreateQueue", &json!({"QueueName": "lane"}))["QueueUrl"].clone();
        let environment = json!([{"name": "GREETING", "value": "ada"}, {"name": "SQS_QUEUE_FREE", "value": "lane"}]);
        let container = json!({"name": "worker", "image": "worker", "memory": 64, "environment": environment});
        self.ask(endpoint, "ecs", "CreateCluster", &json!({"clusterName": "workers"}));
        let definition = json!({"family": "worker", "containerDefinitions": [container]});
        self.ask(endpoint, "ecs", "RegisterTaskDefinition", &definition);
        let service = json!({
            "cluster": "workers", "serviceName": "a-worker-service", "taskDefinition": "worker", "desiredCount": 1,
        });
        self.ask(endpoint, "ecs", "CreateService", &service);
        queue.as_str().expect("a queue").to_owned()
    }

    fn logs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("workers")).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = entries.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.script("down");
    }
}

#[test]
fn one_address_leads_to_two_emulators_and_a_fleet_follows_them() {
    let Some(aws) = Aws::new() else { return };
    let endpoint = aws.up();
    let pid = aws.file("pid");
    assert_eq!((aws.up(), aws.file("pid")), (endpoint.clone(), pid), "twice is once");
    assert_eq!(aws.parts(), ["aws.py", "from_ministack.py", "stripe.py", "fleet.py"]);

    let keys = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
    let attributes = json!([{"AttributeName": "id", "AttributeType": "S"}]);
    let table = json!({
        "TableName": "kept", "KeySchema": keys, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST",
    });
    aws.ask(&endpoint, "dynamodb", "CreateTable", &table);
    let queue = aws.service(&endpoint);
    assert_eq!(aws.ask(&endpoint, "dynamodb", "ListTables", &json!({}))["TableNames"], json!(["kept"]));
    let clusters = &aws.ask(&endpoint, "ecs", "ListClusters", &json!({}))["clusterArns"];
    assert!(clusters[0].as_str().is_some_and(|name| name.ends_with("cluster/workers")), "{clusters}");
    // What moto has by its own account: the cluster, and no table, which the other one keeps.
    let scope = "authorization: AWS4-HMAC-SHA256 Credential=TEST/20260101/us-east-1/ecs/aws4_request, Signature=0";
    let told = aws.curl(&["-H", scope, &format!("{endpoint}/moto-api/data.json")]).with(0).stdout;
    let held: Value = serde_json::from_str(&told).expect("JSON");
    assert!(held["ecs"].to_string().contains("workers"), "{told}");
    assert!(!told.contains("kept"), "the table is at moto");

    let stripe = aws.file("stripe");
    aws.curl(&[&format!("{}/_double/state", stripe.trim())]).with(0);

    let started = format!("started for ada at {endpoint}\n");
    aws.project.until("a worker", || aws.logs().contains(&started));
    // More than five tickets are more than one worker's.
    for _ in 0..6 {
        aws.ask(&endpoint, "sqs", "SendMessage", &json!({"QueueUrl": queue, "MessageBody": "a ticket"}));
    }
    aws.project.until("two workers", || aws.logs().iter().filter(|log| **log == started).count() == 2);
    assert_eq!(aws.desired(&endpoint), 2);
    // Whoever waits for a ticket and goes takes none along.
    let quiet = aws.ask(&endpoint, "sqs", "CreateQueue", &json!({"QueueName": "quiet"}))["QueueUrl"].clone();
    let wait = |seconds: u32| json!({"QueueUrl": quiet, "WaitTimeSeconds": seconds});
    let waiting = aws.project.start(aws.question(&endpoint, "sqs", "ReceiveMessage", &wait(20)));
    aws.project.until("it waits", || aws.connections(waiting.child.id()));
    waiting.signal(Signal::KILL);
    waiting.end();
    // One after the other, so that one who still waited would have had the time to take one.
    const TICKETS: usize = 40;
    for _ in 0..TICKETS {
        aws.ask(&endpoint, "sqs", "SendMessage", &json!({"QueueUrl": quiet, "MessageBody": "for who stays"}));
    }
    let names = json!({"QueueUrl": quiet, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let there = aws.ask(&endpoint, "sqs", "GetQueueAttributes", &names);
    assert_eq!(there["Attributes"]["ApproximateNumberOfMessages"], TICKETS.to_string());
    let received = aws.ask(&endpoint, "sqs", "ReceiveMessage", &wait(20));
    assert_eq!(received["Messages"][0]["Body"], "for who stays");
    aws.ask(&endpoint, "sqs", "PurgeQueue", &json!({"QueueUrl": queue}));
    fs::write(aws.path("idle"), "0\n").expect("a setting");
    aws.project.until("nobody is wanted", || aws.desired(&endpoint) == 0);
    let gone = format!("{started}went\n");
    aws.project.until("both are told", || aws.logs() == [gone.clone(), gone.clone()]);

    aws.script("down").with(0);
    aws.project.until_nothing_runs();
    for name in ["pid", "endpoint", "stripe"] {
        assert!(!aws.path(name).exists(), "{name} is left");
    }
    aws.script("down").with(0);
}

#[test]
fn one_that_is_killed_takes_all_along_and_comes_back() {
    let Some(aws) = Aws::new() else { return };
    let endpoint = aws.up();
    aws.service(&endpoint);
    aws.project.until("a worker", || !aws.logs().is_empty());
    let first = aws.file("pid");
    let pid = first.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it runs");
    aws.project.until_nothing_runs();
    assert!(aws.path("pid").exists(), "who is killed says nothing");

    let endpoint = aws.up();
    assert_ne!(aws.file("pid"), first);
    let clusters = aws.ask(&endpoint, "ecs", "ListClusters", &json!({}));
    assert_eq!(clusters["clusterArns"], json!([]), "what was in it was in its memory");
    aws.script("down").with(0);
    aws.project.until_nothing_runs();

    // A number that is somebody else's by now is let be.
    let mut other = Command::new("sleep").arg("600").spawn().expect("a program");
    fs::write(aws.path("pid"), format!("{}\n", other.id())).expect("ours");
    aws.script("down").with(0);
    assert!(other.try_wait().expect("a child").is_none(), "another program was ended");
    other.kill().expect("ours");
    other.wait().expect("its end");
}

#[test]
fn a_fleet_that_is_killed_takes_its_workers_along_and_comes_back() {
    let Some(aws) = Aws::new() else { return };
    let endpoint = aws.up();
    aws.service(&endpoint);
    aws.project.until("a worker", || aws.logs().iter().any(|log| log.starts_with("started")));
    let fleet = aws.project.processes().into_iter().find(|line| line.contains("fleet.py")).expect("a fleet");
    let pid = fleet.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it runs");
    aws.project.until("the first is told to go", || aws.logs().iter().any(|log| log.ends_with("went\n")));
    aws.project.until("another fleet starts another worker", || {
        aws.parts().len() == 4 && aws.project.processes().iter().filter(|line| line.contains("aws/worker")).count() == 1
    });
    aws.script("down").with(0);
    aws.project.until_nothing_runs();
}

/// Whoever is killed while it starts one, and starts one again: there is one in the end, and files tell of it.
#[test]
fn of_two_that_are_started_one_stays() {
    let Some(aws) = Aws::new() else { return };
    let start = || {
        let mut command = Command::new(root().join("infrastructure/emulator/up"));
        command.arg(aws.project.path("aws"));
        aws.project.place(&mut command);
        command.envs(std::env::var_os("HOME").map(|home| ("HOME", home)));
        aws.project.start(command)
    };
    let first = start();
    aws.project.until("it starts", || aws.path("aws.log").exists());
    first.signal(Signal::KILL);
    first.end();
    let endpoint = aws.up();
    aws.project.until("one is left", || aws.parts().len() == 4);
    assert_eq!(aws.file("endpoint").trim(), endpoint);
    assert_eq!(aws.ask(&endpoint, "ecs", "ListClusters", &json!({}))["clusterArns"], json!([]));
    aws.script("down").with(0);
    aws.project.until_nothing_runs();
}
