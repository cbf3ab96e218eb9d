//! The functions as Lambda runs them: the real programs, real events, the real loop of the runtime, and an AWS on this machine
//! behind them; then behind the gateway of that AWS, which asks the authorizer by itself.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../aws/tests/aws/emulator.rs"]
mod emulator;
mod gateway;
mod programs;
mod runtime;
#[path = "../../../aws/tests/aws/stage.rs"]
mod stage;
mod stories;
