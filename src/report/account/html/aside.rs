//! What was undone, and what else the run did beside its tasks: hooks, notices, clean-up.

use std::fmt::Write as _;

use super::super::words::{Standing, took};
use super::super::{Account, ChorePart};
use super::parts::Table;
use super::tasks::staged;
use super::{badge, e, link, marked, prose, time};

/// Rows of a table at most.
const ROWS: usize = 200;

/// What undid the work, in the order in which it was done.
pub(super) fn rollback(account: &Account, left_out: &mut Vec<String>) -> String {
    let aside = &account.aside;
    let undone: Vec<&ChorePart> = aside.chores.iter().filter(|chore| chore.kind == "rollback").collect();
    if aside.rollbacks.is_empty() && undone.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for order in &aside.rollbacks {
        let who =
            order.by.as_deref().map_or_else(|| "as the document says".to_owned(), |by| format!("ordered by {}", e(by)));
        let tasks: Vec<String> = order.tasks.iter().take(ROWS).map(|task| link(task)).collect();
        let many = if order.tasks.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", order.tasks.len()) };
        let _ = writeln!(text, "<p>{}, {who}: {many}, the last first: {}</p>", time(order.at), tasks.join(", "));
    }
    text += &chores("Rollback", &undone, left_out);
    let kept: Vec<String> = account
        .tasks
        .iter()
        .filter(|task| task.undo == Some("irreversible"))
        .take(ROWS)
        .map(|task| link(&task.id))
        .collect();
    if !kept.is_empty() {
        let _ = writeln!(text, "<p class=\"r-note\">Nothing undoes, as the document says: {}.</p>", kept.join(", "));
    }
    text
}

/// Hooks, notices, and what was put away.
pub(super) fn beside(account: &Account, left_out: &mut Vec<String>) -> String {
    let aside = &account.aside;
    let others: Vec<&ChorePart> = aside.chores.iter().filter(|chore| chore.kind != "rollback").collect();
    let mut text = String::new();
    if !others.is_empty() {
        text += &chores("Hooks, and what followed a task's success", &others, left_out);
    }
    if !aside.notices.is_empty() {
        let mut table = Table::new("Notices", &["Notice", "Channel", "When", "Result"]);
        // Whoever was not told matters more.
        let mut notices: Vec<_> = aside.notices.iter().collect();
        notices.sort_by_key(|notice| notice.problem.is_none());
        for notice in notices.iter().take(ROWS) {
            let result = match &notice.problem {
                None => badge(Standing::Complete, "told"),
                Some(problem) => format!("{} {}", badge(Standing::Failed, "not told"), prose(problem)),
            };
            table.row(&[e(&notice.notice), e(&notice.channel), time(notice.at), result]);
        }
        text += &table.finish();
        left(left_out, "notices", notices.len());
    }
    if !aside.cleaned_up.is_empty() {
        let mut table = Table::new("Clean-up", &["Task", "What", "When", "Result"]);
        for clean in aside.cleaned_up.iter().take(ROWS) {
            let result = match &clean.problem {
                None => badge(Standing::Complete, clean.action),
                Some(problem) => {
                    format!("{} {}", badge(Standing::Failed, &format!("not {}", clean.action)), prose(problem))
                }
            };
            table.row(&[link(&clean.task), format!("<code>{}</code>", e(&clean.what)), time(clean.at), result]);
        }
        text += &table.finish();
        left(left_out, "things that were put away", aside.cleaned_up.len());
    }
    text
}

fn left(left_out: &mut Vec<String>, what: &str, all: usize) {
    if all > ROWS {
        left_out.push(format!("{} {what}; all of them: `--format json`", all - ROWS));
    }
}

fn chores(caption: &str, chores: &[&ChorePart], left_out: &mut Vec<String>) -> String {
    let mut table = Table::new(caption, &["What", "Task", "Result", "Took", "Attempts", "Evidence"]);
    for chore in chores.iter().take(ROWS) {
        let (mark, word) = chore.word();
        let like = match chore.result() {
            "passed" => Standing::Complete,
            "failed" => Standing::Failed,
            "running" => Standing::Running,
            _ => Standing::Unknown,
        };
        let stages = chore.attempts.iter().flat_map(|attempt| &attempt.stages);
        let milliseconds = stages.clone().filter_map(|stage| stage.milliseconds).sum();
        let open = if chore.result() == "passed" { "" } else { " open" };
        let mut evidence = format!("<details{open}><summary>what it did</summary>\n<ol class=\"r-stages\">\n");
        for stage in stages {
            staged(&mut evidence, stage);
        }
        evidence += "</ol></details>";
        table.row(&[
            e(chore.name),
            chore.task.as_deref().map(link).unwrap_or_default(),
            marked(like, mark, word),
            took(milliseconds).replace(' ', "&nbsp;"),
            chore.attempts.len().to_string(),
            evidence,
        ]);
    }
    left(left_out, "rows of this table", chores.len());
    table.finish()
}
