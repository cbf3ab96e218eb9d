//! A piece of work, complete: whoever performs it needs to ask nothing more.
//!
//! It is never written down whole: the environment and the input may hold secrets, so it has no serialised form
//! and its `Debug` shows names and sizes only.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Secrets;

/// Which start of which work this is. No two starts share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token {
    pub run: String,
    pub task: String,
    pub attempt: u32,
    pub stage: String,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, task, attempt, stage } = self;
        write!(f, "{run}/{task}/{attempt}/{stage}")
    }
}

/// What becomes of work when the process that started it dies without a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRunnerDeath {
    /// It is ended, with its grace, and how it ended is kept.
    #[default]
    Kill,
    /// It goes on under its timeout and keeps its locks; `reattach` finds it. An executor may refuse this.
    Adopt,
}

/// How much of the output is kept: the first `head` and the last `tail` bytes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCaps {
    pub head: u64,
    pub tail: u64,
}

impl Default for LogCaps {
    fn default() -> Self {
        Self { head: 1 << 20, tail: 15 << 20 }
    }
}

/// A file that receives the standard output byte for byte, for a binding; but secrets are replaced in it like everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdoutFile {
    /// Must not exist yet.
    pub path: PathBuf,
    /// Bytes beyond this are left out, and counted.
    pub most: u64,
}

/// What a process may be limited in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Bytes of address space.
    AddressSpace,
    /// Bytes of a core dump.
    Core,
    /// Seconds of processor time.
    Cpu,
    /// Bytes of a file it writes.
    FileSize,
    /// Highest file descriptor and one.
    OpenFiles,
    /// Processes and threads of the user.
    Processes,
    /// Bytes of stack.
    Stack,
}

/// A limit for each process of the work: it holds from the first instruction, and cannot be raised from a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub resource: Resource,
    pub most: u64,
}

/// A program to run and all that belongs to it.
pub struct Work {
    pub token: Token,
    /// A path, or a name to look for on the `PATH` that the work itself will see.
    pub program: OsString,
    /// From the blueprint, never built from data.
    pub args: Vec<OsString>,
    /// Whether a shell may be left out that would do nothing but start a program.
    pub direct: bool,
    /// Set on top of what the executor's place offers; `OUTPOST_TOKEN` is added by the executor.
    pub env: Vec<(OsString, OsString)>,
    /// Whether a local process sees the runner's own environment below `env`.
    pub inherit_env: bool,
    pub dir: PathBuf,
    /// What is read from standard input; nothing if `None`.
    pub stdin: Option<Vec<u8>>,
    /// Where the output goes, in the format of [`crate::log`]. Not created unless there is output. Must not exist yet;
    /// names derived from it (`….exit`) belong to the executor.
    pub log: PathBuf,
    pub log_caps: LogCaps,
    pub stdout_file: Option<StdoutFile>,
    /// What may be written down nowhere: whatever the work prints goes through a [`crate::Redactor`] first.
    pub secrets: Secrets,
    pub timeout: Option<Duration>,
    /// From the request to end to the end by force.
    pub grace: Duration,
    /// How long processes that outlive the program may go on before they are ended and reported.
    pub leak_timeout: Duration,
    /// Whether processes that outlive the program are let go when it ends well: they are meant to serve others.
    pub stays: bool,
    pub limits: Vec<Limit>,
    /// Locks that stay locked until nothing of the work is left, whoever dies. The caller releases its own copies by
    /// closing them: an explicit unlock would take the lock from the executor too.
    pub locks: Vec<OwnedFd>,
    pub on_runner_death: OnRunnerDeath,
}

impl Work {
    /// Work without arguments, input or limits, with the usual patience.
    pub fn new(token: Token, program: impl Into<OsString>, dir: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            token,
            program: program.into(),
            args: Vec::new(),
            direct: false,
            env: Vec::new(),
            inherit_env: true,
            dir: dir.into(),
            stdin: None,
            log: log.into(),
            log_caps: LogCaps::default(),
            stdout_file: None,
            secrets: Secrets::default(),
            timeout: None,
            grace: Duration::from_secs(10),
            leak_timeout: Duration::from_secs(2),
            stays: false,
            limits: Vec::new(),
            locks: Vec::new(),
            on_runner_death: OnRunnerDeath::Kill,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Work")
            .field("token", &self.token)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .field("dir", &self.dir)
            .field("stdin_bytes", &self.stdin.as_ref().map(Vec::len))
            .field("log", &self.log)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Secrets, Token, Work};

    fn token() -> Token {
        Token { run: "r1".into(), task: "T0.1".into(), attempt: 2, stage: "verify:unit".into() }
    }

    #[test]
    fn a_token_reads_as_a_path() {
        assert_eq!(token().to_string(), "r1/T0.1/2/verify:unit");
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let mut work = Work::new(token(), "bash", "/", "/tmp/log");
        work.env.push(("API_KEY".into(), "hunter2".into()));
        work.stdin = Some(b"hunter2".to_vec());
        work.secrets = Secrets::new([("TOKEN".to_owned(), b"hunter2".to_vec())]);
        let shown = format!("{work:?}");
        assert!(shown.contains("API_KEY") && shown.contains("TOKEN"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
