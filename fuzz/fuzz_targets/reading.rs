//! Arbitrary bytes through the whole pure half of the tool, with everything that must hold of it.
//!
//! Every other mutation is libFuzzer's own; the rest moves lines about as an editing hand would, so
//! that documents stay documents.

#![no_main]

#[path = "../dice.rs"]
mod dice;
#[path = "../examine.rs"]
mod examine;
#[path = "../mutate.rs"]
mod mutate;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| examine::examine(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut bytes = data[..size].to_vec();
    mutate::mutate(&mut bytes, &[], u64::from(seed));
    bytes.truncate(max_size);
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
});
