//! A report as Markdown: for a pull request, or the summary of a step in GitHub Actions.
//!
//! Guarantees: whatever names, comments and output hold, they are shown and do nothing: no markup, no link, no
//! mention of a person, no way out of a table or a fence. It is never longer than a comment may be; what it leaves
//! out it says.

use std::fmt::Write as _;

use super::words::{Standing, brief, clock, took};
use super::{Account, ChorePart, GatePart, Printed, TaskPart};
use crate::report::table::one_line;

/// Bytes; GitHub takes comments of 65,536 characters.
const MOST: usize = 60_000;
/// Rows of tasks, tasks with their output, lines of it.
const ROWS: usize = 150;
const FAILURES: usize = 10;
const LINES: usize = 20;
/// Characters of a text in a cell.
const CELL: usize = 160;

/// The report.
pub fn markdown(account: &Account) -> String {
    let (_, mark, word) = account.standing();
    let run = &account.run;
    let mut text = format!("## {mark} {}: {word}\n\n", escaped(&account.document.title));
    let _ = write!(
        text,
        "Run {} of {}, begun by {} on {} UTC, took {}. {}.\n\n",
        code(&run.id),
        code(&account.document.file),
        escaped(&run.began_by),
        clock(run.began_at),
        took(run.milliseconds),
        account.tally(),
    );
    if let Some(used) = account.used() {
        let _ = write!(text, "Agents used {used}.\n\n");
    }
    let mut left_out = account.left_out.clone();
    let mut parts = vec![attention(account, &mut left_out)];
    let is_told = |next: &&String| account.meant().all(|task| task.command.as_ref() != Some(*next));
    if let Some(next) = run.next.as_ref().filter(is_told) {
        parts.push(format!("To go on: {}\n\n", code(next)));
    }
    parts.push(tasks(account, &mut left_out));
    parts.push(decisions(account));
    parts.push(aside(account, &mut left_out));
    parts.push(about(account));
    for part in parts {
        if text.len() + part.len() > MOST {
            left_out.push("parts that a comment has no room for".to_owned());
        } else {
            text += &part;
        }
    }
    for left in &left_out {
        let _ = writeln!(text, "_Left out: {}_\n", escaped(left));
    }
    let _ = writeln!(text, "<sub>{} · {} UTC</sub>", escaped(&account.made_by), clock(account.made_at));
    text
}

/// What went wrong and what waits for somebody, each with what makes it go on.
fn attention(account: &Account, left_out: &mut Vec<String>) -> String {
    let mut text = String::new();
    let matters = |task: &&TaskPart| task.standing() <= Standing::Asked || task.failure.is_some();
    let mut tasks: Vec<&TaskPart> = account.meant().filter(matters).collect();
    tasks.sort_by_key(|task| task.standing());
    for task in tasks.iter().take(FAILURES) {
        let _ = write!(text, "### {} {} {}\n\n", task.standing().mark(), escaped(&task.id), escaped(&task.name));
        let reason = task.reason().unwrap_or_default();
        let kind = task.failure.as_ref().map(|failure| format!(" ({})", failure.code)).unwrap_or_default();
        let _ = write!(text, "{}: {}{kind}\n\n", task.word(), escaped(reason));
        let trouble = account.trouble(task).filter(|_| task.standing() != Standing::Asked);
        if let Some((stage, printed)) = trouble.and_then(|stage| Some((stage, stage.printed.as_ref()?))) {
            let _ = write!(
                text,
                "<details><summary>The end of what <code>{}</code> printed</summary>\n\n{}\n</details>\n\n",
                escaped(&stage.stage),
                fence(printed)
            );
        }
        if let Some(command) = &task.command {
            let _ = write!(text, "{}\n\n", code(command));
        }
    }
    if tasks.len() > FAILURES {
        left_out.push(format!("{} more tasks that failed or wait for somebody", tasks.len() - FAILURES));
    }
    text
}

