//! Who a process is, so that another one can tell later whether it still lives.
//!
//! A process id alone names whoever got it last; with the time the process started and the boot of
//! the machine it names one process for ever. Another host or another process namespace cannot be
//! seen from here: the answer is then [`Life::Unknown`], never a guess.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One process of one boot of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// When it started, in ticks since the boot; none where the system does not say.
    pub started: Option<u64>,
    /// The boot it started in.
    pub boot: Option<String>,
    pub host: String,
    /// The process namespace in which `pid` means something.
    pub namespace: Option<String>,
}

/// What is known about a process that once said who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Alive,
    /// Gone, or dead and not yet collected by its parent.
    Dead,
    /// It cannot be seen from here.
    Unknown,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: Stat::of(pid).map(|stat| stat.started),
            boot: boot(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            namespace: namespace(),
        }
    }

    /// Whether it lives, as far as this process can see.
    pub fn life(&self) -> Life {
        let here = Self::current();
        if self.host != here.host {
            return Life::Unknown;
        }
        if self.boot.is_some() && here.boot.is_some() && self.boot != here.boot {
            return Life::Dead;
        }
        if self.namespace != here.namespace || self.started.is_none() || here.started.is_none() {
            return Life::Unknown;
        }
        match Stat::of(self.pid) {
            Some(stat) if Some(stat.started) == self.started && !stat.ended => Life::Alive,
            _ => Life::Dead,
        }
    }
}

/// The two fields of `/proc/PID/stat` that matter here.
struct Stat {
    started: u64,
    ended: bool,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
        // The command's name stands in parentheses and may hold blanks and parentheses itself.
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        Some(Self { started: fields.nth(18)?.parse().ok()?, ended: matches!(state, "Z" | "X") })
    }
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

fn namespace() -> Option<String> {
    fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{Life, Process, Stat};

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_id_is_another() {
        let this = Process::current();
        assert_eq!(this.life(), Life::Alive);
        let reused = Process { started: this.started.map(|ticks| ticks + 1), ..this.clone() };
        assert_eq!(reused.life(), Life::Dead);
        let rebooted = Process { boot: Some("another".to_owned()), ..this.clone() };
        assert_eq!(rebooted.life(), Life::Dead);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let this = Process::current();
        assert_eq!(Process { host: "elsewhere".to_owned(), ..this.clone() }.life(), Life::Unknown);
        assert_eq!(Process { namespace: Some("pid:[1]".to_owned()), ..this.clone() }.life(), Life::Unknown);
        assert_eq!(Process { started: None, ..this }.life(), Life::Unknown);
    }

    #[test]
    fn a_process_that_is_dead_but_not_collected_is_dead() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let other =
            Process { pid: child.id(), started: Stat::of(child.id()).map(|stat| stat.started), ..Process::current() };
        assert_eq!(other.life(), Life::Alive);
        child.kill().expect("the child is there");
        while Stat::of(child.id()).is_some_and(|stat| !stat.ended) {
            std::thread::yield_now();
        }
        assert_eq!(other.life(), Life::Dead);
        child.wait().expect("the child is ours");
        assert_eq!(other.life(), Life::Dead);
    }
}
