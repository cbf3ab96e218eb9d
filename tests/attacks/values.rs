//! Values: what one task leaves and another binds, and what a person sets.

use std::fs;

use serde_json::{Map, Value, json};

use crate::project::Project;
use crate::{corpus, document, not_carried_out};

fn values() -> Vec<String> {
    corpus(include_str!("values.json"))
}

/// What commands in this shell are given of each value: in a variable, and in the file of inputs.
fn bound(shell: &str) {
    let values = values();
    let ports: Map<String, Value> = (0..values.len()).map(|at| (format!("p{at}"), json!({"type": "string"}))).collect();
    let left: Map<String, Value> =
        values.iter().enumerate().map(|(at, value)| (format!("p{at}"), json!(value))).collect();
    let gives = format!(
        "run: cp left.json \"$OUTPOST_OUTPUT\"\noutput: {{location: file, path: out.json, ports: {}}}",
        Value::Object(ports)
    );
    let bindings: Map<String, Value> = (0..values.len())
        .map(|at| (format!("v{at}"), json!({"source": "gives", "output_port": format!("p{at}")})))
        .collect();
    // Each in quotes, as the documents say; eval would be the author's own doing.
    let takes: String =
        (0..values.len()).map(|at| format!("  printf %s \"$OUTPOST_INPUT_V{at}\" > got/{at}\n")).collect();
    let takes = format!(
        "run: |\n  mkdir got\n{takes}  cp \"$OUTPOST_INPUTS\" got/all\ninput_bindings: {}",
        Value::Object(bindings)
    );
    let project = Project::of(&document(
        &format!("shell: {shell}, shell_flags: [-e]"),
        &[("gives", "", &gives), ("takes", "gives", &takes)],
    ));
    project.write("left.json", &Value::Object(left).to_string());
    project.outpost(&["run", "blueprint.md"]).with(0);
    let file: Value = serde_json::from_slice(&fs::read(project.path("got/all")).expect("the inputs")).expect("JSON");
    for (at, value) in values.iter().enumerate() {
        let got = fs::read(project.path(&format!("got/{at}"))).expect("a value");
        assert_eq!(got, value.as_bytes(), "{shell} got {:?}", String::from_utf8_lossy(&got));
        assert_eq!(file[format!("v{at}")], json!(value));
    }
    not_carried_out(&project, shell);
    println!("{} values arrive in {shell}, in a variable and in a file", values.len());
}

#[test]
fn values_arrive_under_sh() {
    bound("sh");
}

#[test]
fn values_arrive_under_bash() {
    bound("bash");
}

#[test]
fn values_arrive_under_dash() {
    bound("dash");
}

#[test]
fn what_a_person_sets_arrives() {
    let values = values();
    let asks = format!(
        "human_required: {{action: look, reason: so}}\nrun: |\n  mkdir got\n{}",
        (0..values.len()).map(|at| format!("  printf %s \"$OUTPOST_INPUT_X{at}\" > got/{at}\n")).collect::<String>()
    );
    let project = Project::of(&document("", &[("asks", "", &asks)]));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let words: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("x{at}={value}")).collect();
    let mut approve = vec!["approve", "asks", "--comment", "$(touch pwned)"];
    words.iter().for_each(|word| approve.extend(["--set", word]));
    project.outpost(&approve).with(0);
    project.outpost(&["resume"]).with(0);
    for (at, value) in values.iter().enumerate() {
        let got = fs::read(project.path(&format!("got/{at}"))).expect("a value");
        assert_eq!(got, value.as_bytes(), "{:?}", String::from_utf8_lossy(&got));
    }
    not_carried_out(&project, "--set");
}

/// Every text that the tool shows or passes on: names, reasons, comments, titles, failures.
#[test]
fn texts_are_shown_and_carried_out_by_nobody() {
    let values = values();
    let mut text = "# Attacked\n\n".to_owned();
    for (at, value) in values.iter().enumerate() {
        let word =
            json!(if value.trim().is_empty() { "blank" } else { value }).to_string().replace('\u{7f}', "\\u007f");
        text += &format!(
            "```yaml\ntask_id: t{at}\nname: {word}\ndependencies: []\nassignee: {word}\nestimated_duration: PT1M\nrun: printf '%s\\n' {at} >&2; exit 3\nhuman_required: {{action: {word}, reason: {word}}}\n```\n\n"
        );
    }
    let project = Project::of(&text);
    let checked = project.outpost(&["check", "blueprint.md"]).with(0);
    let run = project.outpost(&["run", "blueprint.md"]).with(3);
    let first = project.outpost(&["approve", "t0", "--comment", &values[20], "--by", "ada"]);
    let mut said = vec![checked, run, first, project.outpost(&["resume"])];
    for command in [
        &["status"][..],
        &["gates"],
        &["why", "t30"],
        &["runs"],
        &["report", "--format", "md"],
        &["graph", "blueprint.md"],
        &["plan", "blueprint.md"],
    ] {
        said.push(project.outpost(command).with(0));
    }
    for ended in &said {
        let wild = |text: &str| text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!((wild(&ended.stdout), wild(&ended.stderr)), (None, None), "{}\n{}", ended.stdout, ended.stderr);
    }
    not_carried_out(&project, "texts");
}
