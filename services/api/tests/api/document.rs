//! The OpenAPI document: as it is shown, and that it is what the router does.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::house::{BASE, House};

#[test]
fn the_document_is_as_it_was_shown() {
    let document = outpost_api::document(BASE);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn all_references_lead_somewhere_and_all_names_are_told_apart() {
    let document = outpost_api::document(BASE);
    let mut found = 0;
    each(&document, &mut |value| {
        if let Some(reference) = value["$ref"].as_str() {
            found += 1;
            let name = reference.strip_prefix("#/components/schemas/").expect("a schema of ours");
            let schema = &document["components"]["schemas"][name];
            assert!(schema.is_object(), "{reference}");
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
        }
    });
    assert!(found > 100, "{found}");
    let mut names: Vec<&str> = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap());
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

fn each(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Object(map) => map.values().for_each(|value| each(value, see)),
        Value::Array(list) => list.iter().for_each(|value| each(value, see)),
        _ => {}
    }
}

/// The methods that the router says a path has are those of the document, and no others.
#[tokio::test]
async fn the_router_and_the_document_know_the_same() {
    let house = House::new().await;
    let ids = "01a20069-b28f-760e-863d-686d1340448a";
    for (template, methods) in house.document["paths"].as_object().unwrap() {
        let path = template
            .replace("{path}", "a/b")
            .split('/')
            .map(|part| if part.starts_with('{') { ids } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let told = house.ask("OPTIONS", &path, None, None).await.is(204);
        let mut allowed: Vec<&str> = told.header("allow").split(", ").collect();
        let mut listed: Vec<String> = methods.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        listed.push("OPTIONS".to_owned());
        if listed.contains(&"GET".to_owned()) {
            listed.push("HEAD".to_owned());
        }
        allowed.sort_unstable();
        listed.sort_unstable();
        assert_eq!(allowed, listed, "{template}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !allowed.contains(method)) {
            let told = house.ask(method, &path, None, None).await.fails(405, "method_not_allowed");
            assert_eq!(told.header("allow").split(", ").count(), allowed.len());
        }
    }
    for path in
        ["/", "/v1", "/v1/jobs/", "/V1/jobs", "/v1/jobs/a/b", "/v2/jobs", "/admin", "/.env", "/v1/%2e%2e/health"]
    {
        house.ask("GET", path, None, None).await.fails(404, "not_found");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let house = House::new().await;
    let page = house.ask("GET", "/docs", None, None).await.is(200);
    let text = String::from_utf8(page.bytes.clone()).unwrap();
    assert!(!text.contains("://"), "an address of something else");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.matches("'sha256-").count() == 2, "{policy}");
    let served = house.ask("GET", "/openapi.json", None, None).await.is(200);
    assert_eq!(served.body, house.document);
    assert_eq!(served.body["openapi"], "3.1.0");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_if_that_is_set() {
    let ask = async |origins: &[&str], method: &str| {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        let house = House::with(|settings| settings.origins = origins, |_| {}).await;
        let request = Request::builder()
            .method(method)
            .uri("/v1/jobs")
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST");
        house.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(&[], "OPTIONS").await.is(204).header("access-control-allow-origin"), "");
    let told = ask(&["https://app.example.com"], "OPTIONS").await.is(204);
    assert_eq!(told.header("access-control-allow-origin"), "https://app.example.com");
    assert!(told.header("access-control-allow-headers").contains("Authorization"));
    assert_eq!(told.header("access-control-allow-credentials"), "");
    assert_eq!(ask(&["https://other.example.com"], "OPTIONS").await.header("access-control-allow-origin"), "");
    let refused = ask(&["*"], "GET").await.fails(401, "missing_api_key");
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(refused.header("vary"), "Origin");
    assert_eq!(json!(refused.body["code"]), "missing_api_key");
}
