//! What only tests of sudden ends need to see of a project and its commands.

use std::fs;

use rustix::process::{Signal, kill_process_group};

use crate::project::{Project, Running};

impl Project {
    /// How many runs there were.
    pub(crate) fn runs(&self) -> usize {
        fs::read_dir(self.path(".outpost/runs")).map_or(0, Iterator::count)
    }
}

impl Running {
    /// Signals it and all that are in its group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).expect("a child that leads a group");
    }

    /// What it said to people so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}
