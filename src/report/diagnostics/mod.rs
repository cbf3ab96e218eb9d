//! Diagnostics as people, editors and machines want them.

mod github;
mod human;
mod json;
mod sarif;

pub use github::github;
pub use human::{Style, human};
pub use json::json;
pub use sarif::sarif;

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::document::Source;
use crate::document::source::Position;

/// What checking one document gave.
#[derive(Debug)]
pub struct Checked<'a> {
    pub source: &'a Source,
    pub tasks: usize,
    pub dialect: String,
    pub diagnostics: &'a [Diagnostic],
}

impl Checked<'_> {
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Begin and end of a diagnostic; the document's first character where it has no place.
    fn place(&self, diagnostic: &Diagnostic) -> (Position, Position) {
        let span = diagnostic.span.unwrap_or(Span::new(0, 0));
        (self.source.position(span.start), self.source.position(span.end))
    }
}

/// `2 errors`, `1 warning`.
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
