//! The arrows of the SVG drawing.
//!
//! Guarantees: each kind of arrow differs from the others in more than colour; every arrow
//! explains itself in a tooltip.
//!
//! Does not decide where arrows run: that is `route`.

use std::fmt::Write;

use super::escape::escape_xml;
use super::layout::Layout;
use super::picture::{Arrow, ArrowKind, Picture};
use super::reduction::DrawnArrow;
use super::trace::Stroke;

const CORNER: f64 = 5.0;

/// Style classes, and the markers for the end and the start of an arrow.
pub(super) fn dress_arrow(kind: ArrowKind, drawn: DrawnArrow) -> (&'static str, &'static str, &'static str) {
    match (drawn.back, drawn.critical, kind) {
        (true, _, _) => ("cycle", "head-cycle", ""),
        (_, true, ArrowKind::Implied) => ("implied hot", "head-hot", ""),
        (_, true, ArrowKind::Order) => ("hot", "head-hot", ""),
        (_, true, ArrowKind::Data) => ("data hot", "head-hot", "dot-hot"),
        (_, _, ArrowKind::Implied) => ("implied", "head-implied", ""),
        (_, _, ArrowKind::Order) => ("order", "head", ""),
        (_, _, ArrowKind::Data) => ("data", "head-data", "dot-data"),
    }
}

/// Writes every arrow of the drawing.
pub(super) fn write_arrows(out: &mut String, picture: &Picture, layout: &Layout) {
    // The critical path comes last, so that it lies on top.
    let mut order: Vec<&(DrawnArrow, Stroke)> = layout.arrows.iter().collect();
    order.sort_by_key(|(drawn, _)| drawn.critical);
    for (drawn, stroke) in order {
        let arrow = &picture.arrows[drawn.arrow];
        let (class, head, dot) = dress_arrow(arrow.kind, *drawn);
        let start = if dot.is_empty() { String::new() } else { format!(" marker-start=\"url(#{dot})\"") };
        let _ = writeln!(
            out,
            "<path class=\"arrow {class}\" d=\"{}\" marker-end=\"url(#{head})\"{start}><title>{}</title></path>",
            draw_stroke(stroke),
            escape_xml(&explain_arrow(picture, arrow, *drawn))
        );
    }
}

fn explain_arrow(picture: &Picture, arrow: &Arrow, drawn: DrawnArrow) -> String {
    let (from, to) = (&picture.nodes[arrow.from].id, &picture.nodes[arrow.to].id);
    let why = match (arrow.kind, &arrow.label) {
        (ArrowKind::Implied, _) => " (parent and child)".to_owned(),
        (ArrowKind::Data, Some(port)) => format!(" for {port}"),
        _ => String::new(),
    };
    let cycle = if drawn.back { "; closes a cycle" } else { "" };
    format!("{to} needs {from}{why}{cycle}")
}

/// Path data; corners are rounded as far as the shorter side allows.
fn draw_stroke(stroke: &Stroke) -> String {
    let mut path = String::new();
    match stroke {
        Stroke::Curve((x1, y1), (x2, y2)) => {
            let pull = ((x2 - x1).abs() / 2.0).clamp(30.0, 140.0);
            let _ = write!(path, "M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + pull, x2 - pull);
        }
        Stroke::Bent(points) => {
            for (at, &(x, y)) in points.iter().enumerate() {
                if at == 0 {
                    let _ = write!(path, "M{x:.1} {y:.1}");
                } else if at + 1 == points.len() {
                    let _ = write!(path, "L{x:.1} {y:.1}");
                } else {
                    let (before, after) = (points[at - 1], points[at + 1]);
                    let (x1, y1) = approach((x, y), before);
                    let (x2, y2) = approach((x, y), after);
                    let _ = write!(path, "L{x1:.1} {y1:.1}Q{x:.1} {y:.1} {x2:.1} {y2:.1}");
                }
            }
        }
    }
    path
}

/// The point a corner's length away from `corner` towards `other`, at most half way.
fn approach(corner: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (other.0 - corner.0, other.1 - corner.1);
    let length = (dx * dx + dy * dy).sqrt();
    let part = if length > 0.0 { (CORNER / length).min(0.5) } else { 0.0 };
    (corner.0 + dx * part, corner.1 + dy * part)
}
