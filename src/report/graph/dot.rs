//! The dependency graph as Graphviz source.
//!
//! Guarantees: linear cost, the same text for the same picture, and text that `dot` accepts
//! whatever the ids and names contain. Every distinct arrow is written, also implied ones; only
//! repeated arrows between the same two tasks are merged.
//!
//! Does not lay anything out: that is Graphviz's work.

use std::fmt::Write;

use super::caption::{list_locks, unusual_executor};
use super::escape::{escape_dot, name_nodes};
use super::nesting::{Nesting, nest_tasks};
use super::picture::{ArrowKind, Picture, Status};
use super::reduction::{mark_critical, merge_duplicates};

const HEAD: &str = "  \
  graph [rankdir=TB, fontname=\"Helvetica\", labelloc=t, labeljust=l, nodesep=0.25, ranksep=0.45];
  node [shape=box, style=\"filled,rounded\", fillcolor=\"#ffffff\", color=\"#57606a\", fontname=\"Helvetica\", fontsize=11];
  edge [color=\"#57606a\", fontname=\"Helvetica\", fontsize=9];
";

/// How far apart two words of a name may be before the label breaks there.
const LABEL_COLUMNS: usize = 28;

/// Draws the picture as Graphviz source.
pub fn dot(picture: &Picture) -> String {
    let nesting = nest_tasks(picture);
    let names = name_nodes(picture);
    let mut out = String::from("digraph blueprint {\n");
    // Writing to a String cannot fail, so the results are dropped throughout.
    let _ = writeln!(out, "  label=\"{}\";", escape_dot(&picture.title));
    out.push_str(HEAD);
    for tier in 0..nesting.tiers.len() {
        let title = escape_dot(&nesting.title_tier(picture, tier));
        let _ = writeln!(out, "  subgraph cluster_tier_{tier} {{");
        let _ = writeln!(out, "    label=\"{title}\"; style=filled; color=\"#d0d7de\"; fillcolor=\"#f6f8fa\";");
        write_tier(&mut out, picture, &nesting, &names, tier);
        out.push_str("  }\n");
    }
    write_arrows(&mut out, picture, &names);
    out.push_str("}\n");
    out
}

fn write_tier(out: &mut String, picture: &Picture, nesting: &Nesting, names: &[String], tier: usize) {
    let mut open_depth = 0;
    for task in nesting.walk_tier(tier) {
        let depth = nesting.depth[task];
        while open_depth > depth {
            let _ = writeln!(out, "{}}}", indent(open_depth));
            open_depth -= 1;
        }
        if nesting.is_frame(task) {
            let node = &picture.nodes[task];
            let title = escape_dot(&format!("{} {}", node.id, node.name));
            let _ = writeln!(out, "{}subgraph cluster_in_{} {{", indent(depth + 1), names[task]);
            open_depth = depth + 1;
            let margin = indent(open_depth + 1);
            let _ = writeln!(out, "{margin}label=\"{title}\"; style=filled; color=\"#8c959f\"; fillcolor=\"#eaeef2\";");
        }
        write_task(out, picture, names, task, open_depth);
    }
    while open_depth > 0 {
        let _ = writeln!(out, "{}}}", indent(open_depth));
        open_depth -= 1;
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth + 1)
}

fn fill_status(status: Status) -> &'static str {
    match status {
        Status::NotStarted => "#ffffff",
        Status::InProgress => "#ddf4ff",
        Status::Complete => "#dafbe1",
        Status::Blocked => "#fff8c5",
        Status::Skipped => "#eaeef2",
        Status::Checkpointed => "#fbefff",
        Status::Failed => "#ffebe9",
        Status::Asked => "#f1e5ff",
        Status::Unknown => "#fff1d6",
        Status::Undone => "#e6ecf3",
    }
}

fn break_label(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + length >= LABEL_COLUMNS {
            out.push_str("\\n");
            column = 0;
        } else if column > 0 {
            out.push(' ');
        }
        out.push_str(&escape_dot(word));
        column += length + 1;
    }
    out
}

