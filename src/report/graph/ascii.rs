//! The dependency graph as text for a terminal.
//!
//! Guarantees: no line is wider than asked for; one line per task, plus one for its gates and
//! locks where it has any; marks and brackets are typed characters, so nothing depends on
//! colour; control characters in names cannot reach the terminal; linear cost above `CAREFUL`
//! tasks.
//!
//! Does not draw lines between tasks: each task names what it needs instead.

use std::fmt::Write;

use super::caption::{STATUSES, list_locks, unusual_executor};
use super::escape::flatten_text;
use super::nesting::{Nesting, nest_tasks};
use super::page::{BOLD, FAINT, Page, count_width, pad_columns};
use super::picture::{ArrowKind, Picture, Status};
use super::reduction::{DrawnArrow, reduce_arrows};
use super::text::cut_columns;

/// Below this nothing useful fits beside the rail and the id.
const NARROWEST: usize = 20;

/// Draws the picture for a terminal of `width` columns.
pub fn ascii(picture: &Picture, width: usize, color: bool) -> String {
    let nesting = nest_tasks(picture);
    let reduction = reduce_arrows(picture);
    let needs = collect_needs(picture, &nesting, &reduction.drawn);
    let mut page = Page::new(width, color);
    page.write_line(&[(&flatten_text(&picture.title), BOLD)]);
    for (tier, tops) in nesting.tiers.iter().enumerate() {
        let tasks = nesting.walk_tier(tier);
        let title = flatten_text(&nesting.title_tier(picture, tier));
        page.write_line(&[]);
        page.write_line(&[(&title, BOLD), (&format!("  ({})", count_tasks(tasks.len())), FAINT)]);
        let last = tops.last().copied();
        write_tasks(&mut page, picture, &nesting, &needs, &tasks, last);
    }
    write_key(&mut page, picture, reduction.left_out);
    page.finish()
}

fn count_tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

/// What each task needs, as ids to print. A parent's own children are shown by the rail.
fn collect_needs(picture: &Picture, nesting: &Nesting, drawn: &[DrawnArrow]) -> Vec<Vec<String>> {
    let mut needs = vec![Vec::new(); picture.nodes.len()];
    for drawn in drawn {
        let arrow = &picture.arrows[drawn.arrow];
        if arrow.kind == ArrowKind::Implied && nesting.encloses(arrow.to, arrow.from) {
            continue;
        }
        let id = flatten_text(&picture.nodes[arrow.from].id);
        needs[arrow.to].push(if drawn.back { format!("{id}(cycle)") } else { id });
    }
    needs
}

/// The rail in front of a task: which of the tasks around it have more children to come.
fn draw_rail(nesting: &Nesting, task: usize, last: Option<usize>) -> (String, String) {
    let is_last = |at: usize| match nesting.parent[at] {
        Some(parent) => nesting.children[parent].last() == Some(&at),
        None => last == Some(at),
    };
    let mut pieces = Vec::new();
    let mut at = nesting.parent[task];
    while let Some(around) = at {
        pieces.push(if is_last(around) { "   " } else { "|  " });
        at = nesting.parent[around];
    }
    let before: String = pieces.into_iter().rev().collect();
    let branch = if is_last(task) { "`- " } else { "|- " };
    let below = if is_last(task) { "   " } else { "|  " };
    let inside = if nesting.is_frame(task) { "|  " } else { "   " };
    (format!("{before}{branch}"), format!("{before}{below}{inside}"))
}

fn write_tasks(
    page: &mut Page,
    picture: &Picture,
    nesting: &Nesting,
    needs: &[Vec<String>],
    tasks: &[usize],
    last: Option<usize>,
) {
    let rails: Vec<(String, String)> = tasks.iter().map(|&t| draw_rail(nesting, t, last)).collect();
    let ids: Vec<String> = tasks.iter().map(|&t| flatten_text(&picture.nodes[t].id)).collect();
    let head = |(rail, id): (&(String, String), &String)| count_width(&rail.0) + 5 + count_width(id);
    // One column for names, unless a single long id would push it too far.
    let column = rails.iter().zip(&ids).map(head).max().unwrap_or(0).min(page.width() / 3);
    let longest = tasks.iter().map(|&t| width_of_needs(&needs[t])).max().unwrap_or(0);
    let room = page.width().saturating_sub(column + 2).max(NARROWEST.min(page.width()));
    let for_needs = longest.min(room * 2 / 5);
    let for_name = room.saturating_sub(for_needs + 2);
    for ((&task, (rail, below)), id) in tasks.iter().zip(&rails).zip(&ids) {
        let node = &picture.nodes[task];
        let critical = if node.critical { "*" } else { " " };
        let mark = format!("[{}]{critical}", node.status.letter());
        let head_width = count_width(rail) + count_width(&mark) + count_width(id) + 1;
        let id = format!("{id}{}", " ".repeat(column.saturating_sub(head_width) + 2));
        let name = flatten_text(&node.name);
        let spent = (head_width + 2).saturating_sub(column + 2);
        // A task without needs may use the whole line.
        let own = width_of_needs(&needs[task]).min(for_needs);
        let name_room = if own == 0 { for_name + for_needs + 2 } else { for_name };
        let name = cut_columns(&name, name_room.saturating_sub(spent));
        let wanted = list_needs(&needs[task], for_needs);
        let name = if wanted.is_empty() { name } else { pad_columns(&name, for_name.saturating_sub(spent) + 2) };
        let weight = if nesting.is_frame(task) || node.critical { BOLD } else { "" };
        page.write_line(&[(rail, FAINT), (&mark, ""), (&id, BOLD), (&name, weight), (&wanted, FAINT)]);
        let notes = list_notes(picture, task);
        if !notes.is_empty() {
            page.write_line(&[(below, FAINT), (" ", ""), (&notes, "")]);
        }
    }
}

