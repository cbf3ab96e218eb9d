//! The service, asked over HTTP: one request at a time, bounded in time and size, and told apart by what may follow.
//!
//! The key is sent to the service and nowhere else: no redirect is followed, and files are fetched without it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::settings::Settings;
use crate::wire::{Accepted, Artifact, Asked, Job, List, Page, Problem};

/// Of an answer about a job. Sixteen pieces of a log, of a mebibyte each, are the largest.
const LONGEST: usize = 48 << 20;
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// Lines of one answer.
const LINES: u32 = 10_000;

/// What opens the service. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why there is no answer that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Not done, and may be asked for again: after so long, if the service says so.
    Busy { words: String, after: Option<Duration> },
    /// Nobody knows whether it was done: asked again, it is done once.
    Unsure(String),
    /// Not done, and asked again it would not be either.
    Refused { words: String, is_gone: bool },
}

impl Trouble {
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Busy { words, .. } | Self::Unsure(words) | Self::Refused { words, .. } => words,
        }
    }

    fn refused(words: impl Into<String>) -> Self {
        Self::Refused { words: words.into(), is_gone: false }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Key,
}

impl Client {
    pub(crate) fn new(settings: &Settings, key: Key) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("outpost-bp/", env!("CARGO_PKG_VERSION")))
            .build();
        let http = http.map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { http, base: settings.url.trim_end_matches('/').to_owned(), key })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key.0)
    }

    /// Asks for a job. Asked again with the same key, it is the same job.
    pub(crate) async fn submit(&self, asked: &Asked, once: &str) -> Result<String, Trouble> {
        let request = self.request(Method::POST, "/v1/jobs").header("Idempotency-Key", once).json(asked);
        Ok(answered::<Accepted>(request).await?.id)
    }

    /// The job that a key was used for.
    pub(crate) async fn find(&self, once: &str) -> Result<Option<Job>, Trouble> {
        let request = self.request(Method::GET, &format!("/v1/jobs?idempotency_key={once}"));
        Ok(answered::<List<Job>>(request).await?.data.into_iter().next())
    }

    pub(crate) async fn job(&self, id: &str) -> Result<Job, Trouble> {
        answered(self.request(Method::GET, &format!("/v1/jobs/{id}"))).await
    }

    /// Lines after a number; if there are none, the service waits for some, for so many seconds.
    pub(crate) async fn log(&self, id: &str, after: u64, wait: u32) -> Result<Page, Trouble> {
        let path = format!("/v1/jobs/{id}/logs?after={after}&wait={wait}&limit={LINES}");
        answered(self.request(Method::GET, &path)).await
    }

    /// Asks for the end of a job. One that has ended needs none.
    pub(crate) async fn cancel(&self, id: &str) -> Result<(), Trouble> {
        let answer = sent(self.request(Method::POST, &format!("/v1/jobs/{id}/cancel"))).await?;
        if answer.status() == StatusCode::CONFLICT {
            return Ok(());
        }
        good(answer).await.map(drop)
    }

    pub(crate) async fn artifacts(&self, id: &str) -> Result<Vec<Artifact>, Trouble> {
        let request = self.request(Method::GET, &format!("/v1/jobs/{id}/artifacts"));
        Ok(answered::<List<Artifact>>(request).await?.data)
    }

    /// A file, by its link, which is all that opens it.
    pub(crate) async fn file(&self, link: &str) -> Result<Response, Trouble> {
        good(sent(self.http.get(link)).await?).await
    }
}

async fn sent(request: RequestBuilder) -> Result<Response, Trouble> {
    request.send().await.map_err(|error| unsure(&error))
}

/// An error of the connection in words: the address in it may be a link, which is a secret of its own.
fn unsure(error: &reqwest::Error) -> Trouble {
    let mut words = if error.is_timeout() { "no answer in time" } else { "the connection failed" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    if error.is_builder() { Trouble::refused(words) } else { Trouble::Unsure(words) }
}

async fn answered<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Trouble> {
    let answer = good(sent(request).await?).await?;
    let bytes = whole(answer, LONGEST).await?;
    // Somebody else who answers at this address will not do better the next time; a half answer has failed before.
    serde_json::from_slice(&bytes)
        .map_err(|error| Trouble::refused(format!("what answers there is no Outpost service: {error}")))
}

pub(crate) async fn whole(mut answer: Response, most: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unsure(&error))? {
        if bytes.len() + chunk.len() > most {
            return Err(Trouble::refused(format!("an answer has more than {most} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The answer, if it is a good one.
async fn good(answer: Response) -> Result<Response, Trouble> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let after = after(answer.headers());
    let bytes = whole(answer, 64 << 10).await.unwrap_or_default();
    let problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
    let words = told(status, &problem);
    Err(match status.as_u16() {
        408 | 429 | 503 => Trouble::Busy { words, after },
        409 if problem.code == "idempotency_in_flight" => Trouble::Busy { words, after },
        500.. => Trouble::Unsure(words),
        code => Trouble::Refused { words, is_gone: code == 404 },
    })
}

fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A problem in the service's own words.
fn told(status: StatusCode, problem: &Problem) -> String {
    let Problem { code, title, detail, errors } = problem;
    if code.is_empty() {
        return format!("HTTP {}", status.as_u16());
    }
    let mut words = if detail.is_empty() { title.clone() } else { format!("{title}: {detail}") };
    for mistake in errors.iter().take(5) {
        let at = mistake.pointer.as_ref().or(mistake.parameter.as_ref()).or(mistake.header.as_ref());
        words = format!("{words}; `{}` {}", at.map_or("", String::as_str), mistake.detail);
    }
    format!("{words} ({code})")
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{Key, told};
    use crate::wire::Problem;

    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", Key::new("op_secret")).contains("secret"));
    }

    #[test]
    fn a_problem_is_told_in_its_words() {
        let problem = r#"{"code":"validation_failed","title":"Not valid","detail":"one thing is wrong with it",
            "errors":[{"pointer":"/timeout_seconds","detail":"is 9999; 1 to 300 are allowed"}]}"#;
        let problem: Problem = serde_json::from_str(problem).expect("a problem");
        let words = told(StatusCode::UNPROCESSABLE_ENTITY, &problem);
        assert!(words.contains("`/timeout_seconds` is 9999") && words.ends_with("(validation_failed)"), "{words}");
        assert_eq!(told(StatusCode::BAD_GATEWAY, &Problem::default()), "HTTP 502");
    }
}
