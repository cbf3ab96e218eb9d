//! Facts about processes, from `/proc`.

use std::fs;

use outpost_executor::Process;
use serde::{Deserialize, Serialize};

/// A process beyond doubt: its number is used again, together with its start and the boot it never is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks since the boot.
    pub(crate) started: u64,
    pub(crate) boot: String,
}

impl Identity {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: Stat::of(pid)?.started, boot: boot()? })
    }

    /// Whether it runs still. A process that has ended and that nobody has collected does not.
    pub(crate) fn is_alive(&self) -> bool {
        boot().is_some_and(|boot| boot == self.boot)
            && Stat::of(self.pid).is_some_and(|stat| stat.started == self.started && !stat.is_over())
    }
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// The part of `/proc/PID/stat` that is of use here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    state: u8,
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) started: u64,
}

impl Stat {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `PID (NAME) STATE PPID PGRP SESSION …`; the name may hold anything, blanks and parentheses too.
    fn read(pid: u32, text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        // Field 22 of the line.
        let started = fields.nth(15)?.parse().ok()?;
        Some(Self { pid, name, state, parent, group, session, started })
    }

    /// It has ended and waits for its parent to notice.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(crate) fn told(self) -> Process {
        Process { pid: self.pid, name: self.name }
    }
}

/// All processes that can be seen.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Its children at this moment. `None` where the kernel does not tell.
///
/// A child may be missing while others end; whoever needs all of them asks until there are none.
pub(crate) fn children(pid: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    let mut told = false;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        if let Ok(list) = fs::read_to_string(thread.path().join("children")) {
            told = true;
            found.extend(list.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    told.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{Identity, Stat};

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let text = b"42 (a) R 7 (x) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2 3";
        let stat = Stat::read(42, text).expect("a line");
        assert_eq!((stat.name.as_str(), stat.parent, stat.session, stat.started), ("a) R 7 (x", 7, 9, 12345));
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let me = Identity::of(std::process::id()).expect("myself");
        assert!(me.is_alive());
        assert!(!Identity { started: me.started - 1, ..me.clone() }.is_alive());
        assert!(!Identity { boot: "another".into(), ..me }.is_alive());
    }
}
