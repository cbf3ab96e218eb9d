//! placeholder
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
fn main() {}
