//! What handlers take from a request: the caller, a body, a query, an idempotency key. Each refuses what is not whole.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use outpost_core::actions::{Caller, Idempotency, RequestInfo};
use outpost_core::spec::Fault;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::App;
use crate::problem::{BAD_REQUEST, MEDIA_TYPE, MISSING_KEY, Problem, SLOW, TOO_LARGE};
use crate::shape::Shape;
use crate::strict;

/// A body, and the time that it may take.
pub(crate) const BODY: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
const ONCE: HeaderName = HeaderName::from_static("idempotency-key");

/// Somebody whom the [door](crate::door) let in. Where the table has no door, there is nobody, and the request is refused.
#[derive(Debug)]
pub(crate) struct Known(pub(crate) Caller);

impl FromRequestParts<App> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.remove::<Caller>().map(Self).ok_or_else(|| Problem::new(MISSING_KEY, "an API key is needed"))
    }
}

/// What is known of a request whoever sent it.
#[derive(Debug)]
pub(crate) struct About(pub(crate) RequestInfo);

impl FromRequestParts<App> for About {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get().cloned().unwrap_or_default()))
    }
}

/// All bytes of a body that is not too large, and does not come too slowly.
pub(crate) async fn whole(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::new(BAD_REQUEST, "the body ended before its end"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > most {
                    return Err(Problem::new(TOO_LARGE, format!("a body of {most} bytes is the largest that is read")));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.freeze())
    };
    let slow = |_| Problem::new(SLOW, format!("a body has to be here within {} seconds", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, read).await.map_err(slow)?
}

/// A body of JSON, and what is needed to know the request again. No body at all is an object without keys.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    pub(crate) value: T,
    mark: Mark,
}

#[derive(Debug)]
struct Mark {
    key: Option<String>,
    method: String,
    path: String,
    bytes: Bytes,
}

impl<T> Sent<T> {
    /// For who does this once, however often it is sent. `status` is what is answered when it works.
    pub(crate) fn once(&self, status: StatusCode) -> Result<Option<Idempotency>, Problem> {
        let Mark { key, method, path, bytes } = &self.mark;
        let once = key.as_ref().map(|key| Idempotency::new(key, method, path, bytes, status.as_u16()));
        Ok(once.transpose()?)
    }
}

fn once_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong =
        || Problem::invalid(vec![Fault::new("Idempotency-Key", "has to be 1 to 255 visible ASCII characters, once")]);
    let mut keys = headers.get_all(ONCE).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => key.to_str().map(|key| Some(key.to_owned())).map_err(|_| wrong()),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    kind.trim().eq_ignore_ascii_case("application/json")
        && (charset.is_empty() || matches!(charset.replace('"', "").as_str(), "charset=utf-8"))
}

impl<T: DeserializeOwned + 'static> FromRequest<App> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let key = once_key(&parts.headers)?;
        let typed = parts.headers.contains_key(header::CONTENT_TYPE);
        if typed && !is_json(&parts.headers) {
            return Err(Problem::new(MEDIA_TYPE, "send `Content-Type: application/json`"));
        }
        let bytes = whole(body, BODY).await?;
        let value = match (bytes.is_empty(), typed) {
            (true, _) => Value::Object(Map::new()),
            (false, true) => strict::read(&bytes)?,
            (false, false) => return Err(Problem::new(MEDIA_TYPE, "send `Content-Type: application/json`")),
        };
        let value = app.judges.take(value, false)?;
        let mark = Mark { key, method: parts.method.to_string(), path: parts.uri.path().to_owned(), bytes };
        Ok(Self { value, mark })
    }
}

/// A query, each parameter once, and none that is not known.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned + JsonSchema + 'static> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let schema = Shape::of::<T>().sent();
        let mut values = Map::new();
        let mut twice = Vec::new();
        for (name, text) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let types = &schema["properties"][name.as_ref()]["type"];
            let is =
                |kind: &str| types == kind || types.as_array().is_some_and(|types| types.iter().any(|one| one == kind));
            // Digits only: the query is text, and `1e3` or `+1` are other texts.
            let digits = !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = match text.parse::<u64>() {
                Ok(number) if digits && is("integer") => Value::from(number),
                _ => Value::from(text.as_ref()),
            };
            if values.insert(name.to_string(), value).is_some() {
                twice.push(Fault::new(name.chars().take(64).collect::<String>(), "is there twice"));
            }
        }
        if !twice.is_empty() {
            return Err(Problem::invalid(twice));
        }
        app.judges.take(Value::Object(values), true).map(Self)
    }
}

/// Names in a path. What cannot be one names nothing.
#[derive(Debug)]
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|_| Problem::not_found("path"))
    }
}
