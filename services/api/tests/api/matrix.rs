//! Every route of the document, asked by everybody who may not: nobody learns anything of a tenant that is not it.
//!
//! The routes come from the document, so a new one is in the matrix without a line here; without a body to send, it fails.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use outpost_core::actions::{Authority, KeyRequest};
use outpost_core::key::{Environment, Scope};
use serde_json::{Value, json};

use crate::house::{House, Told};

/// What may be asked without a key, known by heart.
const PUBLIC: [&str; 11] = [
    "POST /v1/auth/register",
    "POST /v1/webhooks/stripe",
    "GET /v1/files/{tenant_id}/{path}",
    "GET /health",
    "GET /v1/health",
    "GET /health/ready",
    "GET /health/fleet",
    "GET /v1/meta",
    "GET /v1/openapi.json",
    "GET /openapi.json",
    "GET /docs",
];

struct Row {
    method: String,
    template: String,
    operation: Value,
}

fn rows(document: &Value) -> Vec<Row> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(template, methods)| {
        methods.as_object().unwrap().iter().map(|(method, operation)| Row {
            method: method.to_uppercase(),
            template: template.clone(),
            operation: operation.clone(),
        })
    });
    all.collect()
}

/// A body that is good enough.
fn body(row: &Row) -> Option<Value> {
    row.operation.get("requestBody")?;
    Some(match row.operation["operationId"].as_str().unwrap() {
        "register" => json!({ "email": "eve@example.com" }),
        "createKey" => json!({ "name": "more" }),
        "putSecret" => json!({ "value": "sk-ant-0123456789abcdef" }),
        "submitJob" => json!({ "agent": "claude", "task": "x" }),
        "dispatch" => json!({ "agent": "claude", "task": "x" }),
        "createWebhook" => json!({ "url": "https://example.com/mine" }),
        "subscribe" => json!({ "tier": "pro" }),
        "adminCreateTenant" => json!({ "email": "mallory@example.com" }),
        name => {
            // A new route says here what it takes, or it is not in the matrix at all.
            let schema =
                row.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
            let empty = ["Empty", "TenantChange", "RotateKey", "AdminTenantChange"];
            assert!(empty.iter().any(|known| schema.ends_with(&format!("/{known}"))), "{name} takes {schema}");
            json!({})
        }
    })
}

