//! One attempt, from the job to `outcome.json`.

use std::fs;
use std::process::Command;

use outpost_agent::attempt::{Access, Job, Limits, Resume};
use outpost_agent::classify::Class;
use outpost_agent::contract::{Port, PortKind};
use outpost_agent::prompt::Brief;
use outpost_agent::stream::Usage;
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, is_quiet};

fn steps(steps: &Value) -> Value {
    json!([steps])
}

/// The class of an attempt whose agent does this.
fn class(bench: &Bench, job: &Job, what: &Value) -> Class {
    bench.script(&steps(what));
    bench.run(job).0.class
}

#[test]
fn an_attempt_leaves_its_work_its_transcripts_and_its_outcome() {
    let bench = Bench::new();
    bench.script(&steps(&json!([
        {"expect": "Write a file."},
        {"write": {"path": "src/a.txt", "text": "work"}},
        {"environment": "environment.json"},
        {"tool": {"name": "Bash", "input": {"command": "make"}, "id": "1"}},
        {"say": format!("My key is {KEY}, if you ask.")},
        {"stderr": format!("key={KEY}")},
        {"answer": {"status": "done", "summary": format!("used {KEY}"), "outputs": {"n": 3}}},
        {"end": {"ok": true, "usage": [1000, 200, 50], "cost": 0.5}},
    ])));
    let ports = vec![Port { name: "n".into(), kind: PortKind::Integer, description: String::new(), optional: false }];
    let job = Job {
        brief: Brief { ports, ..bench.job().brief },
        limits: Limits { max_turns: Some(9), ..Limits::default() },
        env: [("OUTPOST_RUN".to_owned(), "r1".to_owned())].into(),
        ..bench.job()
    };
    let (outcome, output) = bench.run(&job);
    assert_eq!(outcome.class, Class::Done, "{outcome:?}");
    assert_eq!(outcome.answer.as_ref().expect("an answer").outputs["n"], 3);
    assert_eq!(outcome.spent.usage, Some(Usage { input: 800, cached: 200, output: 50 }));
    assert_eq!((outcome.spent.cost_usd, outcome.turns, outcome.exit), (Some(0.5), Some(1), Some(0)));
    assert_eq!(outcome.versions.agent.as_deref(), Some("1.2.3"));
    assert_eq!(bench.read("workspace/src/a.txt"), "work");
    assert!(!bench.path("workspace/.outpost").exists());
    assert_eq!(bench.read("state/home/.fake/settings.json"), "{\"turns\":9}");

    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("does   Bash: make\n") && told.contains("ends   done: finished\n"), "{told}");
    let events: Vec<Value> =
        bench.read("attempt/events.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["tool", "text", "usage", "result"]);
    assert!(events.iter().zip(1..).all(|(event, seq)| event["seq"] == seq));

    let digest = Command::new("sha256sum").arg(bench.path("attempt/prompt.md")).output().expect("sha256sum");
    assert!(String::from_utf8(digest.stdout).expect("text").starts_with(&outcome.prompt_sha256));
    let argv: Value = serde_json::from_str(&bench.read("attempt/argv.json")).expect("JSON");
    assert_eq!(argv["env"]["FAKE_KEY"], "***");

    let env: Value = serde_json::from_str(&bench.read("workspace/environment.json")).expect("JSON");
    assert_eq!((&env["FAKE_KEY"], &env["OUTPOST_RUN"]), (&json!(KEY), &json!("r1")));
    assert_eq!(env["HOME"], json!(bench.path("state/home")));
    for name in ["AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "MY_KEY"] {
        assert!(env.get(name).is_none(), "{name}");
    }
    // It was written down nowhere, and told to nobody.
    assert!(!bench.everything().contains(KEY) && !told.contains(KEY));
    assert!(bench.read("attempt/stdout.jsonl").contains("My key is ***,"));
}

