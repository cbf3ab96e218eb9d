//! People are told: over every channel, once, also across `kill -9`, and a channel that is dead fails nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::listener::{Listener, Reply, Request};
use crate::mail::{MailServer, Speech};
use crate::project;
use crate::project::Project;

/// A task behind a gate with this `notify`.
fn gated(notify: &str) -> Project {
    gated_with(notify, "")
}

fn gated_with(notify: &str, more: &str) -> Project {
    let gate = format!("human_required: {{action: look, reason: so, notify: {notify}{more}}}\nrun: note ran");
    project("", &[("a", "", &gate)])
}

fn webhook(listener: &Listener, more: &str) -> String {
    format!("{{channel: webhook, url: '{}/hook'{more}}}", listener.address)
}

/// What the journal says of notices: the first word of each, and its channel.
fn told(project: &Project, name: &str) -> Vec<String> {
    let events = project.events().into_iter().filter(|event| event.name() == name);
    let word = |event: &Value| event["notice"].as_str().and_then(|notice| notice.split(':').next().map(str::to_owned));
    events
        .map(|event| {
            format!("{} {}", word(&event.0).unwrap_or_default(), event.0["channel"].as_str().unwrap_or_default())
        })
        .collect()
}

/// HMAC-SHA256 as its RFC has it, so that nothing of the tool judges itself.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|one| one ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn is_signed(request: &Request, key: &[u8]) -> bool {
    let part = |name: &str| request.header(name).expect("a header");
    let text = format!("{}.{}.{}", part("webhook-id"), part("webhook-timestamp"), request.body);
    part("webhook-signature") == format!("v1,{}", STANDARD.encode(hmac(key, text.as_bytes())))
}

#[test]
fn f_26_a_webhook_is_signed_and_told_once() {
    let listener = Listener::new(&[]);
    let secret = format!("whsec_{}", STANDARD.encode("a key of our own"));
    let project = gated(&webhook(&listener, &format!(", secret: {secret}, headers: {{X-Team: ops}}")));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let seen = listener.seen();
    let [request] = &seen[..] else { panic!("{seen:?}") };
    assert!(is_signed(request, b"a key of our own"), "{request:?}");
    assert!(!is_signed(request, b"another key"), "the judge tells keys apart");
    let heading = (request.path.as_str(), request.header("content-type"), request.header("x-team"));
    assert_eq!(heading, ("/hook", Some("application/json"), Some("ops")));
    assert_eq!(request.header("webhook-id"), request.json()["id"].as_str());
    assert_eq!(told(&project, "notice_sent"), ["gate webhook"]);
    // Whoever goes on with the run tells nothing twice.
    project.outpost(&["resume"]).with(3);
    project.outpost(&["gates", "--remind"]).with(0).says(&["nobody is to be told"]);
    assert_eq!(listener.seen().len(), 1);
    let command = request.json()["gate"]["approve"].as_str().expect("a command").to_owned();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    project.outpost(&words).with(0);
    project.outpost(&["resume"]).with(0);
    assert_eq!(listener.seen().len(), 1);
}

/// What differs from run to run.
fn leveled(mut payload: Value) -> Value {
    for (pointer, word) in [
        ("/id", "ID"),
        ("/timestamp", "TIME"),
        ("/run/id", "RUN"),
        ("/run/directory", "DIRECTORY"),
        ("/run/host", "HOST"),
        ("/gate/opened", "TIME"),
        ("/gate/deadline", "TIME"),
        ("/gate/digest", "DIGEST"),
    ] {
        *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = word.into();
    }
    for word in ["approve", "reject"] {
        let command = payload["gate"][word].as_str().expect("a command");
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!((words[3], words[5], words.len()), ("--run", "--digest", 7), "{command}");
        payload["gate"][word] = words[..3].join(" ").into();
    }
    payload
}

