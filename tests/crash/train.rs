//! The example of forty tasks, from its start to its end, with its runner killed on the way.
//!
//! Every task of it leaves one line in the ledger. Whatever happened, each line stands there once.

use std::path::Path;

use rustix::process::Signal;

use crate::project::{Ended, Project, Running};
use crate::records::words;

fn train() -> Project {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/release-train.md");
    Project::of(&std::fs::read_to_string(example).expect("the example"))
}

fn start(project: &Project, arguments: &[&str]) -> Running {
    let mut command = project.command(arguments);
    command.env("PACE", "0.1");
    project.start(command)
}

/// What is expected in the ledger, in alphabetical order.
fn complete() -> Vec<String> {
    let of = |tier: u32, tasks: std::ops::RangeInclusive<u32>, word: &str| {
        tasks.map(|task| format!("T{tier}.{task} {word}")).collect::<Vec<_>>()
    };
    let single = [
        "T0.1 tools",
        "T0.2 timetable",
        "T0.3 v1.4.0",
        "T0.4 oiled",
        "T3.7 manifest",
        "T4.1 backup",
        "T4.2 migrated",
        "T5.1 signal",
        "T6.1 arrived",
        "T6.2 notes",
        "T6.3 announced",
        "T6.4 archived",
        "T6.5 swept",
        "T6.6 closed",
    ];
    let mut all: Vec<String> = single.map(str::to_owned).to_vec();
    all.extend(
        [of(1, 1..=6, "built"), of(2, 1..=6, "tested"), of(3, 1..=6, "packed"), of(5, 2..=7, "deployed")].concat(),
    );
    all.sort_unstable();
    all
}

#[test]
fn the_train_arrives() {
    let project = train();
    start(&project, &["run", "blueprint.md", "-j", "4"]).end().with(3).says(&["outpost-bp approve T5.1"]);
    project.outpost(&["approve", "T5.1"]).with(0);
    start(&project, &["resume"]).end().with(3).says(&["outpost-bp approve T6.2"]);
    project.outpost(&["approve", "T6.2", "--comment", "well written"]).with(0);
    start(&project, &["resume"]).end().with(0);
    arrived(&project);
    assert_eq!(project.told("retry_scheduled").len(), 2, "the flaky one");
    assert_eq!(project.told("task_skipped"), ["T4.3"]);
}

fn arrived(project: &Project) {
    let mut ledger = project.ledger();
    ledger.sort_unstable();
    assert_eq!(ledger, complete());
    assert_eq!(project.told("run_ended").len(), 1);
    assert_eq!(project.told("task_completed").len(), 39);
    project.until_nothing_runs();
}

/// `T1/2/run` as `T1/run`: an attempt that was killed leaves its moment to the next one.
fn whichever_attempt(told: &str) -> String {
    let words: Vec<&str> = told.split('/').collect();
    match words[..] {
        [task, _, stage] => format!("{task}/{stage}"),
        _ => told.to_owned(),
    }
}

/// The next runner goes on until this has happened, and is killed. Then nothing of the run is alive.
fn killed_at(project: &Project, mut running: Running, name: &str, what: &str) -> Option<Ended> {
    while !project.told(name).iter().any(|told| whichever_attempt(told) == what) {
        if running.is_over() {
            return Some(running.end());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    running.signal(Signal::KILL);
    running.end();
    project.until_nothing_runs();
    None
}

#[test]
fn the_train_arrives_although_its_runner_is_killed_again_and_again() {
    let project = train();
    // Where it is killed: at the beginning, among many, while one waits for its retry, in the middle of what
    // must not be done twice, and behind each of the gates.
    let mut moments = [
        ("stage_started", "T0.1/run"),
        ("stage_started", "T1.4/run"),
        ("retry_scheduled", "T2.4"),
        ("stage_ended", "T3.5/run"),
        ("stage_handle", "T4.2"),
        ("stage_started", "T4.2/verify:smoke"),
        ("gate_decided", "T5.1"),
        ("stage_handle", "T5.4"),
        ("task_completed", "T6.1"),
        ("stage_handle", "T6.3"),
        ("task_completed", "T6.4"),
    ]
    .into_iter()
    .peekable();
    let mut said: Vec<String> = Vec::new();
    let mut killed = 0;
    for turn in 0..60 {
        // The last kill may have come a little too late.
        if project.told("run_ended").len() == 1 {
            break;
        }
        let mut arguments = if turn == 0 { vec!["run", "blueprint.md", "-j", "4"] } else { vec!["resume"] };
        arguments.extend(said.iter().map(String::as_str));
        let running = start(&project, &arguments);
        let (name, what) = moments.peek().copied().unwrap_or(("never", "never"));
        match killed_at(&project, running, name, what) {
            None => {
                moments.next();
                killed += 1;
                said.clear();
            }
            Some(Ended { code: Some(0), .. }) => break,
            Some(ended) => {
                ended.with(3);
                said = words(&project);
                // What nobody knows about is ordered again only after somebody looked: it was not done.
                for order in said.chunks(2).filter(|order| order[0] == "--rerun") {
                    let begin = format!("{} ", order[1]);
                    assert!(!project.ledger().iter().any(|line| line.starts_with(&begin)), "{order:?} was done");
                }
            }
        }
    }
    assert_eq!((killed, moments.next()), (11, None));
    arrived(&project);
}
