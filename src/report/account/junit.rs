//! A report as JUnit XML, for what CI systems show of tests.
//!
//! A test case is a task, a suite a tier. What failed for good is a failure; what nobody knows the end of is an error;
//! what did not run, or waits for a person, is skipped, with the reason. Attempts before the last are reruns: `flaky`
//! where the task passed in the end. Tasks that were not to be run are left out, unless the document says that they
//! are complete or skipped. What undid tasks, and hooks, have suites of their own.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::words::Standing;
use super::{Account, AttemptPart, ChorePart, Printed, StagePart, TaskPart};

/// The report, if it can be written.
pub fn junit(account: &Account) -> Result<String, String> {
    let mut report = Report::new(text(&account.document.title));
    report.set_time(Duration::from_millis(account.run.milliseconds));
    let stem = Path::new(&account.document.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("blueprint");
    // Dots part packages from each other.
    let package = text(stem).replace('.', "-");
    let mut suites: Vec<(Option<u32>, TestSuite)> = Vec::new();
    for task in &account.tasks {
        let is_told = !task.settled || matches!(task.status, "complete" | "skipped");
        if !is_told {
            continue;
        }
        let place = suites.iter().position(|(tier, _)| *tier == task.tier).unwrap_or_else(|| {
            suites.push((task.tier, suite(account, task)));
            suites.len() - 1
        });
        let class = task.tier.map_or_else(|| package.clone(), |tier| format!("{package}.tier-{tier}"));
        suites[place].1.add_test_case(case(account, task, class));
    }
    let mut suites: Vec<TestSuite> = suites.into_iter().map(|(_, suite)| suite).collect();
    for (name, class, is_rollback) in [("Rollback", "rollback", true), ("Hooks", "hooks", false)] {
        let chores: Vec<&ChorePart> =
            account.aside.chores.iter().filter(|chore| (chore.kind == "rollback") == is_rollback).collect();
        if !chores.is_empty() {
            let mut suite = named(account, name.to_owned());
            suite.add_test_cases(chores.into_iter().map(|chore| of_chore(chore, &format!("{package}.{class}"))));
            suites.push(suite);
        }
    }
    for mut suite in suites {
        let skipped = suite.test_cases.iter().filter(|case| matches!(case.status, TestCaseStatus::Skipped { .. }));
        let skipped = skipped.count().to_string();
        suite.extra.insert("skipped".into(), skipped.into());
        let time = suite.test_cases.iter().filter_map(|case| case.time).sum();
        suite.set_time(time);
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| error.to_string())
}

fn suite(account: &Account, first: &TaskPart) -> TestSuite {
    let name = match (first.tier, first.tier_title.as_str()) {
        (None, _) => "Tasks".to_owned(),
        (Some(tier), "") => format!("Tier {tier}"),
        (Some(tier), title) => format!("Tier {tier}: {}", text(title)),
    };
    named(account, name)
}

/// A suite with what all of them say of the run.
fn named(account: &Account, name: String) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.extra.insert("timestamp".into(), seconds(account).into());
    if let Some(runner) = account.run.runners.last() {
        suite.extra.insert("hostname".into(), text(&runner.host).into());
    }
    suite.add_property(("run", text(&account.run.id).as_str()));
    suite.add_property(("document", account.document.digest.as_str()));
    if let Some(environment) = &account.run.environment {
        suite.add_property(("environment", text(environment).as_str()));
    }
    suite
}

/// When the run began, in the form that nextest writes and readers are used to.
fn seconds(account: &Account) -> String {
    let time = account.run.began_at.0.to_string();
    time.split(['.', 'Z']).next().unwrap_or_default().to_owned() + "+00:00"
}

fn case(account: &Account, task: &TaskPart, class: String) -> TestCase {
    let mut case = TestCase::new(text(&format!("{} {}", task.id, task.name)), status(task));
    case.set_classname(class);
    case.set_time(Duration::from_millis(task.milliseconds.unwrap_or_default()));
    // Where GitLab, and actions that annotate, look for the place.
    case.extra.insert("file".into(), text(&account.document.file).into());
    case.extra.insert("line".into(), task.line.to_string().into());
    let printed: Vec<String> = task.attempts.last().into_iter().flat_map(|last| &last.stages).map(evidence).collect();
    if !printed.is_empty() {
        case.set_system_out(printed.join("\n"));
    }
    case
}

