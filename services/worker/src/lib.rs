//! Does the jobs of the Outpost service.
//!
//! ```text
//! queue ─► lanes ─► work ─► attempt ─┬─ fetch ─► git          a process each, below a keeper,
//!                    │ beat, room    ├─ agent ─► its program  behind the walls of the machine
//!                    │               ├─ command
//!                    ▼               └─ keep, tell ─► artifacts, log
//!                  place (folders)
//! ```
//! A worker can be killed at any moment: the lease of its job runs out and another one takes it; what it ran is ended by its
//! keepers; what it left is wiped by the next worker that starts. It writes the end of a job only while its claim is the one
//! in force. It knows no HTTP and no store: all it does goes through the `Desk`.
//!
//! [`hand`] has to be the first thing in the `main` of every program that calls [`run`]: parts of the work are done by that
//! program again, under words of its own.

mod agent;
mod attempt;
mod beat;
mod busy;
mod command;
mod ending;
mod fetch;
mod files;
mod keep;
mod lanes;
mod offer;
mod place;
mod reins;
mod room;
mod settings;
mod tell;
mod work;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use outpost_agent::definition::Definitions;
use outpost_core::actions::Desk;
use outpost_core::id::WorkerId;
use outpost_core::store::Problem;
use outpost_sandbox::Layers;
use outpost_shell::{Keepers, Shell, become_subreaper, raise_open_files};
use tokio::sync::watch;
use tracing::{info, warn};

pub use offer::agents;
pub use settings::{Bounds, Clocks, Fence, Settings, Sources, Walls};
pub use work::Order;

use busy::Busy;
use place::House;
use work::Worker;

/// Why a worker does not begin.
#[derive(Debug)]
pub enum Error {
    /// Definitions of agents.
    Agents(String),
    Workspaces(std::io::Error),
    /// Nothing here keeps jobs apart, and something has to.
    NoWalls,
    /// The lease of the desk is longer than tickets are hidden.
    Hide,
    Chance(Problem),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents(why) => write!(f, "the definitions of agents cannot be used: {why}"),
            Self::Workspaces(error) => write!(f, "the folder for workspaces cannot be used: {error}; name another one"),
            Self::NoWalls => f.write_str(
                "nothing on this machine keeps jobs from its files: install bubblewrap, use a kernel with Landlock, or \
                 say that there need be no walls",
            ),
            Self::Hide => f.write_str("tickets have to be hidden for longer than a lease lasts"),
            Self::Chance(problem) => write!(f, "the worker could not be given a name: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

/// Runs what the words of a command line ask for, if they ask for a part of a job. With the program's name as the first.
#[must_use]
pub fn hand(args: &[OsString]) -> Option<ExitCode> {
    let program = Path::new(args.first()?).file_name()?;
    if program == fetch::askpass::NAME {
        return Some(fetch::askpass::main(args.get(1)));
    }
    let word = args.get(1)?.to_str()?;
    Some(match word {
        outpost_shell::keeper::ARGUMENT => outpost_shell::keeper::main(),
        outpost_sandbox::ARGUMENT => outpost_sandbox::main(args.iter().skip(2).cloned()),
        fetch::CLONE => fetch::hand::clone(),
        fetch::DIFF => fetch::hand::diff(),
        agent::AGENT => agent::hand::main(),
        _ => return None,
    })
}

/// Works until it is told to go; needs a tokio runtime with I/O and time. True: what it ran was handed back or ended in
/// order.
pub async fn run(desk: Desk, mut settings: Settings, orders: watch::Receiver<Order>) -> Result<bool, Error> {
    // Parts of a job read them again, from where they work.
    if let Some(folder) = &mut settings.agents {
        *folder = std::path::absolute(&*folder).map_err(|error| Error::Agents(error.to_string()))?;
    }
    let definitions =
        Definitions::load(settings.agents.as_deref()).map_err(|error| Error::Agents(error.to_string()))?;
    if settings.clocks.hide < desk.settings().lease {
        return Err(Error::Hide);
    }
    let layers = Layers::probe();
    if settings.fence.walls == Walls::Required && !layers.hold_files() {
        return Err(Error::NoWalls);
    }
    let mut salt = [0; 10];
    desk.ports().chance.fill(&mut salt).map_err(Error::Chance)?;
    let id = WorkerId::new(desk.ports().clock.now(), &salt);
    let house = House::open(&settings.workspaces, &id).map_err(Error::Workspaces)?;
    if let Err(error) = become_subreaper() {
        warn!(%error, "processes that lose their keeper will not be found");
    }
    let held = house.lock().map_err(Error::Workspaces)?.into();
    let shell = Shell::new(Keepers { open_files: raise_open_files(), held: vec![held], ..Keepers::default() });
    info!(worker = %id, slots = settings.slots, walls = layers.names(), "works");
    let busy = Busy::new(settings.stay.clone());
    let worker = Arc::new(Worker { id, desk, settings, shell, layers, definitions, house, busy });
    let in_order = worker.serve(&orders).await;
    if let Some(worker) = Arc::into_inner(worker).filter(|_| in_order) {
        worker.close().await;
    }
    Ok(in_order)
}
