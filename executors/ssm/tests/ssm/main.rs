//! The executor with the real SDK, against a loopback double of Systems Manager whose agents really run what they are sent.
//!
//! Nothing here depends on how long anything takes: where a test has to wait, it waits for what it needs to see, and
//! gives up after minutes.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod cloud;
mod conformance;
mod delivery;
mod endings;
mod machines;
mod moto;
mod outputs;
mod stage;
