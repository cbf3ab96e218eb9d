//! Runs that are killed, interrupted, refused and starved of disk, and what is left to go on from.
//!
//! The real tool, real processes, real signals. `OUTPOST_CRASHES=1` kills at every record and not only at
//! some of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod chores;
mod disk;
mod durable;
mod faults;
mod places;
#[path = "../project/mod.rs"]
mod project;
mod promises;
mod records;
mod second;
mod shapes;
mod signals;
mod traced;
mod train;
mod watch;
