//! A value that is kept as it was written, and read again when somebody asks for its parts.
//!
//! A schema's tree takes ten times the memory of its text, and most are never looked into. What
//! cannot be read again by itself (an alias, a merged mapping, a block in a quote) is kept as a
//! tree; the reader cannot tell the difference.

use std::borrow::Cow;

use super::node::{Node, Value};
use super::origin::Origin;
use super::yaml;
use crate::diagnostic::Span;

/// A value as written.
#[derive(Clone, Debug)]
pub struct Written<'s>(Kept<'s>);

#[derive(Clone, Debug)]
enum Kept<'s> {
    /// The value alone is this text, which begins at `base` of the document.
    Slice {
        text: &'s str,
        base: u32,
    },
    Tree(Box<Node<'s>>),
}

impl<'s> Written<'s> {
    /// Keeps a node. `text` is the document it can be read from again, when it can.
    pub fn new(node: &Node<'s>, text: Option<&'s str>) -> Self {
        let slice = text.and_then(|text| slice(node, text));
        Self(slice.unwrap_or_else(|| Kept::Tree(Box::new(node.clone()))))
    }

    /// The value with the place of every part.
    pub fn tree(&self) -> Cow<'_, Node<'s>> {
        match &self.0 {
            Kept::Tree(node) => Cow::Borrowed(node),
            Kept::Slice { text, base } => {
                let node = yaml::parse(text, Origin::Base(*base)).documents.into_iter().next();
                Cow::Owned(node.unwrap_or_else(|| Node {
                    span: Span::new(*base, *base),
                    value: Value::Scalar { text: "".into(), plain: true },
                }))
            }
        }
    }

    /// Text that determines the value, if it is kept as text.
    pub const fn text(&self) -> Option<&'s str> {
        match self.0 {
            Kept::Slice { text, .. } => Some(text),
            Kept::Tree(_) => None,
        }
    }
}

/// The lines of a collection that stands on lines of its own, or a bracketed one.
fn slice<'s>(node: &Node<'s>, text: &'s str) -> Option<Kept<'s>> {
    if matches!(node.value, Value::Scalar { .. }) {
        return None;
    }
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    let kept =
        |from: usize, to: usize| Some(Kept::Slice { text: text.get(from..to)?, base: super::source::offset(from) });
    if text.get(start..)?.starts_with(['{', '[']) {
        return kept(start, end);
    }
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let alone = text[line..start].bytes().all(|byte| byte == b' ');
    // Blank lines behind a block scalar may be part of it.
    let rest = text.get(end..)?;
    let blank = &rest[..rest.len() - rest.trim_start().len()];
    let behind = blank.rfind('\n').map_or(0, |newline| newline + 1);
    if alone { kept(line, end + behind) } else { None }
}

#[cfg(test)]
mod tests {
    use super::Written;
    use crate::document::node::{Node, Value};
    use crate::document::origin::Origin;
    use crate::document::yaml;

    fn every(node: &Node<'_>, check: &mut impl FnMut(&Node<'_>)) {
        check(node);
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => items.iter().for_each(|item| every(item, check)),
            Value::Map(entries) => entries.iter().for_each(|entry| every(&entry.value, check)),
        }
    }

    #[test]
    fn a_value_read_again_is_the_value() {
        for text in [
            "a:\n  type: object\n  properties:\n    b: { type: string, enum: [x, 'y z'] }\n\n    c:\n      - 1\n      - k: |\n          two\n           lines\n        l: >-\n          folded\n          text\n  required: []\nd: end\n",
            "schema: {type: object,\n  properties: {\n   a: {type: string}}}\nb: [1,\n2]\n",
            "list:\n- a: 1\n  b:\n    c: \"multi\n      line\"\n    d: plain\n      text # comment\n    # after\n- {}\n- []\n",
            "a: &x\n  b: 1\nc: 'it''s'\ne:\n  f: |2\n     keep\n  g: |+\n    tail\n\n\nh: 1\n",
            "é:\n  ü: {ö: ß}\r\n  x:\r\n    y: 1\r\n",
        ] {
            let parsed = yaml::parse(text, Origin::Base(0));
            assert!(!parsed.broken && parsed.again, "{text}");
            let mut slices = 0;
            every(&parsed.documents[0], &mut |node| {
                let kept = Written::new(node, Some(text));
                slices += usize::from(kept.text().is_some());
                assert_eq!(*kept.tree(), *node, "{text}");
            });
            assert!(slices > 1, "{text}");
        }
    }

    #[test]
    fn what_hangs_on_other_text_says_so() {
        for text in ["a: &x {b: 1}\nc: {d: *x}\n", "a: &x {b: 1}\nc:\n  <<: *x\n", "a: {b: !!str 1}\n"] {
            assert!(!yaml::parse(text, Origin::Base(0)).again, "{text}");
        }
    }
}
