//! What all agents of a run may use together: one question for all of them, and an answer for all.

use serde_json::{Value, json};

use super::super::listener::{Listener, Reply};
use super::courses::{ASK, TWICE, gates, reaches};
use super::{Office, document};

/// The agents' terms, and behind them what they may use together.
const HALF_A_DOLLAR: &str = "isolation: none}, run_budget: {usd: 0.5";

fn status(office: &Office) -> Value {
    serde_json::from_str(&office.outpost(&["status", "--json"]).with(0).stdout).expect("JSON")
}

fn open(office: &Office) -> Vec<String> {
    let status = status(office);
    let gates = status["gates"].as_array().expect("a list");
    gates.iter().map(|gate| format!("{} {}", gate["task"], gate["when"]).replace('"', "")).collect()
}

#[test]
fn agents_that_used_what_they_may_together_are_asked_for_once() {
    let tasks =
        [("a", "", ""), ("b", "a", ""), ("c", "a", ""), ("d", "a", ""), ("e", "", "executor: shell\nrun: touch e")];
    let office = Office::of(
        &document(HALF_A_DOLLAR, &tasks),
        &[("a", &["finish 0.6 100"]), ("b", &["finish 0.6"]), ("c", &["finish 0.1"]), ("d", &["finish 0.1"])],
    );
    office.run().with(3).says(&["$0.60 of $0.50"]);
    assert_eq!(open(&office), ["b budget"], "one question, and `e` needs no money");
    assert!(office.project.path("e").exists());
    let shown = gates(&office);
    assert!(shown.contains("the agents of this run have used $0.60 of $0.50"), "{shown}");
    let told = status(&office);
    assert_eq!(told["agents"]["budget"], json!({"micro_usd": 500_000}), "{told}");
    assert_eq!(told["agents"]["used"], json!({"micro_usd": 600_000, "tokens": 100}));
    assert_eq!(told["tasks"][2]["waiting_for"], json!(["runner"]), "nobody drives it");
    let why = office.outpost(&["why", "c"]).with(0).says(&["outpost-bp approve b"]);
    assert!(why.stdout.contains("who is asked at b"), "{}", why.stdout);
    let screen = office.outpost(&["status"]).with(0).stdout;
    assert!(screen.contains("agents used $0.60 of $0.50"), "{screen}");
    office.outpost(&["approve", "b"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts().len(), 4, "those that waited went on with it: {:?}", office.starts());
    let used: Vec<Value> = office
        .project
        .events()
        .into_iter()
        .filter(|event| event.name() == "usage_counted")
        .map(|event| event.0["usage"]["micro_usd"].clone())
        .collect();
    assert_eq!(used.len(), 4, "{used:?}");
}

#[test]
fn a_no_holds_for_all_agents_of_the_run() {
    let tasks = [("a", "", ""), ("b", "a", ""), ("c", "a", "")];
    let office =
        Office::of(&document(HALF_A_DOLLAR, &tasks), &[("a", &["finish 0.5"]), ("b", &["finish"]), ("c", &["finish"])]);
    office.run().with(3);
    office.outpost(&["reject", "b", "--comment", "too dear"]).with(0);
    office.outpost(&["resume"]).with(4).says(&["too dear"]);
    assert_eq!(office.project.told("task_blocked"), ["b", "c"]);
    assert_eq!(office.starts().len(), 1);
}

#[test]
fn what_was_used_survives_the_runner_and_an_approval_gives_as_much_again() {
    let tasks = [("a", "", ""), ("b", "a", "idempotent: true"), ("c", "b", ""), ("d", "c", "")];
    let office = Office::of(
        &document(HALF_A_DOLLAR, &tasks),
        &[
            ("a", &["finish 0.3"]),
            ("b", &["note begun; sleep 600", "finish 0.3"]),
            ("c", &["finish 0.4"]),
            ("d", &["finish 0.3"]),
        ],
    );
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the agent", || office.project.ledger().iter().any(|line| line.ends_with("begun")));
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(3);
    assert_eq!(open(&office), ["c budget"]);
    assert!(gates(&office).contains("$0.60 of $0.50"), "{}", gates(&office));
    office.outpost(&["approve", "c"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.project.told("gate_opened"), ["c"], "0.4 of the second half dollar let `d` begin");
    assert!(status(&office)["agents"]["used"]["micro_usd"] == 700_000, "{}", status(&office));
}

#[test]
fn the_gateway_stops_at_what_is_left_for_all_and_the_session_goes_on() {
    let model = Listener::new(&[]);
    let terms = "isolation: none}, run_budget: {tokens: 100";
    let two_calls = format!("{ASK}{TWICE}trouble 'the model does not answer'");
    let office =
        Office::of(&document(terms, &[("a", "", "on_failure: {max_retries: 0}")]), &[("a", &[&two_calls, "finish"])]);
    reaches(&office, &model);
    office.run().with(3);
    assert_eq!(open(&office), ["a budget"]);
    assert!(gates(&office).contains("of 100 tokens"), "{}", gates(&office));
    office.outpost(&["approve", "a"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume"], "no attempt was lost by it");
}

#[test]
fn what_a_call_in_flight_may_come_to_is_not_used() {
    let model = Listener::new(&[Reply::Silence]);
    let terms = "isolation: none}, run_budget: {tokens: 1000";
    let held =
        "executor: shell\nrun: 'until grep -qs :327 .outpost/runs/*/tasks/a@1.agent/spent.json; do sleep 0.05; done'";
    let calls = format!(
        "{ASK}ask > /dev/null 2>&1 &\nfor i in $(seq 600); do test -e \"$FAKE_AGENT_SCRIPT/b\" && break; sleep 0.05; done; finish"
    );
    let office = Office::of(
        &document(terms, &[("a", "", ""), ("held", "", held), ("b", "held", "")]),
        &[("a", &[&calls]), ("b", &["touch \"$FAKE_AGENT_SCRIPT/b\"; finish"])],
    );
    reaches(&office, &model);
    office.run().with(0);
    assert_eq!(office.project.told("gate_opened").len(), 0, "nobody was asked");
}
