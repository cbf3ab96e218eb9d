//! The dependency graph as a Mermaid flowchart.
//!
//! Guarantees: linear cost, the same text for the same picture, and text that Mermaid accepts
//! whatever the ids and names contain. Every distinct arrow is written, also implied ones; only
//! repeated arrows between the same two tasks are merged.
//!
//! Does not lay anything out, and does not lift Mermaid's own limits (500 arrows by default).

use std::fmt::Write;

use super::caption::{STATUSES, list_locks, unusual_executor};
use super::escape::{escape_mermaid, name_nodes, quote_yaml};
use super::nesting::{Nesting, nest_tasks};
use super::picture::{ArrowKind, Picture, Status};
use super::reduction::{mark_critical, merge_duplicates};

const CLASSES: &str = "\
  classDef waiting fill:#ffffff,stroke:#57606a,color:#1f2328
  classDef running fill:#ddf4ff,stroke:#0969da,color:#0a3069
  classDef checkpointed fill:#fbefff,stroke:#8250df,color:#3e1f79
  classDef complete fill:#dafbe1,stroke:#1a7f37,color:#044f1e
  classDef blocked fill:#fff8c5,stroke:#9a6700,color:#4d2d00
  classDef failed fill:#ffebe9,stroke:#cf222e,color:#82071e
  classDef skipped fill:#eaeef2,stroke:#6e7781,color:#424a53,stroke-dasharray:4 3
  classDef gate fill:#fff1e5,stroke:#bc4c00,color:#762c00,stroke-width:2px
  classDef critical stroke-width:4px
";

/// Draws the picture as Mermaid source.
pub fn mermaid(picture: &Picture) -> String {
    let nesting = nest_tasks(picture);
    let names = name_nodes(picture);
    let mut out = String::new();
    // Writing to a String cannot fail, so the results are dropped throughout.
    let _ = writeln!(out, "---\ntitle: {}\n---", quote_yaml(&picture.title));
    out.push_str("flowchart TB\n");
    for (tier, _) in nesting.tiers.iter().enumerate() {
        let title = escape_mermaid(&nesting.title_tier(picture, tier));
        let _ = writeln!(out, "  subgraph tier_{tier}[\"{title}\"]");
        write_tier(&mut out, picture, &nesting, &names, tier);
        out.push_str("  end\n");
    }
    write_arrows(&mut out, picture, &names);
    out.push_str(CLASSES);
    write_classes(&mut out, picture, &names);
    out
}

fn write_tier(out: &mut String, picture: &Picture, nesting: &Nesting, names: &[String], tier: usize) {
    let mut open_depth = 0;
    for task in nesting.walk_tier(tier) {
        let depth = nesting.depth[task];
        while open_depth > depth {
            let _ = writeln!(out, "{}end", indent(open_depth));
            open_depth -= 1;
        }
        if nesting.is_frame(task) {
            let node = &picture.nodes[task];
            let title = escape_mermaid(&format!("{} {}", node.id, node.name));
            let _ = writeln!(out, "{}subgraph in_{}[\"{title}\"]", indent(depth + 1), names[task]);
            open_depth = depth + 1;
        }
        write_task(out, picture, names, task, open_depth);
    }
    while open_depth > 0 {
        let _ = writeln!(out, "{}end", indent(open_depth));
        open_depth -= 1;
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth + 1)
}

fn write_task(out: &mut String, picture: &Picture, names: &[String], task: usize, depth: usize) {
    let node = &picture.nodes[task];
    let mut label = format!("{}<br/>{}", escape_mermaid(&node.id), escape_mermaid(&node.name));
    if let Some(executor) = unusual_executor(node) {
        let _ = write!(label, "<br/>⚙ {}", escape_mermaid(executor));
    }
    for lock in list_locks(picture, node) {
        let _ = write!(label, "<br/>🔒 {}", escape_mermaid(&lock.describe()));
    }
    if node.status != Status::NotStarted {
        let _ = write!(label, "<br/>{} {}", node.status.mark(), node.status.describe());
    }
    let name = &names[task];
    let margin = indent(depth + 1);
    let _ = writeln!(out, "{margin}{name}[\"{label}\"]");
    if let Some(gate) = &node.gate {
        let action = escape_mermaid(&gate.describe());
        let _ = writeln!(out, "{margin}gate_{name}{{{{\"⛔ gate: {action}\"}}}}");
    }
}

