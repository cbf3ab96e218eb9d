//! `outpost-bp plan`: waves for people, the plan as JSON, selections good and bad.

use serde_json::{Value, json};

use crate::builder::Test;
use crate::{FAULTY, RELEASE};

fn plan(arguments: &[&str]) -> Test {
    Test::of(&[&["plan", "r.md"], arguments].concat()).file("r.md", RELEASE)
}

/// The ids a selection plans, in their order.
fn plans(terms: &[&str], expected: &'static [&'static str]) {
    plan(&[terms, &["--json"]].concat())
        .stdout_fits(move |text| {
            let told: Value = serde_json::from_str(text).expect("JSON");
            let tasks = told["tasks"].as_array().expect("tasks");
            let ids: Vec<_> = tasks.iter().map(|task| task["id"].as_str().expect("an id")).collect();
            assert_eq!(ids, expected);
        })
        .run();
}

#[test]
fn waves_marks_and_the_critical_path() {
    plan(&[]).stdout_snapshot("plan").run();
    Test::of(&["plan", "-"]).stdin(RELEASE).stdout_snapshot("plan").run();
}

#[test]
fn a_narrow_terminal_wraps_lines_and_cuts_nothing() {
    plan(&[])
        .env("COLUMNS", "40")
        .stdout_fits(|text| {
            assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(text), words(snapshot(include_str!("transcripts/plan.snap"))));
        })
        .run();
}

/// The text of a snapshot, without the lines about it.
fn snapshot(file: &str) -> &str {
    file.splitn(3, "---\n").nth(2).expect("a head and a text")
}

#[cfg(unix)]
#[test]
fn what_the_machine_has_is_told() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    let tools = tempfile::TempDir::new().expect("a folder");
    for (name, says) in [("cargo", "cargo 1.95.0"), ("node", "v16.20.2"), ("claude", "2.0.1 (Claude Code)")] {
        let path = tools.path().join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("a tool");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    plan(&["T0.2.*"])
        .env("PATH", tools.path().to_str().expect("a path"))
        .env("LOAD_TOKEN", "secret-value")
        .stdout_fits(|text| {
            for line in [
                "  cargo: is here (1 task)\n",
                "  node>=18: MISSING here, which has 16.20.2 (1 task)\n",
                "  claude: is here (1 task)\n",
                "  LOAD_TOKEN: has a value here (1 task)\n",
            ] {
                assert!(text.contains(line), "no `{line}` in:\n{text}");
            }
            assert!(!text.contains("secret-value"), "{text}");
        })
        .run();
}

#[test]
fn json_says_it_all() {
    plan(&["--json"]).stdout_snapshot("plan_json").run();
}

#[test]
fn selections() {
    plans(&["T0.1"], &["T0.1"]);
    plans(&["T0.2.*"], &["T0.2.1", "T0.2.2"]);
    plans(&["tier:1"], &["T1.1"]);
    plans(&["status:complete"], &["T0.1"]);
    plans(&["+T0.2"], &["T0.1", "T0.2.1", "T0.2.2", "T0.2"]);
    plans(&["T0.2+"], &["T0.2", "T1.1"]);
    plans(&["+T0.2.1+"], &["T0.1", "T0.2.1", "T0.2", "T1.1"]);
    plans(&["!T1.1"], &["T0.1", "T0.2.1", "T0.2.2", "T0.2"]);
    plans(&["+T1.1", "!T0.1"], &["T0.2.1", "T0.2.2", "T0.2", "T1.1"]);
    plans(&["status:blocked"], &[]);
}

#[test]
fn a_selection_that_means_nothing_says_why() {
    let hint = "hint: a selection is an id, `T1.*`, `tier:1`, `status:…`, `+T1.1` or `T1.1+`\n";
    for (term, reason) in [
        ("T0.3", "there is no such task; did you mean `T0.1`?"),
        ("zzzzz", "there is no such task"),
        ("T7.*", "no task's id is like this"),
        ("tier:7", "no task stands in tier 7"),
        ("tier:one", "a tier is a number, such as `tier:2`"),
        (
            "status:finished?",
            "a status is one of `not_started`, `in_progress`, `complete`, `blocked`, `skipped` or `checkpointed`",
        ),
    ] {
        plan(&[term]).stderr(format!("error: `{term}` selects nothing: {reason}\n{hint}")).code(2).run();
    }
}

#[test]
fn a_blueprint_with_errors_is_not_planned() {
    Test::of(&["plan", "f.md"]).file("f.md", FAULTY).stderr_snapshot("plan_refused").code(2).run();
    Test::of(&["plan", "--json", "f.md"]).file("f.md", FAULTY).stderr_snapshot("plan_refused").code(2).run();
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let digest = |text: &str| {
        let (sent, found) = std::sync::mpsc::channel();
        Test::of(&["plan", "r.md", "--json"])
            .file("r.md", text)
            .stdout_fits(move |text| {
                let told: Value = serde_json::from_str(text).expect("JSON");
                sent.send(told["blueprint"]["digest"].clone()).expect("someone listens");
            })
            .run();
        found.recv().expect("a digest")
    };
    let first = digest(RELEASE);
    assert_eq!(first, digest(RELEASE));
    assert_ne!(first, digest(&format!("{RELEASE}\n")));
    assert_ne!(first, json!(null));
}
