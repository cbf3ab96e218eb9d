//! `outpost-sandbox-probe __sandbox …` for the tests, as `outpost-bp __sandbox …` is for the product.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpost_sandbox::main(std::env::args_os().skip(2))
}
