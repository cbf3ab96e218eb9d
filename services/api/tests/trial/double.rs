//! A service with a fault: stands before the real one and passes everything on, but for what it was told to do wrong.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What was asked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// What the real service answered, and is told instead.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What is done wrong.
pub(crate) trait Fault: Send + Sync + 'static {
    /// Before the service is asked.
    fn asked(&self, _: &mut Asked) {}

    /// Before the answer is passed on.
    fn told(&self, _: &Asked, _: &mut Told) {}
}

pub(crate) struct Double {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Double {
    pub(crate) fn before(base: &str, fault: impl Fault) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (base, fault) = (Arc::<str>::from(base), Arc::new(fault));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (base, fault, http) = (Arc::clone(&base), Arc::clone(&fault), http.clone());
                let answer = service_fn(move |request| {
                    let (base, fault, http) = (Arc::clone(&base), Arc::clone(&fault), http.clone());
                    async move { Ok::<_, Infallible>(pass(request, &base, &*fault, &http).await) }
                });
                let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(async {
                    // Whoever asked may go.
                    drop(served.await);
                });
            }
        });
        Self { url, _runtime: runtime }
    }
}

async fn pass(
    request: Request<Incoming>,
    base: &str,
    fault: &dyn Fault,
    http: &reqwest::Client,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let path = head.uri.path_and_query().expect("a path").to_string();
    let mut asked = Asked { method: head.method, path, headers: head.headers };
    fault.asked(&mut asked);
    asked.headers.remove(HOST);
    asked.headers.remove(CONTENT_LENGTH);
    let request = http.request(asked.method.clone(), format!("{base}{}", asked.path)).headers(asked.headers.clone());
    let answer = request.body(body).send().await.expect("the real service");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.expect("an answer");
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut told = Told { status, headers, body };
    fault.told(&asked, &mut told);
    let body = if told.body.is_null() { Bytes::new() } else { serde_json::to_vec(&told.body).expect("JSON").into() };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(told.status).expect("a status");
    told.headers.remove(CONTENT_LENGTH);
    *response.headers_mut() = told.headers;
    response
}
