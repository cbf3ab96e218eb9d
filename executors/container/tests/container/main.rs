//! Containers: what the client of an engine is told, by a script in its place; and the whole, by an engine that is here.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "says loudly what was not tried")]

#[cfg(feature = "conformance")]
mod conformance;
mod engine;
mod real;
mod script;
mod told;
