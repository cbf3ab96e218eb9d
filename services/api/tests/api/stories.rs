//! What tenants do, from the first request on.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use outpost_core::actions::{Claimed, Detail, Line, Stream};
use outpost_core::id::WorkerId;
use outpost_core::job::{Artifact, Outcome, Verdict};
use outpost_core::ports::Ticket;
use serde_json::{Value, json};

use crate::house::{House, job};

#[tokio::test]
async fn from_nothing_to_a_full_day() {
    let house = House::new().await;
    let (tenant, key) = house.tenant("ada").await;
    let me = house.get("/v1/tenant", &key).await.is(200);
    assert_eq!((me.text("tenant_id"), me.text("tier")), (tenant.clone(), "free".to_owned()));

    let secret = json!({ "value": "sk-ant-0123456789abcdef" });
    let put = house.ask("PUT", "/v1/secrets/anthropic", Some(&key), Some(secret)).await.is(200);
    assert_eq!(put.body["last4"], "cdef");
    let listed = house.get("/v1/secrets", &key).await.is(200);
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
    assert!(!String::from_utf8_lossy(&listed.bytes).contains("0123456789"), "a secret is never shown");

    // One at a time in the free tier.
    let first = house.post("/v1/jobs", &key, job()).await.is(202);
    let id = first.text("id");
    assert_eq!(first.header("location"), format!("/v1/jobs/{id}"));
    let full = house.post("/v1/jobs", &key, job()).await.fails(429, "concurrency_exceeded");
    assert_eq!((&full.body["usage"]["active"], &full.body["usage"]["active_limit"]), (&json!(1), &json!(1)));
    assert!(!full.header("retry-after").is_empty());

    // A worker takes each, so that none gives its place of the day back.
    run(&house, &tenant, &id).await;
    for number in 2..=10 {
        let told = house.post("/v1/jobs", &key, job()).await.is(202);
        run(&house, &tenant, &told.text("id")).await;
        let usage = house.get("/v1/usage", &key).await.is(200);
        assert_eq!(usage.body["jobs_today"], number);
    }
    let over = house.post("/v1/jobs", &key, job()).await.fails(429, "quota_exceeded");
    assert_eq!(over.body["usage"]["jobs_remaining"], 0);
    assert_eq!(over.body["usage"]["jobs_today"], 10);
    // It is noon.
    assert_eq!(over.header("retry-after"), "43200");
    house.clock.pass(Duration::from_secs(43_200));
    let next = house.post("/v1/jobs", &key, job()).await.is(202);
    let cancelled = house.post(&format!("/v1/jobs/{}/cancel", next.text("id")), &key, json!({})).await.is(200);
    assert_eq!(cancelled.text("status"), "cancelled");
    let again = house.ask("DELETE", &format!("/v1/jobs/{}", next.text("id")), Some(&key), None).await.is(200);
    assert_eq!(again.text("status"), "cancelled");
    house.post(&format!("/v1/jobs/{id}/cancel"), &key, json!({})).await.fails(409, "job_not_cancellable");
    assert_eq!(house.get("/v1/usage", &key).await.is(200).body["jobs_today"], 0);

    let audit = house.get("/v1/audit?limit=100", &key).await.is(200);
    let count =
        |action: &str| audit.body["data"].as_array().unwrap().iter().filter(|event| event["action"] == action).count();
    let counts = ["tenant.register", "secret.put", "job.submit", "job.finish", "job.cancel"].map(count);
    assert_eq!(counts, [1, 1, 11, 10, 1]);
    let days = house.get("/v1/usage?from=2026-01-11&to=2026-01-12", &key).await.is(200);
    assert_eq!((&days.body["history"][0]["jobs"], &days.body["history"][1]["jobs"]), (&json!(10), &json!(0)));
    let charged = house.get("/v1/usage/events", &key).await.is(200);
    assert_eq!(charged.body["data"].as_array().unwrap().len(), 10);
}

