//! What needs attention, who decided what, what the document says of itself, and where the run took place.

use std::fmt::Write as _;

use super::super::words::{Standing, brief, took};
use super::super::{Account, GatePart, TaskPart};
use super::tasks::output;
use super::{badge, e, link, prose, time};
use crate::run::GateMoment;

/// Tasks that are told of with their output, and lines of what happened.
const SHOWN: usize = 12;
const LINES: usize = 400;

/// What failed, is unknown, or waits for somebody, each with the way out.
pub(super) fn attention(account: &Account) -> String {
    // What failed is asked for, also when it was undone since.
    let matters = |task: &&TaskPart| task.standing() <= Standing::Asked || task.failure.is_some();
    let mut tasks: Vec<&TaskPart> = account.meant().filter(matters).collect();
    tasks.sort_by_key(|task| (task.standing(), task.ended_at));
    if tasks.is_empty() && account.run.next.is_none() {
        return String::new();
    }
    let mut text = String::new();
    for task in tasks.iter().take(SHOWN) {
        let class = task.standing().class();
        let _ = write!(
            text,
            "<article class=\"r-card r-edge-{class}\">\n<h3>{} {} {}</h3>\n",
            badge(task.standing(), task.word()),
            link(&task.id),
            e(&task.name)
        );
        let code =
            task.failure.as_ref().map(|failure| format!(" <code>{}</code>", e(&failure.code))).unwrap_or_default();
        let _ = writeln!(text, "<p class=\"r-why\">{}{code}</p>", prose(task.reason().unwrap_or_default()));
        let gate = account.gates.iter().rfind(|gate| gate.task == task.id && gate.outcome == "open");
        if let Some(reason) = gate.and_then(|gate| gate.reason.as_ref()) {
            let _ = writeln!(text, "<p class=\"r-soft\">because: {}</p>", prose(reason));
        }
        let held: Vec<String> = account
            .meant()
            .filter(|other| other.needs.contains(&task.id) && other.standing() == Standing::Waiting)
            .take(SHOWN)
            .map(|other| link(&other.id))
            .collect();
        if !held.is_empty() && task.standing() == Standing::Failed {
            let _ = writeln!(text, "<p class=\"r-soft\">keeps from starting: {}</p>", held.join(", "));
        }
        let trouble = account.trouble(task).filter(|_| gate.is_none());
        if let Some(printed) = trouble.and_then(|stage| stage.printed.as_ref()) {
            text += &output(printed);
        }
        if let Some(command) = &task.command {
            let _ = writeln!(text, "<p><code class=\"r-command\">{}</code></p>", e(command));
        }
        text += "</article>\n";
    }
    if tasks.len() > SHOWN {
        let _ = writeln!(text, "<p>… and {} more, among the <a href=\"#tasks\">tasks</a>.</p>", tasks.len() - SHOWN);
    }
    let is_told = |next: &&String| tasks.iter().all(|task| task.command.as_ref() != Some(*next));
    if let Some(next) = account.run.next.as_ref().filter(is_told) {
        let _ = writeln!(text, "<p>To go on: <code class=\"r-command\">{}</code></p>", e(next));
    }
    text
}

/// A table that becomes a list where there is no room for columns.
pub(super) struct Table {
    headings: Vec<&'static str>,
    text: String,
}

impl Table {
    pub(super) fn new(caption: &str, headings: &[&'static str]) -> Self {
        let cells: String = headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
        let text = format!(
            "<table class=\"r-table\"><caption class=\"r-hidden\">{caption}</caption>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n"
        );
        Self { headings: headings.to_vec(), text }
    }

    /// Cells are HTML already.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.text += "<tr>";
        for (heading, cell) in self.headings.iter().zip(cells) {
            // Where the table is a list, an empty cell is no line of it.
            let content = if cell.is_empty() { String::new() } else { format!("<div>{cell}</div>") };
            let _ = write!(self.text, "<td data-of=\"{heading}\">{content}</td>");
        }
        self.text += "</tr>\n";
    }

    pub(super) fn finish(self) -> String {
        self.text + "</tbody></table>\n"
    }
}

/// Every gate, and every word on it.
pub(super) fn approvals(account: &Account) -> String {
    if account.gates.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new("Decisions of people", &["Task", "Decision", "By", "When", "Comment and values", "About"]);
    for gate in &account.gates {
        if gate.decisions.is_empty() {
            let when = gate.closed_at.map_or_else(|| format!("until {}", time(gate.deadline)), time);
            table.row(&row(gate, &[gate.word().to_owned(), String::new(), when, String::new()]));
        }
        for decision in &gate.decisions {
            let word = if decision.approved { "approved" } else { "rejected" };
            let set: Vec<String> =
                decision.set.iter().map(|(key, value)| format!("<code>{}={}</code>", e(key), e(value))).collect();
            let comment = [e(&decision.comment), set.join(" ")].join(" ");
            table.row(&row(gate, &[word.to_owned(), e(&decision.by), time(decision.at), comment.trim().to_owned()]));
        }
    }
    table.finish()
        + "<p class=\"r-note\">A decision is bound to the digest of what the person was shown: the task as written and, for a review, what it left.</p>\n"
}

