//! The API as callers meet it: stories over the whole router, on a data folder of their own.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod billing;
mod document;
mod double;
mod hooks;
mod house;
mod matrix;
mod products;
mod programs;
mod readme;
mod requests;
mod security;
mod server;
mod stories;
