//! The payment provider: what is asked of it, and what it tells.
//!
//! A small client of its own: five calls, each with a time limit, a bound on what is read, and where something is made, an
//! idempotency key. What comes in by itself is believed only if it is [signed](signature), and even then it is only a hint
//! to ask how things are.

pub(crate) mod signature;

use std::time::Duration;

use bytes::BytesMut;
use outpost_core::id::TenantId;
use reqwest::{Client, Method, Response, StatusCode, redirect};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::problem::{BILLING, Problem};
use crate::settings;

const PATIENCE: Duration = Duration::from_secs(8);
/// The largest answer that is read.
const ANSWER: usize = 512 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Stripe {
    client: Client,
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

fn broken(why: &str) -> Problem {
    tracing::error!(why, "the payment provider does not do what it should");
    Problem::new(BILLING, "the payment provider does not answer as it should: try again in a moment").after(10)
}

/// What stands before a path that holds an id: ids are letters, digits and `_`.
fn plain(id: &str) -> Result<&str, Problem> {
    let fits = !id.is_empty() && id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(id) } else { Err(broken("an id that is none")) }
}

impl Stripe {
    pub(crate) fn new(settings: settings::Stripe) -> Result<Self, String> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(3))
            .redirect(redirect::Policy::none())
            .user_agent(concat!("outpost/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the client of the payment provider cannot be made: {error}"))?;
        Ok(Self { client, settings })
    }

    pub(crate) fn settings(&self) -> &settings::Stripe {
        &self.settings
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        once: Option<&str>,
    ) -> Result<Value, Problem> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.settings.base.trim_end_matches('/')))
            .bearer_auth(self.settings.key.reveal())
            .header("stripe-version", "2025-06-30.basil");
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        if !form.is_empty() {
            let body = Serializer::new(String::new()).extend_pairs(form).finish();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        // The address of an error may hold what was asked for.
        let response = request.send().await.map_err(|error| broken(&error.without_url().to_string()))?;
        let status = response.status();
        let bytes = read(response).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|_| broken("an answer that is not JSON"));
        }
        let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let code = told["error"]["code"].as_str().or(told["error"]["type"].as_str()).unwrap_or_default();
        Err(broken(&format!("{status} {code}")))
    }

    /// Makes a customer of a tenant: asked twice for the same tenant, it is the same customer.
    pub(crate) async fn customer(&self, tenant: &TenantId, email: &str, name: &str) -> Result<String, Problem> {
        let form = [("email", email), ("name", name), ("metadata[tenant_id]", tenant.as_str())];
        let made = self.call(Method::POST, "/v1/customers", &form, Some(&format!("customer-{tenant}"))).await?;
        Ok(plain(made["id"].as_str().unwrap_or_default())?.to_owned())
    }

    /// A page where a subscription can be paid for.
    pub(crate) async fn checkout(
        &self,
        tenant: &TenantId,
        customer: &str,
        price: &str,
        once: &str,
    ) -> Result<String, Problem> {
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
        let made = self.call(Method::POST, "/v1/checkout/sessions", &form, Some(once)).await?;
        address(&made)
    }

    /// A page where a tenant looks after what it pays for.
    pub(crate) async fn portal(&self, customer: &str, once: &str) -> Result<String, Problem> {
        let form = [("customer", customer), ("return_url", &self.settings.return_url)];
        address(&self.call(Method::POST, "/v1/billing_portal/sessions", &form, Some(once)).await?)
    }

    pub(crate) async fn subscription(&self, id: &str) -> Result<State, Problem> {
        let told = self.call(Method::GET, &format!("/v1/subscriptions/{}", plain(id)?), &[], None).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let customer = text(&told["customer"]).or_else(|| text(&told["customer"]["id"]));
        let (Some(customer), Some(status)) = (customer, text(&told["status"])) else {
            return Err(broken("a subscription without a customer or a status"));
        };
        if told["id"] != id {
            return Err(broken("another subscription than was asked for"));
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

/// The body of an answer, if it is not too large.
async fn read(mut response: Response) -> Result<BytesMut, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error.without_url().to_string()))? {
        if bytes.len() + chunk.len() > ANSWER {
            return Err(broken("an answer without an end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn address(made: &Value) -> Result<String, Problem> {
    let url = made["url"].as_str().unwrap_or_default();
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url.to_owned())
    } else {
        Err(broken("a page without an address"))
    }
}
