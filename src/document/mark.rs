//! A part of a document that a program may rewrite: what stands between two comments.
//!
//! `<!-- name -->` opens it and `<!-- /name -->` closes it. Comments inside a fence are text.

use super::{Document, Piece};
use crate::diagnostic::Span;

/// Why there is no such part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmarked {
    Absent,
    /// This comment has no partner.
    Alone(Span),
    /// This comment opens a second one.
    Twice(Span),
}

/// The place between the two comments.
pub fn marked(document: &Document<'_>, name: &str) -> Result<Span, Unmarked> {
    let mut opened: Option<Span> = None;
    let mut found: Option<Span> = None;
    for piece in &document.pieces {
        let Piece::Comment(inside) = piece else {
            continue;
        };
        let text = document.source.slice(*inside).trim();
        let whole = Span::new(inside.start - 4, inside.end + 3);
        if text == name {
            if opened.is_some() || found.is_some() {
                return Err(Unmarked::Twice(whole));
            }
            opened = Some(whole);
        } else if text.strip_prefix('/') == Some(name) {
            let opened = opened.take().ok_or(Unmarked::Alone(whole))?;
            found = Some(Span::new(opened.end, whole.start));
        }
    }
    match (opened, found) {
        (Some(alone), _) => Err(Unmarked::Alone(alone)),
        (None, Some(found)) => Ok(found),
        (None, None) => Err(Unmarked::Absent),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unmarked, marked};
    use crate::document::{Document, Source};

    fn inside(text: &str) -> Result<String, Unmarked> {
        let (source, _) = Source::from_bytes("t.md", text.as_bytes().to_vec());
        marked(&Document::read(&source), "x:y").map(|span| source.slice(span).to_owned())
    }

    #[test]
    fn what_stands_between_the_comments() {
        assert_eq!(inside("# T\n\n<!-- x:y -->\nold\n\n<!-- /x:y -->\nrest"), Ok("\nold\n\n".to_owned()));
        assert_eq!(inside("<!--x:y--><!--/x:y-->"), Ok(String::new()));
        assert_eq!(inside("<!-- x:z -->\n"), Err(Unmarked::Absent));
        assert_eq!(inside("```\n<!-- x:y -->\n<!-- /x:y -->\n```\n"), Err(Unmarked::Absent));
        assert!(matches!(inside("<!-- x:y -->\n"), Err(Unmarked::Alone(_))));
        assert!(matches!(inside("<!-- /x:y -->\n"), Err(Unmarked::Alone(_))));
        assert!(matches!(inside("<!-- x:y -->\n\n<!-- x:y -->\n\n<!-- /x:y -->\n"), Err(Unmarked::Twice(_))));
    }
}
