//! Every transcript that real agents left, and the table of classes.

use super::{Class, Evidence, Exit, classify};
use crate::definition::{Definition, Definitions};
use crate::stream::{Line, Reader};

fn definition(name: &str) -> Definition {
    Definitions::load(None).expect("the built-in ones").get(name).expect("one of them").clone()
}

/// What the agent printed, on both streams and to its file of events.
struct Left<'a> {
    stdout: &'a str,
    stderr: &'a str,
    events: &'a str,
}

fn judged(name: &str, exit: Exit, left: &Left<'_>) -> super::Verdict {
    let definition = definition(name);
    let mut reader = Reader::new(&definition);
    let has_file = definition.output.events_file.is_some();
    let line = |text: &str| Line { text: text.into(), cut: 0 };
    for text in if has_file { left.events } else { left.stdout }.lines() {
        reader.line(&line(text));
    }
    for text in left.stdout.lines() {
        reader.printed(&line(text));
    }
    let evidence = Evidence { exit, told: reader.told(), stdout: left.stdout, stderr: left.stderr, now: 1_795_228_000 };
    classify(&definition, &evidence)
}

macro_rules! transcript {
    ($name:literal) => {
        include_str!(concat!("../../tests/transcripts/", $name))
    };
}

#[test]
fn every_transcript_has_its_class() {
    let sent = r#"{"event":"message_send","properties":{"prompt_tokens":1000,"completion_tokens":50,"cost":0.0028}}"#;
    let (c, x, g, a, k) = ("claude", "codex", "gemini", "aider", "grok");
    for (name, exit, stdout, stderr, events, wanted) in [
        (c, 0, transcript!("claude.success.stdout"), "", "", Class::Done),
        (c, 1, transcript!("claude.max_turns.stdout"), "", "", Class::MaxTurns),
        (c, 1, transcript!("claude.error401.stdout"), transcript!("claude.error401.stderr"), "", Class::Auth),
        (x, 0, transcript!("codex.success.stdout"), "", "", Class::Done),
        (x, 1, transcript!("codex.error401.stdout"), transcript!("codex.error401.stderr"), "", Class::Auth),
        (x, 1, transcript!("codex.error429.stdout"), transcript!("codex.error429.stderr"), "", Class::RateLimit),
        (g, 0, transcript!("gemini.success.stdout"), "", "", Class::Done),
        (g, 53, transcript!("gemini.max_turns.stdout"), "", "", Class::MaxTurns),
        (g, 144, transcript!("gemini.error400.stdout"), transcript!("gemini.error400.stderr"), "", Class::Config),
        (g, 145, transcript!("gemini.error401.stdout"), transcript!("gemini.error401.stderr"), "", Class::Auth),
        (a, 0, transcript!("aider.success.stdout"), "", sent, Class::Done),
        // A number is no status, and the project's own words are none of the provider's.
        (a, 1, "Tokens: 1,401 sent, 20 received.\nclass RateLimitError(Exception):", "", "", Class::NoResult),
        (a, 0, transcript!("aider.error401.stdout"), transcript!("aider.error401.stderr"), "", Class::Auth),
        (k, 0, transcript!("grok.success.stdout"), "", "", Class::Done),
        (k, 1, transcript!("grok.max_turns.stdout"), "", "", Class::MaxTurns),
        (k, 1, transcript!("grok.error401.stdout"), transcript!("grok.error401.stderr"), "", Class::Auth),
    ] {
        let verdict = judged(name, Exit::Code(exit), &Left { stdout, stderr, events });
        assert_eq!(verdict.class, wanted, "{name}: {}", verdict.message);
        assert!(!verdict.message.is_empty(), "{name}");
    }
}

/// Nothing is done that ended in another way than it says, or said nothing.
#[test]
fn no_half_of_an_end_is_an_end() {
    let (c, x, g, a, k) = ("claude", "codex", "gemini", "aider", "grok");
    for (name, exit, stdout, wanted) in [
        (c, Exit::Code(1), transcript!("claude.success.stdout"), Class::AgentError),
        (c, Exit::Signal(15), transcript!("claude.success.stdout"), Class::Killed),
        (c, Exit::Code(0), "", Class::NoResult),
        (c, Exit::Code(0), transcript!("claude.error401.stdout"), Class::Auth),
        (c, Exit::AfterResult, transcript!("claude.success.stdout"), Class::Done),
        (x, Exit::Code(0), transcript!("codex.error429.stdout"), Class::RateLimit),
        (x, Exit::Code(143), "", Class::Killed),
        (g, Exit::Code(0), "", Class::NoResult),
        (g, Exit::Code(41), "", Class::Auth),
        (g, Exit::Code(42), "", Class::SessionLost),
        (g, Exit::Code(173), "", Class::RateLimit),
        (g, Exit::Code(244), "", Class::Transient),
        (a, Exit::Code(0), "", Class::NoResult),
        (a, Exit::Code(0), "litellm.RateLimitError: slow down", Class::RateLimit),
        (a, Exit::Code(0), "litellm.APIConnectionError: nobody there", Class::Transient),
        (a, Exit::Code(0), "Only 3 reflections allowed, stopping.", Class::GaveUp),
        (k, Exit::Code(0), r#"{"type":"end","stopReason":"cancelled"}"#, Class::RefusedTool),
        (k, Exit::Code(1), r#"{"type":"end","stopReason":"max_tokens"}"#, Class::Truncated),
        (k, Exit::Code(130), "", Class::Killed),
    ] {
        let verdict = judged(name, exit, &Left { stdout, stderr: "", events: "" });
        assert_eq!(verdict.class, wanted, "{name} {exit:?}: {}", verdict.message);
    }
}

#[test]
fn words_on_stderr_tell_what_became_of_a_session() {
    for (name, stderr, wanted) in [
        ("claude", "No conversation found with session ID: 1", Class::SessionLost),
        ("claude", "Error: Session ID 1 is already in use.", Class::SessionConflict),
        ("claude", "--dangerously-skip-permissions cannot be used with root", Class::Config),
        ("codex", "Error: no rollout found for thread id 1", Class::SessionLost),
        ("grok", "session 1 not found locally", Class::SessionLost),
        ("grok", "something else", Class::NoResult),
    ] {
        let verdict = judged(name, Exit::Code(1), &Left { stdout: "", stderr, events: "" });
        assert_eq!(verdict.class, wanted, "{name}: {stderr}");
        assert!(verdict.message.contains(stderr), "{}", verdict.message);
    }
}

#[test]
fn the_time_to_wait_is_read() {
    let failed = |message: &str| serde_json::json!({"type": "turn.failed", "error": {"message": message}}).to_string();
    for (message, wanted) in [
        ("429 Too Many Requests, retry-after: 30", Some(30)),
        ("429: {\"retry_after\": 12.5}", Some(13)),
        ("429: Please try again in 5 minutes", Some(300)),
        ("429: try again in 1.5s", Some(2)),
        ("429: try again in 20ms", Some(1)),
        ("429: usage limit reached|1795231600", Some(3600)),
        ("429: later", None),
        ("401: try again in 5 minutes", None),
    ] {
        let stdout = failed(message);
        let verdict = judged("codex", Exit::Code(1), &Left { stdout: &stdout, stderr: "", events: "" });
        assert_eq!(verdict.retry_after, wanted, "{message}");
    }
}

#[test]
fn classes_are_written_as_they_are_named() {
    for class in Class::ALL {
        let written = serde_json::to_string(&class).expect("plain data");
        assert_eq!(written, format!("\"{class}\""));
    }
}
