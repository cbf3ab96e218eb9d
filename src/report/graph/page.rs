//! A page of terminal text whose lines never exceed their width.
//!
//! Guarantees: what does not fit is cut with an ellipsis; emphasis takes no room, never spans
//! lines and is absent unless asked for.
//!
//! Does not know what is written on it, and trusts its callers to have removed control
//! characters.

use std::fmt::Write;

use super::text::{count_columns, cut_columns};

/// Emphasis, as the terminal's codes.
pub(super) const BOLD: &str = "1";
pub(super) const FAINT: &str = "2";

/// Lines of limited width, with emphasis that takes no room.
pub(super) struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    pub(super) fn new(width: usize, color: bool) -> Self {
        Self { out: String::new(), width: width.max(1), color }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// Writes one line of `(text, emphasis)` pieces and cuts what does not fit.
    pub(super) fn write_line(&mut self, pieces: &[(&str, &str)]) {
        let mut left = self.width;
        for (text, emphasis) in pieces {
            let fitting = cut_columns(text, left);
            left -= count_width(&fitting).min(left);
            if self.color && !emphasis.is_empty() && !fitting.trim().is_empty() {
                // Writing to a String cannot fail.
                let _ = write!(self.out, "\u{1b}[{emphasis}m{fitting}\u{1b}[0m");
            } else {
                self.out.push_str(&fitting);
            }
        }
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }
}

pub(super) fn count_width(text: &str) -> usize {
    text.chars().map(count_columns).sum()
}

/// The text with spaces up to `width` columns.
pub(super) fn pad_columns(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(count_width(text));
    format!("{text}{}", " ".repeat(missing))
}
