//! People's decisions: before the work and after it, in time and too late.

use std::fs;

use crate::project;

const GATE: &str = "human_required: {action: look, reason: so}\nrun: note ran";

#[test]
fn f_26_a_gate_holds_its_branch_and_no_other() {
    let project = project("", &[("a", "", GATE), ("b", "a", "run: note ran"), ("c", "", "run: note ran")]);
    let waiting = project.outpost(&["run", "blueprint.md"]).with(3);
    waiting.says(&["outpost-bp approve a", "outpost-bp resume"]);
    assert_eq!(project.ledger(), ["c 1 run ran"]);
    project
        .outpost(&["approve", "a", "--digest", "what was seen yesterday"])
        .with(1)
        .says(&["not what it is about any more"]);
    project.outpost(&["approve", "a", "--comment", "fine"]).with(0);
    project.outpost(&["approve", "a", "--comment", "fine"]).with(0).says(&["already"]);
    project.outpost(&["reject", "a", "--as", "bob"]).with(1).says(&["ada approved it already"]);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["c 1 run ran", "a 1 run ran", "b 1 run ran"]);
    let events = project.events();
    let decision = events.iter().find(|event| event.name() == "gate_decided").expect("a decision");
    assert_eq!((&decision.0["by"], &decision.0["comment"]), (&"ada".into(), &"fine".into()));
    project.outpost(&["approve", "a", "--as", "bob"]).with(1);
}

