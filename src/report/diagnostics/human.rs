//! Diagnostics for a terminal: the text underlined, what is wrong, how to mend it.
//!
//! The renderer is handed only the lines around a diagnostic, never the whole document, so that one
//! problem at the end of a long document costs no more than one at its beginning. Of a line that
//! fills screens it is handed the part around the mark.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use super::Checked;
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::document::source::{offset, span};

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
/// The lines of a piece are shown as they are if they have fewer bytes.
const WHOLE: u32 = 8 * 1024;
/// Bytes shown around a mark where they have more.
const AROUND: u32 = 160;
/// Bytes of a message that quotes the document.
const MESSAGE: usize = 1024;

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
        let (pieces, corrections) = pieces(document, diagnostic);
        let mut told = renderer.render(&report(document, diagnostic, pieces));
        for (counted, meant) in corrections {
            told = told.replacen(&counted, &meant, 1);
        }
        out.push_str(&told);
        out.push_str("\n\n");
    }
    for (code, mut lines) in folded {
        let count = lines.len();
        lines.dedup();
        let first: Vec<String> = lines.iter().take(8).map(ToString::to_string).collect();
        let more = if lines.len() > 8 { ", …" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "and {count} more like it ({}: {}), {} {}{more}; --verbose shows all\n\n",
            code.number(),
            code.title(),
            if lines.len() == 1 { "line" } else { "lines" },
            first.join(", "),
        );
    }
    out
}

fn report<'a>(document: &'a Checked<'_>, diagnostic: &'a Diagnostic, pieces: Vec<Piece<'a>>) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(cut(&diagnostic.message)).id(diagnostic.code.number());
    let mut group = match diagnostic.span {
        Some(_) => title.elements(pieces),
        None => title.element(Origin::path(document.source.name())),
    };
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(cut(&diagnostic.help)));
    }
    vec![group]
}

/// A text that may quote the document, without what nobody would read to its end.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MESSAGE {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MESSAGE)]))
}

/// A place, and what is to be said of it.
type Mark<'a> = (Span, AnnotationKind, &'a str);
type Piece<'a> = Snippet<'a, Annotation<'a>>;
/// The place the renderer counts in the part of a line it sees, and the place in the document.
type Correction = (String, String);

/// The marks of a diagnostic, near ones together, each with the lines it needs.
fn pieces<'a>(document: &'a Checked<'_>, diagnostic: &'a Diagnostic) -> (Vec<Piece<'a>>, Vec<Correction>) {
    let (source, name) = (document.source, document.source.name());
    let (mut shown, mut corrections) = (Vec::new(), Vec::new());
    for marks in gather(document, diagnostic) {
        let starts = || marks.iter().map(|(span, ..)| span.start);
        let first = starts().min().unwrap_or_default();
        let window = line(source.text(), first, WHOLE).to(line(source.text(), starts().max().unwrap_or(first), WHOLE));
        if window.len() < WHOLE {
            shown.push(snippet(document, source.position(first).line, window, &marks));
            continue;
        }
        for mark in &marks {
            let place = source.position(mark.0.start);
            let window = line(source.text(), mark.0.start, AROUND);
            let before = Span::new(window.start, mark.0.start.clamp(window.start, window.end));
            let counted = source.slice(before).chars().count() + 1;
            let line = place.line;
            corrections.push((format!("{name}:{line}:{counted}"), format!("{name}:{line}:{}", place.column)));
            shown.push(snippet(document, line, window, std::slice::from_ref(mark)));
        }
    }
    (shown, corrections)
}

/// The marks of a diagnostic, those near each other together.
fn gather<'a>(document: &Checked<'_>, diagnostic: &'a Diagnostic) -> Vec<Vec<Mark<'a>>> {
    let line_of = |span: Span| document.source.position(span.start).line;
    let Some(primary) = diagnostic.span else {
        return Vec::new();
    };
    let mut pieces: Vec<Vec<Mark<'a>>> = vec![vec![(primary, AnnotationKind::Primary, diagnostic.label.as_ref())]];
    for (span, label) in &diagnostic.related {
        let mark = (*span, AnnotationKind::Context, label.as_ref());
        let near = pieces
            .iter_mut()
            .find(|piece| piece.iter().any(|(other, ..)| line_of(*other).abs_diff(line_of(*span)) <= NEAR));
        match near {
            Some(piece) => piece.push(mark),
            None => pieces.push(vec![mark]),
        }
    }
    pieces
}

fn snippet<'a>(document: &'a Checked<'_>, line: u32, window: Span, marks: &[Mark<'a>]) -> Piece<'a> {
    let source = document.source;
    let annotations = marks.iter().map(|&(span, kind, label)| {
        let span = clip(span, window, source.text());
        let annotation = kind.span((span.start - window.start) as usize..(span.end - window.start) as usize);
        if label.is_empty() { annotation } else { annotation.label(cut(label)) }
    });
    Snippet::source(source.slice(window))
        .path(source.name())
        .line_start(line as usize)
        .annotations(annotations.collect::<Vec<_>>())
}

/// The line of a place, of a long one the part up to `reach` bytes before and behind the place.
fn line(text: &str, at: u32, reach: u32) -> Span {
    let at = text.floor_char_boundary(at as usize);
    let from = text.floor_char_boundary(at.saturating_sub(reach as usize));
    let to = text.ceil_char_boundary(at.saturating_add(reach as usize));
    let start = text[from..at].rfind('\n').map_or(from, |newline| from + newline + 1);
    let end = text[at..to].find('\n').map_or(to, |newline| at + newline);
    // The carriage return of a line end is no part of the line.
    let end = start + text[start..end].trim_end_matches('\r').len();
    span(start, end)
}

/// A mark that runs over many lines underlines its first.
fn clip(span: Span, window: Span, text: &str) -> Span {
    let line = &text[span.range()];
    let first = line.find('\n').unwrap_or(line.len());
    // The end of a line is no part of its window.
    let start = span.start.clamp(window.start, window.end);
    let end = (span.start + offset(first)).clamp(start, window.end);
    Span::new(start, end)
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
    fn of_a_long_line_the_part_around_the_mark_is_shown() {
        let text = format!("first: line\n{} é here é {}\n", "x".repeat(20_000), "y".repeat(20_000));
        let at = u32::try_from(text.find("here").expect("a mark")).expect("small");
        let problem = Diagnostic::new(Code::NoEffect, Span::new(at, at + 4), "look").label("this");
        let page = page(&text, &[problem]);
        assert!(page.contains("--> a.md:2:20004\n"), "{page}");
        assert!(page.contains(" é here é ") && page.contains("^^^^ this"), "{page}");
        assert!(page.len() < 1_000, "{page}");
    }

    #[test]
    fn a_mark_on_a_line_end_is_no_reason_to_panic() {
        let text = "a: b\r\r\r\r\nc: d\r\n";
        for at in 0..u32::try_from(text.len()).expect("small") {
            let problem = Diagnostic::new(Code::NoEffect, Span::new(at, at + 1), "look").label("this");
            assert!(page(text, &[problem]).contains("this"));
        }
    }

    #[test]
    fn a_message_is_not_longer_than_a_screen() {
        let problem = Diagnostic::new(Code::BadId, Span::new(0, 1), "é".repeat(100_000)).help("h".repeat(100_000));
        assert!(page("a", &[problem]).len() < 5_000);
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
