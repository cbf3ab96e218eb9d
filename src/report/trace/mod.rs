//! A run as a distributed trace: spans made of events, with the times of the journal.
//!
//! [`Spans`] folds events into the spans that end with them. What a span is called comes from the run's
//! [`Trail`](crate::run::Trail): a runner that takes a run over folds what happened before, and goes on with the spans that
//! were open. It does not know who is told.

mod open;
mod spans;
#[cfg(test)]
mod tests;

pub use spans::Spans;

use crate::run::{Moment, SpanId};

/// A part of a run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub kind: Kind,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: String,
    pub began: Moment,
    pub ended: Moment,
    pub attributes: Vec<(&'static str, Field)>,
    pub events: Vec<Happening>,
    /// Spans that it follows: the attempt before this one.
    pub follows: Vec<SpanId>,
    pub status: Status,
    /// How many events of the run had happened when it ended, this one included.
    pub after: u64,
}

impl Span {
    /// An attribute that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(known, field)| match field {
            Field::Text(text) if *known == name => Some(text.as_str()),
            _ => None,
        })
    }
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Run,
    Task,
    Attempt,
    Stage,
    Gate,
    Locks,
    Chore,
}

/// A moment within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub at: Moment,
    pub name: &'static str,
    pub attributes: Vec<(&'static str, Field)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It ended, and whether that is good is not for it to say.
    Unset,
    Good,
    Bad(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Field {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Field {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Field {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
