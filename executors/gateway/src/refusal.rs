//! How the gateway itself says no: in the shape the agent's own protocol gives to errors.
//!
//! The statuses are chosen for what clients do with them. A spent cap must end an agent, not make it try again: the
//! header `x-should-retry` says so to the providers' own libraries, the status to the rest. No text here can hold
//! a secret: what stands in a refusal is ours, a model's name, or the kind of a fault.

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::protocol::{Family, Protocol};
use crate::usage::Cap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not the run's token.
    Token,
    /// A path, a method or a host that is not on the list.
    Place,
    /// More than the bounds allow.
    TooLarge(usize),
    /// The body stopped coming.
    TooSlow,
    /// The body is compressed: what it asks for cannot be read.
    Compressed,
    /// The body does not say what it asks for, or asks for what cannot be counted.
    Unreadable(String),
    /// A cap in dollars alone, and a model without a price.
    Unpriced(String),
    /// A cap is spent.
    Spent(Cap),
    /// The provider does not take the key.
    Key,
    /// The provider was not reached, or answered what is not passed on.
    Upstream(String),
}

impl Refusal {
    fn status(&self, protocol: Protocol) -> StatusCode {
        match self {
            Self::Token | Self::Key => StatusCode::UNAUTHORIZED,
            Self::Place => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unreadable(_) | Self::Unpriced(_) => StatusCode::BAD_REQUEST,
            // Each is what the clients of the protocol end on: `codex` knows this 429, `aider` repeats it and 402 for
            // two minutes, `claude` and `gemini` repeat any 429.
            Self::Spent(_) => match protocol {
                Protocol::OpenAiResponses => StatusCode::TOO_MANY_REQUESTS,
                Protocol::OpenAiChat => StatusCode::BAD_REQUEST,
                Protocol::Anthropic | Protocol::Gemini => StatusCode::PAYMENT_REQUIRED,
            },
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The protocol's own word for it.
    fn kind(&self, family: Family) -> &'static str {
        let (anthropic, openai, gemini) = match self {
            Self::Token | Self::Key => ("authentication_error", "invalid_request_error", "UNAUTHENTICATED"),
            Self::Place => ("not_found_error", "invalid_request_error", "NOT_FOUND"),
            Self::TooLarge(_) => ("request_too_large", "invalid_request_error", "INVALID_ARGUMENT"),
            Self::TooSlow => ("timeout_error", "invalid_request_error", "DEADLINE_EXCEEDED"),
            Self::Compressed | Self::Unreadable(_) | Self::Unpriced(_) => {
                ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")
            }
            Self::Spent(_) => ("billing_error", "insufficient_quota", "RESOURCE_EXHAUSTED"),
            Self::Upstream(_) => ("api_error", "server_error", "UNAVAILABLE"),
        };
        match family {
            Family::Anthropic => anthropic,
            Family::OpenAi => openai,
            Family::Gemini => gemini,
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Token | Self::Key => Some("invalid_api_key"),
            Self::Spent(_) => Some("insufficient_quota"),
            Self::Place => Some("not_found"),
            _ => None,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Token => "the gateway was not given this run's token".to_owned(),
            Self::Place => "the gateway does not forward this path; it serves model calls of this run only".to_owned(),
            Self::TooLarge(bound) => format!("the body is larger than the gateway's {bound} bytes"),
            Self::TooSlow => "the body stopped coming".to_owned(),
            Self::Compressed => "the gateway reads bodies that are not compressed; send this one plain".to_owned(),
            Self::Unreadable(what) => what.clone(),
            Self::Unpriced(model) => {
                format!("`{model}` has no price, so the cap in dollars cannot hold; cap its tokens, or give it a price")
            }
            Self::Spent(cap) => format!("this attempt's cap on {cap} is spent; stop here, repeating does not help"),
            Self::Key => {
                "the provider does not take the gateway's key; the person who runs this has to renew it".to_owned()
            }
            Self::Upstream(what) => format!("the provider did not answer: {what}"),
        }
    }

    pub(crate) fn answer(&self, protocol: Protocol) -> Response<Bytes> {
        let family = protocol.family();
        let (status, kind, message) = (self.status(protocol), self.kind(family), self.message());
        let body = match family {
            Family::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Family::OpenAi => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": self.code()}})
            }
            Family::Gemini => json!({"error": {"code": status.as_u16(), "message": message, "status": kind}}),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !matches!(self, Self::Upstream(_) | Self::TooSlow) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if matches!(self, Self::TooLarge(_) | Self::TooSlow) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