#[test]
fn f_26_a_no_ends_the_task_and_the_run_says_so() {
    let project = project("", &[("a", "", GATE), ("b", "a", "run: note ran"), ("c", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["reject", "a", "--comment", "not today"]).with(0);
    project.outpost(&["resume"]).with(4).says(&["not today"]);
    assert_eq!(project.ledger(), ["c 1 run ran"]);
    project.outpost(&["resume"]).with(2).says(&["is over"]);
}

#[test]
fn f_26_a_deadline_counts_although_nobody_was_running() {
    let cases: [(&str, i32, &[&str]); 3] =
        [("abort", 4, &[]), ("skip", 0, &["b 1 run ran"]), ("continue", 0, &["a 1 run ran", "b 1 run ran"])];
    for (word, code, ledger) in cases {
        let gate =
            format!("human_required: {{action: look, reason: so, timeout: PT0.5S, on_timeout: {word}}}\nrun: note ran");
        let tasks = [("a", "", gate.as_str()), ("b", "a", "run: note ran")];
        // Nobody runs when it expires …
        let project = project("", &tasks);
        project.outpost(&["run", "blueprint.md"]).with(3);
        assert_eq!(project.ledger(), [""; 0], "{word}");
        project.until("the deadline", || {
            let late = project.outpost(&["approve", "a"]);
            // Words in time count; these are thrown away.
            let _ = fs::remove_file(project.run_folder().expect("a run").join("inbox/0000000001.json"));
            late.code == Some(1) && late.stderr.contains("its time to decide is over")
        });
        project.outpost(&["resume"]).with(code);
        assert_eq!(project.ledger(), ledger, "{word}");
        assert_eq!(project.told("gate_decided"), [""; 0], "no silence is an approval");
        // … and somebody waits for it.
        let project = self::project("", &tasks);
        project.outpost(&["run", "blueprint.md", "--wait"]).with(code);
        assert_eq!(
            (project.ledger(), project.told("gate_expired").len()),
            (ledger.iter().map(ToString::to_string).collect(), 1)
        );
    }
}

#[test]
fn f_26_only_those_named_decide_and_as_many_as_it_takes() {
    let project = project(
        "",
        &[(
            "a",
            "",
            "human_required: {action: look, reason: so, approvers: [ada, bob, eve], min_approvals: 2, self_approval: false}\nrun: note ran",
        )],
    );
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["approve", "a"]).with(1).says(&["may not approve"]);
    project.outpost(&["approve", "a", "--as", "mallory"]).with(1).says(&["only ada, bob, eve may decide"]);
    project.outpost(&["approve", "a", "--as", "bob"]).with(0);
    project.outpost(&["resume"]).with(3);
    assert_eq!(project.ledger(), [""; 0]);
    project.outpost(&["approve", "a", "--as", "bob"]).with(0).says(&["already"]);
    project.outpost(&["approve", "a", "--as", "eve"]).with(0);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran"]);
}

#[test]
fn f_26_gates_wake_their_branches_one_by_one_while_somebody_drives() {
    let project = project("", &[("a", "", GATE), ("b", "", GATE), ("after", "a", "run: note ran")]);
    let running = project.start(project.command(&["run", "blueprint.md", "--wait"]));
    project.until("gates", || project.told("gate_opened").len() == 2);
    project.outpost(&["approve", "a"]).with(0);
    project.until_written("after 1 run ran");
    assert_eq!(project.told("gate_decided"), ["a"]);
    project.outpost(&["approve", "b", "--set", "size=3"]).with(0);
    running.end().with(0);
    project.outpost(&["cancel"]).with(2).says(&["is over"]);
}

#[test]
fn f_26_a_run_is_cancelled_while_it_waits() {
    let project = project("", &[("a", "", GATE), ("b", "", "run: sleep 300")]);
    let running = project.start(project.command(&["run", "blueprint.md", "--wait"]));
    project.until("both", || project.told("gate_opened").len() == 1 && project.told("stage_handle").len() == 1);
    project.outpost(&["cancel"]).with(0);
    running.end().with(1);
    project.until_nothing_runs();
    assert_eq!(project.told("run_ended").len(), 1);
    let project = self::project("", &[("a", "", GATE)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["cancel"]).with(0);
    project.outpost(&["resume"]).with(2).says(&["is over: cancelled"]);
}

#[test]
fn x_03_a_review_comes_after_the_verification_and_before_what_needs_it() {
    let project = project(
        "",
        &[
            (
                "a",
                "",
                "human_required: {action: look, reason: so, when: after}\noutput: {location: stdout, ports: {p: {type: string}}}\nrun: note ran; echo it\nverification: {smoke: {command: note seen}}",
            ),
            ("b", "", "input_bindings: {v: {source: a, output_port: p}}\nrun: note \"$OUTPOST_INPUT_V\""),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(3);
    assert_eq!(project.ledger(), ["a 1 run ran", "a 1 verify:smoke seen"]);
    project.outpost(&["resume", "--approve", "a"]).with(0);
    assert_eq!(project.ledger()[2..], ["b 1 run it"]);
    let project =
        self::project("", &[("a", "", "human_required: {action: look, reason: so, when: after}\nrun: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["reject", "a"]).with(0);
    project.outpost(&["resume"]).with(4);
    assert_eq!(project.told("task_completed"), [""; 0]);
}

#[test]
fn p_07_a_review_is_bound_to_what_the_task_left() {
    let digest = |left: &str| {
        let rest = "human_required: {action: look, reason: so, when: after}\noutput: {location: stdout, ports: {p: {type: string}}}\nrun: cat left";
        let project = project("", &[("a", "", rest)]);
        project.write("left", left);
        project.outpost(&["run", "blueprint.md"]).with(3);
        let events = project.events();
        let opened = events.iter().find(|event| event.name() == "gate_opened").expect("a gate");
        opened.0["digest"].as_str().expect("a digest").to_owned()
    };
    assert_eq!(digest("one"), digest("one"), "the same is shown");
    assert_ne!(digest("one"), digest("two"), "an approval of one output is none of another");
}

#[test]
fn f_26_what_a_person_sets_reaches_the_task() {
    let project =
        project("", &[("a", "", "human_required: {action: look, reason: so}\nrun: note \"$OUTPOST_INPUT_REPLICAS\"")]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["approve", "a", "--set", "replicas=$(touch pwned)"]).with(0);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run $(touch pwned)"]);
    assert!(!project.path("pwned").exists());
}

#[test]
fn f_26_of_two_who_decide_at_once_one_is_heard_and_the_other_told() {
    for _ in 0..6 {
        let project = project("", &[("a", "", GATE)]);
        project.outpost(&["run", "blueprint.md"]).with(3);
        let yes = project.start(project.command(&["approve", "a", "--as", "bob"]));
        let no = project.start(project.command(&["reject", "a", "--as", "eve"]));
        let (yes, no) = (yes.end(), no.end());
        let mut codes = [yes.code, no.code];
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(1)], "{yes:?} {no:?}");
        project.outpost(&["resume"]).with(if yes.code == Some(0) { 0 } else { 4 });
    }
}

#[test]
fn f_26_what_is_set_is_not_set_again_and_names_are_names() {
    let project = project(
        "",
        &[
            ("a", "", "human_required: {action: look, reason: so, min_approvals: 2}\nrun: note $OUTPOST_INPUT_N"),
            ("b", "", "human_required: {action: look, reason: so, when: after}\nrun: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["approve", "b", "--set", "n=1"]).with(2).says(&["nothing can be set"]);
    project.outpost(&["approve", "a", "--as", " "]).with(2).says(&["names nobody"]);
    project.outpost(&["approve", "a", "--as", "bob", "--set", "n=3"]).with(0);
    project.outpost(&["approve", "a", "--as", "bob ", "--set", "n=3"]).with(0).says(&["already"]);
    project.outpost(&["approve", "a", "--as", "eve", "--set", "n=99"]).with(1).says(&["set `n` to something else"]);
    project.outpost(&["approve", "a", "--as", "eve"]).with(0);
    project.outpost(&["resume", "--approve", "b"]).with(0);
    assert_eq!(project.ledger(), ["b 1 run ran", "a 1 run 3"]);
}

#[test]
fn f_26_words_of_people_are_no_commands() {
    let project = project("", &[("a", "", GATE)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["reject", "a", "--comment", "no\n::error::injected \u{1b}[2Jboo"]).with(0);
    let mut command = project.command(&["resume"]);
    command.env("GITHUB_ACTIONS", "true");
    let ended = project.start(command).end().with(4);
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    assert!(ended.stderr.lines().all(|line| !line.starts_with("::error::injected")), "{}", ended.stderr);
}

#[test]
fn f_26_an_end_that_was_ordered_is_kept_although_the_runner_dies_first() {
    let project = project("", &[("a", "", "run: stubborn"), ("g", "", GATE), ("b", "a", "run: note ran")]);
    let running = project.start(project.command(&["run", "blueprint.md", "--wait"]));
    project.until_written("a 1 run stubborn");
    project.outpost(&["cancel"]).with(0).says(&["is cancelled by ada"]);
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.outpost(&["resume"]).with(1).says(&["cancelled"]);
    assert_eq!(project.ledger(), ["a 1 run stubborn"]);
    project.outpost(&["resume"]).with(2).says(&["is over: cancelled"]);
    project.outpost(&["cancel"]).with(2);
}

#[test]
fn f_26_the_console_calls_where_a_workflow_looks_on() {
    let gate = "human_required: {action: look, reason: so, notify: {channel: console}}\nrun: note ran";
    let project = project("", &[("a", "", gate)]);
    let mut run = project.command(&["run", "blueprint.md", "--log", "debug,file=log"]);
    run.env("GITHUB_ACTIONS", "true");
    project.start(run).end().with(3).says(&["::notice::a waits for a person: "]);
    let log = fs::read_to_string(project.path("log")).expect("a log");
    assert!(log.contains("notice.sent") && !log.contains("runner.remark"), "{log}");
}
