//! The program where there is no service to try.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::{Command, Output};

fn trial(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-trial"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OUTPOST_TRIAL_") {
            command.env_remove(name);
        }
    }
    command.args(words).env("NO_PROXY", "127.0.0.1").output().expect("the program")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn who_does_not_say_where_is_told_how() {
    let output = trial(&["end-to-end"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("--url or OUTPOST_TRIAL_URL"), "{}", told(&output));
    for wrong in [
        &["end-to-end", "--url", "nowhere"][..],
        &["end-to-end", "--url", "ftp://127.0.0.1"],
        &["end-to-end", "--url", "http://127.0.0.1", "--deadline", "soon"],
        &["everything", "--url", "http://127.0.0.1"],
    ] {
        assert_eq!(trial(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_address_where_nobody_is_fails_in_words_of_its_own() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for verb in ["end-to-end", "isolation", "quota"] {
        let output = trial(&["--url", &url, verb]);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).contains(&format!("error: the service at {url} cannot be reached")), "{}", told(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!((&report["name"], &report["passed"]), (&verb.into(), &false.into()));
        let checks = report["checks"].as_array().expect("checks");
        assert_eq!(checks.len(), 1, "{report}");
        assert_eq!(checks[0]["what"], "the service answers");
        assert_eq!(checks[0]["passed"], false);
    }
}
