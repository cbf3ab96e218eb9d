//! The runner is killed as soon as its journal has so many records, for each number of records.

#![expect(clippy::print_stderr, reason = "figures of a campaign")]

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::project::{Ended, Project, Running};
use crate::promises::kept;
use crate::shapes::{Shape, chain, fan_out, gate, retries};

/// Waits until the journal has so many records and kills the runner; how it ended, if it ended before.
pub(crate) fn killed_at(project: &Project, mut running: Running, records: usize) -> Option<Ended> {
    while project.events().len() < records {
        if running.is_over() {
            return Some(running.end());
        }
        thread::sleep(Duration::from_micros(300));
    }
    running.signal(Signal::KILL);
    running.end();
    project.until_nothing_runs();
    None
}

/// What a person does when the run waits: approves its gates, and orders again what nobody knows about, having
/// looked that it was not done.
pub(crate) fn words(project: &Project) -> Vec<String> {
    let events = project.events();
    let waits = events.iter().rfind(|event| event.name() == "run_waiting").expect("it says what it waits for");
    let tasks = waits.0["gates"].as_array().expect("tasks").iter().filter_map(|task| task.as_str());
    tasks
        .flat_map(|task| {
            let last = events
                .iter()
                .rfind(|event| event.task() == task && matches!(event.name(), "gate_opened" | "task_unknown"));
            let word = match last.expect("a reason to wait").name() {
                "gate_opened" => "--approve",
                _ => "--rerun",
            };
            [word.to_owned(), task.to_owned()]
        })
        .collect()
}

/// Runs, and resumes until the run is done. `until` says how many records each runner may live to see, from which
/// turn this is, how many runners were killed, and how many records there are. Returns how many were killed.
pub(crate) fn live(project: &Project, until: impl Fn(usize, usize, usize) -> usize) -> usize {
    let (mut said, mut killed) = (Vec::new(), 0);
    for turn in 0..60 {
        let before = project.events();
        // It may have been a little too late to kill the last one.
        if before.iter().any(|event| event.name() == "run_ended") {
            return killed;
        }
        // A runner may also be killed before its first record.
        let begin = before.is_empty().then_some(["run", "blueprint.md", "-j", "3", "--new-run"]);
        let mut arguments = begin.map_or_else(|| vec!["resume"], |begin| begin.to_vec());
        arguments.extend(said.iter().map(String::as_str));
        let running = project.start(project.command(&arguments));
        match killed_at(project, running, until(turn, killed, before.len())) {
            None => {
                killed += 1;
                // A word that was not taken waits for the next runner; to give an order twice is to give two.
                said.clear();
            }
            Some(Ended { code: Some(0), .. }) => return killed,
            Some(ended) => {
                ended.with(3);
                said = words(project);
            }
        }
    }
    panic!("it comes to no end: {:#?}", project.events());
}

fn killed_everywhere(shape: &Shape, sometimes: usize) {
    let document = shape.document();
    let whole = Project::of(&document);
    live(&whole, |_, _, _| usize::MAX);
    kept(&whole, shape, "undisturbed");
    let records = whole.events().len();
    let step = if std::env::var_os("OUTPOST_CRASHES").is_some() { 1 } else { sometimes };
    let (mut tried, mut killed) = (0, 0);
    for record in (1..records).step_by(step) {
        let project = Project::of(&document);
        tried += 1;
        killed += live(&project, |_, killed, _| if killed == 0 { record } else { usize::MAX });
        kept(&project, shape, &format!("killed at record {record}"));
    }
    eprintln!("{}: killed at {killed} of {tried} records, 0 violations", shape.name);
    // Some runners are quicker than whoever kills them; most are not.
    assert!(killed * 2 > tried, "{}: {killed} of {tried}", shape.name);
    for after in [2, 5] {
        let project = Project::of(&document);
        // A little later each time, so that there is an end.
        live(&project, |turn, _, before| before + after + turn);
        kept(&project, shape, &format!("killed again and again, first after {after} records"));
    }
}

#[test]
fn a_chain_survives_the_end_of_its_runner_at_any_record() {
    killed_everywhere(&chain(), 2);
}

#[test]
fn a_fan_out_with_a_lock_survives_the_end_of_its_runner_at_any_record() {
    killed_everywhere(&fan_out(), 3);
}

#[test]
fn retries_survive_the_end_of_their_runner_at_any_record() {
    killed_everywhere(&retries(), 2);
}

#[test]
fn a_gate_before_the_work_survives_the_end_of_its_runner_at_any_record() {
    killed_everywhere(&gate("before"), 3);
}

#[test]
fn a_gate_after_the_work_survives_the_end_of_its_runner_at_any_record() {
    killed_everywhere(&gate("after"), 3);
}
