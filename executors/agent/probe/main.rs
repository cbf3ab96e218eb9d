//! A process that runs one job, as the product does, or becomes what a sandbox holds. For the tests.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == outpost_sandbox::ARGUMENT) {
        return outpost_sandbox::main(std::env::args_os().skip(2));
    }
    let job = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    outpost_agent::attempt::main(&job)
}
