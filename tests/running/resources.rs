//! What tasks need and share: tools, locks, processors, directories, time.

use std::fs;

use crate::project::Project;
use crate::{blocked, project};

#[test]
fn f_19_a_tool_that_is_not_here_is_told_before_anything_runs() {
    let project = project(
        "",
        &[
            ("a", "", "run: note ran"),
            ("b", "", "required_capabilities: [no-such-tool, 'bash>=99']\nrun: note ran"),
            (
                "c",
                "",
                "required_capabilities: ['bash>=3']\nexecution_context: {required_tools: [no-such-either]}\nrun: note ran",
            ),
        ],
    );
    let said = [
        "E_CAPABILITY_MISSING: `no-such-tool` is not here (b)",
        "`bash>=99` is required, and ",
        "`no-such-either` is not here (c)",
    ];
    project.outpost(&["run", "blueprint.md"]).with(8).says(&said);
    assert_eq!(project.ledger(), [""; 0]);
    assert_eq!(project.run_folder(), None);
    project.outpost(&["run", "blueprint.md", "a"]).with(0);
}

/// The largest number of tasks that were between their `begin` and their `end` at once, and a check that
/// nobody was when a task of `alone` was.
fn most_at_once(ledger: &[String], alone: &[&str]) -> usize {
    let (mut inside, mut most): (Vec<&str>, usize) = (Vec::new(), 0);
    for line in ledger {
        let words: Vec<&str> = line.split(' ').collect();
        match words[3] {
            "begin" => inside.push(words[0]),
            _ => inside.retain(|task| *task != words[0]),
        }
        most = most.max(inside.len());
        let is_alone = inside.iter().any(|task| alone.contains(task));
        assert!(!is_alone || inside.len() == 1, "{inside:?} at once: {ledger:?}");
    }
    assert!(inside.is_empty(), "{ledger:?}");
    most
}

const WORK: &str = "run: note begin; sleep 0.1; note end";

#[test]
fn f_20_an_exclusive_lock_has_one_holder_in_all_runs_of_a_project() {
    let own = format!("resources: {{locks: [{{name: db, mode: exclusive}}]}}\n{WORK}");
    let tasks = ["a", "b", "c"].map(|id| (id, "", own.as_str()));
    let project = project("resource_locks: [{name: db, type: exclusive}]", &tasks);
    let runs = [0, 1, 2].map(|_| project.start(project.command(&["run", "blueprint.md", "--new-run", "-j", "3"])));
    for run in runs {
        run.end().with(0);
    }
    let ledger = project.ledger();
    assert_eq!((ledger.len(), most_at_once(&ledger, &[])), (18, 1), "{ledger:?}");
}

