//! YAML text → [`Node`] trees, with every problem that YAML itself knows.
//!
//! A thin builder over the parser's events: it keeps places, refuses duplicate keys, resolves
//! aliases and merge keys, and bounds depth and alias expansion. It does not recurse, and it knows
//! nothing of blueprints.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::excerpt::Excerpt;
use super::node::{Entry, Node, Text, Value};
use super::origin::Origin;
use super::source::offset;
use crate::diagnostic::{Code, Diagnostic, Span};

/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;
/// Most values that aliases may add to one block.
pub const MAX_EXPANSION: usize = 100_000;

/// What was read from a block.
#[derive(Debug, Default)]
pub struct Yaml<'s> {
    /// One tree per YAML document of the block; an empty document leaves none.
    pub documents: Vec<Node<'s>>,
    pub problems: Vec<Diagnostic>,
    /// Whether the parser gave up before the end of the block.
    pub broken: bool,
    /// Whether a part of the block, read by itself, is what it is within the block.
    pub again: bool,
}

/// Reads all YAML documents of `text`. Spans are places of the whole document, by `origin`.
pub fn parse<'s>(text: &'s str, origin: Origin<'_>) -> Yaml<'s> {
    let mut builder = Builder {
        text,
        origin,
        yaml: Yaml { again: matches!(origin, Origin::Base(_)), ..Yaml::default() },
        frames: Vec::new(),
        nodes: Vec::new(),
        entries: Vec::new(),
        anchors: HashMap::new(),
        expanded: 0,
        last_end: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, place)) => {
                let range = place.byte_range().unwrap_or_default();
                builder.take(event, offset(range.start), offset(range.end))
            }
            Err(error) => Err(Box::new(builder.syntax_error(&error))),
        };
        if let Err(problem) = step {
            builder.yaml.problems.push(*problem);
            builder.yaml.broken = true;
            break;
        }
    }
    builder.yaml
}

enum Frame<'s> {
    List { start: Span, first: usize, anchor: usize },
    Map { start: Span, first: usize, anchor: usize, key: Option<Text<'s>>, merges: bool },
}

struct Builder<'s, 'o> {
    text: &'s str,
    origin: Origin<'o>,
    yaml: Yaml<'s>,
    frames: Vec<Frame<'s>>,
    /// Items of all open lists, innermost last.
    nodes: Vec<Node<'s>>,
    /// Entries of all open mappings, innermost last.
    entries: Vec<Entry<'s>>,
    anchors: HashMap<usize, Node<'s>>,
    expanded: usize,
    /// Where the last event ended, to find the token that broke the scanner.
    last_end: u32,
}

type Step = Result<(), Box<Diagnostic>>;

