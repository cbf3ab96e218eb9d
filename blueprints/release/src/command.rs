//! The command line: files in, a bill on standard output.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Part, Release, bill};
use clap::Parser;

/// Prints the bill of materials of a release, as CycloneDX
#[derive(Parser)]
#[command(name = "outpost-release")]
struct Arguments {
    /// The name of what is released
    #[arg(long)]
    name: String,
    /// Its version
    #[arg(long)]
    version: String,
    /// When its commit was made, as ISO 8601 has it
    #[arg(long)]
    time: String,
    /// The lock file
    #[arg(long, value_name = "FILE", default_value = "Cargo.lock")]
    lock: PathBuf,
    /// What `cargo metadata` printed
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// What `cargo tree` printed for programs that are built together, with a name for them
    #[arg(required = true, value_name = "NAME=FILE")]
    parts: Vec<String>,
}

/// Carries these words out, the first of which is the name of the program.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(refused) => {
            // Where not even this can be printed, the exit code is left.
            let _ = refused.print();
            return ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2));
        }
    };
    match print(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: failed to make the bill: {why}");
            ExitCode::FAILURE
        }
    }
}

fn print(arguments: &Arguments) -> Result<String, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()));
    let part = |text: &String| {
        let (name, file) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=FILE"))?;
        Ok(Part { name: name.to_owned(), tree: read(file.as_ref())? })
    };
    let parts = arguments.parts.iter().map(part).collect::<Result<Vec<_>, String>>()?;
    let release = Release { name: &arguments.name, version: &arguments.version, time: &arguments.time };
    let made = bill(release, &parts, &read(&arguments.lock)?, &read(&arguments.metadata)?);
    made.map(|bill| format!("{bill:#}")).map_err(|error| error.to_string())
}
