//! `outpost-bp agents`: which there are, what they lack, and whether a definition holds.

use std::fs;

use serde_json::Value;

use super::{Office, document};

#[test]
fn agents_are_listed_with_what_they_lack() {
    let office = Office::of(&document("", &[]), &[]);
    let list: Value =
        serde_json::from_str(&office.outpost(&["agents", "list", "--json"]).with(0).stdout).expect("JSON");
    let names: Vec<&str> =
        list["agents"].as_array().expect("a list").iter().filter_map(|agent| agent["agent"].as_str()).collect();
    assert_eq!(names, ["aider", "claude", "codex", "fake", "gemini", "grok"]);
    let fake = &list["agents"][3];
    assert_eq!(fake["definition"], office.at("config/outpost-bp/agents/fake.toml").display().to_string());
    assert_eq!((&fake["lacking"], &fake["key"]), (&Value::Null, &"`FAKE_KEY` is set".into()));

    let doctor: Value =
        serde_json::from_str(&office.outpost(&["agents", "doctor", "--json"]).with(0).stdout).expect("JSON");
    let layers: Vec<&str> =
        doctor["sandbox"]["layers"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for (layer, is_live) in
        [("bubblewrap", "namespaces of its own"), ("Landlock", "version"), ("seccomp", "are filtered")]
    {
        let told = layers.iter().find(|line| line.starts_with(layer)).unwrap_or_else(|| panic!("{layer}: {layers:?}"));
        assert!(told.contains(is_live) || told.contains("not here"), "{told}");
    }
    let mut command = office.command(&["agents", "doctor"]);
    command.env_remove("FAKE_KEY").env_remove("HOME").env("PATH", "/nowhere");
    let ended = office.project.start(command).end().with(8).says(&["no agent can be asked here"]);
    assert!(ended.stdout.contains("there is no `HOME` with a login for `fake`"), "{}", ended.stdout);
    assert!(ended.stdout.contains("npm install -g @anthropic-ai/claude-code"), "{}", ended.stdout);
}

#[test]
fn a_definition_is_tried_and_its_faults_are_told() {
    let office = Office::of(&document("", &[]), &[("", &["finish"])]);
    let tried = office.outpost(&["agents", "test", "fake", "--json"]).with(1).says(&["its transcripts are in"]);
    let tried: Value = serde_json::from_str(&tried.stdout).expect("JSON");
    let faults = tried["situations"][0]["faults"].to_string();
    assert!(faults.contains("the model was never asked"), "{tried:#}");
    let layers = outpost_sandbox::Layers::probe();
    let here = if layers.hold_files() { Value::from(layers.names()) } else { Value::Null };
    assert_eq!(tried["sandbox"], here);
    let bare = office.outpost(&["agents", "test", "fake", "--json", "--no-sandbox"]).with(1);
    let bare: Value = serde_json::from_str(&bare.stdout).expect("JSON");
    assert_eq!((&bare["sandbox"], &bare["situations"][0]["got"]), (&Value::Null, &"done".into()));
    let place = fs::read_dir(office.at("tmp")).expect("a folder").next();
    assert!(place.is_some(), "they are there");
    office.outpost(&["agents", "test", "nobody"]).with(2).says(&["there is no agent `nobody`"]);

    fs::write(office.at("config/outpost-bp/agents/other.toml"), "schema = 1\n").expect("a file");
    office.outpost(&["agents", "list"]).with(2).says(&["other.toml", "docs/AGENTS.md"]);
}
