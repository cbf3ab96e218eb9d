//! The installation as Terraform makes it: what can be held without it, and, where there is one, its whole life on an AWS of
//! this machine.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "how long each part of a long test takes, for who looks")]

mod cost;
mod emulator;
mod files;
mod guide;
mod image;
mod life;
mod packages;
mod rights;
mod tables;
mod terraform;

use std::path::PathBuf;

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// Says in spite of the test framework that a test did not happen: a skipped test passes, and must not do so in silence.
fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIPPED {test}: {why}\n").as_bytes());
}