impl<'s> Builder<'s, '_> {
    fn take(&mut self, event: Event<'s>, start: u32, end: u32) -> Step {
        self.last_end = self.last_end.max(end);
        // A tag may hang on a directive, an alias does hang on its anchor.
        self.yaml.again &= match &event {
            Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag) => {
                tag.is_none()
            }
            Event::Alias(_) => false,
            _ => true,
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (start, end) = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.trimmed(start, end),
                    _ => (start, end),
                };
                let plain = style == ScalarStyle::Plain && !tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                // An absent value comes as `~` with no place of its own.
                let text = if start == end && plain { "".into() } else { text.into() };
                let node = Node { span: self.origin.span(start, end), value: Value::Scalar { text, plain } };
                self.finish(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let start = self.origin.span(start, end);
                self.open(start, Frame::List { start, first: self.nodes.len(), anchor })
            }
            Event::MappingStart(_, anchor, _) => {
                let start = self.origin.span(start, end);
                self.open(start, Frame::Map { start, first: self.entries.len(), anchor, key: None, merges: false })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(start, end),
            Event::Alias(anchor) => {
                let span = self.origin.span(start, end);
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Box::new(
                        Diagnostic::new(Code::YamlSyntax, span, "the alias stands inside its own anchor")
                            .help("write the value out"),
                    ));
                };
                self.expanded += count(node);
                if self.expanded > MAX_EXPANSION {
                    return Err(Box::new(
                        Diagnostic::new(
                            Code::AliasExpansion,
                            span,
                            format!("aliases add more than {MAX_EXPANSION} values to this block"),
                        )
                        .label("expansion stopped here")
                        .help("write the values out, or generate the document"),
                    ));
                }
                // Problems with the value are shown where it is used.
                let node = Node { span, value: node.value.clone() };
                self.finish(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, at: Span, frame: Frame<'s>) -> Step {
        if self.frames.len() >= MAX_DEPTH {
            return Err(Box::new(
                Diagnostic::new(Code::TooDeep, at, format!("values are nested more than {MAX_DEPTH} levels deep"))
                    .help("no field of the format needs more than a dozen levels"),
            ));
        }
        self.frames.push(frame);
        Ok(())
    }

    fn close(&mut self, start: u32, end: u32) -> Step {
        // The end of a block collection has no width: it ends with its last part.
        let closing = (end > start).then(|| self.origin.span(start, end));
        match self.frames.pop() {
            Some(Frame::List { start, first, anchor }) => {
                let items: Box<[Node<'s>]> = self.nodes.drain(first..).collect();
                let last = closing.or_else(|| items.last().map(|item| item.span));
                let span = last.map_or(start, |last| start.to(last));
                self.finish(Node { span, value: Value::List(items) }, anchor)
            }
            Some(Frame::Map { start, first, anchor, merges, .. }) => {
                self.refuse_duplicates(first);
                let mut entries: Vec<Entry<'s>> = self.entries.drain(first..).collect();
                // What is merged is written elsewhere: the mapping ends with what is its own.
                let last = closing.or_else(|| entries.last().map(|entry| entry.value.span));
                let span = last.map_or(start, |last| start.to(last));
                if merges {
                    entries = merge(entries);
                }
                let value = Value::Map(entries.into_boxed_slice());
                self.finish(Node { span, value }, anchor)
            }
            None => Ok(()),
        }
    }

    /// Hands a complete value to the collection it stands in.
    fn finish(&mut self, node: Node<'s>, anchor: usize) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut() {
            None => {
                if !node.is_null() {
                    self.yaml.documents.push(node);
                }
            }
            Some(Frame::List { .. }) => self.nodes.push(node),
            Some(Frame::Map { key: slot, merges, .. }) => match slot.take() {
                Some(key) => self.entries.push(Entry { key, value: node }),
                None => match node.value {
                    Value::Scalar { text, plain } => {
                        *merges |= plain && text == "<<";
                        *slot = Some(Text { value: text, span: node.span });
                    }
                    Value::List(_) | Value::Map(_) => {
                        return Err(Box::new(
                            Diagnostic::new(Code::YamlSyntax, node.span, "a key must be text")
                                .label("this collection is used as a key")
                                .help("quote the key, or check for a missing quote around `{…}` or `[…]`"),
                        ));
                    }
                },
            },
        }
        Ok(())
    }

    fn refuse_duplicates(&mut self, first: usize) {
        let entries = &self.entries[first..];
        let mut repeated = Vec::new();
        if entries.len() <= 24 {
            for (index, entry) in entries.iter().enumerate() {
                if let Some(before) = entries[..index].iter().position(|e| e.key.value == entry.key.value) {
                    repeated.push((index, before));
                }
            }
        } else {
            let mut seen = HashMap::with_capacity(entries.len());
            for (index, entry) in entries.iter().enumerate() {
                if let Some(&before) = seen.get(&*entry.key.value) {
                    repeated.push((index, before));
                } else {
                    seen.insert(&*entry.key.value, index);
                }
            }
        }
        repeated.retain(|&(index, _)| entries[index].key.value != "<<");
        if repeated.is_empty() {
            return;
        }
        for &(index, before) in &repeated {
            let key = &entries[index].key;
            self.yaml.problems.push(
                Diagnostic::new(Code::DuplicateKey, key.span, format!("the key `{key}` is written twice"))
                    .label("again here")
                    .related(entries[before].key.span, "first here")
                    .help("keep one of them; a second value would silently win or lose"),
            );
        }
        let gone: HashSet<usize> = repeated.iter().map(|&(index, _)| index).collect();
        let mut index = 0;
        let kept: Vec<Entry<'s>> = self
            .entries
            .drain(first..)
            .filter(|_| {
                index += 1;
                !gone.contains(&(index - 1))
            })
            .collect();
        self.entries.extend(kept);
    }

    /// The place of a block scalar without blank lines behind it. One without text ends with its
    /// `|`; the parser has it begin with whatever comes next.
    fn trimmed(&self, start: u32, end: u32) -> (u32, u32) {
        let text = self.text.get(start as usize..end as usize).unwrap_or_default().trim_end();
        if !text.is_empty() {
            return (start, start + offset(text.len()));
        }
        let before = self.text.get(..start as usize).unwrap_or_default();
        let end = offset(before.trim_end().len());
        (end, end)
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let at = error.marker().byte_offset().unwrap_or_default().min(self.text.len());
        // The parser names the text that a line with a tab would have gone on with.
        let tab = self.text[at..].find("\n\t").filter(|_| matches!(error.kind(), ErrorKind::TabInPlainScalar));
        let at = tab.map_or(at, |newline| at + newline + 1);
        let after = self.text[at..].chars().next().filter(|c| *c != '\n' && *c != '\r');
        let (start, end) = match after {
            Some(c) => (at, at + c.len_utf8()),
            // At the end of a line or of the block: underline the last thing before it.
            None => {
                let before = self.text[..at].trim_end();
                let width = before.chars().next_back().map_or(0, char::len_utf8);
                (before.len() - width, before.len())
            }
        };
        let span = self.origin.span(offset(start), offset(end));
        let (message, help) = explain(error.kind());
        let code = match error.kind() {
            ErrorKind::RecursionLimitExceeded => Code::TooDeep,
            _ => Code::YamlSyntax,
        };
        let mut diagnostic = Diagnostic::new(code, span, message).help(help);
        let quoted = matches!(
            error.kind(),
            ErrorKind::InvalidQuotedScalarIndent
                | ErrorKind::UnclosedQuotedScalar
                | ErrorKind::InvalidTrailingSingleQuotedScalar
                | ErrorKind::InvalidTrailingDoubleQuotedScalar
        );
        let token = self.text.get(self.last_end as usize..at).filter(|_| quoted);
        if let Some(quote) = token.and_then(|token| token.find(['"', '\''])) {
            let quote = self.last_end + offset(quote);
            diagnostic = diagnostic.related(self.origin.span(quote, quote + 1), "the quote opened here");
        }
        diagnostic
    }
}

