//! `output.cleanup`: what tasks left is deleted or archived, and nothing else is.

use std::fs;

use crate::emulator::emulator;
use crate::project::Project;
use crate::shelf::Shelf;
use crate::{project, with_aws};

/// `a` leaves a number in `out/n.json`, `b` takes it.
fn with_cleanup(cleanup: &str, b: &str) -> Project {
    let a = format!(
        "output: {{location: file, path: out/n.json, ports: {{n: {{type: integer}}}}, cleanup: {{{cleanup}}}}}\nrun: |\n  mkdir -p out; echo '{{\"n\": 7}}' > out/n.json"
    );
    let b = format!("input_bindings: {{n: {{source: a, output_port: n}}}}\n{b}");
    project("", &[("a", "", &a), ("b", "a", &b)])
}

/// What was put away: action, what, and whether there was a problem.
fn cleaned(project: &Project) -> Vec<String> {
    let events = project.events();
    let events = events.iter().filter(|event| event.name() == "cleaned_up");
    events
        .map(|event| {
            let problem = event.0.get("problem").map_or("", |problem| problem.as_str().unwrap_or_default());
            format!("{} {} {problem}", event.task(), event.0["action"].as_str().unwrap_or_default())
        })
        .collect()
}

#[test]
fn f_18_outputs_go_at_the_end_of_their_run() {
    let project = with_cleanup("on_blueprint_complete: delete", "run: note $OUTPOST_INPUT_N");
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["deleted: "]);
    assert!(!project.path("out/n.json").exists());
    assert_eq!(cleaned(&project), ["a deleted "]);
    assert_eq!(project.ledger(), ["b 1 run 7"]);

    let project = with_cleanup("on_blueprint_complete: keep, ttl: PT0S, policy: after_consumers", "run: await never");
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("b works", || project.told("stage_handle").len() == 2);
    assert!(project.path("out/n.json").exists(), "its consumer is not done");
    running.signal(rustix::process::Signal::TERM);
    running.end().with(143);
    assert_eq!(cleaned(&project), [""; 0]);
}

#[test]
fn f_18_an_output_stays_as_long_as_anybody_may_need_it() {
    // A run that failed may be resumed.
    let project = with_cleanup("on_blueprint_failure: delete", "run: '[ -e mended ]'");
    project.outpost(&["run", "blueprint.md"]).with(1);
    assert!(project.path("out/n.json").exists());
    project.write("mended", "");
    project.outpost(&["resume"]).with(0);
    assert!(project.path("out/n.json").exists(), "it did not fail in the end");
    assert_eq!(cleaned(&project), [""; 0]);
    // One that a person ended may not.
    let gate = "human_required: {action: look, reason: so}\nrun: 'true'";
    let project = with_cleanup("on_blueprint_failure: delete", gate);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["reject", "b"]).with(0);
    project.outpost(&["resume"]).with(4);
    assert!(!project.path("out/n.json").exists());
    // Who was not selected may be in another run.
    let project = with_cleanup("on_blueprint_complete: delete", "run: 'true'");
    project.outpost(&["run", "blueprint.md", "a"]).with(0);
    assert!(project.path("out/n.json").exists());
}

#[test]
fn f_18_an_output_goes_while_the_run_goes_on() {
    let a = "output: {location: file, path: n.json, ports: {n: {type: integer}}, cleanup: {ttl: PT0S, policy: after_consumers}}\nrun: echo 7 > n.json";
    let b = "input_bindings: {n: {source: a, output_port: n}}\nrun: 'true'";
    let project = project("", &[("a", "", a), ("b", "a", b), ("c", "", "run: await go")]);
    let running = project.start(project.command(&["run", "blueprint.md", "-j", "2"]));
    project.until("it is put away", || !cleaned(&project).is_empty());
    assert!(!project.path("n.json").exists());
    project.write("go", "");
    running.end().with(0);
    assert_eq!(cleaned(&project), ["a deleted "]);
}