#[test]
fn f_26_the_payload_is_that_of_the_page() {
    let page = include_str!("../../docs/RUNNING.md");
    let block = |after: &str, fence: &str| -> String {
        let rest = page.split_once(after).expect("the heading").1.split_once(fence).expect("a block").1;
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let shown: Value = serde_json::from_str(&block("### What a webhook is sent", "```json\n")).expect("JSON");
    let listener = Listener::new(&[]);
    let task = block("### What a webhook is sent", "```yaml\n").replace("https://hooks.example.org", &listener.address);
    let project = Project::of(&format!("# Shop\n\n```yaml\n{task}```\n"));
    project.outpost(&["run", "blueprint.md"]).with(3);
    assert_eq!(leveled(listener.seen()[0].json()), leveled(shown));
}

#[test]
fn f_26_what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let listener = Listener::new(&[Reply::Status(500), Reply::Status(200)]);
    let project = gated(&webhook(&listener, ""));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let seen = listener.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].header("webhook-id"), &seen[0].body), (seen[1].header("webhook-id"), &seen[1].body));
    assert_eq!(told(&project, "notice_sent"), ["gate webhook"]);
    assert_eq!(seen[0].header("webhook-signature"), None, "there is no secret");

    let listener = Listener::new(&[Reply::With(429, "retry-after: 2\r\n")]);
    let project = gated(&webhook(&listener, ""));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let times: Vec<u64> = listener
        .seen()
        .iter()
        .map(|request| request.header("webhook-timestamp").and_then(|time| time.parse().ok()).expect("a time"))
        .collect();
    // The times are whole seconds: two seconds are at least one of them and what is left of another.
    assert!(times.len() == 2 && times[1] > times[0], "{times:?}");

    let listener = Listener::new(&[Reply::Status(404), Reply::With(302, "location: /other\r\n")]);
    let project = gated(&webhook(&listener, ""));
    project.outpost(&["run", "blueprint.md"]).with(3).says(&["nobody was told by webhook: it answered 404"]);
    assert_eq!(listener.seen().len(), 1);
    assert_eq!(told(&project, "notice_failed"), ["gate webhook"]);
    // Nobody was told: the next runner tries again, and a redirect is not followed.
    project.outpost(&["resume"]).with(3).says(&["it answered 302"]);
    project.outpost(&["resume"]).with(3);
    assert_eq!(told(&project, "notice_sent"), ["gate webhook"]);
    assert!(listener.seen().iter().all(|request| request.path == "/hook"));
}

#[test]
fn f_26_a_dead_channel_fails_no_run_and_is_never_silent() {
    // Nobody listens on a port that was given back.
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let silent = Listener::new(&[Reply::Silence, Reply::Silence]);
    let execution = format!(
        "notify: [{{on: [done], channel: webhook, url: 'http://{address}/?token=hunter2'}}, {{on: [done], channel: webhook, url: '{}'}}, {{on: [done], channel: email, recipient: a@b.org}}]",
        silent.address
    );
    let project = project(&execution, &[("a", "", "run: note ran")]);
    let done = project.outpost(&["run", "blueprint.md"]).with(0);
    let done = done.says(&["nobody was told by execution/webhook: ", "nobody was told by execution/webhook-2: "]);
    let done = done.says(&["OUTPOST_SMTP_URL is not set"]);
    assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    assert_eq!(project.ledger(), ["a 1 run ran"]);
    let mut failed = told(&project, "notice_failed");
    failed.sort_unstable();
    assert_eq!(failed, ["done execution/email", "done execution/webhook", "done execution/webhook-2"]);
    let status = project.outpost(&["status"]).with(0);
    assert!(status.stdout.contains("nobody was told by execution/webhook: no connection"), "{}", status.stdout);
    let status: Value = serde_json::from_str(&project.outpost(&["status", "--json"]).stdout).expect("JSON");
    assert_eq!(status["notices"].as_array().map(Vec::len), Some(3));
    // An end is still news to who comes by.
    project.outpost(&["gates", "--remind"]).with(1).says(&["told: 1, not told: 2"]);
    assert_eq!(told(&project, "notice_sent"), ["done execution/webhook-2"]);
}

#[test]
fn f_26_a_notice_that_a_crash_cut_off_is_told_again_under_its_id() {
    let listener = Listener::new(&[Reply::Silence]);
    let project = gated(&webhook(&listener, ""));
    let running = project.start(project.command(&["run", "blueprint.md", "--wait"]));
    project.until("a request", || listener.seen().len() == 1);
    running.signal(Signal::KILL);
    running.end();
    assert_eq!(told(&project, "notice_sent"), [""; 0]);
    project.outpost(&["resume"]).with(3);
    let seen = listener.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].header("webhook-id"), &seen[0].body), (seen[1].header("webhook-id"), &seen[1].body));
    assert_eq!(told(&project, "notice_sent"), ["gate webhook"]);
}

