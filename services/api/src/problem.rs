//! Every error of the service as its caller sees it: the one place where errors become statuses, codes and words.
//!
//! A [`Problem`] travels in the extensions of an empty response. What answers for the whole request ([`crate::envelope`])
//! writes it down as `application/problem+json` (RFC 9457), because only there the id of the request is known. The codes are
//! a closed list: [`CODES`] is what the documentation shows.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use outpost_core::actions::{Denied, Error};
use outpost_core::moment::Moment;
use outpost_core::spec::Fault;
use schemars::JsonSchema;
use serde::Serialize;

use crate::view::usage::UsageView;

/// A code, its status and its title.
pub(crate) type Code = (&'static str, u16, &'static str);

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        $(pub(crate) const $name: Code = ($code, $status, $title);)*
        /// All of them.
        pub(crate) const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    BAD_REQUEST = "bad_request", 400, "The request cannot be read";
    INVALID_SIGNATURE = "invalid_signature", 400, "The signature does not fit";
    MISSING_KEY = "missing_api_key", 401, "An API key is needed";
    INVALID_KEY = "invalid_api_key", 401, "The API key opens nothing";
    REVOKED_KEY = "revoked_api_key", 401, "The API key was revoked";
    EXPIRED_KEY = "expired_api_key", 401, "The API key has expired";
    SCOPE = "insufficient_scope", 403, "The API key does not allow this";
    SUSPENDED = "tenant_suspended", 403, "The tenant is suspended";
    CLOSED = "registration_closed", 403, "Registering is closed";
    NOT_FOUND = "not_found", 404, "There is nothing here";
    METHOD = "method_not_allowed", 405, "Not with this method";
    SLOW = "request_timeout", 408, "The request came too slowly";
    CONFLICT = "conflict", 409, "Not in this state";
    EMAIL_TAKEN = "email_taken", 409, "The e-mail address is taken";
    IN_FLIGHT = "idempotency_in_flight", 409, "The first request is still on its way";
    ENDED = "job_not_cancellable", 409, "The job has ended";
    TOO_LARGE = "payload_too_large", 413, "The request is too large";
    MEDIA_TYPE = "unsupported_media_type", 415, "The body has to be JSON";
    ELSEWHERE = "wrong_host", 421, "The request was meant for another place";
    VALIDATION = "validation_failed", 422, "The request is not valid";
    MISMATCH = "idempotency_mismatch", 422, "The idempotency key was used for another request";
    QUOTA = "quota_exceeded", 429, "All jobs of today are taken";
    CONCURRENCY = "concurrency_exceeded", 429, "Too many jobs at the same time";
    RATE = "rate_limited", 429, "Too many requests";
    BILLING = "billing_unavailable", 503, "Payments are not available";
    UNAVAILABLE = "unavailable", 503, "A part of the service does not answer";
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Place {
    /// In the body, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// In the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    detail: String,
}

impl Place {
    fn of(fault: Fault) -> Self {
        let mut place = Self { pointer: None, parameter: None, header: None, detail: fault.told };
        if fault.at.is_empty() || fault.at.starts_with('/') {
            place.pointer = Some(fault.at);
        } else if fault.at == "Idempotency-Key" {
            place.header = Some(fault.at);
        } else {
            place.parameter = Some(fault.at);
        }
        place
    }
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    detail: String,
    errors: Vec<Place>,
    usage: Option<Box<UsageView>>,
    /// When it may work.
    retry: Option<Retry>,
    allow: Option<HeaderValue>,
}

#[derive(Clone, Copy, Debug)]
enum Retry {
    After(u64),
    At(Moment),
}

/// As it is written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Written {
    /// `urn:outpost:problem:` and the code.
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// For programs: a word of a closed list.
    code: String,
    request_id: String,
    /// Each mistake, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Place>,
    /// What is left, where a limit was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Box<UsageView>>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Inner { code, detail, errors: Vec::new(), usage: None, retry: None, allow: None }))
    }

    pub(crate) fn not_found(kind: &str) -> Self {
        Self::new(NOT_FOUND, format!("there is no such {kind}"))
    }

    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match faults.len() {
            1 => "one thing is wrong with it".to_owned(),
            count => format!("{count} things are wrong with it"),
        };
        let mut problem = Self::new(VALIDATION, detail);
        problem.0.errors = faults.into_iter().map(Place::of).collect();
        problem
    }

    pub(crate) fn after(self, seconds: u64) -> Self {
        self.retry(Retry::After(seconds))
    }

    fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = Some(retry);
        self
    }

    pub(crate) fn allowing(mut self, allow: &str) -> Self {
        self.0.allow = HeaderValue::from_str(allow).ok();
        self
    }

    pub(crate) fn with_usage(mut self, usage: UsageView) -> Self {
        self.0.usage = Some(Box::new(usage));
        self
    }

    /// What a limit of jobs has to say besides.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self.0.code, QUOTA | CONCURRENCY)
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.1).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The whole answer.
    pub(crate) fn write(self, instance: &str, request_id: &str, now: Moment) -> Response {
        let status = self.status();
        let Inner { code: (code, number, title), detail, errors, usage, retry, allow } = *self.0;
        let written = Written {
            r#type: format!("urn:outpost:problem:{code}"),
            title: title.to_owned(),
            status: number,
            detail,
            instance: instance.to_owned(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            errors,
            usage,
        };
        let body = serde_json::to_vec(&written).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let headers = response.headers_mut();
        let seconds = retry.map(|retry| match retry {
            Retry::After(seconds) => seconds,
            // Rounded up: who comes back on the second comes not too early.
            Retry::At(at) => u64::try_from(at.since(now).as_millis().div_ceil(1000)).unwrap_or(1).max(1),
        });
        if let Some(seconds) = seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"outpost\""));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::Scope(_) => Self::new(SCOPE, told),
            Error::NotFound(kind) => Self::not_found(kind),
            Error::Invalid(faults) => Self::invalid(faults),
            Error::Quota { resets_at, .. } => Self::new(QUOTA, told).retry(Retry::At(resets_at)),
            Error::Concurrency { .. } => Self::new(CONCURRENCY, told).after(5),
            Error::Throttled { until } => Self::new(RATE, told).retry(Retry::At(until)),
            Error::Closed => Self::new(CLOSED, told),
            Error::EmailTaken => Self::new(EMAIL_TAKEN, told),
            Error::OtherRequest => Self::new(MISMATCH, told),
            Error::InFlight => Self::new(IN_FLIGHT, told).after(1),
            Error::Ended(_) => Self::new(ENDED, told),
            Error::Conflict(_) | Error::NotYours(_) => Self::new(CONFLICT, told),
            Error::Busy => Self::new(UNAVAILABLE, told).after(1),
            Error::Broken(why) => {
                tracing::error!(why, "a part of the service failed");
                Self::new(UNAVAILABLE, "a part of the service failed: try again in a moment").after(5)
            }
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let told = denied.to_string();
        match denied {
            Denied::Malformed | Denied::Unknown => Self::new(INVALID_KEY, told),
            Denied::Revoked => Self::new(REVOKED_KEY, told),
            Denied::Expired => Self::new(EXPIRED_KEY, told),
            Denied::Suspended => Self::new(SUSPENDED, told),
            Denied::Unavailable(problem) => {
                tracing::error!(%problem, "keys cannot be looked up");
                Self::new(UNAVAILABLE, told).after(1)
            }
        }
    }
}

impl From<outpost_core::store::Problem> for Problem {
    fn from(problem: outpost_core::store::Problem) -> Self {
        Error::from(problem).into()
    }
}
