//! text → model → plan → run → events → views.
//!
//! A Markdown blueprint becomes a validated model, the model an immutable plan. The modules are
//! listed in reading order; arrows between them only point up this list, and
//! `tests/architecture.rs` holds them to it.

pub mod blueprint;
pub mod diagnostic;
pub mod document;
pub mod plan;
pub mod run;

pub mod journal;
pub mod locks;

pub mod engine;
pub mod report;
pub mod scenario;
pub mod telemetry;

pub mod cli;
