//! Cuts and wraps text to a width, in pixels or in terminal columns.
//!
//! Guarantees: what comes back is not wider than asked for by this file's own measure, lost
//! text is marked with an ellipsis, and the cost is linear in the part that is kept plus the
//! length of the text once.
//!
//! Does not know fonts: pixel widths are rough averages of common sans-serif faces, on the
//! generous side.

/// How wide a text is in a proportional face of `size` pixels.
pub(super) fn measure_text(text: &str, size: f64) -> f64 {
    text.chars().map(|c| measure_char(c) * size).sum()
}

fn measure_char(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '\'' | '|' | '.' | ',' | ':' | ';' | '!' => 0.30,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' | '`' | '"' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' | '…' => 0.93,
        'A'..='Z' | '&' | '+' | '=' | '<' | '>' | '~' | '#' => 0.71,
        c if count_columns(c) == 2 => 1.1,
        c if count_columns(c) == 0 => 0.0,
        _ => 0.59,
    }
}

/// Width of one character of a fixed-width face, as a part of its size.
pub(super) const MONO: f64 = 0.61;

/// How many terminal columns a character takes.
pub(super) fn count_columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        0x231a | 0x231b | 0x23e9..=0x23f3 | 0x26a1 | 0x26d4 | 0x2705 | 0x274c | 0x2753..=0x2757 => 2,
        _ => 1,
    }
}

/// The text cut so that `measure` of every kept character fits into `room`.
fn cut_by(text: &str, room: f64, measure: impl Fn(char) -> f64) -> String {
    let mut used = 0.0;
    let mut kept_with_mark = 0;
    for (at, c) in text.char_indices() {
        if used + measure('…') <= room {
            kept_with_mark = at;
        }
        used += measure(c);
        if used > room {
            if measure('…') > room {
                return String::new();
            }
            return format!("{}…", text[..kept_with_mark].trim_end());
        }
    }
    text.to_owned()
}

/// The text cut to `room` pixels.
pub(super) fn cut_text(text: &str, size: f64, room: f64) -> String {
    cut_by(text, room, |c| measure_char(c) * size)
}

/// The text cut to `room` pixels of a fixed-width face.
pub(super) fn cut_mono(text: &str, size: f64, room: f64) -> String {
    cut_by(text, room, |c| columns_as_f64(count_columns(c)) * MONO * size)
}

/// The text cut to `room` terminal columns.
pub(super) fn cut_columns(text: &str, room: usize) -> String {
    cut_by(text, columns_as_f64(room), |c| columns_as_f64(count_columns(c)))
}

fn columns_as_f64(columns: usize) -> f64 {
    f64::from(u32::try_from(columns).unwrap_or(u32::MAX))
}

/// The text on at most `lines` lines of `room` pixels, broken between words where possible.
pub(super) fn wrap_text(text: &str, size: f64, room: f64, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if measure_text(&longer, size) <= room || line.is_empty() && wrapped.len() + 1 < lines {
            line = longer;
            continue;
        }
        if wrapped.len() + 1 >= lines {
            // The last line takes all that is left, to be cut; a few words more are enough.
            line = longer;
            for rest in words.by_ref().take(8) {
                line.push(' ');
                line.push_str(rest);
            }
            break;
        }
        wrapped.push(cut_text(&line, size, room));
        line = word.to_owned();
    }
    if !line.is_empty() {
        wrapped.push(cut_text(&line, size, room));
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::{count_columns, cut_columns, measure_text, wrap_text};

    #[test]
    fn cuts_fit_and_say_so() {
        for room in 0..12 {
            let cut = cut_columns("日本 abcdefgh", room);
            assert!(cut.chars().map(count_columns).sum::<usize>() <= room);
        }
        assert_eq!(cut_columns("abcdef", 4), "abc…");
        assert_eq!(cut_columns("abcd", 4), "abcd");
    }

    #[test]
    fn wrapped_lines_fit() {
        let text = "Create the averyveryveryveryverylongwordindeed backend for everything in sight";
        let lines = wrap_text(text, 12.0, 90.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|l| measure_text(l, 12.0) <= 90.0));
        assert!(lines[2].ends_with('…'));
        assert_eq!(wrap_text("", 12.0, 90.0, 3).len(), 0);
    }
}
