//! The engines that may be here, found by asking them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use outpost_executor::{Resource, Token};
use rustix::process::getrlimit;
use serde::{Deserialize, Serialize};

use crate::{decoded, name_of};

/// How long an engine may take to answer; one whose daemon hangs is none.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Docker,
    Podman,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// An engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    pub kind: Kind,
    pub program: PathBuf,
    /// What stands before its command.
    pub options: Vec<OsString>,
    /// Who runs the blueprint: user and group.
    pub user: (u32, u32),
    /// What containers are limited to where their work says nothing: soft and hard, as the client reads it.
    pub limits: Vec<(Resource, String)>,
}

/// Why there is no engine, or what it did not do.
#[derive(Debug)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl Engine {
    /// The wanted one, or the first of docker and podman that answers.
    pub fn find(wanted: Option<Kind>, path: &OsStr) -> Result<Self, Fault> {
        let kinds = wanted.map_or(vec![Kind::Docker, Kind::Podman], |kind| vec![kind]);
        let mut said = Vec::new();
        for kind in kinds {
            let Some(program) = on(path, kind.name()) else {
                said.push(format!("`{}` is not on the PATH", kind.name()));
                continue;
            };
            let mut options = Vec::new();
            if kind == Kind::Podman
                && Path::new("/sys/fs/cgroup/unified").is_dir()
                && let Some(runc) = on(path, "runc")
            {
                // With both generations of control groups at once, podman's first choice does not start anything.
                options.extend(["--runtime".into(), runc.into_os_string()]);
            }
            let user = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            let limits = if kind == Kind::Podman { own_limits() } else { Vec::new() };
            let engine = Self { kind, program, options, user, limits };
            match engine.ask(&["info".into()]) {
                Ok(_) => return Ok(engine),
                Err(Fault(reason)) => said.push(reason),
            }
        }
        Err(Fault(format!("no container engine answers: {}; start docker, or install podman", said.join("; "))))
    }

    /// Removes what may be left of the container of some work, running or not. That there is none is fine.
    pub fn remove(&self, token: &Token) -> Result<(), Fault> {
        self.remove_named(&name_of(token))
    }

    pub(crate) fn remove_named(&self, name: &str) -> Result<(), Fault> {
        let mut args: Vec<OsString> = ["rm", "--force", "--volumes"].map(Into::into).into();
        // Podman would ask once more, and wait ten seconds.
        args.extend((self.kind == Kind::Podman).then(|| "--time=0".into()));
        args.push(name.into());
        match self.ask(&args) {
            // Older ones call it an error; some are removing it at this moment.
            Err(Fault(reason))
                if !["no such container", "no container with name", "already in progress"]
                    .iter()
                    .any(|fine| reason.to_ascii_lowercase().contains(fine)) =>
            {
                Err(Fault(reason))
            }
            _ => Ok(()),
        }
    }

    /// All containers of work of this scope, running or not. Whoever asks knows which of that work is over.
    pub fn leftovers(&self, scope: &str) -> Result<Vec<Token>, Fault> {
        let filter = format!("label=outpost.scope={scope}");
        let args = ["ps", "--all", "--no-trunc", "--filter", filter.as_str(), "--format", "{{.Names}}"];
        let listed = self.ask(&args.map(OsString::from))?;
        Ok(String::from_utf8_lossy(&listed).lines().filter_map(|name| decoded(name.trim())).collect())
    }

    fn ask(&self, args: &[OsString]) -> Result<Vec<u8>, Fault> {
        let mut command = Command::new(&self.program);
        command.args(&self.options).args(args).stdin(Stdio::null());
        let what = args.first().map(|arg| arg.to_string_lossy()).unwrap_or_default();
        let shown = format!("{} {what}", self.kind.name());
        let output = answered(command).map_err(|reason| Fault(format!("`{shown}` {reason}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("nothing").to_owned();
        Err(Fault(format!("`{shown}` says `{said}`")))
    }
}

/// Podman starts containers itself, with limits of its own that a small machine may not grant: ours it does. Of processes
/// it has no more itself than the machine has numbers for them.
fn own_limits() -> Vec<(Resource, String)> {
    let numbers = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    let words = |resource, most: Option<u64>| {
        let limit = getrlimit(resource);
        let word = |own: Option<u64>| {
            own.into_iter().chain(most).min().map_or_else(|| "-1".to_owned(), |number| number.to_string())
        };
        format!("{}:{}", word(limit.current), word(limit.maximum))
    };
    vec![
        (Resource::OpenFiles, words(rustix::process::Resource::Nofile, None)),
        (Resource::Processes, words(rustix::process::Resource::Nproc, numbers)),
    ]
}

fn answered(mut command: Command) -> Result<Output, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| format!("could not be started: {error}"))?;
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(output) => output.map_err(|error| format!("could not be heard: {error}")),
        Err(_) => {
            // It has not been collected: that thread still waits for it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            Err(format!("did not answer for {} seconds", PATIENCE.as_secs()))
        }
    }
}

fn on(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|at| at.is_file())
}
