//! TEXT: a blueprint's document as headings, comments, tables and YAML trees, each with its place.
//!
//! The story: [`source`] makes sure the bytes are text, [`Document::read`] tells the carriers apart
//! and cuts the text into [`Piece`]s, and [`Document::yaml`] turns a fence into [`node::Node`]s.
//! Nothing here knows what a task is.

pub mod excerpt;
pub mod mark;
pub mod markdown;
pub mod node;
pub mod origin;
pub mod source;
pub mod written;
pub mod yaml;

pub use excerpt::Excerpt;
pub use markdown::{Fence, Language, Piece};
pub use node::{Entry, Node, Text, Value};
pub use source::Source;
pub use written::Written;

use crate::diagnostic::{Diagnostic, Span};
use origin::{BlockText, Origin};
use source::span;
use yaml::Yaml;

/// What the document is written in. Told by content, never by the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Markdown,
    Yaml,
}

/// A document cut into pieces.
#[derive(Debug)]
pub struct Document<'s> {
    pub source: &'s Source,
    pub carrier: Carrier,
    /// YAML between `---` lines before the Markdown begins.
    pub front_matter: Option<Span>,
    /// In document order. A YAML document is one fence.
    pub pieces: Vec<Piece>,
    pub problems: Vec<Diagnostic>,
}

impl<'s> Document<'s> {
    pub fn read(source: &'s Source) -> Self {
        let text = source.text();
        let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let mut document = Self {
            source,
            carrier: carrier(&text[start..]),
            front_matter: None,
            pieces: Vec::new(),
            problems: Vec::new(),
        };
        if document.carrier == Carrier::Yaml {
            let whole = span(start, text.len());
            document.pieces.push(Piece::Fence(Fence {
                language: Language::Yaml,
                opening: Span::new(whole.start, whole.start),
                text: BlockText::Slice(whole),
                span: whole,
            }));
            return document;
        }
        let (pieces, problems) = (&mut document.pieces, &mut document.problems);
        match front_matter(&text[start..]) {
            Some(found) => {
                markdown::read(text, start..start + found.before, pieces, problems);
                markdown::read(text, start + found.after..text.len(), pieces, problems);
                document.front_matter = Some(span(start + found.yaml.start, start + found.yaml.end));
            }
            None => markdown::read(text, start..text.len(), pieces, problems),
        }
        document
    }

    /// The YAML of a fence.
    pub fn yaml(&self, fence: &Fence) -> Yaml<'s> {
        match &fence.text {
            BlockText::Slice(place) => self.yaml_at(*place),
            BlockText::Stitched(stitched) => {
                let Yaml { documents, problems, broken, again } =
                    yaml::parse(&stitched.text, Origin::Stitched(stitched));
                let documents = documents.into_iter().map(Node::into_owned).collect();
                Yaml { documents, problems, broken, again }
            }
        }
    }

    /// The YAML of a slice of the document.
    pub fn yaml_at(&self, place: Span) -> Yaml<'s> {
        yaml::parse(self.source.slice(place), Origin::Base(place.start))
    }

    /// The characters that open a fence; empty for a document that is YAML as a whole.
    pub fn marker(&self, fence: &Fence) -> Span {
        let opening = self.source.slice(fence.opening);
        let marker = markdown::fence_marker(opening);
        let start = fence.opening.start as usize + opening.find(marker).unwrap_or_default();
        span(start, start + marker.len())
    }

    /// The characters of a fence's block.
    pub fn block_text<'a>(&'a self, fence: &'a Fence) -> &'a str {
        match &fence.text {
            BlockText::Slice(place) => self.source.slice(*place),
            BlockText::Stitched(stitched) => &stitched.text,
        }
    }
}

/// A line at the margin that opens a fence (be it in a list), a quote or a comment cannot stand in
/// YAML: text inside a YAML block scalar is always indented. Without such a line, a top-level key
/// makes it YAML.
fn carrier(text: &str) -> Carrier {
    let mut keys = false;
    for line in text.lines() {
        let item = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['-', '*', '+', '.', ')']);
        let inside = if item.len() < line.len() { item.trim_start_matches([' ', '>']) } else { line };
        if inside.starts_with("```") || inside.starts_with("~~~") || line.starts_with("<!--") || line.starts_with("> ")
        {
            return Carrier::Markdown;
        }
        keys |= is_key_line(line) || line.starts_with("- task_id:");
    }
    if keys { Carrier::Yaml } else { Carrier::Markdown }
}

