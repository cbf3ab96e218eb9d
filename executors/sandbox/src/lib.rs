//! Runs a command behind what the machine has: bubblewrap, Landlock, seccomp, limits, a user of its own.
//!
//! ```text
//! Layers::probe ─► wrap(policy, command)
//!    with bubblewrap:  bwrap … -- program __sandbox POLICY -- command     own view of files, processes, network
//!    without:                     program __sandbox POLICY -- command     the process binds itself, then becomes it
//! ```
//! What it guarantees: the command never runs with less than the layers that `probe` found and the policy asks for; what
//! a machine cannot hold is named by [`Layers::gaps`] before anything runs. The environment holds what the command was
//! given and nothing else. Processes the command starts are bound as it is.
//!
//! It is a fence around a program that errs or was talked into something, not the wall between two customers: the kernel
//! is shared. It knows no agents and no tasks, ends no processes and measures nothing.

#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod filter;
mod inner;
mod layers;
#[cfg(target_os = "linux")]
mod paths;
mod policy;
mod wrap;

pub use inner::main;
pub use layers::{Gap, Layers};
pub use policy::{Limits, Network, Policy, SYSTEM};
pub use wrap::{ARGUMENT, WrapError};
