//! When each task worked and what it waited for: a row for each, one axis for all.
//!
//! What is what is told by shape: work is a full bar, set-up its upper half, verification its lower half; what failed
//! ends in a cross. Each row says the same in words.

use std::fmt::Write as _;

use super::super::words::{clock, took};
use super::super::{Account, At, AttemptPart, StagePart, TaskPart};
use super::scale::{Scale, span};
use super::{e, link};
use crate::run::Moment;

/// Rows at most.
const ROWS: usize = 150;

pub(super) fn timeline(account: &Account, left_out: &mut Vec<String>) -> String {
    let end = account.run.ended_at.unwrap_or(if account.run.driver.is_some() {
        account.made_at
    } else {
        account.run.latest_at
    });
    let has_part = |task: &&TaskPart| !task.attempts.is_empty() || !task.waits.is_empty();
    let mut tasks: Vec<&TaskPart> = account.tasks.iter().filter(has_part).collect();
    if tasks.is_empty() {
        return String::new();
    }
    let all = tasks.len();
    if all > ROWS {
        // What failed and what took longest is what somebody looks for.
        tasks.sort_by_key(|task| (task.standing(), std::cmp::Reverse(task.milliseconds)));
        tasks.truncate(ROWS);
        left_out.push(format!(
            "{} tasks of the timeline: it shows those that went wrong and those that took longest",
            all - ROWS
        ));
    }
    tasks.sort_by_key(|task| {
        task.attempts.first().map(|first| first.started_at).or(task.waits.first().map(|wait| wait.from))
    });
    let scale = Scale::of(account, end);
    let mut text = legend(&tasks);
    text += "<div class=\"r-time\">\n";
    text += &axis(account, &scale);
    text += "<ol class=\"r-rows\">\n";
    for task in &tasks {
        row(&mut text, account, task, &scale, end);
    }
    text += "</ol>\n</div>\n";
    let cuts: Vec<String> = scale
        .pieces
        .iter()
        .filter(|piece| piece.is_cut)
        .map(|piece| format!("{} from {}", took(piece.to - piece.from), clock(At(Moment(piece.from)))))
        .collect();
    if !cuts.is_empty() {
        let _ = writeln!(
            text,
            "<p class=\"r-note\">The hatched strips are cut short, because nothing worked: {}.</p>",
            cuts.join("; ")
        );
    }
    text
}

/// Only what the rows show is explained.
fn legend(tasks: &[&TaskPart]) -> String {
    let stages = || tasks.iter().flat_map(|task| &task.attempts).flat_map(|attempt| &attempt.stages);
    let waits = |what| tasks.iter().flat_map(|task| &task.waits).any(|wait| wait.what == what);
    let entries = [
        (stages().any(|stage| stage.stage == "setup"), bar("r-g-setup", (4.0, 26.0), 3.0, 7.0), "set-up"),
        (stages().any(|stage| stage.stage == "run"), bar("r-g-run", (4.0, 26.0), 3.0, 14.0), "work"),
        (stages().any(StagePart::is_verification), bar("r-g-verify", (4.0, 26.0), 10.0, 7.0), "verification"),
        (
            stages().any(|stage| stage.result == "failed"),
            bar("r-g-failed", (4.0, 20.0), 3.0, 14.0) + &cross(24.0, ""),
            "failed",
        ),
        (stages().any(|stage| stage.result == "interrupted"), bar("r-g-lost", (4.0, 26.0), 3.0, 14.0), "interrupted"),
        (waits("queue"), line("r-g-queue", (2.0, 28.0)), "waits for a lock or a slot"),
        (waits("retry"), line("r-g-retry", (2.0, 28.0)), "waits for its retry"),
        (waits("gate"), line("r-g-gate", (2.0, 28.0)), "waits for a person"),
    ];
    let mut text = String::from("<ul class=\"r-legend\">");
    for (_, shape, word) in entries.iter().filter(|(is_there, ..)| *is_there) {
        let _ = write!(text, "<li><svg width=\"30\" height=\"20\" aria-hidden=\"true\">{shape}</svg> {word}</li>");
    }
    text + "</ul>\n"
}

fn bar(class: &str, (left, right): (f64, f64), top: f64, height: f64) -> String {
    let width = right - left;
    format!("<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"1\"/>")
}

fn line(class: &str, (left, right): (f64, f64)) -> String {
    format!("<line class=\"{class}\" x1=\"{left}\" x2=\"{right}\" y1=\"10\" y2=\"10\"/>")
}

/// A cross, told of by shape, where something failed.
fn cross(at: f64, unit: &str) -> String {
    format!(
        "<svg x=\"{at:.2}{unit}\" y=\"0\" width=\"1\" height=\"20\" overflow=\"visible\"><path class=\"r-g-cross\" d=\"M-4 6l8 8M4 6l-8 8\"/></svg>"
    )
}

