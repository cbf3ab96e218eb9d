//! Work of a runner that is gone: where it is, and how it ended.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outpost_executor::{Handle, Outcome, Process, Report, Standing, Token, Trace};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::order::Text;
use crate::process::Identity;
use crate::{record, survivors};

/// Between two looks at a keeper, at first and at most. There is no socket to it, and tokio has no safe way to wait for
/// a descriptor of a process that is not its child.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// What a handle says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) keeper: Identity,
    pub(super) token: Token,
    pub(super) log: Text,
    /// Which start of its runner this is.
    pub(super) number: u64,
}

impl Place {
    pub(super) fn handle(&self) -> Handle {
        // Numbers and text: they have a written form.
        Handle(serde_json::to_string(self).unwrap_or_default())
    }

    fn read(handle: &Handle) -> Option<Self> {
        serde_json::from_str(&handle.0).ok()
    }
}

pub(super) async fn find(trace: Trace<'_>) -> Standing {
    let Trace { token, log, handle } = trace;
    let recorded = || record::read(log, token).map(|report| Standing::Ended(Box::new(report)));
    if let Some(ended) = recorded() {
        return ended;
    }
    let noted = handle.and_then(Place::read).map(|place| place.keeper);
    let keeper = noted.or_else(|| survivors::keeper_of(&survivors::bearing(token)));
    if let Some(keeper) = keeper.filter(Identity::is_alive) {
        let log = Text(log.as_os_str().to_owned());
        let handle = Place { keeper, token: token.clone(), log, number: 0 }.handle();
        return Standing::Running(handle);
    }
    // The keeper may have ended between the two looks.
    if let Some(ended) = recorded() {
        return ended;
    }
    let left = survivors::end(token).await;
    if left.is_empty() {
        return Standing::Unknown;
    }
    Standing::Ended(Box::new(unended(&left)))
}

/// Waits for the keeper of a handle that this process did not start.
pub(super) async fn wait(handle: &Handle) -> Report {
    let Some(place) = Place::read(handle) else {
        return lost(format!("`{handle}` is no handle of a local process"));
    };
    until_over(&place.keeper).await;
    match record::read(&place.log.to_path(), &place.token) {
        Some(report) => report,
        None => unrecorded(&place).await,
    }
}

/// The keeper was killed too.
async fn unrecorded(place: &Place) -> Report {
    let left = survivors::end(&place.token).await;
    let pid = place.keeper.pid;
    if left.is_empty() { lost(format!("its keeper {pid} is gone and left no record")) } else { unended(&left) }
}

async fn until_over(keeper: &Identity) {
    let mut pause = FIRST_PAUSE;
    while keeper.is_alive() {
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// A descriptor of the keeper, if it is still that one.
fn hold(keeper: &Identity) -> Option<OwnedFd> {
    let pid = i32::try_from(keeper.pid).ok().and_then(Pid::from_raw)?;
    let held = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    keeper.is_alive().then_some(held)
}

/// Asks a keeper without a runner to end its task.
pub(super) fn cancel(handle: &Handle) {
    if let Some(held) = Place::read(handle).and_then(|place| hold(&place.keeper)) {
        // One that has ended needs no signal.
        let _ = pidfd_send_signal(held, Signal::TERM);
    }
}

fn unended(left: &[Process]) -> Report {
    let left: Vec<String> = left.iter().map(Process::to_string).collect();
    lost(format!("{} cannot be ended", left.join(", ")))
}

fn lost(reason: String) -> Report {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Report::bare(Outcome::Lost(reason), u64::try_from(at_ms).unwrap_or(u64::MAX))
}
