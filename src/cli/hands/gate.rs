//! How an agent reaches its model: through a gateway that holds the provider's key, or with the user's own login.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use outpost_agent::attempt::{Access, Gate};
use outpost_agent::definition::{Definition, Protocol};
use outpost_agent::stream::{Spent, Totals, Unreported, Usage};
use outpost_gateway::{Cap, Caps, Gateway, Key, Prices, Settings, Upstream};

use crate::engine::agent::order;

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
        let usage = Usage { input: used.input.saturating_add(used.written), cached: used.cached, output: used.output };
        let heard = used.requests > 0;
        #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
        let usd = |micro: u64| micro as f64 / 1e6;
        Some(Spent {
            usage: heard.then_some(usage),
            cost_usd: used.cost().filter(|_| heard).map(usd),
            unreported: Unreported { tokens: used.unreported_tokens, cost_usd: usd(used.unreported_micro_usd) },
            totals: Totals::default(),
        })
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

/// Opens the way. Needs a tokio runtime.
pub(super) async fn open(
    definition: &Definition,
    caps: order::Caps,
    is_fenced: bool,
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
        let home_shown = home.display();
        let told = match auth.login.as_slice() {
            _ if !is_fenced => format!("`{variable}` is not set: it has the login, and all else, of {home_shown}"),
            [] => format!(
                "`{variable}` is not set, and the definition of `{}` does not say what of {home_shown} is its login \
                 (`auth.login`): it has none of it",
                definition.id
            ),
            login => format!("`{variable}` is not set: it has the login of {home_shown}: {}", login.join(", ")),
        };
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