#[test]
fn f_26_a_decision_ends_the_reminders() {
    let listener = Listener::new(&[]);
    let project = gated(&webhook(&listener, ", remind: PT0.2S"));
    let running = project.start(project.command(&["run", "blueprint.md", "--wait"]));
    project.until("reminders", || listener.seen().len() >= 3);
    project.outpost(&["approve", "a"]).with(0);
    running.end().with(0);
    let seen: Vec<Value> = listener.seen().iter().map(Request::json).collect();
    assert_eq!((&seen[0]["type"], &seen[1]["type"]), (&json!("gate.opened"), &json!("gate.reminder")));
    let mut numbers: Vec<u64> = seen.iter().filter_map(|payload| payload["gate"]["reminder"].as_u64()).collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "each once: {numbers:?}");
    let mut ids: Vec<&Value> = seen.iter().map(|payload| &payload["id"]).collect();
    ids.sort_unstable_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), seen.len(), "each is another notice");
    project.outpost(&["gates", "--remind"]).with(0).says(&["nobody is to be told"]);
    assert_eq!(listener.seen().len(), seen.len());
}

#[test]
fn f_26_reminders_that_nobody_sent_come_as_one() {
    let listener = Listener::new(&[]);
    let escalation = format!("{{after: PT0.1S, channel: webhook, url: '{}/boss'}}", listener.address);
    let project = gated(&webhook(&listener, &format!(", remind: PT0.2S, escalate: {escalation}")));
    project.outpost(&["run", "blueprint.md"]).with(3);
    let (mut looks, mut last) = (0, 0);
    project.until("a reminder that was not the first", || {
        let before = listener.seen().len();
        project.outpost(&["gates", "--remind"]).with(0);
        looks += 1;
        let seen = listener.seen();
        let reminders: Vec<u64> =
            seen[before..].iter().filter_map(|request| request.json()["gate"]["reminder"].as_u64()).collect();
        assert!(reminders.len() <= 1, "{reminders:?}");
        last = reminders.last().copied().unwrap_or(last);
        last > 3 && looks > 1
    });
    let boss: Vec<Request> = listener.seen().into_iter().filter(|request| request.path == "/boss").collect();
    let [escalated] = &boss[..] else { panic!("{boss:?}") };
    assert_eq!(escalated.json()["type"], "gate.escalated");
    assert_eq!(project.told("runner_took_over").len(), 1, "to remind is not to drive");
    assert_eq!(project.ledger(), [""; 0]);
}

#[test]
fn f_26_slack_is_told_in_text_that_calls_nobody() {
    let listener = Listener::new(&[]);
    let project = project(
        "",
        &[(
            "a",
            "",
            "human_required: {action: 'see <!channel> & go', reason: so, notify: {channel: slack, recipient: '#ops'}}\nrun: note ran",
        )],
    );
    let mut command = project.command(&["run", "blueprint.md"]);
    command.env("OUTPOST_SLACK_URL", format!("{}/services/T0/hunter2", listener.address));
    project.start(command).end().with(3);
    let seen = listener.seen();
    let payload = seen[0].json();
    let text = payload["text"].as_str().expect("text");
    assert!(text.starts_with("*a waits for a person: see &lt;!channel&gt; &amp; go*\nBecause: so\n"), "{text}");
    assert!(text.contains("```outpost-bp approve a --run ") && !text.contains('<'), "{text}");
    assert_eq!((&payload["channel"], seen[0].path.as_str()), (&json!("#ops"), "/services/T0/hunter2"));
    let project = gated("{channel: slack}");
    project.outpost(&["run", "blueprint.md"]).with(3).says(&["OUTPOST_SLACK_URL is not set"]);
}

#[test]
fn f_26_a_command_gets_the_payload_and_no_words_of_the_run() {
    let gate = "human_required:\n  action: '$(touch pwned) \"; touch pwned #'\n  reason: so\n  notify:\n    - {channel: command, command: 'cat > payload.json; echo \"$OUTPOST_NOTICE $OUTPOST_TASK $OUTPOST_MESSAGE\" > told'}\n    - {channel: command, command: 'echo too bad >&2; exit 3'}\nrun: note ran";
    let project = project("", &[("a", "", gate)]);
    project
        .outpost(&["run", "blueprint.md"])
        .with(3)
        .says(&["nobody was told by command-2: it exited with 3: too bad"]);
    let told = std::fs::read_to_string(project.path("told")).expect("told");
    assert_eq!(told, "gate.opened a a waits for a person: $(touch pwned) \"; touch pwned #\n");
    let payload = std::fs::read(project.path("payload.json")).expect("a payload");
    let payload: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(payload["gate"]["action"], "$(touch pwned) \"; touch pwned #");
    assert!(!project.path("pwned").exists());
    project.until_nothing_runs();
}

