//! Lines, events and counts, some of them of real agents.

use super::{Event, Line, Lines, Reader, Told, Totals, Usage, spent};
use crate::definition::{Definition, Definitions};

fn definition(name: &str) -> Definition {
    Definitions::load(None).expect("the built-in ones").get(name).expect("one of them").clone()
}

fn line(text: &str) -> Line {
    Line { text: text.into(), cut: 0 }
}

fn events(name: &str, transcript: &str) -> Vec<Event> {
    let definition = definition(name);
    let mut reader = Reader::new(&definition);
    let mut all: Vec<Event> = transcript.lines().flat_map(|text| reader.line(&line(text))).collect();
    all.extend(reader.finish());
    all
}

fn all(lines: &mut Lines, pieces: &[&[u8]]) -> Vec<Line> {
    let mut found = Vec::new();
    for piece in pieces {
        lines.push(piece, |line| found.push(line));
    }
    found.extend(lines.finish());
    found
}

#[test]
fn lines_are_the_same_however_the_stream_was_cut() {
    let text = "one\r\ntwo ü\n\nfour";
    let whole = all(&mut Lines::default(), &[text.as_bytes()]);
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(all(&mut Lines::default(), &bytes), whole);
    let texts: Vec<&str> = whole.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["one", "two ü", "", "four"]);
}

#[test]
fn a_line_without_an_end_keeps_its_head_and_a_mark() {
    let found = all(&mut Lines::of_at_most(4), &[b"abc", b"defgh", b"i\nok\n"]);
    assert_eq!(found, [Line { text: "abcd[5 bytes left out]".into(), cut: 5 }, line("ok")]);
}

#[test]
fn claude_is_heard() {
    let heard = events("claude", include_str!("../../tests/transcripts/claude.success.stdout"));
    let [
        Event::Tool { name, detail, id },
        Event::Progress,
        Event::Text { text },
        Event::Usage { usage, cost_usd },
        Event::Result { ok },
    ] = &heard[..]
    else {
        panic!("{heard:#?}");
    };
    assert_eq!(name, "Bash");
    assert!(detail.contains("echo hi > out.txt") && id.is_some());
    assert_eq!(text, "Done.");
    assert_eq!((*usage, *cost_usd, *ok), (Usage { input: 2000, cached: 400, output: 100 }, Some(0.00762), true));
    let retries = events("claude", include_str!("../../tests/transcripts/claude.error401.stdout"));
    let retries: Vec<&Event> = retries.iter().filter(|event| !event.is_progress()).collect();
    assert_eq!(retries, [&Event::Retry { detail: "401".into() }; 3]);
}

#[test]
fn codex_gemini_and_grok_are_heard() {
    for (name, transcript, tool, usage) in [
        ("codex", include_str!("../../tests/transcripts/codex.success.stdout"), "command_execution", (1600, 400, 100)),
        (
            "gemini",
            include_str!("../../tests/transcripts/gemini.success.stdout"),
            "run_shell_command",
            (1600, 400, 100),
        ),
        ("grok", include_str!("../../tests/transcripts/grok.success.stdout"), "run_terminal_command", (1600, 400, 100)),
    ] {
        let heard = events(name, transcript);
        let tools = heard.iter().filter(|event| matches!(event, Event::Tool { name, .. } if name == tool)).count();
        assert_eq!(tools, 1, "{name}: {heard:#?}");
        assert!(heard.contains(&Event::Text { text: "Done.".into() }), "{name}: {heard:#?}");
        let (input, cached, output) = usage;
        let wanted = Event::Usage { usage: Usage { input, cached, output }, cost_usd: None };
        assert!(heard.contains(&wanted), "{name}: {heard:#?}");
        assert_eq!(heard.last(), Some(&Event::Result { ok: true }), "{name}");
    }
}

#[test]
fn sessions_are_captured() {
    for (name, transcript, session) in [
        (
            "claude",
            include_str!("../../tests/transcripts/claude.success.stdout"),
            "92848ae4-1352-4d30-8c19-5bf26c5c59ca",
        ),
        ("codex", include_str!("../../tests/transcripts/codex.success.stdout"), "01a1fbef-87f0-7220-a0df-11a285d63859"),
        (
            "gemini",
            include_str!("../../tests/transcripts/gemini.success.stdout"),
            "d0d1a278-6e5a-44f5-8b11-2ad5ccc266ce",
        ),
        ("grok", include_str!("../../tests/transcripts/grok.success.stdout"), "d97c82d9-0302-48dd-9c39-93ae066cd80b"),
    ] {
        let definition = definition(name);
        let mut reader = Reader::new(&definition);
        for text in transcript.lines() {
            reader.line(&line(text));
        }
        assert_eq!(reader.told().session.as_deref(), Some(session), "{name}");
        assert!(reader.is_over(), "{name}");
    }
}

#[test]
fn aider_tells_a_result_for_each_message_and_is_not_over() {
    let definition = definition("aider");
    let mut reader = Reader::new(&definition);
    let message = r#"{"event":"message_send","properties":{"prompt_tokens":1000,"completion_tokens":50,"cost":0.25}}"#;
    reader.line(&line(message));
    reader.line(&line(message));
    assert!(!reader.is_over());
    let told = reader.told();
    assert_eq!((told.usage, told.cost_usd), (Some(Usage { input: 2000, cached: 0, output: 100 }), Some(0.5)));
}

