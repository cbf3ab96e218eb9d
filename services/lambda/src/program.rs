//! How each of the functions begins: with a log, one thread, and the loop of the runtime.
//!
//! Exit codes: 0 where the runtime ends it, 1 where it cannot work, 2 for a wrong option. What went wrong is on standard
//! error, which Lambda keeps.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// What Lambda tells every function; the runtime relies on it.
const TOLD: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Reads the options, then does the work.
pub fn run<O: Parser>(work: impl AsyncFnOnce(O) -> Result<(), String>) -> ExitCode {
    let options = O::parse();
    let filter = EnvFilter::try_from_env("OUTPOST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    // A function has one request at a time, and a part of a processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match (lambda(), runtime) {
        (Ok(()), Ok(runtime)) => runtime.block_on(work(options)),
        (Err(told), _) => Err(told),
        (_, Err(error)) => Err(format!("no thread to work with: {error}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            // Nobody is there to be told that nobody can be told.
            drop(writeln!(io::stderr(), "error: {told}"));
            ExitCode::FAILURE
        }
    }
}

fn lambda() -> Result<(), String> {
    let missing = TOLD.into_iter().find(|name| env::var_os(name).is_none_or(|value| value.is_empty()));
    match missing {
        None => Ok(()),
        Some(name) => Err(format!(
            "`{name}` is not set: this is a function of AWS Lambda, and works there only; a server is `outpost-api --aws`"
        )),
    }
}
