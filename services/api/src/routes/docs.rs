//! What the service says of itself: what it can, the OpenAPI document, and a page that shows it.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_core::tenant::{Agents, Tier};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};

/// A page without anything from elsewhere.
const PAGE: &str = include_str!("docs.html");

pub(crate) fn routes() -> Vec<Route> {
    let document = |path, id| {
        Route::get(path, id, "This document.", document).public().answers(200, Content::Text("application/json"))
    };
    chapter(
        "About",
        vec![
            Route::get("/v1/meta", "meta", "What this service is, offers and allows.", meta)
                .public()
                .gives::<Meta>(200),
            document("/v1/openapi.json", "openapiV1"),
            document("/openapi.json", "openapi"),
            Route::get("/docs", "docs", "A page that shows this document.", page)
                .public()
                .answers(200, Content::Text("text/html")),
        ],
    )
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Meta {
    name: String,
    version: String,
    openapi: String,
    docs: String,
    /// Whether logs can be followed as a stream of events.
    log_stream: bool,
    /// Whether a job may run a command in place of an agent.
    commands: bool,
    billing: bool,
    agents: Vec<String>,
    tiers: Vec<TierView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TierView {
    tier: String,
    /// Null: as many as you like.
    jobs_per_day: Option<u64>,
    active: u64,
    timeout_seconds: u32,
    /// Null: all of them.
    agents: Option<Vec<String>>,
}

async fn meta(State(app): State<App>) -> Result<Response, Problem> {
    let offer = &app.desk.settings().offer;
    let tiers = Tier::ALL.into_iter().map(|tier| {
        let limits = tier.limits();
        TierView {
            tier: tier.as_str().to_owned(),
            jobs_per_day: limits.jobs_per_day,
            active: limits.active,
            timeout_seconds: limits.timeout_seconds,
            agents: match limits.agents {
                Agents::All => None,
                Agents::Only(these) => Some(these),
            },
        }
    });
    let meta = Meta {
        name: "outpost".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        openapi: format!("{}/v1/openapi.json", app.settings.base),
        docs: format!("{}/docs", app.settings.base),
        log_stream: app.settings.streams,
        commands: offer.commands,
        billing: app.stripe.is_some(),
        agents: offer.agents.iter().map(|agent| agent.name.clone()).collect(),
        tiers: tiers.collect(),
    };
    json(StatusCode::OK, &meta)
}

async fn document(State(app): State<App>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, app.document.clone()).into_response()
}

/// Only the one script and the one style of the page may do anything, known by their digests.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let between = |open: &str, close: &str| {
        let text = PAGE.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map_or("", |(text, _)| text);
        let digest = Sha256::digest(text.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest))
    };
    format!(
        "default-src 'none'; connect-src 'self'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        between("<script>", "</script>"),
        between("<style>", "</style>"),
    )
});

async fn page() -> Response {
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response();
    let policy = HeaderValue::from_str(&POLICY).ok();
    response.headers_mut().extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}
