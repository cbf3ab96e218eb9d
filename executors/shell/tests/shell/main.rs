//! A shell with real keepers and real processes, most of them hostile.
//!
//! Nothing here depends on how long anything takes: where a test has to wait, it waits for what it needs to see, and
//! gives up after minutes.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod crew;
mod deaths;
mod output;
mod secrets;
mod stage;
mod start;
mod swarm;
mod trees;