#[test]
fn f_26_the_console_is_told_where_the_run_is_shown() {
    let project = gated("{channel: console, message: \"the bridge\\nis open\"}");
    project.outpost(&["run", "blueprint.md"]).with(3).says(&[
        "\na waits for a person: the bridge is open\n  outpost-bp approve a --run ",
        "\n  outpost-bp reject a --run ",
    ]);
    assert_eq!(told(&project, "notice_sent"), ["gate console"]);
    project.outpost(&["resume"]).with(3);
    assert_eq!(told(&project, "notice_sent"), ["gate console"]);
    let shown = project.outpost(&["gates"]).with(0);
    assert!(shown.stdout.contains("  told:    console\n"), "{}", shown.stdout);
}

#[test]
fn f_26_a_run_tells_how_it_goes() {
    let listener = Listener::new(&[]);
    let news = |on: &str| format!("{{{on}channel: webhook, url: '{}/news'}}", listener.address);
    let kinds = || -> Vec<String> {
        let seen = listener.seen();
        seen.iter().map(|request| request.json()["type"].as_str().expect("a type").to_owned()).collect()
    };
    let ran = project(&format!("notify: {}", news("")), &[("a", "", "run: note ran")]);
    ran.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(kinds(), ["run.done"]);
    let all = format!("notify: [{}]", news("on: [waiting, failed, cancelled], "));
    let gate = "human_required: {action: look, reason: so}\nrun: note ran";
    let stuck = project(&all, &[("a", "", "run: 'false'"), ("g", "", gate)]);
    stuck.outpost(&["run", "blueprint.md"]).with(3);
    stuck.outpost(&["approve", "g"]).with(0);
    stuck.outpost(&["resume"]).with(1);
    assert_eq!(kinds()[1..], ["run.waiting", "run.failed"]);
    let failed = listener.seen().pop().expect("a request").json();
    assert_eq!(failed["tasks"], json!({ "total": 2, "complete": 1, "skipped": 0, "blocked": 1 }));
    assert_eq!(failed["failures"][0]["task"], "a");
    // Another end of the same run is another piece of news.
    stuck.outpost(&["resume"]).with(1);
    assert_eq!(kinds()[3..], ["run.failed"]);
    let waiting = project(&all, &[("g", "", gate)]);
    waiting.outpost(&["run", "blueprint.md"]).with(3);
    waiting.outpost(&["resume"]).with(3);
    waiting.outpost(&["cancel"]).with(0);
    assert_eq!(kinds()[4..], ["run.waiting", "run.cancelled"], "the same people are no news");
    let undone = format!("notify: {}", news("on: [rolled_back], "));
    let undone = project(&undone, &[("a", "", "run: note ran\nrollback: note undone")]);
    undone.outpost(&["run", "blueprint.md"]).with(0);
    undone.outpost(&["rollback", "--yes"]).with(5);
    assert_eq!(kinds()[6..], ["run.rolled_back"]);
}

#[test]
fn f_26_email_comes_encrypted_or_not_at_all() {
    for (speech, scheme, encrypted) in
        [(Speech::StartTls, "smtp", true), (Speech::Tls, "smtps", true), (Speech::Clear, "smtp", false)]
    {
        let server = MailServer::new(speech, usize::from(speech == Speech::Tls));
        let smtp = format!(
            "smtp: {{url: '{scheme}://localhost:{}', from: bp@example.org, username: bp, password: hunter2}}",
            server.port
        );
        let gate = "human_required: {action: \"see\\nit\", reason: 'für uns', notify: {channel: email, recipient: 'Ada <ada@example.org>'}}\nrun: note ran";
        let project = project(&smtp, &[("a", "", gate)]);
        let mut command = project.command(&["run", "blueprint.md"]);
        command.env("SSL_CERT_FILE", &server.certificate);
        project.start(command).end().with(3);
        assert_eq!(told(&project, "notice_sent"), ["gate email"], "{speech:?}");
        let got = server.got();
        let [message] = &got[..] else { panic!("{speech:?}: {got:?}") };
        assert_eq!(message.is_encrypted, encrypted, "{speech:?}");
        assert_eq!(message.account.as_deref(), Some(&*STANDARD.encode("\0bp\0hunter2")));
        assert_eq!(message.envelope, ["MAIL FROM:<bp@example.org>", "RCPT TO:<ada@example.org>"]);
        for line in
            ["Subject: [outpost] a waits for a person: see it\r\n", "To: Ada <ada@example.org>\r\n", "@outpost-bp>"]
        {
            assert!(message.text.contains(line), "`{line}` is missing in {}", message.text);
        }
    }
}

