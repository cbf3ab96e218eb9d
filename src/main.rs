//! `outpost-bp`: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpost_bp::cli::main()
}
