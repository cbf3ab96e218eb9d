//! The program. All of it is in the library, so that tests of the service may be it, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpost_trial::program(std::env::args_os())
}
