//! The log of a run: every format and destination, levels, and the events that the format requires, in order.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::project::Project;
use crate::{document, project};

/// A task that fails once, one that fails for good, and one that holds a lock.
fn eventful(logging: &str) -> Project {
    let settings = format!("resource_locks: [db], logging: {{{logging}}}");
    project(
        &settings,
        &[
            ("good", "", "on_failure: {max_retries: 1, retry_delay: PT0S}\nrun: test \"$OUTPOST_ATTEMPT\" = 2"),
            ("bad", "good", "run: echo dull >&2; exit 7"),
            ("locked", "good", "resources: {locks: [db]}\nrun: note ran"),
        ],
    )
}

fn entries(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// `level event task` of each entry.
fn told(entries: &[Value]) -> Vec<String> {
    let word = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    entries
        .iter()
        .map(|entry| format!("{} {} {}", word(entry, "level"), word(entry, "event"), word(entry, "task_id")))
        .collect()
}

/// Those about a task, in order.
fn about<'t>(told: &'t [String], task: &str) -> Vec<&'t str> {
    told.iter().filter_map(|line| line.strip_suffix(task)).map(str::trim_end).collect()
}

#[test]
fn f_41_required_events_come_in_their_order_and_with_their_levels() {
    let project = eventful("level: debug");
    let ended = project.outpost(&["run", "blueprint.md", "-j", "1"]).with(1);
    let entries = entries(&ended.stdout);
    let told = told(&entries);
    assert_eq!(told.first().map(String::as_str), Some("info blueprint.start -"));
    assert_eq!(told.last().map(String::as_str), Some("error blueprint.failed -"));
    assert_eq!(
        about(&told, " good"),
        [
            "info task.start",
            "debug stage.start",
            "warn stage.failed",
            "warn task.retry",
            "info task.start",
            "debug stage.start",
            "debug stage.complete",
            "info task.complete"
        ]
    );
    assert_eq!(
        about(&told, " bad"),
        ["info task.start", "debug stage.start", "warn stage.failed", "error task.failed"]
    );
    assert_eq!(
        about(&told, " locked"),
        [
            "debug lock.acquired",
            "info task.start",
            "debug stage.start",
            "debug stage.complete",
            "debug lock.released",
            "info task.complete"
        ]
    );
    let failed = entries.iter().find(|entry| entry["event"] == "task.failed").expect("a failure");
    assert_eq!(failed["phase"], "execution");
    assert_eq!(failed["data"]["error"]["code"], "E_EXECUTION_FAILED");
    assert_eq!(failed["data"]["error"]["exit_code"], 7);
    assert!(failed["message"].as_str().expect("a message").starts_with("failed: E_EXECUTION_FAILED: "));
    let retry = entries.iter().find(|entry| entry["event"] == "task.retry").expect("a retry");
    assert_eq!((&retry["data"]["attempt"], &retry["data"]["error"]["code"]), (&2.into(), &"E_EXECUTION_FAILED".into()));
    let lock = entries.iter().find(|entry| entry["event"] == "lock.acquired").expect("a lock");
    assert_eq!((&lock["data"]["lock"], &lock["data"]["mode"]), (&"db".into(), &"exclusive".into()));
    let run = project.run_folder().expect("a run").file_name().expect("a name").to_string_lossy().into_owned();
    for entry in &entries {
        let keys: Vec<&str> = entry.as_object().expect("an object").keys().map(String::as_str).collect();
        let schema =
            ["timestamp", "level", "blueprint_id", "task_id", "executor_id", "phase", "event", "message", "data"];
        assert_eq!(keys, schema);
        assert_eq!((&entry["blueprint_id"], &entry["data"]["run"]), (&"blueprint".into(), &run.as_str().into()));
    }
}

#[test]
fn f_41_a_level_leaves_out_what_weighs_less() {
    let project = eventful("level: warn");
    let ended = project.outpost(&["run", "blueprint.md", "-j", "1"]).with(1);
    let lines = told(&entries(&ended.stdout));
    assert_eq!(
        lines,
        [
            "warn stage.failed good",
            "warn task.retry good",
            "warn stage.failed bad",
            "error task.failed bad",
            "error blueprint.failed -"
        ]
    );
    let ended = project.outpost(&["run", "blueprint.md", "--new-run", "--log", "error"]).with(1);
    assert_eq!(told(&entries(&ended.stdout)), ["error task.failed bad", "error blueprint.failed -"]);
    let ended = project.outpost(&["run", "blueprint.md", "--new-run", "--log", "off"]).with(1);
    assert_eq!(ended.stdout, "");
}

