//! Values of a scenario whose form was checked: words, times, lists, decisions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::script::{Outcome, Said, Surroundings, Word};
use crate::blueprint::duration;
use crate::diagnostic::Span;
use crate::document::Node;
use crate::run::FailureCode;

/// `A before B`
pub(super) fn before(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(first), Some("before"), Some(second), None) => Some((first, second)),
        _ => None,
    }
}

pub(super) fn list<'n, 's>(node: Option<&'n Node<'s>>) -> &'n [Node<'s>] {
    node.and_then(Node::as_list).unwrap_or_default()
}

pub(super) fn texts(node: &Node<'_>) -> Vec<String> {
    list(Some(node)).iter().filter_map(Node::text).map(str::to_owned).collect()
}

pub(super) fn keys(node: &Node<'_>) -> Vec<(String, Span)> {
    node.as_map().unwrap_or_default().iter().map(|entry| (entry.key.to_string(), entry.key.span)).collect()
}

/// Milliseconds.
pub(super) fn time(node: &Node<'_>, key: &str) -> Option<u64> {
    node.get(key).and_then(milliseconds)
}

pub(super) fn milliseconds(node: &Node<'_>) -> Option<u64> {
    let duration = duration::parse(node.text()?).ok()?;
    u64::try_from(duration.as_millis()).ok()
}

pub(super) fn outcome(node: &Node<'_>) -> Outcome {
    match node.text() {
        Some("fail") => Outcome::Fail,
        Some("timeout") => Outcome::Timeout,
        _ => Outcome::Ok,
    }
}

pub(super) fn code(word: &str) -> Option<FailureCode> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

pub(super) fn world(node: &Node<'_>) -> Surroundings {
    let pairs = |key: &str| -> BTreeMap<String, String> {
        let entries = node.get(key).and_then(Node::as_map).unwrap_or_default();
        entries.iter().map(|entry| (entry.key.to_string(), entry.value.text().unwrap_or_default().to_owned())).collect()
    };
    let tools = node.get("capabilities").and_then(Node::as_map).unwrap_or_default();
    let secrets = node.get("secrets").and_then(Node::as_map).unwrap_or_default();
    let locks = node.get("locks").and_then(Node::as_map).unwrap_or_default();
    Surroundings {
        capabilities: tools
            .iter()
            .map(|entry| {
                let here = match entry.value.as_bool() {
                    Some(false) => None,
                    Some(true) => Some(Value::Bool(true)),
                    None => entry.value.text().map(|version| Value::String(version.to_owned())),
                };
                (entry.key.to_string(), here)
            })
            .collect(),
        no_secrets: secrets
            .iter()
            .filter(|entry| entry.value.as_bool() == Some(false))
            .map(|entry| entry.key.to_string())
            .collect(),
        variables: pairs("variables"),
        locks: locks.iter().filter_map(|entry| Some((entry.key.to_string(), milliseconds(&entry.value)?))).collect(),
        files: pairs("files"),
    }
}

pub(super) fn decisions(node: &Node<'_>) -> Vec<Said> {
    match node.as_list() {
        Some(items) => items.iter().map(said).collect(),
        None => vec![said(node)],
    }
}

fn said(node: &Node<'_>) -> Said {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let word = if node.as_map().is_some() { text("decide") } else { node.text() };
    let set = node.get("set").and_then(Node::as_map).unwrap_or_default();
    Said {
        word: match word {
            Some("approve") => Word::Approve,
            Some("reject") => Word::Reject,
            Some("open") => Word::Open,
            _ => Word::Nobody,
        },
        by: text("by").map(str::to_owned),
        after: time(node, "after").unwrap_or(0),
        comment: text("comment").unwrap_or_default().to_owned(),
        set: set
            .iter()
            .map(|entry| (entry.key.to_string(), entry.value.text().unwrap_or_default().to_owned()))
            .collect(),
    }
}
