//! Has a coding agent do the work of a task.
//!
//! ```text
//! definition ─► command ─► attempt ─► stream ─► classify ─► outcome.json ─► session ─► the next attempt
//!                 prompt ────┘
//! ```
//! [`definition`] says in a file how an agent is run and read; [`command`], [`prompt`], [`stream`], [`mod@classify`] and
//! [`session`] are pure; [`attempt`] is the process that runs the agent, and [`trial`] runs a definition against a model
//! on this machine. The agent's program starts behind [the sandbox](attempt::Fence) that its caller hands in. Nothing
//! here knows tasks, runs or git: whether the work is any good is for the verification of the task to say, whatever
//! the agent says of itself.

pub mod attempt;
pub mod classify;
pub mod command;
pub mod contract;
pub mod definition;
pub mod gate;
pub mod prompt;
pub mod session;
pub mod stream;
pub mod trial;
