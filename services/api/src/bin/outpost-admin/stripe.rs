//! What is sold, at the payment provider: made or found, and archived.

use clap::{Args, Subcommand};
use outpost_api::{Catalog, Listing, Read, STRIPE};
use outpost_core::ports::Secret;
use outpost_core::tenant::Tier;
use serde_json::{Value, json};

const KEY: &str = "OUTPOST_STRIPE_KEY";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes "Outpost Pro" with its price and "Outpost Enterprise", which has none, or finds them; `prices` is for
    /// OUTPOST_STRIPE_PRICES
    Products(Options),
    /// Has nobody buy them from now on; `products` brings them back. Who pays goes on paying
    Archive(Options),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What a month of the tier `pro` costs, in cents
    #[arg(long, value_name = "CENTS", default_value_t = 2900)]
    amount: u32,
    /// In which currency
    #[arg(long, value_name = "CODE", default_value = "usd")]
    currency: String,
    /// Where the payment provider is
    #[arg(long, value_name = "URL", default_value = STRIPE, env = "OUTPOST_STRIPE_URL")]
    stripe_url: String,
}

impl Options {
    fn catalog(&self, read: Read<'_>) -> Result<Catalog, String> {
        // As the API reads it, which takes the first of several.
        let key = read(KEY).unwrap_or_default();
        let key = key.split(',').next().unwrap_or_default().trim().to_owned();
        if key.is_empty() {
            return Err(format!(
                "whose account? {KEY} is not set: it is the secret key of yours, from Stripe's dashboard"
            ));
        }
        Catalog::new(&self.stripe_url, Secret::new(key), self.amount, &self.currency)
    }
}

pub(crate) async fn run(what: Command, read: Read<'_>) -> Result<Value, String> {
    match what {
        Command::Products(options) => {
            let listing = options.catalog(read)?.make().await.map_err(|error| error.to_string())?;
            let mut shown = show(&listing);
            shown["prices"] = json!(listing.pro_price.map(|price| format!("{price}={}", Tier::Pro.as_str())));
            Ok(shown)
        }
        Command::Archive(options) => {
            let listing = options.catalog(read)?.archive().await.map_err(|error| error.to_string())?;
            Ok(show(&listing))
        }
    }
}

fn show(listing: &Listing) -> Value {
    json!({
        "pro_product": listing.pro_product,
        "pro_price": listing.pro_price,
        "enterprise_product": listing.enterprise_product,
        "live": listing.live,
    })
}
