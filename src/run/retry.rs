//! When a failed attempt is tried again, and what a stopped one is called.

use super::failure::{Failure, FailureCode, FailurePhase};

/// The longest wait, unless the document asks for a longer one.
const LONGEST: u64 = 5 * 60 * 1000;

/// Milliseconds before the next attempt after so many failures: doubled each time up to
/// [`LONGEST`], and up to a fifth longer, so that tasks that failed together do not come back
/// together. The extra is drawn from the task's id and is the same in every replay.
pub(super) fn delay(first: u64, failures: u32, task: &str) -> u64 {
    let doubled = first.saturating_mul(1_u64 << failures.saturating_sub(1).min(20));
    let wait = doubled.min(LONGEST.max(first));
    let spread = wait / 5;
    if spread == 0 { wait } else { wait.saturating_add(mix(task, failures) % (spread + 1)) }
}

/// FNV-1a: a spread of delays needs no better hash.
fn mix(task: &str, failures: u32) -> u64 {
    let bytes = task.bytes().chain(failures.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(super) fn no_locks(waited: u64) -> Failure {
    let message = format!("its locks were not free within {} s", waited.div_ceil(1000));
    Failure::new(FailureCode::LockTimeout, FailurePhase::Execution, message)
}

pub(super) fn stopped() -> Failure {
    let failure = Failure::new(FailureCode::Cancelled, FailurePhase::Execution, "the run was stopped");
    Failure { lasting: true, ..failure }
}

#[cfg(test)]
mod tests {
    use super::delay;

    #[test]
    fn f_23_delays_double_up_to_a_bound_and_spread() {
        for (first, failures, least, most) in [
            (5000, 1, 5000, 6000),
            (5000, 2, 10_000, 12_000),
            (5000, 40, 300_000, 360_000),
            (900_000, 3, 900_000, 1_080_000),
            (0, 3, 0, 0),
        ] {
            let wait = delay(first, failures, "T0.1");
            assert!((least..=most).contains(&wait), "{first} {failures}: {wait}");
            assert_eq!(wait, delay(first, failures, "T0.1"), "the same in every replay");
        }
        assert!((0..20).map(|i| delay(5000, 1, &format!("T{i}"))).collect::<std::collections::BTreeSet<_>>().len() > 5);
    }
}
