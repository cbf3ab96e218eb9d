//! Runs work as jobs of an Outpost service: each piece of work is a job, and the fleet's workers do it.
//!
//! ```text
//! runner (Fleet) ──POST /v1/jobs, key = the token──► service ──► queue ──► worker ──► loader ──► program
//!        └──GET …/logs (waits), …/artifacts ◄────────── log, files, outcome ◄──┘
//! ```
//! A token is an idempotency key: however often a job is asked for, it is one job, with one end. A worker that is lost is
//! the service's affair: another one begins the job again, and what is told here is the end that counted. Work may be an
//! [`Errand`]: then an agent of the service does it, and leaves what it changed as a file.
//!
//! What it promises, and what it does not, is in `docs/EXECUTORS.md`.

mod client;
mod errand;
mod files;
mod fleet;
mod follow;
mod job;
mod order;
mod place;
mod printed;
mod settings;
mod verdict;
mod wire;

pub use client::Key;
pub use errand::{CHANGES, Errand, Port};
pub use fleet::Fleet;
pub use follow::Pace;
pub use place::files_of;
pub use settings::{KEY, Settings, URL};
