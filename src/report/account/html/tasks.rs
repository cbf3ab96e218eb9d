//! All tasks, each with what happened to it behind a line that opens.

use std::fmt::Write as _;

use super::super::words::{Standing, brief, took};
use super::super::{Account, AttemptPart, Printed, StagePart, TaskPart};
use super::{badge, e, lines, link, prose, time};

/// Tasks at most, and bytes that all of them may have; then what went well is told in fewer words.
const ROWS: usize = 1_500;
const MOST: usize = 4 << 20;
/// The latest checkpoints of a task that are told of.
const CHECKPOINTS: usize = 3;

pub(super) fn tasks(account: &Account, left_out: &mut Vec<String>) -> String {
    let mut shown: Vec<usize> = (0..account.tasks.len()).collect();
    if shown.len() > ROWS {
        shown.sort_by_key(|place| (account.tasks[*place].standing(), *place));
        shown.truncate(ROWS);
        shown.sort_unstable();
        left_out.push(format!("{} tasks; all of them: `--format json`", account.tasks.len() - ROWS));
    }
    let mut text = filters(account);
    text += "<div class=\"r-tasks\">\n<div class=\"r-heads\" aria-hidden=\"true\"><span>State</span><span>Task</span><span>Attempts</span><span>Took</span></div>\n";
    let mut short = 0;
    let mut tier = None;
    for task in shown.into_iter().map(|place| &account.tasks[place]) {
        let own = Some((task.tier, task.tier_title.as_str()));
        if tier != own && !task.tier_title.is_empty() {
            let number = task.tier.map(|number| format!("Tier {number}: ")).unwrap_or_default();
            let _ = writeln!(text, "<h3 class=\"r-tier\">{number}{}</h3>", e(&task.tier_title));
        }
        tier = own;
        let is_whole = text.len() < MOST || task.standing() < Standing::Skipped;
        short += usize::from(!is_whole);
        row(&mut text, task, is_whole);
    }
    if short > 0 {
        left_out.push(format!("what happened to {short} tasks that went well; all of it: `--format json`"));
    }
    text + "</div>\n"
}

/// Choices of tasks that work without a script.
fn filters(account: &Account) -> String {
    let mut text = String::from("<div class=\"r-filter\" role=\"radiogroup\" aria-label=\"Which tasks are shown\">");
    let mut choice = |id: &str, label: &str, is_chosen: bool| {
        let checked = if is_chosen { " checked" } else { "" };
        let _ = write!(
            text,
            "<input type=\"radio\" name=\"show\" id=\"show-{id}\"{checked}><label for=\"show-{id}\">{label}</label> "
        );
    };
    choice("all", &format!("all {}", account.tasks.len()), true);
    for standing in Standing::ALL {
        let count = account.tasks.iter().filter(|task| task.standing() == standing).count();
        if count > 0 {
            let (mark, plural) = (standing.mark(), standing.plural());
            choice(standing.class(), &format!("<span aria-hidden=\"true\">{mark}</span> {plural} {count}"), false);
        }
    }
    let again = account.tasks.iter().filter(|task| task.attempts.len() > 1).count();
    if again > 0 {
        choice("again", &format!("<span aria-hidden=\"true\">↻</span> ran again {again}"), false);
    }
    text + "</div>\n"
}

fn row(text: &mut String, task: &TaskPart, is_whole: bool) {
    let standing = task.standing();
    let open = if matches!(standing, Standing::Failed | Standing::Unknown) { " open" } else { "" };
    let again = if task.attempts.len() > 1 { " r-again" } else { "" };
    let _ = write!(
        text,
        "<details class=\"r-task r-is-{}{again}\"{open}>\n<summary>{} <span class=\"r-what\"><span class=\"r-id\">{}</span> {}</span> \
         <span class=\"r-many\">{}</span> <span class=\"r-took\">{}</span></summary>\n<div class=\"r-body\" id=\"t-{}\">\n",
        standing.class(),
        badge(standing, task.word()),
        e(&task.id),
        e(&task.name),
        match task.attempts.len() {
            0 => String::new(),
            1 => "1 attempt".to_owned(),
            many => format!("{many} attempts"),
        },
        task.took().unwrap_or_default(),
        // In here, so that a link to it opens it.
        e(&task.id)
    );
    if let Some(reason) = task.reason().filter(|_| standing != Standing::Complete) {
        let code =
            task.failure.as_ref().map(|failure| format!(" <code>{}</code>", e(&failure.code))).unwrap_or_default();
        let _ = writeln!(text, "<p class=\"r-why\">{}{code}</p>", prose(reason));
    }
    if let Some(command) = &task.command {
        let _ = writeln!(text, "<p><code class=\"r-command\">{}</code></p>", e(command));
    }
    if is_whole {
        facts(text, task);
        for attempt in &task.attempts {
            attempted(text, attempt);
        }
    }
    *text += "</div>\n</details>\n";
}

