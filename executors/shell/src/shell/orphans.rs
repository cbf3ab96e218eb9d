//! What a killed keeper leaves behind, in the runner that collects it.
//!
//! Everything below a keeper has the keeper's session or one of its own, never the runner's; everything the runner
//! starts itself has the runner's. So a child of the runner that is no keeper and has another session was a killed
//! keeper's. This holds if the runner called [`crate::become_subreaper`]; if not, there are none to find here.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use outpost_executor::Process;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use tokio::time::sleep;

use super::locked;
use crate::process::{self, Stat};
use crate::tree;

/// All keepers of this process: whoever looks for orphans must know them all, also another `Shell`'s.
static KEEPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// How long killing may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// Looks at or changes the set of keepers, while nobody takes one of them for an orphan.
pub(super) fn with_keepers<T>(change: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
    change(&mut locked(&KEEPERS))
}

/// Kills and collects all orphans and tells which could not be ended.
pub(super) async fn end() -> Vec<Process> {
    let start = Instant::now();
    loop {
        let orphans = find();
        if orphans.is_empty() {
            return Vec::new();
        }
        if start.elapsed() > PATIENCE {
            return orphans.into_iter().map(Stat::told).collect();
        }
        for orphan in orphans {
            if orphan.is_over() {
                if let Some(pid) = i32::try_from(orphan.pid).ok().and_then(Pid::from_raw) {
                    // Nobody else waits for it; if it cannot be collected, it shows again in the next round.
                    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                }
                continue;
            }
            for stat in tree::members(orphan.pid).iter().chain([&orphan]) {
                // What is gone by now needs no signal; what may not be signalled is told in the end.
                let _ = tree::signal(stat, Signal::KILL);
            }
        }
        sleep(PAUSE).await;
    }
}

fn find() -> Vec<Stat> {
    with_keepers(|keepers| {
        let me = std::process::id();
        let Some(session) = Stat::of(me).map(|stat| stat.session) else {
            return Vec::new();
        };
        let children = process::children(me).unwrap_or_else(|| {
            process::all().filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.parent == me)).collect()
        });
        let children = children.into_iter().filter(|pid| !keepers.contains(pid));
        children.filter_map(Stat::of).filter(|stat| stat.session != session && stat.parent == me).collect()
    })
}
