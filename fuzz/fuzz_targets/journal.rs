//! Arbitrary bytes as a journal.

#![no_main]

#[path = "../journal.rs"]
mod journal;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| journal::examine(bytes));
