//! The stream of events: every line fits the published schema, and a run can be told again from it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::project;
use crate::project::Project;

const GATED: &str = "human_required: {action: look, reason: so}\nrun: note ran";

/// The lines of a stream.
fn lines(project: &Project) -> Vec<String> {
    fs::read_to_string(project.path("events")).expect("events").lines().map(str::to_owned).collect()
}

/// Holds each line to the schema that the tool prints, and tells which events there were.
fn valid(project: &Project, seen: &mut BTreeSet<String>) {
    let schema = project.outpost(&["schema", "--events"]).with(0).stdout;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for line in lines(project) {
        let event: Value = serde_json::from_str(&line).expect("JSON");
        let problems: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{line}\n{problems:?}");
        seen.insert(event["event"].as_str().expect("a name").to_owned());
    }
}

#[test]
fn every_line_of_real_runs_fits_the_schema() {
    let mut seen = BTreeSet::new();
    let flaky = "on_failure: {max_retries: 1, retry_delay: PT0S}\nrun: test $OUTPOST_ATTEMPT = 2";
    let leaves = "output: {location: stdout, ports: {n: {type: integer}}}\nrun: echo 7";
    let project = project(
        "",
        &[
            ("a", "", flaky),
            ("b", "", leaves),
            ("c", "b", GATED),
            ("d", "", "when: 'true'\nrun: note ran"),
            ("e", "", "when: 'false'\nrun: note ran"),
            ("f", "a", "run: test -e go"),
            ("g", "", "human_required: {action: look, reason: so, timeout: PT0S, on_timeout: skip}\nrun: note ran"),
            ("h", "", GATED),
        ],
    );
    project.outpost(&["run", "blueprint.md", "--events", "events"]).with(3);
    let edited =
        fs::read_to_string(project.path("blueprint.md")).expect("the document").replace("test -e go", "exit 3");
    project.write("blueprint.md", &edited);
    let arguments = ["resume", "--accept-edit", "--approve", "c", "--events", "events"];
    project.outpost(&arguments).with(3);
    project.outpost(&["reject", "h"]).with(0);
    project.outpost(&["resume", "--events", "events"]).with(4);
    valid(&project, &mut seen);
    // All of it is one run, edit and all, and it is told to its end.
    project.outpost(&["replay", "events"]).with(4).says(&["accepted the edited document", "h", "ended by a gate"]);
    let journal = project.events().len();
    assert_eq!(lines(&project).len(), journal);

    let long = crate::project("", &[("a", "", "run: note begun; await go"), ("b", "", "run: await no; exit 1")]);
    let mut running = long.start(long.command(&["run", "blueprint.md", "--events", "events"]));
    long.until_written("a 1 run begun");
    long.outpost(&["cancel"]).with(0);
    let _ = running.child.wait();
    valid(&long, &mut seen);
    long.outpost(&["replay", "events"]).with(1).says(&["cancelled by ada"]);

    let killed = crate::project("", &[("a", "", "run: note begun; await go")]);
    let mut running = killed.start(killed.command(&["run", "blueprint.md", "--events", "events"]));
    killed.until_written("a 1 run begun");
    running.child.kill().expect("it runs");
    let _ = running.child.wait();
    killed.outpost(&["replay", "events"]).with(130).says(&["interrupted: 0 of 1 tasks complete"]);
    killed.outpost(&["resume", "--events", "events"]).with(3);
    killed.write("go", "");
    killed.outpost(&["resume", "--rerun", "a", "--events", "events"]).with(0);
    valid(&killed, &mut seen);
    killed.outpost(&["replay", "events"]).with(0).says(&["starts again: ada ordered it", "done: 1 of 1"]);
    let known = [
        "cancel_requested",
        "condition_held",
        "edit_accepted",
        "gate_decided",
        "gate_expired",
        "gate_opened",
        "repeat_allowed",
        "retry_scheduled",
        "run_ended",
        "run_started",
        "run_waiting",
        "runner_took_over",
        "stage_ended",
        "stage_handle",
        "stage_started",
        "task_blocked",
        "task_completed",
        "task_skipped",
        "task_unknown",
    ];
    assert!(known.iter().all(|name| seen.contains(*name)), "{seen:?}");
}

#[test]
fn a_replay_says_what_the_run_said_and_ends_as_it_did() {
    for (code, tasks) in [
        (0, vec![("a", "", "status: complete\nrun: note ran"), ("b", "a", "ruh: x\nrun: note ran")]),
        (
            1,
            vec![
                ("a", "", "on_failure: {max_retries: 1, retry_delay: PT0S}\nrun: echo why; exit 3"),
                ("b", "a", "run: note ran"),
            ],
        ),
        (3, vec![("a", "", "run: note ran"), ("b", "a", GATED)]),
        (
            4,
            vec![(
                "a",
                "",
                "human_required: {action: look, reason: so, timeout: PT0S, on_timeout: abort}\nrun: note ran",
            )],
        ),
    ] {
        let project = project("", &tasks);
        let ran = project.outpost(&["run", "blueprint.md", "--events", "events"]).with(code);
        let told = project.outpost(&["replay", "events"]).with(code);
        assert_eq!((told.stdout.as_str(), told.stderr), ("", ran.stderr.clone()));
        // Its journal tells the same, and so does the stream where nothing but stream and document is.
        let folder = project.run_folder().expect("a run");
        let id = folder.file_name().expect("an id").to_string_lossy().into_owned();
        assert_eq!(project.outpost(&["replay", &id]).with(code).stderr, ran.stderr);
        let other = crate::project("", &tasks);
        other.write(
            "events",
            &fs::read_to_string(project.path("events")).expect("events").replace("\"root\":\"/", "\"root\":\"/gone/"),
        );
        other.outpost(&["replay", "events"]).with(2).says(&["the document of the run", "--blueprint"]);
        let told = other.outpost(&["replay", "events", "--blueprint", "blueprint.md"]).with(code).stderr;
        assert_eq!(told, ran.stderr);
        other.write("blueprint.md", "# Another\n");
        other.outpost(&["replay", "events", "--blueprint", "blueprint.md"]).with(2).says(&["is none of those named"]);
        // In time, a thousand times as fast as it was.
        assert_eq!(project.outpost(&["replay", "events", "--speed", "1000"]).with(code).stderr, ran.stderr);
    }
}

