//! A project of a story, and what commands say in it.

use std::fs;
#[cfg(target_os = "linux")]
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything takes, so that only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Project(TempDir);

/// How a command ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    #[track_caller]
    pub(super) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(super) fn out(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    #[track_caller]
    pub(super) fn err(self, text: &str) -> Self {
        assert_eq!(self.stderr, text, "{self:#?}");
        self
    }

    #[track_caller]
    pub(super) fn has(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(super) fn hints(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A child that does not outlive its test.
pub(super) struct Live(pub(super) Child);

impl Live {
    /// Waits for its end.
    pub(super) fn end(mut self) -> i32 {
        until("the child to end", || self.0.try_wait().expect("a child").and_then(|status| status.code()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Project {
    /// A project with this blueprint; `tasks` are the YAML blocks.
    pub(super) fn of(tasks: &[&str]) -> Self {
        let project = Self(TempDir::new().expect("a folder"));
        let mut text = "# A story\n\n<!-- _blueprint_version: 2.0.2 -->\n\n```yaml\nexecution:\n  resource_locks: [{name: database, type: exclusive}]\n```\n".to_owned();
        for task in tasks {
            text += &format!("\n```yaml\n{task}\n```\n");
        }
        fs::write(project.path().join("b.md"), text).expect("written");
        project
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("USER", "ada").env("COLUMNS", "80");
        command.stdin(Stdio::null());
        command
    }

    pub(super) fn say(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs the blueprint to its end, whatever that is.
    pub(super) fn run(&self, code: i32) -> String {
        self.say(&["run", "b.md", "--new-run"]).code(code);
        self.latest()
    }

    pub(super) fn latest(&self) -> String {
        self.runs().pop().expect("a run")
    }

    pub(super) fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path().join(".outpost/runs")) else { return Vec::new() };
        let mut runs: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
        runs.sort();
        runs
    }

    pub(super) fn folder(&self, run: &str) -> PathBuf {
        self.path().join(".outpost/runs").join(run)
    }

    /// Runs the blueprint in the background, until the file of this name is there.
    pub(super) fn begin(&self, sign: &str) -> Live {
        let mut command = self.command(&["run", "b.md", "--new-run"]);
        let live = Live(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts"));
        until("the run to come so far", || self.path().join(sign).exists().then_some(()));
        live
    }

    pub(super) fn make(&self, name: &str) {
        fs::write(self.path().join(name), "").expect("written");
    }
}

/// What a command prints on a terminal.
#[cfg(target_os = "linux")]
pub(super) fn on_terminal(project: &Project, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal of our own");
    unlockpt(&master).expect("a terminal that can be opened");
    let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a path");
    let terminal = fs::OpenOptions::new().read(true).write(true).open(name).expect("its other end");
    let mut master = fs::File::from(master);
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // When nobody holds the other end any more, Linux answers with an error.
        let _ = master.read_to_end(&mut bytes);
        String::from_utf8(bytes).expect("UTF-8")
    });
    let mut command = project.command(arguments);
    command.envs(environment.iter().copied()).stdout(terminal).stderr(Stdio::null());
    let code = Live(command.spawn().expect("it starts")).end();
    // It holds an end of the terminal.
    drop(command);
    assert_eq!(code, 0, "{arguments:?}");
    reader.join().expect("the terminal is read")
}
