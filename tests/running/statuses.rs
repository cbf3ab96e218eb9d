//! What a run leaves in its document: statuses, and no other byte.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::{document, project};

const GATED: &str = "human_required: {action: look, reason: so}\nrun: note ran";

#[test]
fn f_11_the_statuses_of_a_run_are_written_into_its_document() {
    let project = project(
        "",
        &[
            ("a", "", "status: 'not_started' # yet\nrun: note ran"),
            ("b", "a", GATED),
            ("c", "", "status: 🔲 NOT_STARTED\nrun: exit 3"),
            ("d", "b", "run: note ran"),
            ("e", "", "when: 'false'\nrun: note ran"),
        ],
    );
    let path = project.path("blueprint.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
    let before = fs::read_to_string(&path).expect("the document").replace('\n', "\r\n");
    project.write("blueprint.md", &before);
    project.outpost(&["run", "blueprint.md"]).with(3);
    let shown = project.outpost(&["sync", "blueprint.md", "--dry-run"]).with(0);
    project.outpost(&["sync", "blueprint.md", "--check"]).with(1);
    assert_eq!(fs::read_to_string(&path).expect("the document"), before, "to look changes nothing");
    let written = project.outpost(&["sync", "blueprint.md"]).with(0).says(&["4 statuses are written"]);
    assert_eq!(written.stdout, shown.stdout);
    assert!(shown.stdout.contains("\n-status: 'not_started' # yet\r\n+status: 'complete' # yet\r\n"), "{shown:?}");
    let after = before
        .replace("'not_started'", "'complete'")
        .replace("🔲 NOT_STARTED", "blocked")
        .replace("name: b\r\n", "name: b\r\nstatus: blocked\r\n")
        .replace("name: e\r\n", "name: e\r\nstatus: skipped\r\n");
    assert_eq!(fs::read_to_string(&path).expect("the document"), after);
    assert_eq!(fs::metadata(&path).expect("the document").permissions().mode() & 0o777, 0o640);
    let again = project.outpost(&["sync", "blueprint.md", "--check"]).with(0).says(&["nothing to write"]);
    assert_eq!(again.stdout, "");
}

#[test]
fn f_11_statuses_alone_are_no_edit_unless_they_contradict_the_run() {
    let tasks = [("a", "", "run: note ran"), ("b", "a", GATED), ("c", "b", "run: note ran")];
    let project = project("", &tasks);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["sync", "blueprint.md"]).with(0);
    let synced = fs::read_to_string(project.path("blueprint.md")).expect("the document");
    assert!(synced.contains("status: complete") && synced.contains("status: blocked"), "{synced}");
    project.write("blueprint.md", &synced.replace("name: c\n", "name: c\nstatus: complete\n"));
    project.outpost(&["resume", "--approve", "b"]).with(9).says(&["changed: c"]);
    project.write("blueprint.md", &synced.replace("status: complete", "status: not_started"));
    project.outpost(&["resume"]).with(0);
    // The document did not say so, and it counts for the next run only.
    assert_eq!(project.ledger(), ["a 1 run ran", "b 1 run ran", "c 1 run ran"]);
    project.outpost(&["sync", "blueprint.md"]).with(0).says(&["3 statuses are written"]);
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["the document calls a, b, c complete or skipped"]);
}

#[test]
fn f_11_an_edit_of_a_document_with_the_statuses_of_its_run_runs_no_more_than_was_edited() {
    let leaves = "output: {location: file, format: json, path: out/nowhere.json, ports: {n: {type: integer}}}\nrun: note ran; echo '{\"n\":7}' > \"$OUTPOST_OUTPUT\"";
    let takes = "input_bindings: {n: a.output.n}\nrun: note \"$OUTPOST_INPUT_N\"; false";
    let project = project("", &[("a", "", leaves), ("b", "a", takes)]);
    project.outpost(&["run", "blueprint.md"]).with(1);
    project.outpost(&["sync", "blueprint.md"]).with(0);
    let synced = fs::read_to_string(project.path("blueprint.md")).expect("the document");
    project.write("blueprint.md", &synced.replace("; false", ""));
    project.outpost(&["resume"]).with(9).says(&["changed: b\n", "would run again: b\n"]);
    // What `a` left is still there for `b`, although the document calls it complete by now.
    project.outpost(&["resume", "--accept-edit"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran", "b 1 run 7", "b 2 run 7"]);
}

#[test]
fn f_11_what_the_document_calls_final_is_refused() {
    let project = project("", &[("a", "", "status: complete\nrun: exit 1"), ("b", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md", "--rerun", "a"]).with(1);
    project
        .outpost(&["sync", "blueprint.md"])
        .with(1)
        .says(&["a is left as it is: `complete` is final, and the run left it `blocked`", "1 status is written"]);
    let text = fs::read_to_string(project.path("blueprint.md")).expect("the document");
    assert!(
        text.contains("name: a\ndependencies: []\nstatus: complete\n") && text.contains("name: b\nstatus: complete\n")
    );
}

#[test]
fn f_11_what_was_undone_is_not_called_done() {
    let project = project(
        "rollback: auto",
        &[("a", "", "run: note ran\nrollback: note undone"), ("b", "a", "run: exit 1"), ("c", "b", "run: note ran")],
    );
    project.outpost(&["run", "blueprint.md"]).with(5);
    let synced = project.outpost(&["sync", "blueprint.md", "--json"]).with(0);
    let synced: serde_json::Value = serde_json::from_str(&synced.stdout).expect("JSON");
    let changes: Vec<(&str, &str)> = synced["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter_map(|change| Some((change["task"].as_str()?, change["to"].as_str()?)))
        .collect();
    assert_eq!(changes, [("a", "blocked"), ("b", "blocked")]);
}

#[test]
fn f_11_an_edited_document_is_told_its_statuses_by_the_ids_of_its_tasks() {
    let project = project("", &[("a", "", "run: note ran"), ("b", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.write("blueprint.md", &document("", &[("c", "", "run: note ran"), ("b", "", "run: note other")]));
    let synced = project.outpost(&["sync", "blueprint.md", "--json"]).with(0);
    let synced: serde_json::Value = serde_json::from_str(&synced.stdout).expect("JSON");
    assert_eq!(
        (&synced["edited"], &synced["gone"], &synced["written"]),
        (&true.into(), &serde_json::json!(["a"]), &true.into())
    );
    assert_eq!(
        synced["changes"],
        serde_json::json!([{"task": "b", "line": 15, "from": "not_started", "to": "complete"}])
    );
    project.outpost(&["sync", "blueprint.md"]).with(0).says(&["was edited since the run"]);
    // A document of which nothing was run is nobody's.
    project.write("other.md", &document("", &[("b", "", "run: note ran")]));
    project.outpost(&["sync", "other.md"]).with(2).says(&["no run of `other.md`"]);
    project.outpost(&["sync", "-"]).with(2).says(&["needs a file"]);
    let alias = "# T\n\n```yaml\n- {task_id: a, name: a, status: &s blocked, run: x}\n- {task_id: b, name: b, status: *s, run: x}\n- {task_id: c, name: c, run: x}\n```\n";
    project.write("blueprint.md", alias);
    project.outpost(&["sync", "blueprint.md"]).with(0);
    project.write("blueprint.md", &alias.replace("task_id: b", "task_id: d"));
    project.outpost(&["sync", "blueprint.md"]).with(2).says(&["the status of d hangs on another one"]);
}
