//! What agents see of runs, and that looking is all they do.

use serde_json::{Value, json};

use super::{Session, everything};
use crate::project;

const LOUD: &str =
    "run: \"seq 1000; printf '\\\\033[31mred\\\\033[0m\\\\n' >&2; head -c 20000 /dev/zero | tr '\\\\0' x\"";

#[test]
fn a_server_outside_of_attempts_only_looks() {
    let gate = "human_required: {action: look, reason: so}\nrun: note ran";
    let project =
        project("", &[("a", "", "run: echo hello"), ("b", "a", gate), ("c", "", "run: 'echo bad >&2; exit 3'")]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    let before = everything(&project);
    let mut session = Session::begun(&project, "2025-11-25");
    // Whoever adds a tool to this list says why an agent may have it: nothing here decides, starts or ends anything.
    assert_eq!(session.tools(), ["run_status", "logs", "gates"]);
    for absent in ["approve", "reject", "cancel", "resume", "run", "rollback", "report", "task", "gate", "decide"] {
        let answer = session.call(absent, json!({ "task": "b" }));
        assert_eq!(answer["error"]["code"], -32602, "{absent}");
    }

    let status = session.found("run_status", json!({}));
    assert_eq!((&status["state"], &status["total"]), (&"waiting".into(), &3.into()));
    assert_eq!(status["counts"], json!({ "complete": 1, "not_started": 1, "blocked": 1 }));
    assert_eq!(status["gates"], json!(["b"]));
    assert_eq!(status["tasks"][2]["id"], "a", "what is complete comes last");
    let one = session.found("run_status", json!({ "task": "c", "run": status["run"] }));
    assert_eq!(one["tasks"][0]["failed"]["exit_code"], 3);
    assert_eq!(one["tasks"][0]["failed"]["stderr"], "bad\n");

    let gates = session.found("gates", json!({}));
    assert_eq!(gates["gates"][0]["task"], "b");
    assert!(gates["how"].as_str().is_some_and(|how| how.contains("Only a person decides")), "{gates}");
    let log = session.found("logs", json!({ "task": "c" }));
    assert_eq!((&log["lines"][0]["text"], &log["lines"][0]["stream"]), (&"bad".into(), &"stderr".into()));
    let none = session.found("logs", json!({ "task": "b" }));
    assert_eq!((&none["attempt"], &none["lines"]), (&Value::Null, &json!([])));

    for (tool, arguments, why) in [
        ("run_status", json!({ "task": "bb" }), "did you mean `b`?"),
        ("run_status", json!({ "run": "nothing" }), "no run begins with `nothing`"),
        ("run_status", json!({ "approve": "b" }), "unknown field `approve`"),
        ("run_status", json!(["b"]), "the arguments are not"),
        ("logs", json!({}), "`task` is missing"),
        ("logs", json!({ "task": "../a" }), "has no task `../a`"),
        ("logs", json!({ "task": "a", "attempt": 7 }), "has no attempt 7"),
        ("logs", json!({ "task": "a", "stage": "verify:x" }), "has no stage `verify:x`"),
        ("logs", json!({ "task": "a", "from": -1 }), "the arguments are not"),
        ("gates", json!({ "comment": "fine" }), "unknown field `comment`"),
    ] {
        let told = session.refused(tool, arguments.clone());
        assert!(told.contains(why), "{tool} {arguments}: {told}");
    }
    session.end();
    let after = everything(&project);
    let changed: Vec<&String> =
        after.iter().filter(|(path, look)| before.get(*path) != Some(look)).map(|(path, _)| path).collect();
    assert_eq!((changed, before.len()), (Vec::<&String>::new(), after.len()));
    project.outpost(&["gates"]).with(0);
    assert_eq!(project.told("gate_decided"), [""; 0]);
}

#[test]
fn a_log_is_read_piece_by_piece() {
    let project = project("", &[("a", "", LOUD)]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let mut session = Session::begun(&project, "2025-11-25");
    let end = session.found("logs", json!({ "task": "a" }));
    assert_eq!((&end["total"], &end["next"], &end["attempt"]), (&1002.into(), &1002.into(), &1.into()));
    let lines = end["lines"].as_array().expect("lines");
    assert_eq!((lines.len(), &lines[0]["number"]), (200, &802.into()));
    let text = |line: &Value| line["text"].as_str().expect("text").to_owned();
    let long = lines.iter().map(text).find(|text| text.starts_with("xxx")).expect("a long line");
    assert!(long.ends_with("[… 15904 bytes left out …]"), "{long}");
    let red = lines.iter().find(|line| line["stream"] == "stderr").expect("a line");
    assert_eq!(text(red), "red", "without what a terminal obeys");

    // All of it, from the first line to the last, each once.
    let (mut seen, mut from) = (Vec::new(), 0);
    while from < 1002 {
        let page = session.found("logs", json!({ "task": "a", "from": from, "lines": 300, "stage": "run" }));
        let lines = page["lines"].as_array().expect("lines");
        assert_eq!(lines[0]["number"], from, "{page}");
        seen.extend(lines.iter().filter(|line| line["stream"] == "stdout").map(text));
        from = page["next"].as_u64().expect("a number");
    }
    let numbers: Vec<String> = (1..=1000).map(|number| number.to_string()).collect();
    assert_eq!(seen[..1000], numbers);
    let beyond = session.found("logs", json!({ "task": "a", "from": 5000 }));
    assert_eq!((&beyond["lines"], &beyond["next"]), (&json!([]), &1002.into()));
    session.end();
}

#[test]
fn a_page_has_a_bound_whatever_was_printed() {
    let project = project(
        "",
        &[(
            "a",
            "",
            "run: \"line=$(head -c 3000 /dev/zero | tr '\\\\0' y); for n in $(seq 2000); do echo $line; done\"",
        )],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    let mut session = Session::begun(&project, "2025-11-25");
    for arguments in [json!({ "task": "a", "lines": 500 }), json!({ "task": "a", "lines": 500, "from": 0 })] {
        let page = session.found("logs", arguments.clone());
        let lines = page["lines"].as_array().expect("lines");
        assert!((10..=17).contains(&lines.len()), "{arguments}: {}", lines.len());
        let edge = if arguments.get("from").is_some() { 0 } else { 2000 - lines.len() as u64 };
        assert_eq!(lines[0]["number"], edge);
        assert_eq!(page["next"], edge + lines.len() as u64);
    }
    session.end();
}

#[test]
fn nothing_was_ever_run_here() {
    let project = project("", &[("a", "", "run: echo hello")]);
    let mut session = Session::begun(&project, "2025-11-25");
    for tool in ["run_status", "gates"] {
        assert!(session.refused(tool, json!({})).contains("nothing was ever run here"));
    }
    session.end();
}