#[test]
fn f_26_email_trusts_no_other_host_and_no_other_certificate() {
    // `0.0.0.0` leads here and is no loopback address: like any other host it has to encrypt.
    let clear = MailServer::new(Speech::Clear, 0);
    let secure = MailServer::new(Speech::Tls, 0);
    let told_by = |url: String, certificate: &std::path::Path| {
        let project = gated("{channel: email, recipient: ada@example.org}");
        let mut command = project.command(&["run", "blueprint.md"]);
        command.env("OUTPOST_SMTP_URL", url).env("OUTPOST_SMTP_FROM", "bp@example.org");
        command.env("SSL_CERT_FILE", certificate);
        project.start(command).end().with(3);
        told(&project, "notice_sent").len()
    };
    assert_eq!(told_by(format!("smtp://a:hunter2@0.0.0.0:{}", clear.port), &clear.certificate), 0);
    assert_eq!(told_by(format!("smtps://localhost:{}", secure.port), &secure.stranger()), 0);
    assert_eq!((clear.got(), secure.got()), (vec![], vec![]));
    assert_eq!(told_by(format!("smtps://localhost:{}", secure.port), &secure.certificate), 1);
    assert_eq!(told_by(format!("smtp://0.0.0.0:{}?tls=none", clear.port), &clear.certificate), 1, "it was said");
}

#[test]
fn f_26_secrets_reach_every_channel_and_nothing_else() {
    const SECRETS: [(&str, &str); 5] = [
        ("PLACE", "hook-hunter2-place"),
        ("KEY", "key-hunter2-key"),
        ("TOKEN", "token-hunter2"),
        ("MAIL", "mail-hunter2"),
        ("ADA", "ada-hunter2@example.org"),
    ];
    let listener = Listener::new(&[Reply::Status(404)]);
    let server = MailServer::new(Speech::Tls, 0);
    let smtp = format!(
        "smtp: {{url: 'smtps://localhost:{}', from: bp@example.org, username: bp, password: '${{secrets.MAIL}}'}}",
        server.port
    );
    let gate = format!(
        "human_required:\n  action: look\n  reason: so\n  notify:\n    - {{channel: webhook, url: '{0}/${{secrets.PLACE}}'}}\n    - {{channel: webhook, url: '{0}/${{secrets.PLACE}}', secret: '${{secrets.KEY}}', headers: {{Authorization: 'Bearer ${{secrets.TOKEN}}'}}}}\n    - {{channel: email, recipient: '${{secrets.ADA}}'}}\n    - {{channel: command, command: 'test \"${{secrets.TOKEN}}\" = token-hunter2'}}\nrun: note ran",
        listener.address
    );
    let project = project(&smtp, &[("a", "", &gate)]);
    let with_secrets = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("SSL_CERT_FILE", &server.certificate).envs(SECRETS);
        project.start(command).end()
    };
    let ran = with_secrets(&["run", "blueprint.md"]).with(3).says(&["nobody was told by webhook: it answered 404"]);
    let mut sent = told(&project, "notice_sent");
    sent.sort_unstable();
    assert_eq!(sent, ["gate command", "gate email", "gate webhook-2"]);
    // Whoever reminds has to know them, too.
    project.outpost(&["gates", "--remind"]).with(1).says(&["the secret `PLACE` has no value here"]);
    with_secrets(&["gates", "--remind"]).with(0).says(&["told: 1"]);
    let seen = listener.seen();
    assert!(seen.iter().all(|request| request.path == "/hook-hunter2-place"), "{seen:?}");
    let signed = seen.iter().find(|request| request.header("webhook-signature").is_some()).expect("a signed one");
    assert!(is_signed(signed, b"key-hunter2-key"), "{signed:?}");
    assert_eq!(signed.header("authorization"), Some("Bearer token-hunter2"));
    assert_eq!(server.got()[0].account.as_deref(), Some(&*STANDARD.encode("\0bp\0mail-hunter2")));
    let journal = std::fs::read_to_string(project.run_folder().expect("a run").join("journal.log")).expect("a journal");
    for text in [&journal, &ran.stderr, &project.outpost(&["gates"]).stdout] {
        assert!(SECRETS.iter().all(|(_, value)| !text.contains(value)), "{text}");
    }
}

