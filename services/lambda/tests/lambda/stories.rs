//! Events as API Gateway, its authorizer's side and a schedule send them, and what the functions make of them.

use serde_json::{Value, json};

use crate::emulator::emulator;
use crate::runtime::{Function, Told};
use crate::stage::Stage;

/// A request as API Gateway hands it over; `authorizer` is what it says the authorizer said.
fn request(method: &str, path: &str, key: Option<&str>, body: Option<&Value>, authorizer: Option<Value>) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut event = json!({
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "accept": "*/*", "content-length": "1", "host": "abc123.execute-api.us-east-1.amazonaws.com",
            "user-agent": "curl/8", "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            "x-forwarded-for": "203.0.113.7", "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc123", "domainName": "abc123.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "curl/8"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "ANY /{proxy+}", "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1_583_817_383_220_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some(key) = key {
        event["headers"]["authorization"] = json!(format!("Bearer {key}"));
    }
    if let Some(body) = body {
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(body.to_string());
    }
    if let Some(said) = authorizer {
        event["requestContext"]["authorizer"] = json!({"lambda": said});
    }
    event
}

/// What it asks its authorizer.
fn question(key: Option<(&str, &str)>) -> Value {
    let mut event = json!({
        "version": "2.0", "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:us-east-1:123456789012:abc123/$default/GET/v1/jobs",
        "identitySource": null, "routeKey": "ANY /{proxy+}", "rawPath": "/v1/jobs", "rawQueryString": "",
        "headers": {"accept": "*/*", "x-forwarded-for": "203.0.113.7"},
        "requestContext": {"accountId": "123456789012", "apiId": "abc123", "stage": "$default", "requestId": "x",
            "http": {"method": "GET", "path": "/v1/jobs", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "u"}},
    });
    if let Some((name, value)) = key {
        event["headers"][name] = json!(value);
    }
    event
}

fn status(told: &Told) -> u64 {
    told.as_ref().expect("an answer")["statusCode"].as_u64().expect("a status")
}

fn body(told: &Told) -> Value {
    let answer = told.as_ref().expect("an answer");
    assert_eq!(answer["isBase64Encoded"], false);
    serde_json::from_str(answer["body"].as_str().expect("a text")).expect("JSON")
}

