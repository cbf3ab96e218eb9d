//! A made-up run with a bit of everything, told in every format.
//!
//! The snapshots in `tests/reports/` are what readers of each format get. Names, comments and output of the run are
//! hostile: what they would do is looked for in each format by a test of its own.

use super::words::Standing;
use super::{Account, Facts, Fold, Printed, PrintedLine, TaskPart, html, junit, markdown};
use crate::blueprint::{Blueprint, digest, read};
use crate::cli::picture;
use crate::document::Source;
use crate::plan::{Dag, Plan};
use crate::report::status::Status;
use crate::report::why;
use crate::run::{
    Amounts, Completion, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, KeptPort, Moment,
    Permit, Program, Run, RunStarted,
};

const DOCUMENT: &str = include_str!("../../../tests/reports/made-up.md");
/// 2026-11-21 10:20:00 UTC.
const BEGAN: u64 = 1_795_256_400_000;

fn started(stage: &str, task: &str, attempt: u32) -> Event {
    Event::StageStarted { task: task.to_owned(), attempt, stage: stage.to_owned() }
}

fn ended(stage: &str, task: &str, attempt: u32, milliseconds: u64, failure: Option<Failure>) -> Event {
    let outputs = match (stage, task) {
        ("run", "T0.1") => vec![KeptPort { port: "image".to_owned(), digest: format!("sha256:{}", "ab".repeat(32)) }],
        _ => Vec::new(),
    };
    let (task, stage, failure) = (task.to_owned(), stage.to_owned(), failure.map(Box::new));
    Event::StageEnded { task, attempt, stage, milliseconds, failure, outputs }
}

fn done(task: &str) -> Event {
    Event::TaskCompleted { task: task.to_owned(), how: Completion::Done }
}

fn exited(code: FailureCode, phase: FailurePhase, status: i32, stderr: &str) -> Failure {
    let message = format!("`run` exited with {status} <img src=x onerror=alert(1)> | ]]> @ada");
    Failure { exit_code: Some(status), stderr: stderr.to_owned(), ..Failure::new(code, phase, message) }
}

fn approval(by: &str, comment: &str, set: &[(&str, &str)]) -> Event {
    Event::GateDecided(Box::new(GateDecision {
        task: "T1.1".to_owned(),
        approved: true,
        by: by.to_owned(),
        comment: comment.to_owned(),
        digest: "sha256:0123456789abcdef".to_owned(),
        set: set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }))
}

fn runner(pid: u32) -> Event {
    Event::RunnerTookOver { pid, host: "build-7".to_owned(), by: "ada".to_owned() }
}

fn start(digest: String) -> RunStarted {
    RunStarted {
        run: "20261121-102000".to_owned(),
        blueprint: "Payments".to_owned(),
        file: "made-up.md".to_owned(),
        root: "/srv/payments".to_owned(),
        digest,
        by: "ada".to_owned(),
        tasks: 9,
        selection: Vec::new(),
        rerun: Vec::new(),
        environment: Some("staging".to_owned()),
        jobs: Some(3),
        fail_fast: false,
        traceparent: None,
    }
}

