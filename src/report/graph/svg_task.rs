//! Tasks in the SVG drawing: boxes, frames, their writing and badges.
//!
//! Guarantees: each task is one element with the task's id and a tooltip that says in words
//! everything the drawing says with marks, lines and colours.
//!
//! Does not know arrows, and does not decide where a task stands.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::caption::{list_locks, unusual_executor};
use super::escape::escape_xml;
use super::layout::Layout;
use super::measure::Rect;
use super::picture::Picture;
use super::plaque::{Badge, BadgeKind, ICON_WIDTH, PADDING, Plaque};

fn open_task(out: &mut String, picture: &Picture, task: usize, id: &str, kind: &str) {
    let node = &picture.nodes[task];
    let critical = if node.critical { " critical" } else { "" };
    let status = node.status;
    if let Some(link) = &picture.link {
        let _ = write!(out, "<a href=\"{}{}\">", escape_xml(link), escape_xml(&node.id));
    }
    let _ = write!(
        out,
        "<g id=\"{}\" class=\"task {kind} {}{critical}\"><title>{} {}\nstatus: {}",
        escape_xml(id),
        status.class(),
        escape_xml(&node.id),
        escape_xml(&node.name),
        status.describe()
    );
    if let Some(executor) = unusual_executor(node) {
        let _ = write!(out, "\nexecutor: {}", escape_xml(executor));
    }
    if let Some(gate) = &node.gate {
        let _ = write!(out, "\ngate: {}", escape_xml(&gate.describe()));
    }
    for lock in list_locks(picture, node) {
        let mode = if lock.exclusive { "exclusive" } else { "shared" };
        let _ = write!(out, "\nlock ({mode}): {}", escape_xml(lock.name));
    }
    if node.critical {
        out.push_str("\non the critical path");
    }
    out.push_str("</title>");
}

fn close_task(out: &mut String, picture: &Picture) {
    out.push_str(if picture.link.is_some() { "</g></a>\n" } else { "</g>\n" });
}

/// Element ids: the task's own where that is possible, made distinct where it is repeated.
fn name_elements(picture: &Picture) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::with_capacity(picture.nodes.len());
    for (at, node) in picture.nodes.iter().enumerate() {
        // Spaces would end an element id.
        let mut name = format!("task-{}", node.id.split_whitespace().collect::<Vec<_>>().join("_"));
        if taken.contains(&name) {
            let _ = write!(name, "~{at}");
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Frames go below the arrows and boxes above, so that lines never hide a box.
pub(super) fn write_frames(out: &mut String, picture: &Picture, layout: &Layout) {
    let names = name_elements(picture);
    let mut outermost_first: Vec<usize> =
        (0..picture.nodes.len()).filter(|&task| layout.nesting.is_frame(task)).collect();
    outermost_first.sort_by_key(|&task| layout.nesting.depth[task]);
    for task in outermost_first {
        let (rect, plaque) = (layout.outlines[task], &layout.plaques[task]);
        open_task(out, picture, task, &names[task], "frame-of-children");
        write_rect(out, "frame", rect);
        let title = Rect { bottom: rect.top + plaque.height, ..rect };
        write_rect(out, "title", title);
        close_task(out, picture);
    }
}

/// The writing of frames, above the arrows with a halo like the tier titles.
pub(super) fn write_frame_titles(out: &mut String, picture: &Picture, layout: &Layout) {
    for task in (0..picture.nodes.len()).filter(|&task| layout.nesting.is_frame(task)) {
        let class = picture.nodes[task].status.class();
        let _ = write!(out, "<g class=\"writing {class}\">");
        write_plaque(out, class, layout.outlines[task], &layout.plaques[task]);
        out.push_str("</g>\n");
    }
}

pub(super) fn write_boxes(out: &mut String, picture: &Picture, layout: &Layout) {
    let names = name_elements(picture);
    for task in (0..picture.nodes.len()).filter(|&task| !layout.nesting.is_frame(task)) {
        let rect = layout.outlines[task];
        open_task(out, picture, task, &names[task], "single");
        write_rect(out, "box", rect);
        write_plaque(out, picture.nodes[task].status.class(), rect, &layout.plaques[task]);
        close_task(out, picture);
    }
}

fn write_rect(out: &mut String, class: &str, rect: Rect) {
    let (width, height) = (rect.right - rect.left, rect.bottom - rect.top);
    let (left, top) = (rect.left, rect.top);
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>"
    );
}

fn write_plaque(out: &mut String, mark: &str, rect: Rect, plaque: &Plaque) {
    let (left, top) = (rect.left, rect.top);
    let _ = write!(
        out,
        "<use href=\"#mark-{mark}\" x=\"{:.1}\" y=\"{:.1}\"/><text class=\"id\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        left + PADDING,
        top + plaque.id.baseline - 9.5,
        left + plaque.id.left,
        top + plaque.id.baseline,
        escape_xml(&plaque.id.text)
    );
    if let Some(executor) = &plaque.executor {
        let _ = write!(
            out,
            "<text class=\"executor\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            rect.right - PADDING,
            top + plaque.id.baseline,
            escape_xml(executor)
        );
    }
    for line in &plaque.name {
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + line.left,
            top + line.baseline,
            escape_xml(&line.text)
        );
    }
    for badge in &plaque.badges {
        write_badge(out, left + badge.left, top + badge.top, badge);
    }
}

/// A badge with its icon: a filled padlock is exclusive, an open outline shared.
pub(super) fn write_badge(out: &mut String, left: f64, top: f64, badge: &Badge) {
    let (class, icon) = match badge.kind {
        BadgeKind::Exclusive => ("lock", "lock-exclusive"),
        BadgeKind::Shared => ("lock shared", "lock-shared"),
        BadgeKind::Gate => ("gate", "gate-sign"),
    };
    let _ = write!(
        out,
        "<rect class=\"badge {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"14\" rx=\"3\"/>\
         <use href=\"#{icon}\" x=\"{:.1}\" y=\"{:.1}\"/>\
         <text class=\"badge-text\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        badge.width,
        left + 2.5,
        top + 1.5,
        left + ICON_WIDTH,
        top + 10.5,
        escape_xml(&badge.text)
    );
}
