//! `outpost-package arm64|x86_64 PROGRAM ZIP`: packs a program as a function of Lambda's, and says how large it is.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::process::ExitCode;

use outpost_infrastructure::package::{Processor, pack};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [processor, program, zip] = &words[..] else {
        eprintln!("usage: outpost-package arm64|x86_64 PROGRAM ZIP");
        return ExitCode::from(2);
    };
    match make(processor, program, zip) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{program}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn make(processor: &str, program: &str, zip: &str) -> Result<String, String> {
    let processor = match processor {
        "arm64" => Processor::Arm64,
        "x86_64" => Processor::X86_64,
        _ => return Err(format!("there are `arm64` and `x86_64`, and no `{processor}`")),
    };
    let bytes = std::fs::read(program).map_err(|error| error.to_string())?;
    let package = pack(&bytes, processor)?;
    std::fs::write(zip, &package).map_err(|error| format!("`{zip}`: {error}"))?;
    Ok(format!("{zip}: {} bytes, {} unpacked, {}", package.len(), bytes.len(), processor.name()))
}
