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

/// The text as a workflow command wants it; other control characters would reach whoever reads the log.
fn data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn a_text_cannot_end_its_command_or_command_the_terminal() {
        assert_eq!(data("50 %\r\n::error::x\u{1b}[2J"), "50 %25%0D%0A::error::x [2J");
        assert_eq!(property("a,b:c%"), "a%2Cb%3Ac%25");
    }
}