/// What a worker does, shortly.
async fn run(house: &House, tenant: &str, job: &str) {
    let ticket = Ticket { tenant: tenant.parse().unwrap(), job: job.parse().unwrap(), traceparent: None };
    let worker = WorkerId::new(house.desk.ports().clock.now(), &[1; 10]);
    let Claimed::Yes(claim) = house.desk.claim(&ticket, &worker).await.expect("a claim") else { panic!("no claim") };
    let now = house.desk.ports().clock.now();
    let line =
        |seq, text: &str| Line { seq, at: now, stream: Stream::Out, text: text.to_owned(), detail: Detail::default() };
    house.desk.append_log(&claim, &[line(1, "one"), line(2, "zwei\n\"2\"")]).await.expect("a log");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), b"<script>alert(1)</script>").expect("a file");
    house.desk.put_artifact(&claim, "page.html", file.path()).await.expect("an artifact");
    let artifacts = vec![Artifact {
        name: "page.html".to_owned(),
        media_type: "text/html".to_owned(),
        bytes: 25,
        sha256: "0".repeat(64),
    }];
    let outcome = Outcome {
        result: Verdict::Succeeded,
        code: None,
        message: "done".to_owned(),
        exit_code: Some(0),
        outputs: serde_json::Map::new(),
        usage: outpost_core::job::Usage { input_tokens: 5, output_tokens: 7, micro_usd: 1_500_000, duration_ms: 9 },
        artifacts,
    };
    house.desk.finish(&claim, outcome).await.expect("an end");
}

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let house = House::new().await;
    let (tenant, key) = house.tenant("ada").await;
    let id = house.post("/v1/jobs", &key, job()).await.is(202).text("id");
    let early = house.get(&format!("/v1/jobs/{id}/logs"), &key).await.is(200);
    assert_eq!((&early.body["data"], &early.body["final"]), (&json!([]), &json!(false)));
    run(&house, &tenant, &id).await;
    let shown = house.get(&format!("/v1/jobs/{id}"), &key).await.is(200);
    assert_eq!(shown.body["outcome"]["usage"]["usd"], 1.5);
    let path = format!("/v1/jobs/{id}/logs");
    let whole = house.get(&format!("{path}?wait=20"), &key).await.is(200);
    let texts: Vec<&Value> = whole.body["data"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, [&json!("one"), &json!("zwei\n\"2\"")]);
    assert_eq!(whole.body["final"], true);
    let half = house.get(&format!("{path}?limit=1"), &key).await.is(200);
    assert_eq!((half.body["data"].as_array().unwrap().len(), &half.body["final"]), (1, &json!(false)));
    let rest = house.get(&format!("{path}?after={}", half.body["next_after"]), &key).await.is(200);
    assert_eq!(rest.body["data"][0]["text"], "zwei\n\"2\"");

    let stream = |last: Option<String>| {
        let request = Request::get(&path).header("x-api-key", &key).header("accept", "text/event-stream");
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        house.send(request.body(Body::empty()).unwrap())
    };
    let events = stream(None).await.is(200);
    assert_eq!(events.header("content-type"), "text/event-stream");
    let text = String::from_utf8(events.bytes).unwrap();
    assert_eq!(text.matches("event: line\n").count(), 2, "{text}");
    assert!(text.ends_with("event: end\ndata: {\"status\":\"succeeded\"}\n\n"), "{text}");
    let later = stream(Some(half.body["next_after"].to_string())).await.is(200);
    assert_eq!(String::from_utf8(later.bytes).unwrap().matches("event: line\n").count(), 1);
    stream(Some("x".to_owned())).await.fails(422, "validation_failed");

    let files = house.get(&format!("/v1/jobs/{id}/artifacts"), &key).await.is(200);
    let url = files.body["data"][0]["url"].as_str().unwrap().strip_prefix(crate::house::BASE).unwrap().to_owned();
    let fetched = house.ask("GET", &url, None, None).await.is(200);
    assert_eq!(fetched.bytes, b"<script>alert(1)</script>");
    assert_eq!(fetched.header("content-disposition"), "attachment; filename=\"page.html\"");
    assert_eq!(fetched.header("content-type"), "application/octet-stream");
    house.ask("GET", &url.replace("page.html", "page2.html"), None, None).await.fails(404, "not_found");
    house.ask("GET", &format!("{url}0"), None, None).await.fails(404, "not_found");
    house.clock.pass(Duration::from_secs(3601));
    house.ask("GET", &url, None, None).await.fails(404, "not_found");
}

