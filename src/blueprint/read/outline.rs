//! The Markdown around the blocks: title, tiers, sections, markers and metadata comments.
//!
//! Tells for every fence which tier and section it stands in and which task its heading or marker
//! announces. Whether the block agrees is checked once all ids are known.

use crate::blueprint::model::Tier;
use crate::diagnostic::Span;
use crate::document::source::offset;
use crate::document::{Document, Excerpt, Fence, Piece, Text};

/// An id that a heading or a marker announces.
#[derive(Clone, Debug)]
pub(super) struct Announced<'s> {
    pub(super) id: Excerpt<'s>,
    pub(super) span: Span,
}

/// A fence and where it stands.
pub(super) struct Item<'s> {
    pub(super) fence: Fence,
    pub(super) tier: Option<u32>,
    /// The heading right above, if no other fence stands between.
    pub(super) heading: Option<Announced<'s>>,
    pub(super) marker: Option<Announced<'s>>,
    pub(super) section: Span,
}

impl Item<'_> {
    /// Whether nothing above the fence names another task than `id`.
    pub(super) fn announces(&self, id: &str) -> bool {
        [&self.heading, &self.marker].into_iter().flatten().all(|announced| announced.id == id)
    }
}

pub(super) struct Outline<'s> {
    pub(super) items: Vec<Item<'s>>,
    pub(super) tiers: Vec<Tier>,
    pub(super) title: Option<Text<'s>>,
    pub(super) banner: Vec<(String, String)>,
    pub(super) vision: Option<String>,
    pub(super) metrics: Vec<Vec<String>>,
    pub(super) metadata: Vec<(Text<'s>, Text<'s>)>,
    /// `TASK_END` markers and the id their `TASK_BEGIN` announced.
    pub(super) marker_ends: Vec<(Announced<'s>, Option<Excerpt<'s>>)>,
}

/// Takes the pieces of the document: only its fences are kept.
pub(super) fn read<'s>(document: &mut Document<'s>) -> Outline<'s> {
    let pieces = std::mem::take(&mut document.pieces);
    let fences = pieces.iter().filter(|piece| matches!(piece, Piece::Fence(_))).count();
    let mut outline = Outline {
        items: Vec::with_capacity(fences),
        tiers: Vec::new(),
        title: None,
        banner: Vec::new(),
        vision: None,
        metrics: Vec::new(),
        metadata: Vec::new(),
        marker_ends: Vec::new(),
    };
    let mut tier: Option<(u32, u8)> = None;
    let mut heading: Option<Announced<'s>> = None;
    let mut marker: Option<Announced<'s>> = None;
    let mut section_start = 0;
    // Items whose section is still open.
    let mut open_items = 0;
    let mut topic = String::new();
    for piece in pieces {
        match piece {
            Piece::Heading { level, title, span } => {
                for item in &mut outline.items[open_items..] {
                    item.section.end = span.start;
                }
                open_items = outline.items.len();
                section_start = span.start;
                topic = title.to_lowercase();
                if let Some(number) = tier_number(&title) {
                    tier = Some((offset(outline.tiers.len()), level));
                    let title = title.split_once(':').map_or("", |(_, rest)| rest).trim().to_owned();
                    outline.tiers.push(Tier { number: Some(number), title, span });
                } else if tier.is_some_and(|(_, tier_level)| level <= tier_level) {
                    tier = None;
                }
                if level == 1 && outline.title.is_none() && tier_number(&title).is_none() {
                    outline.title = Some(Text { value: title.to_string().into(), span });
                }
                heading = announced(&title).map(|id| {
                    // The document's own characters, unless markup stands between them.
                    let written = document.source.slice(span);
                    let id = match written.find(id) {
                        Some(at) => written[at..at + id.len()].into(),
                        None => id.to_owned().into(),
                    };
                    Announced { id, span }
                });
            }
            Piece::Fence(fence) => {
                outline.items.push(Item {
                    tier: tier.map(|(index, _)| index),
                    heading: if fence.is_yaml() { heading.take() } else { None },
                    marker: marker.clone().filter(|_| fence.is_yaml()),
                    section: Span::new(section_start.min(fence.span.start), fence.span.end),
                    fence,
                });
            }
            Piece::Comment(span) => {
                let text = document.source.slice(span);
                if let Some((begins, id)) = task_marker(text) {
                    let found = Announced { id: id.into(), span };
                    if begins {
                        marker = Some(found);
                    } else {
                        outline.marker_ends.push((found, marker.take().map(|marker| marker.id)));
                    }
                } else {
                    metadata(document, span, &mut outline.metadata);
                }
            }
            Piece::Quote { lines, .. } if outline.banner.is_empty() && outline.items.is_empty() => {
                outline.banner = lines
                    .iter()
                    .filter_map(|line| line.split_once(':'))
                    .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
                    .collect();
            }
            Piece::Table { rows, .. } if topic.contains("metric") && outline.metrics.is_empty() => {
                outline.metrics = rows;
            }
            Piece::Paragraph(span) if topic.contains("vision") && outline.vision.is_none() => {
                outline.vision = Some(document.source.slice(span).trim().to_owned());
            }
            _ => {}
        }
    }
    let end = offset(document.source.text().len());
    for item in &mut outline.items[open_items..] {
        item.section.end = end;
    }
    outline
}

