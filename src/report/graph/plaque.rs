//! What is written on a task: its lines and badges, and how much height they take.
//!
//! Guarantees: everything fits the width given, by the measure of `text`; a name takes at most
//! three lines on a box and two on a frame's title row.
//!
//! Does not know where the task stands and does not write SVG.

use super::caption::{list_locks, unusual_executor};
use super::escape::flatten_text;
use super::picture::{NodeBox, Picture};
use super::text::{MONO, cut_mono, cut_text, measure_text, wrap_text};

pub(super) const ID_SIZE: f64 = 12.5;
pub(super) const NAME_SIZE: f64 = 11.5;
pub(super) const BADGE_SIZE: f64 = 10.0;
pub(super) const PADDING: f64 = 8.0;
const ID_HEIGHT: f64 = 16.0;
pub(super) const NAME_HEIGHT: f64 = 14.0;
pub(super) const BADGE_HEIGHT: f64 = 15.0;
const BADGE_GAP: f64 = 3.0;
/// Room for the status mark in front of the id.
pub(super) const MARK_WIDTH: f64 = 15.0;
/// Room for the picture inside a badge.
pub(super) const ICON_WIDTH: f64 = 15.0;

/// What a badge stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadgeKind {
    Exclusive,
    Shared,
    Gate,
}

/// A badge, placed relative to the task's upper left corner.
#[derive(Clone, Debug)]
pub(super) struct Badge {
    pub kind: BadgeKind,
    pub text: String,
    pub left: f64,
    pub top: f64,
    pub width: f64,
}

/// Text with its baseline, relative to the task's upper left corner.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub text: String,
    pub left: f64,
    pub baseline: f64,
}

/// Everything written on one task.
pub(super) struct Plaque {
    pub id: Line,
    pub executor: Option<String>,
    pub name: Vec<Line>,
    pub badges: Vec<Badge>,
    pub height: f64,
}

/// Writes the plaque of a task `width` pixels wide; a frame's title row keeps the name beside
/// the id where it fits.
pub(super) fn write_plaque(picture: &Picture, node: &NodeBox, width: f64, frame: bool) -> Plaque {
    let room = width - 2.0 * PADDING;
    let executor = unusual_executor(node).map(|name| cut_text(&flatten_text(name), BADGE_SIZE, room * 0.4));
    let taken = executor.as_ref().map_or(0.0, |e| measure_text(e, BADGE_SIZE) + 8.0);
    let id_room = room - MARK_WIDTH - taken;
    let id = cut_mono(&flatten_text(&node.id), ID_SIZE, id_room);
    let id_width = ID_SIZE * MONO * f64::from(u32::try_from(id.chars().count()).unwrap_or(0));
    let name = flatten_text(&node.name);
    let mut top = PADDING - 2.0;
    let baseline = top + 12.0;
    let left = PADDING + MARK_WIDTH;
    let mut lines = Vec::new();
    let beside = id_room - id_width - 8.0;
    top += ID_HEIGHT;
    if frame && measure_text(&name, NAME_SIZE) <= beside {
        lines.push(Line { text: name, left: left + id_width + 8.0, baseline });
    } else {
        for text in wrap_text(&name, NAME_SIZE, room, if frame { 2 } else { 3 }) {
            lines.push(Line { text, left: PADDING, baseline: top + 11.0 });
            top += NAME_HEIGHT;
        }
    }
    let badges = flow_badges(list_badges(picture, node), room, &mut top);
    let id = Line { text: id, left, baseline };
    Plaque { id, executor, name: lines, badges, height: top + PADDING - 2.0 }
}

fn list_badges(picture: &Picture, node: &NodeBox) -> Vec<(BadgeKind, String)> {
    let mut badges = Vec::new();
    if let Some(gate) = &node.gate {
        badges.push((BadgeKind::Gate, flatten_text(&gate.describe())));
    }
    for lock in list_locks(picture, node) {
        let kind = if lock.exclusive { BadgeKind::Exclusive } else { BadgeKind::Shared };
        badges.push((kind, flatten_text(&lock.describe())));
    }
    badges
}

/// Puts badges side by side as far as they fit, then on further rows.
fn flow_badges(badges: Vec<(BadgeKind, String)>, room: f64, top: &mut f64) -> Vec<Badge> {
    let mut placed: Vec<Badge> = Vec::new();
    let mut left = 0.0;
    for (kind, text) in badges {
        let text = cut_text(&text, BADGE_SIZE, (room - ICON_WIDTH - 5.0) / 1.05);
        let width = measure_text(&text, BADGE_SIZE) * 1.05 + ICON_WIDTH + 5.0;
        if placed.is_empty() || left + width > room {
            left = 0.0;
            *top += BADGE_HEIGHT + BADGE_GAP;
        }
        placed.push(Badge { kind, text, left: PADDING + left, top: *top - BADGE_HEIGHT, width });
        left += width + BADGE_GAP;
    }
    placed
}
