//! Diagnostics for a terminal: the text underlined, what is wrong, how to mend it.
//!
//! The renderer is handed only the lines around a diagnostic, never the whole document, so that one
//! problem at the end of a long document costs no more than one at its beginning.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use super::Checked;
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::document::source::offset;

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Show every diagnostic in full; otherwise only the first few warnings of a code.
    pub all: bool,
    pub width: usize,
}

/// Warnings of one code shown in full.
const SHOWN: usize = 3;
/// Lines between two marks that are shown as one piece.
const NEAR: u32 = 12;

pub fn human(document: &Checked<'_>, style: Style) -> String {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii).term_width(style.width);
    let mut out = String::new();
    let mut seen: BTreeMap<Code, usize> = BTreeMap::new();
    let mut folded: BTreeMap<Code, Vec<u32>> = BTreeMap::new();
    for diagnostic in document.diagnostics {
        let count = seen.entry(diagnostic.code).or_default();
        *count += 1;
        if *count > SHOWN && !style.all && diagnostic.severity != Severity::Error {
            folded.entry(diagnostic.code).or_default().push(document.place(diagnostic).0.line);
            continue;
        }
        out.push_str(&renderer.render(&report(document, diagnostic)));
        out.push_str("\n\n");
    }
    for (code, lines) in folded {
        let first: Vec<String> = lines.iter().take(8).map(ToString::to_string).collect();
        let more = if lines.len() > 8 { ", …" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "and {} more like it ({}: {}), {} {}{more}; --verbose shows all\n\n",
            lines.len(),
            code.number(),
            code.title(),
            if lines.len() == 1 { "line" } else { "lines" },
            first.join(", "),
        );
    }
    out
}

fn report<'a>(document: &'a Checked<'_>, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_ref()).id(diagnostic.code.number());
    let mut group = match diagnostic.span {
        Some(place) => title.elements(snippets(document, diagnostic, place)),
        None => title.element(Origin::path(document.source.name())),
    };
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.help.as_ref()));
    }
    vec![group]
}

/// The marks of a diagnostic, near ones together, each with the lines it needs.
fn snippets<'a>(
    document: &'a Checked<'_>,
    diagnostic: &'a Diagnostic,
    primary: Span,
) -> Vec<Snippet<'a, Annotation<'a>>> {
    let source = document.source;
    let mut pieces = vec![vec![(primary, AnnotationKind::Primary, diagnostic.label.as_ref())]];
    for (span, label) in &diagnostic.related {
        let mark = (*span, AnnotationKind::Context, label.as_ref());
        let line = source.position(span.start).line;
        let near = pieces
            .iter_mut()
            .find(|piece| piece.iter().any(|(other, ..)| source.position(other.start).line.abs_diff(line) <= NEAR));
        match near {
            Some(piece) => piece.push(mark),
            None => pieces.push(vec![mark]),
        }
    }
    pieces
        .into_iter()
        .map(|piece| {
            let first = piece.iter().map(|(span, ..)| source.position(span.start).line).min().unwrap_or(1);
            let last = piece.iter().map(|(span, ..)| source.position(span.start).line + 3).max().unwrap_or(first);
            let window = source.line(first).to(source.line(last));
            let annotations = piece.into_iter().map(|(span, kind, label)| {
                let span = clip(span, window, source.text());
                let annotation = kind.span((span.start - window.start) as usize..(span.end - window.start) as usize);
                if label.is_empty() { annotation } else { annotation.label(label) }
            });
            Snippet::source(source.slice(window))
                .path(source.name())
                .line_start(first as usize)
                .annotations(annotations.collect::<Vec<_>>())
        })
        .collect()
}

/// A mark that runs over many lines underlines its first.
fn clip(span: Span, window: Span, text: &str) -> Span {
    let line = &text[span.range()];
    let first = line.find('\n').unwrap_or(line.len());
    let end = (span.start + offset(first)).clamp(span.start, window.end);
    Span::new(span.start, end.max(span.start))
}

#[cfg(test)]
mod tests {
    use super::{Style, human};
    use crate::diagnostic::{Code, Diagnostic, Span};
    use crate::document::Source;
    use crate::report::diagnostics::Checked;

    /// What a person reads, without colours.
    fn page(text: &str, diagnostics: &[Diagnostic]) -> String {
        let (source, _) = Source::from_bytes("a.md", text.into());
        let document = Checked { source: &source, tasks: 0, dialect: "2.0".into(), diagnostics };
        anstream::adapter::strip_str(&human(&document, Style { all: false, width: 80 })).to_string()
    }

    #[test]
    fn a_problem_of_the_whole_document_names_the_file_and_shows_no_line() {
        let problem = Diagnostic::whole(Code::NoTasks, "the document has no task").help("write one");
        assert_eq!(
            page("# T\n", &[problem]),
            "error[BP008]: the document has no task\n--> a.md\n = help: write one\n\n"
        );
        let bare = Diagnostic::whole(Code::NoTasks, "the document has no task");
        assert_eq!(page("", &[bare]), "error[BP008]: the document has no task\n--> a.md\n\n");
    }

    #[test]
    fn warnings_of_one_kind_are_folded_after_three() {
        let text = "mores like it\n".repeat(20);
        let warning =
            |line: u32| Diagnostic::new(Code::NoEffect, Span::new(line * 14, line * 14 + 5), "mores like this");
        let warnings: Vec<_> = (0..16).map(warning).collect();
        let four = page(&text, &warnings[..4]);
        assert_eq!(four.matches("warning[BP116]: mores like this").count(), 3);
        assert!(
            four.ends_with("and 1 more like it (BP116: a key that has no effect), line 4; --verbose shows all\n\n"),
            "{four}"
        );
        let many = page(&text, &warnings);
        let last = "and 13 more like it (BP116: a key that has no effect), lines 4, 5, 6, 7, 8, 9, 10, 11, …; --verbose shows all\n\n";
        assert!(many.ends_with(last), "{many}");
    }
}
