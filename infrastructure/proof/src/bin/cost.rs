//! `outpost-cost`: what a plan costs while nobody does anything.
//!
//! `terraform show -json tfplan | outpost-cost`: a table on stdout; 1 where it is more than it may be.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::io::Read as _;
use std::process::ExitCode;

use outpost_infrastructure::bill::{LIMIT, idle, total};
use outpost_infrastructure::page;
use outpost_infrastructure::plan::Plan;
use outpost_infrastructure::prices::Prices;

fn main() -> ExitCode {
    match answer() {
        Ok(dollars) if dollars < LIMIT => ExitCode::SUCCESS,
        Ok(dollars) => {
            eprintln!("${dollars:.2} a month is more than ${LIMIT:.2}");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn answer() -> Result<f64, String> {
    let mut json = String::new();
    std::io::stdin().read_to_string(&mut json).map_err(|error| format!("stdin: {error}"))?;
    let lines = idle(&Plan::read(&json)?, &Prices::known()?)?;
    print!("{}", page::bill(&lines));
    Ok(total(&lines))
}
