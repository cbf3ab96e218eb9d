//! Makes any text safe inside SVG, Graphviz and Mermaid source.
//!
//! Guarantees: the text comes out on one line, control characters and other characters the
//! formats forbid are replaced, nothing can end the quotation or start markup; node names are
//! plain letters, digits and `_`, differ for different tasks, and stay recognisable.
//!
//! Does not cut or wrap text, and does not know what the text means.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::picture::Picture;

/// The text on one line: control characters become spaces, forbidden ones a replacement mark.
pub(super) fn flatten_text(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_control() => ' ',
            // XML 1.0 forbids the two noncharacters; direction overrides could disguise a name.
            '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            '\u{2028}' | '\u{2029}' => ' ',
            c => c,
        })
        .collect()
}

/// Text for XML content and for attribute values in either kind of quotes.
pub(in crate::report) fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in flatten_text(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text for a quoted Graphviz label, where backslashes and entities have a meaning of their own.
pub(super) fn escape_dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in flatten_text(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Text for a quoted Mermaid label. Punctuation is written as `#code;` because Mermaid reads
/// some of it as markup even inside quotes, list markers such as `1.` included.
pub(super) fn escape_mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut only_digits = true;
    let mut before = ' ';
    let flat = flatten_text(text);
    let mut rest = flat.trim_start().chars().peekable();
    while let Some(c) = rest.next() {
        let plain = match c {
            '.' => !only_digits,
            // Harmless inside a word only.
            '-' | '_' => before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric()),
            ' ' | ',' | '/' | '=' | '?' | '!' | ':' | '\u{27}' => true,
            c => !c.is_ascii() || c.is_ascii_alphanumeric(),
        };
        only_digits &= c.is_ascii_digit();
        before = c;
        if plain {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// Text as one quoted YAML value, for the head of a Mermaid document.
pub(super) fn quote_yaml(text: &str) -> String {
    format!("\"{}\"", flatten_text(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A task id as a node name: letters and digits stay, everything else becomes its code.
pub(super) fn name_node(id: &str) -> String {
    let mut out = String::from("t_");
    for c in id.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if c.is_ascii() {
            let _ = write!(out, "_{:02x}", u32::from(c));
        } else {
            let _ = write!(out, "_u{:x}_", u32::from(c));
        }
    }
    out
}

/// A distinct node name for every task, even where a broken document repeats an id.
pub(super) fn name_nodes(picture: &Picture) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::with_capacity(picture.nodes.len());
    for (at, node) in picture.nodes.iter().enumerate() {
        let mut name = name_node(&node.id);
        if taken.contains(&name) {
            // `_n` is never produced by an id, so the result is new.
            let _ = write!(name, "_n{at}");
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::sample::plain_picture;
    use super::{escape_dot, escape_mermaid, escape_xml, name_node, name_nodes, quote_yaml};

    #[test]
    fn nothing_ends_a_quotation_or_starts_markup() {
        let nasty = "a\"b'<c>&#;`[{(|)}]\\\n\r\t\0\u{1b}\u{fffe}";
        assert_eq!(escape_xml(nasty), "a&quot;b&#39;&lt;c&gt;&amp;#;`[{(|)}]\\     \u{fffd}");
        assert_eq!(escape_dot("a\"\\n&b\nc"), "a\\\"\\\\n&amp;b c");
        let mermaid = escape_mermaid(nasty);
        assert!(!mermaid.contains(['"', '<', '>', '&', '`', '[', '{', '(', '|', '\\', '\n', '\0']));
        assert_eq!(quote_yaml("a\"\\ \n b"), "\"a\\\"\\\\   b\"");
        assert_eq!(escape_mermaid("a;b#c"), "a#59;b#35;c");
        assert_eq!(escape_mermaid("1. one v1.2"), "1#46; one v1.2");
        assert_eq!(escape_mermaid("- item a-b_c _d_"), "#45; item a-b_c #95;d#95;");
    }

    #[test]
    fn node_names_are_plain_and_distinct() {
        assert_eq!(name_node("T0.1"), "t_T0_2e1");
        assert_ne!(name_node("T0_2e1"), name_node("T0.1"));
        assert_ne!(name_node("end"), "end");
        let mut picture = plain_picture(3, &[]);
        picture.nodes[2].id = picture.nodes[0].id.clone();
        let names = name_nodes(&picture);
        assert_ne!(names[0], names[2]);
        assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
    }
}