/// Seconds since the run began, and what happened then.
fn events(started_run: RunStarted) -> Vec<(Moment, Event)> {
    use FailureCode::{ExecutionFailed, VerificationFailed};
    use FailurePhase::{Execution, Verification};
    let hostile = "</pre><script>alert(1)</script> ]]> ``` \u{1b}[31mred\u{1b}[0m\nlast words";
    let at = |second: f64, event| (Moment(BEGAN + (second * 1000.0) as u64), event);
    vec![
        at(0.0, Event::RunStarted(Box::new(started_run))),
        at(0.0, runner(41)),
        at(0.0, started("run", "T0.1", 1)),
        at(0.0, started("setup", "T0.2", 1)),
        at(0.5, ended("setup", "T0.2", 1, 500, None)),
        at(0.5, started("run", "T0.2", 1)),
        at(2.0, ended("run", "T0.2", 1, 1500, Some(exited(ExecutionFailed, Execution, 56, "reset by peer")))),
        at(2.0, Event::RetryScheduled { task: "T0.2".to_owned(), attempt: 2, at: Moment(BEGAN + 7000) }),
        at(4.0, ended("run", "T0.1", 1, 4000, None)),
        at(4.0, started("verify:smoke", "T0.1", 1)),
        at(4.2, ended("verify:smoke", "T0.1", 1, 200, None)),
        at(4.2, started("verify:e2e", "T0.1", 1)),
        at(5.0, ended("verify:e2e", "T0.1", 1, 800, Some(exited(VerificationFailed, Verification, 3, "")))),
        at(5.0, done("T0.1")),
        at(5.0, started("run", "T0.3", 1)),
        at(
            5.0,
            Event::GateOpened {
                task: "T1.1".to_owned(),
                time: GateMoment::Before,
                digest: "sha256:0123456789abcdef".to_owned(),
                deadline: Moment(BEGAN + 172_800_000),
            },
        ),
        at(5.0, Event::TaskSkipped { task: "T0.4".to_owned(), reason: "its condition does not hold".to_owned() }),
        at(7.0, started("setup", "T0.2", 2)),
        at(7.4, ended("setup", "T0.2", 2, 400, None)),
        at(7.4, started("run", "T0.2", 2)),
        at(8.4, ended("run", "T0.2", 2, 1000, None)),
        at(8.4, done("T0.2")),
        // The runner is killed while T0.3 works, and comes back eleven hours later.
        at(40_000.0, runner(977)),
        at(40_000.0, Event::TaskUnknown { task: "T0.3".to_owned(), attempt: 1, stage: "run".to_owned() }),
        at(40_000.0, Event::RepeatAllowed { task: "T0.3".to_owned(), by: Permit::Idempotent }),
        at(40_000.0, started("run", "T0.3", 2)),
        at(40_001.0, approval("ada", "fine <b>by</b> me | @everyone", &[("replicas", "3")])),
        at(40_003.0, ended("run", "T0.3", 2, 3000, None)),
        at(40_003.0, done("T0.3")),
        at(40_004.0, approval("grace", "", &[])),
        at(40_004.0, started("run", "T1.1", 1)),
        at(40_006.0, ended("run", "T1.1", 1, 2000, None)),
        at(40_006.0, done("T1.1")),
        at(40_006.0, started("run", "T2.1", 1)),
        at(40_009.0, ended("run", "T2.1", 1, 3000, Some(exited(ExecutionFailed, Execution, 1, hostile)))),
        at(
            40_009.0,
            Event::TaskBlocked {
                task: "T2.1".to_owned(),
                failure: Box::new(exited(ExecutionFailed, Execution, 1, hostile)),
            },
        ),
        at(40_009.0, Event::RunEnded { state: Ending::Failed }),
    ]
}

