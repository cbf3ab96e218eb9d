//! What one attempt used, of numbers that may count the whole session.

use serde::{Deserialize, Serialize};

use super::Told;
use crate::definition::{Output, Scope};

/// Tokens. `input` is without those that came from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
}

impl Usage {
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            output: self.output.saturating_add(other.output),
        }
    }

    /// What came after `earlier`. A session that counts less than it did has begun anew.
    const fn since(self, earlier: Self) -> Self {
        if self.input < earlier.input || self.cached < earlier.cached || self.output < earlier.output {
            return self;
        }
        Self {
            input: self.input - earlier.input,
            cached: self.cached - earlier.cached,
            output: self.output - earlier.output,
        }
    }
}

/// What a session had counted at the end of an attempt; the next attempt of it needs to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub usage: Option<Usage>,
    pub cost_usd: Option<f64>,
}

/// What calls may have used whose use nobody told, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unreported {
    pub tokens: u64,
    pub cost_usd: f64,
}

impl Unreported {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What an attempt used. Nothing is unknown, never free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub usage: Option<Usage>,
    pub cost_usd: Option<f64>,
    /// Beside those, and counts against a budget like them.
    #[serde(default)]
    pub unreported: Unreported,
    /// Of that, what calls in flight hold: they may still tell that it was less.
    #[serde(default, skip_serializing_if = "Unreported::is_nothing")]
    pub held: Unreported,
    /// For the next attempt of the session.
    pub totals: Totals,
}

/// What was used since `earlier`, the totals of the attempt whose session was resumed.
pub fn spent(output: &Output, told: &Told, earlier: Option<Totals>) -> Spent {
    let earlier = earlier.unwrap_or_default();
    let usage = match output.usage_scope {
        Scope::Run => told.usage,
        Scope::Session => told.usage.map(|usage| usage.since(earlier.usage.unwrap_or_default())),
        Scope::None => None,
    };
    let cost_usd = match output.cost_scope {
        Scope::Run => told.cost_usd,
        Scope::Session => told.cost_usd.map(|cost| {
            let before = earlier.cost_usd.unwrap_or_default();
            if cost < before { cost } else { cost - before }
        }),
        Scope::None => None,
    };
    // An attempt that said nothing changes no count.
    let totals = Totals { usage: told.usage.or(earlier.usage), cost_usd: told.cost_usd.or(earlier.cost_usd) };
    Spent { usage, cost_usd, totals, ..Spent::default() }
}
