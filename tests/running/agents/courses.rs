//! What follows when an agent failed: another attempt, a pause, or a person.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::super::listener::Listener;
use super::{KEY, Office, document};

const HERE: &str = "isolation: none";
const NEVER: &str = "verification: {unit: {command: 'echo error: always; false'}}";

pub(super) fn gates(office: &Office) -> String {
    office.outpost(&["gates"]).with(0).stdout
}

#[test]
fn a_busy_provider_is_a_pause_that_survives_its_runner() {
    let tasks = [("a", "", "on_failure: {max_retries: 0}")];
    let office = Office::of(
        &document(HERE, &tasks),
        &[("a", &["say begun; trouble '429: try again in 3 seconds'", "say more; finish"])],
    );
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("a pause", || !office.project.told("retry_scheduled").is_empty());
    running.signal(Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume"], "no attempt was used, and the session goes on");
    let pause = office.project.events().into_iter().find(|event| event.name() == "stage_ended").expect("an end").0;
    assert_eq!(pause["failure"]["course"]["go_on"], "later", "{pause}");
}

#[test]
fn the_same_failure_three_times_asks_a_person_who_may_let_it_go_on() {
    let office =
        Office::of(&document(HERE, &[("a", "", NEVER), ("b", "a", "")]), &[("a", &["finish"]), ("b", &["finish"])]);
    office.run().with(3);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume", "a 3 --session"], "twice: another session");
    assert!(office.kept("a", 3, "prompt.md").contains("This was tried before"));
    let shown = gates(&office);
    assert!(shown.contains("3 times in a row") && shown.contains("verify:unit"), "{shown}");
    office.project.write("blueprint-note", "");
    office.outpost(&["approve", "a", "--comment", "the check wants a file"]).with(0);
    office.script("a", 4, "told 'the check wants a file'; finish");
    office.outpost(&["resume"]).with(3);
    assert_eq!(office.starts().len(), 6, "its attempts were given again: {:?}", office.starts());
    office.outpost(&["reject", "a"]).with(0);
    office.outpost(&["resume"]).with(4);
    assert_eq!(office.starts().len(), 6);
    assert!(office.project.told("task_blocked").contains(&"a".to_owned()));
}

#[test]
fn what_a_person_has_to_do_is_asked_and_the_session_goes_on_after_it() {
    let office = Office::of(
        &document(HERE, &[("a", "", "")]),
        &[(
            "a",
            &[
                "echo '{\"status\":\"needs_human\",\"summary\":\"no\",\"human_action\":\"open an account at the bank\"}' | answer; finish",
                "told 'it is open'; finish",
            ],
        )],
    );
    office.run().with(3);
    let shown = gates(&office);
    assert!(shown.contains("open an account at the bank"), "{shown}");
    office.outpost(&["approve", "a", "--comment", "it is open"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume"]);
}

#[test]
fn what_costs_more_than_it_may_asks_before_it_goes_on() {
    let terms = "isolation: none, budget: {usd: 0.5, tokens: 1000}";
    let task = "verification: {unit: {command: test -e right}}";
    let office = Office::of(&document(terms, &[("a", "", task)]), &[("a", &["finish 0.6", "touch right; finish 0.1"])]);
    office.run().with(3);
    let shown = gates(&office);
    assert!(shown.contains("$0.60 of $0.50 are spent"), "{shown}");
    office.outpost(&["approve", "a"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts().len(), 2);
    let office = Office::of(&document(terms, &[("a", "", task)]), &[("a", &["finish 0.01 1200"])]);
    office.run().with(3);
    assert!(gates(&office).contains("1200 of 1000 tokens are spent"));
}

/// How the model is called, in the words of its protocol.
pub(super) const ASK: &str = r#"
port=${FAKE_BASE_URL##*:} port=${port%%/*}
ask() {
  bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %s\r\ncontent-length: %s\r\n\r\n%s" "$2" "${#3}" "$3" >&3
    head -n 1 <&3' - "$port" "$FAKE_KEY" '{"model":"m","messages":[]}'
}
"#;
pub(super) const TWICE: &str = "note \"$(ask)\"\nnote \"$(ask)\"\n";

#[test]
fn the_gateway_has_the_key_and_stops_at_what_is_left_of_the_budget() {
    let model = Listener::new(&[]);
    let terms = "isolation: none, budget: {tokens: 100}";
    let two_calls = format!("{ASK}{TWICE}trouble 'the model does not answer'");
    let office = Office::of(&document(terms, &[("a", "", "")]), &[("a", &[&two_calls])]);
    reaches(&office, &model);
    let ended = office.run();
    let seen = model.seen();
    let keys: Vec<Option<&str>> = seen.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(
        keys,
        [Some(format!("Bearer {KEY}").as_str())],
        "the second call went nowhere: {:?}",
        office.project.ledger()
    );
    let heard = office.project.ledger();
    assert!(heard[1].contains(" 200 "), "{heard:?}");
    // It may be ended before it can say what it heard.
    assert!(heard.get(2).is_none_or(|second| !second.contains(" 200 ")), "{heard:?}");
    ended.with(3);
    let shown = gates(&office);
    assert!(shown.contains("what is left of its budget is spent: 100 tokens"), "{shown}");
}

#[test]
fn what_a_call_used_that_nobody_told_is_gone_from_the_budget_of_the_next_attempt() {
    let model = Listener::new(&[]);
    let terms = "isolation: none, budget: {tokens: 30000}";
    let task = "verification: {unit: {command: test -e right}}";
    let one_call = format!("{ASK}note \"$(ask)\"\nfinish 0 0");
    let office = Office::of(&document(terms, &[("a", "", task)]), &[("a", &[&one_call])]);
    reaches(&office, &model);
    office.run().with(3);
    let shown = gates(&office);
    // It set itself no limit, so it counts with the 32,768 tokens that are held for such a call.
    assert!(shown.contains("of 30000 tokens are spent"), "{shown}");
    assert_eq!(office.starts().len(), 1);
}

#[test]
fn what_an_attempt_used_that_was_killed_is_gone_from_the_budget_of_the_next_one() {
    let model = Listener::new(&[]);
    let terms = "isolation: none, budget: {tokens: 30000}";
    let task = "verification: {unit: {command: test -e right}}";
    let one_call = format!("{ASK}note \"$(ask)\"\nsleep 600");
    let office = Office::of(&document(terms, &[("a", "", task)]), &[("a", &[&one_call, "finish"])]);
    reaches(&office, &model);
    let running = office.start(&["run", "blueprint.md"]);
    office.project.until("the count", || {
        let spent = office.project.run_folder().map(|run| run.join("tasks/a@1.agent/spent.json"));
        spent.and_then(|spent| fs::read_to_string(spent).ok()).is_some_and(|spent| !spent.contains("\"tokens\":0"))
    });
    let processes = office.project.processes();
    let hand = processes.iter().find(|process| process.contains(" __agent ")).expect("what does the work");
    let id = hand.split(' ').next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw).expect("its number");
    kill_process(id, Signal::KILL).expect("it is ours");
    running.end().with(3);
    let shown = gates(&office);
    assert!(shown.contains("of 30000 tokens are spent"), "{shown}");
    assert_eq!(office.starts().len(), 1);
}

#[test]
fn a_budget_that_a_killed_runner_left_spent_is_asked_for() {
    let model = Listener::new(&[]);
    let terms = "isolation: none, budget: {tokens: 30000}";
    let one_call = format!("{ASK}note \"$(ask)\"\nsleep 600");
    let office = Office::of(&document(terms, &[("a", "", "idempotent: true")]), &[("a", &[&one_call, "finish"])]);
    reaches(&office, &model);
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the count", || {
        let spent = office.project.run_folder().map(|run| run.join("tasks/a@1.agent/spent.json"));
        spent.and_then(|spent| fs::read_to_string(spent).ok()).is_some_and(|spent| spent.contains("\"tokens\":327"))
    });
    running.signal(Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(3);
    let shown = gates(&office);
    assert!(shown.contains("of 30000 tokens are spent"), "{shown}");
    office.outpost(&["approve", "a"]).with(0);
    office.outpost(&["resume"]).with(0);
    assert_eq!(office.starts().len(), 2, "{:?}", office.starts());
}

/// Has the definition name this model for the provider.
pub(super) fn reaches(office: &Office, model: &Listener) {
    let definition = office.at("config/outpost-bp/agents/fake.toml");
    let text = fs::read_to_string(&definition).expect("a definition");
    fs::write(&definition, text.replace("https://127.0.0.1", &model.address)).expect("ours");
}

#[test]
fn a_price_of_the_users_own_lets_dollars_be_counted() {
    let model = Listener::new(&[]);
    let script = format!("{ASK}{TWICE}finish");
    let office =
        Office::of(&document("isolation: none, budget: {usd: 100}", &[("a", "", "")]), &[("a", &[script.as_str()])]);
    reaches(&office, &model);
    office.run();
    assert!(model.seen().is_empty(), "nobody knows what `m` costs: {:?}", office.project.ledger());
    let prices = "version = 1\ndated = \"2026-01-01\"\n[[model]]\nname = \"m\"\ninput = 1\noutput = 2\n";
    fs::write(office.at("config/outpost-bp/models.toml"), prices).expect("ours");
    office.outpost(&["run", "--new-run", "blueprint.md"]);
    assert_eq!(model.seen().len(), 2, "{:?}", office.project.ledger());
}

#[test]
fn a_refused_key_is_for_good() {
    let office = Office::of(&document(HERE, &[("a", "", "")]), &[("a", &["trouble '401: no such key'"])]);
    office.run().with(1).says(&["401: no such key"]);
    assert_eq!(office.starts().len(), 1);
}
