//! What people and later runners rely on is on the disk before they may: outputs, notes, decisions, the records of keepers.
//!
//! `strace` tells in which order the tool asks the kernel for it. Where there is none the test says so and shows nothing.

#![expect(clippy::print_stderr, reason = "what was not shown has to be told")]

use std::fs;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;

const DOCUMENT: &str = "```yaml
task_id: leaves
name: leaves
human_required: {action: look, reason: so, when: after}
output: {location: stdout, ports: {p: {type: string}}}
run: echo it
```
";

/// A command of the tool, its calls written to a file.
fn traced(project: &Project, arguments: &[&str]) -> Option<Command> {
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace, to see in which order things are made durable");
        return None;
    }
    let mut command = Command::new("strace");
    let kinds = "trace=write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";
    command.args(["-f", "-qq", "-y", "-s", "4096", "-e", kinds, "-o", "calls", env!("CARGO_BIN_EXE_outpost-bp")]);
    command.args(arguments);
    project.place(&mut command);
    Some(command)
}

fn calls(project: &Project) -> Vec<String> {
    let text = fs::read(project.path("calls")).expect("the calls");
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

/// Where the first call stands that has all of these words, at or after a place.
#[track_caller]
fn place(calls: &[String], from: usize, words: &[&str]) -> usize {
    let found = calls.iter().skip(from).position(|call| words.iter().all(|word| call.contains(word)));
    from + found.unwrap_or_else(|| panic!("no call after {from} has {words:?}:\n{}", calls.join("\n")))
}

#[test]
fn what_a_person_or_a_task_leaves_is_on_the_disk_before_anybody_relies_on_it() {
    let project = Project::of(DOCUMENT);
    let Some(command) = traced(&project, &["run", "blueprint.md"]) else { return };
    project.start(command).end().with(3);
    let seen = calls(&project);
    let kept = place(&seen, 0, &["sync(", "leaves@1.ports.json>"]);
    let told = place(&seen, 0, &["write(", "/journal.log>", "\\\"stage_ended\\\"", "\\\"outputs\\\""]);
    assert!(kept < told, "the journal names an output that is not on the disk:\n{}", seen.join("\n"));

    let command = traced(&project, &["approve", "leaves", "--comment", "fine"]).expect("strace is here");
    project.start(command).end().with(0);
    let seen = calls(&project);
    let written = place(&seen, 0, &["fsync(", "/inbox/.note-"]);
    let named = place(&seen, written, &["/inbox/0000000001.json\""]);
    place(&seen, named, &["fsync(", "/inbox>"]);

    let command = traced(&project, &["resume"]).expect("strace is here");
    project.start(command).end().with(0);
    let seen = calls(&project);
    let decided = place(&seen, 0, &["write(", "/journal.log>", "\\\"gate_decided\\\""]);
    let synced = place(&seen, decided, &["fdatasync(", "/journal.log>"]);
    let taken = place(&seen, 0, &["unlink", "/inbox/0000000001.json\""]);
    assert!(synced < taken, "a word is taken away before it is on the disk:\n{}", seen.join("\n"));
}

#[test]
fn what_a_keeper_writes_for_the_next_runner_is_on_the_disk_before_it_has_its_name() {
    let project = Project::of("```yaml\ntask_id: a\nname: a\nrun: note begin; await go\n```\n");
    let Some(command) = traced(&project, &["run", "blueprint.md"]) else { return };
    let running = project.start(command);
    project.until_written("a 1 run begin");
    let events = project.events();
    let runner = events.iter().find(|event| event.name() == "runner_took_over").expect("a runner");
    let pid = runner.0["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).expect("a process");
    kill_process(pid, Signal::KILL).expect("ours");
    running.end();
    project.until_nothing_runs();
    let seen = calls(&project);
    let written = place(&seen, 0, &["fsync(", "a@1.run.log.exit.draft>"]);
    let named = place(&seen, written, &["rename", "a@1.run.log.exit\""]);
    place(&seen, named, &["fsync(", "/tasks>"]);
}