/// `Tier 2: …` → 2.
fn tier_number(title: &str) -> Option<u32> {
    let rest = title.strip_prefix("Tier ").or_else(|| title.strip_prefix("TIER "))?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let after = rest[digits..].chars().next();
    (digits > 0 && !after.is_some_and(char::is_alphanumeric)).then(|| rest[..digits].parse().ok()).flatten()
}

/// The first word of a heading, if it could be a task's id: it holds a digit.
fn announced(title: &str) -> Option<&str> {
    // `✅ T1.2: …`
    let title = title.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let word = title.split([' ', '\t', ':', '—', '–']).next()?.trim_end_matches(['.', ',', ')']);
    (word.contains(|c: char| c.is_ascii_digit()) && super::super::id_problem(word).is_ok()).then_some(word)
}

/// `TASK_BEGIN: T0.1` → (true, "T0.1").
fn task_marker(text: &str) -> Option<(bool, &str)> {
    let text = text.trim();
    let (begins, rest) = match text.strip_prefix("TASK_BEGIN") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("TASK_END")?),
    };
    let id = rest.trim_start_matches(':').trim();
    Some((begins, id.split_whitespace().next().unwrap_or_default()))
}

/// `_key: value` lines of a comment.
fn metadata<'s>(document: &Document<'s>, span: Span, metadata: &mut Vec<(Text<'s>, Text<'s>)>) {
    let text = document.source.text();
    let mut at = span.start;
    for line in text[span.range()].split_inclusive('\n') {
        let start = at;
        at += offset(line.len());
        let trimmed = line.trim();
        if !trimmed.starts_with('_') {
            continue;
        }
        let Some((key, value)) = trimmed.split_once(':') else {
            continue;
        };
        if key.contains(char::is_whitespace) {
            continue;
        }
        let key_start = start + offset(line.len() - line.trim_start().len());
        let piece = |from: u32, piece: &str| Span::new(from, from + offset(piece.len()));
        let value_trimmed = value.trim();
        let value_start = key_start + offset(key.len() + 1 + (value.len() - value.trim_start().len()));
        let unquoted = value_trimmed.trim_matches('"');
        metadata.push((
            Text { value: key.to_owned().into(), span: piece(key_start, key) },
            Text { value: unquoted.to_owned().into(), span: piece(value_start, value_trimmed) },
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{announced, task_marker, tier_number};

    #[test]
    fn f_05_headings_announce_tiers_and_tasks() {
        assert_eq!(tier_number("Tier 12: Foo — bar"), Some(12));
        assert_eq!(tier_number("Tier 3"), Some(3));
        assert_eq!(tier_number("Tier 1a"), None);
        assert_eq!(tier_number("Tiers 1"), None);
        assert_eq!(announced("T0.1: Name"), Some("T0.1"));
        assert_eq!(announced("✅ T0.1.2 — Name"), Some("T0.1.2"));
        assert_eq!(announced("Overview of T0.1"), None);
        assert_eq!(task_marker(" TASK_BEGIN: T0.1 "), Some((true, "T0.1")));
        assert_eq!(task_marker("TASK_END:T0.1"), Some((false, "T0.1")));
        assert_eq!(task_marker("TASKS"), None);
    }
}
