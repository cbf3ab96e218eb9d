//! The gateway between real sockets: an agent of bytes on one side, a provider of bytes on the other.
//!
//! Both sides write and read HTTP by hand, so that nothing here is judged by the library it is made of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod caps;
mod hostile;
mod passing;
mod provider;

use outpost_gateway::{Caps, Gateway, Key, Prices, Protocol, Settings, Upstream};
use provider::Provider;

/// What the provider is to be shown, and nobody else.
const KEY: &str = "sk-the-providers-own-key";

/// $2 in, $0.5 cached, $3 written, $4 for an hour, $10 out.
const PRICES: &str = "
version = 1
dated = '2026-01-01'
[[model]]
name = 'known'
input = 2
cached = 0.5
written = 3
written_1h = 4
output = 10
";

fn settings(provider: &Provider) -> Settings {
    let mut upstreams = Vec::new();
    for protocol in Protocol::ALL {
        upstreams.push(Upstream::new(protocol, Key::new(KEY)).at(provider.base()));
    }
    Settings {
        upstreams,
        caps: Caps::default(),
        prices: Prices::parse(PRICES).unwrap(),
        bounds: outpost_gateway::Bounds::default(),
    }
}

async fn gateway(provider: &Provider, caps: Caps) -> Gateway {
    Gateway::start(Settings { caps, ..settings(provider) }).await.unwrap()
}
