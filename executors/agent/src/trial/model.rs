//! A model on loopback: it answers each protocol with one sentence, or refuses, or says nothing at all.
//!
//! It is what definitions are tried against. It knows no language; it checks that the agent shows the token it was given.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Instant;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::speech;
use crate::attempt::Gate;
use crate::definition::Protocol;
use crate::stream::Spent;

const LARGEST: usize = 64 << 20;

/// How it behaves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    Unauthorized,
    Busy,
    Silent,
}

impl Mood {
    const ALL: [Self; 4] = [Self::Answers, Self::Unauthorized, Self::Busy, Self::Silent];
}

#[derive(Debug)]
pub(super) struct Model {
    protocol: Protocol,
    address: SocketAddr,
    token: String,
    mood: AtomicU8,
    asked: AtomicU32,
    was_asked: Notify,
}

impl Model {
    /// Listens until its runtime ends.
    pub(super) async fn open(protocol: Protocol, token: String) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let model = Arc::new(Self {
            protocol,
            address: listener.local_addr()?,
            token,
            mood: AtomicU8::new(0),
            asked: AtomicU32::new(0),
            was_asked: Notify::new(),
        });
        let server = Arc::clone(&model);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let model = Arc::clone(&server);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(&model, request));
                    // Whoever hangs up is none of our business.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(model)
    }

    pub(super) fn set(&self, mood: Mood) {
        let place = Mood::ALL.iter().position(|known| *known == mood).unwrap_or_default();
        self.mood.store(u8::try_from(place).unwrap_or_default(), Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    fn mood(&self) -> Mood {
        let place = usize::from(self.mood.load(Ordering::Relaxed));
        Mood::ALL.get(place).copied().unwrap_or(Mood::Answers)
    }

    /// How often it was asked since its mood was set.
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ready when it is asked for the first time after its mood was set.
    pub(super) async fn is_asked(&self) {
        loop {
            let notified = self.was_asked.notified();
            if self.asked() > 0 {
                return;
            }
            notified.await;
        }
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = header(AUTHORIZATION.as_str());
        let query = request.uri().query().unwrap_or_default();
        bearer.strip_prefix("Bearer ").is_some_and(|token| token == self.token)
            || ["x-api-key", "x-goog-api-key"].iter().any(|name| header(name) == self.token)
            || query.split('&').any(|pair| pair.strip_prefix("key=").is_some_and(|token| token == self.token))
    }
}

impl Gate for Model {
    fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn token(&self) -> String {
        self.token.clone()
    }

    fn last_activity(&self) -> Option<Instant> {
        None
    }

    fn spent(&self) -> Option<Spent> {
        None
    }

    fn breach(&self) -> Option<String> {
        None
    }
}

async fn answer(model: &Model, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST {
        let is_list = path.ends_with("/models");
        let models = json!({"object": "list", "data": [{"id": "mock-model", "object": "model", "created": 1, "owned_by": "trial"}]});
        return Ok(match (request.method() == Method::HEAD, is_list) {
            (true, _) => reply(StatusCode::OK, &json!({})),
            (_, true) => reply(StatusCode::OK, &models),
            _ => reply(StatusCode::NOT_FOUND, &speech::error(404, "there is nothing here")),
        });
    }
    let is_known = model.knows(&request);
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if path.ends_with("/count_tokens") {
        return Ok(reply(StatusCode::OK, &json!({"input_tokens": 10})));
    }
    if !speech::is_question(model.protocol, &path) {
        return Ok(reply(StatusCode::NOT_FOUND, &speech::error(404, "this model speaks another protocol")));
    }
    model.asked.fetch_add(1, Ordering::Relaxed);
    model.was_asked.notify_waiters();
    Ok(match model.mood() {
        Mood::Silent => std::future::pending().await,
        Mood::Unauthorized => reply(StatusCode::UNAUTHORIZED, &speech::error(401, "the trial refuses this key")),
        _ if !is_known => {
            reply(StatusCode::UNAUTHORIZED, &speech::error(401, "the agent shows another key than it was given"))
        }
        Mood::Busy => {
            let mut reply = reply(StatusCode::TOO_MANY_REQUESTS, &speech::error(429, "rate limit: the trial is busy"));
            reply.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
            reply
        }
        Mood::Answers => match speech::says(model.protocol, &path, &body) {
            speech::Speech::Whole(value) => reply(StatusCode::OK, &value),
            speech::Speech::Stream(text) => with_type(StatusCode::OK, "text/event-stream", text),
        },
    })
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    with_type(status, "application/json", body.to_string())
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