/// A row for each task; where there are too many, those that went well go first.
fn tasks(account: &Account, left_out: &mut Vec<String>) -> String {
    let all: Vec<&TaskPart> = account.meant().collect();
    let mut shown: Vec<usize> = (0..all.len()).collect();
    shown.sort_by_key(|place| (all[*place].standing(), *place));
    shown.truncate(ROWS);
    shown.sort_unstable();
    if all.len() > shown.len() {
        left_out.push(format!("{} tasks; all of them: `--format html` or `json`", all.len() - shown.len()));
    }
    let mut text = String::from("| | task | state | took | attempts | verified by |\n|---|---|---|---|---|---|\n");
    for task in shown.into_iter().map(|place| all[place]) {
        let last = task.attempts.last().map(|attempt| &attempt.stages[..]).unwrap_or_default();
        let verified: Vec<String> = last
            .iter()
            .filter(|stage| stage.is_verification())
            .map(|stage| format!("{} {}", stage.mark(), stage.stage.trim_start_matches("verify:")))
            .collect();
        let reason = task.reason().map(|reason| format!(": {}", cell(reason))).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} {} | {}{reason} | {} | {} | {} |",
            task.standing().mark(),
            escaped(&task.id),
            cell(&task.name),
            task.word(),
            task.took().unwrap_or_default(),
            task.attempts.len(),
            verified.join(" "),
        );
    }
    text.push('\n');
    text
}

fn decisions(account: &Account) -> String {
    if account.gates.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "### Approvals\n\n| | task | decision | by | when (UTC) | comment | about |\n|---|---|---|---|---|---|---|\n",
    );
    for gate in &account.gates {
        if gate.decisions.is_empty() {
            row(&mut text, gate, "", "", "");
        }
        for decision in &gate.decisions {
            let set: Vec<String> = decision.set.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let comment = [decision.comment.as_str(), &set.join(" ")].join(" ");
            row(&mut text, gate, &decision.by, &clock(decision.at), comment.trim());
        }
    }
    text.push('\n');
    text
}

/// What was undone, and what else went wrong beside the tasks.
fn aside(account: &Account, left_out: &mut Vec<String>) -> String {
    let aside = &account.aside;
    let told: Vec<&ChorePart> =
        aside.chores.iter().filter(|chore| chore.kind == "rollback" || chore.result() != "passed").collect();
    let mut text = String::new();
    if !told.is_empty() || !aside.rollbacks.is_empty() {
        text += if aside.rollbacks.is_empty() { "### Hooks\n\n" } else { "### Rollback\n\n" };
        for order in &aside.rollbacks {
            let who =
                order.by.as_deref().map_or_else(|| "as the document says".to_owned(), |by| format!("ordered by {by}"));
            let _ = write!(text, "{} tasks, {}, {}\n\n", order.tasks.len(), escaped(&who), clock(order.at));
        }
        text += "| | what | task | result | took |\n|---|---|---|---|---|\n";
        for chore in told.iter().take(ROWS) {
            let (mark, word) = chore.word();
            let why = chore.failure().map(|failure| format!(": {}", cell(&failure.message))).unwrap_or_default();
            let stages = chore.attempts.iter().flat_map(|attempt| &attempt.stages);
            let _ = writeln!(
                text,
                "| {mark} | {} | {} | {word}{why} | {} |",
                chore.name.replace('_', "\\_"),
                chore.task.as_deref().map(escaped).unwrap_or_default(),
                took(stages.filter_map(|stage| stage.milliseconds).sum())
            );
        }
        if told.len() > ROWS {
            left_out.push(format!("{} rows of what was undone", told.len() - ROWS));
        }
        text.push('\n');
    }
    let untold: Vec<String> = aside
        .notices
        .iter()
        .filter_map(|notice| Some(format!("{} by {}: {}", notice.notice, notice.channel, notice.problem.as_ref()?)))
        .chain(
            aside
                .cleaned_up
                .iter()
                .filter_map(|one| Some(format!("{} of {}: {}", one.what, one.task, one.problem.as_ref()?))),
        )
        .collect();
    if !untold.is_empty() {
        text += "### Notices and clean-up that failed\n\n";
        for line in untold.iter().take(FAILURES) {
            let _ = writeln!(text, "- {}", cell(line));
        }
        if untold.len() > FAILURES {
            left_out.push(format!("{} more notices or clean-ups that failed", untold.len() - FAILURES));
        }
        text.push('\n');
    }
    text
}