/// Values in a tree, itself included.
fn count(node: &Node<'_>) -> usize {
    let mut open = vec![node];
    let mut total = 0;
    while let Some(node) = open.pop() {
        total += 1;
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => open.extend(items),
            Value::Map(entries) => open.extend(entries.iter().map(|entry| &entry.value)),
        }
    }
    total
}

/// Resolves `<<`: the mapping's own keys win, then the merged mappings in their order.
fn merge(entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key.value == "<<");
    let mut taken: HashSet<Excerpt<'_>> = own.iter().map(|entry| entry.key.value.clone()).collect();
    for entry in merges {
        let sources = match entry.value.value {
            Value::List(items) => items.into_vec(),
            _ => vec![entry.value],
        };
        for source in sources {
            if let Value::Map(entries) = source.value {
                for entry in entries {
                    if taken.insert(entry.key.value.clone()) {
                        own.push(entry);
                    }
                }
            }
        }
    }
    own
}

/// What the scanner stumbled over, in words for the person who wrote it.
fn explain(kind: &ErrorKind) -> (Cow<'static, str>, Cow<'static, str>) {
    let (message, help) = match kind {
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => {
            ("a `:` where no key can be", "put text that holds `: ` in quotes, and check the indentation of this line")
        }
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => {
            ("a tab in the indentation", "indent with spaces; YAML allows no tabs there")
        }
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => (
            "a quoted text that does not end where it should",
            "close the quote; write a quote inside quotes as `\\\"` (double) or `''` (single)",
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            ("text after a closing single quote", "write a single quote inside single quotes twice: `'it''s'`")
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "text after a closing double quote",
            "escape a double quote inside double quotes: `\\\"`, or use single quotes around it all",
        ),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => (
            "an escape that YAML does not know inside double quotes",
            "write a backslash as `\\\\`, or use single quotes, where backslashes are plain",
        ),
        ErrorKind::UnclosedFlowCollection { open: '[' } => ("a `[` that is never closed", "add the `]`"),
        ErrorKind::UnclosedFlowCollection { .. } => ("a `{` that is never closed", "add the `}`"),
        ErrorKind::ExpectedFlowSequenceSeparator => (
            "a list in brackets with something other than `,` or `]`",
            "separate the items with commas and close the list with `]`",
        ),
        ErrorKind::ExpectedFlowMappingSeparator => (
            "a mapping in braces with something other than `,` or `}`",
            "separate the entries with commas and close the mapping with `}`; text that starts with `{` needs quotes",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "a line that is no `key: value` of this mapping",
            "check the indentation of this line and the `:` after its key",
        ),
        ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::BlockSequenceEntryNotAllowed => (
            "a list and a mapping at the same indentation",
            "indent this line under its key, or start it with `- ` like its neighbours",
        ),
        ErrorKind::UnknownAnchor => (
            "an alias to an anchor that does not exist",
            "define `&name` before `*name`; put text that starts with `*` in quotes",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            return (format!("text cannot start with `{character}`").into(), "put the text in quotes".into());
        }
        ErrorKind::InvalidBlockScalarHeader => (
            "text after `|` or `>`",
            "start the text on the next line, indented; put text that starts with `>` or `|` in quotes",
        ),
        ErrorKind::RecursionLimitExceeded => {
            ("values are nested too deep", "no field of the format needs more than a dozen levels")
        }
        other => {
            return (
                format!("this is not YAML: {other}").into(),
                "compare this line and the one before it with their neighbours: indentation, quotes, colons".into(),
            );
        }
    };
    (message.into(), help.into())
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Yaml, parse};
    use crate::diagnostic::Code;
    use crate::document::node::Node;
    use crate::document::origin::Origin;

    fn read(text: &str) -> Yaml<'_> {
        parse(text, Origin::Base(0))
    }

    fn one(text: &str) -> Node<'_> {
        let yaml = read(text);
        assert_eq!(yaml.problems, [], "{text}");
        yaml.documents.into_iter().next().expect("a document")
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "id: \"t-é-1\"\nrun: |\n  a\n  b\n\nlist: [a, {x: 1}]\nnone:\n";
        let node = one(text);
        let at = |node: &Node<'_>| text[node.span.range()].to_owned();
        assert_eq!(at(node.get("id").expect("id")), "\"t-é-1\"");
        assert_eq!(at(node.get("run").expect("run")), "a\n  b");
        assert_eq!(at(node.get("list").expect("list")), "[a, {x: 1}]");
        assert!(node.get("none").is_none());
        assert_eq!(at(&node), text.trim_end_matches(":\n"));
    }

    #[test]
    fn a_block_scalar_without_text_ends_where_it_is_announced() {
        for (text, at) in
            [("a: |\n---\nb: 1\n", 4), ("a: |+\n\n\nb: 1\n", 5), ("a: > # c\r\n\r\nb: 1\r\n", 8), ("a: |\n", 4)]
        {
            let node = read(text).documents.remove(0);
            let value = &node.entry("a").expect("a").value;
            assert_eq!(value.span.end, at, "{text:?}");
            assert!(!value.is_null());
        }
    }

    #[test]
    fn scalars_keep_their_characters() {
        let node = one("a: 007\nb: no\nc: ~\nd: 'true'\ne: !!str 1\nf: 1.50\n");
        assert_eq!(node.get("a").and_then(Node::text), Some("007"));
        assert_eq!(node.get("b").and_then(Node::text), Some("no"));
        assert!(node.get("c").is_none());
        assert_eq!(node.get("d").and_then(Node::as_bool), None);
        assert_eq!(node.get("e").and_then(Node::as_number::<u32>), None);
        let json = one("{a: 1, b: 1.5, c: x, d: null, e: true, f: nan, g: '1'}").to_json();
        assert_eq!(json, serde_json::json!({"a": 1, "b": 1.5, "c": "x", "d": null, "e": true, "f": "nan", "g": "1"}));
    }

    #[test]
    fn a_duplicate_key_is_refused_at_its_second_place() {
        let yaml = read("a: 1\nb: {c: 1, c: 2}\na: 3\n");
        let codes: Vec<_> = yaml.problems.iter().map(|d| (d.code, d.span.expect("place").start)).collect();
        assert_eq!(codes, [(Code::DuplicateKey, 15), (Code::DuplicateKey, 21)]);
        assert_eq!(yaml.documents[0].get("a").and_then(Node::text), Some("1"));
        let many: String = (0..40).map(|i| format!("k{i}: {i}\n")).chain(["k7: x\n".into()]).collect();
        assert_eq!(read(&many).problems.len(), 1);
    }

    #[test]
    fn aliases_and_merge_keys_resolve() {
        let node = one("base: &b {x: 1, y: 2}\nz: {<<: *b, y: 3}\nw: {<<: [*b, {v: 4}]}\n");
        assert_eq!(node.get("z").expect("z").to_json(), serde_json::json!({"y": 3, "x": 1}));
        assert_eq!(node.get("w").expect("w").to_json(), serde_json::json!({"x": 1, "y": 2, "v": 4}));
    }

    #[test]
    fn bombs_are_defused() {
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, from) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"]) {
            bomb +=
                &format!("{name}: &{name} [*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n");
        }
        assert_eq!(read(&bomb).problems[0].code, Code::AliasExpansion);
        assert_eq!(read(&"[".repeat(100_000)).problems[0].code, Code::TooDeep);
        let deep: String = (0..10_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        assert_eq!(read(&deep).problems[0].code, Code::TooDeep);
        assert_eq!(read(&format!("{}1{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))).problems, []);
        assert!(read("a: &a [*a]\n").broken);
    }

    #[test]
    fn syntax_errors_point_at_the_culprit() {
        for (text, at) in [
            ("a: b: c\n", ":"),
            ("a:\n\t- b\n", "-"),
            ("a: @foo\n", "@"),
            ("k: 'it's'\n", "s"),
            ("a: {x: 1\n", "{"),
            ("- a\nb: 1\n", "b"),
            ("a: x\n\tb: 1\n", "\t"),
            ("a: x\r\n\tb: 1\r\n", "\t"),
        ] {
            let yaml = read(text);
            let span = yaml.problems[0].span.expect("place");
            assert_eq!(&text[span.range()], at, "{text:?}: {}", yaml.problems[0].message);
            assert!(yaml.broken && !yaml.problems[0].help.is_empty());
        }
        let open = read("a: \"x\n\nb: 1\n");
        assert_eq!(open.problems[0].related[0].0.start, 3);
    }

    #[test]
    fn a_block_may_hold_several_documents_or_none() {
        assert_eq!(read("---\na: 1\n---\nb: 2\n").documents.len(), 2);
        assert_eq!(read("# only a comment\n").documents.len(), 0);
    }
}