/// `word: …` or `word:` at the margin.
fn is_key_line(line: &str) -> bool {
    let Some((key, rest)) = line.split_once(':') else {
        return false;
    };
    let key = key.trim_matches('"');
    !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && (rest.is_empty() || rest.starts_with([' ', '\r']))
}

struct FrontMatter {
    /// End of what stands before the first `---`.
    before: usize,
    yaml: std::ops::Range<usize>,
    /// Start of what follows the second `---`.
    after: usize,
}

/// Finds front matter: at the top, or after a banner of comments. After a banner of `#` lines,
/// which might as well be headings, it must hold a `_blueprint_…` key to count.
fn front_matter(text: &str) -> Option<FrontMatter> {
    let mut at = 0;
    let mut after_headings = false;
    let mut in_comment = false;
    let mut lines = text.split_inclusive('\n');
    let before = loop {
        let line = lines.next()?;
        let trimmed = line.trim();
        if in_comment || trimmed.starts_with("<!--") {
            in_comment = !trimmed.contains("-->");
        } else if line.trim_end() == "---" {
            break at;
        } else if trimmed.starts_with('#') {
            after_headings = true;
        } else if !trimmed.is_empty() {
            return None;
        }
        at += line.len();
    };
    let start = before + text[before..].find('\n')? + 1;
    let mut end = start;
    let mut first = true;
    let mut blueprint_key = false;
    for line in lines {
        if matches!(line.trim_end(), "---" | "...") {
            let found = FrontMatter { before, yaml: start..end, after: end + line.len() };
            return (!first && (blueprint_key || !after_headings)).then_some(found);
        }
        if !line.trim().is_empty() && !line.starts_with("# ") {
            if first && !is_key_line(line.trim_end()) {
                return None;
            }
            first = false;
            blueprint_key |= line.trim_start_matches('"').starts_with("_blueprint");
        }
        end += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Carrier, Document, Piece, Source, carrier};

    fn source(text: &str) -> Source {
        Source::from_bytes("t.md", text.as_bytes().to_vec()).0
    }

    #[test]
    fn the_carrier_is_told_by_content() {
        assert_eq!(carrier("# T\n\n```yaml\ntask_id: a\n```\n"), Carrier::Markdown);
        assert_eq!(carrier("# c\n---\ntiers:\n  - notes: |\n      ```yaml\n      x: 1\n      ```\n"), Carrier::Yaml);
        assert_eq!(carrier("just prose\n"), Carrier::Markdown);
        assert_eq!(carrier("---\n_blueprint_version: 2\n---\n# T\n~~~yaml\na: 1\n~~~\n"), Carrier::Markdown);
        assert_eq!(carrier(""), Carrier::Markdown);
        assert_eq!(carrier("---\n_blueprint_version: 2\n---\n# T\n\n1. > ```yaml\n   > a: 1\n"), Carrier::Markdown);
        assert_eq!(carrier("tasks:\n- task_id: a\n  run: |\n    ```\n- task_id: b\n"), Carrier::Yaml);
    }

    #[test]
    fn front_matter_at_the_top_and_after_a_banner() {
        for (text, want) in [
            ("---\n_a: 1\n---\n# T\n```\n```\n", Some("_a: 1\n")),
            ("<!-- by\n  hand -->\n\n---\n\n_a: 1\n---\n# T\n```\n```\n", Some("\n_a: 1\n")),
            ("# ==\n# banner\n---\n_blueprint_version: 2\n---\n```\n```\n", Some("_blueprint_version: 2\n")),
            ("# T\n\n---\n\nOwner: me\n\n---\n```\n```\n", None),
            ("<!-- x -->\n---\n\n## Vision\nFoo: bar\n---\n```\n```\n", None),
            ("\u{feff}---\r\n_a: 1\r\n---\r\n# T\r\n```\r\n```\r\n", Some("_a: 1\r\n")),
        ] {
            let source = source(text);
            let document = Document::read(&source);
            assert_eq!(document.front_matter.map(|span| source.slice(span)), want, "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        let source = source("\u{feff}```yaml\na: 1\n```\n");
        let document = Document::read(&source);
        let [Piece::Fence(fence)] = &document.pieces[..] else { panic!("{document:?}") };
        assert_eq!(document.block_text(fence), "a: 1\n");
        assert_eq!(document.yaml(fence).documents[0].span.start, 11);
    }
}
