//! What the tests share: a folder, a shell whose keepers are the probe, and looks at the processes of the folder.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use outpost_executor::log::{Entry, Reader, Stream};
use outpost_executor::{Executor, Handle, Outcome, Report, Token, Trace, Work};
use outpost_shell::{Keepers, Shell, keeper};
use tempfile::TempDir;

pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_outpost-shell-probe");

/// After so long a test is taken to hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a test on a runtime of one thread.
pub(crate) fn on_tokio<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") })
}

pub(crate) fn keepers() -> Keepers {
    Keepers { program: PROBE.into(), args: vec![keeper::ARGUMENT.into()], ..Keepers::default() }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same, while others go on.
pub(crate) async fn meanwhile(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A folder of its own for a test. Tasks start in it, so it tells their processes from all others.
pub(crate) struct Stage {
    folder: TempDir,
    number: AtomicU32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), number: AtomicU32::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn touch(&self, name: &str) {
        File::create(self.path(name)).expect("a file");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a text")
    }

    /// Work for bash, with a log and a token of its own.
    pub(crate) fn work(&self, script: &str) -> Work {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // Tests run at the same time, and one must not find the processes of another.
        let run = self.folder.path().file_name().expect("a name").to_string_lossy().into_owned();
        let token = Token { run, task: format!("T{number}"), attempt: 1, stage: "run".into() };
        let mut work = Work::new(token, "bash", self.folder.path(), self.path(&format!("logs/T{number}")));
        work.args = ["-c", script].map(Into::into).to_vec();
        work.grace = Duration::from_millis(300);
        work
    }

    /// Processes that have this folder as their own.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.folder.path().canonicalize().expect("a folder");
        let here = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
        let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        pids().filter(here).map(|pid| format!("{pid} {}", name(pid))).collect()
    }

    /// Starts a runner in a process of its own, in this folder.
    pub(crate) fn runner(&self, options: &[&str], script: &str) -> Runner {
        let mut command = Command::new(PROBE);
        command.arg("run").args(["--log"]).arg(self.path("log"));
        command.args(["--task", &self.folder.path().display().to_string()]);
        command.args(["--grace-ms", "300"]).args(options).args(["--", "bash", "-c"]);
        command.arg(format!("cd '{}'; {script}", self.folder.path().display()));
        Runner::new(command)
    }

    /// The token that `runner` uses.
    pub(crate) fn token(&self) -> Token {
        let task = self.folder.path().display().to_string();
        Token { run: "probe".into(), task, attempt: 1, stage: "run".into() }
    }

    /// Whether somebody holds the lock of that name.
    pub(crate) fn is_locked(&self, name: &str) -> bool {
        let file = File::options().create(true).append(true).open(self.path(name)).expect("a lock file");
        match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => panic!("{error}"),
        }
    }
}

pub(crate) fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A field of `/proc/PID/status`, or nothing when there is no such process.
pub(crate) fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// Whether it has ended, collected or not.
pub(crate) fn is_over(pid: u32) -> bool {
    status(pid, "State").is_none_or(|state| state.starts_with('Z'))
}

/// The keeper that a handle names.
pub(crate) fn keeper_of(handle: &Handle) -> u32 {
    let place: serde_json::Value = serde_json::from_str(&handle.0).expect("a handle");
    place.pointer("/keeper/pid").and_then(serde_json::Value::as_u64).expect("a keeper").try_into().expect("a pid")
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// A runner in a process of its own.
pub(crate) struct Runner {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
}

impl Runner {
    pub(crate) fn new(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the probe");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    pub(crate) fn handle(&mut self) -> Handle {
        Handle(self.line())
    }

    pub(crate) fn report(&mut self) -> Report {
        serde_json::from_str(&self.line()).expect("a report")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the runner is there");
        self.child.wait().expect("its end");
    }
}

/// Starts, waits, settles.
pub(crate) async fn perform(shell: &Shell, work: Work) -> Report {
    let handle = shell.start(work).await.expect("a start");
    let report = shell.wait(&handle).await;
    shell.settle(&handle);
    report
}

/// The same with a shell of its own.
pub(crate) fn report(work: Work) -> Report {
    on_tokio(async { perform(&Shell::new(keepers()), work).await })
}

pub(crate) fn outcome(work: Work) -> Outcome {
    report(work).outcome
}

pub(crate) fn trace<'a>(token: &'a Token, log: &'a Path, handle: Option<&'a Handle>) -> Trace<'a> {
    Trace { token, log, handle }
}

/// What a log holds, streams told apart.
pub(crate) fn logged(log: &Path) -> Vec<(Stream, Vec<u8>)> {
    let mut reader = Reader::open(log).expect("a log");
    let mut all = Vec::new();
    while let Some(entry) = reader.next().expect("a whole log") {
        match entry {
            Entry::Output { stream, bytes, .. } => all.push((stream, bytes)),
            Entry::Cut { stdout, stderr } => panic!("{stdout} and {stderr} bytes were cut"),
        }
    }
    all
}

/// One of each kind of process that does not want to end, and a mark `all-there` when all of them are there.
pub(crate) const HOSTILE: &str = r#"
(setsid sh -c 'touch ready.daemon; exec sleep 1000' </dev/null >/dev/null 2>&1 &)
sh -c 'trap "" TERM HUP INT; touch ready.deaf; while :; do sleep 1; done' &
sh -c 'touch ready.stopped; kill -STOP $$; sleep 1000' &
nohup sh -c 'touch ready.nohup; exec sleep 1000' >/dev/null 2>&1 &
(env -i setsid /bin/sh -c 'exec <&- >&- 2>&-; touch ready.bare; exec /bin/sleep 1000' &)
(setsid sh -c 'touch ready.holder; exec sleep 1000' &)
for kind in daemon deaf stopped nohup bare holder; do
  until [ -e ready.$kind ]; do sleep 0.01; done
done
touch all-there
"#;