#[test]
fn f_41_text_and_ndjson_are_written_where_the_document_says() {
    let project = eventful("format: text, destination: stderr");
    let ended = project
        .outpost(&["run", "blueprint.md"])
        .with(1)
        .says(&["Z [INFO] [good] begins\n", "Z [ERROR] [bad] failed: E_EXECUTION_FAILED: "]);
    assert_eq!(ended.stdout, "");
    let project = eventful("format: text, include_timestamps: false, include_task_context: false");
    let ended = project.outpost(&["run", "blueprint.md"]).with(1);
    assert!(ended.stdout.lines().any(|line| line == "[INFO] begins"), "{}", ended.stdout);
    let project = eventful("format: ndjson, destination: stdout, include_task_context: false");
    let ended = project.outpost(&["run", "blueprint.md"]).with(1);
    let entries = entries(&ended.stdout);
    assert!(entries.len() > 5 && entries.iter().all(|entry| entry.get("task_id").is_none()));
}

#[test]
fn f_41_a_file_is_added_to_by_all_runners_of_a_run() {
    let logging = "destination: file, file_path: 'logs/${blueprint_id}-${timestamp_unix}.log'";
    let gate = [("a", "", "human_required: {action: look, reason: so}\nrun: note ran")];
    let project = project(&format!("logging: {{{logging}}}"), &gate);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["resume", "--approve", "a"]).with(0);
    let files: Vec<_> =
        fs::read_dir(project.path("logs")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(
        told(&entries(&fs::read_to_string(file).expect("the log"))),
        [
            "info blueprint.start -",
            "info gate.opened a",
            "info blueprint.waiting -",
            "info blueprint.resume -",
            "info gate.approved a",
            "info task.start a",
            "info task.complete a",
            "info blueprint.complete -"
        ]
    );
}

