//! The fuzz target without a fuzzer: its corpus, and a bounded number of documents damaged in ways
//! that are the same in every run. `CONTRIBUTING.md` says how to let it run for long.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../fuzz/examine.rs"]
mod examine;
#[path = "../fuzz/mutate.rs"]
mod mutate;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Documents of a folder below the root of the repository, by name.
fn documents(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "snap"))
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a document")))
        .collect();
    found.sort();
    found
}

/// Examines a document, and shows the one that does not hold.
fn hold(bytes: &[u8], whence: &str) {
    if catch_unwind(|| examine::examine(bytes)).is_err() {
        panic!("{whence}:\n{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn the_corpus_holds() {
    let corpus = documents("fuzz/corpus/reading");
    assert!(corpus.len() > 20, "{} documents", corpus.len());
    for (name, bytes) in &corpus {
        hold(bytes, name);
    }
}

#[test]
fn damaged_documents_hold() {
    let seeds =
        [documents("fuzz/corpus/reading"), documents("tests/diagnostics"), documents("tests/cli/documents")].concat();
    for round in 0..2_500_u64 {
        let (name, bytes) = &seeds[usize::try_from(round).expect("a number") % seeds.len()];
        let (_, other) = &seeds[usize::try_from(round * 7 + 3).expect("a number") % seeds.len()];
        let mut damaged = bytes.clone();
        mutate::mutate(&mut damaged, other, round);
        hold(&damaged, &format!("{name}, round {round}"));
    }
}
