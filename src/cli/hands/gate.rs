//! How an agent reaches its model: through a gateway that holds the provider's key, or with the user's own login.

use std::ffi::OsString;
use std::sync::Arc;

use outpost_agent::attempt::{Access, Gate};
use outpost_agent::definition::Definition;
use outpost_agent::gate;
use outpost_gateway::Prices;

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
    let order::Caps { micro_usd, tokens, .. } = caps;
    let gate = gate::open(auth, gate::Caps { micro_usd, tokens }, key, prices(own)?).await?;
    let told = format!("the gateway on {} has `{variable}`, and it has a token", gate.base_url());
    Ok(Way { access: Access::Gate, gate: Some(gate), told })
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
