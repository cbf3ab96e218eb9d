//! Names: ids, locks, ports, runs, environments. Some become files, so none may say where.

use std::fs;

use serde_json::json;

use crate::project::Project;
use crate::{corpus, document, everything, not_carried_out};

fn names() -> Vec<String> {
    corpus(include_str!("names.json"))
}

/// A blueprint with the name in it is refused, or runs and stays where it is.
fn refused_or_harmless(document_with: impl Fn(&str) -> String) -> (usize, usize) {
    let (mut refused, mut ran) = (0, 0);
    for name in names() {
        // The project lies in a folder of its own, so that the way out of it leads into one that is looked at.
        let project = Project::of("");
        fs::create_dir_all(project.path("deep/inside")).expect("a folder");
        project.write("deep/inside/blueprint.md", &document_with(&json!(name).to_string()));
        let before = everything(&project.path(""));
        let mut command = project.command(&["run", "blueprint.md"]);
        command.current_dir(project.path("deep/inside"));
        let ended = project.start(command).end();
        match ended.code {
            Some(2) => refused += 1,
            Some(0) => ran += 1,
            other => panic!("{name:?}: {other:?} {}", ended.stderr),
        }
        not_carried_out(&project, &name);
        let ours = project.path("deep/inside/.outpost").display().to_string();
        let after = everything(&project.path(""));
        let strange: Vec<&String> =
            after.keys().filter(|path| !before.contains_key(*path) && !path.starts_with(&ours)).collect();
        assert_eq!(strange, [""; 0], "{name:?}");
        assert!(before.iter().all(|(path, held)| after.get(path) == Some(held)), "{name:?} changed a file");
    }
    (refused, ran)
}

#[test]
fn ids_lead_nowhere() {
    let (refused, ran) = refused_or_harmless(|id| {
        format!("# Ids\n\n```yaml\ntask_id: {id}\nname: x\ndependencies: []\nrun: test -n \"$OUTPOST_TASK\"\n```\n")
    });
    println!("ids: {refused} refused, {ran} ran and stayed in their place");
    assert!(refused > 30, "{refused}");
}

#[test]
fn locks_lead_nowhere() {
    let (refused, ran) = refused_or_harmless(|name| {
        let task = format!("run: 'true'\nresources: {{locks: [{name}]}}");
        document(&format!("resource_locks: [{{name: {name}, type: exclusive}}]"), &[("a", "", &task)])
    });
    println!("locks: {refused} refused, {ran} ran and stayed in their place");
    assert!(ran > 0, "{ran}");
}

#[test]
fn ports_and_inputs_lead_nowhere() {
    let (refused, ran) = refused_or_harmless(|name| {
        let a = format!(
            "run: 'echo \"{{}}\" > \"$OUTPOST_OUTPUT\"'\noutput: {{location: file, path: .outpost/x, ports: {{{name}: {{type: json, required: false}}}}}}"
        );
        let b = format!("run: 'true'\ninput_bindings: {{{name}: {{source: a, output_port: {name}, required: false}}}}");
        document("", &[("a", "", &a), ("b", "a", &b)])
    });
    println!("ports: {refused} refused, {ran} ran and stayed in their place");
    assert!(ran + refused == names().len());
}

/// The name of a run is the beginning of one of its kind, and no path.
#[test]
fn names_of_runs_lead_nowhere() {
    let project = Project::of(&document("", &[("a", "", "run: note ran")]));
    project.outpost(&["run", "blueprint.md"]).with(0);
    // A run that somebody else made, beside those of the project.
    let run = project.run_folder().expect("a run");
    fs::create_dir_all(project.path("evil/tasks")).expect("a folder");
    for file in ["journal.log", "blueprint", "runner.lock"] {
        fs::copy(run.join(file), project.path("evil").join(file)).expect("a copy");
    }
    let ways = ["../../evil", "../../evil/", "../runs/../../evil", "./../../evil"].map(str::to_owned);
    let absolute = project.path("evil").display().to_string();
    let before = everything(&project.path("evil"));
    let mut asked = 0;
    let all = names().into_iter().chain(ways).chain([absolute]).filter(|name| !name.contains('\0') && !name.is_empty());
    for name in all {
        for command in [
            &["status", "--", &name][..],
            &["resume", "--", &name],
            &["cancel", "--", &name],
            &["report", "--", &name],
            &["logs", "a", &format!("--run={name}")],
            &["why", "a", &format!("--run={name}")],
            &["approve", "a", &format!("--run={name}")],
            &["replay", "--", &name],
        ] {
            let ended = project.outpost(command);
            assert_eq!(ended.code, Some(2), "{command:?}: {}\n{}", ended.stdout, ended.stderr);
            asked += 1;
        }
    }
    assert_eq!(everything(&project.path("evil")), before);
    assert_eq!(project.ledger(), ["a 1 run ran"]);
    not_carried_out(&project, "runs");
    println!("names of runs: {asked} commands, all refused");
}
