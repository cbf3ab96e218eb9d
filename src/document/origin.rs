//! Where the characters of a block stand in the document.
//!
//! A fence at the left margin is one slice of the document. A fence inside a list or a quote has
//! its prefixes stripped, so its text is stitched from pieces and every place must be mapped back.

use super::source::offset;
use crate::diagnostic::Span;

/// The text of a block and the way back to the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockText {
    /// The block is this slice of the document.
    Slice(Span),
    /// The block was stitched together.
    Stitched(Box<Stitched>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stitched {
    pub text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Offset in `text`.
    at: u32,
    /// Offset in the document.
    origin: u32,
}

impl Stitched {
    /// Adds a piece that stands at `origin` in the document.
    pub fn push(&mut self, piece: &str, origin: u32) {
        self.pieces.push(Piece { at: offset(self.text.len()), origin });
        self.text.push_str(piece);
    }

    fn locate(&self, at: u32) -> u32 {
        let index = self.pieces.partition_point(|piece| piece.at <= at);
        match self.pieces.get(index.saturating_sub(1)) {
            Some(piece) => piece.origin + (at - piece.at),
            None => at,
        }
    }
}

/// Maps places of a block's text to places of the document.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    Base(u32),
    Stitched(&'a Stitched),
}

impl Origin<'_> {
    pub fn span(self, start: u32, end: u32) -> Span {
        match self {
            Self::Base(base) => Span::new(base + start, base + end),
            // An end belongs to the piece of the character before it.
            Self::Stitched(stitched) => {
                let first = stitched.locate(start);
                let last = if end > start { stitched.locate(end - 1) + 1 } else { first };
                Span::new(first, last.max(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, Stitched};
    use crate::diagnostic::Span;

    #[test]
    fn a_place_in_a_stitched_block_maps_to_its_line() {
        // > a: 1
        // > b: 2
        let mut block = Stitched::default();
        block.push("a: 1\n", 2);
        block.push("b: 2\n", 9);
        let origin = Origin::Stitched(&block);
        assert_eq!(origin.span(0, 1), Span::new(2, 3));
        assert_eq!(origin.span(5, 9), Span::new(9, 13));
        assert_eq!(origin.span(3, 6), Span::new(5, 10));
        assert_eq!(origin.span(5, 5), Span::new(9, 9));
    }
}
