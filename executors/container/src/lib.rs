//! Puts a task's work into a container: from work to work, through docker or podman.
//!
//! ```text
//! keeper ──► guard ──► docker run ─ ─ ─► (engine) ──► container ──► the work
//! ```
//! [`contain`] is a pure function: what it gives is work like any other, with the same output, time, locks and exit
//! code. The container is below the engine and not below the keeper, so the [`guard`] removes it when it is told to
//! end and when the client ends by force. Nothing that is killed with SIGKILL removes anything: [`Contained`], which is an
//! executor above another, calls [`Engine::remove`] before it reports, and the next runner looks for [`Engine::leftovers`]. No value of an environment stands in an
//! argument, except of names that the client itself would obey, and never a secret.

mod contain;
mod contained;
mod engine;
mod guard;
mod name;

pub use contain::{Container, Mount, Place, contain};
pub use contained::{Contained, Home};
pub use engine::{Engine, Fault, Kind};
pub use guard::{Guard, guard};
pub use name::{decoded, name_of};
