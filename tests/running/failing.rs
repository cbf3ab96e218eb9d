//! How tasks fail, are tried again, and what becomes of the rest.

use serde_json::Value;

use crate::{blocked, kept, project};

#[test]
fn f_23_a_failed_task_is_tried_as_often_as_it_may() {
    let project = project(
        "",
        &[
            (
                "flaky",
                "",
                "on_failure: {max_retries: 3, retry_delay: PT0.05S}\nrun: |\n  note ran\n  [ \"$OUTPOST_ATTEMPT\" = 3 ]",
            ),
            (
                "hopeless",
                "",
                "on_failure: {max_retries: 2, retry_delay: PT0.05S}\nrun: note \"$(head -1 \"${OUTPOST_LAST_FAILURE:-/dev/null}\")\"; exit 9",
            ),
            ("unasked", "", "run: note ran; exit 1"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(1);
    let mut ledger = project.ledger();
    ledger.sort_unstable();
    assert_eq!(
        ledger,
        [
            "flaky 1 run ran",
            "flaky 2 run ran",
            "flaky 3 run ran",
            "hopeless 1 run ",
            "hopeless 2 run `run` exited with 9",
            "hopeless 3 run `run` exited with 9",
            "unasked 1 run ran",
        ]
    );
    assert_eq!(project.told("task_completed"), ["flaky"]);
    assert_eq!(project.told("retry_scheduled").len(), 4);
}

#[test]
fn f_23_an_action_says_what_becomes_of_the_rest() {
    let run = |action: &str, code: i32, arguments: &[&str]| {
        let failing = format!("on_failure: {{action: {action}}}\nrun: exit 1");
        let project = project("", &[("a", "", &failing), ("b", "a", "run: note ran"), ("c", "", "run: note ran")]);
        project.outpost(&[&["run", "blueprint.md", "-j", "1"], arguments].concat()).with(code);
        project.ledger()
    };
    assert_eq!(run("block", 1, &[]), ["c 1 run ran"]);
    assert_eq!(run("block", 1, &["--fail-fast"]), [""; 0]);
    assert_eq!(run("abort", 1, &[]), [""; 0]);
    assert_eq!(run("skip", 0, &[]), ["b 1 run ran", "c 1 run ran"]);
}

#[test]
fn f_23_abort_ends_what_runs() {
    let project = project(
        "",
        &[
            ("a", "", "on_failure: {action: abort}\nrun: 'await sleeping; exit 1'"),
            ("b", "", "run: touch sleeping; sleep 300"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(1);
    project.until_nothing_runs();
    assert_eq!(project.told("task_blocked").len(), 2);
}

#[test]
fn f_24_only_what_is_idempotent_is_repeated_by_itself() {
    let project = project(
        "",
        &[
            ("twice", "", "idempotent: true\nrun: note begin; await go; note end"),
            ("once", "", "run: note begin; await go; note end"),
            (
                "shown",
                "",
                "run: note begin; touch shown; await go; note end\nverification: {smoke: {command: test -e shown}}",
            ),
            ("after", "once", "run: note ran"),
        ],
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    for task in ["twice", "once", "shown"] {
        project.until_written(&format!("{task} 1 run begin"));
    }
    project.until("shown", || project.path("shown").exists());
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.until_nothing_runs();
    project.write("go", "");
    project.outpost(&["resume"]).with(3).says(&["once"]);
    let ended: Vec<String> = project.ledger().into_iter().filter(|line| line.ends_with("end")).collect();
    assert_eq!(ended, ["twice 2 run end"]);
    assert_eq!(project.told("task_unknown"), ["twice/1/run", "once/1/run", "shown/1/run"]);
    let mut completed = project.told("task_completed");
    completed.sort_unstable();
    assert_eq!(completed, ["shown", "twice"]);
    project.outpost(&["resume", "--rerun", "once"]).with(0);
    assert_eq!(project.ledger().last().map(String::as_str), Some("after 1 run ran"));
}

#[test]
fn f_25_verifications_run_in_order_and_end_with_the_first_failure() {
    let all = "verification:\n  e2e: {command: note seen}\n  integration: {command: note seen; exit 3}\n  unit: {command: note seen; exit 5, expected_exit_code: 5}\n  smoke: {command: note seen; exit 1, optional: true}\nrun: note ran";
    let project = project("", &[("a", "", all)]);
    project.outpost(&["run", "blueprint.md"]).with(1);
    assert_eq!(blocked(&project), ["a E_VERIFICATION_FAILED"]);
    let stages = ["run ran", "verify:smoke seen", "verify:unit seen", "verify:integration seen"];
    assert_eq!(project.ledger(), stages.map(|stage| format!("a 1 {stage}")));
}

#[test]
fn f_25_an_interrupted_verification_is_repeated_and_both_are_logged() {
    let seen = "run: note ran\nverification: {smoke: {command: 'echo look; note look; await go; echo good'}}";
    let project = project("", &[("a", "", seen)]);
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 verify:smoke look");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.until_nothing_runs();
    project.write("go", "");
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran", "a 1 verify:smoke look", "a 1 verify:smoke look"]);
    let log = |name: &str| {
        let bytes = std::fs::read(kept(&project, name)).expect("a log");
        ["look", "good"].map(|word| bytes.windows(4).any(|window| window == word.as_bytes()))
    };
    assert_eq!(log("verify-smoke.log.1"), [true, false]);
    assert_eq!(log("verify-smoke.log"), [true, true]);
}

#[test]
fn f_25_a_test_command_is_a_unit_test() {
    let project = project("", &[("a", "", "test_command: note seen\nrun: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran", "a 1 verify:unit seen"]);
}

#[test]
fn f_25_a_verification_holds_its_locks() {
    let seen =
        "run: note ran\nverification: {smoke: {command: note begin; sleep 0.1; note end, requires_resources: [db]}}";
    let project = project("resource_locks: [{name: db, type: exclusive}]", &[("a", "", seen), ("b", "", seen)]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let verified: Vec<String> = project.ledger().into_iter().filter(|line| line.contains("verify")).collect();
    let owners: Vec<&str> = verified.iter().map(|line| &line[..1]).collect();
    assert!(owners == ["a", "a", "b", "b"] || owners == ["b", "b", "a", "a"], "{verified:?}");
}

#[test]
fn f_40_a_failure_is_told_with_code_phase_and_last_words() {
    let project = project(
        "",
        &[("a", "", "run: |\n  head -c 30000 /dev/zero | tr '\\0' x\n  echo the end\n  echo the reason >&2\n  exit 6")],
    );
    let events = project.path("events.jsonl");
    let told = project.outpost(&["run", "blueprint.md", "--events", events.to_str().expect("a path")]);
    told.with(1).says(&["the reason"]);
    let text = std::fs::read_to_string(events).expect("events");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    let journal: Vec<String> = project.events().iter().map(|event| event.name().to_owned()).collect();
    assert_eq!(names, journal, "events are what the journal says");
    let failure = &lines.iter().find(|line| line["event"] == "task_blocked").expect("a failure")["failure"];
    assert_eq!(
        (&failure["code"], &failure["phase"], &failure["exit_code"]),
        (&"E_EXECUTION_FAILED".into(), &"execution".into(), &6.into())
    );
    let (stdout, stderr) = (failure["stdout"].as_str().expect("text"), failure["stderr"].as_str().expect("text"));
    assert!(stdout.len() <= 10 * 1024 && stdout.ends_with("the end\n"), "{}", stdout.len());
    assert_eq!(stderr, "the reason\n");
    assert!(lines.iter().all(|line| line["t"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok())));
}
