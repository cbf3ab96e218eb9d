//! When each task worked and what it waited for: a row for each, one axis for all.
//!
//! What is what is told by shape: work is a full bar, set-up its upper half, verification its lower half, a hook an open
//! bar between; what failed ends in a cross. Each row says the same in words.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::words::{clock, took};
use super::super::{Account, At, AttemptPart, ChorePart, StagePart, TaskPart};
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
    if tasks.is_empty() && account.aside.chores.is_empty() {
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
    let mut text = legend(account, &tasks);
    text += "<div class=\"r-time\">\n";
    text += &axis(account, &scale);
    text += "<ol class=\"r-rows\">\n";
    let mut of_task: HashMap<&str, Vec<&ChorePart>> = HashMap::new();
    for chore in &account.aside.chores {
        of_task.entry(chore.task.as_deref().unwrap_or_default()).or_default().push(chore);
    }
    let none = Vec::new();
    let lane = Lane { account, scale: &scale, end };
    for task in &tasks {
        lane.task(&mut text, task, of_task.get(task.id.as_str()).unwrap_or(&none));
    }
    for hook in of_task.get("").unwrap_or(&none) {
        lane.hook(&mut text, hook);
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
fn legend(account: &Account, tasks: &[&TaskPart]) -> String {
    let chore = |is_rollback: bool| account.aside.chores.iter().any(|chore| (chore.kind == "rollback") == is_rollback);
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
        (chore(true), bar("r-g-undo", (4.0, 26.0), 3.0, 14.0), "rollback"),
        (chore(false), bar("r-g-chore", (4.0, 26.0), 6.0, 8.0), "hook, or what follows a success"),
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

/// What the rows have in common.
struct Lane<'a> {
    account: &'a Account,
    scale: &'a Scale,
    end: At,
}

impl Lane<'_> {
    fn task(&self, text: &mut String, task: &TaskPart, chores: &[&ChorePart]) {
        let standing = task.standing();
        let _ = write!(
            text,
            "<li class=\"r-row\"><span class=\"r-who\"><span class=\"r-mark r-{}\" aria-hidden=\"true\">{}</span> {} <span class=\"r-name\">{}</span></span>",
            standing.class(),
            standing.mark(),
            link(&task.id),
            e(&task.name)
        );
        let _ = write!(text, "<svg class=\"r-lane\" role=\"img\" aria-label=\"{}\">", e(&words(task, chores)));
        for wait in &task.waits {
            let until = wait.to.unwrap_or(self.end).min(self.end);
            let (from, to) = (self.scale.place(wait.from), self.scale.place(until));
            let held: Vec<String> =
                wait.locks.iter().map(|held| format!(", while {} held {}", held.by.join(", "), held.lock)).collect();
            let _ = write!(
                text,
                "<line class=\"r-g-{0}\" x1=\"{from:.2}%\" x2=\"{to:.2}%\" y1=\"10\" y2=\"10\"><title>{1}{2}, {3}</title></line>",
                wait.what,
                waited(wait.what),
                e(&held.concat()),
                took(wait.from.until(wait.to.unwrap_or(self.end)))
            );
        }
        for attempt in &task.attempts {
            for stage in &attempt.stages {
                self.stage(text, attempt, stage);
            }
        }
        for attempt in chores.iter().flat_map(|chore| &chore.attempts) {
            for stage in &attempt.stages {
                self.stage(text, attempt, stage);
            }
        }
        let _ = writeln!(text, "</svg><span class=\"r-took\">{}</span></li>", task.took().unwrap_or_default());
    }

    /// A row of a hook of the run.
    fn hook(&self, text: &mut String, hook: &ChorePart) {
        let (mark, word) = hook.word();
        let _ = write!(
            text,
            "<li class=\"r-row\"><span class=\"r-who\"><span class=\"r-mark\" aria-hidden=\"true\">{mark}</span> <span class=\"r-name\">hook {}</span></span><svg class=\"r-lane\" role=\"img\" aria-label=\"{word}\">",
            e(hook.name)
        );
        let mut milliseconds = 0;
        for attempt in &hook.attempts {
            for stage in &attempt.stages {
                self.stage(text, attempt, stage);
                milliseconds += stage.milliseconds.unwrap_or_default();
            }
        }
        let _ = writeln!(text, "</svg><span class=\"r-took\">{}</span></li>", took(milliseconds));
    }

    fn stage(&self, text: &mut String, attempt: &AttemptPart, stage: &StagePart) {
        let (from, to) = span(self.account, stage, self.end);
        let (left, right) = (self.scale.place(At(Moment(from))), self.scale.place(At(Moment(to))));
        let (top, height) = match stage.stage.as_str() {
            "setup" => (3, 7),
            "run" | "rollback" => (3, 14),
            _ if stage.is_verification() => (10, 7),
            _ => (6, 8),
        };
        let class = match (stage.result, stage.stage.as_str()) {
            ("failed", _) => "failed",
            ("interrupted", _) => "lost",
            (_, "setup") => "setup",
            (_, "run") => "run",
            (_, "rollback") => "undo",
            _ if stage.is_verification() => "verify",
            _ => "chore",
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
}

const fn waited(what: &str) -> &'static str {
    match what.as_bytes() {
        b"gate" => "waited for a person",
        b"retry" => "waited for its retry",
        _ => "waited for a lock, a slot or room",
    }
}

/// A row in words.
fn words(task: &TaskPart, chores: &[&ChorePart]) -> String {
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
    let chores = chores.iter().map(|chore| format!("{} {}", chore.name, chore.word().1));
    waits.chain(attempts).chain(chores).collect::<Vec<_>>().join("; ")
}
