//! What every request gets and every answer carries, whatever the route: an id, a line in the log, headers, and problems
//! written down.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use outpost_core::actions::RequestInfo;
use outpost_core::id::KeyId;
use tracing::Instrument as _;

use crate::app::App;
use crate::problem::{ELSEWHERE, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VERSION: HeaderName = HeaderName::from_static("x-outpost-version");
const TRACE: HeaderName = HeaderName::from_static("traceparent");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is at the other end of the connection, as the front door knows it. It puts this among the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self(address.ip())
    }
}

pub(crate) async fn envelope(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let info = info(&app, &request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = method == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let span = tracing::info_span!("request", tenant = tracing::field::Empty);
    request.extensions_mut().insert(info.clone());
    let mut response = async {
        let mut response = if asked_elsewhere(&app, &request) {
            let told = "this service answers under the name of its own machine: start it with --public-url for others";
            Problem::new(ELSEWHERE, told).into_response()
        } else {
            next.run(request).await
        };
        let now = app.now();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let mut written = problem.write(&path, &info.request_id, now);
            for (name, value) in response.headers() {
                if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                    written.headers_mut().append(name, value.clone());
                }
            }
            response = written;
        }
        let status = response.status().as_u16();
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // The query is left out: a link to a file is good for whoever reads it.
        tracing::info!(%method, path, status, ms, request_id = info.request_id, ip = info.ip, "answered");
        response
    }
    .instrument(span)
    .await;
    if preflight
        && origin.as_ref().is_some_and(|origin| allowed(&app, origin))
        && response.status() == StatusCode::NO_CONTENT
    {
        may_be_sent(response.headers_mut());
    }
    dress(&app, response.headers_mut(), &info, origin.as_ref());
    response
}

fn info(app: &App, request: &Request) -> RequestInfo {
    let headers = request.headers();
    let one = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = || {
        let mut salt = [0; 10];
        // Without randomness there is still the time; the id is for people who read logs.
        drop(app.desk.ports().chance.fill(&mut salt));
        KeyId::new(app.now(), &salt).as_str().replacen("key_", "req_", 1)
    };
    let plain = |text: &&str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let trace = |text: &&str| {
        let parts: Vec<&str> = text.split('-').collect();
        let hex =
            |part: &str, len| part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        matches!(parts.as_slice(), [version, id, span, flags]
            if *version == "00" && hex(id, 32) && hex(span, 16) && hex(flags, 2) && id.bytes().any(|byte| byte != b'0'))
    };
    RequestInfo {
        request_id: one(&REQUEST_ID).filter(plain).map_or_else(ours, str::to_owned),
        ip: address(headers, app.settings.proxies, request.extensions().get::<Peer>().map(|peer| peer.0))
            .map(|ip| ip.to_canonical().to_string()),
        traceparent: one(&TRACE).filter(trace).map(str::to_owned),
    }
}

/// Whether a request names a place that is not this one: by its address, or by its `Host`.
fn asked_elsewhere(app: &App, request: &Request) -> bool {
    let hosts = &app.settings.hosts;
    let here = |text: &str| {
        // An address of IPv6 stands in brackets, and has colons of its own.
        let bare = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(text, |(host, _)| host);
        hosts.iter().any(|host| host.eq_ignore_ascii_case(bare))
    };
    let named = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    !hosts.is_empty()
        && !request.uri().authority().map(axum::http::uri::Authority::as_str).into_iter().chain(named).all(here)
}

/// Each proxy adds whom it talks to at the end: what stands before those that are ours may be anybody's words.
fn address(headers: &HeaderMap, proxies: usize, peer: Option<IpAddr>) -> Option<IpAddr> {
    let Some(before) = proxies.checked_sub(1) else { return peer };
    let lines = headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    all.iter().rev().nth(before).and_then(|text| text.parse().ok()).or(peer)
}

fn allowed(app: &App, origin: &HeaderValue) -> bool {
    app.settings.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
}

fn may_be_sent(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Request-Id, traceparent",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn dress(app: &App, headers: &mut HeaderMap, info: &RequestInfo, origin: Option<&HeaderValue>) {
    headers.extend(HeaderValue::from_str(&info.request_id).ok().map(|id| (REQUEST_ID, id)));
    headers.extend(
        info.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok()).map(|text| (TRACE, text)),
    );
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if app.settings.base.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !app.settings.origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = origin.filter(|origin| allowed(app, origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "Deprecation, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Outpost-Version, \
                 X-Request-Id",
            ),
        );
    }
}

/// An answer as JSON.
pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| outpost_core::actions::Error::Broken(error.to_string()))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
