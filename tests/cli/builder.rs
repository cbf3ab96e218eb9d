//! One run of the real `outpost-bp`, held to everything it does.
//!
//! Strict: standard output and standard error must be empty, the exit code 0 and the folder as it
//! was, unless the test says otherwise. The child sees no environment but what a test gives it.
//! A child that hangs is killed and fails its test; no test measures time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far beyond what any command takes, so that only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a stream must hold.
enum Expected {
    Exactly(String),
    /// The snapshot of this name.
    Snapshot(&'static str),
    /// Whatever this accepts.
    Fitting(Box<dyn FnOnce(&str)>),
}

/// Where a child's standard output leads.
enum Sink {
    Captured,
    /// A pipe that nobody reads.
    Closed,
    /// This file, such as a terminal.
    File(File),
}

#[must_use = "a test that is not run tests nothing"]
pub(crate) struct Test {
    folder: TempDir,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
    input: Option<Vec<u8>>,
    /// A file that standard input comes from instead.
    source: Option<&'static str>,
    sink: Sink,
    stdout: Expected,
    stderr: Expected,
    code: i32,
    /// What the folder holds before the run, and after it.
    files: BTreeMap<PathBuf, Vec<u8>>,
    memory: Option<u64>,
}

impl Test {
    /// A run of `outpost-bp` with these arguments in an empty folder.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: Vec::new(),
            input: None,
            source: None,
            sink: Sink::Captured,
            stdout: Expected::Exactly(String::new()),
            stderr: Expected::Exactly(String::new()),
            code: 0,
            files: BTreeMap::new(),
            memory: None,
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Writes a file into the folder; it must be there, unchanged, after the run.
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder for the file");
        fs::write(&path, content.as_ref()).expect("a file in a temporary folder");
        self.files.insert(name.into(), content.as_ref().to_vec());
        self
    }

    /// What a file holds after the run.
    pub(crate) fn leaves(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(name.into(), content.as_ref().to_vec());
        self
    }

    /// The folder, for what is no ordinary file.
    pub(crate) fn prepare(self, make: impl FnOnce(&Path)) -> Self {
        make(self.folder.path());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = Some(bytes.as_ref().to_vec());
        self
    }

    pub(crate) fn stdin_from(mut self, path: &'static str) -> Self {
        self.source = Some(path);
        self
    }

    pub(crate) fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = Expected::Exactly(text.into());
        self
    }

    pub(crate) fn stdout_snapshot(mut self, name: &'static str) -> Self {
        self.stdout = Expected::Snapshot(name);
        self
    }

    pub(crate) fn stdout_fits(mut self, look: impl FnOnce(&str) + 'static) -> Self {
        self.stdout = Expected::Fitting(Box::new(look));
        self
    }

    pub(crate) fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = Expected::Exactly(text.into());
        self
    }

    pub(crate) fn stderr_snapshot(mut self, name: &'static str) -> Self {
        self.stderr = Expected::Snapshot(name);
        self
    }

    pub(crate) fn stderr_fits(mut self, look: impl FnOnce(&str) + 'static) -> Self {
        self.stderr = Expected::Fitting(Box::new(look));
        self
    }

    pub(crate) fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// Standard output is a pipe whose reader has gone.
    pub(crate) fn closed_pipe(mut self) -> Self {
        self.sink = Sink::Closed;
        self
    }

    /// Standard output goes to this file.
    pub(crate) fn into_file(mut self, file: File) -> Self {
        self.sink = Sink::File(file);
        self
    }

    /// Gives the child this much address space, in MiB: an allocation beyond it fails.
    pub(crate) fn memory(mut self, mebibytes: u64) -> Self {
        self.memory = Some(mebibytes);
        self
    }

    pub(crate) fn run(self) {
        let shown: Vec<String> =
            self.arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let shown = format!("outpost-bp {}", shown.join(" "));
        let mut command = self.command();
        let mut child = command.spawn().expect("the binary starts");
        // The command holds ends of the pipes that the child must be the only one to hold.
        drop(command);
        let feeder = child.stdin.take().zip(self.input).map(|(mut pipe, input)| {
            // A child that has read enough closes its end.
            thread::spawn(move || drop(pipe.write_all(&input)))
        });
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        let code = wait(&mut child, &shown);
        let text = |stream: Option<thread::JoinHandle<Vec<u8>>>| {
            let bytes = stream.map(|stream| stream.join().expect("a stream is read")).unwrap_or_default();
            String::from_utf8(bytes).expect("output is UTF-8")
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        if let Some(feeder) = feeder {
            feeder.join().expect("standard input is fed");
        }
        assert_eq!(code, Some(self.code), "exit code of `{shown}`\nstdout:\n{stdout}\nstderr:\n{stderr}");
        judge(self.stderr, &stderr, &format!("standard error of `{shown}`"));
        judge(self.stdout, &stdout, &format!("standard output of `{shown}`"));
        for (name, content) in &self.files {
            let found = fs::read(self.folder.path().join(name)).expect("the file is still there");
            let (found, content) = (String::from_utf8_lossy(&found), String::from_utf8_lossy(content));
            assert!(found == content, "`{}` after `{shown}`:\n{found}", name.display());
        }
        let mut left = Vec::new();
        list(self.folder.path(), self.folder.path(), &mut left);
        left.retain(|name| !self.files.contains_key(name));
        assert_eq!(left, Vec::<PathBuf>::new(), "files that `{shown}` left behind");
    }

    fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_outpost-bp");
        let mut command = match self.memory {
            None => Command::new(binary),
            Some(mebibytes) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &(mebibytes * 1024).to_string(), binary]);
                shell
            }
        };
        command.args(&self.arguments).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.stdin(match self.source {
            Some(path) => File::open(path).expect("a file to read from").into(),
            None if self.input.is_some() => Stdio::piped(),
            None => Stdio::null(),
        });
        command.stdout(match &self.sink {
            Sink::Captured => Stdio::piped(),
            Sink::Closed => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                writer.into()
            }
            Sink::File(file) => file.try_clone().expect("a second handle").into(),
        });
        command.stderr(Stdio::piped());
        command
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe is readable");
        bytes
    })
}

/// The exit code; `None` for a child that a signal ended.
fn wait(child: &mut Child, shown: &str) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return status.code();
        }
        if begin.elapsed() > PATIENCE {
            child.kill().expect("the child can be ended");
            child.wait().expect("the child ends");
            panic!("`{shown}` hangs");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn judge(expected: Expected, found: &str, what: &str) {
    match expected {
        Expected::Exactly(text) => assert!(found == text, "{what}\nexpected:\n{text}\nfound:\n{found}"),
        Expected::Snapshot(name) => {
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("transcripts");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!(name, found));
        }
        Expected::Fitting(look) => look(found),
    }
}

/// Ordinary files below a folder.
fn list(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("an entry exists").file_type();
        if kind.is_dir() {
            list(root, &path, found);
        } else if kind.is_file() {
            found.push(path.strip_prefix(root).expect("a path below the root").to_owned());
        }
    }
}
