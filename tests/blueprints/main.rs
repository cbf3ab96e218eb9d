//! Blueprints that ship, run by the real tool.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod local;
#[path = "../project/mod.rs"]
#[expect(dead_code, reason = "the stage of other tests, too")]
mod project;
mod saas;