fn width_of_needs(needs: &[String]) -> usize {
    let ids: usize = needs.iter().map(|id| count_width(id) + 1).sum();
    if needs.is_empty() { 0 } else { ids + 2 }
}

/// `<- T0.1 T0.2 +3`: as many ids as fit, and how many more there are.
fn list_needs(needs: &[String], room: usize) -> String {
    if needs.is_empty() {
        return String::new();
    }
    let mut text = "<-".to_owned();
    for (at, id) in needs.iter().enumerate() {
        let rest = needs.len() - at - 1;
        let tail = if rest == 0 { 0 } else { 2 + rest.to_string().len() };
        if at > 0 && count_width(&text) + 1 + count_width(id) + tail > room {
            let _ = write!(text, " +{}", rest + 1);
            break;
        }
        let _ = write!(text, " {id}");
    }
    text
}

fn list_notes(picture: &Picture, task: usize) -> String {
    let node = &picture.nodes[task];
    let mut notes = Vec::new();
    if let Some(gate) = &node.gate {
        notes.push(format!("gate: {}", gate.describe()));
    }
    let locks: Vec<String> = list_locks(picture, node).iter().map(super::caption::HeldLock::describe).collect();
    if !locks.is_empty() {
        notes.push(format!("lock: {}", locks.join(", ")));
    }
    if let Some(executor) = unusual_executor(node) {
        notes.push(format!("executor: {executor}"));
    }
    flatten_text(&notes.join("; "))
}

/// Explains only what the drawing uses.
fn write_key(page: &mut Page, picture: &Picture, left_out: usize) {
    let used = |status: Status| picture.nodes.iter().any(|node| node.status == status);
    let mut entries: Vec<String> = STATUSES
        .into_iter()
        .filter(|&status| used(status))
        .map(|status| format!("[{}] {}", status.letter(), status.describe()))
        .collect();
    if picture.nodes.iter().any(|node| node.critical) {
        entries.push("* critical path".to_owned());
    }
    entries.push("<- needs".to_owned());
    page.write_line(&[]);
    let mut line = String::new();
    for entry in entries {
        if !line.is_empty() && count_width(&line) + 3 + count_width(&entry) > page.width() {
            page.write_line(&[(&line, FAINT)]);
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { "   " });
        line.push_str(&entry);
    }
    page.write_line(&[(&line, FAINT)]);
    if left_out > 0 {
        page.write_line(&[(&format!("{left_out} needs not listed: others imply them"), FAINT)]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::count_width;
    use super::super::sample::{mixed_picture, plain_picture};
    use super::ascii;

    #[test]
    fn never_wider_than_asked() {
        let mut picture = mixed_picture(11, 120);
        picture.nodes[3].name = "日本語の長い名前".repeat(20);
        picture.nodes[9].id = "T9.a-very-long-id_that.goes.on.and.on.and.on.for.ever.and.ever".to_owned();
        for width in [1, 5, 20, 40, 79, 80, 200] {
            for line in ascii(&picture, width, false).lines() {
                assert!(count_width(line) <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn colour_adds_only_emphasis() {
        let mut picture = mixed_picture(2, 40);
        picture.nodes[1].name = "evil \u{1b}[31m name".to_owned();
        let plain = ascii(&picture, 80, false);
        let mut stripped = ascii(&picture, 80, true);
        for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m"] {
            stripped = stripped.replace(code, "");
        }
        let trim = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trim(&plain), trim(&stripped));
        assert!(!plain.contains('\u{1b}'));
    }

    #[test]
    fn every_task_is_listed_also_in_large_pictures() {
        let pairs: Vec<(usize, usize)> = (1..20_000).map(|at| (at / 2, at)).collect();
        let text = ascii(&plain_picture(20_000, &pairs), 80, false);
        assert_eq!(text.lines().filter(|l| l.contains("[ ] T0.")).count(), 20_000);
    }
}