fn write_task(out: &mut String, picture: &Picture, names: &[String], task: usize, depth: usize) {
    let node = &picture.nodes[task];
    let mut label = format!("{}\\n{}", escape_dot(&node.id), break_label(&node.name));
    if let Some(executor) = unusual_executor(node) {
        let _ = write!(label, "\\nexecutor: {}", escape_dot(executor));
    }
    for lock in list_locks(picture, node) {
        let _ = write!(label, "\\nlock: {}", escape_dot(&lock.describe()));
    }
    if node.status != Status::NotStarted {
        let _ = write!(label, "\\n[{}]", node.status.describe());
    }
    let name = &names[task];
    let margin = indent(depth + 1);
    let weight = if node.critical { ", penwidth=3" } else { "" };
    let tooltip = escape_dot(&node.name);
    let fill = fill_status(node.status);
    let _ = writeln!(out, "{margin}{name} [label=\"{label}\", tooltip=\"{tooltip}\", fillcolor=\"{fill}\"{weight}];");
    if let Some(gate) = &node.gate {
        let action = break_label(&gate.describe());
        let _ = writeln!(
            out,
            "{margin}gate_{name} [shape=octagon, style=filled, fillcolor=\"#fff1e5\", color=\"#bc4c00\", label=\"gate:\\n{action}\"];"
        );
    }
}

fn write_arrows(out: &mut String, picture: &Picture, names: &[String]) {
    let arrows = merge_duplicates(picture);
    let hot = mark_critical(picture, &arrows);
    for (place, &at) in arrows.iter().enumerate() {
        let arrow = &picture.arrows[at];
        let mut style = match arrow.kind {
            ArrowKind::Implied => "style=dashed".to_owned(),
            ArrowKind::Order => String::new(),
            ArrowKind::Data => "color=\"#0969da:#0969da\", fontcolor=\"#0a3069\"".to_owned(),
        };
        if arrow.kind == ArrowKind::Data
            && let Some(port) = &arrow.label
        {
            let _ = write!(style, ", label=\"{}\"", escape_dot(port));
        }
        if hot[place] {
            let _ = write!(style, "{}penwidth=3", if style.is_empty() { "" } else { ", " });
        }
        let _ = writeln!(out, "  {} -> {} [{style}];", names[arrow.from], names[arrow.to]);
    }
    for (node, name) in picture.nodes.iter().zip(names) {
        match &node.gate {
            Some(gate) if gate.after => {
                let _ = writeln!(out, "  {name} -> gate_{name} [dir=none, color=\"#bc4c00\"];");
            }
            Some(_) => {
                let _ = writeln!(out, "  gate_{name} -> {name} [color=\"#bc4c00\"];");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{mixed_picture, plain_picture};
    use super::dot;

    #[test]
    fn braces_balance_and_text_stays_quoted() {
        let mut picture = mixed_picture(3, 60);
        picture.nodes[8].name = "x\" ]; } \\".to_owned();
        let text = dot(&picture);
        assert!(text.contains("x\\\" ]; } \\\\"));
        let opened = text.lines().filter(|l| l.ends_with('{')).count();
        let closed = text.lines().filter(|l| l.trim() == "}").count();
        assert_eq!(opened, closed);
    }

    #[test]
    fn same_picture_same_text() {
        assert_eq!(dot(&mixed_picture(5, 90)), dot(&mixed_picture(5, 90)));
    }

    #[test]
    fn large_and_empty_pictures() {
        let pairs: Vec<(usize, usize)> = (1..20_000).map(|at| (at / 2, at)).collect();
        assert!(dot(&plain_picture(20_000, &pairs)).lines().count() > 39_000);
        assert!(dot(&plain_picture(0, &[])).starts_with("digraph"));
    }
}
