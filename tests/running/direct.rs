//! `exec`: a shell that would only start a program is left out, and nobody can tell.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::project::Project;

/// The same command twice: with its shell, and without it where that is the same.
fn both(command: &str) -> Project {
    crate::project(
        "max_parallel_tasks: 1",
        &[
            ("with", "", &format!("execution_context: {{exec: shell}}\nrun: {command}")),
            ("without", "", &format!("run: {command}")),
        ],
    )
}

/// What the two printed and how they ended, without what tells the tasks apart.
fn ends(project: &Project, variables: &[(&str, &str)], removed: &[&str]) -> [String; 2] {
    let mut command = project.command(&["run", "blueprint.md"]);
    command.envs(variables.iter().copied());
    removed.iter().for_each(|name| {
        command.env_remove(name);
    });
    project.start(command).end();
    ["with", "without"].map(|task| {
        let logs = project.outpost(&["logs", task]).stdout;
        let lines = logs
            .lines()
            .filter(|line| !line.contains("OUTPOST_") && !line.starts_with("timestamp"))
            .map(|line| line.replace(task, "TASK"));
        let mut lines: Vec<String> = lines.collect();
        lines.sort_unstable();
        let ended = project.events().into_iter().find(|event| event.name() == "stage_ended" && event.task() == task);
        let code = ended.map(|event| event.0["failure"]["exit_code"].clone()).unwrap_or_default();
        format!("{} {code}", lines.join("\n"))
    })
}

#[test]
fn s_05_a_program_sees_the_same_with_and_without_the_shell_that_starts_it() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let link = elsewhere.path().join("link");
    for (variables, removed) in [
        (&[][..], &[][..]),
        (&[("SHLVL", "3")], &["OLDPWD", "PWD"]),
        (&[("SHLVL", "1000")], &[]),
        (&[("SHLVL", "x"), ("OLDPWD", "/nowhere")], &["PWD"]),
        (&[("OLDPWD", "/usr"), ("PWD", "/usr/"), ("_", "/x")], &["SHLVL"]),
        (&[("PWD", "LINK")], &[]),
        (&[("BASH_ENV", "said.sh")], &[]),
        (&[("BASH_FUNC_env%%", "() { echo mine; }")], &[]),
        (&[("PATH", ".:/usr/bin:/bin")], &[]),
        (&[("PS1", "> "), ("PS2", "> "), ("PS3", "x"), ("COLUMNS", "7"), ("SHELL", "/x")], &[]),
        (&[("IFS", "x"), ("OPTIND", "3"), ("PS4", "x"), ("LINENO", "5")], &[]),
        (&[("PPID", "7"), ("RANDOM", "5"), ("HISTCMD", "4"), ("COMP_WORDBREAKS", "x"), ("a-b", "1")], &[]),
        (&[("BASH", "/x"), ("BASH_VERSION", "1"), ("SHELLOPTS", "braceexpand")], &[]),
    ] {
        let project = both("env");
        project.write("said.sh", "echo said\n");
        fs::remove_file(&link).unwrap_or_default();
        symlink(project.path(""), &link).expect("a link");
        let link = link.to_str().expect("a path");
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, if *value == "LINK" { link } else { *value })).collect();
        let [with, without] = ends(&project, &variables, removed);
        assert!(with.contains("SHLVL=") || with.contains("mine"), "{with}");
        assert_eq!(with, without, "{variables:?}");
    }
}

#[test]
fn s_05_what_cannot_be_started_is_told_in_the_words_of_the_shell() {
    for command in [
        "no-such-program",
        "./plain-text",
        "./not-executable",
        "./wrong-interpreter",
        "./folder",
        "./script a:b --c=d",
        "false",
        "test -f nothing",
        "test -d folder",
    ] {
        let project = both(command);
        for (name, text, mode) in [
            ("plain-text", "echo read by bash: $0 $#\n", 0o755),
            ("not-executable", "#!/bin/sh\n", 0o644),
            ("wrong-interpreter", "#!/no/such/program\n", 0o755),
            ("script", "#!/bin/sh\necho \"$0 $@\"; exit 7\n", 0o755),
        ] {
            project.write(name, text);
            fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
        }
        fs::create_dir(project.path("folder")).expect("a folder");
        let [with, without] = ends(&project, &[], &[]);
        assert_eq!(with, without, "{command}");
    }
}

#[test]
fn s_05_why_says_that_there_is_no_shell() {
    let project = both("test -e blueprint.md");
    project.outpost(&["run", "blueprint.md"]).with(0);
    let said = |task| project.outpost(&["why", task]).with(0).stdout.contains("without a shell");
    assert_eq!((said("with"), said("without")), (false, true));
}

#[test]
fn s_05_the_shell_is_left_out_and_where_the_document_wants_it_it_is_not() {
    let project = crate::project(
        "max_parallel_tasks: 1, shell: ./bash",
        &[
            ("with", "", "execution_context: {exec: shell}\nrun: test -d ."),
            ("without", "with", "run: test -d .\nverification: {smoke: {command: test -d .}}"),
            ("words", "without", "run: test -d . || exit 1"),
        ],
    );
    project.write("bash", "#!/bin/sh\necho \"$OUTPOST_TASK\" >> shells\nexec bash \"$@\"\n");
    fs::set_permissions(project.path("bash"), fs::Permissions::from_mode(0o755)).expect("a mode");
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(fs::read_to_string(project.path("shells")).expect("shells"), "with\nwords\n");
}
