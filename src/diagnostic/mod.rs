//! What is wrong with a document: one type that every layer fills and every report reads.
//!
//! A [`Diagnostic`] names its [`Code`], points at bytes of the document with a [`Span`], says how to
//! mend it, and may carry the [`Edit`]s that mend it mechanically. It knows neither files nor
//! terminals: turning a span into line and column, and drawing it, is the work of `report`.

pub mod code;

use std::borrow::Cow;

pub use code::Code;

/// A half-open range of bytes in the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    pub const fn len(self) -> u32 {
        self.end - self.start
    }

    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the other lies inside.
    pub const fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    pub const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How much a diagnostic weighs. Only an error stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Replace the bytes of `span` by `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// One problem of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: Cow<'static, str>,
    /// Where; `None` speaks of the document as a whole.
    pub span: Option<Span>,
    /// A few words printed at the underlined text.
    pub label: Cow<'static, str>,
    /// Other places that explain the problem.
    pub related: Vec<(Span, Cow<'static, str>)>,
    /// The way out, in a sentence.
    pub help: Cow<'static, str>,
    /// Edits that mend it without a person's judgement (`check --fix`).
    pub edits: Vec<Edit>,
    /// The task it belongs to.
    pub task: Option<Box<str>>,
}

impl Diagnostic {
    /// A diagnostic of `code` with the code's own severity.
    pub fn new(code: Code, span: Span, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            span: Some(span),
            label: Cow::Borrowed(""),
            related: Vec::new(),
            help: Cow::Borrowed(""),
            edits: Vec::new(),
            task: None,
        }
    }

    /// A diagnostic about the document as a whole.
    pub fn whole(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { span: None, ..Self::new(code, Span::default(), message) }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<Cow<'static, str>>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = help.into();
        self
    }

    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<Cow<'static, str>>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    #[must_use]
    pub fn edit(mut self, span: Span, text: impl Into<String>) -> Self {
        self.edits.push(Edit { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn task(mut self, id: &str) -> Self {
        self.task = Some(id.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Sorts by place, whole-document diagnostics first, so that a report reads top to bottom.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
}

/// The candidate nearest to `word`, if it is near enough that a slip of the keyboard explains it.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => 1,
        3..=8 => 2,
        length => length / 3,
    };
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| {
            let distance = strsim::osa_distance(&folded, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|&(distance, candidate)| distance <= limit && candidate != word)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_forgives_slips_and_nothing_else() {
        let known = ["dependencies", "description", "status", "T1.2", "T1.20"];
        assert_eq!(nearest("dependancies", known), Some("dependencies"));
        assert_eq!(nearest("Status", known), Some("status"));
        assert_eq!(nearest("T1.3", known), Some("T1.2"));
        assert_eq!(nearest("budget", known), None);
        assert_eq!(nearest("status", known), None, "the word itself is no hint");
    }
}
