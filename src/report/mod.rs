//! SHOW: views of a model, as text for people and as JSON for machines. Nothing here decides anything.

pub mod diagnostics;
pub mod graph;