fn row(gate: &GatePart, cells: &[String; 4]) -> Vec<String> {
    let [word, by, when, comment] = cells;
    let standing = match word.as_str() {
        "approved" => Standing::Complete,
        "rejected" => Standing::Failed,
        _ if gate.outcome == "open" => Standing::Asked,
        _ => Standing::Skipped,
    };
    let moment = match gate.when {
        GateMoment::Before => "",
        GateMoment::After => " (review)",
        GateMoment::Failed => " (failed)",
        GateMoment::Budget => " (budget)",
    };
    let action = if gate.action.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"r-soft\">{}</span>", e(&gate.action))
    };
    vec![
        format!("{}{moment}{action}", link(&gate.task)),
        badge(standing, word),
        by.clone(),
        when.clone(),
        comment.clone(),
        format!("<code title=\"{}\">{}</code>", e(&gate.digest), e(brief(&gate.digest))),
    ]
}

/// What the document says of itself.
pub(super) fn blueprint(account: &Account) -> String {
    let document = &account.document;
    let mut text = String::new();
    if let Some(vision) = &document.vision {
        let _ = writeln!(text, "<p class=\"r-vision\">{}</p>", e(vision));
    }
    if !document.metrics.rows.is_empty() {
        text += "<div class=\"r-wide\" tabindex=\"0\" role=\"group\" aria-label=\"Success metrics\"><table class=\"r-plain\"><caption>Success metrics</caption>\n";
        let line = |cells: &[String], tag: &str| {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", e(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        if !document.metrics.headings.is_empty() {
            let _ = writeln!(text, "<thead>{}</thead>", line(&document.metrics.headings, "th"));
        }
        text += "<tbody>\n";
        for row in &document.metrics.rows {
            text += &line(row, "td");
        }
        text += "</tbody></table></div>\n";
    }
    text
}

/// Where the run took place, who drove it, and with which settings.
pub(super) fn environment(account: &Account) -> String {
    let (run, document) = (&account.run, &account.document);
    let mut text = String::from("<dl class=\"r-facts\">\n");
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(text, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    let code = |value: &str| format!("<code>{}</code>", e(value));
    fact("Directory", code(&run.root));
    fact("Document", format!("{} {}", e(&document.file), code(&document.digest)));
    if document.began_with != document.digest {
        fact("Begun with", code(&document.began_with));
    }
    fact("Environment", run.environment.as_deref().map_or_else(|| "none chosen".to_owned(), e));
    fact("Selection", if run.selection.is_empty() { "all tasks".to_owned() } else { code(&run.selection.join(" ")) });
    if !run.rerun.is_empty() {
        fact("Run again", code(&run.rerun.join(" ")));
    }
    if let Some(jobs) = run.jobs {
        fact("Attempts at once", jobs.to_string());
    }
    if run.fail_fast {
        fact("Ends", "with the first task that is blocked".to_owned());
    }
    if let Some(driver) = &run.driver {
        fact("Driven now by", e(driver));
    }
    text += "</dl>\n";
    let mut table = Table::new("Who drove the run", &["From", "By", "Host", "Process", "After"]);
    for (number, runner) in run.runners.iter().enumerate() {
        let pause = number.checked_sub(1).and_then(|before| account.pauses.get(before));
        let after = pause.map(|pause| {
            let long = took(pause.from.until(pause.to));
            format!(
                "{long} {}",
                if pause.waited_for == "people" { "of waiting for people" } else { "in which nobody drove it" }
            )
        });
        table.row(&[
            time(runner.at),
            e(&runner.by),
            e(&runner.host),
            runner.pid.to_string(),
            after.unwrap_or_default(),
        ]);
    }
    text += &table.finish();
    if !run.edits.is_empty() {
        let mut table =
            Table::new("Edits of the document", &["Edit accepted", "By", "Document", "Tasks that ran again"]);
        for edit in &run.edits {
            let tasks: Vec<String> = edit.tasks.iter().take(SHOWN).map(|task| link(task)).collect();
            let more = edit.tasks.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let digest = format!("<code title=\"{}\">{}</code>", e(&edit.digest), e(brief(&edit.digest)));
            table.row(&[time(edit.at), e(&edit.by), digest, tasks.join(", ") + &more]);
        }
        text += &table.finish();
    }
    text
}

/// What `run` told, line by line.
pub(super) fn happened(account: &Account, left_out: &mut Vec<String>) -> String {
    let all = account.happened.len();
    let from = all.saturating_sub(LINES);
    if from > 0 {
        left_out.push(format!("the first {from} lines of what happened; all of them: `--format json`"));
    }
    let mut text =
        format!("<details class=\"r-happened\"><summary>{} lines, as the run told them</summary>\n<ol>\n", all - from);
    for line in &account.happened[from..] {
        let task = if line.task.is_empty() { String::new() } else { format!("<b>{}</b> ", e(&line.task)) };
        let _ = writeln!(text, "<li>{} {task}{}</li>", time(line.at), prose(&line.text));
    }
    text + "</ol>\n</details>\n"
}
