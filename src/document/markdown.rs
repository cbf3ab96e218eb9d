//! Markdown → the pieces a blueprint is made of: headings, comments, quotes, tables, fences.
//!
//! The document is read in windows cut at top-level blocks, so that memory stays bounded however
//! long it is; CommonMark's block structure starts afresh after a finished top-level block, which
//! makes the cut exact. A fence that swallowed the next one is cut where Markdown resumes, so that
//! one forgotten line does not hide the rest of the document.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::origin::{BlockText, Stitched};
use super::source::{offset, span};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Bytes handed to the Markdown parser at a time; doubled for blocks that do not fit.
const WINDOW: usize = 1 << 20;
/// Bytes handed to it after a fence was cut: the next one may have to be cut, too.
const AFTER_CUT: usize = 1 << 12;

/// A part of the document that means something to a blueprint, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Heading {
        level: u8,
        title: Box<str>,
        span: Span,
    },
    /// The inside of an HTML comment.
    Comment(Span),
    /// A block quote with its lines as plain text.
    Quote {
        lines: Vec<String>,
        span: Span,
    },
    Table {
        rows: Vec<Vec<String>>,
        span: Span,
    },
    Paragraph(Span),
    Fence(Fence),
}

/// A fenced block, or the whole of a YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub language: Language,
    /// The opening line.
    pub opening: Span,
    pub text: BlockText,
    /// From the opening line to the closing one.
    pub span: Span,
}

/// What a fence says it holds: the first word of its info string, in any case, or a class in the way
/// of Pandoc: `{.yaml}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Yaml,
    Markdown,
    Unmarked,
    Other,
}

impl Language {
    fn of(info: &str) -> Self {
        let word = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
        let attributes = info.strip_prefix('{').and_then(|info| info.split('}').next()).unwrap_or_default();
        let mut classes = attributes.split([' ', '\t', ',']).map(|class| class.trim_start_matches('.'));
        let is_one = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        let is = |names: &[&str]| is_one(word, names);
        if is(&["yaml", "yml"]) || classes.any(|class| is_one(class, &["yaml", "yml"])) {
            Self::Yaml
        } else if is(&["markdown", "md"]) {
            Self::Markdown
        } else if word.is_empty() {
            Self::Unmarked
        } else {
            Self::Other
        }
    }
}

impl Fence {
    pub fn is_yaml(&self) -> bool {
        self.language == Language::Yaml
    }
}

/// Reads `range` of the text.
pub(super) fn read(text: &str, range: Range<usize>, pieces: &mut Vec<Piece>, problems: &mut Vec<Diagnostic>) {
    let mut at = range.start;
    let mut window = WINDOW;
    while at < range.end {
        let end = window_end(text, at, window, range.end);
        let last = end == range.end;
        let mut reader = Reader::new(text, at);
        let stop = reader.run(&text[at..end], last);
        match stop {
            Stop::Resume(next) | Stop::Cut(next) => {
                pieces.append(&mut reader.pieces);
                problems.append(&mut reader.problems);
                at = next;
                window = if matches!(stop, Stop::Cut(_)) { AFTER_CUT } else { (window * 2).min(WINDOW) };
            }
            Stop::Widen => window *= 2,
            Stop::End => {
                pieces.append(&mut reader.pieces);
                problems.append(&mut reader.problems);
                return;
            }
        }
    }
}

/// The end of a window: a line start after `at + window`, or `limit`.
fn window_end(text: &str, at: usize, window: usize, limit: usize) -> usize {
    let wish = at.saturating_add(window);
    if wish >= limit {
        return limit;
    }
    memchr::memchr(b'\n', &text.as_bytes()[wish..limit]).map_or(limit, |newline| wish + newline + 1)
}

#[derive(Clone, Copy)]
enum Stop {
    /// Everything before this offset is read.
    Resume(usize),
    /// The same; a fence had to be cut here.
    Cut(usize),
    /// One block fills the window.
    Widen,
    End,
}

struct Reader<'t> {
    text: &'t str,
    base: usize,
    depth: usize,
    pieces: Vec<Piece>,
    problems: Vec<Diagnostic>,
    open: Open,
}

