//! HTTP as the engine speaks it: one client for webhooks, outputs, secrets and traces.
//!
//! The certificates are those of the system (`SSL_CERT_FILE` names others), proxies those of the environment. What is
//! asked for must answer within a time, and only where it was asked: a redirect may not take a secret elsewhere.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, redirect};

/// A client whose requests take this long at most.
pub fn client(patience: Duration) -> Result<Client, String> {
    Client::builder()
        .user_agent(concat!("outpost-bp/", env!("CARGO_PKG_VERSION")))
        .timeout(patience)
        .connect_timeout(patience.min(Duration::from_secs(10)))
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| format!("there is no HTTP here: {error}"))
}

/// What went wrong, to the bottom of it, without the address: it may hold a secret.
pub fn problem(error: reqwest::Error) -> String {
    causes(&error.without_url())
}

/// An error and what caused it, each once.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let deeper_text = deeper.to_string();
        if !text.contains(&deeper_text) {
            text += &format!(": {deeper_text}");
        }
        cause = deeper.source();
    }
    text
}