#[test]
fn a_session_is_gone_on_with_and_hears_what_failed() {
    let bench = Bench::new();
    let end = json!({"end": {"ok": true}});
    bench.script(&json!([[end], [{"refuse": "Write a file."}, {"expect": "The last attempt failed"}, end]]));
    let (first, _) = bench.run(&bench.job());
    let resume = Resume { session_id: first.session_id.clone().expect("a session"), totals: first.spent.totals };
    let (second, _) = bench.run(&Job { resume: Some(resume), ..bench.job() });
    assert_eq!((second.class, second.session_id, second.resumed), (Class::Done, first.session_id, true));

    let lost = Resume { session_id: "never".into(), totals: first.spent.totals };
    let (third, _) = bench.run(&Job { resume: Some(lost), ..bench.job() });
    assert_eq!(third.class, Class::SessionLost);
    assert!(third.message.contains("no such session: never"), "{}", third.message);
}

#[test]
fn what_it_says_of_its_end_decides() {
    let bench = Bench::new();
    let job = bench.job();
    let end = json!({"end": {"ok": true}});
    for (what, wanted) in [
        (json!([end]), Class::Done),
        (json!([{"end": {"ok": false}}]), Class::AgentError),
        (json!([end, {"exit": 3}]), Class::AgentError),
        (json!([]), Class::NoResult),
        (json!([{"print": "no JSON at all"}, {"exit": 1}]), Class::NoResult),
        (json!([{"error": "HTTP 401"}, {"exit": 1}]), Class::Auth),
        (json!([{"error": "HTTP 429, retry-after: 7"}, {"exit": 1}]), Class::RateLimit),
        (json!([{"error": "HTTP 503"}, {"exit": 1}]), Class::Transient),
        (json!([{"answer": {"status": "blocked", "summary": "no"}}, end]), Class::Blocked),
        (json!([{"answer": {"status": "needs_human", "human_action": "log in"}}, end]), Class::NeedsHuman),
        (json!([{"answer": {"status": "perhaps"}}, end]), Class::NoResult),
    ] {
        assert_eq!(class(&bench, &job, &what), wanted, "{what}");
    }
    let asks = json!({"answer": {"status": "needs_human", "human_action": format!("use {KEY}")}});
    bench.script(&steps(&json!([asks, end])));
    assert_eq!(bench.run(&job).0.message, "use ***");
    bench.script(&steps(&json!([{"error": "HTTP 429, retry-after: 7"}, {"exit": 1}])));
    assert_eq!(bench.run(&job).0.retry_after, Some(7));
}

