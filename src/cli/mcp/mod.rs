//! `outpost-bp mcp`: a server for coding agents on standard input and output, as the Model Context Protocol has it.
//!
//! ```text
//! standard input ─► wire ─► tools ─► look   what a run did: status, logs, gates
//!                                └─► seat   within an attempt: its own task, and its answer
//! ```
//! Whoever speaks to it may see a run, and within an attempt report the ports of that attempt's own task: into the file
//! that agents without this server write, held to the same rules. There is no tool that decides a gate, or that rejects,
//! cancels, resumes or changes a run. One message is answered after the other, with bounds on what is read and on what is
//! answered; it ends with its input.

mod look;
mod seat;
mod tools;
mod wire;

use std::io::{self, ErrorKind};

use self::seat::Seat;
use self::wire::Server;
use super::{Exit, Failure};

pub(super) const HELP: &str = "A server of the Model Context Protocol, for the program of a coding agent to start. Tools: `run_status`, `logs` \
    and `gates`; within an attempt `task` and `report` as well, which are about that attempt's own task. No tool \
    approves, rejects, cancels, resumes or changes a run. It ends with its input.\n\nExamples:\n  \
    claude mcp add outpost -- outpost-bp mcp\n  codex mcp add outpost -- outpost-bp mcp\n\nExit codes: 0 its input \
    ended, 1 its output could not be written";

pub(super) fn run() -> Result<Exit, Failure> {
    let served = Server::of(Seat::here()).serve(io::stdin().lock(), io::stdout().lock());
    match served {
        // Whoever started it has gone.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let failure = Failure::new(format!("failed to serve: {error}"), "check what its input and output are");
            Err(Failure { exit: Exit::Failed, ..failure })
        }
        _ => Ok(Exit::Done),
    }
}