fn facts(text: &mut String, task: &TaskPart) {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if !task.needs.is_empty() {
        facts.push(("needs", task.needs.iter().map(|need| link(need)).collect::<Vec<_>>().join(", ")));
    }
    if !task.locks.is_empty() {
        facts.push(("locks", e(&task.locks.join(", "))));
    }
    if task.executor != "shell" && !task.executor.is_empty() {
        facts.push(("executor", e(&task.executor)));
    }
    if task.completed == Some("verified") {
        facts.push(("complete", "nobody was asked to do it: its verification passes".to_owned()));
    }
    if !task.criteria.is_empty() {
        let items: String = task.criteria.iter().map(|one| format!("<li>{}</li>", e(one))).collect();
        facts.push(("accepted when", format!("<ul>{items}</ul>")));
    }
    if !task.outputs.is_empty() {
        let one = |output: &super::super::OutputPart| {
            format!(
                "<li>{} <code title=\"{}\">{}</code></li>",
                e(&output.port),
                e(&output.digest),
                e(brief(&output.digest))
            )
        };
        facts.push(("left", format!("<ul>{}</ul>", task.outputs.iter().map(one).collect::<String>())));
    }
    if let Some(fallback) = &task.fallback {
        facts.push(("fallback", format!("{} does its work", link(fallback))));
    }
    if let Some(undo) = task.undo.filter(|undo| *undo != "due") {
        facts.push((
            "rollback",
            if undo == "irreversible" {
                "nothing undoes it, as the document says".to_owned()
            } else {
                format!("<a href=\"#rollback\">{undo}</a>")
            },
        ));
    }
    for kept in task.checkpoints.iter().rev().take(CHECKPOINTS) {
        let digest = format!("<code title=\"{}\">{}</code>", e(&kept.digest), e(brief(&kept.digest)));
        facts.push((
            "checkpoint",
            format!("{}, version {} of attempt {}, {digest}", time(kept.at), kept.version, kept.attempt),
        ));
    }
    for again in &task.again {
        facts.push(("again", format!("{}: {}", time(again.at), prose(&again.text))));
    }
    for wait in task.waits.iter().filter(|wait| wait.what == "queue") {
        let held: Vec<String> = wait
            .locks
            .iter()
            .map(|held| {
                let by: Vec<String> = held.by.iter().map(|task| link(task)).collect();
                format!("{} was held by {}", e(&held.lock), by.join(", "))
            })
            .collect();
        let why = if held.is_empty() { "for a slot or room".to_owned() } else { held.join("; ") };
        let long = wait.to.map(|to| took(wait.from.until(to))).unwrap_or_else(|| "still".to_owned());
        facts.push(("waited", format!("{long}: {why}")));
    }
    if facts.is_empty() {
        return;
    }
    *text += "<dl class=\"r-of-task\">";
    for (name, value) in facts {
        let _ = write!(text, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    *text += "</dl>\n";
}

fn attempted(text: &mut String, attempt: &AttemptPart) {
    let earlier = if attempt.of_earlier_document { ", with an earlier version of the document" } else { "" };
    let _ = write!(
        text,
        "<h4>Attempt {}: {}{earlier} <span class=\"r-soft\">{}</span></h4>\n<ol class=\"r-stages\">\n",
        attempt.number,
        attempt.result,
        time(attempt.started_at)
    );
    for stage in &attempt.stages {
        staged(text, stage);
    }
    *text += "</ol>\n";
}

pub(super) fn staged(text: &mut String, stage: &StagePart) {
    let class = stage.standing().class();
    let mut said = vec![stage.word()];
    said.extend(stage.exit());
    said.extend(stage.milliseconds.map(took));
    let _ = writeln!(
        text,
        "<li><p><span class=\"r-mark r-{class}\" aria-hidden=\"true\">{}</span> <b>{}</b> <span class=\"r-soft\">{}</span></p>",
        stage.mark(),
        e(&stage.stage),
        e(&said.join(", "))
    );
    if let Some(failure) = &stage.failure {
        let _ = writeln!(text, "<p class=\"r-why\">{} <code>{}</code></p>", prose(&failure.message), e(&failure.code));
    }
    if let Some(command) = &stage.command {
        let _ = writeln!(
            text,
            "<pre class=\"r-code\" tabindex=\"0\" aria-label=\"command\">{}</pre>",
            lines(command.trim_end())
        );
    }
    if let Some(printed) = &stage.printed {
        *text += &output(printed);
    }
    *text += "</li>\n";
}

/// What was printed; standard error has a mark of its own, as in `logs`.
pub(super) fn output(printed: &Printed) -> String {
    let mut text = String::new();
    if printed.before > 0 {
        let _ = writeln!(text, "<p class=\"r-soft\">… after {} lines</p>", printed.before);
    }
    text += "<pre class=\"r-log\" tabindex=\"0\" aria-label=\"output\">";
    for line in &printed.lines {
        let _ = match line.stream {
            "stderr" => writeln!(text, "<span class=\"r-err\">! {}</span>", e(&line.text)),
            _ => writeln!(text, "{}", e(&line.text)),
        };
    }
    text + "</pre>\n"
}
