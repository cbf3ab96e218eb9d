//! HTTP as the engine speaks it: one client for webhooks, outputs, secrets and traces.
//!
//! The certificates are those of the system (`SSL_CERT_FILE` names others), proxies those of the environment. What is
//! asked for must answer within a time, and only where it was asked: a redirect may not take a secret elsewhere.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

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

/// An address as people may see it: without a name and password before the host, and without a query.
pub fn shown(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            // They fail only where there is no host to have them.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Ok(_) => uri.to_owned(),
        // A redirect may lead elsewhere on the same host.
        Err(_) => uri.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
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
