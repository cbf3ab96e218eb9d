//! What this machine can hold a command with, found by trying.
//!
//! A layer counts when the kernel took it, not when its version promises it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::policy::{Network, Policy};

/// The layers of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The program that binds itself: this one.
    pub(crate) program: PathBuf,
    /// Where bubblewrap lies, if it can make namespaces here.
    pub(crate) bubblewrap: Option<PathBuf>,
    /// The newest version of Landlock that the kernel enforces; 0 without.
    pub(crate) landlock: u8,
    pub(crate) seccomp: bool,
    pub(crate) root: bool,
}

/// What a policy asks for and this machine does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Files outside the policy's paths can be read and written.
    Files,
    /// The network stays open.
    Network,
    /// Any machine can be reached at the ports that are open on loopback.
    PortsOfOthers,
    /// There is no loopback to listen on.
    NoLoopback,
    /// Sockets of daemons can be opened.
    LocalSockets,
    /// Folders within its workspace cannot be kept from it.
    Hidden,
    /// Processes of the same user, the runner among them, can be ended.
    Signals,
    /// System calls that only serve to break out stay open.
    Calls,
    /// It runs as the same user as the runner.
    User,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => {
                "files outside its paths are not kept from it; install bubblewrap, or a kernel with Landlock"
            }
            Self::Network => "the network is not kept from it; install bubblewrap, or a kernel from 6.7 with Landlock",
            Self::PortsOfOthers => "ports are held by number: it may reach other machines at the ports of loopback",
            Self::NoLoopback => "without bubblewrap it has no loopback of its own: its tests cannot listen",
            Self::LocalSockets => "sockets of daemons are not kept from it",
            Self::Hidden => "what lies within its workspace is not kept from it; install bubblewrap",
            Self::Signals => {
                "it may end other processes of its user; install bubblewrap, or a kernel from 6.12 with Landlock"
            }
            Self::Calls => "system calls are not filtered",
            Self::User => "it runs as the same user as the runner: be root, or do not ask for a user",
        })
    }
}

impl Layers {
    /// Tries each layer. Starts one short process, for bubblewrap.
    pub fn probe() -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        Self::probe_with(program)
    }

    /// As `probe`, where another program has the word `__sandbox`.
    pub fn probe_with(program: PathBuf) -> Self {
        #[cfg(target_os = "linux")]
        {
            Self {
                program,
                bubblewrap: crate::bubblewrap::find(),
                landlock: crate::paths::version(),
                seccomp: crate::filter::works(),
                root: rustix::process::geteuid().is_root(),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            Self { program, bubblewrap: None, landlock: 0, seccomp: false, root: false }
        }
    }

    /// The same without bubblewrap, for who wants the layers below it.
    #[must_use]
    pub fn without_bubblewrap(self) -> Self {
        Self { bubblewrap: None, ..self }
    }

    pub fn bubblewrap(&self) -> Option<&Path> {
        self.bubblewrap.as_deref()
    }

    /// The version of Landlock; 0 without.
    pub fn landlock(&self) -> u8 {
        self.landlock
    }

    pub fn seccomp(&self) -> bool {
        self.seccomp
    }

    /// Whether a command can run as a user of its own.
    pub fn can_change_user(&self) -> bool {
        self.root && self.bubblewrap.is_none()
    }

    /// Whether files are kept from a command: without that there is no fence to speak of.
    pub fn hold_files(&self) -> bool {
        self.bubblewrap.is_some() || self.landlock > 0
    }

    /// The process group to signal for a command that was started behind the layers as this process, the leader of a
    /// group; none where the command does not run yet: then nothing is lost with the process itself.
    pub fn group(&self, started: u32) -> Option<u32> {
        #[cfg(target_os = "linux")]
        if self.bubblewrap.is_some() {
            return crate::bubblewrap::leader(started);
        }
        Some(started)
    }

    /// The layers in a line.
    pub fn names(&self) -> String {
        let landlock = (self.landlock > 0).then(|| format!("Landlock {}", self.landlock));
        let names = [
            self.bubblewrap.as_ref().map(|_| "bubblewrap".to_owned()),
            landlock,
            self.seccomp.then(|| "seccomp".to_owned()),
        ];
        let names: Vec<String> = names.into_iter().flatten().collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// What of this policy stays open here.
    pub fn gaps(&self, policy: &Policy) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let wrapped = self.bubblewrap.is_some();
        if !wrapped && self.landlock == 0 {
            gaps.push(Gap::Files);
        }
        match &policy.network {
            Network::On => {}
            Network::Off if wrapped || self.seccomp => {}
            Network::Loopback { ports } if ports.is_empty() && wrapped => {}
            Network::Loopback { .. } if self.landlock >= 4 && self.seccomp => {
                gaps.push(Gap::PortsOfOthers);
                if !wrapped {
                    gaps.push(Gap::NoLoopback);
                }
            }
            Network::Off | Network::Loopback { .. } => gaps.push(Gap::Network),
        }
        if !wrapped && !policy.hidden.is_empty() {
            gaps.push(Gap::Hidden);
        }
        if !wrapped && self.landlock < 6 {
            gaps.push(Gap::Signals);
        }
        if !policy.local_sockets && !self.seccomp && !wrapped {
            gaps.push(Gap::LocalSockets);
        }
        if !self.seccomp {
            gaps.push(Gap::Calls);
        }
        if policy.user.is_some() && !self.can_change_user() {
            gaps.push(Gap::User);
        }
        gaps
    }

    /// A line per layer, for `doctor` and for the record of a run.
    pub fn describe(&self) -> Vec<String> {
        let bubblewrap = match &self.bubblewrap {
            Some(path) => format!("bubblewrap: {} with namespaces of its own", path.display()),
            None => "bubblewrap: not here, or without user namespaces".to_owned(),
        };
        let landlock = match self.landlock {
            0 => "Landlock: not here; it needs Linux 5.13".to_owned(),
            version @ 1..4 => format!("Landlock: version {version}, files only; ports need version 4 (Linux 6.7)"),
            version => format!("Landlock: version {version}, files and TCP ports"),
        };
        let seccomp = if self.seccomp { "seccomp: system calls are filtered" } else { "seccomp: not here" };
        let user = match (self.root, self.bubblewrap.is_some()) {
            (true, false) => "user: commands can have one of their own",
            (true, true) => "user: root of a namespace of its own",
            (false, _) => "user: the runner's own",
        };
        vec![
            bubblewrap,
            landlock,
            seccomp.to_owned(),
            "limits: files, sizes, no core dumps".to_owned(),
            user.to_owned(),
        ]
    }
}
