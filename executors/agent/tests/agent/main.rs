//! Attempts as processes, with an agent that does what a file says; definitions tried against the model on loopback.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod attempts;
mod bench;
mod real;
mod trials;
