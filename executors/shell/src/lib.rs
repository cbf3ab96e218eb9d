//! Runs local processes so that nothing of them stays behind, whoever dies.
//!
//! ```text
//! runner (Shell) ──socket──► keeper ──► bash ──► …        a keeper per task that runs at once, used again
//!        └─────────socket──► keeper ──► bash ──► …
//! ```
//! A keeper is a small process of its own session that runs one task at a time, owns its pipes and its locks, and
//! collects every process below it. When the runner dies, the socket ends and the keeper ends the tree, leaves a
//! record of how it went, and only then lets go of the locks. The reasons are in `docs/adr/0008-keepers.md`.
//!
//! What is guaranteed needs Linux 5.3 and a `/proc`. Processes that others start on a task's behalf (a container
//! daemon, systemd, `at`) are below those, not below the keeper, and stay out of reach.

mod order;
mod plain;
mod process;
mod record;
mod runner;
mod shell;
mod survivors;
mod tree;
mod wire;

pub mod keeper;

pub use plain::is_plain;
pub use runner::{become_subreaper, raise_open_files};
pub use shell::{Keepers, Shell};