/// What tenant A has, by the names that paths use.
struct Things {
    ids: Vec<(&'static str, String)>,
    /// Words that nobody else may ever be told.
    marks: Vec<String>,
}

async fn things(house: &House, tenant: &str, key: &str) -> Things {
    house.ask("POST", "/v1/webhooks/callback-secret", Some(key), None).await.is(201);
    let job = json!({ "agent": "claude", "task": "the-mark-of-ada", "callback_url": "https://example.com/ada" });
    let job = house.post("/v1/jobs", key, job).await.is(202).text("id");
    let hook =
        house.post("/v1/webhooks", key, json!({ "url": "https://example.com/adas-hook" })).await.is(201).text("id");
    // Ended, so that there is a message about it.
    let ended =
        house.post("/v1/jobs", key, json!({ "agent": "claude", "task": "the-mark-of-ada" })).await.is(202).text("id");
    house.post(&format!("/v1/jobs/{ended}/cancel"), key, json!({})).await.is(200);
    let messages = house.get("/v1/webhooks/messages", key).await.is(200);
    let message = messages.body["data"][0]["id"].as_str().unwrap().to_owned();
    let spare = house.post("/v1/auth/api-keys", key, json!({ "name": "adas-spare" })).await.is(201).text("id");
    house
        .ask("PUT", "/v1/secrets/anthropic", Some(key), Some(json!({ "value": "sk-ant-0123456789-ada" })))
        .await
        .is(200);
    let marks = [&job, &ended, &hook, &message, &spare, tenant, "the-mark-of-ada", "ada@example.com", "adas-", "-ada"];
    Things {
        marks: marks.map(str::to_owned).to_vec(),
        ids: vec![
            ("job_id", job),
            ("webhook_id", hook),
            ("message_id", message),
            ("key_id", spare),
            ("tenant_id", tenant.to_owned()),
            ("kind", "anthropic".to_owned()),
            ("path", "job/a1/out/x".to_owned()),
        ],
    }
}

fn filled(template: &str, ids: &[(&'static str, String)]) -> String {
    let path = ids.iter().fold(template.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
    assert!(!path.contains('{'), "the matrix knows no `{path}`");
    path
}

/// An id of the same kind that is nobody's.
fn nobodys(id: &str) -> String {
    let at = id.find(|char: char| char.is_ascii_digit()).unwrap_or(0);
    let (kind, rest) = id.split_at(at);
    format!("{kind}{}", rest.replace(|char: char| char.is_ascii_hexdigit(), "7"))
}

fn same(one: &Told, other: &Told) -> bool {
    let without = |told: &Told| {
        let mut body = told.body.clone();
        for name in ["request_id", "instance"] {
            body.as_object_mut().map(|body| body.remove(name));
        }
        let names: BTreeSet<String> = told.headers.keys().map(ToString::to_string).collect();
        (told.status, body, names)
    };
    without(one) == without(other)
}

async fn key_with(house: &House, tenant: &str, scopes: Vec<Scope>, expires: Option<Duration>) -> (String, String) {
    let who = Authority::operator("tests", "req_tests");
    let expires_at = expires.map(|time| house.desk.ports().clock.now().plus(time));
    let request = KeyRequest { name: "made".to_owned(), environment: Environment::Live, scopes, expires_at };
    let made = house.desk.create_key_of(&who, &tenant.parse().unwrap(), request).await.unwrap();
    (made.record.id.to_string(), made.key.unwrap().reveal().to_owned())
}

#[tokio::test]
async fn nobody_learns_of_another_tenant() {
    let house = House::new().await;
    let rows = rows(&house.document);
    let public: BTreeSet<String> = rows
        .iter()
        .filter(|row| row.operation["security"] == json!([]))
        .map(|row| format!("{} {}", row.method, row.template))
        .collect();
    assert_eq!(public, PUBLIC.iter().map(ToString::to_string).collect());

    let (ada, key) = house.pro("ada").await;
    let (bo, other) = house.pro("bo").await;
    let things = things(&house, &ada, &key).await;
    let (revoked_id, revoked) = key_with(&house, &ada, Scope::TENANT.to_vec(), None).await;
    house.ask("DELETE", &format!("/v1/auth/api-keys/{revoked_id}"), Some(&key), None).await.is(200);
    let (_, expired) = key_with(&house, &ada, Scope::TENANT.to_vec(), Some(Duration::from_secs(1))).await;
    house.clock.pass(Duration::from_secs(2));
    let mistyped = format!("{}x", &key[..key.len() - 1]);
    let unknown = outpost_core::key::ApiKey::mint(Environment::Live, &[9; 32]).reveal().to_owned();
    let nothing: Vec<_> = things.ids.iter().map(|(name, id)| (*name, nobodys(id))).collect();
    let (mut asked, mut strangers) = (0, 0);
    for row in &rows {
        if row.operation["security"] == json!([]) {
            continue;
        }
        let path = filled(&row.template, &things.ids);
        let place = format!("{} {path}", row.method);
        let ask = async |path: &str, key: Option<&str>| house.ask(&row.method, path, key, body(row)).await;
        for (key, code) in [
            (None, "missing_api_key"),
            (Some(&revoked), "revoked_api_key"),
            (Some(&expired), "expired_api_key"),
            (Some(&mistyped), "invalid_api_key"),
            (Some(&unknown), "invalid_api_key"),
        ] {
            let told = ask(&path, key.map(String::as_str)).await.fails(401, code);
            assert_eq!(told.header("www-authenticate"), "Bearer realm=\"outpost\"", "{place}");
            // Nobody is locked out for what this test does.
            house.clock.pass(Duration::from_secs(1));
            asked += 1;
        }
        if let Some(scope) = row.operation["x-scope"].as_str() {
            let others = Scope::TENANT.into_iter().filter(|one| one.as_str() != scope).collect();
            let (_, lacking) = key_with(&house, &ada, others, None).await;
            ask(&path, Some(&lacking)).await.fails(403, "insufficient_scope");
            asked += 1;
        }
        let told = ask(&path, Some(&other)).await;
        let text = String::from_utf8_lossy(&told.bytes).replace(&path, "");
        for mark in &things.marks {
            assert!(!text.contains(mark.as_str()), "{place} tells another tenant `{mark}`: {text}");
        }
        let (named, admin) = (row.template.contains('{'), row.operation["x-scope"] == "admin");
        if admin {
            told.fails(403, "insufficient_scope");
        } else if named && !row.template.contains("{kind}") {
            let nobody = ask(&filled(&row.template, &nothing), Some(&other)).await;
            assert_eq!(told.status, 404, "{place}");
            assert!(same(&told, &nobody), "{place}: {told:?} is not {nobody:?}");
            strangers += 1;
        }
        asked += 1;
    }
    assert!(asked > 200 && strangers >= 10, "{asked} questions, {strangers} of them about what is another's");

    // Cursors are of one tenant, and of one listing.
    let cursor = house.get("/v1/jobs?limit=1", &key).await.is(200).text("next_cursor");
    house.get(&format!("/v1/jobs?limit=1&cursor={cursor}"), &key).await.is(200);
    house.get(&format!("/v1/jobs?limit=1&cursor={cursor}"), &other).await.fails(422, "validation_failed");
    house.get(&format!("/v1/audit?limit=1&cursor={cursor}"), &key).await.fails(422, "validation_failed");
    // And all that was asked for has changed nothing of ada's.
    let job = format!("/v1/jobs/{}", things.ids[0].1);
    assert_eq!(house.get(&job, &key).await.is(200).text("status"), "queued");
    assert_eq!(house.get("/v1/webhooks", &key).await.is(200).body["data"].as_array().unwrap().len(), 1);
    assert_ne!(ada, bo);
}

/// Keys of tenants that are suspended or gone open nothing, and a key that may look after all tenants does nothing in the
/// place of one.
#[tokio::test]
async fn no_role_gets_more_than_is_its_own() {
    let house = House::new().await;
    let (ada, key) = house.pro("ada").await;
    let things = things(&house, &ada, &key).await;
    let (suspended, late) = house.pro("sue").await;
    let (deleted, gone) = house.pro("del").await;
    let (operator, _) = house.pro("root").await;
    let (_, root) = key_with(&house, &operator, vec![Scope::Admin], None).await;
    let asked = json!({ "standing": "suspended" });
    house.ask("PATCH", &format!("/v1/admin/tenants/{suspended}"), Some(&root), Some(asked)).await.is(200);
    house.ask("DELETE", &format!("/v1/admin/tenants/{deleted}"), Some(&root), None).await.is(204);
    let mut cells = 0;
    for row in rows(&house.document).iter().filter(|row| row.operation["security"] != json!([])) {
        let path = filled(&row.template, &things.ids);
        let ask = async |key: &str| house.ask(&row.method, &path, Some(key), body(row)).await;
        ask(&late).await.fails(403, "tenant_suspended");
        ask(&gone).await.fails(401, "invalid_api_key");
        cells += 2;
        match row.operation["x-scope"].as_str() {
            Some("admin") => {}
            Some(_) => drop(ask(&root).await.fails(403, "insufficient_scope")),
            None => {
                let told = String::from_utf8_lossy(&ask(&root).await.bytes).into_owned();
                assert!(things.marks.iter().all(|mark| !told.contains(mark.as_str())), "{} {path}: {told}", row.method);
            }
        }
        cells += 1;
        house.clock.pass(Duration::from_secs(1));
    }
    assert!(cells > 100, "{cells}");
}

#[tokio::test]
async fn the_owner_may_ask_everything() {
    let house = House::new().await;
    let (ada, key) = house.pro("ada").await;
    let things = things(&house, &ada, &key).await;
    let (_, whole) = key_with(&house, &ada, [Scope::TENANT.to_vec(), vec![Scope::Admin]].concat(), None).await;
    let mut rows = rows(&house.document);
    // What removes comes last, and the tenant itself after that.
    rows.sort_by_key(|row| (row.method == "DELETE", row.template.contains("admin"), row.template.clone()));
    for row in &rows {
        if row.operation["security"] == json!([]) {
            continue;
        }
        let path = filled(&row.template, &things.ids);
        let told = house.ask(&row.method, &path, Some(&whole), body(row)).await;
        let billing = row.operation["tags"][0] == "Billing";
        let expected = if billing { told.status == 503 } else { told.status.is_success() || told.status == 409 };
        assert!(expected, "{} {path}: {told:?}", row.method);
        let other = Method::TRACE;
        house.ask(other.as_str(), &path, Some(&whole), None).await.fails(405, "method_not_allowed");
    }
}