#[tokio::test]
async fn somebody_who_waits_is_woken_by_a_line() {
    let house = House::new().await;
    let (tenant, key) = house.tenant("ada").await;
    let id = house.post("/v1/jobs", &key, job()).await.is(202).text("id");
    let path = format!("/v1/jobs/{id}/logs?wait=20");
    let (told, ()) = tokio::join!(house.get(&path, &key), run(&house, &tenant, &id));
    assert!(!told.is(200).body["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_same_request_fifty_times_is_one_job() {
    let house = House::new().await;
    let (_, key) = house.pro("ada").await;
    let send = |body: Value| {
        let request = Request::post("/v1/jobs")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("idempotency-key", "once");
        house.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let all = futures_util::future::join_all((0..50).map(|_| send(job()))).await;
    let ids: HashSet<String> = all.iter().map(|told| told.text("id")).collect();
    assert_eq!(ids.len(), 1);
    assert!(all.iter().all(|told| told.status == 202));
    assert_eq!(all.iter().filter(|told| told.header("idempotency-replayed") == "true").count(), 49);
    let bodies: HashSet<&[u8]> = all.iter().map(|told| told.bytes.as_slice()).collect();
    assert_eq!(bodies.len(), 1, "an answer that is given again is the same");
    assert_eq!(house.get("/v1/jobs", &key).await.is(200).body["data"].as_array().unwrap().len(), 1);
    send(json!({ "agent": "claude", "task": "another" })).await.fails(422, "idempotency_mismatch");
    house.clock.pass(Duration::from_secs(86_401));
    assert_ne!(send(job()).await.is(202).text("id"), *ids.iter().next().unwrap());
}

#[tokio::test]
async fn keys_are_made_replaced_and_revoked() {
    let house = House::new().await;
    let (_, key) = house.tenant("ada").await;
    let wanted = json!({ "name": "ci", "environment": "test", "scopes": ["jobs:read", "dispatch"] });
    let made = house.post("/v1/auth/api-keys", &key, wanted).await.is(201);
    assert_eq!(made.body["scopes"], json!(["jobs:read", "jobs:write"]));
    let ci = made.text("api_key");
    assert!(ci.starts_with("op_test_"));
    house.get("/v1/jobs", &ci).await.is(200);
    house.get("/v1/audit", &ci).await.fails(403, "insufficient_scope");
    house
        .post("/v1/auth/api-keys", &key, json!({ "name": "root", "scopes": ["admin"] }))
        .await
        .fails(403, "insufficient_scope");

    let path = format!("/v1/auth/api-keys/{}/rotate", made.text("id"));
    // Later than the one that it is to replace: the newest comes first.
    house.clock.pass(Duration::from_secs(1));
    let new = house.post(&path, &key, json!({ "grace_seconds": 60 })).await.is(201).text("api_key");
    house.get("/v1/jobs", &ci).await.is(200);
    house.get("/v1/jobs", &new).await.is(200);
    house.clock.pass(Duration::from_secs(61));
    house.get("/v1/jobs", &ci).await.fails(401, "expired_api_key");
    let listed = house.get("/v1/auth/api-keys", &key).await.is(200);
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 3);
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(&new[..20]));

    let id = listed.body["data"][0]["id"].as_str().unwrap().to_owned();
    house.ask("DELETE", &format!("/v1/auth/api-keys/{id}"), Some(&key), None).await.is(200);
    house.get("/v1/jobs", &new).await.fails(401, "revoked_api_key");
    let audit = house.get("/v1/audit", &key).await.is(200);
    let count =
        |action: &str| audit.body["data"].as_array().unwrap().iter().filter(|event| event["action"] == action).count();
    assert_eq!((count("key.denied"), count("key.refused")), (2, 1));
}

#[tokio::test]
async fn the_older_shape_still_works() {
    let house = House::new().await;
    let (tenant, key) = house.tenant("ada").await;
    let wanted = json!({ "userId": tenant, "agent": "claude", "task": "hello", "timeoutSeconds": 60 });
    let told = house.post("/dispatch", &key, wanted).await.is(202);
    assert!(told.header("deprecation").starts_with('@'));
    let id = told.body["data"]["dispatchId"].as_str().unwrap().to_owned();
    assert_eq!(told.body["data"]["status"], "PENDING");
    run(&house, &tenant, &id).await;
    let ended = house.get(&format!("/dispatch/{id}"), &key).await.is(200);
    assert_eq!((&ended.body["success"], &ended.body["data"]["status"]), (&json!(true), &json!("COMPLETED")));
    let other = json!({ "userId": "6bdd64cb-5e12-4024-b3c1-d2b14ca77705", "agent": "claude", "task": "hello" });
    house.post("/dispatch", &key, other).await.fails(422, "validation_failed");
    let fleet = house.get("/fleet", &key).await.is(200);
    let agents = fleet.body["data"]["agents"].as_array().unwrap();
    let available: Vec<bool> = agents.iter().map(|agent| agent["available"].as_bool().unwrap()).collect();
    assert_eq!(available, [true, false, false, false, false], "the free tier has one agent");
    assert_eq!(agents[1]["modelId"], "gpt-5.2-codex");
}

#[tokio::test]
async fn everybody_may_ask_how_it_is() {
    let house = House::new().await;
    for path in ["/health", "/v1/health", "/health/ready", "/health/fleet", "/v1/meta", "/docs", "/openapi.json"] {
        house.ask("GET", path, None, None).await.is(200);
        let head = house.ask("HEAD", path, None, None).await.is(200);
        assert!(head.bytes.is_empty());
    }
    let fleet = house.ask("GET", "/health/fleet", None, None).await.is(200);
    assert_eq!(fleet.body["agents"].as_array().unwrap().len(), 5);
    assert_eq!(fleet.body["status"], "healthy");
}

#[tokio::test]
async fn those_who_run_it_look_after_tenants() {
    let house = House::new().await;
    let who = outpost_core::actions::Authority::operator("tests", "req_tests");
    let (tenant, key) = house.tenant("ada").await;
    let request = outpost_core::actions::KeyRequest {
        name: "root".to_owned(),
        environment: outpost_core::key::Environment::Live,
        scopes: vec![outpost_core::key::Scope::Admin],
        expires_at: None,
    };
    let made = house.desk.create_key_of(&who, &tenant.parse().unwrap(), request).await.unwrap();
    let root = made.key.unwrap().reveal().to_owned();
    let wanted = json!({ "email": "bo@example.com", "tier": "pro", "overrides": { "jobs_per_day": 500, "timeout_seconds": 1800 } });
    let bo = house.post("/v1/admin/tenants", &root, wanted.clone()).await.is(201);
    assert_eq!(bo.body["tenant"]["limits"]["jobs_per_day"], 500);
    house.post("/v1/admin/tenants", &root, wanted).await.fails(409, "email_taken");
    house.get("/v1/admin/tenants", &key).await.fails(403, "insufficient_scope");
    let place = format!("/v1/admin/tenants/{}", bo.body["tenant"]["tenant_id"].as_str().unwrap());
    let theirs = bo.text("api_key");
    let change = |body: Value| house.ask("PATCH", &place, Some(&root), Some(body));
    change(json!({ "standing": "suspended" })).await.is(200);
    house.get("/v1/tenant", &theirs).await.fails(403, "tenant_suspended");
    change(json!({ "standing": "active", "tier": "enterprise" })).await.is(200);
    assert_eq!(house.get("/v1/tenant", &theirs).await.is(200).text("tier"), "enterprise");
    assert_eq!(house.get("/v1/admin/tenants?limit=1", &root).await.is(200).body["has_more"], true);
    house.ask("DELETE", &place, Some(&root), None).await.is(204);
    house.get("/v1/tenant", &theirs).await.fails(401, "invalid_api_key");
}
