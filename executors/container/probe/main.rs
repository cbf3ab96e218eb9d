//! A guard for the tests: `probe __container …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpost_container::guard(std::env::args_os().skip(2))
}