/// The block whose text is being collected.
enum Open {
    None,
    Heading { level: u8, title: String },
    Quote { depth: usize, lines: Vec<String>, line: String },
    Table { rows: Vec<Vec<String>>, cell: String },
    Fence { info: String, stitched: Option<Stitched> },
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, base: usize) -> Self {
        Self { text, base, depth: 0, pieces: Vec::new(), problems: Vec::new(), open: Open::None }
    }

    fn run(&mut self, window: &str, last: bool) -> Stop {
        // Pieces of the last top-level block may be cut short by the window's end.
        let mut block_start = self.base;
        let mut kept = (0, 0);
        for (event, range) in Parser::new_ext(window, Options::ENABLE_TABLES).into_offset_iter() {
            let range = self.base + range.start..self.base + range.end;
            if self.depth == 0 && matches!(event, Event::Start(_) | Event::Rule) {
                block_start = range.start;
                kept = (self.pieces.len(), self.problems.len());
                // A block that touches the end may go on behind it; a fence would seem unclosed.
                if !last && range.end >= self.base + window.len() && !self.is_cut(&event, &range) {
                    break;
                }
            }
            if let Some(resume) = self.take(event, range) {
                return Stop::Cut(resume);
            }
        }
        if last {
            return Stop::End;
        }
        self.pieces.truncate(kept.0);
        self.problems.truncate(kept.1);
        if block_start == self.base { Stop::Widen } else { Stop::Resume(block_start) }
    }

    /// Whether a fence will be cut within the window, so that its end need not be known.
    fn is_cut(&self, event: &Event<'_>, range: &Range<usize>) -> bool {
        let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = event else {
            return false;
        };
        let raw = &self.text[range.clone()];
        let marker = fence_marker(raw);
        let inner = raw.find('\n').map_or("", |newline| &raw[newline + 1..]);
        raw.starts_with(['`', '~'])
            && Language::of(info) != Language::Markdown
            && next_opening(inner, fence_char(marker), marker.len()).is_some()
    }

    /// Takes one event; answers where to resume when a fence had to be cut.
    fn take(&mut self, event: Event<'_>, range: Range<usize>) -> Option<usize> {
        match event {
            Event::Start(tag) => {
                self.start(tag, &range);
                self.depth += 1;
            }
            Event::End(tag) => {
                self.depth -= 1;
                return self.end(tag, range);
            }
            Event::Text(text) | Event::Code(text) => self.collect(&text, &range),
            Event::SoftBreak | Event::HardBreak => {
                if let Open::Quote { lines, line, .. } = &mut self.open {
                    lines.push(std::mem::take(line));
                } else {
                    self.collect(" ", &range);
                }
            }
            _ => {}
        }
        None
    }

    fn start(&mut self, tag: Tag<'_>, range: &Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.open = Open::Heading { level: number(level), title: String::new() };
            }
            Tag::BlockQuote(_) if matches!(self.open, Open::None) => {
                self.open = Open::Quote { depth: self.depth, lines: Vec::new(), line: String::new() };
            }
            Tag::Table(_) => self.open = Open::Table { rows: Vec::new(), cell: String::new() },
            Tag::TableHead | Tag::TableRow => {
                if let Open::Table { rows, .. } = &mut self.open {
                    rows.push(Vec::new());
                }
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
                let at_margin = self.depth == 0 && self.text[range.start..].starts_with(['`', '~']);
                self.open = Open::Fence { info: info.into_string(), stitched: (!at_margin).then(Stitched::default) };
            }
            _ => {}
        }
    }

    fn collect(&mut self, text: &str, range: &Range<usize>) {
        match &mut self.open {
            Open::None => {}
            Open::Heading { title, .. } => title.push_str(text),
            Open::Quote { line, .. } => line.push_str(text),
            Open::Table { cell, .. } => cell.push_str(text),
            Open::Fence { stitched, .. } => {
                if let Some(stitched) = stitched {
                    stitched.push(text, offset(range.start));
                }
            }
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) -> Option<usize> {
        let place = span(range.start, range.end);
        match tag {
            TagEnd::Heading(_) => {
                if let Open::Heading { level, title } = std::mem::replace(&mut self.open, Open::None) {
                    let trimmed = offset(self.text[range.clone()].trim_end().len());
                    let span = Span::new(place.start, place.start + trimmed);
                    self.pieces.push(Piece::Heading { level, title: title.trim().into(), span });
                }
            }
            TagEnd::Paragraph => match &mut self.open {
                Open::Quote { lines, line, .. } => lines.push(std::mem::take(line)),
                Open::None if self.depth == 0 => self.pieces.push(Piece::Paragraph(place)),
                _ => {}
            },
            TagEnd::BlockQuote(_) => {
                if let Open::Quote { depth, lines, .. } = &mut self.open
                    && *depth == self.depth
                {
                    let lines = std::mem::take(lines);
                    self.open = Open::None;
                    self.pieces.push(Piece::Quote { lines, span: place });
                }
            }
            TagEnd::TableCell => {
                if let Open::Table { rows, cell } = &mut self.open {
                    let cell = std::mem::take(cell).trim().to_owned();
                    if let Some(row) = rows.last_mut() {
                        row.push(cell);
                    }
                }
            }
            TagEnd::Table => {
                if let Open::Table { rows, .. } = std::mem::replace(&mut self.open, Open::None) {
                    self.pieces.push(Piece::Table { rows, span: place });
                }
            }
            TagEnd::HtmlBlock => self.comments(range),
            TagEnd::CodeBlock => {
                if let Open::Fence { info, stitched } = std::mem::replace(&mut self.open, Open::None) {
                    return self.fence(&info, stitched, range);
                }
            }
            _ => {}
        }
        None
    }

    fn comments(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while let Some(open) = self.text[at..range.end].find("<!--") {
            let start = at + open + 4;
            let Some(length) = self.text[start..range.end].find("-->") else {
                break;
            };
            self.pieces.push(Piece::Comment(span(start, start + length)));
            at = start + length + 3;
        }
    }

    fn fence(&mut self, info: &str, stitched: Option<Stitched>, range: Range<usize>) -> Option<usize> {
        let raw = &self.text[range.clone()];
        let first_line = raw.find('\n').map_or(raw.len(), |newline| newline + 1);
        let opening = span(range.start, range.start + raw[..first_line].trim_end().len());
        let language = Language::of(info);
        let marker = fence_marker(raw);
        let (fence_char, fence_width) = (fence_char(marker), marker.len());
        let body = raw.trim_end();
        let last_line = body.rfind('\n').map(|newline| newline + 1);
        let closing = last_line.filter(|&start| {
            start >= first_line && {
                let line = body[start..].trim_matches([' ', '\t', '>', '\r']);
                line.len() >= fence_width && line.chars().all(|c| c == fence_char)
            }
        });
        let place = span(range.start, range.start + body.len());
        if let Some(stitched) = stitched {
            if closing.is_none() {
                self.refuse_unclosed(opening, marker, None, None);
            }
            let text = BlockText::Stitched(Box::new(stitched));
            self.pieces.push(Piece::Fence(Fence { language, opening, text, span: place }));
            return None;
        }
        let content = range.start + first_line..range.start + closing.unwrap_or(raw.len()).max(first_line);
        let inner = &self.text[content.clone()];
        // A fence that shows Markdown may well show a fence.
        let shows_markdown = language == Language::Markdown;
        let swallowed = if shows_markdown { None } else { next_opening(inner, fence_char, fence_width) };
        if closing.is_some() && swallowed.is_none() {
            let text = BlockText::Slice(span(content.start, content.end));
            self.pieces.push(Piece::Fence(Fence { language, opening, text, span: place }));
            return None;
        }
        let cut = content.start + resume_point(inner, swallowed);
        // Blank lines before what follows stay outside.
        let end = range.start + self.text[range.start..cut].trim_end().len();
        self.refuse_unclosed(opening, marker, swallowed.map(|at| content.start + at), Some(end));
        let text = BlockText::Slice(span(content.start, cut.max(content.start)));
        self.pieces.push(Piece::Fence(Fence { language, opening, text, span: span(range.start, end) }));
        Some(cut)
    }

    fn refuse_unclosed(&mut self, opening: Span, marker: &str, swallowed: Option<usize>, end: Option<usize>) {
        let mut problem = Diagnostic::new(Code::UnclosedFence, opening, "this fence is never closed")
            .label("opened here")
            .help(format!("add a line with {marker} where the block ends"));
        if let Some(at) = swallowed {
            problem = problem.related(span(at, at + marker.len()), "the next fence opens here, still inside it");
        }
        if let Some(end) = end {
            problem = problem.edit(span(end, end), format!("\n{marker}"));
        }
        self.problems.push(problem);
    }
}

