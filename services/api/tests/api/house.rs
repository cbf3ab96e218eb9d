//! A whole service in a temporary folder, asked without a socket.
//!
//! Every answer is held against the OpenAPI document on its way: its status must be one that the document names for the
//! route, and its body must satisfy the schema that stands there. So each test is one of the document, too.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use outpost_api::Settings;
use outpost_core::actions::{self, Desk};
use outpost_core::fleet;
use outpost_core::moment::Moment;
use outpost_core::ports::Clock;
use outpost_embedded::installation;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const BASE: &str = "http://outpost.test";

/// A clock that tests set. It begins at noon.
#[derive(Debug)]
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).expect("a short time"), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct House {
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Arc<Hand>,
    router: Router,
    pub(crate) document: Value,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// Null, where it is not JSON.
    pub(crate) body: Value,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// What the answer must be.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Self {
        let told = self.is(status);
        assert_eq!(told.body["code"], code, "{}", told.body);
        told
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {}", self.body)).to_owned()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    pub(crate) async fn with(front: impl FnOnce(&mut Settings), change: impl FnOnce(&mut actions::Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Hand(AtomicI64::new(1_768_132_800_000)));
        let mut settings = outpost_embedded::Settings::new(BASE);
        settings.clock = Arc::<Hand>::clone(&clock);
        let offer = fleet::offer(vec!["github.com".to_owned()], false);
        let path: &Path = folder.path();
        let opened = installation::open_with(path, settings, offer, |settings| {
            settings.registrations = (1000, 1000);
            change(settings);
        });
        let opened = opened.await.expect("a data folder");
        let mut settings = Settings::new(BASE);
        settings.rate.burst = 100_000;
        settings.files = Some(Arc::new(opened.embedded.clone()));
        front(&mut settings);
        let router = outpost_api::router(Arc::clone(&opened.desk), settings).expect("a router");
        let document = outpost_api::document(BASE);
        Self { desk: opened.desk, clock, router, document, _folder: folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Told {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let told = Told { status: parts.status, headers: parts.headers, bytes, body };
        self.judge(&method, &path, &told);
        told
    }

    /// Asks as most clients do.
    pub(crate) async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Told {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Told {
        self.ask("GET", path, Some(key), None).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: Value) -> Told {
        self.ask("POST", path, Some(key), Some(body)).await
    }

    /// A tenant, and its first key.
    pub(crate) async fn tenant(&self, name: &str) -> (String, String) {
        let told = self.ask("POST", "/v1/auth/register", None, Some(json!({ "email": format!("{name}@example.com") })));
        let told = told.await.is(201);
        (told.text("tenant_id"), told.text("api_key"))
    }

    /// A tenant of a paid tier.
    pub(crate) async fn pro(&self, name: &str) -> (String, String) {
        let (tenant, key) = self.tenant(name).await;
        let change = actions::TenantChange { tier: Some(outpost_core::tenant::Tier::Pro), ..Default::default() };
        let who = actions::Authority::operator("tests", "req_tests");
        self.desk.change_tenant(&who, &tenant.parse().expect("an id"), change).await.expect("a change");
        (tenant, key)
    }

    /// The operation of a path, as the document has it.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (mut parts, mut names) = (path.split('/'), template.split('/'));
            loop {
                match (names.next(), parts.next()) {
                    (None, None) => return true,
                    (Some("{path}"), Some(_)) => return true,
                    (Some(name), Some(part)) if name.starts_with('{') && !part.is_empty() => {}
                    (Some(name), Some(part)) if name == part => {}
                    _ => return false,
                }
            }
        };
        let paths = self.document["paths"].as_object().expect("paths");
        // What is written out comes before what has a name in it.
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        found.first().and_then(|(_, methods)| methods.get(method.as_str().to_ascii_lowercase()))
    }

    fn judge(&self, method: &Method, path: &str, told: &Told) {
        for name in ["x-request-id", "x-outpost-version"] {
            assert!(!told.header(name).is_empty(), "{method} {path}: no {name}");
        }
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
        {
            assert_eq!(told.header(name), value, "{method} {path}");
        }
        assert!(told.header("content-security-policy").contains("default-src 'none'"), "{method} {path}");
        assert!(!told.status.is_server_error() || told.status == StatusCode::SERVICE_UNAVAILABLE, "{told:?}");
        let kind = told.header("content-type").split(';').next().unwrap_or_default().to_owned();
        if told.status.as_u16() >= 400 && *method != Method::HEAD {
            assert_eq!(kind, "application/problem+json", "{method} {path}: {told:?}");
            self.fits(&json!({ "$ref": "#/components/schemas/Problem" }), &told.body, &format!("{method} {path}"));
            assert_eq!(told.body["status"], told.status.as_u16());
            assert_eq!(told.body["request_id"], told.header("x-request-id"));
        }
        let Some(operation) = self.operation(method, path) else {
            assert!(
                matches!(told.status.as_u16(), 204 | 404 | 405),
                "{method} {path} is not in the document: {told:?}"
            );
            return;
        };
        let answer = &operation["responses"][told.status.as_str()];
        assert!(answer.is_object(), "{method} {path}: {} is not in the document: {told:?}", told.status);
        let schema = &answer["content"][&kind]["schema"];
        if schema.is_object() && *method != Method::HEAD {
            self.fits(schema, &told.body, &format!("{method} {path}"));
        }
    }

    fn fits(&self, schema: &Value, body: &Value, place: &str) {
        let name = schema["$ref"].as_str().and_then(|text| text.rsplit('/').next()).expect("a name");
        let mut schema = self.document["components"]["schemas"][name].clone();
        closed(&mut schema);
        let judge = jsonschema::draft202012::new(&schema).expect("a schema");
        let wrong: Vec<String> = judge.iter_errors(body).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{place}: {wrong:?} in {body}");
    }
}

/// An answer has no field that the document does not name.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            map.values_mut().for_each(closed);
        }
        Value::Array(list) => list.iter_mut().for_each(closed),
        _ => {}
    }
}

/// A job that anybody may submit.
pub(crate) fn job() -> Value {
    json!({ "agent": "claude", "task": "say hello" })
}
