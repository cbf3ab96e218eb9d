//! Slack, by an incoming webhook: the address is the credential, and text of the document can call nobody.

use std::fmt;

use reqwest::Url;
use serde_json::json;

use super::deliver::Fault;
use super::letter::Letter;
use super::webhook::{PATIENCE, address, judged, unanswered};
use crate::engine::net;

pub struct Slack {
    url: Url,
    channel: Option<String>,
}

/// Without the address.
impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Slack {
    pub(super) fn new(url: &str, channel: Option<&str>) -> Result<Self, String> {
        Ok(Self { url: address(url)?, channel: channel.map(str::to_owned) })
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        let client = net::client(PATIENCE).map_err(Fault::Lasting)?;
        let mut body = json!({ "text": text(letter) });
        if let Some(channel) = &self.channel {
            // Old webhooks may choose one; those of an app have theirs and do not look at it.
            body["channel"] = channel.clone().into();
        }
        let answer = client.post(self.url.clone()).json(&body).send().await;
        judged(&answer.map_err(unanswered)?)
    }
}

fn text(letter: &Letter) -> String {
    let mut text = format!("*{}*", escaped(&letter.title));
    for line in &letter.lines {
        text += &format!("\n{}", escaped(line));
    }
    if !letter.commands.is_empty() {
        text += &format!("\n```{}```", escaped(&letter.commands.join("\n")));
    }
    text
}

/// The three characters that Slack gives a meaning to; `<!channel>` would wake everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
