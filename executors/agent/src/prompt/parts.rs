//! Fences, caps and lists of a prompt.

use std::fmt::Write as _;

/// Which end of a text that is too long says more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Head,
    Tail,
}

/// At most so many bytes of it, head and tail, with a mark between them.
pub(super) fn capped(text: &str, most: usize, side: Side) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let larger = most / 3 * 2;
    let (head, tail) = match side {
        Side::Head => (larger, most - larger),
        Side::Tail => (most - larger, larger),
    };
    let mut end = head;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut begin = text.len() - tail;
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    let (head, tail) = (text.get(..end).unwrap_or_default(), text.get(begin..).unwrap_or_default());
    format!("{head}\n[… {} bytes left out …]\n{tail}", begin - end)
}

/// Text of others. Only who knows the nonce could end the fence, and the text does not know it.
pub(super) fn data(name: &str, text: &str, nonce: &str) -> String {
    let mut text = text.to_owned();
    // Taking it out may put its parts together.
    while !nonce.is_empty() && text.contains(nonce) {
        text = text.replace(nonce, "");
    }
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "_-.".contains(*c);
    let name: String = name.chars().filter(is_plain).take(80).collect();
    format!("<data name=\"{name}\" nonce=\"{nonce}\">\n{}\n</data nonce=\"{nonce}\">\n", text.trim_end_matches('\n'))
}

/// A code block whose fence is longer than any in the text.
pub(super) fn code(text: &str) -> String {
    let mut longest = 0;
    let mut ticks = 0;
    for c in text.chars() {
        ticks = if c == '`' { ticks + 1 } else { 0 };
        longest = longest.max(ticks);
    }
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{text}\n{fence}\n")
}

/// The first of them, and how many more there are.
pub(super) fn list(out: &mut String, items: impl ExactSizeIterator<Item = String>, most: usize) {
    let total = items.len();
    for item in items.take(most) {
        let _ = writeln!(out, "{item}");
    }
    if total > most {
        let _ = writeln!(out, "[… {} more left out …]", total - most);
    }
}
