//! What may differ from one installation to the next.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::ports::Secret;
use crate::spec::Offer;
use crate::tenant::Tier;

/// Who may register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Whoever brings one of these.
    Invite(Vec<Secret>),
    Closed,
}

/// Settings of an installation. The same for all of its processes.
#[derive(Clone)]
pub struct Settings {
    pub door: Door,
    /// What whoever registers begins with.
    pub newcomers: Tier,
    /// Registrations in an hour: from one address, and from all.
    pub registrations: (u64, u64),
    /// Whether keys of the earlier service open anything.
    pub legacy_keys: bool,
    pub offer: Offer,
    /// For how long a worker is believed to be there after it showed itself.
    pub lease: Duration,
    /// What the prices of the payment provider buy. Of those of a tier the first is sold; the others are of who bought before.
    pub prices: Vec<(String, Tier)>,
    /// What cursors are signed with. Who changes it makes those that are handed out invalid, and harms nothing else.
    pub cursor_key: Zeroizing<[u8; 32]>,
}

impl Settings {
    /// What holds unless an installation says otherwise.
    #[must_use]
    pub fn new(offer: Offer, cursor_key: [u8; 32]) -> Self {
        Self {
            door: Door::Open,
            newcomers: Tier::Free,
            registrations: (5, 200),
            legacy_keys: true,
            offer,
            lease: Duration::from_secs(120),
            prices: Vec::new(),
            cursor_key: Zeroizing::new(cursor_key),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("door", &self.door)
            .field("newcomers", &self.newcomers)
            .field("offer", &self.offer)
            .field("lease", &self.lease)
            .field("prices", &self.prices)
            .finish_non_exhaustive()
    }
}
