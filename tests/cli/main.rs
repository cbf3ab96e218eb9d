//! The real `outpost-bp` as a shell sees it: what it prints where, how it exits, what it leaves.
//!
//! Each test is one run, or one story of a few. What the reader makes of a document is tested where
//! the meaning lives; here it is only seen to arrive.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod builder;
mod check;
mod diagnostics;
mod graph;
mod hostile;
mod plan;
mod sessions;
mod terminal;
mod texts;
mod usage;
mod views;

/// A blueprint without fault: two tiers, a parent, a lock, a gate, a binding, an agent, a secret.
const RELEASE: &str = include_str!("documents/release.md");
/// A dangling dependency, a wrong port, a cycle and a bad duration.
const FAULTY: &str = include_str!("documents/faulty.md");
