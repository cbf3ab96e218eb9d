//! Workflow commands, so that GitHub Actions shows diagnostics at their lines.

use std::fmt::Write;

use super::Checked;
use crate::diagnostic::Severity;

pub fn github(document: &Checked<'_>) -> String {
    let mut out = String::new();
    for diagnostic in document.diagnostics {
        let (start, end) = document.place(diagnostic);
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let help = if diagnostic.help.is_empty() { String::new() } else { format!("\n{}", diagnostic.help) };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "::{command} file={},line={},col={},endLine={},title={}::{}",
            property(document.source.name()),
            start.line,
            start.column,
            end.line,
            diagnostic.code.number(),
            data(&format!("{}{help}", diagnostic.message)),
        );
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