#[test]
fn words_in_pieces_are_told_by_the_line() {
    let piece = |text: &str| serde_json::json!({"type": "text", "data": text}).to_string();
    let transcript = [piece("Fir"), piece("st.\nSec"), piece("ond.")].join("\n");
    let texts: Vec<Event> =
        events("grok", &transcript).into_iter().filter(|event| matches!(event, Event::Text { .. })).collect();
    assert_eq!(texts, ["First.", "Second."].map(|text| Event::Text { text: text.into() }));
}

#[test]
fn what_could_be_an_option_is_no_session() {
    let definition = definition("codex");
    let mut reader = Reader::new(&definition);
    let long = "a".repeat(300);
    for (id, heard) in
        [("--config=x", None), ("a\0b", None), (&long, None), ("01a1", Some("01a1")), ("-", Some("01a1"))]
    {
        reader.line(&line(&serde_json::json!({"type": "thread.started", "thread_id": id}).to_string()));
        assert_eq!(reader.told().session.as_deref(), heard, "{id}");
    }
}

#[test]
fn names_and_words_that_are_too_long_keep_their_beginning() {
    let (claude, long) = (definition("claude"), "é".repeat(100_000));
    let mut reader = Reader::new(&claude);
    let tool = serde_json::json!({"type": "tool_use", "id": long, "name": long, "input": {}});
    let heard =
        reader.line(&line(&serde_json::json!({"type": "assistant", "message": {"content": [tool]}}).to_string()));
    let [Event::Tool { name, id: Some(id), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert!(name.len() < 5000 && id.len() < 5000, "{} {}", name.len(), id.len());
    reader.line(&line(&serde_json::json!({"type": "result", "is_error": false, "result": long}).to_string()));
    assert!(reader.told().text.starts_with('é') && reader.told().text.len() < 65_537);
    let codex = definition("codex");
    let mut reader = Reader::new(&codex);
    let item = serde_json::json!({"type": "agent_message", "text": long});
    reader.line(&line(&serde_json::json!({"type": "item.completed", "item": item}).to_string()));
    assert!((65_000..65_537).contains(&reader.told().text.len()), "{}", reader.told().text.len());
}

#[test]
fn noise_is_no_event_and_a_line_that_was_cut_is_a_sign_of_life() {
    let definition = definition("claude");
    let mut reader = Reader::new(&definition);
    for text in ["", "npm warn", "[1]", "\"x\"", "{\"type\":", "{\"type\":\"result\"} {}"] {
        assert_eq!(reader.line(&line(text)), [], "{text}");
    }
    assert_eq!(reader.line(&Line { text: "{\"type\":\"us".into(), cut: 9 }), [Event::Progress]);
    assert_eq!(reader.told(), &Told::default());
}

/// What real ones told over three runs of one session: claude's cost and codex's usage pile up.
#[test]
fn what_a_session_piles_up_is_told_apart() {
    let claude = definition("claude");
    let mut earlier: Option<Totals> = None;
    for total in [0.00381, 0.00762, 0.01143] {
        let mut reader = Reader::new(&claude);
        let usage = r#"{"input_tokens":1000,"cache_read_input_tokens":200,"output_tokens":50}"#;
        reader
            .line(&line(&format!(r#"{{"type":"result","is_error":false,"total_cost_usd":{total},"usage":{usage}}}"#)));
        let spent = spent(&claude.output, reader.told(), earlier);
        let cost = spent.cost_usd.expect("it tells");
        assert!((cost - 0.00381).abs() < 1e-9, "{cost}");
        assert_eq!(spent.usage, Some(Usage { input: 1000, cached: 200, output: 50 }));
        earlier = Some(spent.totals);
    }
    let codex = definition("codex");
    let mut earlier: Option<Totals> = None;
    for (total, wanted) in [(2000, 1600), (3000, 800)] {
        let mut reader = Reader::new(&codex);
        let (cached, output) = (total / 5, total / 20);
        reader.line(&line(&format!(
            r#"{{"type":"turn.completed","usage":{{"input_tokens":{total},"cached_input_tokens":{cached},"output_tokens":{output}}}}}"#
        )));
        let spent = spent(&codex.output, reader.told(), earlier);
        assert_eq!((spent.usage.map(|usage| usage.input), spent.cost_usd), (Some(wanted), None));
        earlier = Some(spent.totals);
    }
}

#[test]
fn a_session_that_counts_from_zero_again_has_begun_anew_and_silence_is_not_free() {
    let codex = definition("codex");
    let before = Totals { usage: Some(Usage { input: 5000, cached: 0, output: 10 }), cost_usd: None };
    let mut reader = Reader::new(&codex);
    assert_eq!(spent(&codex.output, reader.told(), Some(before)).usage, None);
    assert_eq!(spent(&codex.output, reader.told(), Some(before)).totals, before);
    reader.line(&line(
        r#"{"type":"turn.completed","usage":{"input_tokens":100,"cached_input_tokens":0,"output_tokens":5}}"#,
    ));
    assert_eq!(
        spent(&codex.output, reader.told(), Some(before)).usage,
        Some(Usage { input: 100, cached: 0, output: 5 })
    );
}
