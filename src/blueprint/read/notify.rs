//! `human_required.notify`, `execution.notify` and `execution.smtp` → who is told, and how.

use std::time::Duration;

use crate::blueprint::model::{Channel, GateNotice, MailServer, Occasion, Recipient, RunNotice};
use crate::document::Node;

use super::field::{Fields, pairs};

/// The first one asks for a decision, which only a gate does.
const CHANNELS: &[(&str, Channel)] = &[
    ("env", Channel::Env),
    ("email", Channel::Email),
    ("slack", Channel::Slack),
    ("webhook", Channel::Webhook),
    ("console", Channel::Console),
    ("command", Channel::Command),
];
const NEWS_CHANNELS: &[(&str, Channel)] = CHANNELS.split_at(1).1;

const OCCASIONS: &[(&str, Occasion)] = &[
    ("gate", Occasion::Gate),
    ("waiting", Occasion::Waiting),
    ("failed", Occasion::Failed),
    ("done", Occasion::Done),
    ("cancelled", Occasion::Cancelled),
    ("rolled_back", Occasion::RolledBack),
];

/// What a person wants to know who does not say what.
const USUAL: [Occasion; 3] = [Occasion::Gate, Occasion::Failed, Occasion::Done];

/// Those who are told of a gate, and behind each those who are told when nobody decides.
pub(super) fn gate_notices<'s>(node: Option<&Node<'s>>) -> Box<[GateNotice<'s>]> {
    let mut notices = Vec::new();
    for node in each(node) {
        notices.extend(gate_notice(node, None, CHANNELS));
        let escalations = each(node.field("escalate")).iter();
        notices.extend(escalations.filter_map(|node| gate_notice(node, Some(node.duration("after")?), NEWS_CHANNELS)));
    }
    notices.into()
}

pub(super) fn run_notices<'s>(node: Option<&Node<'s>>) -> Box<[RunNotice<'s>]> {
    let notice = |node: &Node<'s>| {
        let words = node.field("on").and_then(Node::as_list);
        let on = words.map_or_else(
            || USUAL.into(),
            |words| {
                let occasion = |word: &Node<'_>| OCCASIONS.iter().find(|(name, _)| Some(*name) == word.text());
                words.iter().filter_map(occasion).map(|(_, occasion)| *occasion).collect()
            },
        );
        Some(RunNotice { on, to: recipient(node, NEWS_CHANNELS)? })
    };
    each(node).iter().filter_map(notice).collect()
}

pub(super) fn mail_server<'s>(node: &Node<'s>) -> Option<MailServer<'s>> {
    Some(MailServer {
        url: node.filled("url")?,
        from: node.filled("from"),
        username: node.filled("username"),
        password: node.filled("password"),
    })
}

/// One mapping, or a list of them.
fn each<'n, 's>(node: Option<&'n Node<'s>>) -> &'n [Node<'s>] {
    match node {
        Some(node) => node.as_list().unwrap_or(std::slice::from_ref(node)),
        None => &[],
    }
}

fn gate_notice<'s>(node: &Node<'s>, after: Option<Duration>, channels: &[(&str, Channel)]) -> Option<GateNotice<'s>> {
    Some(GateNotice {
        to: recipient(node, channels)?,
        after,
        remind: node.duration("remind"),
        remind_span: node.field("remind").map_or(node.span, |node| node.span),
    })
}

fn recipient<'s>(node: &Node<'s>, channels: &[(&str, Channel)]) -> Option<Recipient<'s>> {
    Some(Recipient {
        channel: node.choice("channel", channels)?,
        span: node.field("channel")?.span,
        recipient: node.filled("recipient"),
        variable: node.filled("variable"),
        any_value: node.flag("any_value").unwrap_or(false),
        url: node.filled("url"),
        secret: node.filled("secret"),
        headers: pairs(node.field("headers")),
        command: node.filled("command"),
        message: node.filled("message"),
    })
}