/// The characters that open a fence: three or more backticks or tildes.
pub(super) fn fence_marker(opening: &str) -> &str {
    let marker = opening.trim_start_matches([' ', '\t', '>']);
    let rest = marker.trim_start_matches(fence_char(marker));
    &marker[..marker.len() - rest.len()]
}

fn fence_char(marker: &str) -> char {
    if marker.starts_with('~') { '~' } else { '`' }
}

/// Where in `inner` a line at the margin opens another fence with an info string: one that neither
/// closes the open fence nor is narrow enough to be shown by it.
fn next_opening(inner: &str, fence_char: char, fence_width: usize) -> Option<usize> {
    lines(inner)
        .find(|(_, line)| {
            let info = line.trim_start_matches(fence_char);
            let wide = line.len() - info.len() >= fence_width;
            wide && info.trim_start().starts_with(|c: char| c.is_ascii_alphabetic() || c == '{')
        })
        .map(|(at, _)| at)
}

/// Where the block that forgot its closing line most likely ends: at the first line that looks
/// like Markdown and not like YAML, at the latest at the next fence.
fn resume_point(inner: &str, swallowed: Option<usize>) -> usize {
    let limit = swallowed.unwrap_or(inner.len());
    lines(&inner[..limit])
        .find(|(_, line)| {
            let hashes = line.len() - line.trim_start_matches('#').len();
            let heading = (2..=6).contains(&hashes) && line[hashes..].starts_with(' ');
            let line = line.trim_end();
            heading || line == "---" || line.starts_with("<!--") || line.starts_with("**")
        })
        .map_or(limit, |(at, _)| at)
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    })
}

const fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, read};
    use crate::diagnostic::{Code, Diagnostic};
    use crate::document::origin::BlockText;

    fn pieces(text: &str) -> (Vec<Piece>, Vec<Diagnostic>) {
        let (mut pieces, mut problems) = (Vec::new(), Vec::new());
        read(text, 0..text.len(), &mut pieces, &mut problems);
        (pieces, problems)
    }

    fn fences(text: &str) -> Vec<String> {
        pieces(text)
            .0
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Fence(fence) => {
                    assert!(fence.is_yaml());
                    let inner = match fence.text {
                        BlockText::Slice(span) => text[span.range()].to_owned(),
                        BlockText::Stitched(stitched) => stitched.text,
                    };
                    Some(inner)
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn fences_at_the_margin_in_lists_and_in_quotes() {
        let text = "```yaml\na: 1\n```\n- item\n  ```yml {x=1}\n  b: 2\n    c: 3\n  ```\n> ~~~YAML\n> d: 4\n> ~~~\n";
        assert_eq!(fences(text), ["a: 1\n", "b: 2\n  c: 3\n", "d: 4\n"]);
        assert_eq!(pieces(text).1, []);
    }

    #[test]
    fn a_fence_that_swallowed_the_next_is_cut_where_markdown_resumes() {
        let text = "```yaml\na: 1\n\n### T2: two\n\n```yaml\nb: 2\n```\n";
        assert_eq!(fences(text), ["a: 1\n\n", "b: 2\n"]);
        let (pieces, problems) = pieces(text);
        assert!(matches!(&pieces[1], Piece::Heading { title, level: 3, .. } if &**title == "T2: two"));
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].code, Code::UnclosedFence);
        assert_eq!(&text[problems[0].span.expect("place").range()], "```yaml");
        assert_eq!(problems[0].edits[0].span.start, 12);
    }

    #[test]
    fn a_long_fence_that_swallowed_the_next_is_cut_like_a_short_one() {
        let long = |lines: usize| format!("```yaml\na: 1\n{}### T2: two\n\n```yaml\nb: 2\n", "# x\n".repeat(lines));
        for lines in [0, 1_000, 2_000, 400_000] {
            let text = long(lines).repeat(3);
            let (pieces, problems) = pieces(&text);
            assert_eq!((pieces.len(), problems.len()), (9, 6), "{lines}");
            let places: Vec<_> = problems.iter().map(|problem| &text[problem.span.expect("place").range()]).collect();
            assert_eq!(places, ["```yaml"; 6]);
        }
    }

    #[test]
    fn a_fence_that_never_closes_ends_with_the_document_or_before_a_heading() {
        assert_eq!(fences("```yaml\na: 1\n"), ["a: 1\n"]);
        assert_eq!(fences("```yaml"), [""]);
        assert_eq!(fences("```yaml\n# note\na: 1\n## Next\ntext\n"), ["# note\na: 1\n"]);
        assert_eq!(pieces("```yaml\na: 1\n").1.len(), 1);
        assert_eq!(pieces("```markdown\n```yaml\na: 1\n```\n").1, [], "a shown fence is no forgotten one");
    }

    #[test]
    fn an_unclosed_fence_is_closed_by_its_own_marker() {
        for (text, marker, end) in [
            ("~~~yaml\na: 1\n", "~~~", 12),
            ("````yaml\na: 1\n```\n", "````", 17),
            ("`````yaml\n## T\n", "`````", 9),
            ("~~~yaml\na: 1\n\n~~~ {.yaml}\nb: 1\n~~~\n", "~~~", 12),
            ("```yaml\na: 1\n````yaml\nb: 1\n````\n", "```", 12),
        ] {
            let (_, problems) = pieces(text);
            assert_eq!(problems.len(), 1, "{text}");
            assert_eq!(problems[0].help, format!("add a line with {marker} where the block ends"));
            assert_eq!(problems[0].edits[0].text, format!("\n{marker}"));
            assert_eq!(problems[0].edits[0].span.start, end, "{text}");
        }
        assert_eq!(pieces("````text\n```yaml\na: 1\n```\n````\n").1, [], "a wider fence shows a narrower one");
        let quoted = pieces("> ~~~~yaml\n> a: 1\n\ntext\n").1;
        assert_eq!(quoted[0].help, "add a line with ~~~~ where the block ends");
    }

    #[test]
    fn the_language_is_the_first_word_or_a_class() {
        use super::Language::{Markdown, Other, Unmarked, Yaml};
        for (info, language) in [
            ("YAML title=x", Yaml),
            ("yml,ignore", Yaml),
            ("yaml{1}", Yaml),
            ("{.yaml}", Yaml),
            ("{#id .YML .numbers}", Yaml),
            ("{yaml}", Yaml),
            ("{yaml, echo=false}", Yaml),
            ("md", Markdown),
            ("bash {.yaml}", Other),
            ("{.numbers}", Unmarked),
            ("", Unmarked),
        ] {
            assert_eq!(super::Language::of(info), language, "{info}");
        }
    }

    #[test]
    fn comments_quotes_tables_and_headings() {
        let (found, _) = pieces(
            "# T: `x`\n\n> **Status**: Active\n> **Owner**: Me\n\n<!-- a: 1 -->\n<!-- b -->\n\n| A | B |\n|---|---|\n| 1 | `2` |\n",
        );
        let Piece::Heading { title, level: 1, .. } = &found[0] else { panic!("{found:?}") };
        assert_eq!(&**title, "T: x");
        let Piece::Quote { lines, .. } = &found[1] else { panic!("{found:?}") };
        assert_eq!(lines, &["Status: Active", "Owner: Me"]);
        assert!(matches!((&found[2], &found[3]), (Piece::Comment(_), Piece::Comment(_))));
        let Piece::Table { rows, .. } = &found[4] else { panic!("{found:?}") };
        assert_eq!(rows, &[["A", "B"], ["1", "2"]]);
    }

    #[test]
    fn windows_do_not_change_what_is_read() {
        let mut text = String::new();
        for i in 0..40_000 {
            let fields = "key: a value of some length\n".repeat(i % 40);
            text += &format!("### T{i}: name\n\nprose {i}\nmore\n\n```yaml\n{fields}```\n\n- a\n\n- b\n\n");
        }
        assert!(text.len() > 2 * super::WINDOW);
        let (found, problems) = pieces(&text);
        let (mut whole, mut none) = (Vec::new(), Vec::new());
        let mut reader = super::Reader::new(&text, 0);
        reader.run(&text, true);
        whole.append(&mut reader.pieces);
        none.append(&mut reader.problems);
        assert!(found == whole, "pieces differ between windowed and whole reading");
        assert_eq!(problems, none);
    }
}
