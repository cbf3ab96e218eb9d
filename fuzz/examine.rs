//! Everything the pure half of the tool does with a document, and what must hold whatever is in it.
//!
//! The fuzz target and `tests/fuzz.rs` share this: bytes → source → model → plan → drawings and
//! reports. It panics where something does not hold.

use outpost_bp::blueprint::{Reading, TaskIndex, read};
use outpost_bp::cli::picture;
use outpost_bp::diagnostic::{Diagnostic, Severity, Span, sort};
use outpost_bp::document::Source;
use outpost_bp::plan::{Dag, Plan, check_files};
use outpost_bp::report::diagnostics::{Checked, Style, github, human, json, sarif};
use outpost_bp::report::graph::{ascii, dot, mermaid, svg};

pub(crate) fn examine(bytes: &[u8]) {
    let (source, refusal) = Source::from_bytes("fuzz.md", bytes.to_vec());
    let lax = once(&source, refusal.as_ref(), false);
    let strict = once(&source, refusal.as_ref(), true);
    assert!(strict.iter().all(|problem| problem.severity != Severity::Warning), "strict knows no warnings");
    for problem in lax.iter().filter(|problem| problem.is_error()) {
        assert!(strict.iter().any(|same| same == problem), "strict loses an error: {problem:?}");
    }
}

/// Reads, checks, plans, draws and reports. Answers what is wrong with the document.
fn once(source: &Source, refusal: Option<&Diagnostic>, strict: bool) -> Vec<Diagnostic> {
    let mut reading = read(source, strict);
    let dag = Dag::of(&reading.draft, &reading.links);
    let files = check_files(&reading.draft, &dag);
    reading.diagnostics.extend(files.into_iter().map(|mut problem| {
        if strict {
            problem.severity = Severity::Error;
        }
        problem
    }));
    sort(&mut reading.diagnostics);
    check_places(source, &reading);
    check_order(&reading, &dag);
    if !strict {
        check_drawings(&reading, &dag);
    }
    let diagnostics = refusal.map_or_else(|| reading.diagnostics.clone(), |refusal| vec![refusal.clone()]);
    let (tasks, dialect) = (reading.draft.tasks.len(), reading.draft.dialect.to_string());
    check_reports(&Checked { source, tasks, dialect, diagnostics: &diagnostics });
    check_plan(reading);
    diagnostics
}

fn check_places(source: &Source, reading: &Reading<'_>) {
    let text = source.text();
    let check = |span: Span, what: &str| {
        assert!(span.start <= span.end, "{what}: a place that ends before it begins: {span:?}");
        assert!(text.get(span.range()).is_some(), "{what}: no place of the document, or half a character: {span:?}");
    };
    for problem in &reading.diagnostics {
        let what = problem.code.number();
        problem.span.into_iter().for_each(|span| check(span, what));
        problem.related.iter().for_each(|(span, _)| check(*span, what));
        problem.edits.iter().for_each(|edit| check(edit.span, what));
        for (at, edit) in problem.edits.iter().enumerate() {
            let apart = |other: &outpost_bp::diagnostic::Edit| {
                edit.span.end <= other.span.start || other.span.end <= edit.span.start
            };
            assert!(problem.edits[..at].iter().all(apart), "{what}: edits of the same bytes: {:?}", problem.edits);
        }
        assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{what} leaves the author alone");
    }
    for task in &reading.draft.tasks {
        check(task.id.span, "an id");
        check(task.name.span, "a name");
        check(task.span, "a task");
        check(task.section, "a section");
        assert!(task.tier.is_none_or(|tier| (tier as usize) < reading.draft.tiers.len()));
    }
    reading.draft.tiers.iter().for_each(|tier| check(tier.span, "a tier"));
    reading.draft.data.iter().for_each(|block| check(block.span, "a block"));
    for index in reading.draft.indices() {
        for need in reading.links.needs(index) {
            check(need.span, "a need");
            assert!(need.task.get() < reading.draft.tasks.len());
        }
    }
}

/// Whatever could be read is in an order, unless tasks wait for each other.
fn check_order(reading: &Reading<'_>, dag: &Dag) {
    let count = reading.draft.tasks.len();
    if dag.order().is_empty() {
        let cyclic = reading.diagnostics.iter().any(|problem| problem.code.number() == "BP202");
        assert!(cyclic || count == 0, "no order and no cycle");
        return;
    }
    assert_eq!(dag.order().len(), count);
    let mut place = vec![0; count];
    dag.order().iter().enumerate().for_each(|(at, index)| place[index.get()] = at);
    for index in reading.draft.indices() {
        for (need, _) in dag.waits_for(index) {
            assert!(place[need.get()] < place[index.get()], "a task stands before what it waits for");
        }
    }
}

fn check_drawings(reading: &Reading<'_>, dag: &Dag) {
    let picture = picture(&reading.draft, dag);
    assert_eq!(picture.nodes.len(), reading.draft.tasks.len());
    let drawn = svg(&picture);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    check_markup(&drawn);
    for drawing in [drawn, mermaid(&picture), dot(&picture), ascii(&picture, 80, false)] {
        assert!(drawing.ends_with('\n'));
        check_tame(&drawing);
    }
}

/// Every tag is closed, and no text of the document is one.
fn check_markup(drawn: &str) {
    let mut open = Vec::new();
    for part in drawn.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = |tag: &str| tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name(closed)), "tags that overlap");
        } else {
            assert!(tag.starts_with(|c: char| c.is_ascii_lowercase()), "no tag: <{tag}>");
            open.extend((!tag.ends_with('/')).then(|| name(tag)));
        }
    }
    assert!(open.is_empty(), "tags that stay open: {open:?}");
}

/// Nothing in a text commands a terminal.
fn check_tame(text: &str) {
    let wild = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert!(wild.is_none(), "{wild:?} reaches the terminal in {text:?}");
}

fn check_reports(document: &Checked<'_>) {
    let page = human(document, Style { all: true, width: 100 });
    check_tame(&anstream::adapter::strip_str(&page).to_string());
    for problem in document.diagnostics {
        assert!(page.contains(problem.code.number()), "{} is not told", problem.code.number());
    }
    human(document, Style { all: false, width: 40 });
    let told = json(std::slice::from_ref(document), true);
    for value in [told, sarif(std::slice::from_ref(document))] {
        let parsed: serde_json::Value = serde_json::from_str(&value.to_string()).expect("JSON that parses");
        assert_eq!(parsed, value);
    }
    let commands = github(document);
    assert_eq!(commands.lines().count(), document.diagnostics.len(), "one line, one command: {commands:?}");
    assert!(commands.lines().all(|line| line.starts_with("::")));
}

fn check_plan(reading: Reading<'_>) {
    let count = reading.draft.tasks.len();
    let (blueprint, diagnostics) = reading.into_blueprint();
    let Some(blueprint) = blueprint else {
        assert!(diagnostics.iter().any(Diagnostic::is_error));
        return;
    };
    let plan = Plan::of(&blueprint, &[]).expect("everything can be planned");
    assert_eq!(plan.order.len(), count);
    assert!(plan.missing.is_empty());
    plan.contention(&blueprint);
    let first = format!("+{}+", blueprint.task(TaskIndex::new(0)).id);
    Plan::of(&blueprint, &[first]).expect("an id can be selected");
}
