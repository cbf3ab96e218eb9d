//! A YAML value with the place of every part: the tree between text and meaning.
//!
//! Scalars keep the characters of the document (`007` stays `007`, `no` stays `no`); whoever reads
//! a field decides what type it wants. Keys are scalars and unique within their mapping.

use super::excerpt::Excerpt;
use crate::diagnostic::Span;

/// A piece of text and where it stands. The span of a quoted scalar includes its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'s> {
    pub value: Excerpt<'s>,
    pub span: Span,
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.value
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.value)
    }
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'s> {
    pub span: Span,
    pub value: Value<'s>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'s> {
    /// `plain` is false for quoted and block scalars, which are always strings.
    Scalar {
        text: Excerpt<'s>,
        plain: bool,
    },
    List(Box<[Node<'s>]>),
    Map(Box<[Entry<'s>]>),
}

/// `key: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'s> {
    pub key: Text<'s>,
    pub value: Node<'s>,
}

impl Entry<'_> {
    pub fn span(&self) -> Span {
        self.key.span.to(self.value.span)
    }
}

impl<'s> Node<'s> {
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// A scalar's characters, unless it is null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    pub fn to_text(&self) -> Option<Text<'s>> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(Text { value: text.clone(), span: self.span }),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[Entry<'s>]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// `true` or `false` in YAML 1.2's three spellings each.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match &**text {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn as_number<T: std::str::FromStr>(&self) -> Option<T> {
        match &self.value {
            Value::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of `key`; a null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    pub fn entry(&self, key: &str) -> Option<&Entry<'s>> {
        self.as_map()?.iter().find(|entry| entry.key.value == key)
    }

    /// What the value is, in the words of the diagnostics.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { plain: true, .. } if self.as_bool().is_some() => "a boolean",
            Value::Scalar { plain: true, .. } if self.as_number::<f64>().is_some() => "a number",
            Value::Scalar { .. } => "text",
        }
    }

    /// Cuts the tie to the text it was read from.
    pub fn into_owned(self) -> Node<'static> {
        Node {
            span: self.span,
            value: match self.value {
                Value::Scalar { text, plain } => Value::Scalar { text: text.into_owned(), plain },
                Value::List(items) => Value::List(items.into_iter().map(Node::into_owned).collect()),
                Value::Map(entries) => Value::Map(
                    entries
                        .into_iter()
                        .map(|entry| Entry {
                            key: Text { value: entry.key.value.into_owned(), span: entry.key.span },
                            value: entry.value.into_owned(),
                        })
                        .collect(),
                ),
            },
        }
    }

    /// The value as JSON, by YAML 1.2's core schema.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Scalar { text, plain: false } => Json::String(text.to_string()),
            Value::Scalar { text, .. } => {
                if self.is_null() {
                    Json::Null
                } else if let Some(flag) = self.as_bool() {
                    Json::Bool(flag)
                } else if let Ok(integer) = text.parse::<i64>() {
                    Json::from(integer)
                } else {
                    text.parse::<f64>()
                        .ok()
                        .filter(|_| text.starts_with(['-', '+', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
                        .and_then(serde_json::Number::from_f64)
                        .map_or_else(|| Json::String(text.to_string()), Json::Number)
                }
            }
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_json())).collect())
            }
        }
    }
}
