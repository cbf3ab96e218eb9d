//! How often somebody may ask: a bucket of tokens for each, filled as time goes by.
//!
//! In this process only: several front doors allow several times as much. The quota of jobs is exact, and elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use outpost_core::moment::Moment;

use crate::settings::Rate;

/// As many are remembered before those that are full again are forgotten.
const MANY: usize = 10_000;
/// A token, in the parts that a millisecond fills.
const TOKEN: u64 = 1000;

/// Buckets by name.
#[derive(Debug)]
pub(crate) struct Buckets {
    rate: Rate,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    parts: u64,
    at: Moment,
}

/// What is left, for the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) tokens: u64,
    /// Seconds until there are all of them, or one where there is none.
    pub(crate) seconds: u64,
    pub(crate) allowed: bool,
}

impl Buckets {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self, name: &str, now: Moment) -> Left {
        let full = u64::from(self.rate.burst) * TOKEN;
        let speed = u64::from(self.rate.per_second).max(1);
        let filled = |bucket: &Bucket| {
            let passed = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
            bucket.parts.saturating_add(passed.saturating_mul(speed)).min(full)
        };
        // Whoever panicked with the lock in hand left numbers behind that are fine.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY && !buckets.contains_key(name) {
            buckets.retain(|_, bucket| filled(bucket) < full);
        }
        let (before, seen) = buckets.get(name).map_or((full, now), |bucket| (filled(bucket), bucket.at));
        let allowed = before >= TOKEN;
        let parts = if allowed { before - TOKEN } else { before };
        buckets.insert(name.to_owned(), Bucket { parts, at: now.max(seen) });
        let missing = if allowed { full - parts } else { TOKEN - parts };
        Left { tokens: parts / TOKEN, seconds: missing.div_ceil(speed * 1000), allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let buckets = Buckets::new(Rate { per_second: 2, burst: 3 });
        let at = |millis: i64| Moment::from_millis(1_000_000 + millis);
        let taken: Vec<bool> = (0..5).map(|_| buckets.take("a", at(0)).allowed).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert!(buckets.take("b", at(0)).allowed, "names are apart");
        assert_eq!(buckets.take("a", at(499)), Left { tokens: 0, seconds: 1, allowed: false });
        assert!(buckets.take("a", at(500)).allowed && !buckets.take("a", at(500)).allowed);
        // A clock that is set back fills nothing and empties nothing.
        assert_eq!(buckets.take("a", at(60_000)), Left { tokens: 2, seconds: 1, allowed: true });
        assert_eq!(buckets.take("a", at(0)).tokens, 1);
    }

    #[test]
    fn full_ones_are_forgotten() {
        let buckets = Buckets::new(Rate { per_second: 1, burst: 1 });
        for number in 0..MANY {
            assert!(buckets.take(&number.to_string(), Moment::from_millis(0)).allowed);
        }
        assert!(buckets.take("new", Moment::from_millis(10_000)).allowed);
        assert_eq!(buckets.buckets.lock().expect("a lock").len(), 1);
    }
}
