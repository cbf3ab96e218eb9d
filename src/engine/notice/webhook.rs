//! A webhook: the payload as JSON by POST, signed as *Standard Webhooks* has it.
//!
//! The signature is an HMAC-SHA256 over `ID.TIMESTAMP.BODY` in base64; a secret that begins with `whsec_` is base64
//! itself. The id stays the same in every attempt, so that who is told twice can tell. A redirect is not
//! followed: it could lead the payload elsewhere.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use sha2::Sha256;

use super::deliver::Fault;
use super::letter::Letter;
use crate::engine::moment::now;
use crate::engine::net;

/// Beyond what [`super::deliver`] allows an attempt anyway.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub struct Webhook {
    url: Url,
    headers: HeaderMap,
    key: Option<Vec<u8>>,
}

/// Without what may be secret.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn new(url: &str, headers: &[(String, String)], secret: Option<&str>) -> Result<Self, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value).ok());
            let (key, mut value) = parsed.ok_or_else(|| format!("`{name}` cannot be a header with this value"))?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(Self { url: address(url)?, headers: map, key: secret.map(key).transpose()? })
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        let client = net::client(PATIENCE).map_err(Fault::Lasting)?;
        let timestamp = (now().0 / 1000).to_string();
        let mut request = client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &letter.id)
            .header("webhook-timestamp", &timestamp);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &letter.id, &timestamp, &letter.payload)?);
        }
        let answer = request.body(letter.payload.clone()).send().await;
        judged(&answer.map_err(unanswered)?)
    }
}

/// An address that HTTP leads to. What is wrong is said without it: it may be a secret.
pub(super) fn address(text: &str) -> Result<Url, String> {
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err("its `url` does not begin with `https://` or `http://`".to_owned()),
        Err(problem) => Err(format!("its `url` is no address: {problem}")),
    }
}

fn key(secret: &str) -> Result<Vec<u8>, String> {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "its `secret` is not base64 behind `whsec_`".to_owned()),
        None => Ok(secret.as_bytes().to_vec()),
    }
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Result<String, Fault> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|problem| Fault::Lasting(problem.to_string()))?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Nobody answered: the request itself may be wrong, or the network.
pub(super) fn unanswered(error: reqwest::Error) -> Fault {
    if error.is_builder() {
        return Fault::Lasting(net::problem(error));
    }
    let could_not_connect = error.is_connect();
    // What is around the cause tells only how the request was made.
    let problem = net::problem(error);
    let cause = problem.rsplit(": ").next().unwrap_or(&problem);
    let cause = cause.split(" (os error").next().unwrap_or(cause);
    Fault::passing(if could_not_connect { format!("no connection: {cause}") } else { problem })
}

/// What an answer means: taken, refused for now, or refused.
pub(super) fn judged(answer: &Response) -> Result<(), Fault> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let told = format!("it answered {status}");
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
    Err(if may_pass { Fault::Passing(told, wanted(answer)) } else { Fault::Lasting(told) })
}

/// How long the answer asks us to wait: in seconds, or until a date.
fn wanted(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let wait = u64::try_from(date.timestamp().as_millisecond()).ok()?.saturating_sub(now().0);
    Some(Duration::from_millis(wait))
}

#[cfg(test)]
mod tests {
    use super::{Webhook, key, signature};

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // The example of its specification.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body).expect("signed");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn nothing_of_an_address_is_said() {
        let wrong = |url: &str, secret: Option<&str>| Webhook::new(url, &[], secret).expect_err("wrong");
        for problem in [wrong("ftp://hunter2", None), wrong("hunter2", None), wrong("http://x", Some("whsec_hunter2!"))]
        {
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        let webhook = Webhook::new("http://x/hunter2", &[], Some("hunter2")).expect("right");
        assert!(!format!("{webhook:?}").contains("hunter2"));
    }
}