/// What the fold of these events tells, an hour after the last of them.
pub(in crate::report) fn told<T>(take: usize, tell: impl FnOnce(&Account, &Blueprint<'_>) -> T) -> T {
    let (source, _) = Source::from_bytes("made-up.md", DOCUMENT.as_bytes().to_vec());
    let (blueprint, problems) = read(&source, false).into_blueprint();
    let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = Plan::of(&blueprint, &[]).expect("a plan");
    let mut run = Run::new(Program::of(&blueprint, &plan, None, Amounts::default()));
    let started = start(digest(&source));
    let events: Vec<(Moment, Event)> = events(started.clone()).into_iter().take(take).collect();
    let mut fold = Fold::new(&blueprint);
    for (at, event) in &events {
        run.apply(*at, event).expect("it can happen");
        fold.saw(*at, event, &run);
    }
    let now = events.last().expect("an event").0.after(3_600_000);
    let why = why::Facts {
        run: &run,
        blueprint: &blueprint,
        id: "20261121-102000",
        events: &events,
        now,
        is_driven: false,
        holders: &[],
        left: &[],
    };
    let status = Status::of(&run, &blueprint, &started, Some(Moment(BEGAN)), None, Vec::new());
    let digest = started.digest.clone();
    let facts = Facts {
        why: &why,
        status: &status,
        started: &started,
        source: &source,
        digest: &digest,
        made_by: "outpost-bp",
    };
    let account = fold.account(&facts, &mut |task, attempt, stage, most| match (task, stage) {
        // Only the journal remembers.
        ("T2.1", _) | ("T0.4", _) => None,
        _ => Some(Printed {
            lines: [format!("{task} {attempt} {stage}"), "done | `x` </pre> & @ada".to_owned()]
                .iter()
                .zip(["stdout", "stderr"])
                .take(most)
                .map(|(text, stream)| PrintedLine::new(stream, text))
                .collect(),
            before: 0,
        }),
    });
    tell(&account, &blueprint)
}

/// The page of an account, with the drawing of its document.
fn page(account: &Account, blueprint: &Blueprint<'_>) -> String {
    let dag = Dag::of(blueprint, blueprint.links());
    html(account, &picture(blueprint, &dag))
}

/// Everything that happened.
pub(in crate::report) const ALL: usize = usize::MAX;

/// Holds a report to its snapshot in `tests/reports/`.
#[track_caller]
pub(in crate::report) fn held_to(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../tests/reports");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_json_has_everything_in_its_order() {
    told(ALL, |account, _| held_to("json", &account.json().expect("JSON")));
}

#[test]
fn the_markdown_of_the_same_run() {
    told(ALL, |account, _| held_to("markdown", &markdown(account)));
}

#[test]
fn what_waits_is_told_while_it_waits() {
    // Up to where the gate is open and a retry is waited for.
    told(17, |account, _| {
        assert_eq!((account.run.state, account.run.ended_at), ("interrupted", None));
        let task = |id: &str| account.tasks.iter().find(|task| task.id == id).expect("a task");
        assert_eq!(task("T1.1").standing(), Standing::Asked);
        assert_eq!(task("T0.3").standing(), Standing::Unknown, "its runner ended");
        assert_eq!(task("T2.2").standing(), Standing::Left);
        assert_eq!(account.gates[0].outcome, "open");
        assert!(markdown(account).contains("`outpost-bp approve T1.1 --run 20261121-102000`"));
    });
}

#[test]
fn a_wait_for_a_lock_names_who_held_it() {
    told(ALL, |account, _| {
        let waits = |id: &str| {
            let task = account.tasks.iter().find(|task| task.id == id).expect("a task");
            task.waits.iter().map(|wait| (wait.what, wait.locks.clone())).collect::<Vec<_>>()
        };
        let waited = waits("T0.3");
        let [(what, locks)] = &waited[..] else { panic!("{waited:?}") };
        assert_eq!((*what, locks[0].lock.as_str(), &locks[0].by[..]), ("queue", "db", &["T0.1".to_owned()][..]));
        assert_eq!(waits("T0.2"), [("retry", Vec::new())], "a retry is no queue");
        assert_eq!(account.pauses.len(), 1);
    });
}

#[test]
fn nothing_in_a_report_as_markdown_is_more_than_text() {
    let text = told(ALL, |account, _| markdown(account));
    let outside: String = text.split("```").step_by(2).collect();
    for hostile in ["<b>", "<img", "<script", "@everyone", "@ada", "[click](", "![", "https://evil"] {
        assert!(!outside.contains(hostile), "{hostile} in:\n{text}");
    }
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("T0.1 ") && line.starts_with('|')).collect();
    let pipes = |row: &str| row.replace("\\|", "").matches('|').count();
    assert_eq!(rows.iter().map(|row| pipes(row)).collect::<Vec<_>>(), [7], "{rows:?}");
}

#[test]
fn a_digest_that_somebody_wrote_is_text_like_any_other() {
    told(ALL, |account, blueprint| {
        let mut account = account.clone();
        account.document.digest = "<b>x</b>".to_owned();
        account.gates[0].digest = "`|\0<b>y</b>".to_owned();
        let (text, page) = (markdown(&account), page(&account, blueprint));
        let row = text.lines().find(|line| line.contains("| T1.1 |") && line.contains("y</b>")).expect("the gate");
        assert!(row.ends_with(" `` `\\|\u{fffd}<b>y</b> `` |") && !text.contains('\0'), "{row:?}");
        assert!(!page.contains("<b>x") && !page.contains("<b>y"));
    });
}

