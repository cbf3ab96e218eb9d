//! Agents at work in the project's directory: what they hear, what they leave, what nobody may read.

use super::{KEY, Office, document};

const HERE: &str = "isolation: none";

#[test]
fn what_failed_reaches_the_same_session_and_ports_reach_the_next_task() {
    let verification =
        "verification: {unit: {command: 'test \"$(sh greet.sh)\" = hello || { echo expected hello; exit 3; }'}}";
    let greet = format!(
        "files_to_create: [greet.sh]\nacceptance_criteria: [It greets]\n{verification}\n\
         output: {{location: memory, ports: {{word: {{type: string}}, times: {{type: integer}}}}}}"
    );
    let tasks = [
        ("greet", "", greet.as_str()),
        (
            "use",
            "greet",
            "input_bindings: {it: {source: greet, output_port: word}}\nverification: {smoke: {command: 'grep -q salute used'}}",
        ),
    ];
    let office = Office::of(
        &document(HERE, &tasks),
        &[
            (
                "greet",
                &[
                    "told 'It greets'; told 'greet.sh'; echo 'echo hullo' > greet.sh\n\
                     echo '{\"status\":\"done\",\"summary\":\"wrote it\",\"outputs\":{\"word\":\"salute\",\"times\":2}}' | answer; finish",
                    "told 'verify:unit'; told 'exited with 3'; told 'expected hello'; echo 'echo hello' > greet.sh\n\
                     echo '{\"status\":\"done\",\"summary\":\"mended\",\"outputs\":{\"word\":\"salute\",\"times\":3}}' | answer; finish",
                ],
            ),
            ("use", &["told 'greet.word'; told salute; echo salute > used; finish"]),
        ],
    );
    office.run().with(0);
    assert_eq!(office.starts(), ["greet 1 --session", "greet 2 --resume", "use 1 --session"]);
    assert_eq!(office.project.told("retry_scheduled"), ["greet"]);
    assert_eq!(office.outcome("greet", 1)["session_id"], office.outcome("greet", 2)["session_id"]);
    let ports = std::fs::read_to_string(office.project.run_folder().expect("a run").join("tasks/greet@2.ports.json"));
    assert!(ports.expect("ports").contains("\"times\": 3"));
}

#[test]
fn a_secret_in_what_an_agent_says_is_kept_nowhere() {
    let secret = "canary-5d2f8a61c0de";
    let text =
        document(HERE, &[("leak", "", "execution_context: {environment_variables: {TOKEN: \"${secrets.MY_TOKEN}\"}}")]);
    let script = "say \"it is $TOKEN\"; echo \"$TOKEN\" >&2; echo \"{\\\"status\\\":\\\"done\\\",\\\"summary\\\":\\\"$TOKEN\\\"}\" | answer\n\
                  test \"$TOKEN\" = canary-5d2f8a61c0de || trouble 'no token'; test \"$FAKE_KEY\" != sk-canary-0a4b9c77aa02 || trouble 'a key'\n\
                  finish";
    let office = Office::of(&text, &[("leak", &[script])]);
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env("MY_TOKEN", secret);
    let ended = office.project.start(command).end().with(0);
    let all = office.everything();
    assert!(all.contains("it is ***"), "it was heard");
    for hidden in [secret, KEY] {
        assert!(!all.contains(hidden) && !ended.stderr.contains(hidden), "`{hidden}` was kept");
    }
}

#[test]
fn an_agent_that_nobody_defined_is_refused_before_anything_starts() {
    let office = Office::of(&document(HERE, &[("a", "", "executor: nobody"), ("b", "", "executor: nobody")]), &[]);
    office.run().with(8).says(&["E_CAPABILITY_MISSING", "there is no agent `nobody`", "fake", "a, b"]);
    let office = Office::of(&document("", &[("a", "", "")]), &[]);
    office.run().with(8).says(&["is in no git repository", "isolation: none"]);
}

#[test]
fn without_a_key_and_a_sandbox_it_has_the_login_and_all_else_and_the_log_says_so() {
    let terms = "isolation: none, sandbox: none";
    let office = Office::of(&document(terms, &[("a", "", "")]), &[("a", &["finish"])]);
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env_remove("FAKE_KEY");
    office.project.start(command).end().with(0);
    assert!(
        office.kept("a", 1, "place.json").contains("`FAKE_KEY` is not set"),
        "{}",
        office.kept("a", 1, "place.json")
    );
    assert!(office.at("starts").exists(), "it worked in the user's own home");
}

#[test]
fn kill_9_of_the_runner_leaves_nothing_running_and_the_work_unknown() {
    let tasks = [("a", "", "verification: {unit: {command: 'test -e done'}}")];
    let office = Office::of(&document(HERE, &tasks), &[("a", &["note begun; sleep 600", "touch done; finish"])]);
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the agent", || office.project.ledger().iter().any(|line| line.ends_with("begun")));
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(3);
    assert_eq!(office.starts().len(), 1, "nobody allowed another start");
    office.outpost(&["resume", "--rerun", "a"]).with(0);
    assert_eq!(office.starts().len(), 2);
}

#[test]
fn the_terms_of_an_agent_are_told_before_and_after() {
    let terms = "model: big-1, isolation: none, budget: {usd: 2}}, run_budget: {usd: 20, tokens: 5000";
    let tasks = [("a", "", ""), ("b", "", "agent: {budget: {tokens: 7}}"), ("c", "", "executor: shell\nrun: touch c")];
    let office = Office::of(&document(terms, &tasks), &[("a", &["finish"]), ("b", &["finish 0.01 3"])]);
    let told = office.outpost(&["plan", "blueprint.md"]).with(0).stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = "a fake, model big-1, with the key in FAKE_KEY, in the project's directory, in the sandbox that is here, \
                for at most $2.00";
    assert!(told.contains(line), "{told}");
    assert!(told.contains("all of them together: at most $20.00, 5000 tokens"), "{told}");
    assert!(!told.contains(KEY));
    let plan: serde_json::Value =
        serde_json::from_str(&office.outpost(&["plan", "--json", "blueprint.md"]).with(0).stdout).expect("JSON");
    let agent = &plan["tasks"][1]["agent"];
    assert_eq!((&agent["variable"], &agent["access"]), (&"FAKE_KEY".into(), &"key".into()), "{agent}");
    assert_eq!(agent["budget"], serde_json::json!({"micro_usd": 2_000_000, "tokens": 7}));
    assert_eq!(agent["sandbox"], "auto");
    assert_eq!(plan["tasks"][2]["agent"], serde_json::Value::Null);
    let mut command = office.command(&["plan", "blueprint.md"]);
    command.env_remove("FAKE_KEY");
    let told = office.project.start(command).end().with(0).stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("with its login, since FAKE_KEY is not set"), "{told}");
    office.run().with(0);
    let why = office.outpost(&["why", "b"]).with(0).stdout;
    assert!(
        why.contains("its agent: fake, model big-1, with the key in FAKE_KEY") && why.contains("7 tokens"),
        "{why}"
    );
    assert!(!office.outpost(&["why", "c"]).with(0).stdout.contains("its agent"));
    let report = office.outpost(&["report", "--format", "md"]).with(0).stdout;
    assert!(report.contains("Agents used $0.02, 13 tokens."), "{report}");
}

#[test]
fn a_command_beside_an_agent_is_refused() {
    let office = Office::of(&document(HERE, &[("a", "", "run: touch it")]), &[("a", &["finish"])]);
    let told = office.outpost(&["check", "blueprint.md"]).with(2).stdout;
    assert!(told.contains("BP309") && told.contains("executor: shell"), "{told}");
}
