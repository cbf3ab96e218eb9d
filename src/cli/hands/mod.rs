//! The processes of an agent's task, and of one in a tree of its own: `outpost-bp __agent ORDER.json` does the work of an
//! attempt, `__tree` makes the tree, `__commit` commits what a command left there, `__land` brings it home. The driver
//! starts them below keepers, like commands. `outpost-bp __sandbox …` is what an agent is before it becomes itself,
//! `outpost-bp __container …` the guard of a container, which `outpost_container` tells of.
//!
//! Those of agents are told what to do by files of the run and, for what must not be written, on standard input. They answer with
//! files beside the order, and with what they print, which is the log of their stage. They know nothing of runs.

mod check;
mod fence;
mod gate;
mod land;
mod repository;
mod send;
mod stand;
mod tree;
mod work;

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::engine::agent::order::Whisper;
use crate::engine::agent::{AGENT, COMMIT, LAND, SANDBOX, TREE};
use crate::engine::hands::CONTAINER;

/// Runs what the words of the command line ask for, if they ask for one of these.
pub(super) fn main(word: &OsString) -> Option<ExitCode> {
    let go = match word.to_str()? {
        AGENT => work::main,
        LAND => land::main,
        TREE => tree::main,
        COMMIT => tree::commit,
        SANDBOX => return Some(outpost_sandbox::main(std::env::args_os().skip(2))),
        CONTAINER => return Some(outpost_container::guard(std::env::args_os().skip(2))),
        _ => return None,
    };
    let order = std::env::args_os().nth(2).unwrap_or_default();
    Some(go(Path::new(&order)))
}

/// Says why it did not work.
fn complain(what: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "{what}");
}

/// What we are told beside an order.
fn whispered() -> Result<Whisper, String> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(|error| format!("standard input: {error}"))?;
    if text.is_empty() {
        return Ok(Whisper::default());
    }
    serde_json::from_slice(&text).map_err(|error| format!("standard input is not what it should be: {error}"))
}
