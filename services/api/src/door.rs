//! The door of a route: who may come in, and how often. Behind it a handler finds a [`Caller`], or none where the table says
//! that everybody may.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use outpost_core::actions::{Caller, Denied, RequestInfo};

use crate::app::App;
use crate::problem::{INVALID_KEY, MISSING_KEY, Problem, RATE};
use crate::rate::Left;
use crate::route::Access;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Since when older paths and keys are not to be used for anything new (RFC 9745): 2026-01-11.
const SINCE: HeaderValue = HeaderValue::from_static("@1768089600");

/// What stands before a handler.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) access: Access,
    pub(crate) deprecated: bool,
}

pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let mut old = gate.deprecated;
    let mut left = None;
    let mut response = match gate.access {
        Access::Public | Access::Signed => next.run(request).await,
        Access::Key(scope) => {
            let info = request.extensions().get::<RequestInfo>().cloned().unwrap_or_default();
            match known(&gate.app, request.headers(), info).await {
                Err(problem) => problem.into_response(),
                Ok(caller) => {
                    let name = caller.id().as_str();
                    let token = gate.app.buckets.take(name, gate.app.now());
                    left = Some(token);
                    old |= caller.key().shown.starts_with("otp_");
                    tracing::Span::current().record("tenant", name);
                    match scope.filter(|scope| !caller.key().allows(*scope)) {
                        _ if !token.allowed => too_often(token).into_response(),
                        Some(scope) => Problem::from(gate.app.desk.refuse(&caller, scope).await).into_response(),
                        None => {
                            request.extensions_mut().insert(caller);
                            next.run(request).await
                        }
                    }
                }
            }
        }
    };
    let headers = response.headers_mut();
    if old {
        headers.insert(DEPRECATION, SINCE);
    }
    if let Some(left) = left {
        limits(headers, &gate.app, left);
    }
    response
}

fn too_often(left: Left) -> Problem {
    Problem::new(RATE, "this tenant asks more often than it may").after(left.seconds.max(1))
}

fn limits(headers: &mut HeaderMap, app: &App, left: Left) {
    let rate = app.buckets.rate();
    let window = rate.burst.div_ceil(rate.per_second.max(1));
    let policy = format!("\"requests\";q={};w={window}", rate.burst);
    let limit = format!("\"requests\";r={};t={}", left.tokens, left.seconds);
    for (name, text) in [(POLICY, policy), (LIMIT, limit)] {
        // A handler that knows more, such as what is left of a day, has said so: both stand.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(name, value);
        }
    }
}

/// What is left of a day, beside what is left of a second.
pub(crate) fn daily(headers: &mut HeaderMap, limit: u64, remaining: u64, seconds: u64) {
    let texts =
        [(POLICY, format!("\"daily\";q={limit};w=86400")), (LIMIT, format!("\"daily\";r={remaining};t={seconds}"))];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(name, value);
        }
    }
}

async fn known(app: &App, headers: &HeaderMap, info: RequestInfo) -> Result<Caller, Problem> {
    let text = shown_key(headers)?;
    let address = info.ip.clone().unwrap_or_default();
    let now = app.now();
    let request_id = info.request_id.clone();
    app.desk.authenticate(text, info).await.map_err(|denied| {
        tracing::info!(%denied, request_id, ip = address, "a key was refused");
        if matches!(denied, Denied::Unavailable(_) | Denied::Suspended) {
            return denied.into();
        }
        // Others behind the same address have good keys: those go on opening.
        let left = app.guesses.take(&address, now);
        if left.allowed {
            return denied.into();
        }
        let told = "too many keys that open nothing came from this address";
        Problem::new(RATE, told).after(left.seconds.max(1))
    })
}

/// Why a request shows no text that could be looked up as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    Missing,
    /// With what is wrong.
    Wrong(&'static str),
}

impl From<NoKey> for Problem {
    fn from(none: NoKey) -> Self {
        match none {
            NoKey::Missing => {
                Self::new(MISSING_KEY, "show an API key: `Authorization: Bearer op_…` or `X-API-Key: op_…`")
            }
            NoKey::Wrong(told) => Self::new(INVALID_KEY, told),
        }
    }
}

/// The key that a request shows: in one of two headers, or the same in both. Never in a query, which ends in logs.
pub fn shown_key(headers: &HeaderMap) -> Result<&str, NoKey> {
    let mut found: Option<&str> = None;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| (true, value));
    let keys = headers.get_all(API_KEY).iter().map(|value| (false, value));
    for (bearer, value) in bearers.chain(keys) {
        let wrong = NoKey::Wrong("this is no API key: it holds characters that none has");
        let text = value.to_str().map_err(|_| wrong)?;
        let key = if bearer {
            let (scheme, key) = text.split_once(' ').unwrap_or((text, ""));
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(NoKey::Wrong("`Authorization` has to be `Bearer` and an API key"));
            }
            key.trim()
        } else {
            text.trim()
        };
        if found.is_some_and(|before| before != key) {
            return Err(NoKey::Wrong("two different API keys were shown"));
        }
        found = Some(key);
    }
    found.ok_or(NoKey::Missing)
}
