//! Payments, with a provider that writes down what it is asked.
//!
//! It is one of two. `infrastructure/emulator/stripe.py` (`products.rs`) keeps what it is told and refuses what Stripe would
//! refuse, as a process with a clock of its own. This one lives in the test: it says what Stripe never would, subscriptions
//! are as the test wants them, its events are of any time of the test's own clock, and it needs no Python.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use outpost_api::Stripe;
use outpost_core::ports::Secret;
use outpost_core::tenant::Tier;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::house::{House, Told};

type Asked = Arc<Mutex<Vec<(String, BTreeMap<String, String>, String)>>>;

/// A provider of payments: what it was asked, and how its one subscription is.
#[derive(Clone, Default)]
struct Provider {
    asked: Asked,
    subscription: Arc<Mutex<Value>>,
    broken: Arc<Mutex<Option<String>>>,
}

impl Provider {
    async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(header("authorization"), "Bearer sk_test_1");
        let form = to_bytes(body, 100_000).await.unwrap();
        let form = url::form_urlencoded::parse(&form).into_owned().collect();
        let place = format!("{} {}", parts.method, parts.uri.path());
        self.asked.lock().unwrap().push((place.clone(), form, header("idempotency-key")));
        if let Some(broken) = self.broken.lock().unwrap().clone() {
            return broken.into_response();
        }
        let told = match place.as_str() {
            "POST /v1/customers" => json!({ "id": "cus_1" }),
            "POST /v1/checkout/sessions" => json!({ "url": "https://pay.example.com/c" }),
            "POST /v1/billing_portal/sessions" => json!({ "url": "https://pay.example.com/p" }),
            "GET /v1/subscriptions/sub_1" => self.subscription.lock().unwrap().clone(),
            _ => {
                return (StatusCode::NOT_FOUND, json!({ "error": { "code": "resource_missing" } }).to_string())
                    .into_response();
            }
        };
        told.to_string().into_response()
    }

    async fn house(&self) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let this = self.clone();
        let router = Router::new().fallback(move |request: Request| this.clone().answer(request));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let stream = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            }
        });
        let stripe = Stripe {
            base,
            key: Secret::new("sk_test_1".to_owned()),
            webhook_secrets: ["whsec_old", "whsec_new"].map(|text| Secret::new(text.to_owned())).to_vec(),
            success_url: "https://app.example.com/yes".to_owned(),
            cancel_url: "https://app.example.com/no".to_owned(),
            return_url: "https://app.example.com/back".to_owned(),
        };
        House::with(
            |settings| settings.stripe = Some(stripe),
            |settings| settings.prices = ["price_pro", "price_old"].map(|price| (price.to_owned(), Tier::Pro)).to_vec(),
        )
        .await
    }

    /// At a price that is not sold any more.
    fn subscription(&self, tenant: &str, status: &str) {
        *self.subscription.lock().unwrap() = json!({
            "id": "sub_1", "customer": "cus_1", "status": status, "metadata": { "tenant_id": tenant },
            "items": { "data": [{ "price": { "id": "price_old" } }] },
        });
    }
}

