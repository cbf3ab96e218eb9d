//! Agents that hear of their task and report its ports through a server of their own.

use serde_json::{Value, json};

use super::Session;
use crate::agents::{Office, document};

// A sandbox that can hide the store does, unless the document opens it.
const HERE: &str = "isolation: none, sandbox: {read: [.outpost/runs], write: [ledger, ~/scripts]}";
const PORTS: &str = "acceptance_criteria: [It greets]\nfiles_to_create: [greet.sh]\n\
                     output: {location: memory, ports: {word: {type: string}, times: {type: integer}}}";

/// Words of a script: asks a server, and keeps its answers beside the scripts.
fn asks(name: &str, calls: &[(&str, Value)]) -> String {
    let mut lines = vec![
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    ];
    for (number, (tool, arguments)) in (2..).zip(calls) {
        let params = json!({"name": tool, "arguments": arguments});
        lines.push(json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}));
    }
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let tool = env!("CARGO_BIN_EXE_outpost-bp");
    format!(
        "(cd / && '{tool}' mcp) > \"$FAKE_AGENT_SCRIPT/{name}.answers\" <<'END' || trouble 'no server'\n{lines}END\n"
    )
}

/// The results of the calls that a script made.
fn answers(office: &Office, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(office.at("scripts").join(format!("{name}.answers"))).expect("answers");
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    all.map(|mut answer| answer["result"].take()).collect()
}

fn ports(office: &Office, file: &str) -> Value {
    let path = office.project.run_folder().expect("a run").join("tasks").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).expect("ports")).expect("JSON")
}

