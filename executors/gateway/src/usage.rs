//! What was spent, in numbers that a provider reported.
//!
//! The kinds of tokens are disjoint here, whatever a protocol does: their sum is what passed.

use std::fmt;

use crate::prices::Price;

/// Tokens of one answer, by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// At the full price.
    pub(crate) input: u64,
    /// Read from a cache.
    pub(crate) cached: u64,
    /// Written to a cache for minutes.
    pub(crate) written: u64,
    /// Written to a cache for an hour.
    pub(crate) written_1h: u64,
    pub(crate) output: u64,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }

    pub(crate) fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cached).saturating_add(self.written).saturating_add(self.written_1h)
    }

    pub(crate) fn cost(&self, price: Option<&Price>) -> u64 {
        price.map_or(0, |price| price.pico_usd(self))
    }
}

/// What an attempt has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens at the full price.
    pub input: u64,
    /// Input tokens read from the provider's cache.
    pub cached: u64,
    /// Input tokens written to the provider's cache.
    pub written: u64,
    pub output: u64,
    /// Calls of a model that the provider accepted.
    pub requests: u64,
    /// Calls that it refused, or that did not reach it.
    pub failed: u64,
    /// Calls whose tokens were never, or not fully, reported: in flight, cut off, or in a form that reports none.
    pub unreported: u64,
    /// What those may have used beyond what is counted above, at most as they were estimated. Counts against the caps.
    pub unreported_tokens: u64,
    /// What that may have cost, in millionths of a dollar. Counts against the caps.
    pub unreported_micro_usd: u64,
    /// Of those tokens and that cost, what is held for calls in flight: they may still tell that it was less.
    pub held_tokens: u64,
    pub held_micro_usd: u64,
    /// Cost of what was reported, in millionths of a dollar, rounded up; without the calls of `unpriced`.
    pub micro_usd: u64,
    /// Accepted calls of models without a price.
    pub unpriced: u64,
}

impl Usage {
    /// Tokens of all kinds that were reported.
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.cached).saturating_add(self.written).saturating_add(self.output)
    }

    /// The cost in millionths of a dollar, if it is known.
    pub fn cost(&self) -> Option<u64> {
        (self.unpriced == 0).then_some(self.micro_usd)
    }
}

/// Which cap ended the spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    Usd,
    Tokens,
    Requests,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usd => "dollars",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        })
    }
}
