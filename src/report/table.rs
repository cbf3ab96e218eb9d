//! Rows under headings, for people: every column as wide as it must be, the last one as wide as it may be.
//!
//! Guarantees: a row is a line, whatever its cells hold; nothing in a cell reaches the terminal but text.
//! It does not know how wide the terminal is unless it is told.

use super::progress::plain;

/// The room between two columns.
const GAP: usize = 2;
/// The last column is not made narrower than this.
const LEAST: usize = 8;

#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    /// The table; where there are `columns`, the last cell of a row gives way.
    pub fn text(&self, columns: Option<usize>) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let before: usize = widths.iter().take(count.saturating_sub(1)).map(|width| width + GAP).sum();
        let room = columns.map(|columns| columns.saturating_sub(before).max(LEAST));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column + 1 == count {
                    line += &cut(cell, room);
                } else {
                    line += &format!("{cell:<width$}{:GAP$}", "", width = *width);
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// A text in one line, without what could move the cursor.
pub fn one_line(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A text behind a heading, in lines that keep to the columns if there are any: what does not fit goes on
/// below itself.
pub fn wrapped(heading: &str, text: &str, columns: Option<usize>) -> String {
    let indent = heading.chars().count();
    let mut lines = heading.to_owned();
    let mut at = indent;
    for word in one_line(text).split(' ') {
        let length = word.chars().count();
        if at > indent && columns.is_some_and(|columns| at + 1 + length > columns) {
            lines += &format!("\n{:indent$}", "");
            at = indent;
        } else if at > indent {
            lines.push(' ');
            at += 1;
        }
        lines += word;
        at += length;
    }
    lines.push('\n');
    lines
}

fn cut(cell: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if cell.chars().count() > room => cell.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, one_line, wrapped};

    fn table() -> Table {
        let mut table = Table::new(&["RUN", "NAME"]);
        table.row(&["20261121".to_owned(), "a name\nof two lines".to_owned()]);
        table.row(&["1".to_owned(), "\u{1b}[31mred\u{1b}[0m\u{7}".to_owned()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        assert_eq!(table().text(None), "RUN       NAME\n20261121  a name of two lines\n1         red\u{fffd}\n");
    }

    #[test]
    fn a_text_in_one_line_has_no_room_for_tricks() {
        assert_eq!(one_line(" two\n lines\t\u{1b}[31m \u{1b}[0mend\r"), "two lines end");
    }

    #[test]
    fn long_texts_go_on_below_themselves() {
        assert_eq!(wrapped("  who: ", "anybody\nbut ada", None), "  who: anybody but ada\n");
        assert_eq!(wrapped("  who: ", "anybody but ada", Some(18)), "  who: anybody but\n       ada\n");
        assert_eq!(
            wrapped("  who: ", "a-very-long-name of one", Some(10)),
            "  who: a-very-long-name\n       of\n       one\n"
        );
    }

    #[test]
    fn the_last_column_gives_way() {
        assert_eq!(table().text(Some(20)), "RUN       NAME\n20261121  a name of…\n1         red\u{fffd}\n");
        assert!(table().text(Some(3)).contains("a name …"));
    }
}
