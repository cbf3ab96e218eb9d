//! Answers, and what passes for none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Port, PortKind, Status, forget, take};

fn workspace() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn leave(workspace: &Path, answer: &Value) {
    fs::create_dir_all(workspace.join(".outpost")).expect("room");
    fs::write(workspace.join(".outpost/result.json"), answer.to_string()).expect("room");
}

fn port(name: &str, kind: PortKind) -> Port {
    Port { name: name.into(), kind, description: String::new(), optional: false }
}

#[test]
fn an_answer_is_taken_once() {
    let folder = workspace();
    assert_eq!(take(folder.path(), &[]), Ok(None));
    leave(folder.path(), &json!({"status": "needs_human", "summary": "s", "human_action": "log in"}));
    let answer = take(folder.path(), &[]).expect("it is right").expect("it is there");
    assert_eq!((answer.status, answer.human_action.as_deref()), (Status::NeedsHuman, Some("log in")));
    assert!(!folder.path().join(".outpost").exists());
    assert_eq!(take(folder.path(), &[]), Ok(None));
    leave(folder.path(), &json!({"status": "done"}));
    forget(folder.path());
    assert_eq!(take(folder.path(), &[]), Ok(None));
}

#[test]
fn values_are_held_to_the_types_of_the_ports() {
    let folder = workspace();
    fs::write(folder.path().join("out.txt"), "x").expect("room");
    symlink("/etc", folder.path().join("away")).expect("a link");
    for (kind, good, bad) in [
        (PortKind::String, json!("x"), json!(1)),
        (PortKind::Integer, json!(3), json!(3.5)),
        (PortKind::Number, json!(3.5), json!("3.5")),
        (PortKind::Boolean, json!(true), json!("true")),
        (PortKind::Path, json!("out.txt"), json!("../out.txt")),
        (PortKind::Path, json!("out.txt"), json!("away/passwd")),
        (PortKind::Path, json!("out.txt"), json!("/etc/passwd")),
        (PortKind::Path, json!("out.txt"), json!("missing")),
    ] {
        let ports = [port("p", kind)];
        leave(folder.path(), &json!({"status": "done", "outputs": {"p": good}}));
        assert!(take(folder.path(), &ports).is_ok_and(|answer| answer.is_some()), "{kind:?} {good}");
        leave(folder.path(), &json!({"status": "done", "outputs": {"p": bad}}));
        let told = take(folder.path(), &ports).expect_err("it is wrong");
        assert!(told.contains("output `p`") && told.contains(kind.explain()), "{told}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    let folder = workspace();
    let ports = [port("a", PortKind::Json), Port { optional: true, ..port("b", PortKind::Json) }];
    for (answer, wanted) in [
        (json!({"status": "done", "outputs": {"b": 1}}), "has no output `a`"),
        (json!({"status": "fine"}), "unknown variant `fine`"),
        (json!({"status": "done", "summary": "x".repeat(70 << 10)}), "longer than 64 KiB"),
        (json!({"status": "done", "summary": "x".repeat(300 << 10)}), "larger than 256 KiB"),
        (json!([]), "is not what was asked for"),
    ] {
        leave(folder.path(), &answer);
        let told = take(folder.path(), &ports).expect_err("it is wrong");
        assert!(told.contains(wanted), "{told}");
    }
    leave(folder.path(), &json!({"status": "done", "outputs": {"a": 1, "c": 1}, "files": []}));
    let answer = take(folder.path(), &ports).expect("it is right").expect("it is there");
    assert_eq!(answer.outputs.keys().collect::<Vec<_>>(), ["a"]);
    // Who cannot go on has nothing to leave.
    leave(folder.path(), &json!({"status": "blocked", "summary": "why"}));
    assert!(take(folder.path(), &ports).is_ok());
}

#[test]
fn no_link_and_no_pipe_is_followed() {
    let folder = workspace();
    let other = workspace();
    fs::write(other.path().join("result.json"), r#"{"status":"done"}"#).expect("room");
    symlink(other.path(), folder.path().join(".outpost")).expect("a link");
    assert!(take(folder.path(), &[]).expect_err("a link").contains("symbolic link"));
    assert!(other.path().join("result.json").exists());
    fs::remove_file(folder.path().join(".outpost")).expect("the link");

    fs::create_dir(folder.path().join(".outpost")).expect("room");
    let place = folder.path().join(".outpost/result.json");
    symlink(other.path().join("result.json"), &place).expect("a link");
    assert!(take(folder.path(), &[]).expect_err("a link").contains("symbolic link"));
    assert!(!place.is_symlink());

    fs::create_dir_all(place).expect("room");
    assert!(take(folder.path(), &[]).expect_err("a folder").contains("is no file"));
}

fn answer(outputs: &Value) -> Answer {
    serde_json::from_value(json!({"status": "done", "summary": "s", "outputs": outputs})).expect("an answer")
}

#[test]
fn what_is_left_for_an_agent_is_taken_like_what_it_writes() {
    let folder = workspace();
    let ports = [port("p", PortKind::Integer)];
    for given in [1, 2] {
        super::leave(folder.path(), &ports, &answer(&json!({"p": given}))).expect("it is right");
    }
    let taken = take(folder.path(), &ports).expect("it is right").expect("it is there");
    assert_eq!(taken.outputs["p"], 2, "the last word counts");
    assert!(!folder.path().join(".outpost").exists(), "nothing else was left");
}

#[test]
fn what_would_not_be_taken_is_not_left() {
    let folder = workspace();
    let ports = [port("p", PortKind::Integer)];
    for (outputs, told) in [
        (json!({"p": "1"}), "is not an integer"),
        (json!({}), "has no output `p`"),
        (json!({"p": 1, "q": 1}), "the task has no output `q`; it has p"),
    ] {
        let refused = super::leave(folder.path(), &ports, &answer(&outputs)).expect_err("it is wrong");
        assert!(refused.contains(told), "{refused}");
    }
    let long = answer(&json!({"p": "x".repeat(300 << 10)}));
    let refused = super::leave(folder.path(), &[port("p", PortKind::String)], &long).expect_err("it is large");
    assert!(refused.contains("256 KiB"), "{refused}");
    assert!(!folder.path().join(".outpost").exists());
}

#[test]
fn an_answer_is_not_left_through_a_link() {
    let (folder, elsewhere) = (workspace(), workspace());
    symlink(elsewhere.path(), folder.path().join(".outpost")).expect("a link");
    super::leave(folder.path(), &[], &answer(&json!({}))).expect_err("it is a link");
    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);

    fs::remove_file(folder.path().join(".outpost")).expect("ours");
    fs::create_dir(folder.path().join(".outpost")).expect("room");
    fs::write(elsewhere.path().join("mine"), "mine").expect("room");
    symlink(elsewhere.path().join("mine"), folder.path().join(".outpost/result.json")).expect("a link");
    super::leave(folder.path(), &[], &answer(&json!({}))).expect("the link is replaced");
    assert_eq!(fs::read_to_string(elsewhere.path().join("mine")).expect("a file"), "mine");
}