#[test]
fn outputs_that_are_due_have_to_be_there_and_are_of_this_attempt() {
    let bench = Bench::new();
    let ports = vec![Port { name: "n".into(), kind: PortKind::Integer, description: String::new(), optional: false }];
    let job = Job { brief: Brief { ports, ..bench.job().brief }, ..bench.job() };
    fs::create_dir(bench.path("workspace/.outpost")).expect("room");
    fs::write(bench.path("workspace/.outpost/result.json"), r#"{"status":"done","outputs":{"n":1}}"#).expect("room");
    assert_eq!(class(&bench, &job, &json!([{"end": {"ok": true}}])), Class::NoResult);
    let wrong = json!([{"answer": {"status": "done", "outputs": {"n": "3"}}}, {"end": {"ok": true}}]);
    bench.script(&steps(&wrong));
    let (outcome, _) = bench.run(&job);
    assert_eq!(outcome.class, Class::NoResult);
    assert!(
        outcome.message.contains("output `n`") && outcome.message.contains("not an integer"),
        "{}",
        outcome.message
    );
}

#[test]
fn one_that_hangs_is_ended_by_the_clock_for_that() {
    let bench = Bench::new();
    let idle = Job { limits: Limits { idle: 1, tool: 1, ..Limits::default() }, ..bench.job() };
    assert_eq!(class(&bench, &idle, &json!(["hang"])), Class::Stalled);
    let retries = json!([{"retry": "busy"}, "hang"]);
    assert_eq!(class(&bench, &idle, &retries), Class::Stalled);
    let tool = json!([{"tool": {"name": "Bash", "input": {"command": "make"}, "id": "1"}}, "hang"]);
    let slow = Job { limits: Limits { idle: 1, tool: 2, ..Limits::default() }, ..bench.job() };
    bench.script(&steps(&tool));
    let (outcome, _) = bench.run(&slow);
    assert_eq!((outcome.class, outcome.message.as_str()), (Class::Stalled, "nothing came of its tool for 2 s"));
    let wall = Job { limits: Limits { wall: Some(1), ..Limits::default() }, ..bench.job() };
    assert_eq!(class(&bench, &wall, &json!(["hang"])), Class::TimedOut);
    // It has said all there is to say.
    let after = Job { limits: Limits { after_result: 1, ..Limits::default() }, ..bench.job() };
    assert_eq!(class(&bench, &after, &json!([{"end": {"ok": true}}, "hang"])), Class::Done);
    assert!(is_quiet(&bench.path("workspace")));
}

#[test]
fn one_that_says_nothing_and_does_not_listen_is_killed() {
    let bench = Bench::new();
    bench.agent("mute", "#!/bin/sh\ntrap '' TERM\ncat >/dev/null\nwhile :; do sleep 1; done\n");
    let job = Job { agent: "mute".into(), limits: Limits { start: 1, ..Limits::default() }, ..bench.job() };
    let (outcome, _) = bench.run(&job);
    assert_eq!((outcome.class, outcome.exit), (Class::Stalled, Some(137)), "{outcome:?}");
    assert!(is_quiet(&bench.path("workspace")));
}

#[test]
fn what_it_says_on_stderr_is_heard_as_well() {
    let bench = Bench::new();
    bench.agent("slow", "#!/bin/sh\ncat >/dev/null\necho 'loading' >&2\nexec sleep 600\n");
    let limits = Limits { start: 1, idle: 2, tool: 2, ..Limits::default() };
    let (outcome, _) = bench.run(&Job { agent: "slow".into(), limits, ..bench.job() });
    assert_eq!((outcome.class, outcome.message.as_str()), (Class::Stalled, "nothing went on for 2 s"));
}

#[test]
fn what_it_calls_and_how_it_failed_stay_in_their_lines() {
    let bench = Bench::new();
    bench.script(&steps(&json!([
        {"tool": {"name": "Bash\nends   done: finished\u{1b}[2J", "input": {"command": "make"}, "id": "1"}},
        {"error": "no\nends   done: finished\u{1b}[2J"},
        {"exit": 1},
    ])));
    let (_, output) = bench.run(&bench.job());
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(!told.contains('\u{1b}') && !told.lines().any(|line| line.starts_with("ends   done")), "{told:?}");
    assert!(
        told.contains("does   Bash ends") && told.contains("ends   agent_error: the agent failed: no ends"),
        "{told:?}"
    );
}

#[test]
fn one_that_goes_in_circles_is_stopped() {
    let bench = Bench::new();
    let mut calls: Vec<Value> = Vec::new();
    for number in 0..4 {
        let id = number.to_string();
        calls.push(json!({"tool": {"name": "Bash", "input": {"command": "make"}, "id": id}}));
        calls.push(json!({"failed": id}));
    }
    calls.push(json!("hang"));
    bench.script(&json!([calls]));
    let (outcome, _) = bench.run(&bench.job());
    assert_eq!(outcome.class, Class::Looping);
    assert!(outcome.message.contains("failed 4 times in a row"), "{}", outcome.message);
}

#[test]
fn an_attempt_that_is_asked_to_stop_ends_its_agent_and_says_so() {
    let bench = Bench::new();
    let job = bench.job();
    bench.script(&steps(&json!([{"say": "here I am"}, "hang"])));
    let mut child = bench.until(&job, "here I am");
    let id = child.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().expect("kill");
    assert_eq!(child.wait().expect("a child").code(), Some(1));
    let outcome = outpost_agent::attempt::Outcome::read(&job.folder).expect("readable").expect("an outcome");
    assert_eq!(outcome.class, Class::Killed);
    assert!(is_quiet(&bench.path("workspace")));
}

#[test]
fn who_holds_its_output_does_not_hold_up_the_end() {
    let bench = Bench::new();
    bench.script(&steps(&json!(["child", {"end": {"ok": true}}])));
    let (outcome, _) = bench.run(&bench.job());
    assert_eq!(outcome.class, Class::Done);
    // In the product the keeper does this.
    let processes = Command::new("pgrep").args(["-f", "sleep 300"]).output().expect("pgrep");
    for id in String::from_utf8(processes.stdout).expect("numbers").lines() {
        let folder = bench.path("workspace").canonicalize().expect("a folder");
        if fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == folder) {
            Command::new("kill").args(["-KILL", id]).status().expect("kill");
        }
    }
}

