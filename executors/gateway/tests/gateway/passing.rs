//! What passes, and what is counted of it.

use std::time::Instant;

use outpost_gateway::{Caps, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::agent::{call, connect, send, with_headers};
use crate::provider::{Deed, Provider, chunked, json, stream};
use crate::{KEY, gateway};

const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1000,\
\"cache_creation_input_tokens\":30,\"cache_creation\":{\"ephemeral_5m_input_tokens\":20,\
\"ephemeral_1h_input_tokens\":10},\"cache_read_input_tokens\":200,\"output_tokens\":1}}}\n\n\
: a comment\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"usage \u{1F980}\"}}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
\"usage\":{\"input_tokens\":1000,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":200,\
\"output_tokens\":50}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

const RESPONSES: &str = "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\r\n\r\n\
event: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1200,\
\"input_tokens_details\":{\"cached_tokens\":200},\"output_tokens\":50}}}\r\n\r\n";

const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":\
{\"prompt_tokens\":1200,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":200}}}\n\ndata: [DONE]\n\n";

const GEMINI: &str = "data: {\"usageMetadata\":{\"promptTokenCount\":1200,\"cachedContentTokenCount\":200}}\r\rdata: \
{\"usageMetadata\":{\"promptTokenCount\":1200,\"cachedContentTokenCount\":200,\"candidatesTokenCount\":40,\
\"thoughtsTokenCount\":10}}\r\r";

/// Path, events, and what is to be counted.
fn streams() -> [(&'static str, &'static str, Usage); 4] {
    let usual = Usage { input: 1000, cached: 200, output: 50, requests: 1, micro_usd: 2600, ..Usage::default() };
    // 1000 × 2 + 200 × 0.5 + 20 × 3 + 10 × 4 + 50 × 10
    let messages = Usage { written: 30, micro_usd: 2700, ..usual };
    [
        ("/v1/messages?beta=true", MESSAGES, messages),
        ("/v1/responses", RESPONSES, usual),
        ("/v1/chat/completions", CHAT, usual),
        ("/v1beta/models/known:streamGenerateContent?alt=sse", GEMINI, usual),
    ]
}

