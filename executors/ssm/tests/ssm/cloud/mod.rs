//! A double of Systems Manager (and of the one thing that is asked of S3) on loopback: its protocol, its rules, its delays,
//! and faults that a test scripts.
//!
//! From the public reference: what a request may hold, which statuses there are, what is cut where. A command is seen a look
//! after it was sent. It shares no code with what it judges.

mod agent;
mod answers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

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
}

struct Job {
    lines: Vec<String>,
    limit: u64,
    folder: PathBuf,
    path: Option<String>,
}