#[test]
fn f_18_only_what_the_run_wrote_goes() {
    let task = |run: &str| {
        format!(
            "output: {{location: file, path: out/n.json, ports: {{n: {{type: integer}}}}, cleanup: {{on_blueprint_complete: delete}}}}\nrun: {run}"
        )
    };
    // It was there before, and the task did not write it.
    let given = project("", &[("a", "", &task("'true'"))]);
    fs::create_dir(given.path("out")).expect("a folder");
    given.write("out/n.json", "{\"n\": 7}");
    given.outpost(&["run", "blueprint.md"]).with(0);
    assert!(given.path("out/n.json").exists());
    // Somebody changed it afterwards.
    let change = "run: echo 8 > out/n.json";
    let changed = project("", &[("a", "", &task("mkdir out; echo 7 > out/n.json")), ("b", "a", change)]);
    changed.outpost(&["run", "blueprint.md"]).with(0).says(&["it was changed since the task left it"]);
    assert_eq!(fs::read_to_string(changed.path("out/n.json")).expect("it stays"), "8\n");
    // A link leads there.
    let linked = project("", &[("a", "", &task("mkdir there; ln -s there out; echo 7 > out/n.json"))]);
    linked.outpost(&["run", "blueprint.md"]).with(0).says(&["a link leads to it"]);
    assert!(linked.path("there/n.json").exists());
    assert_eq!(cleaned(&linked).len(), 1);
}

#[test]
fn f_18_time_that_passes_while_nobody_runs_counts_for_gc() {
    let project = with_cleanup("ttl: PT1S", "run: 'true'");
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.until("its time has come", || {
        project.outpost(&["gc", "--keep", "9"]).with(0);
        !project.path("out/n.json").exists()
    });
    assert_eq!(cleaned(&project), ["a deleted "]);
    let project = with_cleanup("ttl: P1D", "run: 'true'");
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.outpost(&["gc", "--keep", "0"]).with(0).says(&["outputs are to be cleaned up: 1"]);
    assert!(project.run_folder().is_some());
}

#[test]
fn f_18_outputs_are_archived_before_they_go() {
    let cleanup = "on_blueprint_complete: archive, archive_path: 'archive/${blueprint_id}/${task_id}/'";
    let project = with_cleanup(cleanup, "run: 'true'");
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["archived: "]);
    assert!(!project.path("out/n.json").exists());
    let kept = fs::read_to_string(project.path("archive/blueprint/a/out/n.json")).expect("it is in the archive");
    assert_eq!(kept, "{\"n\": 7}\n");
    // What is its own archive stays as well.
    for own in ["out/n.json", "./", "out/../"] {
        let project = with_cleanup(&format!("on_blueprint_complete: archive, archive_path: {own}"), "run: 'true'");
        project.outpost(&["run", "blueprint.md"]).with(0).says(&["it is archived where it is"]);
        assert!(project.path("out/n.json").exists(), "{own}");
    }
    // What cannot be archived stays, and fails no run.
    let project = with_cleanup("on_blueprint_complete: archive, archive_path: archive/", "run: touch archive");
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["cannot be archived"]);
    assert!(project.path("out/n.json").exists());
}

#[test]
fn f_18_copies_elsewhere_go_as_well() {
    let there = Shelf::new();
    let a = format!(
        "output: {{location: network, ports: {{n: {{type: integer}}}}, network: {{protocol: http, endpoint: '{}'}}, cleanup: {{on_blueprint_complete: delete}}}}\nrun: echo 7 > $OUTPOST_OUTPUT",
        there.address("/x")
    );
    let project = project("", &[("a", "", &a)]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(there.what(), ["PUT /x", "DELETE /x"]);
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f18"), &[], b"").0, 200);
    let document = crate::document(
        "storage: {mode: object_store, bucket: f18}",
        &[(
            "a",
            "",
            "output: {location: file, path: n.json, ports: {n: {type: integer}}, cleanup: {on_blueprint_complete: archive, archive_path: 's3://f18/archive/'}}\nrun: echo 7 > n.json",
        )],
    );
    let project = Project::of(&document);
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(0);
    assert_eq!(aws.ask("s3", ("GET", "/f18/archive/n.json"), &[], b""), (200, b"7\n".to_vec()));
    assert_eq!(aws.ask("s3", ("GET", "/f18/n.json"), &[], b"").0, 404);
    assert!(!project.path("n.json").exists());
}
