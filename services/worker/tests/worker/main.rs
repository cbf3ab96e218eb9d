//! A worker as its operator starts it: real processes, real git, a real data folder. What is judged is what a tenant and the
//! machine see, never what the worker says of itself.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod agents;
mod bench;
mod commands;
mod lanes;
mod repos;
mod server;
mod signals;
