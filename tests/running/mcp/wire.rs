//! Messages as they go over the pipe: revisions, mistakes, and what is far too long.

use serde_json::{Value, json};

use super::Session;
use crate::project;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

#[test]
fn each_revision_hears_what_it_knows() {
    let project = project("", &[("a", "", "run: echo hello")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    for (revision, is_annotated, is_structured) in [
        ("2024-11-05", false, false),
        ("2025-03-26", true, false),
        ("2025-06-18", true, true),
        ("2025-11-25", true, true),
    ] {
        let mut session = Session::begun(&project, revision);
        assert_eq!(session.ask("ping", json!({}))["result"], json!({}));
        let list = session.ask("tools/list", json!({}));
        for tool in list["result"]["tools"].as_array().expect("a list") {
            assert_eq!(tool.get("annotations").is_some(), is_annotated, "{revision} {tool}");
            assert_eq!(tool.get("outputSchema").is_some(), is_structured, "{revision} {tool}");
            assert_eq!(tool["inputSchema"]["type"], "object");
        }
        let answer = session.call("run_status", json!({}));
        let text = answer["result"]["content"][0]["text"].as_str().expect("text");
        let text: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(text["state"], "done");
        let structured = answer["result"].get("structuredContent");
        assert_eq!(structured, is_structured.then_some(&text), "{revision}");
        assert!(answer["result"].get("resultType").is_none(), "{revision} {answer}");
        session.end();
    }
    // Whatever else is asked for, the latest that begins like this is offered.
    for other in ["2026-07-28", "1.0", "2099-01-01"] {
        let mut session = Session::start(project.command(&["mcp"]));
        let begun = session.ask("initialize", json!({ "protocolVersion": other, "capabilities": {} }));
        assert_eq!(begun["result"]["protocolVersion"], "2025-11-25");
        session.end();
    }
}

#[test]
fn the_revision_without_a_beginning_names_itself_in_each_request() {
    let project = project("", &[("a", "", "run: echo hello")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let mut session = Session::start(project.command(&["mcp"]));
    let request = |id: u32, method: &str, rest: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{META}{rest}}}}}"#)
    };
    let found = session.exchange(&request(1, "server/discover", ""));
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(found["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "outpost-bp");
    let list = session.exchange(&request(2, "tools/list", ""));
    for (answer, is_kept) in [(&found, true), (&list, true)] {
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert_eq!(answer["result"]["ttlMs"].is_u64(), is_kept, "{answer}");
    }
    let called = session.exchange(&request(3, "tools/call", r#","name":"run_status","arguments":{}"#));
    assert_eq!(called["result"]["structuredContent"]["state"], "done");
    assert_eq!((&called["result"]["resultType"], called["result"].get("ttlMs")), (&"complete".into(), None));

    let unknown = session.exchange(&request(4, "tools/list", "").replace("2026-07-28", "1900-01-01"));
    assert_eq!(unknown["error"]["code"], -32022);
    assert_eq!(unknown["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": "1900-01-01" }));
    let short = r#"{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    assert_eq!(session.exchange(short)["error"]["code"], -32602);
    assert_eq!(session.exchange(&request(6, "ping", ""))["error"]["code"], -32601);
    assert_eq!(
        session.exchange(r#"{"jsonrpc":"2.0","id":7,"method":"server/discover"}"#)["error"]["code"],
        -32602,
        "a client that finds this begins with `initialize`"
    );
    session.end();
}

#[test]
fn what_is_no_request_is_told_so_and_nothing_ends() {
    let project = project("", &[("a", "", "run: echo hello")]);
    let mut session = Session::begun(&project, "2025-11-25");
    let deep = "[".repeat(100_000);
    for (line, code, id) in [
        ("{\"jsonrpc\":", -32700, Value::Null),
        ("no JSON", -32700, Value::Null),
        ("\u{0}\u{1}", -32700, Value::Null),
        (deep.as_str(), -32700, Value::Null),
        ("7", -32600, Value::Null),
        ("[]", -32600, Value::Null),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, 1.into()),
        (r#"{"jsonrpc":"2.0","id":2}"#, -32600, 2.into()),
        (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, -32600, 3.into()),
        (r#"{"jsonrpc":"2.0","id":"x","method":"ping","params":[1]}"#, -32602, "x".into()),
        (r#"{"jsonrpc":"2.0","id":4,"method":"initialize","params":{}}"#, -32602, 4.into()),
        (r#"{"jsonrpc":"2.0","id":5,"method":"resources/list"}"#, -32601, 5.into()),
        (r#"{"jsonrpc":"2.0","id":6,"method":"tools/list","params":{"cursor":"x"}}"#, -32602, 6.into()),
        (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"nobody"}}"#, -32602, 7.into()),
        (r#"{"jsonrpc":"2.0","id":8,"method":"tools/call"}"#, -32602, 8.into()),
    ] {
        let answer = session.exchange(line);
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&code.into(), &id), "{line:.80} {answer}");
    }
    // Bytes that are no text.
    let input = session.input.as_mut().expect("it is open");
    std::io::Write::write_all(input, b"{\"jsonrpc\":\"\xff\"}\n").expect("it reads");
    assert_eq!(session.hear()["error"]["code"], -32700);
    // None of these is answered: the next answer is that of the request behind them.
    for silent in [
        "",
        "   \r",
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"late"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/unheard-of"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"run_status"}}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"x"}}"#,
    ] {
        session.send(silent);
    }
    assert_eq!(session.ask("ping", json!({}))["result"], json!({}));
    session.end();
}

#[test]
fn a_message_that_is_far_too_long_is_passed_over() {
    let project = project("", &[("a", "", "run: echo hello")]);
    let mut session = Session::begun(&project, "2025-11-25");
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(64 << 20));
    let answer = session.exchange(&long);
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&(-32600).into(), &Value::Null));
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.child.id())).expect("it lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 48 << 10, "{peak} kB for a message of 64 MiB");
    assert_eq!(session.ask("ping", json!({}))["result"], json!({}));
    session.end();
}

#[test]
fn several_messages_come_as_one_where_the_revision_has_that() {
    let project = project("", &[("a", "", "run: echo hello")]);
    let mut session = Session::begun(&project, "2025-03-26");
    let both = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"b","method":"nothing"}]"#;
    let answers = session.exchange(both);
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&"b".into(), &(-32601).into()));
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    session.send(r#"[{"jsonrpc":"2.0","method":"notifications/x"}]"#);
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#; 33].join(","));
    assert_eq!(session.exchange(&many)["error"]["code"], -32600);
    session.end();
}

#[test]
fn the_last_message_needs_no_end_of_line() {
    let project = project("", &[("a", "", "run: echo hello")]);
    let mut session = Session::start(project.command(&["mcp"]));
    let mut input = session.input.take().expect("it is open");
    std::io::Write::write_all(&mut input, br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).expect("it reads");
    drop(input);
    assert_eq!(session.hear()["result"], json!({}));
    session.end();
}
