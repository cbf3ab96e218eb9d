//! A report as one page: no script, nothing from elsewhere, readable on a telephone, on paper and without colours.
//!
//! Guarantees: whatever names, comments and output hold, they are text on the page, and the page's own policy forbids
//! scripts and every request. Nothing is told by colour alone. The page is bounded: what it leaves out it says.
//!
//! Classes begin with `r-`, so that they do not meet those of the drawing, whose style is part of the page.

mod aside;
mod evidence;
mod graph;
mod parts;
mod scale;
mod style;
mod tasks;
mod timeline;

use std::fmt::Write as _;

use super::words::{Standing, brief, clock, took};
use super::{Account, At};
use crate::report::graph::escape_xml as e;
use crate::report::graph::picture::Picture;

/// What a browser may do with the page: show it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A part of the page and what it is called.
struct Part {
    id: &'static str,
    title: &'static str,
    body: String,
}

/// The page. `picture` has all tasks of the account that the document has, in its order.
pub fn html(account: &Account, picture: &Picture) -> String {
    let mut left_out = account.left_out.clone();
    let mut parts = Vec::new();
    let mut part = |id, title, tell: &mut dyn FnMut(&mut Vec<String>) -> String| {
        let known = left_out.len();
        let mut body = tell(&mut left_out);
        // Whoever reads this part is told here, too.
        for left in &left_out[known..] {
            let _ = writeln!(body, "<p class=\"r-note\">Left out: {}.</p>", prose(left));
        }
        if !body.is_empty() {
            parts.push(Part { id, title, body });
        }
    };
    part("attention", "Needs attention", &mut |_| parts::attention(account));
    part("timeline", "Timeline", &mut |left| timeline::timeline(account, left));
    part("graph", "Dependencies", &mut |left| graph::graph(account, picture, left));
    part("tasks", "Tasks", &mut |left| tasks::tasks(account, left));
    part("evidence", "Verification", &mut |left| evidence::evidence(account, left));
    part("approvals", "Approvals", &mut |_| parts::approvals(account));
    part("rollback", "Rollback", &mut |left| aside::rollback(account, left));
    part("beside", "Hooks, notices and clean-up", &mut |left| aside::beside(account, left));
    part("blueprint", "Blueprint", &mut |_| parts::blueprint(account));
    part("environment", "Environment", &mut |_| parts::environment(account));
    part("journal", "What happened", &mut |left| parts::happened(account, left));
    let (_, mark, word) = account.standing();
    let title = e(&account.document.title);
    let mut page = String::with_capacity(64 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{mark} {word}: {title}</title>\n<style>{}</style>\n</head>\n<body>\n\
         <a class=\"r-skip\" href=\"#content\">To the content</a>\n",
        style::STYLE
    );
    page += &head(account, &title);
    page += "<nav class=\"r-nav\" aria-label=\"Parts of this report\">";
    for Part { id, title, .. } in &parts {
        let _ = write!(page, "<a href=\"#{id}\">{title}</a> ");
    }
    page += "</nav>\n<main id=\"content\">\n";
    for Part { id, title, body } in &parts {
        let _ = write!(
            page,
            "<section id=\"{id}\" class=\"r-part\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>\n"
        );
    }
    if !left_out.is_empty() {
        page += "<section class=\"r-part\" aria-labelledby=\"left-title\"><h2 id=\"left-title\">Left out</h2>\n<ul>\n";
        for left in &left_out {
            let _ = writeln!(page, "<li>{}</li>", prose(left));
        }
        page += "</ul></section>\n";
    }
    let _ = write!(
        page,
        "</main>\n<footer class=\"r-foot\">Made by {} on {} from the journal of run <code>{}</code>. Times are in UTC.</footer>\n\
         </body>\n</html>\n",
        e(&account.made_by),
        time(account.made_at),
        e(&account.run.id)
    );
    page
}

