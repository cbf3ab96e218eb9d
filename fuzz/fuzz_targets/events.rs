//! Arbitrary lines as the events of a run.
//!
//! Every other mutation is libFuzzer's own; the rest changes words of events and moves lines about.

#![no_main]

#[path = "../dice.rs"]
mod dice;
#[path = "../events.rs"]
mod events;
#[path = "../shuffle.rs"]
mod shuffle;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    events::examine(bytes);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut bytes = shuffle::shuffle(&data[..size], u64::from(seed));
    bytes.truncate(max_size);
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
});
