//! What a gateway is started with: whom it speaks to, with which key, and how far.
//!
//! Secrets live in [`Key`], which shows itself to nobody. Nothing here is checked; [`crate::Gateway::start`] does.

use std::fmt;
use std::time::Duration;

use crate::prices::Prices;
use crate::protocol::Protocol;

/// A secret for a header: its `Debug` says nothing, and there is no way out of this crate.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A provider: one protocol at one address with one key.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub protocol: Protocol,
    /// Without the path of the call: `https://api.anthropic.com`. Plain `http` only to loopback.
    pub base: String,
    pub key: Key,
}

impl Upstream {
    /// The protocol's own provider.
    pub fn new(protocol: Protocol, key: Key) -> Self {
        Self { protocol, base: protocol.home().to_owned(), key }
    }

    /// The same protocol spoken elsewhere.
    #[must_use]
    pub fn at(self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self }
    }
}

/// Where the spending ends. A cap that is `None` does not hold anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// In millionths of a dollar. Alone it refuses models without a price: such spending could not be stopped.
    pub micro_usd: Option<u64>,
    /// Of all kinds: input, read from a cache, written to one, output.
    pub tokens: Option<u64>,
    /// Calls of a model that the provider accepted.
    pub requests: Option<u64>,
}

/// How much of anything one client may take. The defaults are far above what agents do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub request_bytes: usize,
    pub header_bytes: usize,
    /// From the first moment of a connection, or the end of a call, to the end of the next call's headers.
    pub header_time: Duration,
    /// The longest pause inside the body of a request.
    pub body_pause: Duration,
    pub connections: usize,
    /// What a call that sets itself no limit counts as while it is in flight.
    pub assumed_output: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            request_bytes: 64 << 20,
            header_bytes: 128 << 10,
            header_time: Duration::from_secs(60),
            body_pause: Duration::from_secs(60),
            connections: 512,
            assumed_output: 32_768,
        }
    }
}

/// Everything a gateway is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One per protocol.
    pub upstreams: Vec<Upstream>,
    pub caps: Caps,
    pub prices: Prices,
    pub bounds: Bounds,
}

impl Settings {
    /// One upstream, no caps, no prices.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstreams: vec![upstream], caps: Caps::default(), prices: Prices::default(), bounds: Bounds::default() }
    }
}
