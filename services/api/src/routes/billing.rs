//! What a tenant pays: a checkout, a page to look after it, and what the payment provider tells.
//!
//! An event is believed if it is signed, and even then it only names a subscription: how that is now is asked for, so that
//! late and repeated events tell nothing old. `Desk::apply` takes each event once.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use outpost_core::actions::{Applied, Caller, Error, Subscription};
use outpost_core::key::Scope;
use outpost_core::moment::Moment;
use outpost_core::spec::Fault;
use outpost_core::tenant::{Tenant, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::envelope::json;
use crate::problem::{BILLING, INVALID_SIGNATURE, Problem};
use crate::route::{Route, chapter};
use crate::routes::hooks::Nothing;
use crate::strict;
use crate::stripe::{Stripe, signature};
use crate::take::{About, Known, Sent, whole};

/// An event; a subscription is a few thousand bytes.
const EVENT: usize = 256 * 1024;

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Billing",
        vec![
            Route::post("/v1/billing/subscribe", "subscribe", "A page where a tier can be paid for.", subscribe)
                .key(Scope::BillingWrite)
                .takes::<Wanted>()
                .gives::<Page>(200)
                .fails(&[409]),
            Route::post("/v1/billing/portal", "portal", "A page to look after what is paid for.", portal)
                .key(Scope::BillingWrite)
                .takes::<Nothing>()
                .gives::<Page>(200)
                .fails(&[409]),
            Route::post("/v1/webhooks/stripe", "stripeEvent", "Events of the payment provider, signed.", event)
                .signed()
                .gives::<Taken>(200)
                .fails(&[400, 413]),
        ],
    )
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Paid {
    Pro,
    Enterprise,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SubscribeRequest")]
pub(crate) struct Wanted {
    tier: Paid,
}

/// Where a browser goes on.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BillingPage")]
pub(crate) struct Page {
    url: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventTaken")]
pub(crate) struct Taken {
    received: bool,
    /// `applied`, `known` or `ignored`.
    result: String,
}

fn provider(app: &App) -> Result<&Stripe, Problem> {
    app.stripe.as_ref().ok_or_else(|| Problem::new(BILLING, "this installation takes no payments"))
}

/// What the provider calls this tenant; it is told of it where it does not know it yet.
async fn customer(app: &App, stripe: &Stripe, caller: &Caller, tenant: Tenant) -> Result<String, Problem> {
    if let Some(customer) = tenant.billing.customer {
        return Ok(customer);
    }
    let customer = stripe.customer(&tenant.id, tenant.email.as_str(), &tenant.name).await?;
    app.desk.set_customer(caller, &customer).await?;
    Ok(customer)
}

async fn subscribe(
    State(app): State<App>,
    Known(caller): Known,
    About(info): About,
    sent: Sent<Wanted>,
) -> Result<Response, Problem> {
    let stripe = provider(&app)?;
    let tier = match sent.value.tier {
        Paid::Pro => Tier::Pro,
        Paid::Enterprise => Tier::Enterprise,
    };
    let price = app.desk.settings().prices.iter().find(|(_, buys)| *buys == tier).map(|(price, _)| price);
    let Some(price) = price else {
        return Err(Problem::invalid(vec![Fault::new("/tier", "has no price here: ask who runs this service")]));
    };
    let tenant = app.desk.tenant_now(&caller).await?;
    // A checkout makes another subscription, and leaves the one that there is: both would be charged for.
    if let Some(paid) = tenant.billing.known.iter().find(|known| known.tier != Tier::Free) {
        let told = format!("this tenant pays for `{}` already: change or end that with the portal", paid.tier);
        return Err(Error::Conflict(told).into());
    }
    let customer = customer(&app, stripe, &caller, tenant).await?;
    let once = format!("checkout-{}-{price}-{}", caller.id(), info.request_id);
    json(StatusCode::OK, &Page { url: stripe.checkout(caller.id(), &customer, price, &once).await? })
}

async fn portal(
    State(app): State<App>,
    Known(caller): Known,
    About(info): About,
    _: Sent<Nothing>,
) -> Result<Response, Problem> {
    let stripe = provider(&app)?;
    let tenant = app.desk.tenant_now(&caller).await?;
    let customer = tenant.billing.customer.ok_or_else(|| {
        Problem::from(Error::Conflict("this tenant has paid for nothing yet: subscribe first".to_owned()))
    })?;
    let once = format!("portal-{}-{}", caller.id(), info.request_id);
    json(StatusCode::OK, &Page { url: stripe.portal(&customer, &once).await? })
}

async fn event(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let stripe = provider(&app)?;
    let bytes = whole(body, EVENT).await?;
    let signed = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signature::fits(signed, &bytes, &stripe.settings().webhook_secrets, app.now()) {
        return Err(Problem::new(INVALID_SIGNATURE, "the signature does not fit the body, or is too old"));
    }
    let event = strict::read(&bytes)?;
    let result = match subject(&event) {
        Some(subject) => applied(&app, stripe, subject).await?,
        None => "ignored",
    };
    json(StatusCode::OK, &Taken { received: true, result: result.to_owned() })
}

/// What an event is about, if that is a subscription.
struct Subject<'a> {
    event: &'a str,
    kind: &'a str,
    created_at: Moment,
    subscription: &'a str,
}

fn subject(event: &Value) -> Option<Subject<'_>> {
    let (id, kind) = (event["id"].as_str()?, event["type"].as_str()?);
    let object = &event["data"]["object"];
    let subscription = if kind.starts_with("customer.subscription.") {
        object["id"].as_str()?
    } else if kind == "checkout.session.completed" || kind.starts_with("invoice.") {
        object["subscription"].as_str().or_else(|| object["parent"]["subscription_details"]["subscription"].as_str())?
    } else {
        return None;
    };
    let created_at = Moment::from_millis(event["created"].as_i64()?.saturating_mul(1000));
    (id.len() <= 255).then_some(Subject { event: id, kind, created_at, subscription })
}

async fn applied(app: &App, stripe: &Stripe, subject: Subject<'_>) -> Result<&'static str, Problem> {
    let now = stripe.subscription(subject.subscription).await?;
    let told = Subscription {
        event: subject.event.to_owned(),
        kind: subject.kind.to_owned(),
        created_at: subject.created_at,
        customer: now.customer,
        tenant: now.tenant,
        subscription: now.id,
        status: now.status,
        price: now.price,
    };
    match app.desk.apply(&told).await {
        Ok(Applied::Now(tier)) => {
            tracing::info!(event = told.event, subscription = told.subscription, %tier, "a subscription was applied");
            Ok("applied")
        }
        Ok(Applied::Old | Applied::Before) => Ok("known"),
        Ok(Applied::Nobody) => {
            tracing::warn!(event = told.event, customer = told.customer, "an event about nobody we know");
            Ok("ignored")
        }
        Err(error) => {
            tracing::error!(event = told.event, %error, "an event of the payment provider was not applied");
            Err(error.into())
        }
    }
}
