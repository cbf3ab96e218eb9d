//! The commands around a run: status, edits, plans that are held to, events, and what CI systems see.

use std::fs;

use serde_json::Value;

use crate::project;

const GATE: &str = "human_required: {action: look, reason: so}\nrun: note ran";

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

#[test]
fn status_tells_where_a_run_stands_while_it_runs_and_after_it_died() {
    let project = project(
        "resource_locks: [{name: db}], max_parallel_tasks: 2",
        &[
            ("done", "", "run: note ran"),
            ("works", "done", "run: note begins; await go\nresources: {locks: [db]}"),
            ("locked", "done", "run: note ran\nresources: {locks: [db]}"),
            ("gated", "done", GATE),
            ("next", "works, gated", "run: note ran"),
            (
                "fails",
                "done",
                "run: note ran; echo last words >&2; exit 3\non_failure: {max_retries: 1, retry_delay: PT0.1S}",
            ),
        ],
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("works 1 run begins");
    project.until("the failure", || project.told("task_blocked") == ["fails"]);
    let status = json(&project.outpost(&["status", "--json"]).with(0).stdout);
    assert_eq!((&status["state"], &status["blueprint"]), (&"running".into(), &"Rows".into()));
    let task = |status: &Value, id: &str| {
        let tasks = status["tasks"].as_array().expect("tasks").iter();
        tasks.clone().find(|task| task["id"] == id).expect("a task").clone()
    };
    let words = |status: &Value, id: &str| {
        let task = task(status, id);
        format!("{} {}", task["status"].as_str().expect("a word"), task["waiting_for"])
    };
    assert_eq!(words(&status, "done"), "complete []");
    assert_eq!(
        (words(&status, "works"), task(&status, "works")["stage"].clone()),
        ("in_progress []".into(), "run".into())
    );
    assert_eq!(words(&status, "locked"), r#"not_started ["lock:db"]"#);
    assert_eq!(words(&status, "gated"), r#"not_started ["gate:gated"]"#);
    assert_eq!(words(&status, "next"), r#"not_started ["task:works","task:gated"]"#);
    // F40: the format's shape of an error.
    let fails = task(&status, "fails");
    assert_eq!((&fails["status"], &fails["attempts"]), (&"blocked".into(), &2.into()));
    let error = &fails["error"];
    assert_eq!((&error["code"], &error["task_id"]), (&"E_EXECUTION_FAILED".into(), &"fails".into()));
    assert_eq!((&error["phase"], &error["details"]["exit_code"]), (&"execution".into(), &3.into()));
    assert_eq!((&error["details"]["stderr"], &error["retry_info"]["max_retries"]), (&"last words\n".into(), &1.into()));
    assert!(error["details"]["duration"].is_number() && error["timestamp"].is_string(), "{error}");
    let gate = &status["gates"][0];
    assert_eq!((&gate["task"], &gate["action"], &gate["reason"]), (&"gated".into(), &"look".into(), &"so".into()));
    assert!(["requested_at", "deadline", "digest"].iter().all(|key| gate[*key].is_string()), "{gate}");
    assert_eq!((&status["locks"][0]["name"], &status["locks"][0]["task"]), (&"db".into(), &"works".into()));
    let screen = project.outpost(&["status"]).with(0).stdout;
    for words in [
        "running",
        "blocked: `run` exited with 3",
        "outpost-bp approve gated",
        "waits for the lock db, which works has",
    ] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.until_nothing_runs();
    let status = json(&project.outpost(&["status", "--json"]).with(0).stdout);
    assert_eq!(
        (&status["state"], words(&status, "works")),
        (&"interrupted".into(), r#"interrupted ["runner"]"#.into())
    );
    let screen = project.outpost(&["status"]).with(0).stdout;
    assert!(screen.contains("to go on: outpost-bp resume"), "{screen}");
}

#[test]
fn status_of_nothing_and_of_no_such_run_is_a_clear_error() {
    let project = project("", &[("a", "", "run: note ran")]);
    for command in [&["status"][..], &["resume"], &["approve", "a"], &["cancel"]] {
        project.outpost(command).with(2).says(&["nothing was ever run here", "outpost-bp run blueprint.md"]);
    }
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.outpost(&["status", "1999"]).with(2).says(&["no run begins with `1999`"]);
    let copy = project.run_folder().expect("a run").join("blueprint");
    fs::write(copy, "# Another\n").expect("a file of ours");
    project.outpost(&["status"]).with(1).says(&["blueprint` was changed"]);
}

#[test]
fn an_edited_document_needs_a_word_and_only_what_changed_runs_again() {
    let tasks = |word: &str| {
        let b = format!("run: note {word}");
        crate::document("", &[("a", "", "run: note ran"), ("b", "", &b), ("c", "b", "run: note ran"), ("g", "a", GATE)])
    };
    let project = project::Project::of(&tasks("first"));
    project.outpost(&["run", "blueprint.md", "-j", "1"]).with(3);
    assert_eq!(project.ledger(), ["a 1 run ran", "b 1 run first", "c 1 run ran"]);
    project.write("blueprint.md", &tasks("second"));
    let refused = project.outpost(&["resume"]).with(9);
    refused.says(&["changed: b", "would run again: b, c", "--accept-edit"]);
    project.outpost(&["resume", "--accept-edit", "--approve", "g"]).with(0);
    let mut ledger = project.ledger();
    ledger.sort_unstable();
    assert_eq!(ledger, ["a 1 run ran", "b 1 run first", "b 2 run second", "c 1 run ran", "c 2 run ran", "g 1 run ran"]);
    // The journal replays over the edit.
    assert_eq!(json(&project.outpost(&["status", "--json"]).with(0).stdout)["state"], "done");
    // An edit with errors is no edit.
    project.write("blueprint.md", &tasks("third"));
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.write("blueprint.md", &tasks("fourth").replace("dependencies: [b]", "dependencies: [nobody]"));
    project.outpost(&["resume", "--accept-edit"]).with(2).says(&["has errors now", "outpost-bp check"]);
}

#[test]
fn a_plan_is_a_promise() {
    let tasks = |word: &str| {
        let b = format!("run: note {word}");
        crate::document("", &[("a", "", "run: note ran"), ("b", "", &b)])
    };
    let project = project::Project::of(&tasks("first"));
    let plan = project.outpost(&["plan", "blueprint.md", "b", "--json"]).with(0).stdout;
    project.write("plan.json", &plan);
    project.outpost(&["run", "blueprint.md", "--plan", "plan.json"]).with(0);
    assert_eq!(project.ledger(), ["b 1 run first"], "the plan has the selection");
    project.write("blueprint.md", &tasks("second"));
    project.outpost(&["run", "blueprint.md", "--plan", "plan.json"]).with(9).says(&["since it was planned: b"]);
    project.write("plan.json", "{}");
    project.outpost(&["run", "blueprint.md", "--plan", "plan.json"]).with(2).says(&["is no plan"]);
    assert_eq!(project.ledger(), ["b 1 run first"]);
}

#[test]
fn a_dry_run_shows_the_plan_and_leaves_nothing() {
    let project = project("", &[("a", "", "run: note ran")]);
    let shown = project.outpost(&["run", "blueprint.md", "--dry-run"]).with(0).stdout;
    assert!(shown.contains("wave 1"), "{shown}");
    assert!(!project.path(".outpost").exists() && project.ledger().is_empty());
}

#[test]
fn a_run_that_is_not_over_is_not_forgotten() {
    let project = project("", &[("g", "", GATE)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["run", "blueprint.md"]).with(2).says(&["is not over", "outpost-bp resume", "--new-run"]);
    let first = project.run_folder().expect("a run");
    project.outpost(&["run", "blueprint.md", "--new-run"]).with(3);
    let second = project.run_folder().expect("a run");
    assert_ne!(first, second);
    let id = |folder: &std::path::Path| folder.file_name().expect("an id").to_string_lossy().into_owned();
    project.outpost(&["cancel", &id(&second)]).with(0);
    project.outpost(&["resume", &id(&second)]).with(2).says(&["is over: cancelled"]);
    project.outpost(&["cancel", &id(&second)]).with(2).says(&["is over"]);
    // The first one is the only one left: no need to name it.
    project.outpost(&["approve", "g"]).with(0);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["g 1 run ran"]);
}

#[test]
fn a_run_that_is_done_has_nothing_left_to_do() {
    let project = project("", &[("a", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let journal = project.run_folder().expect("a run").join("journal.log");
    let whole = fs::read(&journal).expect("a journal");
    project.outpost(&["resume"]).with(0).says(&["nothing to do: the run", "is done"]);
    for order in [&["resume", "--rerun", "a"][..], &["resume", "--accept-edit"]] {
        project.outpost(order).with(2).says(&["is over: done"]);
    }
    assert_eq!(project.ledger(), ["a 1 run ran"]);
    assert_eq!(fs::read(&journal).expect("a journal"), whole);
    // What stands behind its end is told, and cut off.
    fs::write(&journal, [&whole[..], b"5c3f"].concat()).expect("a file of ours");
    project.outpost(&["resume"]).with(0).says(&["was cut short", "nothing to do"]);
    assert_eq!(fs::read(&journal).expect("a journal"), whole);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&journal, damaged).expect("a file of ours");
    project.outpost(&["resume"]).with(1).says(&["its checksum is wrong"]);
}

#[test]
fn a_document_names_its_latest_run() {
    let project = project("", &[("g", "", GATE)]);
    project.write("other.md", &crate::document("", &[("b", "", "run: note ran")]));
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.outpost(&["run", "blueprint.md", "--new-run"]).with(3);
    let second = project.run_folder().expect("a run");
    project.outpost(&["run", "other.md"]).with(0);
    let of = |word: &str| json(&project.outpost(&["status", word, "--json"]).with(0).stdout)["run"].clone();
    assert_eq!(of("blueprint.md").as_str(), second.file_name().expect("an id").to_str());
    // Of those that are not over, where that is what counts.
    project.outpost(&["cancel", "./blueprint.md"]).with(0);
    project.outpost(&["approve", "g", "--run", "blueprint.md"]).with(0);
    project.outpost(&["resume", "blueprint.md"]).with(0);
    project.outpost(&["resume", "blueprint.md"]).with(2).says(&["is over: cancelled"]);
    project.outpost(&["resume", "other.md"]).with(0).says(&["nothing to do"]);
    project.outpost(&["rollback", "other.md", "--dry-run"]).with(0);
    let mut offered = project.command(&["--", "outpost-bp", "status", "oth"]);
    offered.env("COMPLETE", "fish");
    assert_eq!(project.start(offered).end().stdout, "other.md\n");
    // Also where it is gone; and where nothing was run of it, that is said.
    fs::remove_file(project.path("other.md")).expect("a file of ours");
    assert_ne!(of("other.md"), of("blueprint.md"));
    project.write("third.md", "# Third\n");
    project.outpost(&["status", "third.md"]).with(2).says(&["no run of `third.md` is kept here"]);
    project.outpost(&["status", "fourth.md"]).with(2).says(&["no run begins with `fourth.md`"]);
}

#[test]
fn a_document_with_errors_is_not_run() {
    let project = project("", &[("a", "nobody", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(2).says(&["BP201", "is not run"]);
    assert!(!project.path(".outpost").exists());
}

#[test]
fn events_are_the_journals_own_and_nobody_has_to_listen() {
    let project = project("", &[("a", "", "run: note ran"), ("b", "a", "run: note ran")]);
    let printed = project.outpost(&["run", "blueprint.md", "--json"]).with(0).stdout;
    let mut events: Vec<Value> = printed.lines().map(json).collect();
    for (number, event) in (1..).zip(&mut events) {
        let mut head = |key: &str| event.as_object_mut().and_then(|event| event.shift_remove(key)).expect("a head");
        assert_eq!((head("v"), head("n")), (1.into(), number.into()));
        assert!(head("t").as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
    }
    let journal: Vec<Value> = project.events().into_iter().map(|event| event.0).collect();
    assert_eq!(events, journal);
    project.outpost(&["run", "blueprint.md", "--events", "events.ndjson"]).with(0);
    let written = fs::read_to_string(project.path("events.ndjson")).expect("a file");
    assert_eq!(written.lines().count(), events.len());
    project.outpost(&["run", "blueprint.md", "--events", "no/such/place"]).with(2).says(&["no/such/place"]);
    // A reader that went away ends nothing.
    let mut command = project.command(&["run", "blueprint.md", "--json"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = command.stdout(writer).stderr(std::process::Stdio::null()).status().expect("a run");
    assert_eq!(status.code(), Some(0));
    assert_eq!(project.ledger().len(), 6);
}

#[test]
fn github_actions_gets_groups_annotations_and_a_summary() {
    let project = project("", &[("a", "", "run: |\n  echo 100% wrong\n  exit 4"), ("b", "a", "run: note ran")]);
    let mut command = project.command(&["run", "blueprint.md"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", project.path("summary.md"));
    let ended = project.start(command).end().with(1);
    ended.says(&["::group::a ", "stdout | 100% wrong", "::endgroup::", "::error file=blueprint.md,line=8,"]);
    let summary = fs::read_to_string(project.path("summary.md")).expect("a summary");
    assert!(
        summary.contains("| ✘ | a a | blocked: \\`run\\` exited with 4 |")
            && summary.contains("| ○ | b b | not started"),
        "{summary}"
    );
}

#[test]
fn the_end_names_the_root_of_a_failure_its_last_words_and_the_way_on() {
    let project = project(
        "",
        &[
            ("a", "", "run: |\n  printf 'fine \\033[31mred\\033[0m\\n'\n  exit 4"),
            ("b", "a", "run: note ran"),
            ("c", "b", "run: note ran"),
        ],
    );
    let ended = project.outpost(&["run", "blueprint.md"]).with(1);
    let words = [
        "a failed: `run` exited with 4",
        "stdout | fine red",
        "not started because of it: b, c",
        "then: outpost-bp resume",
    ];
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    let places: Vec<Option<usize>> = words.iter().map(|word| ended.stderr.find(word)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{}", ended.stderr);
}

#[test]
fn a_run_says_what_it_leaves_alone() {
    let tasks = "status: complete\nrun: note done";
    let project = project("", &[("done", "", tasks), ("a", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["the document calls done complete or skipped"]);
    assert_eq!(project.ledger(), ["a 1 run ran"]);
    // F11: unless somebody asks for it.
    project.outpost(&["run", "blueprint.md", "--rerun", "done", "--", "done"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran", "done 1 run done"]);
}

#[test]
fn what_an_alias_stands_for_is_part_of_a_task() {
    let document = |word: &str| {
        format!(
            "# Alias\n\n```yaml\nwork: &work {{run: note {word}}}\ntasks:\n- task_id: a\n  name: a\n  <<: *work\n\
             - task_id: g\n  name: g\n  dependencies: [a]\n  run: note ran\n  human_required: {{action: look, reason: so}}\n```\n"
        )
    };
    let project = project::Project::of(&document("one"));
    project.outpost(&["run", "blueprint.md"]).with(3);
    project.write("blueprint.md", &document("two"));
    project.outpost(&["resume"]).with(9).says(&["changed: a", "would run again: a, g"]);
}

#[test]
fn a_failed_run_goes_on_with_a_mended_document() {
    let document = |status: u8| {
        crate::document("", &[("a", "", &format!("run: note ran; exit {status}")), ("b", "a", "run: note ran")])
    };
    let project = project::Project::of(&document(1));
    project.outpost(&["run", "blueprint.md"]).with(1);
    project.write("blueprint.md", &document(0));
    project.outpost(&["resume"]).with(9);
    assert_eq!(json(&project.outpost(&["status", "--json"]).stdout)["state"], "failed", "nothing is written yet");
    project.outpost(&["resume", "--accept-edit"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run ran", "a 2 run ran", "b 1 run ran"]);
}

#[test]
fn an_edit_is_no_permit_to_repeat_what_nobody_knows() {
    let document = |name: &str| {
        format!("# Edit\n\n```yaml\ntask_id: a\nname: {name}\nrun: note begins; await go; note done\n```\n")
    };
    let project = project::Project::of(&document("one"));
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 run begins");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.write("go", "");
    project.write("blueprint.md", &document("two"));
    project.outpost(&["resume", "--accept-edit"]).with(3).says(&["--rerun a"]);
    assert_eq!(project.ledger(), ["a 1 run begins"]);
    project.outpost(&["resume", "--rerun", "a"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run begins", "a 2 run begins", "a 2 run done"]);
}

#[test]
fn an_edit_of_the_settings_may_change_what_a_task_consists_of() {
    let document = |executor: &str| {
        format!(
            "# Edit\n\n```yaml\nexecution: {{executor: {executor}}}\n```\n\n```yaml\ntask_id: a\nname: a\nrun: note ran\n\
             verification: {{smoke: {{command: 'note looks; await go'}}}}\n```\n"
        )
    };
    let project = project::Project::of(&document("shell"));
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 verify:smoke looks");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    project.write("go", "");
    project.write("blueprint.md", &document("manual"));
    project.outpost(&["resume"]).with(9).says(&["changed: a"]);
    project.outpost(&["resume", "--accept-edit"]).with(0);
    assert_eq!(json(&project.outpost(&["status", "--json"]).with(0).stdout)["state"], "done");
}

#[test]
fn an_edit_that_cannot_run_is_not_accepted() {
    let document = |needs: &str| {
        crate::document("", &[("a", "", GATE), ("b", needs, "run: note ran"), ("c", "", "run: note ran")])
    };
    let project = project::Project::of(&document(""));
    project.outpost(&["run", "blueprint.md", "a", "b"]).with(3);
    project.write("blueprint.md", &document("c"));
    project.outpost(&["resume", "--accept-edit"]).with(2).says(&["wait for c", "than this run selected"]);
    assert_eq!(project.told("edit_accepted"), [""; 0]);
    project.write("blueprint.md", &document(""));
    project.outpost(&["resume", "--approve", "a"]).with(0);
}

#[test]
fn what_is_misspelt_is_said_before_it_is_missed() {
    let project = project("", &[("a", "", "depends_on: [b]\nrun: note ran"), ("b", "", "run: note ran")]);
    project.outpost(&["run", "blueprint.md"]).with(0).says(&["depends_on", "outpost-bp check blueprint.md"]);
    project.outpost(&["run", "blueprint.md", "--events", "blueprint.md"]).with(2).says(&["events would replace it"]);
}
