//! Processes that outlived both their runner and their keeper, found by the token in their environment.
//!
//! This is the last resort: it misses a process that cleared its environment and left its parent. While the runner or
//! the keeper lives, their trees miss none.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use outpost_executor::{Process, Token};
use rustix::process::Signal;

use crate::keeper;
use crate::process::{self, Identity, Stat};
use crate::tree;

/// The variable that each process of a task inherits.
pub(crate) const TOKEN: &str = "OUTPOST_TOKEN";

/// From the polite request to the end by force: nobody hears their output any more.
const GRACE: Duration = Duration::from_secs(2);
/// How long an end by force may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Those that carry the token, and all below them.
pub(crate) fn bearing(token: &Token) -> Vec<Stat> {
    let sought = format!("{TOKEN}={token}");
    let mut found = BTreeMap::new();
    for pid in process::all() {
        let bears = fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == sought.as_bytes()));
        if let Some(stat) = bears.then(|| Stat::of(pid)).flatten().filter(|stat| !stat.is_over()) {
            found.extend(tree::members(pid).into_iter().map(|stat| (stat.pid, stat)));
            found.insert(pid, stat);
        }
    }
    found.into_values().collect()
}

/// The keeper that answers for these, if one lives.
pub(crate) fn keeper_of(found: &[Stat]) -> Option<Identity> {
    found.iter().find_map(|stat| {
        let mut above = Stat::of(stat.parent)?;
        loop {
            if above.name == keeper::NAME {
                return Identity::of(above.pid);
            }
            above = Stat::of(above.parent)?;
        }
    })
}

/// Ends them all and tells which could not be ended.
pub(crate) async fn end(token: &Token) -> Vec<Process> {
    let start = Instant::now();
    for stat in bearing(token) {
        // One that is gone by now needs no signal.
        let _ = tree::signal(&stat, Signal::TERM);
        let _ = tree::signal(&stat, Signal::CONT);
    }
    loop {
        let left = bearing(token);
        if left.is_empty() || start.elapsed() > GRACE + PATIENCE {
            return left.into_iter().map(Stat::told).collect();
        }
        if start.elapsed() > GRACE {
            for stat in &left {
                let _ = tree::signal(stat, Signal::KILL);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
