//! A process that runs one job, as the product does. For the tests.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let job = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    outpost_agent::attempt::main(&job)
}