fn status(task: &TaskPart) -> TestCaseStatus {
    let reason = text(task.reason().unwrap_or_default());
    let kind = match task.standing() {
        // It did, whatever was undone since.
        _ if task.failure.is_some() => NonSuccessKind::Failure,
        Standing::Failed => NonSuccessKind::Failure,
        Standing::Unknown => NonSuccessKind::Error,
        Standing::Complete => {
            let mut status = TestCaseStatus::success();
            status.add_reruns(reruns(task));
            return status;
        }
        _ => {
            let mut status = TestCaseStatus::skipped();
            let word = task.word();
            // `skipped: …` says nothing that the element does not.
            let message = if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") };
            status.set_message(message.strip_prefix("skipped: ").unwrap_or(&message));
            return status;
        }
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(reason);
    status.set_type(task.failure.as_ref().map_or(task.word(), |failure| failure.code.as_str()));
    let last = task.attempts.last().and_then(said);
    status.set_description(last.unwrap_or_default());
    status.add_reruns(reruns(task));
    status
}

/// What undid a task, followed its success, or the run asked for.
fn of_chore(chore: &ChorePart, class: &str) -> TestCase {
    let stages = || chore.attempts.iter().flat_map(|attempt| &attempt.stages);
    let status = match chore.result() {
        "passed" => TestCaseStatus::success(),
        "running" => TestCaseStatus::skipped(),
        result => {
            let kind = if result == "failed" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            let failure = chore.failure();
            status.set_message(text(failure.map_or(chore.word().1, |failure| failure.message.as_str())));
            status.set_type(failure.map_or(chore.word().1, |failure| failure.code.as_str()));
            status.set_description(stages().next_back().map(evidence).unwrap_or_default());
            status
        }
    };
    let task = chore.task.as_deref().map(|task| format!("{task} ")).unwrap_or_default();
    let mut case = TestCase::new(text(&format!("{task}{}", chore.name)), status);
    case.set_classname(class);
    case.set_time(Duration::from_millis(stages().filter_map(|stage| stage.milliseconds).sum()));
    case.set_system_out(stages().map(evidence).collect::<Vec<_>>().join("\n"));
    case
}

/// Attempts before the last one.
fn reruns(task: &TaskPart) -> Vec<TestRerun> {
    let before = task.attempts.split_last().map(|(_, before)| before).unwrap_or_default();
    let rerun = |attempt: &AttemptPart| {
        let kind = if attempt.result == "failed" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
        let failed = attempt.stages.iter().find_map(|stage| stage.failure.as_ref().filter(|_| !stage.optional));
        let mut rerun = TestRerun::new(kind);
        let message = failed.map_or(attempt.result, |failure| failure.message.as_str());
        rerun.set_message(text(&format!("attempt {}: {message}", attempt.number)));
        rerun.set_type(failed.map_or(attempt.result, |failure| failure.code.as_str()));
        rerun.set_time(Duration::from_millis(attempt.stages.iter().filter_map(|stage| stage.milliseconds).sum()));
        if let Some(said) = said(attempt) {
            rerun.set_stack_trace(said);
        }
        rerun
    };
    before.iter().filter(|attempt| attempt.result != "passed").map(rerun).collect()
}

/// What the stage of an attempt printed that came to no good end.
fn said(attempt: &AttemptPart) -> Option<String> {
    let stage = attempt.stages.iter().rfind(|stage| stage.result != "passed")?;
    Some(evidence(stage))
}

/// A stage in a few lines: what was run, how it ended, the end of what it printed.
fn evidence(stage: &StagePart) -> String {
    let mut lines = vec![format!("== {}: {}", stage.stage, stage.word())];
    lines[0] += &stage.exit().map(|exit| format!(", {exit}")).unwrap_or_default();
    lines.extend(stage.command.iter().flat_map(|command| command.lines()).map(|line| format!("$ {line}")));
    if let Some(Printed { lines: printed, before }) = &stage.printed {
        lines.extend((*before > 0).then(|| format!("… after {before} lines")));
        lines.extend(
            printed
                .iter()
                .map(|line| if line.stream == "stderr" { format!("! {}", line.text) } else { line.text.clone() }),
        );
    }
    text(&lines.join("\n"))
}

/// A text without the two characters that XML has no way to write and that nobody else takes out.
fn text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
