//! `outpost-release`: prints the bill of materials of a release. `blueprints/release/bill` gathers what it reads.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpost_release::run(std::env::args_os())
}
