//! SHOW: views of a model and of a run, as text for people and as JSON for machines. Nothing here decides anything.

pub mod account;
pub mod diagnostics;
pub mod graph;
pub mod log;
pub mod metrics;
pub mod progress;
pub mod status;
pub mod stream;
pub mod summary;
pub mod sync;
pub mod table;
pub mod trace;
pub mod why;
