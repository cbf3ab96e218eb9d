//! Claims on names, and the one rule that says when a claim is granted.
//!
//! **The rule.** A claim has a capacity: how many may hold the name together as far as it is concerned.
//! Exclusive is one, shared is its `max_holders`. A claim is granted when, with it, no more hold the name
//! than the smallest capacity among them. Whoever came earlier and still waits counts as a holder. That
//! is all of it: exclusive against shared, the limit, first come first served, and that a shared claim does
//! not overtake a waiting exclusive one all follow.
//!
//! Pure: no files, no clock.

use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::process::Process;

/// How a name is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Exclusive,
    Shared { max_holders: Option<NonZeroU32> },
}

impl Mode {
    fn capacity(self) -> usize {
        match self {
            Self::Exclusive => 1,
            Self::Shared { max_holders } => {
                max_holders.map_or(usize::MAX, |most| usize::try_from(most.get()).unwrap_or(usize::MAX))
            }
        }
    }
}

/// One name in one scope, to be held in one mode. The scope keeps projects apart: names in two scopes
/// are two names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    pub scope: String,
    pub name: String,
    pub mode: Mode,
}

impl Claim {
    pub fn new(scope: impl Into<String>, name: impl Into<String>, mode: Mode) -> Self {
        Self { scope: scope.into(), name: name.into(), mode }
    }

    pub(super) fn is_on_the_name_of(&self, other: &Self) -> bool {
        self.scope == other.scope && self.name == other.name
    }

    /// The name of the lock's file: any name, of any length and alphabet, is a file's name this way.
    pub(super) fn file_name(&self) -> String {
        let digest = Sha256::new().chain_update(&self.scope).chain_update([0]).chain_update(&self.name).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Sorts claims by name, the order in which all processes take them, and keeps one per name: the
/// narrowest.
pub(super) fn in_order(mut claims: Vec<Claim>) -> Vec<Claim> {
    claims.sort_by(|a, b| {
        (&a.scope, &a.name, a.mode.capacity(), a.mode).cmp(&(&b.scope, &b.name, b.mode.capacity(), b.mode))
    });
    claims.dedup_by(|later, first| later.is_on_the_name_of(first));
    claims
}

/// On whose behalf locks are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub run: String,
    pub task: String,
    pub process: Process,
}

impl Party {
    /// A task of a run that this process drives.
    pub fn new(run: impl Into<String>, task: impl Into<String>) -> Self {
        Self { run: run.into(), task: task.into(), process: Process::current() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Holds,
    Waits,
}

/// Somebody who holds a name or waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub claim: Claim,
    pub standing: Standing,
    /// None when the lock is held and the file does not say by whom. A holder whose process is dead has
    /// left a copy of the lock with a process that is not.
    pub party: Option<Party>,
    /// Since when it holds, or waits.
    pub since: Option<Timestamp>,
}

/// Whether a claim has to wait for `present`, everybody who holds the name or came earlier, in that
/// order. Answers the indexes of some of them, ascending: as long as these remain, so does the hindrance. The latest
/// are preferred, so that those who wait in a row each look at the one before them.
pub(super) fn hindrance(claim: Mode, present: &[Mode]) -> Option<Vec<usize>> {
    let tightest = present.iter().map(|mode| mode.capacity()).min().unwrap_or(usize::MAX);
    let capacity = tightest.min(claim.capacity());
    if present.len() < capacity {
        return None;
    }
    let mut latest: Vec<usize> = (present.len() - capacity..present.len()).collect();
    let binds = |index: &usize| present.get(*index).is_some_and(|mode| mode.capacity() == tightest);
    if tightest < claim.capacity()
        && !latest.iter().any(binds)
        && let (Some(binding), Some(first)) = ((0..present.len()).rfind(binds), latest.first_mut())
    {
        *first = binding;
    }
    Some(latest)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::{Just, Strategy, any, prop_oneof};
    use proptest::{collection, prop_assert, prop_assert_eq, proptest};

    use super::{Claim, Mode, hindrance, in_order};

    const SHARED: Mode = Mode::Shared { max_holders: None };

    fn up_to(holders: u32) -> Mode {
        Mode::Shared { max_holders: NonZeroU32::new(holders) }
    }

    #[test]
    fn the_rule_in_examples() {
        let waits = |claim, present: &[Mode]| hindrance(claim, present).is_some();
        assert!(!waits(Mode::Exclusive, &[]));
        assert!(waits(Mode::Exclusive, &[SHARED]));
        assert!(waits(SHARED, &[Mode::Exclusive]));
        assert!(!waits(SHARED, &[SHARED, SHARED]));
        assert!(!waits(up_to(2), &[up_to(2)]));
        assert!(waits(up_to(2), &[up_to(2), up_to(2)]));
        // The narrower limit counts, whoever set it.
        assert!(waits(SHARED, &[up_to(1)]));
        assert!(waits(up_to(1), &[SHARED]));
        // A shared claim does not overtake an exclusive one that waits behind a shared holder.
        assert!(waits(SHARED, &[SHARED, Mode::Exclusive]));
    }

    #[test]
    fn one_claim_per_name_remains_and_it_is_the_narrowest() {
        let claim = |name: &str, mode| Claim::new("here", name, mode);
        let claims = in_order(vec![
            claim("b", SHARED),
            claim("a", up_to(3)),
            claim("b", Mode::Exclusive),
            claim("a", up_to(2)),
            Claim::new("elsewhere", "a", SHARED),
        ]);
        let expected = [Claim::new("elsewhere", "a", SHARED), claim("a", up_to(2)), claim("b", Mode::Exclusive)];
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_name_in_two_scopes_is_two_files() {
        let name = |scope, name| Claim::new(scope, name, SHARED).file_name();
        assert_ne!(name("a", "x"), name("b", "x"));
        assert_ne!(name("a", "bx"), name("ab", "x"));
        assert_eq!(name("a", "x"), Claim::new("a", "x", Mode::Exclusive).file_name());
        assert_eq!(name("a", "../x").len(), 64);
    }

    fn mode() -> impl Strategy<Value = Mode> {
        prop_oneof![Just(Mode::Exclusive), Just(SHARED), (1_u32..5).prop_map(up_to)]
    }

    /// The rule once more, as the document states it: for every pair and every limit.
    fn may_hold_together(modes: &[Mode]) -> bool {
        modes.iter().all(|mode| match mode {
            Mode::Exclusive => modes.len() == 1,
            Mode::Shared { max_holders: Some(most) } => modes.len() <= most.get() as usize,
            Mode::Shared { max_holders: None } => true,
        })
    }

    proptest! {
        #[test]
        fn what_hinders_is_enough_to_hinder(
            claim in mode(),
            present in collection::vec(mode(), 0..8),
            gone in collection::vec(any::<bool>(), 8),
        ) {
            let with = |present: &[Mode]| [present, &[claim]].concat();
            match hindrance(claim, &present) {
                None => prop_assert!(may_hold_together(&with(&present)) || !may_hold_together(&present)),
                Some(watched) => {
                    prop_assert!(!may_hold_together(&with(&present)));
                    prop_assert!(!watched.is_empty());
                    // Whoever else leaves, the claim still has to wait.
                    let left: Vec<Mode> = (0..present.len())
                        .filter(|index| watched.contains(index) || !gone[*index])
                        .map(|index| present[index])
                        .collect();
                    prop_assert!(!may_hold_together(&with(&left)));
                    prop_assert_eq!(hindrance(claim, &left).is_some(), true);
                }
            }
        }
    }
}