#[test]
fn what_it_prints_is_bounded() {
    let bench = Bench::new();
    bench.script(&steps(&json!([{"flood": 9 << 20}, {"say": "after"}, {"end": {"ok": true}}])));
    let job = Job { limits: Limits { transcript: 100_000, ..Limits::default() }, ..bench.job() };
    let (outcome, _) = bench.run(&job);
    assert_eq!(outcome.class, Class::Done);
    assert!(outcome.cut >= (9 << 20) - 100_000 && outcome.text == "after", "{outcome:?}");
    let transcript = bench.read("attempt/stdout.jsonl");
    assert!(transcript.len() < 100_100 && transcript.trim_end().ends_with("bytes left out]"));
}

/// Has the agent tell its events in a file, and says where.
fn tells_in_a_file(bench: &Bench, agent: &str) -> std::path::PathBuf {
    let definition = bench.path("agents").join(format!("{agent}.toml"));
    let text = fs::read_to_string(&definition).expect("a definition");
    let text = text.replace("format = \"jsonl\"", "format = \"jsonl\"\nevents_file = \"{run_dir}/told.jsonl\"");
    fs::write(definition, text).expect("room");
    bench.path("attempt/run/told.jsonl")
}

#[test]
fn events_in_a_file_hold_no_secret_either() {
    let bench = Bench::new();
    let said = json!({"type": "say", "text": format!("My key is {KEY}, if you ask.")});
    let text = format!("{said}\n{}", json!({"type": "end", "ok": true}));
    let path = tells_in_a_file(&bench, "fake");
    bench.script(&steps(&json!([{"write": {"path": path, "text": text}}])));
    let (outcome, output) = bench.run(&bench.job());
    assert_eq!((outcome.class, outcome.text.as_str()), (Class::Done, "My key is ***, if you ask."));
    let told = String::from_utf8(output.stdout).expect("text");
    for text in [told, bench.read("attempt/events.jsonl"), bench.read("attempt/outcome.json")] {
        assert!(text.contains("***") && !text.contains(KEY), "{text}");
    }
}

#[test]
fn events_are_read_from_a_file_and_from_nothing_else() {
    for make in ["mkfifo", "ln -s /dev/zero"] {
        let bench = Bench::new();
        let path = bench.path("attempt/run/told.jsonl");
        bench.agent("odd", &format!("#!/bin/sh\ncat >/dev/null\n{make} '{}'\n", path.display()));
        tells_in_a_file(&bench, "odd");
        assert_eq!(bench.run(&Job { agent: "odd".into(), ..bench.job() }).0.class, Class::NoResult, "{make}");
    }
}

#[test]
fn an_agent_that_cannot_be_started_is_told_why_and_what_to_do() {
    let bench = Bench::new();
    bench.script(&json!([[]]));
    let job = bench.job();
    let key = Access::Key { env: "NO_KEY".into(), base_url: None };
    for (job, wanted) in [
        (Job { agent: "none".into(), ..job.clone() }, "there is no agent `none`; there are aider, claude, codex, fake"),
        (Job { access: key, ..job.clone() }, "the variable `NO_KEY` with the key of `fake` is not set"),
        (Job { access: Access::Gate, ..job.clone() }, "wants a gateway"),
        (Job { workspace: bench.path("nowhere"), ..job.clone() }, "is no folder"),
        (Job { agent: "grok".into(), ..job.clone() }, "install it with `npm install -g @xai-official/grok"),
    ] {
        let (outcome, _) = bench.run(&job);
        assert_eq!(outcome.class, Class::Config);
        assert!(outcome.message.contains(wanted), "{}", outcome.message);
    }
    let text = include_str!("../fake.toml").replace("min = \"1.2.0\"", "min = \"1.10.0\"");
    fs::write(bench.path("agents/fake.toml"), text).expect("room");
    let (outcome, _) = bench.run(&job);
    assert!(outcome.message.contains("is version 1.2.3") && outcome.message.contains("1.10.0"), "{}", outcome.message);
}
