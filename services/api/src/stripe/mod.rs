//! The payment provider: what is asked of it, and what it tells.
//!
//! A small client of its own: five calls over the [wire], and where something is made, an idempotency key. What comes in by
//! itself is believed only if it is [signed](signature), and even then it is only a hint to ask how things are. What is sold
//! is made there by the [catalog], for operators.

mod catalog;
pub(crate) mod signature;
mod wire;

use outpost_core::id::TenantId;
use serde_json::Value;

use crate::settings;
pub use catalog::{Catalog, Listing, Unlisted};
use wire::{Error, Wire};

#[derive(Clone, Debug)]
pub(crate) struct Stripe {
    wire: Wire,
    settings: settings::Stripe,
}

/// A subscription, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) status: String,
    pub(crate) price: Option<String>,
}

/// What stands before a path that holds an id: ids are letters, digits and `_`.
fn plain(id: &str) -> Result<&str, Error> {
    let fits = !id.is_empty() && id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(id) } else { Err(Error::Odd("an id that is none")) }
}

impl Stripe {
    pub(crate) fn new(settings: settings::Stripe) -> Result<Self, String> {
        Ok(Self { wire: Wire::new(&settings.base, settings.key.clone())?, settings })
    }

    pub(crate) fn settings(&self) -> &settings::Stripe {
        &self.settings
    }

    /// Makes a customer of a tenant: asked twice for the same tenant, it is the same customer.
    pub(crate) async fn customer(&self, tenant: &TenantId, email: &str, name: &str) -> Result<String, Error> {
        let form = [("email", email), ("name", name), ("metadata[tenant_id]", tenant.as_str())];
        let made = self.wire.post("/v1/customers", &form, Some(&format!("customer-{tenant}"))).await?;
        Ok(plain(made["id"].as_str().unwrap_or_default())?.to_owned())
    }

    /// A page where a subscription can be paid for.
    pub(crate) async fn checkout(
        &self,
        tenant: &TenantId,
        customer: &str,
        price: &str,
        once: &str,
    ) -> Result<String, Error> {
        let form = [
            ("mode", "subscription"),
            ("customer", customer),
            ("client_reference_id", tenant.as_str()),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("subscription_data[metadata][tenant_id]", tenant.as_str()),
            ("success_url", &self.settings.success_url),
            ("cancel_url", &self.settings.cancel_url),
        ];
        let made = self.wire.post("/v1/checkout/sessions", &form, Some(once)).await?;
        address(&made)
    }

    /// A page where a tenant looks after what it pays for.
    pub(crate) async fn portal(&self, customer: &str, once: &str) -> Result<String, Error> {
        let form = [("customer", customer), ("return_url", &self.settings.return_url)];
        address(&self.wire.post("/v1/billing_portal/sessions", &form, Some(once)).await?)
    }

    pub(crate) async fn subscription(&self, id: &str) -> Result<State, Error> {
        let told = self.wire.get(&format!("/v1/subscriptions/{}", plain(id)?)).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let customer = text(&told["customer"]).or_else(|| text(&told["customer"]["id"]));
        let (Some(customer), Some(status)) = (customer, text(&told["status"])) else {
            return Err(Error::Odd("a subscription without a customer or a status"));
        };
        if told["id"] != id {
            return Err(Error::Odd("another subscription than was asked for"));
        }
        Ok(State {
            id: id.to_owned(),
            customer,
            tenant: told["metadata"]["tenant_id"].as_str().and_then(|tenant| tenant.parse().ok()),
            status,
            price: text(&told["items"]["data"][0]["price"]["id"]),
        })
    }
}

fn address(made: &Value) -> Result<String, Error> {
    let url = made["url"].as_str().unwrap_or_default();
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url.to_owned())
    } else {
        Err(Error::Odd("a page without an address"))
    }
}
