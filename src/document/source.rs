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
    /// One for every [`STRETCH`] bytes.
    stretches: OnceLock<Vec<Stretch>>,
}

/// What stands before a stretch of the document.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    /// Lines that have ended.
    lines: u32,
    /// Characters of the line that goes on in the stretch.
    characters: u32,
}

/// Bytes between two counts of lines: places are asked for seldom, and a line is 30 bytes.
const STRETCH: usize = 4096;

/// A place as people and editors count: from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Stretch {
    /// What stands before the bytes that follow these.
    fn after(self, bytes: &[u8]) -> Self {
        let lines = self.lines + offset(memchr::memchr_iter(b'\n', bytes).count());
        let (before, line) = match memchr::memrchr(b'\n', bytes) {
            Some(newline) => (0, &bytes[newline + 1..]),
            None => (self.characters, bytes),
        };
        // All bytes of a character but its first look like `10xxxxxx`.
        let characters = line.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count();
        Self { lines, characters: before + offset(characters) }
    }
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
        let mut source = Self { name: name.into(), text, stretches: OnceLock::new() };
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

    /// A place, and the rest of characters that it begins or ends within.
    pub fn whole(&self, span: Span) -> Span {
        let text = self.text();
        let (mut start, mut end) = (span.start as usize, span.end as usize);
        while start > 0 && !text.is_char_boundary(start) {
            start -= 1;
        }
        while end < text.len() && !text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(offset(start), offset(end))
    }

    /// The text of `span`; empty where the span is not on character borders.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn stretches(&self) -> &[Stretch] {
        self.stretches.get_or_init(|| {
            let mut next = Stretch::default();
            self.text
                .as_bytes()
                .chunks(STRETCH)
                .map(|bytes| {
                    let stretch = next;
                    next = stretch.after(bytes);
                    stretch
                })
                .collect()
        })
    }

    /// Line and column of a byte offset.
    pub fn position(&self, at: u32) -> Position {
        let at = (at as usize).min(self.text.len());
        let index = (at / STRETCH).min(self.stretches().len().saturating_sub(1));
        let stretch = self.stretches().get(index).copied().unwrap_or_default();
        let Stretch { lines, characters } = stretch.after(&self.text.as_bytes()[index * STRETCH..at]);
        Position { line: lines + 1, column: characters + 1 }
    }

    /// The bytes of a 1-based line, without its line end; the last line for any number behind it.
    pub fn line(&self, line: u32) -> Span {
        let ends_before = line.max(1) - 1;
        // The stretch in which that many lines have ended, or the last one.
        let stretch = self.stretches().partition_point(|stretch| stretch.lines < ends_before).saturating_sub(1);
        let counted = self.stretches().get(stretch).copied().unwrap_or_default().lines;
        let from = stretch * STRETCH;
        let bytes = self.text.as_bytes();
        let start = match ends_before - counted {
            0 => memchr::memrchr(b'\n', &bytes[..from]).map_or(0, |newline| newline + 1),
            more => memchr::memchr_iter(b'\n', &bytes[from..])
                .nth(more as usize - 1)
                .map_or_else(|| self.last_line(), |newline| from + newline + 1),
        };
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
        let line = self.text[start..end].trim_end_matches('\r');
        span(start, start + line.len())
    }

    fn last_line(&self) -> usize {
        memchr::memrchr(b'\n', self.text.as_bytes()).map_or(0, |newline| newline + 1)
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
        assert_eq!((source.whole(span(1, 1)), source.whole(span(0, 3))), (span(0, 2), span(0, 3)));
    }

    #[test]
    fn places_agree_with_counting_from_the_top() {
        let mut text: String = (0..900_u32).map(|i| "é".repeat((i * 37 % 53) as usize) + "\n").collect();
        text += &"x日".repeat(super::STRETCH);
        text += "\nend\n";
        let (source, _) = Source::from_bytes("x.md", text.clone().into());
        let (mut line, mut column) = (1, 1);
        for (at, c) in text.char_indices() {
            assert_eq!(source.position(super::offset(at)), Position { line, column });
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        for (index, content) in text.split('\n').enumerate() {
            assert_eq!(source.slice(source.line(super::offset(index + 1))), content, "line {}", index + 1);
        }
        assert_eq!(source.line(5000), span(text.len(), text.len()));
        assert_eq!(Source::from_bytes("x.md", Vec::new()).0.line(1), span(0, 0));
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
