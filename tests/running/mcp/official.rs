//! The official client of the protocol as a judge that shares no code with the server.

use std::io::{Write as _, stderr};
use std::path::Path;

use serde_json::{Value, json};

use crate::agents::{Office, document};

/// The ways to begin, and the revisions that are spoken then.
const WAYS: [(&str, &str); 3] = [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")];

#[test]
fn the_official_client_is_served() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mcp");
    if !packages.join("mcp").is_dir() {
        // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
        let line = format!("SKIPPED: no MCP client in `{}`; .ci/mcp brings it\n", packages.display());
        let _ = stderr().write_all(line.as_bytes());
        return;
    }
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/running/mcp/official.py");
    let ask = |way: &str| {
        format!(
            "PYTHONPATH='{}' python3 '{}' '{}' {way} >> \"$LEDGER.heard\" || trouble '{way}'\n",
            packages.display(),
            client.display(),
            env!("CARGO_BIN_EXE_outpost-bp")
        )
    };
    let script = format!("{}finish", WAYS.map(|(way, _)| ask(way)).concat());
    let ports = "output: {location: memory, ports: {word: {type: string}, times: {type: integer}}}";
    // Its sandbox does not show an agent this checkout, where the client and the tool lie.
    let terms = format!(
        "isolation: none, sandbox: {{read: ['{}', .outpost/runs], write: [~/scripts]}}",
        env!("CARGO_MANIFEST_DIR")
    );
    let office = Office::of(&document(&terms, &[("a", "", ports)]), &[("a", &[&script])]);
    office.run().with(0);
    let heard = std::fs::read_to_string(office.project.path("ledger.heard")).expect("what it heard");
    let heard: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(heard.len(), WAYS.len());
    for (heard, (way, revision)) in heard.iter().zip(WAYS) {
        assert_eq!(heard["revision"], revision, "{way}");
        assert_eq!(heard["tools"], json!(["run_status", "logs", "gates", "task", "report"]), "{way}");
        assert_eq!((&heard["status"]["state"], &heard["task"]["task"]), (&"running".into(), &"a".into()), "{way}");
        assert_eq!((&heard["logs"]["task"], &heard["gates"]["gates"]), (&"a".into(), &json!([])), "{way}");
        assert!(heard["wrong"]["refused"].as_str().is_some_and(|why| why.contains("is not an integer")), "{heard}");
        assert_eq!(heard["right"]["outputs"], json!(["word", "times"]), "{way}");
        assert!(heard["approve"].as_str().is_some_and(|why| why.contains("no tool `approve`")), "{heard}");
    }
    assert_eq!(office.outcome("a", 1)["answer"]["outputs"], json!({"word": "salute", "times": 2}));
}
