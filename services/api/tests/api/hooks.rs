//! Messages to webhooks: what arrives, and what is sent nowhere.

use std::sync::Arc;
use std::time::Duration;

use outpost_api::Sender;
use outpost_core::actions::Desk;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::house::{House, job};

/// Answers one request after another with this, and gives what was sent.
async fn listens(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await.unwrap();
        all.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&all);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            length.is_some_and(|length| body.len() >= length.trim().parse::<usize>().unwrap())
        });
        if read == 0 || whole {
            stream.write_all(answer.as_bytes()).await.unwrap();
            return text.into_owned();
        }
    }
}

/// A house whose desk may tell this machine.
async fn at_home() -> House {
    House::with(|_| {}, |settings| settings.offer.callbacks_anywhere = true).await
}

async fn ended(house: &House, key: &str, url: &str) {
    let mut wanted = job();
    house.ask("POST", "/v1/webhooks/callback-secret", Some(key), None).await.is(201);
    wanted["callback_url"] = json!(url);
    let id = house.post("/v1/jobs", key, wanted).await.is(202).text("id");
    house.post(&format!("/v1/jobs/{id}/cancel"), key, json!({})).await.is(200);
}

#[tokio::test]
async fn a_message_arrives_signed_and_a_redirect_is_not_followed() {
    let house = at_home().await;
    let (_, key) = house.tenant("ada").await;
    // A name, which is resolved here and bound to the address that was judged.
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/hook", listener.local_addr().unwrap().port());
    let secret = house.post("/v1/webhooks", &key, json!({ "url": url })).await.is(201).text("secret");
    assert!(secret.starts_with("whsec_"));
    let id = house.post("/v1/jobs", &key, job()).await.is(202).text("id");
    house.post(&format!("/v1/jobs/{id}/cancel"), &key, json!({})).await.is(200);

    let sender = Sender::new(Arc::clone(&house.desk)).unwrap();
    let moved = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        elsewhere.local_addr().unwrap()
    );
    let (sent, text) = tokio::join!(sender.round(), listens(&listener, &moved));
    assert_eq!(sent, Ok(1));
    assert!(text.starts_with("POST /hook HTTP/1.1\r\n"), "{text}");
    for part in ["webhook-id: msg_", "webhook-timestamp: ", "webhook-signature: v1,", "\"type\":\"job.cancelled\"", &id]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let listed = house.get("/v1/webhooks/messages", &key).await.is(200);
    assert_eq!(listed.body["data"][0]["last_error"], "it answered 302 Found");
    // Not due yet; a little later it is, and then it is delivered for good.
    assert_eq!(sender.round().await, Ok(0));
    house.clock.pass(Duration::from_secs(6));
    let fine = "HTTP/1.1 204 No Content\r\n\r\n";
    let (sent, again) = tokio::join!(sender.round(), listens(&listener, fine));
    assert_eq!(sent, Ok(1));
    let id_of = |text: &str| text.lines().find(|line| line.starts_with("webhook-id: ")).unwrap().to_owned();
    assert_eq!(id_of(&text), id_of(&again));
    let listed = house.get("/v1/webhooks/messages", &key).await.is(200);
    assert!(listed.body["data"][0]["delivered_at"].is_string());
    house.clock.pass(Duration::from_secs(86_400));
    assert_eq!(sender.round().await, Ok(0));
    let message = listed.body["data"][0]["id"].as_str().unwrap();
    house.post(&format!("/v1/webhooks/messages/{message}/replay"), &key, json!({})).await.is(202);
    let (sent, _) = tokio::join!(sender.round(), listens(&listener, fine));
    assert_eq!(sent, Ok(1));
    assert!(tokio::time::timeout(Duration::ZERO, elsewhere.accept()).await.is_err(), "somebody followed");
}

/// Settings were other ones when it was asked for, or its name leads home now: nothing is sent.
#[tokio::test]
async fn nothing_is_sent_home() {
    let house = at_home().await;
    let (_, key) = house.tenant("ada").await;
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let mut strict = house.desk.settings().clone();
    strict.offer.callbacks_anywhere = false;
    let sender = Sender::new(Arc::new(Desk::new(house.desk.ports().clone(), strict))).unwrap();
    let mut count = 0;
    for url in [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://0.0.0.0",
    ] {
        ended(&house, &key, &format!("{url}:{port}/x")).await;
        count += 1;
    }
    assert_eq!(sender.round().await, Ok(count));
    let listed = house.get("/v1/webhooks/messages", &key).await.is(200);
    for message in listed.body["data"].as_array().unwrap() {
        let why = message["last_error"].as_str().unwrap();
        assert!(
            why.contains("not the internet's") || why.contains("not `https`") || why.contains("cannot be resolved"),
            "{message}"
        );
    }
    assert!(tokio::time::timeout(Duration::ZERO, canary.accept()).await.is_err(), "somebody connected");
}
