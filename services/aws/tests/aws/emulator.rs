//! An AWS on this machine: [ministack](https://pypi.org/project/ministack), which `.ci/ministack` brings into
//! `target/ministack`.
//!
//! One per test binary, on a loopback port that the system chooses; a test has an account of its own in it, by a key of twelve
//! digits, and a time of its own: what waits or ends goes by the account's time, which the test sets forward. It lives as long
//! as the binary: its standard input is a pipe of ours, and where that ends, however we do, it ends. Where it is missing a
//! test says so and is skipped; where `CI` is set that is a failure.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// What signs links; the emulator holds signed links to it.
pub(crate) const SECRET: &str = "emulated-emulated-emulated";

#[derive(Debug)]
pub(crate) struct Emulator {
    port: u16,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _child: Child,
    _home: tempfile::TempDir,
}

/// The emulator of this test binary, for a test that goes without where there is none.
pub(crate) fn emulator() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    told(SHARED.get_or_init(|| Emulator::start(false)))
}

/// Another one, that asks who may do what.
pub(crate) fn strict() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    told(SHARED.get_or_init(|| Emulator::start(true)))
}

fn told(started: &'static Result<Emulator, String>) -> Option<&'static Emulator> {
    match started {
        Ok(emulator) => Some(emulator),
        Err(problem) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(std::env::var_os("CI").is_none(), "{test} needs ministack: {problem}");
            // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
            let line = format!("SKIPPED {test}: no ministack ({problem}); .ci/ministack brings it\n");
            let _ = io::stderr().write_all(line.as_bytes());
            None
        }
    }
}

impl Emulator {
    fn start(strict: bool) -> Result<Self, String> {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ministack");
        if !packages.join("ministack").is_dir() {
            return Err("it is not in `target/ministack`".to_owned());
        }
        let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infrastructure/emulator/from_ministack.py");
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = Command::new("python3");
        command.arg(serve).env("PYTHONPATH", &packages).env("BIND_HOST", "127.0.0.1");
        command.env("HOME", home.path()).env("TMPDIR", home.path()).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AUTH", strict.to_string()).env("LOG_LEVEL", "ERROR").env("PYTHONDONTWRITEBYTECODE", "1");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| format!("`python3`: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".to_owned());
        };
        let mut output = BufReader::new(output);
        // It listens already: whoever connects from now on is served.
        match line(&mut output).trim().parse() {
            Ok(port) => Ok(Self { port, pipes: Mutex::new((input, output)), _child: child, _home: home }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err("ministack does not start".to_owned())
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the time of an account so much ahead of the machine's.
    pub(crate) fn ahead(&self, account: &str, by: Duration) {
        let mut pipes = self.pipes.lock().expect("no panic before");
        writeln!(pipes.0, "{account} {}", by.as_secs_f64()).expect("it listens");
        assert_eq!(line(&mut pipes.1).trim(), "set");
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    let _ = output.read_line(&mut line);
    line
}
