//! Commands in trees of their own: they see what landed before them, and what they change lands.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Office, document};
use crate::containers::CLIENT;

/// The agents' terms, and behind them where commands work.
const COMMANDS_TOO: &str = "}, isolation: worktree, max_parallel_tasks: 4, hooks: {";

fn branch(office: &Office) -> String {
    office.git(&["branch", "--list", "outpost/*", "--format=%(refname:short)"]).trim().to_owned()
}

#[test]
fn a_command_sees_what_an_agent_landed_and_lands_what_it_changed() {
    let tasks = [
        ("a", "", "verification: {unit: {command: test -s a.txt}}"),
        (
            "shell",
            "a",
            "executor: shell\nfiles_to_create: [b.txt]\nexecution_context: {setup_command: 'test -e a.txt && touch setup.txt'}\n\
             run: 'cat a.txt > b.txt; rm a.txt; touch ignored; echo \"at $PWD\" >> \"$LEDGER\"'\n\
             verification: {unit: {command: 'test -s b.txt && touch looked.txt'}}",
        ),
        ("b", "shell", ""),
        ("only_checked", "b", "executor: shell\nverification: {unit: {command: test -e c.txt}}"),
    ];
    let office = Office::of(
        &document(COMMANDS_TOO, &tasks),
        &[
            ("a", &["echo a > a.txt; finish"]),
            ("b", &["test -e b.txt && test ! -e a.txt || trouble 'nothing landed'; touch c.txt; finish"]),
        ],
    )
    .committed();
    fs::write(office.project.path(".gitignore"), ".outpost/\nledger\nignored\n").expect("a file");
    office.git(&["commit", "-q", "-a", "-m", "ignore"]);
    let ended = office.run().with(0);
    assert!(ended.stderr.contains("what landed (a, shell, b) is on the branch"), "{}", ended.stderr);
    let files = office.git(&["ls-tree", "--name-only", &branch(&office)]);
    let files: Vec<&str> = files.lines().collect();
    // What its verification left there is not its work.
    assert_eq!(files, [".gitignore", "b.txt", "blueprint.md", "c.txt", "setup.txt"]);
    assert!(!office.project.path("b.txt").exists(), "the folder of the project is left alone");
    let at = office.project.ledger().into_iter().find(|line| line.starts_with("at ")).expect("a note");
    assert!(at.contains("/cache/outpost-bp/trees/"), "{at}");
    let stages: Vec<String> = office
        .project
        .events()
        .into_iter()
        .filter(|event| event.name() == "stage_started" && event.0["task"] == "shell")
        .map(|event| event.0["stage"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(stages, ["tree", "setup", "run", "commit", "verify:unit", "land"]);
}

#[test]
fn what_is_set_up_for_an_agent_is_set_up_in_its_tree() {
    let task = "execution_context: {setup_command: 'echo \"setup $PWD\" >> \"$LEDGER\"; touch tool'}";
    let office =
        Office::of(&document("", &[("a", "", task)]), &[("a", &["test -e tool || trouble 'no tool'; finish"])])
            .committed();
    office.run().with(0);
    let at = office.project.ledger().into_iter().find(|line| line.starts_with("setup ")).expect("a note");
    assert!(at.contains("/cache/outpost-bp/trees/"), "{at}");
    assert!(!office.project.path("tool").exists());
}

#[test]
fn commands_that_change_the_same_are_told_so_and_begin_again_with_what_landed() {
    let wait = |own: &str, other: &str| {
        format!(
            "executor: shell\non_failure: {{max_retries: 1}}\n\
             run: 'test -e same.txt || {{ touch \"$TOGETHER/{own}\"; until test -e \"$TOGETHER/{other}\"; do sleep 0.05; done; }}; echo {own} >> same.txt'"
        )
    };
    let (a, b) = (wait("a", "b"), wait("b", "a"));
    let office = Office::of(&document(COMMANDS_TOO, &[("a", "", &a), ("b", "", &b)]), &[]).committed();
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env("TOGETHER", office.at("tmp"));
    office.project.start(command).end().with(0).says(&["what it left does not land", "in conflict"]);
    let same = office.git(&["show", &format!("{}:same.txt", branch(&office))]);
    assert!(same == "a\nb\n" || same == "b\na\n", "{same}");
    assert_eq!(office.project.told("retry_scheduled").len(), 1);
}

#[test]
fn a_merged_tree_is_verified_where_the_task_is() {
    let task = |own: &str, other: &str| {
        format!(
            "executor: shell\non_failure: {{max_retries: 0}}\n\
             execution_context: {{container: {{image: 'tools:1', engine: docker, env: {{KEY: '${{secrets.MY_TOKEN}}'}}}}}}\n\
             run: 'touch {own}.txt \"$TOGETHER/{own}\"; until test -e \"$TOGETHER/{other}\"; do sleep 0.05; done'\n\
             verification:\n  smoke: {{command: 'test -z \"$CONTAINED\"', on: here}}\n  \
             unit: {{command: 'test \"$CONTAINED:${{#KEY}}\" = yes:19 && test -e {own}.txt'}}"
        )
    };
    let (a, b) = (task("a", "b"), task("b", "a"));
    let office = Office::of(&document(COMMANDS_TOO, &[("a", "", &a), ("b", "", &b)]), &[]).committed();
    fs::create_dir(office.at("bin")).expect("a folder");
    fs::write(office.at("bin/docker"), CLIENT).expect("a file");
    fs::set_permissions(office.at("bin/docker"), fs::Permissions::from_mode(0o755)).expect("ours");
    let mut command = office.command(&["run", "blueprint.md"]);
    let path = command.get_envs().find_map(|(name, value)| value.filter(|_| name == "PATH")).expect("a path");
    let path = format!("{}:{}", office.at("bin").display(), path.display());
    command.env("PATH", path).env("ENGINE", office.at("engine")).env("TOGETHER", office.at("tmp"));
    command.env("MY_TOKEN", "canary-77aa0243c1de");
    office.project.start(command).end().with(0);
    let asked = fs::read_to_string(office.at("engine")).expect("what the engine was asked");
    let merged: Vec<&str> = asked.lines().filter(|line| line.contains(" land")).collect();
    assert_eq!(merged, ["run tools:1 land_3averify_3aunit"], "{asked}");
    assert!(!office.everything().contains("canary-77aa0243c1de"), "it is kept nowhere");
}

#[test]
fn a_secret_in_what_a_command_changed_does_not_land() {
    let task = "executor: shell\nexecution_context: {environment_variables: {TOKEN: \"${secrets.MY_TOKEN}\"}}\nrun: 'echo \"$TOKEN\" > leak.txt'";
    let office = Office::of(&document(COMMANDS_TOO, &[("a", "", task)]), &[]).committed();
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env("MY_TOKEN", "canary-77aa0243c1de");
    let ended = office.project.start(command).end().with(1).says(&["it must not land", "leak.txt"]);
    assert!(!ended.stderr.contains("canary-77aa0243c1de") && !office.everything().contains("canary-77aa0243c1de"));
    assert_eq!(office.git(&["ls-tree", "--name-only", &branch(&office)]).lines().count(), 2, "nothing landed");
}

#[test]
fn a_command_that_nobody_saw_end_is_verified_in_its_tree_and_lands() {
    let task = "executor: shell\nrun: 'echo done > a.txt; note begun; sleep 600'\nverification: {unit: {command: test -e a.txt}}";
    let office = Office::of(&document(COMMANDS_TOO, &[("a", "", task)]), &[]).committed();
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the command", || office.project.ledger().iter().any(|line| line.ends_with("begun")));
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.git(&["show", &format!("{}:a.txt", branch(&office))]), "done\n");
    assert_eq!(office.project.ledger().len(), 1, "it did not begin again");
}

#[test]
fn a_command_without_a_tree_does_not_see_what_landed_and_check_says_so() {
    let tasks =
        [("a", "", ""), ("b", "a", "executor: shell\nrun: touch b"), ("c", "b", "executor: shell\nrun: touch c")];
    let office = Office::of(&document("", &tasks), &[("a", &["finish"])]);
    let told = office.outpost(&["check", "blueprint.md"]).with(0).stdout;
    let words = ["BP308", "`b`, and 1 task like it, does not see what `a` lands", "isolation: worktree"];
    assert!(words.iter().all(|word| told.contains(word)) && told.matches("BP308").count() == 1, "{told}");
    let office = Office::of(&document(COMMANDS_TOO, &tasks), &[]);
    let told = office.outpost(&["check", "blueprint.md"]).with(0).stdout;
    assert!(!told.contains("BP308"), "{told}");
}
