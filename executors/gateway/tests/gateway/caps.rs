//! Where the spending ends.

use std::sync::Arc;

use outpost_gateway::{Cap, Caps, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::agent::{call, connect, send};
use crate::gateway;
use crate::provider::{Deed, Provider, json};

const BODY: &str = r#"{"model":"known","max_tokens":100}"#;

fn reports(input: u64, output: u64) -> Deed {
    let body = format!(r#"{{"usage":{{"input_tokens":{input},"output_tokens":{output}}}}}"#);
    Deed::Write(vec![json("200 OK", &body)])
}

#[tokio::test]
async fn at_the_cap_each_protocol_is_refused_in_its_own_words() {
    for (path, status, words) in [
        ("/v1/messages", 402, r#""type":"billing_error""#),
        ("/v1/responses", 429, r#""code":"insufficient_quota""#),
        ("/v1/chat/completions", 400, r#""type":"insufficient_quota""#),
        ("/v1beta/models/known:generateContent", 402, r#""status":"RESOURCE_EXHAUSTED""#),
    ] {
        let provider = Provider::start(reports(1, 1)).await;
        let gateway = gateway(&provider, Caps { requests: Some(2), ..Caps::default() }).await;
        for _ in 0..2 {
            assert_eq!(send(&gateway, &call(&gateway, path, BODY)).await.status, 200, "{path}");
            assert_eq!(gateway.stopped_by(), None);
        }
        let got = send(&gateway, &call(&gateway, path, BODY)).await;
        assert_eq!(got.status, status, "{path}");
        assert!(got.body.contains(words), "{path}: {}", got.body);
        assert!(got.head.contains("x-should-retry: false"), "{path}: {}", got.head);
        assert_eq!((gateway.stopped_by(), provider.requests().len()), (Some(Cap::Requests), 2), "{path}");
    }
}

#[tokio::test]
async fn a_cap_in_the_middle_ends_what_comes_after_it() {
    for (caps, cap) in [
        (Caps { tokens: Some(2000), ..Caps::default() }, Cap::Tokens),
        // 1000 × $2 + 250 × $10 per million are 4500 millionths.
        (Caps { micro_usd: Some(4501), ..Caps::default() }, Cap::Usd),
    ] {
        let provider = Provider::start(reports(1000, 250)).await;
        let gateway = gateway(&provider, caps).await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status);
        }
        assert_eq!(statuses, [200, 200, 402, 402], "{cap}");
        assert_eq!(gateway.stopped_by(), Some(cap));
        let right = Usage { input: 2000, output: 500, requests: 2, micro_usd: 9000, ..Usage::default() };
        assert_eq!(gateway.usage(), right);
    }
}

#[tokio::test]
async fn a_hundred_calls_at_once_do_not_spend_the_remainder_twice() {
    for (caps, cap) in [
        (Caps { tokens: Some(1000), ..Caps::default() }, Cap::Tokens),
        (Caps { micro_usd: Some(10_000), ..Caps::default() }, Cap::Usd),
        (Caps { requests: Some(10), ..Caps::default() }, Cap::Requests),
    ] {
        let told = Arc::new(Semaphore::new(0));
        let answer = json("200 OK", r#"{"usage":{"input_tokens":0,"output_tokens":100}}"#);
        let mut provider = Provider::start(Deed::WriteWhenTold(Arc::clone(&told), answer)).await;
        let gateway = Arc::new(gateway(&provider, caps).await);
        let mut agents = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let gateway = Arc::clone(&gateway);
            agents.spawn(async move { send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status });
        }
        // Several are under way before the first is answered.
        provider.came.wait_for(|came| *came >= 5).await.unwrap();
        told.add_permits(100);
        let statuses = agents.join_all().await;
        let passed = statuses.iter().filter(|status| **status == 200).count();
        let refused = statuses.iter().filter(|status| **status == 402).count();
        // Each reports what it had reserved for its answer, so that the cap is met exactly.
        assert_eq!((passed, refused), (10, 90), "{cap}");
        assert_eq!(provider.requests().len(), 10, "{cap}");
        assert_eq!((gateway.usage().output, gateway.stopped_by()), (1000, Some(cap)));
    }
}

#[tokio::test]
async fn a_call_that_waits_for_others_goes_nowhere_when_its_agent_goes_away() {
    let told = Arc::new(Semaphore::new(0));
    let answer = json("200 OK", r#"{"usage":{"input_tokens":0,"output_tokens":10}}"#);
    let mut provider = Provider::start(Deed::WriteWhenTold(Arc::clone(&told), answer)).await;
    let gateway = Arc::new(gateway(&provider, Caps { tokens: Some(150), ..Caps::default() }).await);
    let first = {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status })
    };
    provider.came.wait_for(|came| *came == 1).await.unwrap();
    let mut second = connect(&gateway).await;
    second.write_all(&call(&gateway, "/v1/messages", BODY)).await.unwrap();
    second.shutdown().await.unwrap();
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    told.add_permits(1);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_failed_gives_its_place_back() {
    let provider = Provider::start(Deed::Write(vec![json("529 Overloaded", "{}")])).await;
    let gateway = gateway(&provider, Caps { requests: Some(1), tokens: Some(10), micro_usd: Some(1) }).await;
    for failed in 1..=3 {
        assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status, 529);
        assert_eq!(gateway.usage(), Usage { failed, ..Usage::default() });
    }
    assert_eq!(gateway.stopped_by(), None);
}

#[tokio::test]
async fn an_answer_that_reports_nothing_counts_as_it_was_estimated() {
    let provider = Provider::start(Deed::Write(vec![json("200 OK", r#"{"content":"usage"}"#)])).await;
    let gateway = gateway(&provider, Caps { tokens: Some(100), ..Caps::default() }).await;
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status, 200);
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", BODY)).await.status, 402);
    let usage = gateway.usage();
    assert_eq!((usage.tokens(), usage.requests, usage.unreported), (0, 1, 1));
    assert!(usage.unreported_tokens >= 100, "{usage:?}");
}

#[tokio::test]
async fn a_model_without_a_price_is_held_by_tokens_or_not_at_all() {
    let body = r#"{"model":"new","max_tokens":100}"#;
    let provider = Provider::start(reports(1000, 250)).await;
    let dollars = Caps { micro_usd: Some(1_000_000), ..Caps::default() };
    let refusing = gateway(&provider, dollars).await;
    let got = send(&refusing, &call(&refusing, "/v1/messages", body)).await;
    assert_eq!((got.status, provider.requests().len()), (400, 0));
    assert!(got.body.contains("`new` has no price"), "{}", got.body);

    let gateway = gateway(&provider, Caps { tokens: Some(1200), ..dollars }).await;
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", body)).await.status, 200);
    assert_eq!((gateway.usage().cost(), gateway.usage().unpriced), (None, 1));
    assert_eq!(send(&gateway, &call(&gateway, "/v1/messages", body)).await.status, 402);
    assert_eq!(gateway.stopped_by(), Some(Cap::Tokens));
}
