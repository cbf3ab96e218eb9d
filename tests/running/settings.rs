//! What holds for all tasks: shell, limits, checks before the start, environments.

use crate::project;

#[test]
fn f_30_all_checks_before_the_start_fail_together_and_nothing_starts() {
    let checks = "preflight_checks: [{command: exit 3, error_message: no database}, {command: exit 4, expected_exit_code: 4}, {command: no-such-command, error_message: no tool}, {command: 'echo why; echo; echo because >&2; false', error_message: no luck}]";
    let project = project(checks, &[("a", "", "run: note ran")]);
    let said = [
        "E_PREFLIGHT_FAILED: no database: `exit 3` exited with 3\n",
        "no tool: `no-such-command` exited with 127\n    ",
        "no-such-command: command not found\n",
        "`echo why; echo; echo because >&2; false` exited with 1\n    because\n",
    ];
    let ended = project.outpost(&["run", "blueprint.md"]).with(8).says(&said);
    assert!(!ended.stderr.contains("exit 4"), "{}", ended.stderr);
    assert_eq!((project.ledger(), project.run_folder()), (Vec::new(), None));
}

#[test]
fn f_30_the_shell_of_the_document_runs_its_commands() {
    let project =
        project("shell: bash, shell_flags: ['-f', '-c']", &[("a", "", "run: false | echo; false; note \"$-\" *")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let ledger = project.ledger();
    assert!(ledger[0].starts_with("a 1 run ") && ledger[0].ends_with(" *") && ledger[0].contains('f'), "{ledger:?}");
}

#[test]
fn x_05_checks_before_the_start_see_the_environment() {
    let project = project(
        "environments: {aws: {PLACE: there}}, preflight_checks: [{command: 'test \"$PLACE\" = there', error_message: no place}]",
        &[("a", "", "human_required: {action: look, reason: so}\nrun: note ran")],
    );
    project.outpost(&["run", "blueprint.md"]).with(8).says(&["no place"]);
    project.outpost(&["run", "blueprint.md", "--env", "aws"]).with(3);
    project.outpost(&["resume", "--approve", "a"]).with(0);
}

#[test]
fn f_30_two_documents_of_one_name_are_two() {
    let one = |word: &str| {
        crate::document("", &[("a", "", &format!("human_required: {{action: look, reason: so}}\nrun: note {word}"))])
    };
    let project = project("", &[]);
    for name in [".git", "one", "two"] {
        std::fs::create_dir(project.path(name)).expect("a folder");
    }
    project.write("one/blueprint.md", &one("one"));
    project.write("two/blueprint.md", &one("two"));
    let run = |folder: &str, arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.current_dir(project.path(folder));
        project.start(command).end()
    };
    run("one", &["run", "blueprint.md"]).with(3);
    // The other one is no second run of this, and this one was not edited because the other one differs.
    let first = project.run_folder().expect("a run").file_name().expect("a name").to_string_lossy().into_owned();
    run("two", &["resume", &first, "--approve", "a"]).with(0);
    run("one", &["run", "blueprint.md"]).with(3);
    run("two", &["run", "blueprint.md"]).with(3);
    assert_eq!(project.ledger(), ["a 1 run one"]);
    // Edited where it lies, it was.
    project.write("two/blueprint.md", &one("three"));
    run(".", &["resume"]).with(9);
}

#[test]
fn f_30_a_document_from_a_pipe_is_resumed_from_its_copy() {
    let project = project("", &[("a", "", "human_required: {action: look, reason: so}\nrun: note ran")]);
    let mut command = project.command(&["run", "-"]);
    command.stdin(std::fs::File::open(project.path("blueprint.md")).expect("the document"));
    project.start(command).end().with(3);
    project.outpost(&["resume", "--approve", "a"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran"]);
}

#[test]
fn x_05_an_environment_sets_variables_and_its_run_remembers_it() {
    let project = project(
        "environments: {local: {PLACE: here, SIZE: 1}, aws: {PLACE: there}}",
        &[
            ("a", "", "run: note \"$PLACE $SIZE\""),
            (
                "b",
                "a",
                "human_required: {action: look, reason: so}\nexecution_context: {environment_variables: {SIZE: 2}}\nrun: note \"$PLACE $SIZE\"",
            ),
        ],
    );
    project
        .outpost(&["run", "blueprint.md", "--env", "mars"])
        .with(2)
        .says(&["there is no environment `mars`", "local"]);
    project.outpost(&["run", "blueprint.md", "--env", "local"]).with(3);
    project.outpost(&["resume", "--approve", "b"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run here 1", "b 1 run here 2"]);
}