#[test]
fn a_damaged_stream_is_told_with_its_line() {
    let project = project("", &[("a", "", "run: note ran"), ("b", "a", "run: note ran")]);
    project.outpost(&["run", "blueprint.md", "--events", "events"]).with(0);
    let whole = lines(&project);
    let replay = |lines: &[String], code: i32, words: &[&str]| {
        project.write("events", &(lines.join("\n") + "\n"));
        project.outpost(&["replay", "events"]).with(code).says(words);
    };
    let at = |name: &str| whole.iter().position(|line| line.contains(name)).expect("an event");
    let edited = |name: &str, from: &str, to: &str| {
        let mut lines = whole.clone();
        lines[at(name)] = lines[at(name)].replace(from, to);
        lines
    };
    let place = |name: &str| format!("line {} of `events`: ", at(name) + 1);
    replay(&whole, 0, &["done: 2 of 2"]);
    replay(&edited("stage_ended", "{\"v\"", "{\"v"), 2, &[&place("stage_ended"), "no JSON"]);
    replay(&edited("stage_ended", "\"v\":1", "\"v\":9"), 2, &[&place("stage_ended"), "version 9"]);
    replay(&edited("stage_ended", "stage_ended", "stage_eaten"), 2, &[&place("stage_ended"), "unknown variant"]);
    replay(
        &edited("stage_ended", "\"attempt\":1", "\"attempt\":2"),
        2,
        &[&place("stage_ended"), "`a` cannot have stage_ended"],
    );
    replay(
        &edited("task_completed", "\"task\":\"a\"", "\"task\":\"b\""),
        2,
        &[&place("task_completed"), "`b` cannot have"],
    );
    replay(
        &edited(
            "run_ended",
            "\"event\":\"run_ended\",\"state\":\"done\"",
            whole[0][whole[0].find("\"event\"").expect("a key")..].trim_end_matches('}'),
        ),
        2,
        &["a second run begins here"],
    );
    let mut lacking = whole.clone();
    lacking.remove(3);
    replay(&lacking, 2, &["line 4 of `events`: it is event 5, and event 4 should follow"]);
    replay(&whole[2..], 2, &["line 1 of `events`: it is event 3", "begins in the middle"]);
    replay(&[], 2, &["line 1 of `events`"]);
    project.write("events", "");
    project.outpost(&["replay", "events"]).with(2).says(&["has no events"]);
    // A line that its writer could not end is no damage.
    let text = whole.join("\n");
    project.write("events", &text[..text.len() - 5]);
    project.outpost(&["replay", "events"]).with(130).says(&["was cut short", "interrupted: 2 of 2"]);
    project.write("events", &format!("{{\"v\":1,{}\n", " ".repeat(17 << 20)));
    project.outpost(&["replay", "events"]).with(2).says(&["line 1 of `events`: it is longer than 17 MiB"]);
    for speed in ["1e-20", "0", "1e7", "NaN"] {
        project.outpost(&["replay", "events", "--speed", speed]).with(2).says(&["from 0.001 to 1000000"]);
    }
    project.outpost(&["replay", "nothing"]).with(2).says(&["there is no file `nothing`"]);
}

#[test]
fn a_replay_shows_where_the_run_stood() {
    let project = project("", &[("a", "", "run: note ran"), ("b", "a", "run: note ran")]);
    project.outpost(&["run", "blueprint.md", "--events", "events"]).with(0);
    let begun = 1 + lines(&project).iter().position(|line| line.contains("stage_started")).expect("a start");
    let told = project.outpost(&["replay", "events", "--at", &begun.to_string()]).with(0);
    assert!(told.stdout.contains("0 of 2 tasks complete, 1 running") && told.stderr.is_empty(), "{told:?}");
    let status = |arguments: &[&str]| -> Value {
        serde_json::from_str(&project.outpost(arguments).with(0).stdout).expect("JSON")
    };
    let at = status(&["replay", "events", "--json", "--at", &begun.to_string()]);
    assert_eq!((&at["state"], &at["tasks"][0]["status"]), (&"running".into(), &"in_progress".into()));
    assert_eq!(status(&["replay", "events", "--json"]), status(&["status", "--json"]));
}

#[cfg(target_os = "linux")]
#[test]
fn events_that_cannot_be_written_any_more_are_missed_and_fail_no_run() {
    let project = project("", &[("a", "", "run: note ran")]);
    let ended = project.outpost(&["run", "blueprint.md", "--events", "/dev/full"]).with(0);
    assert_eq!(ended.stderr.matches("events are not written any more: No space left").count(), 1, "{}", ended.stderr);
}
