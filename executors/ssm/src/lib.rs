//! Runs work on machines that AWS Systems Manager reaches, with its Run Command.
//!
//! ```text
//! runner (Ssm) ──SendCommand──► Systems Manager ──► agent ──► loader ──setsid──► keeper ──► program ──► …
//!        └──ListCommands, GetCommandInvocation, S3 ◄──────────┘ a frame          └─ cgroup, token folder
//! ```
//! `SendCommand` has no token of idempotency and is carried out at least once where an answer is lost. So each command
//! brings a script of ours that makes a folder for its token on the target: who makes it performs the work, whoever
//! comes later tells how that ended. The keeper outlives whoever kills the command and ends the whole tree.
//!
//! What it promises, what it does not, and what a target needs is in `README.md`.

mod follow;
mod frame;
mod job;
mod order;
mod output;
mod place;
mod service;
mod settings;
mod ssm;
mod verdict;

pub use follow::Pace;
pub use settings::{Settings, Store, Tag, Targets};
pub use ssm::Ssm;
