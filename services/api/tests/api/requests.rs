//! Requests that are not as they should be, and callers who ask too much.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use proptest::prelude::{Strategy as _, any};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::house::{House, Told, job};

async fn raw(house: &House, key: &str, kind: Option<&str>, body: impl Into<Body>) -> Told {
    let mut request = Request::post("/v1/jobs").header("authorization", format!("Bearer {key}"));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    house.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let house = House::new().await;
    let (_, key) = house.tenant("ada").await;
    let fine = job().to_string();
    for body in [
        "{",
        "[1,]",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{} {}",
        "{\"agent\":\"claude\",\"agent\":\"codex\",\"task\":\"x\"}",
        "'",
        "nul",
    ] {
        raw(&house, &key, Some("application/json"), body.to_owned()).await.fails(400, "bad_request");
    }
    let deep = format!("{{\"agent\":\"claude\",\"task\":\"x\",\"inputs\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    raw(&house, &key, Some("application/json"), deep).await.fails(400, "bad_request");
    raw(&house, &key, Some("application/json"), b"{\"agent\":\"\xff\"}".to_vec()).await.fails(400, "bad_request");
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/json; charset=latin1")]
    {
        raw(&house, &key, kind, fine.clone()).await.fails(415, "unsupported_media_type");
    }
    let huge = format!("{{\"agent\":\"claude\",\"task\":\"{}\"}}", "x".repeat(1024 * 1024));
    raw(&house, &key, Some("application/json"), huge).await.fails(413, "payload_too_large");
    for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
        // One at a time in this tier: that it was read is all that counts.
        let told = raw(&house, &key, Some(kind), fine.clone()).await;
        assert!(matches!(told.status.as_u16(), 202 | 429), "{told:?}");
    }
}

#[tokio::test]
async fn each_mistake_is_told_with_its_place() {
    let house = House::new().await;
    let (_, key) = house.tenant("ada").await;
    let wrong = json!({
        "agent": "claude", "task": 7, "status": "running", "a/b~c": 1, "timeout_seconds": -1,
        "command": { "argv": [] }, "ports": [{ "name": "x", "kind": "yaml" }, { "nam": "x" }],
    });
    let told = house.post("/v1/jobs", &key, wrong).await.fails(422, "validation_failed");
    let mut places: Vec<&str> =
        told.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    places.dedup();
    let all = [
        "/a~1b~0c",
        "/command/argv",
        "/ports/0/kind",
        "/ports/1/nam",
        "/ports/1/name",
        "/status",
        "/task",
        "/timeout_seconds",
    ];
    assert_eq!(places, all, "{}", told.body);
    // What passes the schema is judged by the rules of the tenant.
    let over =
        json!({ "agent": "codex", "task": "x", "repo": "https://ada:hunter2@github.com/a/b", "timeout_seconds": 301 });
    let told = house.post("/v1/jobs", &key, over).await.fails(422, "validation_failed");
    assert_eq!(told.body["errors"].as_array().unwrap().len(), 3, "{}", told.body);
    assert!(!told.body.to_string().contains("hunter2"));
    let secret = house.ask("PUT", "/v1/secrets/xai", Some(&key), Some(json!({ "value": ["hunter2"] }))).await;
    assert!(!secret.fails(422, "validation_failed").body.to_string().contains("hunter2"));
    for path in [
        "/v1/jobs?limit=0",
        "/v1/jobs?limit=101",
        "/v1/jobs?limit=1e1",
        "/v1/jobs?limit=%2B1",
        "/v1/jobs?limit=1&limit=1",
        "/v1/jobs?status=pending",
        "/v1/jobs?cursor=x",
        "/v1/jobs?api_key=x",
        "/v1/usage?from=2026-13-01",
        "/v1/usage?from=2026-02-01&to=2026-01-01",
        "/v1/usage?from=2020-01-01",
        "/v1/usage/events?from=yesterday",
    ] {
        let told = house.get(path, &key).await.fails(422, "validation_failed");
        assert!(told.body["errors"][0]["parameter"].is_string(), "{path}: {}", told.body);
    }
}