fn row(text: &mut String, gate: &GatePart, by: &str, at: &str, comment: &str) {
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {at} | {} | {} |",
        gate.mark(),
        escaped(&gate.task),
        gate.word(),
        cell(by),
        cell(comment),
        code(brief(&gate.digest))
    );
}

/// What the document says of itself, and where the run took place.
fn about(account: &Account) -> String {
    let (document, run) = (&account.document, &account.run);
    let mut text = String::from("<details><summary>About this run</summary>\n\n");
    if let Some(vision) = &document.vision {
        let _ = write!(text, "{}\n\n", escaped(vision));
    }
    text += "| | |\n|---|---|\n";
    let fact = |text: &mut String, name: &str, value: &str| {
        let _ = writeln!(text, "| {} | {} |", cell(name), cell(value));
    };
    for (key, value) in &document.banner {
        fact(&mut text, key, value);
    }
    fact(&mut text, "document", &document.digest);
    if let Some(environment) = &run.environment {
        fact(&mut text, "environment", environment);
    }
    if !run.selection.is_empty() {
        fact(&mut text, "selection", &run.selection.join(" "));
    }
    for runner in &run.runners {
        fact(&mut text, "driven by", &format!("{} on {}, from {}", runner.by, runner.host, clock(runner.at)));
    }
    for edit in &run.edits {
        let tasks = edit.tasks.len();
        fact(&mut text, "edited", &format!("{} by {}: {tasks} tasks ran again", clock(edit.at), edit.by));
    }
    if !document.metrics.rows.is_empty() {
        let columns = document.metrics.rows.iter().chain([&document.metrics.headings]).map(Vec::len).max();
        let columns = columns.unwrap_or_default();
        let line = |cells: &[String]| {
            let cells = (0..columns).map(|column| cells.get(column).map(|text| cell(text)).unwrap_or_default());
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let _ = write!(text, "\n{}|{}\n", line(&document.metrics.headings), "---|".repeat(columns));
        for row in &document.metrics.rows {
            text += &line(row);
        }
    }
    text += "\n</details>\n\n";
    text
}

/// Output between fences that it cannot close.
fn fence(printed: &Printed) -> String {
    let lines = &printed.lines[printed.lines.len().saturating_sub(LINES)..];
    let longest = lines.iter().map(|line| longest_run(&line.text, '`')).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let mut text = format!("{fence}text\n");
    for line in lines {
        let mark = if line.stream == "stderr" { "! " } else { "" };
        let _ = writeln!(text, "{mark}{}", line.text);
    }
    text + &fence + "\n"
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut now) = (0, 0);
    for c in text.chars() {
        now = if c == wanted { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() > CELL {
        return escaped(&text.chars().take(CELL - 1).collect::<String>()) + "…";
    }
    escaped(&text)
}

/// A text as code, whatever backticks it has.
fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// A text that is nothing but text: GitHub's mentions, references and bare links included.
pub(super) fn escaped(text: &str) -> String {
    let text = one_line(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            // Mentions and references are looked for in what was rendered: nothing but another character stops them.
            '@' | '#' => {
                out.push(c);
                out += "&#8203;";
            }
            ':' if after.starts_with("//") => out += "&#58;",
            '.' if out.ends_with("www") || out.ends_with("WWW") => out += "&#46;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // At the start of a line they begin a list or a heading.
            '+' | '-' | '=' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
        rest = after;
    }
    out
}