#[tokio::test]
async fn a_stream_passes_as_it_is_and_is_counted_wherever_it_is_cut() {
    for (path, events, right) in streams() {
        let bytes = events.as_bytes();
        let ends = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".as_bytes();
        let single = std::iter::once(ends.to_vec()).chain(bytes.iter().map(|byte| vec![*byte])).collect();
        for deed in [Deed::Write(vec![stream(events)]), Deed::Write(single), Deed::Write(chunked(events))] {
            let provider = Provider::start(deed).await;
            let gateway = gateway(&provider, Caps::default()).await;
            let got = send(&gateway, &call(&gateway, path, r#"{"model":"known","stream":true}"#)).await;
            assert_eq!((got.status, got.body.as_str(), got.whole), (200, events, true), "{path}");
            assert_eq!(gateway.usage(), right, "{path}");
            assert_eq!(gateway.close().await, right, "{path}");
        }
    }
}

#[tokio::test]
async fn every_single_cut_is_counted_alike() {
    for (path, events, right) in streams() {
        let whole = stream(events);
        let head = whole.len() - events.len();
        let cut = |at: usize| vec![whole[..at].to_vec(), whole[at..].to_vec()];
        let provider = Provider::start(Deed::InTurn((head..whole.len()).map(cut).collect())).await;
        let gateway = gateway(&provider, Caps::default()).await;
        for times in 1..=events.len() as u64 {
            let got = send(&gateway, &call(&gateway, path, r#"{"model":"known"}"#)).await;
            let all = Usage {
                input: right.input * times,
                cached: right.cached * times,
                written: right.written * times,
                output: right.output * times,
                requests: times,
                micro_usd: right.micro_usd * times,
                ..Usage::default()
            };
            assert_eq!((got.body.as_str(), gateway.usage()), (events, all), "{path}, cut {times} bytes in");
        }
    }
}

#[tokio::test]
async fn an_answer_in_json_is_counted() {
    let usual = Usage { input: 1000, cached: 200, output: 50, requests: 1, micro_usd: 2600, ..Usage::default() };
    for (path, body) in [
        ("/v1/messages", r#"{"usage":{"input_tokens":1000,"cache_read_input_tokens":200,"output_tokens":50}}"#),
        (
            "/v1/responses",
            r#"{"usage":{"input_tokens":1200,"input_tokens_details":{"cached_tokens":200},"output_tokens":50}}"#,
        ),
        (
            "/v1/chat/completions",
            r#"{"usage":{"prompt_tokens":1200,"prompt_tokens_details":{"cached_tokens":200},"completion_tokens":50}}"#,
        ),
        // Thoughts are in the total only.
        (
            "/v1/chat/completions",
            r#"{"usage":{"prompt_tokens":1200,"prompt_tokens_details":{"cached_tokens":200},"completion_tokens":9,"total_tokens":1250,"completion_tokens_details":{"reasoning_tokens":41}}}"#,
        ),
        (
            "/v1beta/models/known:generateContent",
            r#"{"usageMetadata":{"promptTokenCount":1200,"cachedContentTokenCount":200,"candidatesTokenCount":50}}"#,
        ),
        (
            "/v1beta/models/known:streamGenerateContent",
            r#"[{"usageMetadata":{"promptTokenCount":1200}},{"usageMetadata":{"promptTokenCount":1200,"cachedContentTokenCount":200,"candidatesTokenCount":50}}]"#,
        ),
    ] {
        let provider = Provider::start(Deed::Write(vec![json("200 OK", body)])).await;
        let gateway = gateway(&provider, Caps::default()).await;
        let got = send(&gateway, &call(&gateway, path, r#"{"model":"known"}"#)).await;
        assert_eq!((got.status, got.body.as_str()), (200, body), "{path}");
        assert_eq!(gateway.usage(), usual, "{path}");
    }
}

#[tokio::test]
async fn the_key_is_swapped_and_everything_else_arrives() {
    for (path, held, shown) in [
        ("/v1/messages", "x-api-key: ", format!("x-api-key: {KEY}")),
        ("/v1/responses", "Authorization: bearer ", format!("authorization: Bearer {KEY}")),
        ("/v1beta/models/known:generateContent", "x-goog-api-key: ", format!("x-goog-api-key: {KEY}")),
    ] {
        let provider = Provider::start(Deed::Write(vec![json("200 OK", "{}")])).await;
        let gateway = gateway(&provider, Caps::default()).await;
        let token = gateway.token().to_owned();
        let headers = format!(
            "{held}{token}\r\naccept-encoding: gzip, br\r\nx-own: kept\r\ncookie: a=b\r\nx-hop: 1\r\nconnection: x-hop\r\n"
        );
        let body = r#"{"model":"known","odd":  "kept"}"#;
        assert_eq!(send(&gateway, &with_headers(path, &headers, body)).await.status, 200);
        let request = provider.requests().remove(0);
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.ends_with(body), "{request}");
        for there in [shown.as_str(), "accept-encoding: identity", "x-own: kept"] {
            assert!(request.contains(there), "{there} is not in\n{request}");
        }
        for gone in [&token, "cookie", "x-hop", "gzip"] {
            assert!(!request.contains(gone), "{gone} is in\n{request}");
        }
    }
}

#[tokio::test]
async fn the_list_of_models_comes_from_the_provider_and_costs_nothing() {
    let provider = Provider::start(Deed::Write(vec![json("200 OK", r#"{"data":[{"id":"known"}]}"#)])).await;
    let gateway = gateway(&provider, Caps { requests: Some(0), ..Caps::default() }).await;
    let bytes = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        gateway.token()
    );
    let got = send(&gateway, bytes.as_bytes()).await;
    assert_eq!((got.status, got.body.as_str()), (200, r#"{"data":[{"id":"known"}]}"#));
    assert_eq!(gateway.usage(), Usage::default());
}

#[tokio::test]
async fn a_providers_error_passes_and_costs_nothing_but_its_401_does_not_tell() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let provider = Provider::start(Deed::Write(vec![json("429 Too Many Requests", body)])).await;
    let gateway_ = gateway(&provider, Caps::default()).await;
    let got = send(&gateway_, &call(&gateway_, "/v1/messages", r#"{"model":"known"}"#)).await;
    assert_eq!((got.status, got.body.as_str()), (429, body));
    assert_eq!(gateway_.usage(), Usage { failed: 1, ..Usage::default() });

    let told = format!(r#"{{"error":"bad key {KEY}"}}"#);
    let provider = Provider::start(Deed::Write(vec![json("401 Unauthorized", &told)])).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let got = send(&gateway, &call(&gateway, "/v1/messages", r#"{"model":"known"}"#)).await;
    assert_eq!(got.status, 401);
    assert!(!got.body.contains(KEY) && got.body.contains("authentication_error"), "{}", got.body);
}

#[tokio::test]
async fn a_provider_that_sends_elsewhere_is_not_followed() {
    let away = b"HTTP/1.1 307 T\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let provider = Provider::start(Deed::Write(vec![away])).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let got = send(&gateway, &call(&gateway, "/v1/messages", r#"{"model":"known"}"#)).await;
    assert_eq!(got.status, 502);
    assert!(!got.head.contains("location"), "{}", got.head);
}

#[tokio::test]
async fn a_provider_that_hangs_up_is_seen_by_the_agent_and_counted_as_far_as_heard() {
    let begin = &MESSAGES[..MESSAGES.find(": a comment").unwrap()];
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{begin}\r\n",
        begin.len()
    );
    let provider = Provider::start(Deed::Write(vec![cut.into_bytes()])).await;
    let gateway_ = gateway(&provider, Caps::default()).await;
    let got = send(&gateway_, &call(&gateway_, "/v1/messages", r#"{"model":"known","max_tokens":500}"#)).await;
    assert_eq!((got.status, got.whole, got.body.as_str()), (200, false, begin));
    let usage = gateway_.usage();
    assert_eq!((usage.input, usage.cached, usage.requests, usage.unreported), (1000, 200, 1, 1));

    let provider = Provider::start(Deed::Write(vec![])).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let got = send(&gateway, &call(&gateway, "/v1/messages", r#"{"model":"known","max_tokens":500}"#)).await;
    assert_eq!(got.status, 502);
    let usage = gateway.usage();
    assert_eq!((usage.input, usage.unreported), (0, 1));
    assert!(usage.unreported_tokens >= 500 && usage.unreported_micro_usd >= 5000, "{usage:?}");
}

#[tokio::test]
async fn an_agent_that_goes_away_ends_the_call_and_frees_its_place() {
    let mut provider = Provider::start(Deed::Hang(stream(&MESSAGES[..300]))).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let mut agent = connect(&gateway).await;
    let body = r#"{"model":"known","max_tokens":500}"#;
    agent.write_all(&call(&gateway, "/v1/messages", body)).await.unwrap();
    let mut first = [0; 1];
    agent.read_exact(&mut first).await.unwrap();
    // Whoever looks before the gateway has seen the end of it is told as well.
    let usage = gateway.usage();
    assert_eq!((usage.requests, usage.unreported), (0, 1));
    assert!(usage.unreported_tokens >= 500 && usage.unreported_micro_usd >= 5000, "{usage:?}");
    drop(agent);
    provider.left.wait_for(|left| *left == 1).await.unwrap();
    let usage = gateway.close().await;
    assert_eq!((usage.requests, usage.unreported), (1, 1));
}

/// Until the clock of the gateway shows another time.
async fn after(start: Instant) {
    while start.elapsed().as_millis() < 5 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_bytes_of_an_answer_are_a_sign_of_life_and_an_agent_that_only_asks_is_none() {
    let body = r#"{"model":"known"}"#;
    let busy = Provider::start(Deed::Write(vec![json("529 Overloaded", r#"{"error":"busy"}"#)])).await;
    let unheard = gateway(&busy, Caps::default()).await;
    let start = unheard.last_activity();
    after(start).await;
    let token = unheard.token();
    for (path, token, status) in [("/v1/messages", token, 529), ("/v1/files", token, 404), ("/v1/messages", "no", 401)]
    {
        let got = send(&unheard, &with_headers(path, &format!("x-api-key: {token}\r\n"), body)).await;
        assert_eq!((got.status, unheard.last_activity()), (status, start));
    }

    let provider = Provider::start(Deed::Write(vec![stream(MESSAGES)])).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let start = gateway.last_activity();
    after(start).await;
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", body)).await.status, 200);
    assert!(gateway.last_activity() > start && gateway.last_activity() <= Instant::now());
}

#[tokio::test]
async fn a_closed_gateway_lets_go_of_everything() {
    let mut provider = Provider::start(Deed::Hang(stream("data: {}\n\n"))).await;
    let gateway = gateway(&provider, Caps::default()).await;
    let port = gateway.port();
    let mut agent = connect(&gateway).await;
    agent.write_all(&call(&gateway, "/v1/messages", r#"{"model":"known"}"#)).await.unwrap();
    provider.came.wait_for(|came| *came == 1).await.unwrap();
    assert_eq!(gateway.close().await.unreported, 1);
    let mut rest = Vec::new();
    let _ = agent.read_to_end(&mut rest).await;
    provider.left.wait_for(|left| *left == 1).await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
