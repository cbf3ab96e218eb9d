//! The way to a model through a gateway that holds the provider's key: the agent has a token that is good for its attempt.
//!
//! For whoever runs an attempt and has the key. It lives as long as the attempt, in its process.

use std::sync::Arc;
use std::time::Instant;

use outpost_gateway::{Cap, Caps as GatewayCaps, Gateway, Key, Prices, Settings, Upstream, Usage as Used};
use serde::{Deserialize, Serialize};

use crate::attempt::Gate;
use crate::definition::{Auth, Protocol};
use crate::stream::{Spent, Totals, Unreported, Usage};

/// Where the spending ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    pub micro_usd: Option<u64>,
    pub tokens: Option<u64>,
}

/// A gateway that is open, and counts.
pub struct Counting {
    gateway: Gateway,
    caps: Caps,
}

impl std::fmt::Debug for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").field("caps", &self.caps).finish_non_exhaustive()
    }
}

/// Opens a gateway to the provider of a definition. Needs a tokio runtime.
pub async fn open(auth: &Auth, caps: Caps, key: String, prices: Prices) -> Result<Arc<Counting>, String> {
    let protocol = match auth.protocol {
        Protocol::Anthropic => outpost_gateway::Protocol::Anthropic,
        Protocol::OpenaiResponses => outpost_gateway::Protocol::OpenAiResponses,
        Protocol::OpenaiChat => outpost_gateway::Protocol::OpenAiChat,
        Protocol::Gemini => outpost_gateway::Protocol::Gemini,
    };
    let upstream = Upstream::new(protocol, Key::new(key)).at(&auth.base_url.upstream);
    let Caps { micro_usd, tokens } = caps;
    let settings =
        Settings { caps: GatewayCaps { micro_usd, tokens, requests: None }, prices, ..Settings::new(upstream) };
    let gateway = Gateway::start(settings).await.map_err(|error| format!("failed to {error}"))?;
    Ok(Arc::new(Counting { gateway, caps }))
}

impl Counting {
    /// What was used so far.
    pub fn usage(&self) -> Used {
        self.gateway.usage()
    }
}

impl Gate for Counting {
    fn base_url(&self) -> String {
        self.gateway.base_url()
    }

    fn token(&self) -> String {
        self.gateway.token().to_owned()
    }

    fn last_activity(&self) -> Option<Instant> {
        Some(self.gateway.last_activity())
    }

    fn spent(&self) -> Option<Spent> {
        let used = self.gateway.usage();
        let usage = Usage { input: used.input.saturating_add(used.written), cached: used.cached, output: used.output };
        let heard = used.requests > 0;
        #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
        let usd = |micro: u64| micro as f64 / 1e6;
        Some(Spent {
            usage: heard.then_some(usage),
            cost_usd: used.cost().filter(|_| heard).map(usd),
            unreported: Unreported { tokens: used.unreported_tokens, cost_usd: usd(used.unreported_micro_usd) },
            held: Unreported { tokens: used.held_tokens, cost_usd: usd(used.held_micro_usd) },
            totals: Totals::default(),
        })
    }

    fn breach(&self) -> Option<String> {
        self.gateway.stopped_by().map(|cap| match (cap, self.caps) {
            #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
            (Cap::Usd, Caps { micro_usd: Some(micro), .. }) => {
                format!("what is left of its budget is spent: ${:.2}", micro as f64 / 1e6)
            }
            (Cap::Tokens, Caps { tokens: Some(tokens), .. }) => {
                format!("what is left of its budget is spent: {tokens} tokens")
            }
            (cap, _) => format!("a cap of {cap} was reached"),
        })
    }
}
