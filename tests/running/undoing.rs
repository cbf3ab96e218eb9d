//! What undoes a task, what stands in for it, what follows its success, and what the run itself asks for.

use std::fs;
#[cfg(target_os = "linux")]
use std::io::{Read as _, Write as _};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Stdio;

use rustix::process::Signal;
#[cfg(target_os = "linux")]
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::project;
use crate::project::Project;

/// Three tasks in a row, each undone by a note; what is said of each comes last.
fn chain(execution: &str, last: [&str; 3]) -> Project {
    let ids = ["a", "b", "c"];
    let rest: Vec<String> = ids
        .iter()
        .zip(last)
        .map(|(id, more)| format!("run: note did\nrollback: {{command: \"note undid; test ! -e keep-{id}\"}}\n{more}"))
        .collect();
    project(execution, &[("a", "", &rest[0]), ("b", "a", &rest[1]), ("c", "b", &rest[2])])
}

const FAILS: &str = "verification: {unit: {command: test -e mended}}";

/// The words of the ledger: task and what it says.
fn did(project: &Project) -> Vec<String> {
    let ledger = project.ledger();
    let short = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{} {}", words[0], words[3..].join(" "))
    };
    ledger.iter().map(short).collect()
}

#[test]
fn x_06_what_a_run_did_is_undone_the_last_first_and_the_failed_task_too() {
    let project = chain("", ["", "", FAILS]);
    project.outpost(&["run", "blueprint.md"]).with(1).says(&["to undo what 3 tasks did: outpost-bp rollback"]);
    let shown = project.outpost(&["rollback", "--dry-run"]).with(0);
    shown.says(&["1. c", "2. b", "3. a"]);
    assert_eq!(did(&project), ["a did", "b did", "c did"], "nothing is undone without a word");
    project.outpost(&["rollback"]).with(2).says(&["nobody is here to say yes", "--yes"]);
    project.outpost(&["rollback", "--yes"]).with(5).says(&["rolled back: 3 of 3 tasks are undone"]);
    assert_eq!(did(&project)[3..], ["c undid", "b undid", "a undid"]);
    let status = project.outpost(&["status", "--json"]).with(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(status["state"], "rolled_back");
    assert!(status["tasks"].as_array().expect("tasks").iter().all(|task| task["status"] == "rolled_back"), "{status}");
    project.outpost(&["rollback", "--yes"]).with(0).says(&["nothing is left to undo"]);
    project.outpost(&["resume"]).with(2).says(&["rolled back"]);
    assert_eq!(did(&project).len(), 6, "once is enough");
}

#[test]
fn x_06_one_that_cannot_be_undone_keeps_no_other_from_it_and_is_tried_again_by_name() {
    let project = chain("", ["", "", FAILS]);
    project.write("keep-b", "");
    project.outpost(&["run", "blueprint.md"]).with(1);
    let ended = project.outpost(&["rollback", "--yes"]).with(6);
    ended.says(&[
        "b is not undone: `rollback` exited with 1 (E_ROLLBACK_FAILED)",
        "2 of 3 tasks are undone, 1 could not be",
    ]);
    assert_eq!(did(&project)[3..], ["c undid", "b undid", "a undid"]);
    project.outpost(&["rollback", "--yes"]).with(0).says(&["name it to have it tried again"]);
    fs::remove_file(project.path("keep-b")).expect("the obstacle");
    project.outpost(&["rollback", "--yes", "b"]).with(5);
    assert_eq!(did(&project)[6..], ["b undid"]);
    let logs = project.outpost(&["logs", "b", "--stage", "rollback"]).with(0);
    assert!(logs.stderr.contains("rollback"), "{}", logs.stderr);
}

#[test]
fn x_06_what_stands_on_a_task_falls_with_it() {
    let project = chain("", ["", "", ""]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.outpost(&["rollback", "--yes", "b"]).with(2).says(&["`c` stands on `b`", "`b+`", "--alone"]);
    project.outpost(&["rollback", "--yes", "b+"]).with(5);
    assert_eq!(did(&project)[3..], ["c undid", "b undid"]);
    project.outpost(&["rollback", "--yes", "a"]).with(5);
    assert_eq!(did(&project)[5..], ["a undid"]);
}

#[test]
fn x_06_modes_say_when() {
    for (execution, code, undone) in [
        ("rollback: auto", 5, &["c undid", "b undid", "a undid"][..]),
        ("rollback: manual", 1, &[]),
        // Nobody is asked where nobody is.
        ("rollback: ask", 1, &[]),
    ] {
        let project = chain(execution, ["", "", FAILS]);
        project.outpost(&["run", "blueprint.md"]).with(code);
        assert_eq!(did(&project)[3..], *undone, "{execution}");
    }
    // A task alone, as soon as it failed for good, between its last attempt and what its action says.
    let policy = "on_failure: {rollback: auto, max_retries: 1, retry_delay: PT0S, action: skip}";
    let project = chain("", ["", &format!("{FAILS}\n{policy}"), ""]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(did(&project), ["a did", "b did", "b did", "b undid", "c did"]);
}

#[test]
fn x_06_only_what_the_run_began_is_undone_and_what_cannot_be_is_told() {
    let verified = "verification: {unit: {command: note looked}}\nrollback: note undid";
    let project = project(
        "",
        &[
            ("there", "", verified),
            ("done", "", "status: complete\nrun: note did\nrollback: note undid"),
            ("sent", "there", "run: note did\nrollback: {irreversible: true}"),
            ("mute", "there", "run: note did"),
            ("last", "sent", "run: note did; exit 1\nrollback: note undid"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(1);
    let ended = project.outpost(&["rollback", "--yes"]).with(5);
    ended.says(&["sent", "cannot be undone, as the document says", "mute", "does not say how to undo it"]);
    let ledger = did(&project);
    let undone: Vec<&String> = ledger.iter().filter(|line| line.ends_with("undid")).collect();
    assert_eq!(undone, ["last undid"]);
}

#[test]
fn x_06_a_rollback_has_its_own_time_retries_locks_and_what_the_task_left() {
    let project = project(
        "resource_locks: [{name: state, type: exclusive}]",
        &[
            (
                "a",
                "",
                "run: echo 7 > \"$OUTPOST_OUTPUT\"\nresources: {locks: [state]}\noutput: {location: file, format: json, ports: {n: {type: integer}}}\n\
                 rollback: {command: 'note undid $(tr -d \" \\n\" < $OUTPOST_OUTPUTS); test $OUTPOST_ATTEMPT = 2', max_retries: 2, retry_delay: PT0.05S}",
            ),
            ("b", "a", "run: note did\nrollback: {command: \"stubborn\", timeout: PT0.2S}"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.outpost(&["rollback", "--yes"]).with(6).says(&["`rollback` took longer than", "(rollback.timeout)"]);
    let ledger = project.ledger();
    assert_eq!(ledger[ledger.len() - 2..], ["a 1 rollback undid {\"n\":7}", "a 2 rollback undid {\"n\":7}"]);
}

#[test]
fn f_23_a_fallback_does_the_work_of_what_failed_and_else_nothing() {
    let tasks = |fails: &str, fallback: &str| {
        let first = format!(
            "run: note did; {fails}\non_failure: {{fallback_task: other, max_retries: 1, retry_delay: PT0S}}\n\
             output: {{location: file, format: json, ports: {{n: {{type: integer}}}}}}"
        );
        let first = first.replace("note did;", "note did; echo 1 > \"$OUTPOST_OUTPUT\";");
        let other = format!(
            "run: note did; echo 2 > \"$OUTPOST_OUTPUT\"; {fallback}\noutput: {{location: file, format: json, ports: {{n: {{type: integer}}}}}}"
        );
        let last = "run: note got $OUTPOST_INPUT_N\ninput_bindings: {n: {source: first, output_port: n}}";
        project("", &[("first", "", &first), ("other", "", &other), ("last", "first", last)])
    };
    let fine = tasks("true", "true");
    fine.outpost(&["run", "blueprint.md"]).with(0).says(&["skipped: no task needed it as its fallback"]);
    assert_eq!(did(&fine), ["first did", "last got 1"]);
    let replaced = tasks("exit 1", "true");
    replaced.outpost(&["run", "blueprint.md"]).with(0).says(&["its fallback other does its work"]);
    assert_eq!(did(&replaced), ["first did", "first did", "other did", "last got 2"]);
    let lost = tasks("exit 1", "exit 1");
    lost.outpost(&["run", "blueprint.md"]).with(1);
    assert_eq!(did(&lost), ["first did", "first did", "other did"]);
    // Whoever resumes has mended something: one more attempt, and the fallback only if it is called again.
    lost.outpost(&["resume"]).with(1);
    assert_eq!(did(&lost)[3..], ["first did", "other did"]);
}

#[test]
fn f_23_on_success_follows_once_and_fails_nothing() {
    let project = project(
        "",
        &[
            ("a", "", "run: note did\non_success: note cheered; echo loudly; exit 3"),
            ("b", "a", "run: note did; exit 1\non_success: note cheered"),
        ],
    );
    let ended = project.outpost(&["run", "blueprint.md"]).with(1);
    ended.says(&["`on_success` exited with 3"]);
    let mut ledger = did(&project);
    ledger.sort_unstable();
    assert_eq!(ledger, ["a cheered", "a did", "b did"]);
    project.outpost(&["resume"]).with(1);
    assert_eq!(did(&project).iter().filter(|line| *line == "a cheered").count(), 1);
    assert_eq!(project.outpost(&["logs", "a", "--stage", "on_success"]).with(0).stdout, "loudly\n");
}

const HOOKS: &str = "hooks: {on_start: note-hook, on_waiting: note-hook, on_success: note-hook, on_failure: note-hook, on_exit: note-hook}";

/// A project whose hooks write a line each.
fn hooked(tasks: &[(&str, &str, &str)]) -> Project {
    let line = "echo hook $OUTPOST_HOOK $OUTPOST_STATE >> $LEDGER";
    project(&HOOKS.replace("note-hook", &format!("\"{line}\"")), tasks)
}

#[test]
fn x_07_hooks_come_in_their_order_and_once() {
    let gate = "run: note did\nhuman_required: {action: look}";
    let project = hooked(&[("a", "", "run: note did"), ("b", "a", gate)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    let begun = ["hook on_start starting", "a 1 run did", "hook on_waiting waiting"];
    assert_eq!(project.ledger(), begun);
    project.outpost(&["resume"]).with(3);
    assert_eq!(project.ledger(), begun, "for the same gates once");
    project.outpost(&["approve", "b"]).with(0);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger()[3..], ["b 1 run did", "hook on_success done", "hook on_exit done"]);
    project.outpost(&["logs", "hooks"]).with(0);
}

#[test]
fn x_07_a_failed_run_has_its_hooks_at_each_of_its_ends_and_around_a_rollback() {
    let project = hooked(&[("a", "", "run: note did; test -e mended\nrollback: note undid")]);
    project.outpost(&["run", "blueprint.md"]).with(1);
    let first = ["hook on_start starting", "a 1 run did", "hook on_failure failed", "hook on_exit failed"];
    assert_eq!(project.ledger(), first);
    project.outpost(&["resume"]).with(1);
    assert_eq!(project.ledger()[4..], ["a 2 run did", "hook on_failure failed", "hook on_exit failed"]);
    project.outpost(&["rollback", "--yes"]).with(5);
    let undone = ["hook on_start starting", "a 1 rollback undid", "hook on_exit rolled_back"];
    assert_eq!(project.ledger()[7..], undone);
}

#[test]
fn x_07_nothing_begins_when_on_start_fails_and_resume_tries_it_again() {
    let project = project("hooks: {on_start: 'echo no server >&2; test -e ready'}", &[("a", "", "run: note did")]);
    let said = ["`on_start` failed", "hook on_start failed: ", "stderr | no server", "outpost-bp logs hooks --run "];
    project.outpost(&["run", "blueprint.md"]).with(1).says(&said);
    assert_eq!(project.ledger(), [""; 0]);
    project.write("ready", "");
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run did"]);
}

#[test]
fn x_07_what_a_hook_starts_is_there_for_all_tasks_and_runners_if_it_is_meant_to_stay() {
    let serve = "(exec setsid sleep 1000 </dev/null >/dev/null 2>&1) & echo $! > $OUTPOST_HOOK.pid";
    let hooks = format!(
        "hooks: {{on_start: {{command: '{serve}', stays: true}}, on_waiting: '{serve}', \
         on_exit: 'kill $(cat on_start.pid)'}}"
    );
    let is_there = "run: kill -0 $(cat on_start.pid) && note did";
    let gate = format!("{is_there}\nhuman_required: {{action: look}}");
    let project = project(&hooks, &[("a", "", is_there), ("b", "a", &gate)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    let alive = |hook: &str| {
        let pid = fs::read_to_string(project.path(&format!("{hook}.pid"))).expect("a pid");
        // One that nobody has collected yet is as good as gone.
        let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    assert!(alive("on_start"), "between two runners");
    assert!(!alive("on_waiting"), "as usual");
    project.outpost(&["resume", "--approve", "b"]).with(0);
    assert!(!alive("on_start"), "its own hook has ended it");
    assert_eq!(project.ledger(), ["a 1 run did", "b 1 run did"]);
}

#[test]
fn x_06_a_word_that_may_be_a_run_or_a_task_undoes_neither() {
    let undo = "run: note did\nrollback: note undid";
    let project = project("", &[("'2'", "", undo), ("other", "", undo)]);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let ended = project.outpost(&["rollback", "2", "--yes"]).with(2);
    ended.says(&["`2` is a task and begins the id of a run", "outpost-bp rollback 20"]);
    project.outpost(&["rollback", "20", "2", "--yes"]).with(5);
    assert_eq!(did(&project)[2..], ["2 undid"]);
}

#[cfg(target_os = "linux")]
#[test]
fn x_06_whoever_watched_a_run_fail_sees_it_being_undone() {
    let project = chain("", ["", "", FAILS]);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal of our own");
    unlockpt(&master).expect("a terminal that can be opened");
    let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a path");
    let terminal = fs::OpenOptions::new().read(true).write(true).open(name).expect("its other end");
    let mut master = fs::File::from(master);
    // It waits until somebody asks.
    master.write_all(b"y\n").expect("an answer");
    let mut command = project.command(&["run", "blueprint.md", "--events", "events", "--log", "file=log"]);
    command.args(["--metrics", "run.prom"]).env("TERM", "dumb");
    command.stdin(terminal.try_clone().expect("a terminal")).stdout(Stdio::null()).stderr(terminal);
    let mut child = command.spawn().expect("the tool starts");
    drop(command);
    let mut shown = Vec::new();
    // When nobody holds the other end any more, Linux answers with an error.
    let _ = master.read_to_end(&mut shown);
    assert_eq!(child.wait().expect("a child").code(), Some(5), "{}", String::from_utf8_lossy(&shown));
    let read = |name: &str| fs::read_to_string(project.path(name)).expect("a file");
    assert_eq!(read("events").lines().count(), project.events().len());
    assert!(read("log").contains("blueprint.rolled_back"), "{}", read("log"));
    assert!(read("run.prom").contains("state=\"rolled_back\"} 1\n"), "{}", read("run.prom"));
    project.outpost(&["replay", "events"]).with(5);
}

#[test]
fn x_07_a_signal_ends_the_command_that_cancels_a_run() {
    let gate = "human_required: {action: look, reason: so}\nrun: note ran";
    let project = project("hooks: {on_exit: note begun; sleep 1000}", &[("a", "", gate)]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    let cancel = project.start(project.command(&["cancel"]));
    project.until("the hook", || !project.ledger().is_empty());
    cancel.signal(Signal::TERM);
    let ended = cancel.end().with(143);
    assert!(!ended.stderr.contains("is cancelled by"), "{}", ended.stderr);
}
