//! The one place of the worker that starts git.
//!
//! Every call has an environment made from nothing, no configuration but its repository's, and settings that leave nothing
//! to be started or asked: no hook, no filter, no other transport, no redirect, no helper, no pager, no submodule.

use std::path::Path;
use std::process::{Command, Stdio};

const SETTINGS: [&str; 24] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.protectNTFS=true",
    "core.protectHFS=true",
    "core.pager=cat",
    "credential.helper=",
    "credential.useHttpPath=false",
    "http.followRedirects=false",
    // A server that sends nothing for a minute has no job's time.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "http.proxy=",
    "transfer.credentialsInUrl=die",
    "transfer.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "diff.external=",
];

/// The certificates of the operator, and where programs are.
const PASSED: [&str; 4] = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];

/// A call of git. What it says goes where this process says it.
#[derive(Debug)]
pub(super) struct Git(Command);

impl Git {
    pub(super) fn new(repository: &Path) -> Self {
        let mut command = Command::new("git");
        command.env_clear().envs(PASSED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.envs([
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "false"),
            ("SSH_ASKPASS", "false"),
            ("GIT_SSH_COMMAND", "false"),
            ("GIT_EDITOR", "false"),
            ("GIT_PAGER", "cat"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_ADVICE", "0"),
        ]);
        command.arg("--git-dir").arg(repository);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        Self(command)
    }

    pub(super) fn set(mut self, setting: &str) -> Self {
        self.0.args(["-c", setting]);
        self
    }

    pub(super) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(super) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.0.args(args);
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(super) fn dir(mut self, dir: &Path) -> Self {
        self.0.arg("--work-tree").arg(dir).current_dir(dir);
        self
    }

    pub(super) fn from(mut self, input: impl Into<Stdio>) -> Self {
        self.0.stdin(input);
        self
    }

    pub(super) fn to(mut self, out: impl Into<Stdio>) -> Self {
        self.0.stdout(out);
        self
    }

    /// What it says of its troubles is nobody's matter.
    pub(super) fn quiet(mut self) -> Self {
        self.0.stderr(Stdio::null());
        self
    }

    /// Whether it ended well.
    pub(super) fn run(mut self) -> Result<bool, String> {
        self.0.status().map(|status| status.success()).map_err(|error| format!("`git` could not be started: {error}"))
    }

    /// What it printed, if it ended well.
    pub(super) fn bytes(mut self) -> Result<Option<Vec<u8>>, String> {
        let output = self.0.stdout(Stdio::piped()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("`git` could not be started: {error}"))?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The same, of a line.
    pub(super) fn line(self) -> Result<Option<String>, String> {
        let printed = self.bytes()?;
        Ok(printed.map(|bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned()))
    }
}
