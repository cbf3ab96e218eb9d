//! What docs/SECURITY.md says of the API and no other test shows, and that the page names tests that there are.

use axum::body::Body;
use axum::http::Request;
use outpost_api::Peer;
use serde_json::{Value, json};

use crate::house::{House, Told, job};

/// Addresses that lead to this machine, its neighbours, or the metadata of a cloud.
const INSIDE: [&str; 14] = [
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://10.0.0.1/x",
    "https://192.168.1.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://db.internal/x",
    "http://example.com/x",
    "https://ada:hunter2@example.com/x",
    "file:///etc/passwd",
    "gopher://example.com/x",
];

#[tokio::test]
async fn addresses_that_lead_inside_are_refused_wherever_one_is_taken() {
    let house = House::new().await;
    let (_, key) = house.pro("ada").await;
    house.ask("POST", "/v1/webhooks/callback-secret", Some(&key), None).await.is(201);
    for address in INSIDE {
        let refused = async |path: &str, body: Value, at: &str| {
            let told = house.post(path, &key, body).await.fails(422, "validation_failed");
            assert_eq!(told.body["errors"][0]["pointer"], at, "{address}");
            assert!(!told.body.to_string().contains("hunter2"), "{address}");
        };
        refused("/v1/webhooks", json!({ "url": address }), "/url").await;
        for name in ["callback_url", "repo"] {
            let mut wanted = job();
            wanted[name] = json!(address);
            refused("/v1/jobs", wanted, &format!("/{name}")).await;
        }
        let old = json!({ "agent": "claude", "task": "x", "repo": address });
        house.post("/dispatch", &key, old).await.fails(422, "validation_failed");
    }
    assert_eq!(house.get("/v1/jobs", &key).await.is(200).body["data"], json!([]));
}

/// A page of anywhere whose name leads to this machine asks under that name.
#[tokio::test]
async fn a_machine_of_its_owner_answers_under_its_own_names_only() {
    let house = House::with(outpost_api::Settings::at_home, |_| {}).await;
    let ask = async |uri: &str, host: Option<&str>| {
        let body = Body::from(json!({ "email": format!("{}@example.com", name(uri, host)) }).to_string());
        let mut request = Request::post(uri).header("content-type", "application/json");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        house.send(request.body(body).unwrap()).await
    };
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "outpost.test"] {
        ask("/v1/auth/register", Some(host)).await.is(201);
    }
    for host in
        ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]:8080"]
    {
        ask("/v1/auth/register", Some(host)).await.fails(421, "wrong_host");
    }
    ask("http://evil.example/v1/auth/register", Some("localhost")).await.fails(421, "wrong_host");
}

/// A name for a question, so that no two have one.
fn name(uri: &str, host: Option<&str>) -> String {
    let text = format!("{uri}{}", host.unwrap_or_default());
    text.bytes().map(|byte| format!("{byte:x}")).collect::<String>().chars().rev().take(60).collect()
}

#[tokio::test]
async fn registering_is_rationed_by_who_asks_and_not_by_what_it_says() {
    let ask = async |house: &House, number: u32, peer: [u8; 4], says: &str| -> Told {
        let body = json!({ "email": format!("u{number}@example.com") }).to_string();
        let mut request = Request::post("/v1/auth/register")
            .header("content-type", "application/json")
            .header("x-forwarded-for", says)
            .body(Body::from(body))
            .unwrap();
        request.extensions_mut().insert(Peer(peer.into()));
        house.send(request).await
    };
    // Without proxies nobody's word counts.
    let house = House::with(|_| {}, |settings| settings.registrations = (2, 4)).await;
    ask(&house, 1, [9, 9, 9, 9], "1.1.1.1").await.is(201);
    ask(&house, 2, [9, 9, 9, 9], "1.1.1.2").await.is(201);
    let told = ask(&house, 3, [9, 9, 9, 9], "1.1.1.3").await.fails(429, "rate_limited");
    assert!(told.header("retry-after").parse::<u64>().unwrap() <= 3600);
    ask(&house, 4, [9, 9, 9, 8], "1.1.1.1").await.is(201);
    ask(&house, 5, [9, 9, 9, 7], "1.1.1.1").await.is(201);
    ask(&house, 6, [9, 9, 9, 6], "1.1.1.1").await.fails(429, "rate_limited");
    // Behind one proxy, what that proxy added counts, and nothing before it.
    let house = House::with(|front| front.proxies = 1, |settings| settings.registrations = (1, 99)).await;
    ask(&house, 1, [10, 0, 0, 1], "6.6.6.6, 1.1.1.1").await.is(201);
    ask(&house, 2, [10, 0, 0, 1], "7.7.7.7, 1.1.1.1").await.fails(429, "rate_limited");
    ask(&house, 3, [10, 0, 0, 1], "1.1.1.1, 2.2.2.2").await.is(201);
}

/// What pages of other origins may do is nothing, unless that is set; and never with what a browser knows by itself.
#[tokio::test]
async fn a_browser_is_told_nothing_for_other_origins() {
    let ask = async |house: &House, method: &str| {
        let request = Request::builder()
            .method(method)
            .uri("/v1/jobs")
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST");
        house.send(request.body(Body::empty()).unwrap()).await
    };
    let house = House::new().await;
    for method in ["OPTIONS", "GET", "POST"] {
        let told = ask(&house, method).await;
        assert!(told.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{told:?}");
    }
    let house = House::with(|settings| settings.origins = vec!["*".to_owned()], |_| {}).await;
    let told = ask(&house, "OPTIONS").await.is(204);
    assert_eq!(told.header("access-control-allow-origin"), "https://evil.example");
    assert_eq!(told.header("access-control-allow-credentials"), "", "keys are shown by programs, not by browsers");
}

/// Each test that the page names is one, in the file that it names.
#[test]
fn the_page_names_tests_that_there_are() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = std::fs::read_to_string(format!("{root}/docs/SECURITY.md")).expect("the page");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| **API")).collect();
    assert_eq!(rows.len(), 10, "the ten of the list");
    let mut found = 0;
    for row in rows {
        let proofs = row.rsplit('|').nth(1).expect("a last column");
        let words: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        assert!(!words.is_empty(), "no test in {row}");
        let mut text = String::new();
        for word in words {
            if word.contains('/') {
                let path = format!("{root}/{word}");
                text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
                continue;
            }
            assert!(text.contains(&format!("fn {word}(")), "no test `{word}` where the page says: {row}");
            found += 1;
        }
    }
    assert!(found >= 20, "{found}");
}