#[test]
fn f_41_a_log_that_cannot_be_written_fails_no_run_and_is_told_once() {
    let project = eventful("destination: file, file_path: nowhere/run.log");
    project.write("nowhere", "");
    let ended = project
        .outpost(&["run", "blueprint.md"])
        .with(1)
        .says(&["warning: failed to log to", "the run goes on without"]);
    assert_eq!(ended.stdout, "");
    // What the command line names is another matter: nothing has begun.
    let ended = project.outpost(&["run", "blueprint.md", "--new-run", "--log", "file=nowhere/run.log"]).with(2);
    assert!(ended.stderr.contains("failed to log to `nowhere/run.log`"), "{}", ended.stderr);
    let ended = project.outpost(&["run", "blueprint.md", "--new-run", "--log", "file=blueprint.md"]).with(2);
    assert!(ended.stderr.contains("it is the blueprint"), "{}", ended.stderr);
    // A disk that is full.
    let mut command = project.command(&["run", "blueprint.md", "--new-run", "--log", "stdout"]);
    command.stdout(fs::File::options().write(true).open("/dev/full").expect("a full disk"));
    let output = command.output().expect("the tool starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.matches("the log to standard output has gaps").count(), 1, "{stderr}");
}

#[test]
fn f_41_syslog_gets_datagrams_that_its_daemons_take() {
    let project = eventful("destination: syslog, format: text, include_timestamps: false, level: error");
    let socket = UnixDatagram::bind(project.path("log")).expect("a socket");
    let mut command = project.command(&["run", "blueprint.md"]);
    command.env("OUTPOST_SYSLOG", project.path("log"));
    project.start(command).end().with(1);
    socket.set_nonblocking(true).expect("a socket");
    let mut datagrams = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(length) = socket.recv(&mut buffer) {
        datagrams.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    // Priority: a program of a user (1), an error (3).
    let [failed, over] = &datagrams[..] else { panic!("{datagrams:?}") };
    let (head, message) = failed.split_once("]: ").expect("a tag");
    assert!(head.starts_with("<11>") && head.contains(" outpost-bp["), "{failed}");
    assert!(message.starts_with("[ERROR] [bad] failed: E_EXECUTION_FAILED"), "{failed}");
    assert!(over.contains("[ERROR] the run failed"), "{over}");
    // Nobody listens: the run goes on.
    drop(socket);
    fs::remove_file(project.path("log")).expect("a socket");
    let mut command = project.command(&["run", "blueprint.md", "--new-run"]);
    command.env("OUTPOST_SYSLOG", project.path("log"));
    let ended = project.start(command).end().with(1);
    assert_eq!(ended.stderr.matches("the log to syslog has gaps").count(), 1, "{}", ended.stderr);
}

#[test]
fn f_41_events_and_the_log_do_not_share_standard_output() {
    let project = eventful("level: error");
    let ended = project.outpost(&["run", "blueprint.md", "--json"]).with(1);
    assert!(ended.stderr.contains("the log goes to standard error"), "{}", ended.stderr);
    assert!(entries(&ended.stdout).iter().all(|event| event.get("n").is_some()));
    assert!(ended.stderr.lines().any(|line| line.contains("\"event\":\"task.failed\"")));
    project
        .outpost(&["run", "blueprint.md", "--new-run", "--events", "-", "--log", "stdout"])
        .with(2)
        .says(&["cannot both have"]);
}

#[test]
fn f_41_who_interrupts_a_run_is_logged_too() {
    let text = document("logging: {level: warn}", &[("a", "", "run: note ran; sleep 1000")]);
    let project = Project::of(&text);
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 run ran");
    running.signal(rustix::process::Signal::TERM);
    let ended = running.end().with(143);
    let lines = told(&entries(&ended.stdout));
    assert_eq!(lines, ["warn runner.remark -", "warn blueprint.interrupted -"]);
}

#[test]
fn who_looks_for_a_fault_sees_what_the_tool_does_and_no_value() {
    let project =
        project("resource_locks: [db]", &[("a", "", "resources: {locks: [db]}\nrun: echo \"$HIDDEN\" # a command")]);
    let run = |words: Option<&str>| {
        let mut command = project.command(&["run", "blueprint.md", "--new-run"]);
        command.env("HIDDEN", "canary-5c1e").envs(words.map(|words| ("OUTPOST_LOG", words)));
        project.start(command).end().with(0).stderr
    };
    let seen = run(Some("trace"));
    for words in [
        "task{id=\"a\"}:attempt{number=1}:stage{word=\"run\"}: outpost_bp::engine::driver::attempt: started",
        "outcome=Exited(0)",
        "a keeper starts",
        "asks for its locks",
        "synced the journal",
    ] {
        assert!(seen.contains(words), "`{words}` is missing in:\n{seen}");
    }
    assert!(!seen.contains("canary-5c1e") && !seen.contains("a command") && !seen.contains('\u{1b}'), "{seen}");
    assert!(!run(None).contains("keeper"));
    assert!(run(Some("outpost_bp=loud")).contains("warning: `OUTPOST_LOG`: "));
}

#[test]
fn nothing_that_is_written_replaces_the_blueprint_wherever_it_is_called_from() {
    let undone = "run: note did; exit 1\nrollback: note undid";
    let project = project("rollback: manual, logging: {file_path: blueprint.md}", &[("a", "", undone)]);
    let before = fs::read_to_string(project.path("blueprint.md")).expect("the blueprint");
    project.outpost(&["run", "blueprint.md"]).with(1).says(&["it is the blueprint"]);
    fs::create_dir(project.path("sub")).expect("a folder");
    for (arguments, code) in [
        (&["resume"][..], 1),
        (&["resume", "--events", "../blueprint.md"], 2),
        (&["resume", "--log", "file=../blueprint.md"], 2),
        (&["rollback", "--yes", "--events", "../blueprint.md"], 2),
        (&["rollback", "--yes", "--metrics", "../blueprint.md"], 2),
        (&["report", "--output", "../blueprint.md"], 2),
    ] {
        let mut command = project.command(arguments);
        command.current_dir(project.path("sub"));
        project.start(command).end().with(code).says(&["is the blueprint"]);
    }
    assert_eq!(fs::read_to_string(project.path("blueprint.md")).expect("the blueprint"), before);
    assert_eq!(project.ledger(), ["a 1 run did", "a 2 run did"]);
}
