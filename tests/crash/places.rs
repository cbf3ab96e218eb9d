//! The runner is killed at each write and each sync of its journal: before it, in the middle of it, after it.

#![expect(clippy::print_stderr, reason = "figures of a campaign")]

use std::fs::OpenOptions;

use crate::project::Project;
use crate::promises::kept;
use crate::records::{killed_at, live, words};
use crate::shapes::{Shape, chain, fan_out, gate, retries};
use crate::traced;

/// The places, and what has the tracer reach them in the nth call.
const PLACES: [(&str, &str); 5] = [
    ("before a write", "write:signal=KILL"),
    ("in the middle of a write", "write:delay_exit=60000000"),
    ("after a write", "write:delay_exit=60000000"),
    ("before a sync", "fdatasync:signal=KILL"),
    ("after a sync", "fdatasync:delay_exit=60000000"),
];

/// Cuts the last write somewhere in its middle, as a kernel may that was asked to kill. Nobody acted on it yet.
fn tear(project: &Project, calls: &str, number: usize) {
    let mut lengths =
        calls.lines().filter(|line| line.contains(" write(")).filter_map(|line| line.split(") = ").nth(1));
    let length =
        lengths.next_back().and_then(|rest| rest.split(' ').next()).and_then(|length| length.parse::<u64>().ok());
    let length = length.expect("a write that was held");
    let file = OpenOptions::new().write(true).open(project.run_folder().expect("a run").join("journal.log"));
    let file = file.expect("a journal");
    let whole = file.metadata().expect("a journal").len();
    let kept = 1 + (number as u64 * 7_919) % (length - 1);
    file.set_len(whole - length + kept).expect("ours");
}

/// The first runner is killed when it has done a little, or waits for people; what its successor is called with.
fn succeeded(project: &Project) -> Vec<String> {
    let first = killed_at(project, project.start(project.command(&traced::RUN)), 4);
    let mut arguments = vec!["resume".to_owned()];
    if first.is_some() {
        arguments.extend(words(project));
    }
    arguments
}

fn killed_in_every_place(shape: &Shape, is_second: bool, sometimes: usize) {
    if !traced::is_possible() {
        return;
    }
    let step = if std::env::var_os("OUTPOST_CRASHES").is_some() { 1 } else { sometimes };
    let document = shape.document();
    let mut points = Vec::new();
    for (place, call) in PLACES {
        let mut killed = 0;
        for number in (1..).step_by(step) {
            let project = Project::of(&document);
            let said = if is_second { succeeded(&project) } else { traced::RUN.map(str::to_owned).to_vec() };
            let arguments: Vec<&str> = said.iter().map(String::as_str).collect();
            let (ended, calls) = traced::tool(&project, &arguments, &format!("inject={call}:when={number}"));
            // The run was over before so many calls.
            if let Some(code) = ended.code {
                assert!(matches!(code, 0 | 3), "{place} {number}: {ended:?}");
                break;
            }
            killed += 1;
            if place.contains("middle") {
                tear(&project, &calls, number);
            }
            live(&project, |_, _, _| usize::MAX);
            kept(&project, shape, &format!("killed {place}, number {number}"));
        }
        points.push((place, killed));
    }
    let which = if is_second { "second" } else { "first" };
    eprintln!(
        "{}, {which} runner: {} points, 0 violations: {points:?}",
        shape.name,
        points.iter().map(|(_, killed)| killed).sum::<usize>()
    );
    assert!(points.iter().all(|(_, killed)| *killed > 0), "{points:?}");
}

#[test]
fn a_chain_survives_the_end_of_its_runner_in_any_place() {
    killed_in_every_place(&chain(), false, 5);
    killed_in_every_place(&chain(), true, 7);
}

#[test]
fn a_fan_out_with_a_lock_survives_the_end_of_its_runner_in_any_place() {
    killed_in_every_place(&fan_out(), false, 9);
    killed_in_every_place(&fan_out(), true, 11);
}

#[test]
fn retries_survive_the_end_of_their_runner_in_any_place() {
    killed_in_every_place(&retries(), false, 7);
    killed_in_every_place(&retries(), true, 9);
}

#[test]
fn a_gate_before_the_work_survives_the_end_of_its_runner_in_any_place() {
    killed_in_every_place(&gate("before"), false, 5);
    killed_in_every_place(&gate("before"), true, 7);
}

#[test]
fn a_gate_after_the_work_survives_the_end_of_its_runner_in_any_place() {
    killed_in_every_place(&gate("after"), false, 5);
    killed_in_every_place(&gate("after"), true, 7);
}
