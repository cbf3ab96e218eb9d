//! The service, asked over HTTP. It knows no meaning of an answer but one: who is asked to come later comes later, says so,
//! and gives up where that is too late.

use std::error::Error as _;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use tokio::time::sleep;

use crate::report::{Fault, say};

const CONNECT: Duration = Duration::from_secs(10);
/// Longer than an answer that waits for lines of a log.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a part of the service may fail for a moment.
const MOMENTS: u32 = 10;
const LONGEST: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Service {
    http: Client,
    base: String,
    patience: Duration,
}

/// A question, before it is asked.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    service: &'a Service,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    once: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null where it is no JSON.
    pub(crate) body: Value,
    /// From the request to the end of the answer, without what was waited for before.
    pub(crate) took: Duration,
    asked: String,
}

impl Service {
    pub(crate) fn new(url: &str, patience: Duration) -> Result<Self, String> {
        let base = url.trim_end_matches('/');
        let read = reqwest::Url::parse(base).map_err(|error| format!("`{url}` is no address: {error}"))?;
        if !matches!(read.scheme(), "http" | "https") || read.host().is_none() {
            return Err(format!("`{url}` is no address like https://api.example.com"));
        }
        let http = Client::builder()
            .user_agent(concat!("outpost-trial/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| format!("there is no HTTP here: {error}"))?;
        Ok(Self { http, base: base.to_owned(), patience })
    }

    fn ask(&self, method: Method, path: impl Into<String>) -> Ask<'_> {
        Ask { service: self, method, path: path.into(), headers: Vec::new(), body: None, once: false }
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: impl Into<String>, body: Value) -> Ask<'_> {
        Ask { body: Some(body), ..self.ask(Method::POST, path) }
    }

    pub(crate) fn put(&self, path: impl Into<String>, body: Value) -> Ask<'_> {
        Ask { body: Some(body), ..self.ask(Method::PUT, path) }
    }

    pub(crate) fn patch(&self, path: impl Into<String>, body: Value) -> Ask<'_> {
        Ask { body: Some(body), ..self.ask(Method::PATCH, path) }
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::DELETE, path)
    }

    /// What a link leads to, asked for by somebody who has nothing but the link.
    pub(crate) async fn download(&self, link: &str) -> Result<Vec<u8>, Fault> {
        let answer = self.http.get(link).send().await.map_err(|error| lost("a link", &error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Fault::wrong(format!("a link answers {status}, not 200")));
        }
        if answer.content_length().is_some_and(|bytes| bytes > LONGEST) {
            return Err(Fault::wrong(format!("a link leads to more than {LONGEST} bytes")));
        }
        let bytes = answer.bytes().await.map_err(|error| lost("a link", &error))?;
        Ok(bytes.to_vec())
    }
}

impl Ask<'_> {
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }

    /// Asked again with the same word, it is done once.
    pub(crate) fn once(self, word: &str) -> Self {
        Self { once: true, ..self.header("idempotency-key", word) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Asks, and again later where the service wants that.
    pub(crate) async fn send(self) -> Result<Answer, Fault> {
        let (began, mut moments) = (Instant::now(), 0);
        loop {
            let answer = self.try_once().await?;
            let limit = answer.status == 429 && !matches!(answer.code(), "quota_exceeded" | "concurrency_exceeded");
            let moment = answer.status == 503 && (self.once || self.method == Method::GET) && moments < MOMENTS;
            if !limit && !moment {
                return Ok(answer);
            }
            moments += u32::from(moment);
            let pause = answer.retry_after().unwrap_or(Duration::from_secs(1));
            if began.elapsed() + pause > self.service.patience {
                return Err(Fault::wrong(format!(
                    "{} is to be asked again in {} s, and --patience is {} s: {}",
                    answer.asked,
                    pause.as_secs(),
                    self.service.patience.as_secs(),
                    answer.problem()
                )));
            }
            say(&format!("        waits {} s: {}", pause.as_secs(), answer.problem()));
            sleep(pause).await;
        }
    }

    async fn try_once(&self) -> Result<Answer, Fault> {
        let asked = format!("{} {}", self.method, self.path.split('?').next().unwrap_or_default());
        let mut request = self.service.http.request(self.method.clone(), format!("{}{}", self.service.base, self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let began = Instant::now();
        let answer = request.send().await.map_err(|error| lost(&asked, &error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(|error| lost(&asked, &error))?;
        let took = began.elapsed();
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), took, asked })
    }
}

/// No answer: because nobody is there, or because it broke off.
fn lost(asked: &str, error: &reqwest::Error) -> Fault {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        told = inner.to_string();
        source = inner.source();
    }
    let told = format!("{asked}: {told}");
    if error.is_connect() { Fault::Unreachable(told) } else { Fault::Wrong(told) }
}

impl Answer {
    pub(crate) fn must_be(self, status: u16) -> Result<Self, Fault> {
        self.must_be_one_of(&[status])
    }

    pub(crate) fn must_be_one_of(self, statuses: &[u16]) -> Result<Self, Fault> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        let wanted: Vec<String> = statuses.iter().map(u16::to_string).collect();
        Err(Fault::wrong(format!("{}, not {}", self.problem(), wanted.join(" or "))))
    }

    /// A word of the service's closed list; empty where there is none.
    pub(crate) fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// What was answered, for people.
    pub(crate) fn problem(&self) -> String {
        let field = |name: &str| self.body.get(name).and_then(Value::as_str);
        let detail = field("detail").or(field("message")).unwrap_or_default();
        let places = self.body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let places = places.map(|place| {
            let field = |name: &str| place.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}", field("pointer"), field("detail"))
        });
        let told: Vec<String> = [self.code(), detail]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .chain(places)
            .collect();
        format!("{} answers {} {}", self.asked, self.status, told.join(": ")).trim_end().to_owned()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER.as_str())?.parse().ok().map(Duration::from_secs)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    fn at(&self, pointer: &str) -> Result<&Value, Fault> {
        self.body.pointer(pointer).ok_or_else(|| Fault::wrong(format!("{} tells no `{pointer}`", self.asked)))
    }

    pub(crate) fn text(&self, pointer: &str) -> Result<String, Fault> {
        let found = self.at(pointer)?.as_str().map(str::to_owned);
        found.ok_or_else(|| Fault::wrong(format!("{} tells `{pointer}` as no text", self.asked)))
    }

    pub(crate) fn number(&self, pointer: &str) -> Result<u64, Fault> {
        let found = self.at(pointer)?.as_u64();
        found.ok_or_else(|| Fault::wrong(format!("{} tells `{pointer}` as no number", self.asked)))
    }

    /// What is listed.
    pub(crate) fn rows(&self) -> Result<&[Value], Fault> {
        let found = self.at("/data")?.as_array().map(Vec::as_slice);
        found.ok_or_else(|| Fault::wrong(format!("{} lists nothing", self.asked)))
    }
}