/// Whatever is answered about a thing cannot be sent to make one, but for what the caller may say of it.
#[tokio::test]
async fn nothing_but_what_may_be_said_is_taken() {
    let house = House::new().await;
    let (_, key) = house.tenant("ada").await;
    let schemas = &house.document["components"]["schemas"];
    let mut tried = 0;
    for (path, method, sent, shown, fine) in [
        ("/v1/jobs", "POST", "NewJob", "Job", job()),
        ("/v1/auth/register", "POST", "Registration", "Registered", json!({ "email": "bo@example.com" })),
        ("/v1/auth/api-keys", "POST", "ApiKeyRequest", "NewApiKey", json!({ "name": "x" })),
        ("/v1/tenant", "PATCH", "TenantChange", "Tenant", json!({ "name": "x" })),
    ] {
        let may = &schemas[sent]["properties"];
        let names: Vec<String> = schemas[shown]["properties"].as_object().expect(shown).keys().cloned().collect();
        for name in names.iter().filter(|name| may.get(name.as_str()).is_none()) {
            let mut body = fine.clone();
            body[name] = json!("x");
            let told = house.ask(method, path, Some(&key), Some(body)).await.fails(422, "validation_failed");
            assert_eq!(told.body["errors"][0]["pointer"], format!("/{name}"), "{path}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[tokio::test]
async fn a_key_is_shown_in_one_way() {
    let house = House::new().await;
    let (_, key) = house.tenant("ada").await;
    let (_, other) = house.tenant("bo").await;
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    let plain = |key: &str| ("x-api-key", key.to_owned());
    let ask = async |headers: &[(&str, String)]| {
        let request =
            headers.iter().fold(Request::get("/v1/tenant"), |request, (name, value)| request.header(*name, value));
        house.send(request.body(Body::empty()).unwrap()).await
    };
    for fine in [
        vec![bearer(&key)],
        vec![plain(&key)],
        vec![bearer(&key), plain(&key)],
        vec![("authorization", format!("bearer {key}"))],
    ] {
        ask(&fine).await.is(200);
    }
    for wrong in [
        vec![bearer(&key), plain(&other)],
        vec![bearer(&key), bearer(&other)],
        vec![plain(&key), plain("")],
        vec![("authorization", format!("Basic {key}"))],
        vec![("authorization", key.clone())],
        vec![bearer(&key.to_uppercase())],
        vec![bearer(&format!("{key} x"))],
    ] {
        ask(&wrong).await.fails(401, "invalid_api_key");
    }
    ask(&[]).await.fails(401, "missing_api_key");
    house.ask("GET", &format!("/v1/tenant?api_key={key}"), None, None).await.fails(401, "missing_api_key");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let house = House::with(|settings| settings.rate = outpost_api::Rate { per_second: 2, burst: 4 }, |_| {}).await;
    let (_, key) = house.tenant("ada").await;
    let (_, other) = house.tenant("bo").await;
    for left in (0..4).rev() {
        let told = house.get("/v1/tenant", &key).await.is(200);
        assert!(
            told.header("ratelimit").starts_with(&format!("\"requests\";r={left};")),
            "{}",
            told.header("ratelimit")
        );
        assert_eq!(told.header("ratelimit-policy"), "\"requests\";q=4;w=2");
    }
    let told = house.get("/v1/tenant", &key).await.fails(429, "rate_limited");
    assert_eq!(told.header("retry-after"), "1");
    house.get("/v1/tenant", &other).await.is(200);
    house.clock.pass(Duration::from_secs(1));
    house.get("/v1/tenant", &key).await.is(200);
}

#[tokio::test]
async fn keys_cannot_be_guessed_for_long() {
    let house = House::with(|settings| settings.rate = outpost_api::Rate { per_second: 1, burst: 10 }, |_| {}).await;
    let (_, key) = house.tenant("ada").await;
    for number in 0..12 {
        let guess = outpost_core::key::ApiKey::mint(outpost_core::key::Environment::Live, &[number; 32]);
        let told = house.get("/v1/tenant", guess.reveal()).await;
        if number < 10 {
            told.fails(401, "invalid_api_key")
        } else {
            told.fails(429, "rate_limited")
        };
    }
    // Who has a good one is not locked out by others behind the same address.
    house.get("/v1/tenant", &key).await.is(200);
    house.clock.pass(Duration::from_secs(1));
    house.get("/v1/tenant", &key[1..]).await.fails(401, "invalid_api_key");
}

#[tokio::test]
async fn few_may_wait_at_once() {
    let house = House::with(|settings| settings.waiters = 1, |_| {}).await;
    let (_, key) = house.tenant("ada").await;
    let id = house.post("/v1/jobs", &key, job()).await.is(202).text("id");
    let path = format!("/v1/jobs/{id}/logs?wait=20");
    // Of two that come at once, one waits, and so the other is the first that is answered.
    let both = futures_util::future::select(Box::pin(house.get(&path, &key)), Box::pin(house.get(&path, &key)));
    let (told, waits) = both.await.factor_first();
    told.fails(429, "rate_limited");
    house.get(&format!("/v1/jobs/{id}/logs"), &key).await.is(200);
    house.post(&format!("/v1/jobs/{id}/cancel"), &key, json!({})).await.is(200);
    let first = waits.await;
    assert_eq!(first.is(200).body["final"], true);
}

#[tokio::test]
async fn ids_of_requests_are_taken_if_they_are_plain() {
    let house = House::new().await;
    let ask = async |id: &str, trace: &str| {
        let request = Request::get("/health").header("x-request-id", id).header("traceparent", trace);
        house.send(request.body(Body::empty()).unwrap()).await.is(200)
    };
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let told = ask("my-id_1", trace).await;
    assert_eq!((told.header("x-request-id"), told.header("traceparent")), ("my-id_1", trace));
    for id in ["", "a b", "a\tb", "<x>", &"x".repeat(65)] {
        let told = ask(id, "00-zz").await;
        assert!(told.header("x-request-id").starts_with("req_"), "{id}");
        assert_eq!(told.header("traceparent"), "");
    }
}

/// Whatever stands in headers and bodies, the answer is one of the document. (The house judges each.)
#[tokio::test]
async fn nothing_that_is_sent_breaks_it() {
    let house = House::new().await;
    let (_, key) = house.pro("ada").await;
    let names = [
        "idempotency-key",
        "x-request-id",
        "traceparent",
        "content-type",
        "authorization",
        "x-api-key",
        "accept",
        "last-event-id",
        "x-forwarded-for",
        "origin",
        "access-control-request-method",
        "content-length",
        "host",
    ];
    let text = proptest::collection::vec(any::<u8>(), 0..40);
    let header = (0..names.len(), text.clone());
    let request = (proptest::collection::vec(header, 0..4), proptest::collection::vec(any::<u8>(), 0..64), 0..6_usize);
    let mut runner = TestRunner::deterministic();
    let mut refused = 0;
    for _ in 0..500 {
        let (headers, body, route) = request.new_tree(&mut runner).unwrap().current();
        let (method, path) = [
            ("POST", "/v1/jobs"),
            ("GET", "/v1/jobs"),
            ("POST", "/v1/auth/register"),
            ("PUT", "/v1/secrets/xai"),
            ("POST", "/v1/webhooks/stripe"),
            ("OPTIONS", "/v1/jobs"),
        ][route];
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            request = request.header(names[name], value);
        }
        let told = house.send(request.body(Body::from(body)).unwrap()).await;
        refused += usize::from(told.status.is_client_error());
        house.clock.pass(Duration::from_secs(1));
    }
    assert!(refused > 200, "{refused}");
    assert_eq!(house.get("/v1/jobs", &key).await.is(200).body["data"], Value::Array(Vec::new()));
}
