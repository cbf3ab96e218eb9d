//! A folder with a blueprint, and the real `outpost-bp` at work in it.
//!
//! What a test believes it reads from what is left: exit codes, the journal, and the ledger, a file into
//! which tasks write what they do. Waiting has a generous end and is never part of a verdict: a test waits
//! for something to be written, and what hangs fails.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything here takes, so that only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(5);

/// What all processes of a test inherit, so that they are found wherever they went.
const MARK: &str = "OUTPOST_TEST_FOLDER";

/// What commands of blueprints may use: `note WORDS` writes a line into the ledger, `await FILE` waits for a
/// file, `stubborn` goes on whatever it is asked.
const TOOLS: [(&str, &str); 3] = [
    ("note", "#!/bin/sh\necho \"$OUTPOST_TASK $OUTPOST_ATTEMPT $OUTPOST_STAGE $*\" >> \"$LEDGER\"\n"),
    ("await", "#!/bin/sh\nwhile [ ! -e \"$1\" ]; do sleep 0.02; done\n"),
    ("stubborn", "#!/bin/sh\ntrap '' TERM INT HUP\nnote stubborn\nwhile :; do sleep 0.1; done\n"),
];

/// A project of its own, gone with the value.
pub(crate) struct Project {
    folder: TempDir,
    /// What commands print goes here, out of the project.
    aside: TempDir,
}

/// One thing that happened to a run.
#[derive(Clone, Debug)]
pub(crate) struct Event(pub(crate) Value);

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Nothing for a command that a signal ended.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs. Dropped, it is killed.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: PathBuf,
    pub(crate) stderr: PathBuf,
}

impl Project {
    /// A project with this blueprint.
    pub(crate) fn of(document: &str) -> Self {
        let project = Self {
            folder: TempDir::new().expect("a temporary folder"),
            aside: TempDir::new().expect("a temporary folder"),
        };
        project.write("blueprint.md", document);
        for (name, script) in TOOLS {
            let path = project.aside.path().join(name);
            fs::write(&path, script).expect("a tool");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
        }
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file in a temporary folder");
    }

    /// A command of the tool that sees this folder, the system's programs, and nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
        command.args(arguments);
        self.place(&mut command);
        command
    }

    /// Has a command work in the project.
    pub(crate) fn place(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env_clear();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.aside.path().display()));
        command.env("USER", "ada").env("LEDGER", self.path("ledger")).env(MARK, self.folder.path());
    }

    /// Starts a command and goes on.
    pub(crate) fn start(&self, mut command: Command) -> Running {
        let (mut stdout, mut stderr) = (tempfile::Builder::new(), tempfile::Builder::new());
        let (out, stdout) = stdout.prefix("out").tempfile_in(&self.aside).and_then(keep).expect("a file");
        let (err, stderr) = stderr.prefix("err").tempfile_in(&self.aside).and_then(keep).expect("a file");
        let child = command.stdout(out).stderr(err).spawn().expect("the tool starts");
        Running { child, stdout, stderr }
    }

    /// Runs a command to its end.
    pub(crate) fn outpost(&self, arguments: &[&str]) -> Ended {
        self.start(self.command(arguments)).end()
    }

    /// The folder of the latest run, once there is one.
    pub(crate) fn run_folder(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.path(".outpost/runs")).ok()?;
        runs.map(|entry| entry.expect("an entry").path()).max()
    }

    /// What the journal of the latest run says, whole lines only.
    pub(crate) fn events(&self) -> Vec<Event> {
        let folder = self.run_folder();
        let text = folder.and_then(|folder| fs::read(folder.join("journal.log")).ok()).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = text[..whole].split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.get(9..));
        lines
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .filter_map(|mut line| line.get_mut("e").map(Value::take))
            .map(Event)
            .collect()
    }

    /// The events of a name, as `task` or as `task/attempt/stage`.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        self.events().iter().filter(|event| event.name() == name).map(Event::what).collect()
    }

    /// Lines that tasks wrote.
    pub(crate) fn ledger(&self) -> Vec<String> {
        fs::read_to_string(self.path("ledger")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until it is so.
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(
                begin.elapsed() < PATIENCE,
                "`{what}` never came\njournal: {:#?}\nledger: {:#?}",
                self.events().iter().map(|event| event.0.to_string()).collect::<Vec<_>>(),
                self.ledger()
            );
            thread::sleep(PAUSE);
        }
    }

    /// Waits for a line in the ledger.
    pub(crate) fn until_written(&self, line: &str) {
        self.until(line, || self.ledger().iter().any(|written| written == line));
    }

    /// Waits until no process of this project is left.
    pub(crate) fn until_nothing_runs(&self) {
        let mut left = Vec::new();
        let begin = Instant::now();
        loop {
            left.clone_from(&self.processes());
            if left.is_empty() {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "these run on: {left:?}");
            thread::sleep(PAUSE);
        }
    }

    /// All living processes that descend from commands of this project.
    pub(crate) fn processes(&self) -> Vec<String> {
        let sought = format!("{MARK}={}", self.folder.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ.split(|byte| *byte == 0).any(|one| one == sought.as_bytes()) {
                let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(format!("{pid} {}", String::from_utf8_lossy(&words).replace('\0', " ")));
            }
        }
        found
    }
}

fn keep(file: tempfile::NamedTempFile) -> std::io::Result<(File, PathBuf)> {
    file.keep().map_err(|error| error.error)
}

impl Event {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.text("event")
    }

    pub(crate) fn task(&self) -> &str {
        self.text("task")
    }

    /// `task`, or `task/attempt/stage` for what happens to a stage.
    pub(crate) fn what(&self) -> String {
        match (self.0.get("attempt"), self.text("stage")) {
            (Some(attempt), stage) if !stage.is_empty() => format!("{}/{attempt}/{stage}", self.task()),
            _ => self.task().to_owned(),
        }
    }
}

impl Ended {
    /// Holds the command to its exit code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Holds what it said to people to these words.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in:\n{}", self.stderr);
        }
        self
    }
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child that was not waited for");
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    /// Waits for an end that takes a while.
    pub(crate) fn end_within(mut self, patience: Duration) -> Ended {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(begin.elapsed() < patience, "it hangs:\n{}", read(&self.stderr));
            thread::sleep(PAUSE);
        };
        Ended { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended is no worse for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
