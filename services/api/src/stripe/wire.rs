//! One call of the payment provider: with a time limit, a bound on what is read, and the key nowhere but in its header.
//!
//! It does not know what is asked for. Nothing is asked twice by itself: whoever asks knows whether that does harm.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use outpost_core::ports::Secret;
use reqwest::{Client, Method, Response, StatusCode, redirect};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::problem::{BILLING, Problem};

const PATIENCE: Duration = Duration::from_secs(8);
/// The largest answer that is read.
const ANSWER: usize = 512 * 1024;

/// Why there is no answer that is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// None at all, or none to its end.
    Silent(String),
    /// It says no, and in its own words why.
    Refused { status: u16, code: String, told: String },
    /// It is not as this provider answers.
    Odd(&'static str),
}

/// For logs: the provider's own words may repeat what was sent.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => f.write_str(why),
            Self::Refused { status, code, .. } => write!(f, "{status} {code}"),
            Self::Odd(why) => f.write_str(why),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tracing::error!(why = %error, "the payment provider does not do what it should");
        Self::new(BILLING, "the payment provider does not answer as it should: try again in a moment").after(10)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Silent(format!("none within {} seconds", PATIENCE.as_secs()));
        }
        // The address may hold what was asked for. What is beneath says what happened.
        let error = error.without_url();
        let mut told = error.to_string();
        let mut beneath = error.source();
        while let Some(error) = beneath {
            told = format!("{told}: {error}");
            beneath = error.source();
        }
        Self::Silent(told)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Wire {
    client: Client,
    base: String,
    key: Secret,
}

impl Wire {
    pub(crate) fn new(base: &str, key: Secret) -> Result<Self, String> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(3))
            .redirect(redirect::Policy::none())
            .user_agent(concat!("outpost/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the client of the payment provider cannot be made: {error}"))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The provider's words for others to see: it masks keys that it repeats, and this does not rely on it.
    pub(crate) fn without_key(&self, told: &str) -> String {
        let text = told.replace(self.key.reveal(), "…");
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(500).collect()
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::GET, path, &[], None).await
    }

    /// `once`: a key under which the provider does this once, however often it is asked within a day.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)], once: Option<&str>) -> Result<Value, Error> {
        self.call(Method::POST, path, form, once).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        once: Option<&str>,
    ) -> Result<Value, Error> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(self.key.reveal())
            .header("stripe-version", "2025-06-30.basil");
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        if !form.is_empty() {
            let body = Serializer::new(String::new()).extend_pairs(form).finish();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = read(response).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|_| Error::Odd("an answer that is not JSON"));
        }
        let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let word = |name: &str| told["error"][name].as_str().map(str::to_owned);
        Err(Error::Refused {
            status: status.as_u16(),
            code: word("code").or_else(|| word("type")).unwrap_or_default(),
            told: word("message").unwrap_or_default(),
        })
    }
}

/// The body of an answer, if it is not too large.
async fn read(mut response: Response) -> Result<BytesMut, Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER {
            return Err(Error::Odd("an answer without an end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
