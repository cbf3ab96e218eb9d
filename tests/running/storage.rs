//! `execution.storage`: outputs in an object store and in a shared directory, and back from there.

use std::fs;
use std::time::Duration;

use outpost_bp::engine::net;
use serde_json::Value;

use crate::emulator::emulator;
use crate::project::Project;
use crate::{kept, project, with_aws};

/// `a` leaves a number in a file of the project, `b` takes it after a person looked.
fn stored(storage: &str) -> Project {
    let a = "output: {location: file, path: 'artifacts/${task_id}/out.json', ports: {n: {type: integer}}}\nrun: |\n  mkdir -p artifacts/a; echo '{\"n\": 7}' > artifacts/a/out.json";
    let b = "human_required: {action: look, reason: so}\ninput_bindings: {n: {source: a, output_port: n}}\nrun: |\n  note \"$OUTPOST_INPUT_N\"; jq -c '.\"a.output\"' \"$OUTPOST_INPUTS\" > told; cat \"$(jq -r .file told)\" >> told";
    project(&format!("storage: {storage}"), &[("a", "", a), ("b", "a", b)])
}

/// What `b` was told of the output, and the file that it was given.
fn told(project: &Project) -> (Value, String) {
    let text = fs::read_to_string(project.path("told")).expect("b ran");
    let (entry, file) = text.split_once('\n').expect("two lines");
    (serde_json::from_str(entry).expect("JSON"), file.to_owned())
}

/// Writes a checkpoint and fails; goes on from it.
fn interrupted(storage: &str) -> Project {
    let run = "handoff: {checkpoint_path: 'state/${task_id}.json'}\nrun: |\n  [ -n \"$OUTPOST_RESUME_FROM\" ] && { note \"from $(jq .n \"$OUTPOST_CHECKPOINT\")\"; exit; }\n  echo '{\"n\": 7}' > \"$OUTPOST_CHECKPOINT\"; exit 1";
    project(&format!("storage: {storage}"), &[("a", "", run)])
}

fn run_name(project: &Project) -> String {
    let folder = project.run_folder().expect("a run");
    folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

/// Removes what the run has of a checkpoint.
fn forget_checkpoint(project: &Project) {
    for name in ["a@1.checkpoint-1", "a@1.checkpoint-1.json"] {
        fs::remove_file(kept(project, name)).expect("a copy");
    }
    fs::remove_dir_all(project.path("state")).expect("what the task wrote");
}

/// As if the run went on on a machine that has nothing but its record.
fn forget(project: &Project) {
    fs::remove_dir_all(project.path("artifacts")).expect("the output");
    fs::remove_file(kept(project, "a@1.ports.json")).expect("the ports");
}

#[test]
fn f_30_outputs_in_an_object_store_are_told_by_signed_addresses_and_come_back_from_there() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f30"), &[], b"").0, 200);
    let project = stored(
        "{mode: object_store, backend: s3, bucket: f30, region: us-east-1, prefix: '${blueprint_id}/', credentials: {source: env}, encryption: {enabled: true}}",
    );
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(3);
    let key = "blueprint/artifacts/a/out.json";
    assert_eq!(aws.ask("s3", ("GET", &format!("/f30/{key}")), &[], b""), (200, b"{\"n\": 7}\n".to_vec()));
    forget(&project);
    let Some(ended) = with_aws(&project, &["resume", "--approve", "b"]) else { return };
    ended.with(0);
    assert_eq!(project.ledger(), ["b 1 run 7"]);
    let (entry, file) = told(&project);
    assert_eq!(entry["uri"], format!("s3://f30/{key}"));
    assert_eq!(file, "{\"n\": 7}\n");
    let expires: jiff::Timestamp = entry["expires_at"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    assert!(expires > jiff::Timestamp::now());
    // Whoever has the address needs no credentials.
    let url = entry["signed_url"].as_str().expect("an address").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let body = runtime.block_on(async {
        let client = net::client(Duration::from_secs(60)).expect("a client");
        client.get(url).send().await.expect("an answer").text().await.expect("text")
    });
    assert_eq!(body, "{\"n\": 7}\n");
}

#[test]
fn f_30_a_store_that_should_keep_versions_and_does_not_is_told_so() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f30-versions"), &[], b"").0, 200);
    let project = stored("{mode: object_store, bucket: f30-versions, versioning: true}");
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(1).says(&["the bucket keeps no versions"]);
    let on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(aws.ask("s3", ("PUT", "/f30-versions?versioning"), &[], on).0, 200);
    let Some(ended) = with_aws(&project, &["resume"]) else { return };
    ended.with(3);
    // What somebody else puts there later is another version.
    assert_eq!(aws.ask("s3", ("PUT", "/f30-versions/artifacts/a/out.json"), &[], b"8").0, 200);
    fs::remove_dir_all(project.path("artifacts")).expect("the output");
    let Some(ended) = with_aws(&project, &["resume", "--approve", "b"]) else { return };
    ended.with(0);
    assert_eq!(told(&project).1, "{\"n\": 7}\n");
}

