//! The fuzz target of bindings without a fuzzer: its corpus, and a bounded number of expressions made of parts of others,
//! the same in every run. `OUTPOST_FUZZ=n` makes it n times as many.
//!
//! It has a `main` of its own because it is also the process that evaluates, as the tool is.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it did")]

#[path = "../fuzz/bindings.rs"]
mod bindings;
#[path = "../fuzz/dice.rs"]
mod dice;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use dice::Dice;
use outpost_bp::engine::jq;

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        jq::ARGUMENT => return jq::main(),
        // There is one test, and it has no name to be listed.
        "--list" => return ExitCode::SUCCESS,
        _ => {}
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/bindings");
    let mut paths: Vec<_> =
        fs::read_dir(corpus).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("an expression")).collect();
    assert!(corpus.len() > 30, "{} expressions", corpus.len());
    corpus.iter().for_each(|bytes| hold(bytes));
    let rounds = 1_000 * std::env::var("OUTPOST_FUZZ").map_or(1, |times| times.parse().expect("a number"));
    (0..rounds).for_each(|round| hold(&spliced(&corpus, round)));
    println!("{} expressions and {rounds} made of them hold", corpus.len());
    ExitCode::SUCCESS
}

/// Examines an input, and shows the one that does not hold.
fn hold(bytes: &[u8]) {
    if std::panic::catch_unwind(|| bindings::examine(bytes)).is_err() {
        panic!("{:?}", String::from_utf8_lossy(bytes));
    }
}

/// The beginning of an expression, the end of another one, and the value of either.
fn spliced(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut pick = || {
        let bytes = &corpus[dice.below(corpus.len())];
        let end = bytes.iter().position(|byte| *byte == 0).expect("an expression and a value");
        (&bytes[..end], dice.below(end + 1), &bytes[end..])
    };
    let ((first, cut, value), (second, from, _)) = (pick(), pick());
    let join: &[u8] = [&b""[..], b" | ", b", ", b"[", b"\"", b" // "][dice.below(6)];
    let first = if dice.below(2) == 0 { first } else { &first[..cut] };
    [first, join, &second[from..], value].concat()
}
