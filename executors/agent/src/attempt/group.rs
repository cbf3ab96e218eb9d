//! The processes of an agent that was started, to be signalled together.
//!
//! Behind bubblewrap the agent leads a session of its own, below the process that was started. That one is not asked to end
//! before the agent has: it would leave the agent behind. What has left the group is for the keeper to end.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

use super::fence::Walls;

#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    started: Option<u32>,
    walls: Option<&'a Walls<'a>>,
}

impl<'a> Group<'a> {
    /// Of a child that leads a group.
    pub(super) fn of(child: &Child, walls: Option<&'a Walls<'a>>) -> Self {
        Self { started: child.id(), walls }
    }

    /// Nobody left is as good.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(started) = self.started else { return };
        let inner = self.walls.map_or(Some(started), |walls| walls.group(started));
        let is_told = inner.and_then(pid).is_some_and(|inner| kill_process_group(inner, signal).is_ok());
        // An agent that does not run yet has nothing to lose.
        if inner != Some(started) && (!is_told || signal == Signal::KILL) {
            let _ = pid(started).map(|started| kill_process_group(started, Signal::KILL));
        }
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
