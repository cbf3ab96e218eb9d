//! Fields out of nodes. Values that the shape check refused come out as absent: their problem is
//! already reported, and reading goes on.

use std::time::Duration;

use crate::blueprint::duration;
use crate::document::{Node, Text, Written};

/// Typed access to the fields of a mapping.
pub(super) trait Fields<'s> {
    fn field(&self, key: &str) -> Option<&Node<'s>>;

    fn scalar(&self, key: &str) -> Option<Text<'s>> {
        self.field(key).and_then(Node::to_text)
    }

    fn filled(&self, key: &str) -> Option<Text<'s>> {
        self.scalar(key).filter(|text| !text.trim().is_empty())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.field(key).and_then(Node::as_bool)
    }

    fn count(&self, key: &str) -> Option<u32> {
        self.field(key).and_then(Node::as_number)
    }

    fn exit_code(&self, key: &str) -> u8 {
        self.field(key).and_then(Node::as_number).unwrap_or(0)
    }

    fn duration(&self, key: &str) -> Option<Duration> {
        self.field(key).and_then(Node::text).and_then(|text| duration::parse(text).ok())
    }

    /// `key`, or v1's `key` in seconds.
    fn duration_or_seconds(&self, key: &str, seconds: &str) -> Option<Duration> {
        self.duration(key).or_else(|| self.field(seconds).and_then(Node::as_number).map(Duration::from_secs))
    }

    fn texts(&self, key: &str) -> Box<[Text<'s>]> {
        self.field(key).map(texts).unwrap_or_default()
    }

    /// The value as written; `text` is the document it can be read from again, when it can.
    fn written(&self, key: &str, text: Option<&'s str>) -> Option<Written<'s>> {
        self.field(key).map(|node| Written::new(node, text))
    }

    /// The choice whose word stands under `key`.
    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.field(key)?;
        let word = word.text()?;
        choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice)
    }
}

impl<'s> Fields<'s> for Node<'s> {
    fn field(&self, key: &str) -> Option<&Node<'s>> {
        self.get(key)
    }
}

/// The items of a list, or the one text that stands in its place.
pub(super) fn texts<'s>(node: &Node<'s>) -> Box<[Text<'s>]> {
    match node.as_list() {
        Some(items) => items.iter().filter_map(Node::to_text).collect(),
        None => node.to_text().into_iter().collect(),
    }
}

/// `name: value` pairs in their order.
pub(super) fn pairs<'s>(node: Option<&Node<'s>>) -> Box<[(Text<'s>, Text<'s>)]> {
    let entries = node.and_then(Node::as_map).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.to_text()?))).collect()
}
