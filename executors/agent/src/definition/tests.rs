//! Definitions that are right, and what is told of those that are not.

use std::fs;

use super::{Definition, DefinitionError, Definitions, SessionId};

const FAKE: &str = include_str!("../../tests/fake.toml");

fn read(text: &str) -> Result<Definition, DefinitionError> {
    Definitions::read("fake", "agents/fake.toml", text)
}

/// The definition of the tests, with a change.
fn told(from: &str, to: &str) -> String {
    assert!(FAKE.contains(from), "{from}");
    read(&FAKE.replacen(from, to, 1)).expect_err("it is wrong").to_string()
}

#[test]
fn the_built_in_ones_are_right() {
    let all = Definitions::load(None).expect("all of them");
    assert_eq!(all.names().collect::<Vec<_>>(), ["aider", "claude", "codex", "gemini", "grok"]);
    for name in ["aider", "claude", "codex", "gemini", "grok"] {
        let definition = all.get(name).expect("it is there");
        assert_eq!(definition.id, name);
        assert_eq!(definition.digest.len(), 64);
        assert!(definition.auth.as_ref().is_some_and(|auth| auth.base_url.upstream.starts_with("https://")));
    }
    assert_eq!(all.get("codex").expect("codex").session.id, SessionId::Capture);
}

#[test]
fn those_of_the_user_are_added_and_win() {
    let folder = tempfile::tempdir().expect("a folder");
    let claude = include_str!("../../agents/claude.toml").replace("Claude Code", "Mine");
    fs::write(folder.path().join("claude.toml"), claude).expect("room");
    fs::write(folder.path().join("fake.toml"), FAKE).expect("room");
    fs::write(folder.path().join("README.md"), "not one").expect("room");
    let all = Definitions::load(Some(folder.path())).expect("all of them");
    assert_eq!(all.names().count(), 6);
    assert_eq!(all.get("claude").expect("claude").name, "Mine");
    assert!(Definitions::load(Some(&folder.path().join("nowhere"))).is_ok());
}

#[test]
fn a_problem_names_file_key_and_way_out() {
    let text = told("[kill]\ngrace_secs = 2", "[kill]\ngrace_secs = 2\nsignal = \"INT\"");
    assert!(text.starts_with("`agents/fake.toml`: line "), "{text}");
    assert!(text.contains("unknown field `signal`") && text.contains("help: docs/AGENTS.md"), "{text}");
    let text = told("schema = 1", "schema = 2");
    assert!(text.contains("`agents/fake.toml`: `schema`: is 2") && text.contains("help: write `schema = 1`"), "{text}");
}

#[test]
fn what_is_wrong_is_refused() {
    for (from, to, wanted) in [
        ("id = \"fake\"", "id = \"other\"", "`id`: is `other`, and the file is named `fake.toml`"),
        ("bin = [\"outpost-fake-agent\"]", "bin = []", "`detect.bin`: is empty"),
        ("\"{run_state}\"", "\"{run_stat}\"", "`{run_stat}` is no placeholder"),
        ("\".fake/settings.json\"", "\"../settings.json\"", "leaves its folder"),
        (
            "[\"--resume\", \"{session_id}\"]",
            "[\"--resume\", \"{*session}\"]",
            "stands in a list that is spliced itself",
        ),
        ("\"{*approval}\", \"{*session}\"]", "\"{*approval}\", \"{*sesion}\"]", "`{*sesion}` names no list"),
        ("\"{*approval}\", \"{*session}\"]", "\"{*session}\"]", "does not say what is approved"),
        ("[\"{bin}\", ", "[", "does not begin with `{bin}`"),
        ("via = \"stdin\"", "via = \"file\"", "does not pass the prompt"),
        ("resume = [\"--resume\", \"{session_id}\"]", "", "says not how to resume"),
        ("turns = \"/turns\"", "turns = \"turns\"", "`turns` is no JSON pointer"),
        ("match = { \"/type\" = \"end\" }", "match = {}", "would match everything"),
        ("https://127.0.0.1", "http://127.0.0.1.example.org", "is no https:// address"),
        ("env = \"FAKE_KEY\"", "env = \"FAKE KEY\"", "no name of a variable"),
        ("class = \"auth\"", "class = \"autj\"", "unknown variant `autj`"),
        ("regex = '\\b401\\b'", "regex = '(401'", "is no regular expression"),
        ("'fake (\\d+\\.\\d+\\.\\d+)'", "'fake'", "has no group"),
        ("grace_secs = 2", "grace_secs = 2000", "longer than two minutes"),
        ("[approval]", "[approvals]", "unknown field `approvals`"),
    ] {
        let text = told(from, to);
        assert!(text.contains(wanted), "{from} → {to}: {text}");
    }
    let text = told("stderr = [", "exit = { many = \"killed\" }\nstderr = [");
    assert!(text.contains("`many` is no number"), "{text}");
}

#[test]
fn all_problems_are_told_at_once() {
    let text = FAKE.replace("schema = 1", "schema = 7").replace("grace_secs = 2", "grace_secs = 2000");
    assert_eq!(read(&text).expect_err("two").0.len(), 2);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("one.toml"), "schema = ").expect("room");
    fs::write(folder.path().join("two.toml"), vec![b'#'; 300 << 10]).expect("room");
    let problems = Definitions::load(Some(folder.path())).expect_err("two").0;
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().any(|problem| problem.what.contains("at most 256 KiB")), "{problems:?}");
}