#[test]
fn f_30_outputs_in_a_shared_directory_come_back_from_there() {
    let shared = tempfile::tempdir().expect("a folder");
    let project = stored(&format!("{{mode: shared_fs, shared_path: '{}/${{blueprint_id}}'}}", shared.path().display()));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let copy = shared.path().join("blueprint/artifacts/a/out.json");
    assert_eq!(fs::read_to_string(&copy).expect("a copy"), "{\"n\": 7}\n");
    forget(&project);
    project.outpost(&["resume", "--approve", "b"]).with(0);
    let (entry, file) = told(&project);
    assert_eq!(entry["uri"], format!("file://{}", copy.display()));
    assert_eq!((entry.get("signed_url"), file.as_str()), (None, "{\"n\": 7}\n"));
    assert_eq!(project.ledger(), ["b 1 run 7"]);
}

#[test]
fn f_30_checkpoints_in_an_object_store_come_back_from_there() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f30-checkpoints"), &[], b"").0, 200);
    let project = interrupted("{mode: hybrid, bucket: f30-checkpoints, region: us-east-1}");
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(1);
    let name = run_name(&project);
    let (status, stored) = aws.ask("s3", ("GET", &format!("/f30-checkpoints/{name}/a/checkpoint-1.json")), &[], b"");
    let stored: Value = serde_json::from_slice(&stored).expect("JSON");
    assert_eq!((status, &stored["state"]), (200, &serde_json::json!({"n": 7})));
    forget_checkpoint(&project);
    let Some(ended) = with_aws(&project, &["resume"]) else { return };
    ended.with(0);
    assert_eq!(project.ledger(), ["a 2 run from 7"]);
}

#[test]
fn f_30_a_checkpoint_comes_back_from_a_shared_directory_as_it_was_or_not_at_all() {
    let shared = tempfile::tempdir().expect("a folder");
    let project = interrupted(&format!("{{shared_path: '{}'}}", shared.path().display()));
    project.outpost(&["run", "blueprint.md"]).with(1);
    let stored = shared.path().join(run_name(&project)).join("a/checkpoint-1");
    assert_eq!(fs::read_to_string(&stored).expect("a copy"), "{\"n\": 7}\n");
    forget_checkpoint(&project);
    fs::write(&stored, "{\"n\": 8}\n").expect("another");
    project
        .outpost(&["resume"])
        .with(1)
        .says(&["its checkpoint is not offered", "is not what was taken over as checkpoint 1"]);
    fs::remove_file(kept(&project, "a@1.checkpoint-1")).expect("what was fetched");
    fs::write(&stored, "{\"n\": 7}\n").expect("as it was");
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 3 run from 7"]);
}

#[test]
fn f_30_a_checkpoint_that_does_not_arrive_in_the_store_is_told_and_fails_nothing() {
    let project = interrupted("{shared_path: file}");
    project.write("file", "in the way");
    project
        .outpost(&["run", "blueprint.md"])
        .with(1)
        .says(&["`a`: its checkpoint is with the run only (E_CHECKPOINT_FAILED)"]);
    fs::remove_file(project.path("file")).expect("no more");
    // Whoever takes the run up sends it again.
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 2 run from 7"]);
    assert!(project.path("file").join(run_name(&project)).join("a/checkpoint-1").exists());
}
