//! A double of Systems Manager (and of the one thing that is asked of S3) on loopback: its protocol, its rules, its delays,
//! and faults that a test scripts.
//!
//! From the public reference: what a request may hold, which statuses there are, what is cut where. A command is seen a look
//! after it was sent. It shares no code with what it judges.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Too many requests.
    Throttle,
    /// Nothing is done, and the service says that it failed.
    Fail,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is done, and each machine gets it twice.
    Twice,
    /// The machine says that it went well, and did nothing.
    Canned,
    /// The machine is not there.
    Offline,
}

#[derive(Default)]
struct World {
    commands: Vec<Sent>,
    objects: HashMap<String, Vec<u8>>,
    faults: HashMap<String, VecDeque<Fault>>,
    /// Machines by their tags.
    tags: Vec<(String, String, String)>,
    calls: Vec<(String, Value)>,
}

struct Sent {
    id: String,
    comment: String,
    document: String,
    looks: u32,
    machines: BTreeMap<String, Invocation>,
    cancelled: Arc<AtomicBool>,
}

struct Invocation {
    status: String,
    details: String,
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    address: String,
}

#[derive(Clone)]
pub(crate) struct Cloud(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    is_down: AtomicBool,
    /// Scripts that run on machines now.
    performing: AtomicUsize,
    endpoint: String,
    folder: TempDir,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let folder = tempfile::tempdir().expect("a folder");
        let (is_down, performing) = (AtomicBool::new(false), AtomicUsize::new(0));
        let cloud = Self(Arc::new(Inner { world: Mutex::default(), is_down, performing, endpoint, folder }));
        let weak = Arc::downgrade(&cloud.0);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(inner) = weak.upgrade() else { return };
                std::thread::spawn(move || Self(inner).serve(&stream));
            }
        });
        cloud
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().expect("no test panicked in it")
    }

    /// What happens to the next requests of this kind, one after the other.
    pub(crate) fn fault(&self, operation: &str, faults: &[Fault]) {
        self.world().faults.entry(operation.to_owned()).or_default().extend(faults);
    }

    pub(crate) fn tag(&self, machine: &str, name: &str, value: &str) {
        self.world().tags.push((machine.to_owned(), name.to_owned(), value.to_owned()));
    }

    /// Nobody answers any more, or somebody does again.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.is_down.store(down, Ordering::SeqCst);
    }

    /// What it was asked, by operation.
    pub(crate) fn calls(&self, operation: &str) -> Vec<Value> {
        let world = self.world();
        world.calls.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }

    /// The ids of all commands, oldest first.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.world().commands.iter().map(|sent| sent.id.clone()).collect()
    }

    /// As somebody does at the console.
    pub(crate) fn cancel(&self, id: &str) {
        let world = self.world();
        let sent = world.commands.iter().find(|sent| sent.id == id).expect("such a command");
        sent.cancelled.store(true, Ordering::SeqCst);
    }

    /// What is in the store is gone; how much that was.
    pub(crate) fn lose_objects(&self) -> usize {
        std::mem::take(&mut self.world().objects).len()
    }

    /// It is as if all of it were thirty days ago.
    pub(crate) fn forget(&self) {
        self.world().commands.clear();
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or_default() == 0 {
                    return;
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let field = |name: &str| {
                let value = |line: &String| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                };
                head.iter().find_map(value)
            };
            let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() || self.0.is_down.load(Ordering::SeqCst) {
                return;
            }
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
            let answer = match field("x-amz-target") {
                Some(target) => {
                    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
                    self.answer(&operation, &serde_json::from_slice(&body).expect("JSON"))
                }
                None => Some(self.object(&path)),
            };
            let Some((status, bytes)) = answer else { return };
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
                bytes.len()
            );
            let mut stream = stream;
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes)).is_err() {
                return;
            }
        }
    }

    fn object(&self, path: &str) -> (u16, Vec<u8>) {
        let path = path.split('?').next().unwrap_or_default();
        match self.world().objects.get(path) {
            Some(bytes) => (200, bytes.clone()),
            None => (404, b"<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>".to_vec()),
        }
    }

    /// Nothing where the answer is lost.
    fn answer(&self, operation: &str, body: &Value) -> Option<(u16, Vec<u8>)> {
        let fault = {
            let mut world = self.world();
            world.calls.push((operation.to_owned(), body.clone()));
            world.faults.get_mut(operation).and_then(VecDeque::pop_front)
        };
        let wrong = |kind: &str, words: &str| Err((400, json!({"__type": kind, "message": words})));
        let answered: Result<Value, (u16, Value)> = match (fault, operation) {
            (Some(Fault::Throttle), _) => wrong("ThrottlingException", "Rate exceeded"),
            (Some(Fault::Fail), _) => Err((500, json!({"__type": "InternalServerError"}))),
            (fault, "SendCommand") => self.send(body, fault),
            (_, "ListCommands") => self.list(body),
            (_, "ListCommandInvocations") => self.invocations(body),
            (_, "GetCommandInvocation") => self.invocation(body),
            (_, "CancelCommand") => {
                let id = body["CommandId"].as_str().unwrap_or_default();
                let world = self.world();
                match world.commands.iter().find(|sent| sent.id == id) {
                    Some(sent) => {
                        sent.cancelled.store(true, Ordering::SeqCst);
                        Ok(json!({}))
                    }
                    None => wrong("InvalidCommandId", ""),
                }
            }
            _ => wrong("UnknownOperationException", operation),
        };
        if fault == Some(Fault::LoseAnswer) {
            return None;
        }
        let (status, value) = answered.map_or_else(|wrong| wrong, |value| (200, value));
        Some((status, value.to_string().into_bytes()))
    }

    fn send(&self, body: &Value, fault: Option<Fault>) -> Result<Value, (u16, Value)> {
        let wrong = |kind: &str, words: &str| (400, json!({"__type": kind, "message": words}));
        let seconds = body["TimeoutSeconds"].as_u64().unwrap_or(3600);
        let comment = body["Comment"].as_str().unwrap_or_default();
        if !(30..=2_592_000).contains(&seconds) || comment.len() > 100 {
            return Err(wrong("ValidationException", "TimeoutSeconds or Comment"));
        }
        if body["DocumentName"] != "AWS-RunShellScript" {
            return Err(wrong("InvalidDocument", "there is no such document"));
        }
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let lines = texts(&body["Parameters"]["commands"]);
        let limit: u64 = texts(&body["Parameters"]["executionTimeout"])
            .first()
            .and_then(|text| text.parse().ok())
            .filter(|seconds| (1..=172_800).contains(seconds))
            .ok_or_else(|| wrong("InvalidParameters", "executionTimeout"))?;
        // It would be replaced by a parameter of that name.
        if lines.is_empty() || lines.iter().any(|line| line.contains("{{")) || lines.join("\n").len() > 64_000 {
            return Err(wrong("InvalidParameters", "commands"));
        }
        let mut machines = texts(&body["InstanceIds"]);
        for target in body["Targets"].as_array().into_iter().flatten() {
            let name = target["Key"].as_str().and_then(|key| key.strip_prefix("tag:")).unwrap_or_default();
            let values = texts(&target["Values"]);
            let world = self.world();
            let has = |(_, tag, value): &&(String, String, String)| tag == name && values.contains(value);
            machines.extend(world.tags.iter().filter(has).map(|(machine, ..)| machine.clone()));
        }
        if machines.iter().any(|machine| !machine.starts_with("i-")) {
            return Err(wrong("InvalidInstanceId", "it is not in a valid state"));
        }
        let mut world = self.world();
        let id = format!("00000000-0000-4000-8000-{:012}", world.commands.len());
        let cancelled = Arc::new(AtomicBool::new(false));
        let prefix = body["OutputS3KeyPrefix"].as_str().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let bucket = body["OutputS3BucketName"].as_str();
        let mut invocations = BTreeMap::new();
        for machine in &machines {
            let path = bucket
                .map(|bucket| format!("/{bucket}/{prefix}{id}/{machine}/awsrunShellScript/0.awsrunShellScript/stdout"));
            let address = path.as_ref().map(|path| format!("https://s3.us-east-1.amazonaws.com{path}"));
            let (status, details) = match fault {
                Some(Fault::Canned) => ("Success", "Success"),
                Some(Fault::Offline) => ("TimedOut", "DeliveryTimedOut"),
                _ => ("InProgress", "InProgress"),
            };
            let address = address.unwrap_or_default();
            let (stdout, stderr) = (Vec::new(), Vec::new());
            let (status, details) = (status.to_owned(), details.to_owned());
            invocations.insert(machine.clone(), Invocation { status, details, code: -1, stdout, stderr, address });
            if matches!(fault, Some(Fault::Canned | Fault::Offline)) {
                continue;
            }
            for copy in 0..if fault == Some(Fault::Twice) { 2 } else { 1 } {
                let folder = self.0.folder.path().join(&id).join(format!("{machine}-{copy}"));
                let job = Job { lines: elsewhere(&lines, machine), limit, folder, path: path.clone() };
                let (cloud, id, machine, cancelled) =
                    (self.clone(), id.clone(), machine.clone(), Arc::clone(&cancelled));
                self.0.performing.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    cloud.perform(&id, &machine, &job, &cancelled);
                    cloud.0.performing.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
        let (comment, document) = (comment.to_owned(), "AWS-RunShellScript".to_owned());
        world.commands.push(Sent { id: id.clone(), comment, document, looks: 0, machines: invocations, cancelled });
        Ok(json!({"Command": {"CommandId": id, "Status": "Pending"}}))
    }

    /// Ends what still runs on machines: a test leaves nothing behind.
    pub(crate) fn close(&self) {
        self.world().commands.iter().for_each(|sent| sent.cancelled.store(true, Ordering::SeqCst));
        let since = Instant::now();
        while self.0.performing.load(Ordering::SeqCst) > 0 && since.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn perform(&self, id: &str, machine: &str, job: &Job, cancelled: &AtomicBool) {
        let ended = agent::perform(&job.folder, &job.lines, job.limit, cancelled);
        let mut world = self.world();
        if let Some(path) = &job.path {
            world.objects.insert(path.clone(), ended.stdout.clone());
        }
        // One that was forgotten meanwhile is told by nobody.
        let sent = world.commands.iter_mut().find(|sent| sent.id == id);
        if let Some(invocation) = sent.and_then(|sent| sent.machines.get_mut(machine)) {
            (invocation.status, invocation.details) = (ended.status.into(), ended.details.into());
            (invocation.code, invocation.stdout, invocation.stderr) = (ended.code, ended.stdout, ended.stderr);
        }
    }

    fn list(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let mut world = self.world();
        let mut found = Vec::new();
        for sent in world.commands.iter_mut().rev() {
            if body["CommandId"].as_str().is_some_and(|id| id != sent.id) {
                continue;
            }
            for filter in body["Filters"].as_array().into_iter().flatten() {
                // There is no filter for comments.
                if filter["key"] != "DocumentName" || filter["value"] != *sent.document {
                    return Err((400, json!({"__type": "InvalidFilterKey"})));
                }
            }
            sent.looks += 1;
            if sent.looks > 1 {
                found.push(sent.shown());
            }
        }
        // A page has two, so that there is more than one.
        let from = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize);
        let page: Vec<Value> = found.iter().skip(from).take(2).cloned().collect();
        let next = (from + 2 < found.len()).then(|| (from + 2).to_string());
        Ok(json!({"Commands": page, "NextToken": next}))
    }

    fn invocations(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let world = self.world();
        let sent = world.commands.iter().find(|sent| body["CommandId"] == *sent.id);
        let shown = |(machine, it): (&String, &Invocation)| json!({"InstanceId": machine, "Status": it.status, "StatusDetails": it.details});
        let all: Vec<Value> = sent.into_iter().flat_map(|sent| sent.machines.iter().map(shown)).collect();
        Ok(json!({"CommandInvocations": all}))
    }

    fn invocation(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let world = self.world();
        let sent = world.commands.iter().find(|sent| body["CommandId"] == *sent.id);
        let found = sent.and_then(|sent| sent.machines.get(body["InstanceId"].as_str()?));
        let Some(it) = found else {
            return Err((400, json!({"__type": "InvocationDoesNotExist"})));
        };
        let first =
            |bytes: &[u8], most: usize| -> String { String::from_utf8_lossy(bytes).chars().take(most).collect() };
        Ok(json!({
            "CommandId": body["CommandId"], "InstanceId": body["InstanceId"], "Status": it.status,
            "StatusDetails": it.details, "ResponseCode": it.code, "StandardOutputContent": first(&it.stdout, 24_000),
            "StandardErrorContent": first(&it.stderr, 8_000), "StandardOutputUrl": it.address,
        }))
    }
}

struct Job {
    lines: Vec<String>,
    limit: u64,
    folder: PathBuf,
    path: Option<String>,
}

impl Sent {
    fn shown(&self) -> Value {
        let is_going = self.machines.values().any(|it| it.status == "InProgress");
        let worst = self.machines.values().find(|it| it.status != "Success");
        let status = match worst {
            _ if is_going => "InProgress",
            Some(worst) => &worst.status,
            None => "Success",
        };
        let details = if self.machines.is_empty() { "NoInstancesInTag" } else { status };
        json!({
            "CommandId": self.id, "Comment": self.comment, "DocumentName": self.document, "Status": status,
            "StatusDetails": details, "TargetCount": self.machines.len(),
        })
    }
}

/// All machines are this one: each gets a folder of its own for what a target keeps.
fn elsewhere(lines: &[String], machine: &str) -> Vec<String> {
    let moved = |line: &String| {
        let Some(encoded) = line.strip_prefix("outpost_state64='").and_then(|rest| rest.strip_suffix('\'')) else {
            return line.clone();
        };
        let folder = String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text");
        format!("outpost_state64='{}'", STANDARD.encode(format!("{folder}/{machine}")))
    };
    lines.iter().map(moved).collect()
}
