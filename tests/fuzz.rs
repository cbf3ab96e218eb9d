//! The fuzz targets without a fuzzer: their corpora, and a bounded number of inputs damaged in ways that are the same in
//! every run. `OUTPOST_FUZZ=n` makes it n times as many; `CONTRIBUTING.md` says how to let a fuzzer run for long. That
//! of bindings is `tests/bindings.rs`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../fuzz/dice.rs"]
mod dice;
#[path = "../fuzz/events.rs"]
mod events;
#[path = "../fuzz/examine.rs"]
mod examine;
#[path = "../fuzz/journal.rs"]
mod journal;
#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/shuffle.rs"]
mod shuffle;

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

/// Examines an input, and shows the one that does not hold.
fn hold(examine: fn(&[u8]), bytes: &[u8], whence: &str) {
    if catch_unwind(|| examine(bytes)).is_err() {
        panic!("{whence}:\n{}", String::from_utf8_lossy(bytes));
    }
}

/// So many rounds, and more where somebody asks for it.
fn rounds(few: u64) -> std::ops::Range<u64> {
    0..few * std::env::var("OUTPOST_FUZZ").map_or(1, |times| times.parse().expect("a number"))
}

/// One of them, for a round.
fn one(of: &[(String, Vec<u8>)], round: u64) -> &(String, Vec<u8>) {
    &of[usize::try_from(round).expect("a number") % of.len()]
}

#[test]
fn the_corpus_holds() {
    for (folder, least, examine) in [
        ("reading", 20, examine::examine as fn(&[u8])),
        ("journal", 10, journal::examine),
        ("events", 4, |bytes| _ = events::examine(bytes)),
    ] {
        let corpus = documents(&format!("fuzz/corpus/{folder}"));
        assert!(corpus.len() >= least, "{} files", corpus.len());
        for (name, bytes) in &corpus {
            hold(examine, bytes, name);
        }
    }
}

#[test]
fn damaged_documents_hold() {
    let seeds =
        [documents("fuzz/corpus/reading"), documents("tests/diagnostics"), documents("tests/cli/documents")].concat();
    for round in rounds(2_500) {
        let (name, bytes) = one(&seeds, round);
        let (_, other) = one(&seeds, round * 7 + 3);
        let mut damaged = bytes.clone();
        mutate::mutate(&mut damaged, other, round);
        hold(examine::examine, &damaged, &format!("{name}, round {round}"));
    }
}

#[test]
fn damaged_journals_hold() {
    let seeds = documents("fuzz/corpus/journal");
    for round in rounds(2_500) {
        let (name, bytes) = one(&seeds, round);
        let (_, other) = one(&seeds, round * 7 + 3);
        let mut damaged = bytes.clone();
        mutate::mutate(&mut damaged, other, round);
        hold(journal::examine, &damaged, &format!("{name}, round {round}"));
    }
}

#[test]
fn events_in_any_order_hold() {
    let seeds = documents("fuzz/corpus/events");
    let whole = seeds.iter().map(|(_, bytes)| events::examine(bytes)).max();
    assert!(whole > Some(60), "a run as it was: {whole:?} events");
    for round in rounds(500) {
        let (name, bytes) = one(&seeds, round);
        let shuffled = shuffle::shuffle(bytes, round);
        hold(|bytes| _ = events::examine(bytes), &shuffled, &format!("{name}, round {round}"));
    }
}
