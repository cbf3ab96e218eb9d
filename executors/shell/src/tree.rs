//! All processes below one, and signals to them.
//!
//! A signal never reaches a stranger: a process is first found below the root, then held by a descriptor, then
//! looked at once more, and only then signalled through the descriptor; a group is signalled while one that was found is
//! in it, or its number is nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::process::{self, Stat};

/// The processes below `root`, parents first. Those that have ended are left out.
///
/// The root is expected to collect its orphans, so that its direct children keep their numbers while this looks.
pub(crate) fn members(root: u32) -> Vec<Stat> {
    let below = Below::new();
    let mut found: Vec<Stat> = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut next = 0;
    let (mut parent, mut born) = (root, None);
    loop {
        for pid in below.of(parent) {
            let Some(stat) = Stat::of(pid) else {
                continue;
            };
            // Its parent may have died just now and left it to the root.
            if (stat.parent == parent || stat.parent == root) && seen.insert(pid) {
                found.push(stat);
            }
        }
        // A parent that was replaced while its children were read had none of them.
        if born.is_some_and(|born| Stat::of(parent).is_some_and(|now| now.started != born)) {
            found.retain(|stat| stat.parent != parent);
        }
        let Some(stat) = found.get(next) else {
            break;
        };
        (parent, born) = (stat.pid, Some(stat.started));
        next += 1;
    }
    found.retain(|stat| !stat.is_over());
    found
}

/// Who is whose child.
enum Below {
    /// The kernel tells for each process.
    Told,
    /// It does not (a build option): all processes were looked at once.
    Looked(BTreeMap<u32, Vec<u32>>),
}

impl Below {
    fn new() -> Self {
        if process::children(std::process::id()).is_some() { Self::Told } else { Self::look() }
    }

    fn look() -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for stat in process::all().filter_map(Stat::of) {
            children.entry(stat.parent).or_default().push(stat.pid);
        }
        Self::Looked(children)
    }

    fn of(&self, pid: u32) -> Vec<u32> {
        match self {
            Self::Told => process::children(pid).unwrap_or_default(),
            Self::Looked(children) => children.get(&pid).cloned().unwrap_or_default(),
        }
    }
}

/// Sends a signal to a process that was found earlier, if it is still that one.
pub(crate) fn signal(found: &Stat, signal: Signal) -> Result<(), Errno> {
    let Some(pid) = i32::try_from(found.pid).ok().and_then(Pid::from_raw) else {
        return Err(Errno::SRCH);
    };
    let held = pidfd_open(pid, PidfdFlags::empty())?;
    match Stat::of(found.pid) {
        Some(now) if now.started == found.started => pidfd_send_signal(held, signal),
        _ => Err(Errno::SRCH),
    }
}

/// Kills whole groups of processes. Those that fork faster than they are found one by one do not get away: whoever is
/// born while its group is killed is killed, too. They were found below `root`.
pub(crate) fn kill_groups(root: u32, found: &[Stat]) {
    let own = getpgrp();
    let groups: BTreeSet<u32> = found.iter().map(|stat| stat.group).collect();
    for group in groups {
        let Some(id) = i32::try_from(group).ok().and_then(Pid::from_raw).filter(|id| *id != own) else {
            continue;
        };
        // A group keeps its number while somebody is in it.
        let is_in = |stat: &Stat| {
            stat.group == group
                && Stat::of(stat.pid).is_some_and(|now| now.started == stat.started && now.group == group)
        };
        // Those that were found may have ended by now, and only their children be left. Numbers are given out in turn: it
        // takes longer until this one comes round, and then it is somebody's who was not found.
        let is_free = || Stat::of(group).is_none_or(|leader| leader.parent == root && leader.is_over());
        if found.iter().any(is_in) || is_free() {
            // Nobody left is as good.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::Signal;

    use super::{Below, members, signal};

    #[test]
    fn a_tree_is_seen_whole_and_ends_by_signals() {
        let script = "sh -c 'sleep 1000 & wait' & wait";
        let mut shell = Command::new("sh").args(["-c", script]).spawn().expect("a shell");
        // A child has its parent's name until it is the program it was made for.
        let below = loop {
            let below = members(shell.id());
            if below.iter().map(|stat| stat.name.as_str()).eq(["sh", "sleep"]) {
                break below;
            }
            assert!(shell.try_wait().expect("a child").is_none(), "it ended: {below:?}");
            std::thread::yield_now();
        };
        assert!(Below::look().of(shell.id()).contains(&below.first().expect("two").pid));
        for stat in &below {
            signal(stat, Signal::KILL).expect("it is there");
        }
        shell.wait().expect("it was started");
        assert_eq!(members(shell.id()), []);
    }
}