/// Title, state, and the facts that are asked for first.
fn head(account: &Account, title: &str) -> String {
    let (run, document, counts) = (&account.run, &account.document, &account.counts);
    let (standing, mark, word) = account.standing();
    let class = standing.class();
    let mut text = format!(
        "<header class=\"r-head\">\n<p class=\"r-state r-{class}\"><span class=\"r-mark\" aria-hidden=\"true\">{mark}</span> {word}</p>\n\
         <h1>{title}</h1>\n"
    );
    if !document.banner.is_empty() {
        text += "<ul class=\"r-banner\">";
        for (key, value) in &document.banner {
            let _ = write!(text, "<li><span>{}</span> {}</li>", e(key), e(value));
        }
        text += "</ul>\n";
    }
    text += "<dl class=\"r-facts\">\n";
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(text, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact("Run", format!("<code>{}</code>", e(&run.id)));
    fact("Begun", format!("{} by {}", time(run.began_at), e(&run.began_by)));
    match run.ended_at {
        Some(at) => fact("Ended", format!("{}, after {}", time(at), took(run.milliseconds))),
        None => fact(
            "Latest event",
            format!("{}, {} after it began", time(run.latest_at), took(run.began_at.until(run.latest_at))),
        ),
    }
    if let Some(used) = account.used() {
        fact("Agents used", e(&used));
    }
    if let Some(host) = run.runners.last().map(|runner| &runner.host) {
        fact("Host", e(host));
    }
    if let Some(environment) = &run.environment {
        fact("Environment", e(environment));
    }
    fact(
        "Document",
        format!("{} <code title=\"{}\">{}</code>", e(&document.file), e(&document.digest), e(brief(&document.digest))),
    );
    text += "</dl>\n";
    text += &progress(account);
    let again = counts.attempts.saturating_sub(account.tasks.iter().filter(|task| !task.attempts.is_empty()).count());
    text += "<ul class=\"r-numbers\">\n";
    let mut number = |number: String, what: &str| {
        let _ = writeln!(text, "<li><b>{number}</b> {what}</li>");
    };
    number(format!("{}/{}", counts.complete, counts.tasks), "tasks complete");
    number(counts.blocked.to_string(), "failed");
    number(
        counts.attempts.to_string(),
        &if again == 0 { "attempts".to_owned() } else { format!("attempts, {again} of them again") },
    );
    number(
        format!("{}/{}", counts.verifications_passed, counts.verifications_passed + counts.verifications_failed),
        "verifications passed",
    );
    let approvals = account.gates.iter().flat_map(|gate| &gate.decisions).count();
    if approvals > 0 {
        number(approvals.to_string(), if approvals == 1 { "decision of a person" } else { "decisions of people" });
    }
    text += "</ul>\n</header>\n";
    text
}

/// How many tasks stand where, as a bar and in words.
fn progress(account: &Account) -> String {
    let total = account.meant().count();
    if total == 0 {
        return String::new();
    }
    // What is done grows from the left.
    let order = [
        Standing::Complete,
        Standing::Skipped,
        Standing::Undone,
        Standing::Running,
        Standing::Asked,
        Standing::Unknown,
        Standing::Failed,
        Standing::Waiting,
    ];
    let count = |standing| account.meant().filter(|task| task.standing() == standing).count();
    let counts: Vec<(Standing, usize)> =
        order.map(|standing| (standing, count(standing))).into_iter().filter(|(_, count)| *count > 0).collect();
    let mut bar = String::new();
    let mut legend = String::new();
    let mut from = 0.0;
    for (standing, count) in counts {
        let (class, plural, mark) = (standing.class(), standing.plural(), standing.mark());
        let width = 100.0 * count as f64 / total as f64;
        let _ =
            write!(bar, "<rect class=\"r-f-{class}\" x=\"{from:.2}%\" y=\"0\" width=\"{width:.2}%\" height=\"14\"/>");
        let _ = write!(
            legend,
            "<li><span class=\"r-mark r-{class}\" aria-hidden=\"true\">{mark}</span> {count} {plural}</li>"
        );
        from += width;
    }
    format!(
        "<svg class=\"r-bar\" width=\"100%\" height=\"14\" role=\"img\" aria-label=\"{}\">{bar}</svg>\n<ul class=\"r-legend\">{legend}</ul>\n",
        account.tally()
    )
}

/// A point in time, for people and for machines.
fn time(at: At) -> String {
    format!("<time datetime=\"{}\">{}</time>", at.0, clock(at))
}

/// A mark and a word for a standing.
fn badge(standing: Standing, word: &str) -> String {
    marked(standing, standing.mark(), word)
}

/// A mark and a word that look as those of a standing do.
fn marked(like: Standing, mark: char, word: &str) -> String {
    let class = like.class();
    format!(
        "<span class=\"r-badge r-{class}\"><span class=\"r-mark\" aria-hidden=\"true\">{mark}</span> {}</span>",
        e(word)
    )
}

/// A reference to a task's place on the page.
fn link(task: &str) -> String {
    format!("<a href=\"#t-{0}\">{0}</a>", e(task))
}

/// A text in which what stands in backticks is code.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick is none.
    if parts.len().is_multiple_of(2) {
        return e(text);
    }
    let part =
        |(place, part): (usize, &&str)| if place % 2 == 1 { format!("<code>{}</code>", e(part)) } else { e(part) };
    parts.iter().enumerate().map(part).collect()
}

/// A text that keeps its lines.
fn lines(text: &str) -> String {
    text.lines().map(e).collect::<Vec<_>>().join("\n")
}
