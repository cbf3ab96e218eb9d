//! What holds for every blueprint, tried on generated ones.
//!
//! The cases are the same in every run. `PROPTEST_RNG_SEED=7 PROPTEST_CASES=10000 cargo test --release
//! --test properties` looks at others, and at more of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod graph;
mod model;
mod order;
mod print;
mod reading;
mod selection;
mod statuses;

use outpost_bp::blueprint::{Reading, read};
use outpost_bp::document::Source;
use proptest::test_runner::{Config, RngSeed};

/// Cases of a property. Seeded, so that a change is judged by what it changes.
fn config(cases: u32) -> Config {
    let given = Config::default();
    let asked = |name: &str| std::env::var_os(name).is_some();
    Config {
        cases: if asked("PROPTEST_CASES") { given.cases } else { cases },
        rng_seed: if asked("PROPTEST_RNG_SEED") { given.rng_seed } else { RngSeed::Fixed(1) },
        // A failure is shrunk and becomes a test with a name, not a line in a file of seeds.
        failure_persistence: None,
        ..given
    }
}

fn with<T>(text: &str, look: impl FnOnce(&Reading<'_>, &Source) -> T) -> T {
    let (source, refusal) = Source::from_bytes("t.md", text.as_bytes().to_vec());
    assert_eq!(refusal, None);
    look(&read(&source, true), &source)
}
