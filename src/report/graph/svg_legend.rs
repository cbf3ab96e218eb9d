//! The legend below the SVG drawing.
//!
//! Guarantees: every line style, mark and badge the drawing may use is explained, and the
//! legend stays within the width of the drawing.
//!
//! What only runs have is explained only where it is used; of the rest it does not know what the drawing uses.

use std::fmt::Write;

use super::caption::STATUSES;
use super::escape::escape_xml;
use super::measure::MARGIN;
use super::picture::{ArrowKind, Picture, Status};
use super::plaque::{Badge, BadgeKind, ICON_WIDTH};
use super::reduction::DrawnArrow;
use super::svg_arrow::dress_arrow;
use super::svg_task::write_badge;
use super::text::measure_text;

const ROW: f64 = 20.0;
const SIZE: f64 = 12.0;

struct Pen<'a> {
    out: &'a mut String,
    width: f64,
    left: f64,
    top: f64,
}

impl Pen<'_> {
    /// Makes room for an entry and returns its left edge; starts a new row where needed.
    fn take(&mut self, picture_width: f64, text: &str) -> f64 {
        let wide = picture_width + 6.0 + measure_text(text, SIZE) + 20.0;
        if self.left > MARGIN && self.left + wide > self.width - MARGIN {
            self.left = MARGIN;
            self.top += ROW;
        }
        let at = self.left;
        self.left += wide;
        at
    }

    fn explain(&mut self, left: f64, text: &str) {
        let baseline = self.top + 13.0;
        // Writing to a String cannot fail.
        let _ =
            writeln!(self.out, "<text class=\"note\" x=\"{left:.1}\" y=\"{baseline:.1}\">{}</text>", escape_xml(text));
    }

    fn new_row(&mut self) {
        self.left = MARGIN;
        self.top += ROW;
    }
}

/// Writes the legend from `top` downwards and returns where the drawing ends.
pub(super) fn write_legend(out: &mut String, picture: &Picture, width: f64, top: f64, left_out: usize) -> f64 {
    let mut pen = Pen { out, width, left: MARGIN, top };
    write_arrow_entries(&mut pen);
    pen.new_row();
    write_badge_entries(&mut pen);
    pen.new_row();
    let used = |status: Status| picture.nodes.iter().any(|node| node.status == status);
    for status in STATUSES.into_iter().filter(|status| !status.is_of_a_run() || used(*status)) {
        let at = pen.take(12.0, status.describe());
        let _ = write!(pen.out, "<use href=\"#mark-{}\" x=\"{at:.1}\" y=\"{:.1}\"/>", status.class(), pen.top + 4.0);
        pen.explain(at + 18.0, status.describe());
    }
    pen.new_row();
    let mut notes = vec![
        "An arrow points from a task to the one that needs it.".to_owned(),
        "A frame is a parent task around its children: arrows to and from its title row belong to the parent alone."
            .to_owned(),
    ];
    if left_out > 0 {
        notes.push(format!("Arrows left out because others imply them: {left_out}."));
    }
    for note in notes {
        let at = pen.take(0.0, &note);
        pen.explain(at, &note);
    }
    pen.top + ROW + 8.0
}

fn write_arrow_entries(pen: &mut Pen<'_>) {
    let plain = DrawnArrow { arrow: 0, back: false, critical: false };
    let hot = DrawnArrow { critical: true, ..plain };
    let back = DrawnArrow { back: true, ..plain };
    for (kind, drawn, text) in [
        (ArrowKind::Order, plain, "must come first"),
        (ArrowKind::Data, plain, "hands over data (dot at the start)"),
        (ArrowKind::Implied, plain, "implied by parent and child"),
        (ArrowKind::Order, hot, "critical path (heavy line and outline)"),
        (ArrowKind::Order, back, "closes a cycle"),
    ] {
        let at = pen.take(40.0, text);
        let (class, head, dot) = dress_arrow(kind, drawn);
        let start = if dot.is_empty() { String::new() } else { format!(" marker-start=\"url(#{dot})\"") };
        let y = pen.top + 9.0;
        let _ = write!(
            pen.out,
            "<path class=\"arrow {class}\" d=\"M{:.1} {y:.1}H{:.1}\" marker-end=\"url(#{head})\"{start}/>",
            at + 4.0,
            at + 40.0
        );
        pen.explain(at + 46.0, text);
    }
}

fn write_badge_entries(pen: &mut Pen<'_>) {
    for (kind, label, text) in [
        (BadgeKind::Gate, "action", "gate: a person decides, before the task unless it says after"),
        (BadgeKind::Exclusive, "name", "lock held exclusively"),
        (BadgeKind::Shared, "name (shared)", "lock shared"),
    ] {
        let width = measure_text(label, 10.0) + ICON_WIDTH + 5.0;
        let at = pen.take(width, text);
        let badge = Badge { kind, text: label.to_owned(), left: 0.0, top: 0.0, width };
        write_badge(pen.out, at, pen.top + 2.0, &badge);
        pen.explain(at + width + 6.0, text);
    }
}