fn write_arrows(out: &mut String, picture: &Picture, names: &[String]) {
    let arrows = merge_duplicates(picture);
    let hot = mark_critical(picture, &arrows);
    let mut critical = Vec::new();
    for (place, &at) in arrows.iter().enumerate() {
        let arrow = &picture.arrows[at];
        let line = match (arrow.kind, arrow.label.as_deref().map(str::trim)) {
            (ArrowKind::Implied, _) => "-.->".to_owned(),
            (ArrowKind::Order, _) => "-->".to_owned(),
            (ArrowKind::Data, Some(port)) if !port.is_empty() => {
                format!("==>|\"{}\"|", escape_mermaid(port))
            }
            (ArrowKind::Data, _) => "==>".to_owned(),
        };
        let _ = writeln!(out, "  {} {line} {}", names[arrow.from], names[arrow.to]);
        if hot[place] {
            critical.push(place.to_string());
        }
    }
    for (node, name) in picture.nodes.iter().zip(names) {
        match &node.gate {
            Some(gate) if gate.after => {
                let _ = writeln!(out, "  {name} --- gate_{name}");
            }
            Some(_) => {
                let _ = writeln!(out, "  gate_{name} --> {name}");
            }
            None => {}
        }
    }
    if !critical.is_empty() {
        let _ = writeln!(out, "  linkStyle {} stroke-width:5px", critical.join(","));
    }
}

fn write_classes(out: &mut String, picture: &Picture, names: &[String]) {
    let mut write_class = |class: &str, prefix: &str, wanted: &dyn Fn(usize) -> bool| {
        let members: Vec<String> =
            (0..names.len()).filter(|&at| wanted(at)).map(|at| format!("{prefix}{}", names[at])).collect();
        if !members.is_empty() {
            let _ = writeln!(out, "  class {} {class}", members.join(","));
        }
    };
    for status in STATUSES {
        write_class(status.class(), "", &|at| picture.nodes[at].status == status);
    }
    write_class("gate", "gate_", &|at| picture.nodes[at].gate.is_some());
    write_class("critical", "", &|at| picture.nodes[at].critical);
}

#[cfg(test)]
mod tests {
    use super::super::sample::{mixed_picture, plain_picture};
    use super::mermaid;

    #[test]
    fn every_subgraph_is_closed_and_nothing_leaks() {
        let mut picture = mixed_picture(3, 60);
        picture.nodes[8].name = "x\"]; end\nsubgraph <b> #quot; `y`".to_owned();
        let text = mermaid(&picture);
        let opened = text.lines().filter(|l| l.trim_start().starts_with("subgraph ")).count();
        let closed = text.lines().filter(|l| l.trim() == "end").count();
        assert_eq!(opened, closed);
        assert!(opened > 8);
        assert!(text.contains("⛔ gate: approve"));
        assert!(text.contains("🔒 terraform_state"));
        assert!(text.contains("x#34;#93;#59; end subgraph #60;b#62; #35;quot#59; #96;y#96;"));
    }

    #[test]
    fn same_picture_same_text() {
        assert_eq!(mermaid(&mixed_picture(5, 90)), mermaid(&mixed_picture(5, 90)));
    }

    #[test]
    fn large_and_empty_pictures() {
        let pairs: Vec<(usize, usize)> = (1..20_000).map(|at| (at / 2, at)).collect();
        assert!(mermaid(&plain_picture(20_000, &pairs)).lines().count() > 39_000);
        assert!(mermaid(&plain_picture(0, &[])).contains("flowchart TB"));
    }
}
