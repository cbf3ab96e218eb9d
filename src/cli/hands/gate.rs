//! How an agent reaches its model: through a gateway that holds the provider's key, or with the user's own login.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost_agent::attempt::{Access, Gate};
use outpost_agent::definition::{Definition, Protocol};
use outpost_agent::stream::{Spent, Totals, Usage as Counts};
use outpost_gateway::{Cap, Caps, Gateway, Key, Prices, Settings, Upstream};

use crate::engine::agent::order;
use crate::run::{Usage, micro};

/// How often what is used is written down.
const EVERY: Duration = Duration::from_millis(500);

/// What is known beside the built-in prices.
const PRICES: &str = "models.toml";

/// A way to the model.
pub(super) struct Way {
    pub(super) access: Access,
    pub(super) gate: Option<Arc<dyn Gate>>,
    /// In words.
    pub(super) told: String,
}

struct Desk {
    gateway: Gateway,
    caps: order::Caps,
}

impl Gate for Desk {
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
        if used.requests == 0 {
            return None;
        }
        let usage = Counts { input: used.input.saturating_add(used.written), cached: used.cached, output: used.output };
        #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
        let cost_usd = used.cost().map(|micro| micro as f64 / 1e6);
        Some(Spent { usage: Some(usage), cost_usd, totals: Totals::default() })
    }

    fn breach(&self) -> Option<String> {
        self.gateway.stopped_by().map(|cap| match (cap, self.caps) {
            #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
            (Cap::Usd, order::Caps { micro_usd: Some(micro), .. }) => {
                format!("what is left of its budget is spent: ${:.2}", micro as f64 / 1e6)
            }
            (Cap::Tokens, order::Caps { tokens: Some(tokens), .. }) => {
                format!("what is left of its budget is spent: {tokens} tokens")
            }
            (cap, _) => format!("a cap of {cap} was reached"),
        })
    }
}

/// Writes down what is used while it is used, for whoever counts what all agents of the run use. Until it is dropped.
pub(super) async fn tally(gate: Option<Arc<dyn Gate>>, file: std::path::PathBuf) -> std::convert::Infallible {
    let mut written = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(spent) = gate.as_ref().and_then(|gate| gate.spent()) else {
            continue;
        };
        let used = Usage {
            micro_usd: spent.cost_usd.map(micro),
            tokens: spent.usage.map(|usage| usage.input + usage.cached + usage.output),
        };
        // What cannot be written is not known until the end, like that of an agent without a gateway.
        if written != Some(used) && order::write(&file, &used).is_ok() {
            written = Some(used);
        }
    }
}

/// Opens the way. Needs a tokio runtime.
pub(super) async fn open(
    definition: &Definition,
    caps: order::Caps,
    own: &(dyn Fn(&str) -> Option<OsString> + Sync),
) -> Result<Way, String> {
    let Some(auth) = &definition.auth else {
        return Ok(Way { access: Access::Gate, gate: None, told: "it needs no key".to_owned() });
    };
    let variable = &auth.secret.env;
    let Some(key) = own(variable).filter(|key| !key.is_empty()) else {
        let home = own("HOME").filter(|home| !home.is_empty()).ok_or_else(|| {
            format!(
                "`{variable}` is not set, and neither is `HOME`: there is no key and no login for `{}`",
                definition.id
            )
        })?;
        let told = format!("`{variable}` is not set: it has the login, and all else, of {}", home.display());
        return Ok(Way { access: Access::Login { home: home.into() }, gate: None, told });
    };
    let key = key.into_string().map_err(|_| format!("`{variable}` is not UTF-8"))?;
    let protocol = match auth.protocol {
        Protocol::Anthropic => outpost_gateway::Protocol::Anthropic,
        Protocol::OpenaiResponses => outpost_gateway::Protocol::OpenAiResponses,
        Protocol::OpenaiChat => outpost_gateway::Protocol::OpenAiChat,
        Protocol::Gemini => outpost_gateway::Protocol::Gemini,
    };
    let upstream = Upstream::new(protocol, Key::new(key)).at(&auth.base_url.upstream);
    let prices = prices(own)?;
    let settings = Settings {
        caps: Caps { micro_usd: caps.micro_usd, tokens: caps.tokens, requests: None },
        prices,
        ..Settings::new(upstream)
    };
    let gateway = Gateway::start(settings).await.map_err(|error| format!("failed to {error}"))?;
    let told = format!("the gateway on {} has `{variable}`, and it has a token", gateway.base_url());
    Ok(Way { access: Access::Gate, gate: Some(Arc::new(Desk { gateway, caps })), told })
}

/// The built-in prices, and the user's own above them.
fn prices(own: &(dyn Fn(&str) -> Option<OsString> + Sync)) -> Result<Prices, String> {
    let prices = Prices::built_in().map_err(|error| format!("failed to read the built-in prices: {error}"))?;
    let Some(file) = crate::engine::agent::definitions(own).and_then(|agents| Some(agents.parent()?.join(PRICES)))
    else {
        return Ok(prices);
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let above = Prices::parse(&text).map_err(|error| format!("`{}`: {error}", file.display()))?;
            Ok(prices.with(above))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(prices),
        Err(error) => Err(format!("`{}`: {error}", file.display())),
    }
}