#[test]
fn f_20_a_shared_lock_has_as_many_holders_as_it_may_have() {
    let shared = format!("resources: {{locks: [{{name: db, mode: shared}}]}}\n{WORK}");
    let own = format!("resources: {{locks: [{{name: db, mode: exclusive}}]}}\n{WORK}");
    let tasks =
        [("a", "", shared.as_str()), ("b", "", &shared), ("c", "", &shared), ("x", "", &own), ("d", "", &shared)];
    let project = project("resource_locks: [{name: db, type: shared, max_holders: 2}]", &tasks);
    let runs = [0, 1].map(|_| project.start(project.command(&["run", "blueprint.md", "--new-run", "-j", "8"])));
    for run in runs {
        run.end().with(0);
    }
    let ledger = project.ledger();
    assert_eq!(ledger.len(), 20);
    assert!(most_at_once(&ledger, &["x"]) <= 2, "{ledger:?}");
    // Two do share it: each waits for the other.
    let meet = |own: &str, other: &str| {
        format!("resources: {{locks: [{{name: db, mode: shared}}]}}\nrun: touch {own}; await {other}")
    };
    let (left, right) = (meet("l", "r"), meet("r", "l"));
    let project = self::project(
        "resource_locks: [{name: db, type: shared, max_holders: 2}]",
        &[("left", "", &left), ("right", "", &right)],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
}

#[test]
fn f_20_what_runs_at_once_needs_no_more_than_there_is() {
    let big = format!("resources: {{memory: 1000000G}}\n{WORK}");
    let many = format!("resources: {{cpu: 1000}}\n{WORK}");
    for need in [&big, &many] {
        let project = project("", &["a", "b", "c"].map(|id| (id, "", need.as_str())));
        project.outpost(&["run", "blueprint.md", "-j", "3"]).with(0);
        assert_eq!(most_at_once(&project.ledger(), &[]), 1, "what needs more than there is runs alone");
    }
    let project = project("max_parallel_tasks: 2", &["a", "b", "c", "d", "e"].map(|id| (id, "", WORK)));
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert!(most_at_once(&project.ledger(), &[]) <= 2);
}

/// A project with a run that holds the lock `db` until `free` is there.
fn held(tasks: &[(&str, &str, &str)]) -> (Project, project::Running) {
    let project = project("resource_locks: [{name: db, type: exclusive}]", tasks);
    let hold = crate::document(
        "resource_locks: [{name: db, type: exclusive}]",
        &[("holder", "", "resources: {locks: [db]}\nrun: note has; await free")],
    );
    project.write("holder.md", &hold);
    let running = project.start(project.command(&["run", "holder.md"]));
    project.until_written("holder 1 run has");
    (project, running)
}

#[test]
fn f_20_who_waits_too_long_for_a_lock_fails_with_the_code_for_it() {
    let (project, holder) =
        held(&[("a", "", "resources: {locks: [db], lock_timeout: PT0.3S}\nrun: note ran"), ("b", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(7);
    assert_eq!(blocked(&project), ["a E_LOCK_TIMEOUT"]);
    project.write("free", "");
    holder.end().with(0);
    assert_eq!(project.ledger(), ["holder 1 run has", "b 1 run ran"]);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger()[2..], ["a 1 run ran"]);
    // What the document says of failures counts for this one as well.
    let skipped = "resources: {locks: [db], lock_timeout: PT0.2S}\non_failure: {action: skip}\nrun: note ran";
    let (project, holder) = held(&[("a", "", skipped), ("b", "a", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["its locks were not free"]);
    project.write("free", "");
    holder.end().with(0);
    assert_eq!(project.ledger(), ["holder 1 run has", "b 1 run ran"]);
}

#[test]
fn f_20_patience_with_a_lock_of_the_same_run_has_an_end_too() {
    let project = project(
        "resource_locks: [{name: db, type: exclusive}]",
        &[
            ("holder", "", "resources: {locks: [db]}\nrun: note has; await free"),
            ("a", "", "resources: {locks: [db], lock_timeout: PT0.2S}\nrun: note ran"),
        ],
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("patience", || project.told("task_blocked") == ["a"]);
    project.write("free", "");
    running.end().with(7);
    assert_eq!(blocked(&project), ["a E_LOCK_TIMEOUT"]);
    assert_eq!(project.ledger(), ["holder 1 run has"]);
}

#[test]
fn f_20_a_run_that_ends_early_ends_although_a_lock_is_held_by_another() {
    let (project, holder) =
        held(&[("a", "", "resources: {locks: [db]}\nrun: note ran"), ("b", "", "run: 'await go; exit 1'")]);
    let running = project.start(project.command(&["run", "blueprint.md", "--fail-fast", "--new-run"]));
    project.until("b runs", || project.told("stage_started").contains(&"b/1/run".to_owned()));
    project.write("go", "");
    running.end().with(1);
    assert_eq!(project.told("run_ended").len(), 1);
    project.write("free", "");
    holder.end().with(0);
}

#[test]
fn f_21_commands_run_where_and_how_their_context_says() {
    let project = project(
        "shell: sh, shell_flags: [-e]",
        &[
            ("plain", "", "run: note \"${BASH_VERSION:-sh}\"; false; note unreached\non_failure: {action: skip}"),
            (
                "own",
                "",
                "execution_context:\n  working_directory: deep\n  environment_variables: {COLOUR: blue}\n  setup_command: note setup; touch made-by-setup\n  shell: bash\n  shell_args: ['-u', '-c']\nrun: |\n  test -e made-by-setup\n  false\n  note \"${PWD##*/} $COLOUR ${BASH_VERSION:+bash} $-\"\nverification: {smoke: {command: test -e made-by-setup}}",
            ),
            ("broken", "", "execution_context: {setup_command: exit 4}\nrun: note unreached"),
            ("nowhere", "", "execution_context: {working_directory: no-such}\nrun: note unreached"),
        ],
    );
    fs::create_dir(project.path("deep")).expect("a folder");
    project.outpost(&["run", "blueprint.md", "-j", "1"]).with(1);
    let ledger = project.ledger();
    assert_eq!(ledger[..2], ["plain 1 run sh", "own 1 setup setup"]);
    assert!(ledger[2].starts_with("own 1 run deep blue bash") && ledger[2].contains('u'), "{ledger:?}");
    assert_eq!(ledger.len(), 3, "{ledger:?}");
    assert_eq!(blocked(&project), ["broken E_SETUP_FAILED", "nowhere E_EXECUTION_FAILED"]);
}

#[test]
fn f_22_each_limit_of_time_ends_what_exceeds_it() {
    let cases = [
        ("whole", "resources: {timeout: PT1S}\nrun: sleep 300", "run", "resources.timeout"),
        ("own", "execution_context: {timeout: PT0.2S}\nrun: sleep 300 & sleep 300", "run", "execution_context.timeout"),
        // What was left of the whole when it ended is not what it was given.
        (
            "both",
            "resources: {timeout: PT2.5S}\nexecution_context: {timeout: PT2S}\nrun: sleep 300",
            "run",
            "longer than 2s (execution_context.timeout)",
        ),
        (
            "setup",
            "execution_context: {timeout: PT0.2S, setup_command: sleep 300}\nrun: note ran",
            "setup",
            "execution_context.timeout",
        ),
        (
            "seen",
            "run: 'echo'\nverification: {unit: {command: sleep 300, timeout: PT0.2S}}",
            "verify:unit",
            "verification timeout",
        ),
    ];
    let tasks = cases.map(|(id, rest, _, _)| (id, "", rest));
    let project = project("", &tasks);
    project.outpost(&["run", "blueprint.md", "-j", "5"]).with(1);
    for (id, _, stage, field) in cases {
        let events = project.events();
        let ended = events
            .iter()
            .find(|event| event.name() == "stage_ended" && event.what() == format!("{id}/1/{stage}"))
            .expect("an end");
        let failure = &ended.0["failure"];
        assert_eq!(failure["code"], "E_TIMEOUT", "{id}");
        assert!(failure["message"].as_str().is_some_and(|message| message.contains(field)), "{id}: {failure}");
    }
    project.until_nothing_runs();
    assert_eq!(project.ledger(), [""; 0]);
}
