//! What must not pass, and what must not end the gateway.

use std::time::Duration;

use outpost_gateway::{Bounds, Caps, Gateway, Key, Protocol, Settings, StartError, Upstream, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::agent::{call, connect, receive, send, with_headers};
use crate::provider::{Deed, Provider, json};
use crate::{KEY, gateway, settings};

const BODY: &str = r#"{"model":"known"}"#;

async fn quiet() -> Provider {
    Provider::start(Deed::Write(vec![json("200 OK", "{}")])).await
}

async fn bounded(provider: &Provider, bounds: Bounds) -> Gateway {
    Gateway::start(Settings { bounds, ..settings(provider) }).await.unwrap()
}

#[tokio::test]
async fn without_the_runs_token_each_protocol_says_so_in_its_own_shape() {
    let provider = quiet().await;
    let gateway = gateway(&provider, Caps::default()).await;
    for (path, words) in [
        ("/v1/messages", r#""type":"authentication_error""#),
        ("/v1/responses", r#""code":"invalid_api_key""#),
        ("/v1/chat/completions", r#""code":"invalid_api_key""#),
        ("/v1beta/models/known:generateContent", r#""status":"UNAUTHENTICATED""#),
        ("/anything", r#""type":"authentication_error""#),
    ] {
        for headers in ["", "x-api-key: wrong\r\n", "authorization: Bearer \r\n", &format!("x-api-key: {KEY}\r\n")] {
            let got = send(&gateway, &with_headers(path, headers, BODY)).await;
            assert_eq!(got.status, 401, "{path} {headers}");
            assert!(got.body.contains(words), "{path}: {}", got.body);
            assert!(!got.body.contains(gateway.token()), "{path}: {}", got.body);
        }
    }
    assert_eq!((provider.requests().len(), gateway.usage()), (0, Usage::default()));
}

#[tokio::test]
async fn other_places_are_not_reached() {
    let provider = quiet().await;
    let gateway = gateway(&provider, Caps::default()).await;
    let token = gateway.token();
    for line in [
        "POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1",
        "POST /v1/messages/../files HTTP/1.1\r\nhost: 127.0.0.1",
        "POST /v1/messages%2f..%2ffiles HTTP/1.1\r\nhost: 127.0.0.1",
        "DELETE /v1/models/known HTTP/1.1\r\nhost: 127.0.0.1",
        "POST http://example.com/v1/messages HTTP/1.1\r\nhost: example.com",
        "POST http://127.0.0.1/v1/messages HTTP/1.1\r\nhost: 127.0.0.1",
        "POST /v1/messages HTTP/1.1\r\nhost: example.com",
        "POST /v1/messages HTTP/1.1",
        "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443",
        "GET /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket",
    ] {
        let bytes = format!(
            "{line}\r\nx-api-key: {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}",
            BODY.len()
        );
        let got = send(&gateway, bytes.as_bytes()).await;
        assert!([400, 404].contains(&got.status), "{line}: {got:?}");
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn a_protocol_that_was_not_asked_for_is_not_served() {
    let provider = quiet().await;
    let upstream = Upstream::new(Protocol::Gemini, Key::new(KEY)).at(provider.base());
    let gateway = Gateway::start(Settings::new(upstream)).await.unwrap();
    let got = send(&gateway, &call(&gateway, "/v1/messages", BODY)).await;
    assert_eq!((got.status, provider.requests().len()), (404, 0));
}

#[tokio::test]
async fn random_bytes_do_not_end_it() {
    let provider = quiet().await;
    let gateway = gateway(&provider, Caps::default()).await;
    let valid = call(&gateway, "/v1/messages", BODY);
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..300 {
        let mut bytes = valid.clone();
        if round % 2 == 0 {
            bytes = (0..random() % 2000).map(|_| random() as u8).collect();
        } else {
            for _ in 0..=random() % 8 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
        }
        let mut stream = connect(&gateway).await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    let came = provider.requests().len();
    assert_eq!(send(&gateway, &valid).await.status, 200);
    assert_eq!(provider.requests().len(), came + 1);
}

#[tokio::test]
async fn a_body_that_asks_for_what_cannot_be_counted_is_refused() {
    let provider = quiet().await;
    let gateway = gateway(&provider, Caps::default()).await;
    for body in ["", "{", r#"{"model":"a","model":"b"}"#, r#"{"model":"known","background":true}"#] {
        assert_eq!(send(&gateway, &call(&gateway, "/v1/responses", body)).await.status, 400, "{body}");
    }
    let headers = format!("x-api-key: {}\r\ncontent-encoding: gzip\r\n", gateway.token());
    assert_eq!(send(&gateway, &with_headers("/v1/messages", &headers, BODY)).await.status, 415);
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn headers_end_or_the_connection_does() {
    let provider = quiet().await;
    let bounds =
        Bounds { header_time: Duration::from_millis(50), header_bytes: 8192, connections: 1, ..Bounds::default() };
    let gateway = bounded(&provider, bounds).await;
    // It has one place only: each of these has to be gone before the next is heard.
    let mut slow = connect(&gateway).await;
    slow.write_all(b"POST /v1/messages HTTP/1.1\r\nx-slow: ").await.unwrap();
    let mut silent = connect(&gateway).await;
    let mut long = connect(&gateway).await;
    let line = format!("POST /v1/messages HTTP/1.1\r\nx-long: {}\r\n\r\n", "a".repeat(100_000));
    let _ = long.write_all(line.as_bytes()).await;
    assert!([0, 408].contains(&receive(&mut slow).await.status));
    assert!([0, 408].contains(&receive(&mut silent).await.status));
    assert!([0, 431].contains(&receive(&mut long).await.status));
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status, 200);
}

#[tokio::test]
async fn a_body_is_bounded_in_bytes_and_in_pauses() {
    let provider = quiet().await;
    let bounds = Bounds { request_bytes: 1000, body_pause: Duration::from_millis(50), ..Bounds::default() };
    let gateway = bounded(&provider, bounds).await;
    let key = format!("host: localhost\r\nx-api-key: {}\r\n", gateway.token());
    let long = "a".repeat(1001);
    for (bytes, status) in [
        (format!("{key}content-length: 1001\r\n\r\n{long}"), 413),
        (format!("{key}content-length: 99999999999\r\n\r\n"), 413),
        (format!("{key}transfer-encoding: chunked\r\n\r\n3e9\r\n{long}\r\n0\r\n\r\n"), 413),
        (format!("{key}content-length: 10\r\n\r\nabc"), 408),
    ] {
        let got = send(&gateway, format!("POST /v1/messages HTTP/1.1\r\n{bytes}").as_bytes()).await;
        assert_eq!(got.status, status, "{got:?}");
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn secrets_are_in_no_text_about_it() {
    let provider = quiet().await;
    let settings = settings(&provider);
    let shown = format!("{settings:?}");
    let gateway = Gateway::start(settings).await.unwrap();
    let all = format!("{shown}{gateway:?}");
    assert!(!all.contains(KEY) && !all.contains(gateway.token()), "{all}");

    let secret = "sk-broken\nkey";
    let error = Gateway::start(Settings::new(Upstream::new(Protocol::Anthropic, Key::new(secret)))).await.unwrap_err();
    assert!(matches!(error, StartError::Key(Protocol::Anthropic)));
    assert!(!format!("{error}{error:?}").contains("broken"), "{error:?}");
}

#[tokio::test]
async fn an_unreachable_provider_is_told_without_secrets() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::new(Protocol::Anthropic, Key::new(KEY)).at(format!("http://{closed}"));
    let gateway = Gateway::start(Settings::new(upstream)).await.unwrap();
    let got = send(&gateway, &call(&gateway, "/v1/messages?key=hunter2", BODY)).await;
    assert_eq!((got.status, gateway.usage().failed), (502, 1));
    assert!(got.body.contains("refused"), "{}", got.body);
    assert!(!got.body.contains(KEY) && !got.body.contains("hunter2"), "{}", got.body);
}

#[tokio::test]
async fn an_address_that_would_show_the_key_is_refused() {
    for base in [
        "http://api.example.com",
        "ftp://127.0.0.1",
        "https://user:word@api.example.com",
        "https://api.example.com/?a=b",
        "https://api.example.com/#a",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "api.example.com",
        "",
    ] {
        let upstream = Upstream::new(Protocol::OpenAiChat, Key::new(KEY)).at(base);
        let error = Gateway::start(Settings::new(upstream)).await.unwrap_err();
        assert!(matches!(error, StartError::Base { .. }), "{base}: {error}");
    }
    let one = Upstream::new(Protocol::OpenAiChat, Key::new(KEY));
    let twice = Settings { upstreams: vec![one.clone(), one.clone()], ..Settings::new(one.clone()) };
    assert!(matches!(Gateway::start(twice).await, Err(StartError::Twice(_))));
    let none = Settings { upstreams: Vec::new(), ..Settings::new(one) };
    assert!(matches!(Gateway::start(none).await, Err(StartError::NoUpstream)));
}