#[test]
fn ports_that_are_reported_reach_the_next_task() {
    let wrong = json!({"status": "done", "summary": "s", "outputs": {"word": "salute", "times": "two"}});
    let unknown = json!({"status": "done", "summary": "s", "outputs": {"word": "salute", "times": 2, "more": 1}});
    let early = json!({"status": "done", "summary": "s", "outputs": {"word": "other", "times": 1}});
    let right = json!({"status": "done", "summary": "wrote it", "outputs": {"word": "salute", "times": 2}});
    let other = json!({"status": "done", "summary": "s", "task": "use"});
    let script = format!(
        "{}echo hello > greet.sh; finish",
        asks(
            "greet",
            &[
                ("task", json!({})),
                ("report", wrong),
                ("report", unknown),
                ("report", other),
                ("report", early),
                ("report", right),
                ("run_status", json!({})),
                ("logs", json!({})),
                ("logs", json!({"run": "20200101"})),
            ]
        )
    );
    let next = "input_bindings: {it: {source: greet, output_port: word}}";
    let office = Office::of(
        &document(HERE, &[("greet", "", PORTS), ("use", "greet", next)]),
        &[("greet", &[&script]), ("use", &[&format!("told salute; {}finish", asks("use", &[("task", json!({}))]))])],
    );
    office.run().with(0);
    assert_eq!(ports(&office, "greet@1.ports.json"), json!({"word": "salute", "times": 2}));
    assert_eq!(office.outcome("greet", 1)["answer"]["summary"], "wrote it");

    let heard = answers(&office, "greet");
    let names: Vec<&str> =
        heard[1]["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["run_status", "logs", "gates", "task", "report"]);
    let schema = &heard[1]["tools"][4]["inputSchema"]["properties"]["outputs"]["properties"];
    assert_eq!((&schema["word"]["type"], &schema["times"]["type"]), (&"string".into(), &"integer".into()));
    let task = &heard[2]["structuredContent"];
    assert_eq!((&task["task"], &task["attempt"]), (&"greet".into(), &1.into()));
    assert_eq!((&task["acceptance"], &task["files_to_create"]), (&json!(["It greets"]), &json!(["greet.sh"])));
    assert_eq!(task["verification"][0]["name"], "smoke");
    assert_eq!(task["last_failure"], Value::Null);
    for (answer, why) in [
        (3, "output `times` in `.outpost/result.json` is not an integer"),
        (4, "the task has no output `more`; it has word, times"),
        (5, "unknown field `task`"),
        (10, "an attempt sees its own run"),
    ] {
        let text = heard[answer]["content"][0]["text"].as_str().expect("text");
        assert!(heard[answer]["isError"] == true && text.contains(why), "{text}");
    }
    assert_eq!(heard[7]["structuredContent"]["status"], "done");
    assert_eq!(heard[8]["structuredContent"]["counts"], json!({"in_progress": 1, "not_started": 1}));
    assert_eq!(heard[9]["structuredContent"]["task"], "greet", "the log of its own task");
    let inputs = &answers(&office, "use")[2]["structuredContent"]["inputs"];
    assert_eq!(*inputs, json!([{"name": "it", "from": "greet.word", "value": "salute"}]));
}

#[test]
fn in_a_tree_of_its_own_the_second_attempt_hears_what_failed() {
    let check =
        "verification: {unit: {command: 'test \"$(cat greet.sh)\" = hello || { echo expected hello; exit 3; }'}}";
    let report = |times: u32| json!({"status": "done", "summary": "s", "outputs": {"word": "w", "times": times}});
    let first = format!("{}echo hullo > greet.sh; finish", asks("first", &[("report", report(1))]));
    let second =
        format!("{}echo hello > greet.sh; finish", asks("second", &[("task", json!({})), ("report", report(2))]));
    let office =
        Office::of(&document("", &[("greet", "", &format!("{PORTS}\n{check}"))]), &[("greet", &[&first, &second])])
            .committed();
    office.run().with(0);
    assert_eq!(ports(&office, "greet@2.ports.json")["times"], 2);
    let task = &answers(&office, "second")[2]["structuredContent"];
    let failed = &task["last_failure"];
    assert_eq!(task["attempt"], 2);
    assert!(failed["what"].as_str().is_some_and(|what| what.contains("exited with 3")), "{failed}");
    assert!(failed["output"].as_str().is_some_and(|output| output.contains("expected hello")), "{failed}");
    let branch = office.git(&["branch", "--list", "outpost/*", "--format=%(refname:short)"]);
    let files = office.git(&["ls-tree", "-r", "--name-only", branch.trim()]);
    assert!(!files.contains(".outpost"), "the answer is not part of the work: {files}");
}

#[test]
fn a_report_is_a_claim_and_a_gate_is_not_for_it() {
    let gate = "human_required: {action: look, reason: so, when: after}";
    let script = format!(
        "{}finish",
        asks(
            "a",
            &[
                ("approve", json!({"task": "a"})),
                ("report", json!({"status": "needs_human", "summary": "s", "human_action": "log in"})),
            ]
        )
    );
    let office = Office::of(&document(HERE, &[("a", "", gate)]), &[("a", &[&script])]);
    office.run().with(3).says(&["log in"]);
    let heard = std::fs::read_to_string(office.at("scripts").join("a.answers")).expect("answers");
    assert!(heard.lines().nth(2).is_some_and(|line| line.contains("there is no tool `approve`")), "{heard}");
    assert_eq!(office.project.told("gate_decided"), [""; 0]);
}

#[test]
fn an_attempt_that_is_over_takes_no_report() {
    let office = Office::of(&document(HERE, &[("a", "", PORTS)]), &[("a", &["finish"])]);
    office.run();
    let order = office.project.run_folder().expect("a run").join("tasks/a@1.agent/order.json");
    let answer = json!({"status": "done", "summary": "s", "outputs": {"word": "w", "times": 1}});
    let begun = |order: &std::path::Path| {
        let mut command = office.project.command(&["mcp"]);
        command.env("OUTPOST_ORDER", order);
        Session::start(command)
    };
    let mut session = begun(&order);
    let told = session.refused("report", answer.clone());
    assert!(told.contains("attempt 1 of `a` is over"), "{told}");
    session.end();
    assert!(!office.project.path(".outpost/result.json").exists());

    // Where its order cannot be read, it is nobody's: it does not fall back to what it would be outside.
    let mut session = begun(&office.project.path("no/order.json"));
    for tool in ["run_status", "gates", "task"] {
        let told = session.refused(tool, json!({}));
        assert!(
            told.contains("no/order.json` is not there") || told.contains("no/order.json`, is not there"),
            "{told}"
        );
    }
    assert!(session.refused("report", answer).contains("order.json"));
    session.end();
}

#[test]
fn what_was_hidden_in_a_log_stays_hidden() {
    let secret = "canary-77c1d0e5b2a4";
    let tasks = [("leak", "", "execution_context: {environment_variables: {TOKEN: \"${secrets.MY_TOKEN}\"}}")];
    let script = "say \"it is $TOKEN\"; finish";
    let office = Office::of(&document(HERE, &tasks), &[("leak", &[script])]);
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env("MY_TOKEN", secret);
    office.project.start(command).end().with(0);
    let mut session = Session::begun(&office.project, "2025-11-25");
    let log = session.found("logs", json!({ "task": "leak" })).to_string();
    assert!(log.contains("it is ***") && !log.contains(secret), "{log}");
    session.end();
}
