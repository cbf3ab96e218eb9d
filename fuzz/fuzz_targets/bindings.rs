//! Arbitrary jq expressions over arbitrary values.
//!
//! Expressions are evaluated in a process of their own, which is this program again.

#![no_main]

#[path = "../bindings.rs"]
mod bindings;

use libfuzzer_sys::fuzz_target;
use outpost_bp::engine::jq;

fuzz_target!(
    init: {
        if std::env::args().nth(1).is_some_and(|word| word == jq::ARGUMENT) {
            let _ = jq::main();
            std::process::exit(0);
        }
    },
    |bytes: &[u8]| bindings::examine(bytes)
);