/// Runs the document with this in its environment.
fn with_variable(project: &Project, command: &str, value: Option<&str>) -> project::Ended {
    let mut command = match command {
        "run" => project.command(&["run", "blueprint.md"]),
        other => project.command(&[other]),
    };
    command.envs(value.map(|value| ("DEPLOY", value)));
    project.start(command).end()
}

#[test]
fn f_26_a_decision_is_read_from_a_variable_and_never_guessed() {
    const ENV: &str = "{channel: env, variable: DEPLOY}";
    let decided = |project: &Project| -> Vec<(Value, Value)> {
        let events = project.events().into_iter().filter(|event| event.name() == "gate_decided");
        events.map(|event| (event.0["by"].clone(), event.0["approved"].clone())).collect()
    };
    let by = |approved: bool| vec![(json!("env:DEPLOY"), json!(approved))];
    for (value, code, decisions) in [
        (Some("approve"), 0, by(true)),
        (Some("Yes"), 0, by(true)),
        (Some("reject"), 4, by(false)),
        (Some("approve:0000"), 3, vec![]),
        (Some("sure"), 3, vec![]),
        (Some(""), 3, vec![]),
        (None, 3, vec![]),
    ] {
        let project = gated(ENV);
        with_variable(&project, "run", value).with(code);
        assert_eq!(decided(&project), decisions, "{value:?}");
        assert_eq!(project.ledger().len(), usize::from(code == 0), "{value:?}");
        if code == 3 {
            // It waits like every gate, and the next runner's variable counts.
            with_variable(&project, "resume", Some("true")).with(0);
        }
    }
    let project = gated(ENV);
    with_variable(&project, "run", Some("sk-hunter2")).with(3).says(&["neither `approve` nor `reject`"]);
    let gates = project.outpost(&["gates"]).with(0).stdout;
    assert!(gates.contains("  or:      DEPLOY set to `approve` or `reject` where it is resumed\n"), "{gates}");
    // What it holds may be a secret that a person was asked for.
    let project = gated("{channel: env, variable: DEPLOY, any_value: true}");
    let done = with_variable(&project, "run", Some("sk-hunter2")).with(0);
    assert_eq!(decided(&project), by(true));
    let journal = std::fs::read_to_string(project.run_folder().expect("a run").join("journal.log")).expect("a journal");
    assert!(!journal.contains("hunter2") && !done.stderr.contains("hunter2"));
    // Nobody is called for what is decided already.
    let project = gated(&format!("[{ENV}, {{channel: console}}]"));
    with_variable(&project, "run", Some("approve")).with(0);
    assert_eq!(told(&project, "notice_sent"), [""; 0]);
    let project = gated_with(ENV, ", approvers: [ada]");
    with_variable(&project, "run", Some("approve")).with(3).says(&["only ada may decide"]);
}

#[test]
fn f_26_a_variable_that_is_not_set_approves_nothing() {
    for (word, code, ledger) in [("abort", 4, &[][..]), ("skip", 0, &[][..]), ("continue", 0, &["a 1 run ran"][..])] {
        let project = gated_with("{channel: env, variable: DEPLOY}", &format!(", on_missing: {word}"));
        with_variable(&project, "run", None).with(code).says(&["`DEPLOY` is not set"]);
        assert_eq!(project.ledger(), ledger, "{word}");
        assert_eq!(project.told("gate_decided"), [""; 0], "{word}: nobody said so");
        let expired = project.events().into_iter().find(|event| event.name() == "gate_expired").expect("an event");
        assert_eq!(expired.0["unset"], "DEPLOY");
        let project = gated_with("{channel: env, variable: DEPLOY}", &format!(", on_missing: {word}"));
        with_variable(&project, "run", Some("no")).with(4);
    }
    // What runs beside it is ended with the run.
    let gate = "human_required: {action: look, reason: so, notify: {channel: env, variable: DEPLOY}, on_missing: abort}\nrun: note ran";
    let project =
        project("", &[("long", "", "run: touch begun; sleep 300"), ("a", "b", gate), ("b", "", "run: await begun")]);
    with_variable(&project, "run", None).with(4);
    project.until_nothing_runs();
}