/// The marks of the axis and the lines below them, behind all rows.
fn axis(account: &Account, scale: &Scale) -> String {
    let mut text = String::from("<svg class=\"r-axis\" aria-hidden=\"true\">");
    for piece in scale.pieces.iter().filter(|piece| piece.is_cut) {
        let width = piece.right - piece.left;
        let _ = write!(
            text,
            "<rect class=\"r-cut\" x=\"{:.2}%\" y=\"18\" width=\"{width:.2}%\" height=\"100%\"><title>{} in which nothing worked</title></rect>",
            piece.left,
            took(piece.to - piece.from)
        );
    }
    let began = clock(account.run.began_at);
    let mut day = began.split(' ').next().unwrap_or_default().to_owned();
    for (number, (place, at)) in scale.marks().into_iter().enumerate() {
        let time = clock(at);
        let (today, hour) = time.split_once(' ').unwrap_or_default();
        // Another day is told where it begins.
        let label = if today == day { hour.to_owned() } else { format!("{} {hour}", today.get(5..).unwrap_or(today)) };
        day = today.to_owned();
        let (anchor, class) =
            (if place > 90.0 { "end" } else { "start" }, if number % 2 == 1 { " class=\"r-odd\"" } else { "" });
        let _ = write!(
            text,
            "<g{class}><line x1=\"{place:.2}%\" x2=\"{place:.2}%\" y1=\"14\" y2=\"100%\"/><text x=\"{place:.2}%\" y=\"11\" text-anchor=\"{anchor}\">{label}</text></g>"
        );
    }
    text + "</svg>\n"
}

fn row(text: &mut String, account: &Account, task: &TaskPart, scale: &Scale, end: At) {
    let standing = task.standing();
    let _ = write!(
        text,
        "<li class=\"r-row\"><span class=\"r-who\"><span class=\"r-mark r-{}\" aria-hidden=\"true\">{}</span> {} <span class=\"r-name\">{}</span></span>",
        standing.class(),
        standing.mark(),
        link(&task.id),
        e(&task.name)
    );
    let _ = write!(text, "<svg class=\"r-lane\" role=\"img\" aria-label=\"{}\">", e(&words(task)));
    for wait in &task.waits {
        let (from, to) = (scale.place(wait.from), scale.place(wait.to.unwrap_or(end).min(end)));
        let held: Vec<String> =
            wait.locks.iter().map(|held| format!(", while {} held {}", held.by.join(", "), held.lock)).collect();
        let _ = write!(
            text,
            "<line class=\"r-g-{0}\" x1=\"{from:.2}%\" x2=\"{to:.2}%\" y1=\"10\" y2=\"10\"><title>{1}{2}, {3}</title></line>",
            wait.what,
            waited(wait.what),
            e(&held.concat()),
            took(wait.from.until(wait.to.unwrap_or(end)))
        );
    }
    for attempt in &task.attempts {
        for stage in &attempt.stages {
            drawn(text, account, attempt, stage, scale, end);
        }
    }
    let _ = writeln!(text, "</svg><span class=\"r-took\">{}</span></li>", task.took().unwrap_or_default());
}

fn drawn(text: &mut String, account: &Account, attempt: &AttemptPart, stage: &StagePart, scale: &Scale, end: At) {
    let (from, to) = span(account, stage, end);
    let (left, right) = (scale.place(At(Moment(from))), scale.place(At(Moment(to))));
    let (top, height) = match stage.stage.as_str() {
        "setup" => (3, 7),
        "run" => (3, 14),
        _ => (10, 7),
    };
    let class = match (stage.result, stage.stage.as_str()) {
        ("failed", _) => "failed",
        ("interrupted", _) => "lost",
        (_, "setup") => "setup",
        (_, "run") => "run",
        _ => "verify",
    };
    let took = stage.milliseconds.map(|time| format!(", {}", took(time))).unwrap_or_default();
    let _ = write!(
        text,
        "<rect class=\"r-g-{class}\" x=\"{left:.2}%\" y=\"{top}\" width=\"{:.2}%\" height=\"{height}\" rx=\"1\"><title>attempt {}, {}: {}{took}</title></rect>",
        // Nothing is too short to be seen.
        (right - left).max(0.25),
        attempt.number,
        e(&stage.stage),
        stage.word(),
    );
    if stage.result == "failed" {
        *text += &cross(right, "%");
    }
}

const fn waited(what: &str) -> &'static str {
    match what.as_bytes() {
        b"gate" => "waited for a person",
        b"retry" => "waited for its retry",
        _ => "waited for a lock, a slot or room",
    }
}

/// A row in words.
fn words(task: &TaskPart) -> String {
    let attempts: Vec<String> = task
        .attempts
        .iter()
        .map(|attempt| {
            let stages: Vec<String> = attempt
                .stages
                .iter()
                .map(|stage| {
                    let took = stage.milliseconds.map(|time| format!(" in {}", took(time))).unwrap_or_default();
                    format!("{} {}{took}", stage.stage, stage.word())
                })
                .collect();
            format!("attempt {}: {}", attempt.number, stages.join(", "))
        })
        .collect();
    let waits = task.waits.iter().map(|wait| waited(wait.what).to_owned());
    waits.chain(attempts).collect::<Vec<_>>().join("; ")
}
