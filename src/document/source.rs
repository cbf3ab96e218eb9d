//! The bytes of a document: checked once to be text, then addressed by [`Span`].
//!
//! A `Source` that exists is UTF-8 without NUL and small enough that every place fits a `u32`.
//! It knows neither where it came from (the name is only for people) nor what it means.

use std::sync::OnceLock;

use crate::diagnostic::{Code, Diagnostic, Span};

/// The largest document that is read. 100,000 tasks with all their fields are about 110 MB.
pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// A document as text.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: OnceLock<Vec<u32>>,
}

/// A place as people and editors count: from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Source {
    /// Takes the bytes of a document.
    ///
    /// On bytes that are no text the part before them is kept, so that the diagnostic has something
    /// to point at.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> (Self, Option<Diagnostic>) {
        let mut refusal = None;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let mut bytes = error.into_bytes();
                let culprit = bytes.get(valid).copied().unwrap_or_default();
                bytes.truncate(valid);
                refusal = Some((valid, format!("byte {culprit:#04x} is not valid UTF-8")));
                String::from_utf8(bytes).unwrap_or_default()
            }
        };
        let mut source = Self { name: name.into(), text, line_starts: OnceLock::new() };
        if let Some(nul) = memchr::memchr(0, source.text.as_bytes()) {
            source.text.truncate(nul);
            refusal = Some((nul, "the document holds a NUL byte".to_owned()));
        }
        let diagnostic = refusal.map(|(at, message)| {
            // The last character that was still text carries the underline.
            let end = at.min(source.text.len());
            let start = source.text[..end].char_indices().next_back().map_or(0, |(i, _)| i);
            Diagnostic::new(Code::Unreadable, span(start, end), message)
                .label("right after this")
                .help("save the document as UTF-8 text")
        });
        (source, diagnostic)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `span`; empty where the span is not on character borders.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            std::iter::once(0)
                .chain(memchr::memchr_iter(b'\n', self.text.as_bytes()).map(|at| offset(at + 1)))
                .collect()
        })
    }

    /// Line and column of a byte offset.
    pub fn position(&self, at: u32) -> Position {
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start <= at).max(1) - 1;
        let start = starts[line];
        let column = self.text.get(start as usize..at as usize).map_or(0, |before| before.chars().count());
        Position { line: offset(line + 1), column: offset(column + 1) }
    }

    /// The bytes of a 1-based line, without its line end.
    pub fn line(&self, line: u32) -> Span {
        let starts = self.line_starts();
        let index = (line.max(1) as usize - 1).min(starts.len() - 1);
        let start = starts[index];
        let end = starts.get(index + 1).map_or(self.text.len(), |&next| next as usize - 1);
        let line = self.text[start as usize..end].trim_end_matches('\r');
        Span::new(start, start + offset(line.len()))
    }
}

/// A byte offset as stored. Documents over [`MAX_BYTES`] are refused before they get here.
pub fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A span from two byte offsets.
pub fn span(start: usize, end: usize) -> Span {
    Span::new(offset(start), offset(end))
}

#[cfg(test)]
mod tests {
    use super::{Position, Source, span};

    #[test]
    fn positions_count_characters_from_one() {
        let (source, refusal) = Source::from_bytes("x.md", "é: 1\r\nb\n".into());
        assert_eq!(refusal, None);
        assert_eq!(source.position(2), Position { line: 1, column: 2 });
        assert_eq!(source.position(7), Position { line: 2, column: 1 });
        assert_eq!(source.position(9), Position { line: 3, column: 1 });
        assert_eq!(source.slice(source.line(1)), "é: 1");
        assert_eq!(source.line(2), span(7, 8));
    }

    #[test]
    fn bytes_that_are_no_text_are_pointed_at() {
        let (source, refusal) = Source::from_bytes("x.md", b"ab\xffcd".to_vec());
        assert_eq!(source.text(), "ab");
        let refusal = refusal.expect("invalid UTF-8");
        assert_eq!(refusal.span, Some(span(1, 2)));
        assert!(refusal.message.contains("0xff"), "{}", refusal.message);

        let (_, refusal) = Source::from_bytes("x.md", b"ab\0cd".to_vec());
        assert!(refusal.expect("NUL").message.contains("NUL"));
        let (_, refusal) = Source::from_bytes("x.md", b"\0".to_vec());
        assert_eq!(refusal.expect("NUL").span, Some(span(0, 0)));
    }
}