fn api(stage: &Stage) -> Vec<(String, String)> {
    let mut variables = stage.variables();
    for (name, value) in
        [("OUTPOST_PUBLIC_URL", "https://api.example.com"), ("ECS_CLUSTER", "outpost"), ("ECS_SERVICE", "worker")]
    {
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked_and_no_word_of_the_gateway_opens_anything() {
    let Some(emulator) = emulator() else { return };
    let stage = Stage::make(emulator).await;
    stage.workers().await;
    let mut lambda = Function::start("outpost-lambda", &api(&stage)).await;
    let mut authorizer = Function::start("outpost-authorizer", &stage.variables()[..6]).await;

    let health = lambda.call(&request("GET", "/health", None, None, None)).await;
    assert_eq!((status(&health), &body(&health)["status"]), (200, &json!("healthy")));
    let made = lambda
        .call(&request("POST", "/v1/auth/register", None, Some(&json!({"email": "ada@example.com"})), None))
        .await;
    assert_eq!(status(&made), 201, "{made:?}");
    let (key, tenant) = (body(&made)["api_key"].as_str().unwrap().to_owned(), body(&made)["tenant_id"].clone());

    // Each of the two ways to show it.
    let bearer = format!("Bearer {key}");
    for shown in [("authorization", bearer.as_str()), ("x-api-key", key.as_str())] {
        let verdict = authorizer.call(&question(Some(shown))).await.expect("a verdict");
        assert_eq!(verdict["isAuthorized"], true);
        let context = &verdict["context"];
        assert_eq!(
            (&context["auth"], &context["tenant_id"], &context["tier"]),
            (&json!("good"), &tenant, &json!("free"))
        );
        assert!(context["scopes"].as_str().is_some_and(|scopes| scopes.split(' ').any(|scope| scope == "jobs:write")));
        assert!(!verdict.to_string().contains(&key), "{verdict}");
    }
    assert_eq!(stage.wanted().await, 0, "nobody has called for workers");
    let job = json!({"agent": "claude", "task": "say hello"});
    let submitted = lambda.call(&request("POST", "/v1/jobs", Some(&key), Some(&job), None)).await;
    assert_eq!(status(&submitted), 202, "{submitted:?}");
    assert_eq!(stage.wanted().await, 1, "the API has called for a worker");
    let listed = lambda.call(&request("GET", "/v1/jobs?limit=1", Some(&key), None, None)).await;
    assert_eq!((status(&listed), &body(&listed)["data"][0]["id"]), (200, &body(&submitted)["id"]));
    assert!(listed.as_ref().unwrap()["headers"]["ratelimit"].as_str().is_some_and(|limit| limit.contains("requests")));

    // Whoever can call the function past the gateway can write anything into an event.
    let said = json!({"auth": "good", "tenant_id": tenant, "user_id": tenant, "scopes": "jobs:read admin", "tier": "enterprise"});
    let forged = lambda.call(&request("GET", "/v1/jobs", None, None, Some(said.clone()))).await;
    assert_eq!((status(&forged), &body(&forged)["code"]), (401, &json!("missing_api_key")));
    let forged = lambda.call(&request("GET", "/v1/admin/tenants", Some(&key), None, Some(said))).await;
    assert_eq!((status(&forged), &body(&forged)["code"]), (403, &json!("insufficient_scope")));

    let keys = lambda.call(&request("GET", "/v1/auth/api-keys", Some(&key), None, None)).await;
    let id = body(&keys)["data"][0]["id"].as_str().expect("an id").to_owned();
    let gone = lambda.call(&request("DELETE", &format!("/v1/auth/api-keys/{id}"), Some(&key), None, None)).await;
    assert!(status(&gone) < 300, "{gone:?}");
    let verdict = authorizer.call(&question(Some(("x-api-key", &key)))).await.expect("a verdict");
    assert_eq!((&verdict["context"]["auth"], &verdict["context"]["reason"]), (&json!("refused"), &json!("revoked")));
    // What the gateway remembered of it helps nobody.
    let old = json!({"auth": "good", "tenant_id": tenant, "key_id": id});
    let refused = lambda.call(&request("GET", "/v1/jobs", Some(&key), None, Some(old))).await;
    assert_eq!((status(&refused), &body(&refused)["code"]), (401, &json!("revoked_api_key")));
}

#[tokio::test]
async fn what_is_no_key_is_told_so_without_a_look_at_the_tables() {
    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nobody = [
        ("AWS_ENDPOINT_URL", format!("http://{closed}")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "1".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "1".to_owned()),
        ("AWS_MAX_ATTEMPTS", "1".to_owned()),
    ];
    let nobody = nobody.map(|(name, value)| (name.to_owned(), value));
    let mut authorizer = Function::start("outpost-authorizer", &nobody).await;
    let legacy = format!("otp_{}", "0a".repeat(32));
    let wrong = format!("op_live_{}", "A".repeat(49));
    for (shown, authorized, reason) in [
        (Some(("authorization", "Bearer hunter2")), false, "malformed"),
        (Some(("authorization", "Basic aGk6aG8=")), false, "malformed"),
        (Some(("x-api-key", "")), false, "malformed"),
        (Some(("x-api-key", wrong.as_str())), false, "malformed"),
        (None, true, "missing"),
        (Some(("x-api-key", legacy.as_str())), true, "unavailable"),
    ] {
        let verdict = authorizer.call(&question(shown)).await.expect("a verdict");
        let told = (&verdict["isAuthorized"], &verdict["context"]["auth"], &verdict["context"]["reason"]);
        assert_eq!(told, (&json!(authorized), &json!("refused"), &json!(reason)), "{shown:?}");
    }
    let mut older = question(None);
    older["version"] = json!("1.0");
    let error = authorizer.call(&older).await.expect_err("another format");
    assert!(error["errorMessage"].as_str().is_some_and(|told| told.contains("payload format `1.0`")), "{error}");
    // An event that cannot be read costs that event only.
    assert!(authorizer.call(&json!({"records": []})).await.is_err());
    assert_eq!(authorizer.call(&question(None)).await.expect("a verdict")["isAuthorized"], true);
}

#[tokio::test]
async fn the_reaper_lays_out_dead_tickets_and_tells_webhooks() {
    let Some(emulator) = emulator() else { return };
    let stage = Stage::make(emulator).await;
    stage.workers().await;
    let mut lambda = Function::start("outpost-lambda", &api(&stage)).await;
    let made = lambda
        .call(&request("POST", "/v1/auth/register", None, Some(&json!({"email": "eve@example.com"})), None))
        .await;
    let key = body(&made)["api_key"].as_str().unwrap().to_owned();
    let ask = |method: &str, path: &str, sent: Option<Value>| request(method, path, Some(&key), sent.as_ref(), None);
    let hook = json!({"url": "https://hooks.invalid/outpost"});
    let hook = lambda.call(&ask("POST", "/v1/webhooks", Some(hook))).await;
    assert_eq!(status(&hook), 201, "{hook:?}");
    let job = json!({"agent": "claude", "task": "say hello"});
    let job = lambda.call(&ask("POST", "/v1/jobs", Some(job))).await;
    let id = body(&job)["id"].as_str().unwrap().to_owned();

    // Three workers take the ticket and say nothing more.
    let queue = stage.queue("outpost-jobs-free").await;
    for _ in 0..3 {
        let take = json!({"QueueUrl": queue, "VisibilityTimeout": 0, "MaxNumberOfMessages": 1});
        let told = stage.ask("sqs", "AmazonSQS.ReceiveMessage", &take).await;
        assert!(told["Messages"][0].is_object(), "{told}");
    }
    let take = json!({"QueueUrl": queue, "VisibilityTimeout": 0, "MaxNumberOfMessages": 1});
    let told = stage.ask("sqs", "AmazonSQS.ReceiveMessage", &take).await;
    assert!(!told["Messages"][0].is_object(), "it is dead: {told}");
    let mut variables = api(&stage);
    variables.retain(|(name, _)| name != "OUTPOST_PUBLIC_URL" && name != "OUTPOST_CURSOR_KEY");
    let mut reaper = Function::start("outpost-reaper", &variables).await;
    let scheduled = json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": "2026-10-08T16:53:06Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/reap"], "detail": {},
    });
    let done = reaper.call(&scheduled).await.expect("done");
    assert_eq!(done, json!({"sent": 1, "lost": 1, "ended": 0, "buried": 1, "told": 0}));
    let take = json!({"QueueUrl": queue, "VisibilityTimeout": 0, "MaxNumberOfMessages": 1});
    let fresh = stage.ask("sqs", "AmazonSQS.ReceiveMessage", &take).await;
    assert!(fresh["Messages"][0]["Body"].as_str().is_some_and(|ticket| ticket.contains(&id)), "{fresh}");

    let cancelled = lambda.call(&ask("POST", &format!("/v1/jobs/{id}/cancel"), None)).await;
    assert!(status(&cancelled) < 300, "{cancelled:?}");
    let done = reaper.call(&scheduled).await.expect("done");
    assert_eq!(done["told"], 1, "{done}");
    let done = reaper.call(&json!({})).await.expect("done");
    assert_eq!(done["told"], 0, "not before its time: {done}");
}