#[test]
fn a_report_as_markdown_fits_into_a_comment() {
    told(ALL, |account, _| {
        let mut large = account.clone();
        let task = account.tasks.iter().find(|task| task.id == "T2.1").expect("a task");
        large.tasks = (0..3_000).map(|number| TaskPart { id: format!("X{number}"), ..task.clone() }).collect();
        large.tasks[0].name = "long ".repeat(10_000);
        let text = markdown(&large);
        assert!(text.len() < 65_000, "{}", text.len());
        assert!(text.contains("2850 tasks; all of them"), "{text}");
    });
}

#[test]
fn the_junit_of_the_same_run() {
    let text = told(ALL, |account, _| junit(account).expect("XML"));
    held_to("junit", &text);
    let read = quick_junit::Report::deserialize_from_str(&text).expect("what was written can be read");
    assert_eq!((read.tests, read.failures, read.errors), (8, 1, 0));
}

#[test]
fn the_page_of_the_same_run() {
    let text = told(ALL, page);
    // The style and the drawing have tests of their own.
    let mut shown = text;
    for (from, to) in [("<style>\n", "</style>\n</head>"), ("<svg xmlns", "</svg>\n</div>")] {
        let begin = shown.find(from).expect(from) + from.len();
        let end = begin + shown[begin..].find(to).expect(to);
        shown.replace_range(begin..end, "…");
    }
    held_to("page", &shown);
}

/// Elements that a page may have, and those that have no end.
const ELEMENTS: [&str; 64] = [
    "a", "article", "b", "body", "caption", "code", "dd", "desc", "details", "div", "dl", "dt", "footer", "g", "h1",
    "h2", "h3", "h4", "head", "header", "html", "input", "label", "li", "line", "link", "main", "marker", "meta",
    "nav", "ol", "p", "path", "pre", "rect", "section", "span", "style", "summary", "svg", "table", "tbody", "td",
    "text", "th", "thead", "time", "title", "tr", "ul", "use", "defs", "circle", "!doctype", "polyline", "polygon",
    "ellipse", "tspan", "dialog", "br", "hr", "sub", "strong", "em",
];
const WITHOUT_END: [&str; 4] = ["meta", "link", "input", "!doctype"];

#[test]
fn nothing_on_the_page_is_more_than_text_and_every_element_ends() {
    for take in [1, 6, 17, 30, ALL] {
        let text = told(take, page);
        let mut open: Vec<&str> = Vec::new();
        for piece in text.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').expect("a tag ends");
            let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
            assert!(ELEMENTS.contains(&name), "<{tag}> after {take} events");
            // Attributes stand in double quotes, so that what is outside of them is ours.
            let ours: String = tag.split('"').step_by(2).collect();
            assert!(!ours.contains(" on") && !ours.contains('\''), "<{tag}>");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "after {take} events");
            } else if !tag.ends_with('/') && !WITHOUT_END.contains(&name) {
                open.push(name);
            }
        }
        assert_eq!(open, [""; 0]);
        for forbidden in ["src=\"", "http://", "url(http", "@import", "javascript:"] {
            let outside = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains(forbidden), "{forbidden} after {take} events");
        }
    }
}

#[test]
fn a_page_of_thousands_of_tasks_is_bounded_and_says_what_it_leaves_out() {
    told(ALL, |account, blueprint| {
        let mut large = account.clone();
        let [passed, failed] =
            ["T0.1", "T2.1"].map(|id| account.tasks.iter().find(|task| task.id == id).expect("a task"));
        large.tasks = (0..6_000)
            .map(|number| {
                let task = if number % 1_000 == 7 { failed } else { passed };
                TaskPart { id: format!("X{number}"), ..task.clone() }
            })
            .collect();
        let text = page(&large, blueprint);
        assert!(text.len() < 8 << 20, "{}", text.len());
        for said in ["5850 tasks of the timeline", "4500 tasks; all of them", "verifications that passed; all of them"]
        {
            assert!(text.contains(said), "{said}");
        }
        // What somebody looks for is there, wherever it stands.
        for number in [7, 1_007, 5_007] {
            assert!(text.contains(&format!("id=\"t-X{number}\"")), "X{number}");
        }
    });
}
