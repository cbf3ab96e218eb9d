//! The processes of an agent's task: `outpost-bp __agent ORDER.json` does the work of an attempt, `outpost-bp __land
//! ORDER.json` brings it home. The driver starts them below keepers, like commands. `outpost-bp __sandbox …` is what an agent is
//! before it becomes itself.
//!
//! They are told what to do by files of the run and, for what must not be written, on standard input. They answer with
//! files beside the order, and with what they print, which is the log of their stage. They know nothing of runs.

mod fence;
mod gate;
mod land;
mod repository;
mod work;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::engine::agent::{AGENT, LAND, SANDBOX};

/// Runs what the words of the command line ask for, if they ask for one of these.
pub(super) fn main(word: &OsString) -> Option<ExitCode> {
    let go = match word.to_str()? {
        AGENT => work::main,
        LAND => land::main,
        SANDBOX => return Some(outpost_sandbox::main(std::env::args_os().skip(2))),
        _ => return None,
    };
    let order = std::env::args_os().nth(2).unwrap_or_default();
    Some(go(Path::new(&order)))
}

/// Says why it did not work.
fn complain(what: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "{what}");
}
