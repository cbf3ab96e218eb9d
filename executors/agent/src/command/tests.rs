//! The command lines of the five, word for word as they were verified, and what values cannot do.

use super::{Approval, Trust, Values, placeholders, render};
use crate::definition::{Definition, Definitions};

fn definition(name: &str) -> Definition {
    Definitions::load(None).expect("the built-in ones").get(name).expect("one of them").clone()
}

fn values() -> Values {
    Values {
        bin: "/bin/agent".into(),
        model: Some("M".into()),
        workspace: "/ws".into(),
        home: "/home".into(),
        run_dir: "/run".into(),
        run_state: "/state".into(),
        secure: "/secure".into(),
        prompt_file: "/p.md".into(),
        session_id: Some("S".into()),
        base_url: Some("http://127.0.0.1:1/v1".into()),
        ..Values::default()
    }
}

fn line(name: &str, values: &Values) -> String {
    render(&definition(name), values).expect("all values").argv.join(" ")
}

#[test]
fn claude_begins_and_goes_on() {
    let first = Values { max_turns: Some(5), budget_usd: Some(1.5), ..values() };
    assert_eq!(
        line("claude", &first),
        "/bin/agent -p --output-format stream-json --verbose --strict-mcp-config --setting-sources user --model M \
         --max-turns 5 --max-budget-usd 1.5000 --permission-mode bypassPermissions --session-id S"
    );
    let again = Values { resume: true, trust: Trust::Own, approval: Approval::Edits, model: None, ..values() };
    assert_eq!(
        line("claude", &again),
        "/bin/agent -p --output-format stream-json --verbose --permission-mode acceptEdits --permission-prompts none \
         --resume S"
    );
    let command = render(&definition("claude"), &Values { is_root: true, ..values() }).expect("all values");
    assert_eq!(command.env.get("ANTHROPIC_BASE_URL").map(String::as_str), Some("http://127.0.0.1:1/v1"));
    assert_eq!(command.env.get("CLAUDE_CONFIG_DIR").map(String::as_str), Some("/home/.claude"));
    assert_eq!(command.env.get("IS_SANDBOX").map(String::as_str), Some("1"));
    let command = render(&definition("claude"), &Values { base_url: None, ..values() }).expect("all values");
    assert!(!command.env.contains_key("ANTHROPIC_BASE_URL") && !command.env.contains_key("IS_SANDBOX"));
}

#[test]
fn codex_begins_and_goes_on() {
    let provider = "-c model_provider=\"outpost\" -c model_providers.outpost.name=\"outpost\" \
                    -c model_providers.outpost.base_url=\"http://127.0.0.1:1/v1\" \
                    -c model_providers.outpost.env_key=\"OPENAI_API_KEY\" -c model_providers.outpost.wire_api=\"responses\" \
                    -c model_providers.outpost.stream_max_retries=3 -c shell_environment_policy.inherit=\"core\" \
                    -c shell_environment_policy.ignore_default_excludes=false -";
    assert_eq!(
        line("codex", &values()),
        format!(
            "/bin/agent exec --json --skip-git-repo-check -C /ws -m M --dangerously-bypass-approvals-and-sandbox {provider}"
        )
    );
    assert_eq!(
        line("codex", &Values { resume: true, ..values() }),
        format!(
            "/bin/agent exec resume S --json --skip-git-repo-check -m M --dangerously-bypass-approvals-and-sandbox {provider}"
        )
    );
}

#[test]
fn gemini_has_its_settings_where_the_repository_cannot_reach() {
    assert_eq!(
        line("gemini", &values()),
        "/bin/agent --output-format stream-json -m M --approval-mode yolo --session-id S"
    );
    let command = render(&definition("gemini"), &Values { max_turns: Some(7), ..values() }).expect("all values");
    let [(_, path, content)] = &command.files[..] else { panic!("one file: {command:?}") };
    assert_eq!(path.to_str(), Some("/secure/gemini-system.json"));
    let settings: serde_json::Value = serde_json::from_str(content).expect("JSON");
    assert_eq!(settings["model"]["maxSessionTurns"], 7);
    let command = render(&definition("gemini"), &values()).expect("all values");
    assert!(command.files.iter().all(|(_, _, content)| content.contains("\"maxSessionTurns\":-1")));
}

#[test]
fn aider_and_grok_take_a_file() {
    let aider = line("aider", &Values { resume: true, files: vec!["a.rs".into(), "--yes".into()], ..values() });
    assert!(aider.starts_with(
        "/bin/agent --model M --yes-always --openai-api-base http://127.0.0.1:1/v1 --chat-history-file \
         /state/aider.chat.md --restore-chat-history --message-file /p.md --config /run/aider.conf.yml"
    ));
    assert!(aider.ends_with("--input-history-file /run/aider.input a.rs ./--yes"), "{aider}");
    assert_eq!(
        line("grok", &Values { max_turns: Some(3), effort: Some("high".into()), ..values() }),
        "/bin/agent --prompt-file /p.md --cwd /ws --output-format streaming-json --no-auto-update -m M --max-turns 3 \
         --effort high --always-approve --session-id S"
    );
}

#[test]
fn a_value_is_a_word_and_never_a_template() {
    let model = "{home} $(reboot); \"'`";
    let command = render(&definition("claude"), &Values { model: Some(model.into()), ..values() }).expect("all values");
    assert!(command.argv.iter().any(|word| word == model), "{command:?}");
    let files = vec!["{home}".to_owned(), "{*trust}".to_owned()];
    let command = render(&definition("aider"), &Values { files: files.clone(), ..values() }).expect("all values");
    assert!(command.argv.ends_with(&files), "{command:?}");
}

#[test]
fn a_value_that_is_needed_and_not_there_is_told() {
    let missing = render(&definition("claude"), &Values { session_id: None, ..values() }).expect_err("it is needed");
    assert_eq!((missing.placeholder.as_str(), missing.place.as_str()), ("session_id", "session"));
    assert!(missing.to_string().contains("make the words optional"), "{missing}");
}

#[test]
fn only_names_in_braces_are_placeholders() {
    assert_eq!(placeholders(r#"{"a":{max_turns|-1}} {} {home} {A} {1} {"#), ["max_turns", "home"]);
}