fn sign(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

async fn tell(house: &House, signature: &str, body: &str) -> Told {
    let request = Request::post("/v1/webhooks/stripe").header("stripe-signature", signature);
    house.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn event(id: &str, kind: &str, created: i64) -> String {
    json!({ "id": id, "type": kind, "created": created, "data": { "object": { "id": "sub_1" } } }).to_string()
}

#[tokio::test]
async fn a_tier_is_paid_for_and_given_up() {
    let provider = Provider::default();
    let house = provider.house().await;
    let (tenant, key) = house.tenant("ada").await;
    house.post("/v1/billing/portal", &key, json!({})).await.fails(409, "conflict");
    house.post("/v1/billing/subscribe", &key, json!({ "tier": "enterprise" })).await.fails(422, "validation_failed");
    let page = house.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.is(200);
    assert_eq!(page.text("url"), "https://pay.example.com/c");
    house.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.is(200);
    house.post("/v1/billing/portal", &key, json!({})).await.is(200);
    {
        let asked = provider.asked.lock().unwrap();
        let places: Vec<&str> = asked.iter().map(|(place, ..)| place.as_str()).collect();
        let checkout = "POST /v1/checkout/sessions";
        assert_eq!(places, ["POST /v1/customers", checkout, checkout, "POST /v1/billing_portal/sessions"]);
        assert_eq!((&asked[0].1["metadata[tenant_id]"], &asked[0].2), (&tenant, &format!("customer-{tenant}")));
        let form = &asked[1].1;
        for (name, value) in [
            ("mode", "subscription"),
            ("customer", "cus_1"),
            ("client_reference_id", &tenant),
            ("line_items[0][price]", "price_pro"),
            ("subscription_data[metadata][tenant_id]", &tenant),
            ("success_url", "https://app.example.com/yes"),
        ] {
            assert_eq!(form[name], value, "{name}");
        }
        assert!(!asked[1].2.is_empty() && asked[1].2 != asked[2].2);
    }
    let tier = async || house.get("/v1/tenant", &key).await.is(200).text("tier");
    let now = house.desk.ports().clock.now().seconds();
    provider.subscription(&tenant, "active");
    let created = event("evt_1", "customer.subscription.created", now - 10);
    let told = tell(&house, &sign("whsec_new", now, &created), &created).await.is(200);
    assert_eq!((told.text("result"), tier().await), ("applied".to_owned(), "pro".to_owned()));
    let told = tell(&house, &sign("whsec_old", now, &created), &created).await.is(200);
    assert_eq!(told.text("result"), "known");
    // A second subscription would be charged for beside the first.
    house.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.fails(409, "conflict");
    house.post("/v1/billing/portal", &key, json!({})).await.is(200);
    // What is told counts for nothing: how it is is asked for.
    provider.subscription(&tenant, "canceled");
    let late = event("evt_2", "customer.subscription.updated", now - 9);
    tell(&house, &sign("whsec_new", now, &late), &late).await.is(200);
    assert_eq!(tier().await, "free");
    house.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.is(200);
    let other =
        json!({ "id": "evt_3", "type": "charge.succeeded", "created": now, "data": { "object": {} } }).to_string();
    assert_eq!(tell(&house, &sign("whsec_new", now, &other), &other).await.is(200).text("result"), "ignored");
}

#[tokio::test]
async fn events_that_are_not_signed_now_are_refused() {
    let provider = Provider::default();
    let house = provider.house().await;
    let now = house.desk.ports().clock.now().seconds();
    let body = event("evt_1", "customer.subscription.created", now);
    for signature in [
        String::new(),
        sign("whsec_other", now, &body),
        sign("whsec_new", now - 301, &body),
        sign("whsec_new", now + 301, &body),
        sign("whsec_new", now, &format!("{body} ")),
    ] {
        tell(&house, &signature, &body).await.fails(400, "invalid_signature");
    }
    let huge = "x".repeat(300 * 1024);
    tell(&house, &sign("whsec_new", now, &huge), &huge).await.fails(413, "payload_too_large");
    assert!(provider.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_costs_nothing_but_an_answer() {
    let provider = Provider::default();
    let house = provider.house().await;
    let (_, key) = house.tenant("ada").await;
    for broken in ["<html>", "{}", "[]", &"x".repeat(600 * 1024), "{\"id\":\"../x\"}"] {
        *provider.broken.lock().unwrap() = Some(broken.to_owned());
        let told = house.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await;
        assert!(!told.fails(503, "billing_unavailable").body.to_string().contains("sk_test"));
    }
    let now = house.desk.ports().clock.now().seconds();
    let body = event("evt_1", "customer.subscription.created", now);
    // So that the provider tells it again.
    tell(&house, &sign("whsec_new", now, &body), &body).await.fails(503, "billing_unavailable");
    let none = House::new().await;
    let (_, key) = none.tenant("ada").await;
    none.post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.fails(503, "billing_unavailable");
}
