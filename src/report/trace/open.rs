//! Spans that have begun and not ended.

use super::{Field, Happening, Kind, Span, Status};
use crate::run::{Failure, Moment, SpanId};

/// A span that is not over.
#[derive(Clone, Debug)]
pub(super) struct Open(Span);

impl Open {
    pub(super) fn new(kind: Kind, id: SpanId, parent: Option<SpanId>, name: impl Into<String>, began: Moment) -> Self {
        Self(Span {
            kind,
            id,
            parent,
            name: name.into(),
            began,
            ended: began,
            attributes: Vec::new(),
            events: Vec::new(),
            follows: Vec::new(),
            status: Status::Unset,
            after: 0,
        })
    }

    pub(super) fn with(mut self, name: &'static str, field: impl Into<Field>) -> Self {
        self.set(name, field);
        self
    }

    pub(super) fn set(&mut self, name: &'static str, field: impl Into<Field>) {
        self.0.attributes.push((name, field.into()));
    }

    pub(super) fn follows(mut self, other: Option<SpanId>) -> Self {
        self.0.follows.extend(other);
        self
    }

    pub(super) const fn id(&self) -> SpanId {
        self.0.id
    }

    /// It began earlier than was thought.
    pub(super) fn since(&mut self, at: Moment) {
        self.0.began = self.0.began.min(at);
    }

    pub(super) fn happened(&mut self, at: Moment, name: &'static str, attributes: Vec<(&'static str, Field)>) {
        self.0.events.push(Happening { at, name, attributes });
    }

    /// The whole span. A clock that was set back does not make it end before it began.
    pub(super) fn end(self, at: Moment, status: Status, after: u64) -> Span {
        Span { ended: at.max(self.0.began), status, after, ..self.0 }
    }

    pub(super) fn fail(mut self, at: Moment, failure: &Failure, after: u64) -> Span {
        self.set("error.type", failure.code.to_string());
        if let Some(code) = failure.exit_code {
            self.set("process.exit.code", code);
        }
        self.end(at, Status::Bad(failure.message.clone()), after)
    }
}

/// A task on its way, and its parts.
#[derive(Clone, Debug)]
pub(super) struct OpenTask {
    pub(super) span: Open,
    pub(super) attempt: Option<OpenAttempt>,
    pub(super) gate: Option<OpenGate>,
}

#[derive(Clone, Debug)]
pub(super) struct OpenAttempt {
    pub(super) number: u32,
    pub(super) span: Open,
    pub(super) stage: Option<Open>,
    /// What it failed with, unless that does not count.
    pub(super) failure: Option<Box<Failure>>,
}

#[derive(Clone, Debug)]
pub(super) struct OpenGate {
    pub(super) span: Open,
    pub(super) approved_by: Vec<String>,
}
