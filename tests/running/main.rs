//! What the format asks of an executor, row by row: small blueprints, run by the real tool.
//!
//! Each test is named after its row. It judges by exit code, journal and ledger, never by time.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a campaign")]

mod agents;
mod canary;
mod cleanup;
#[cfg(feature = "aws")]
#[path = "../../executors/ssm/tests/ssm/cloud/mod.rs"]
#[expect(dead_code, reason = "the tests of its own crate do more with it")]
mod cloud;
#[path = "../project/collector.rs"]
mod collector;
mod commands;
mod containers;
mod data;
mod direct;
#[path = "../project/emulator.rs"]
mod emulator;
mod events;
mod failing;
mod gates;
mod handoff;
mod leaving;
mod listener;
mod logging;
#[cfg(feature = "aws")]
mod machines;
mod mail;
mod mcp;
mod metrics;
mod network;
mod notices;

mod order;
#[path = "../project/mod.rs"]
mod project;
mod reports;
mod resources;
mod scenarios;
mod secrets;
mod settings;
mod shelf;
mod statuses;
mod storage;
mod traces;
mod undoing;
#[path = "../project/vault.rs"]
mod vault;

/// A document of these tasks: `(id, needs, the rest of the block)`.
fn document(execution: &str, tasks: &[(&str, &str, &str)]) -> String {
    let mut text = format!("# Rows\n\n```yaml\nexecution: {{{execution}}}\n```\n\n");
    for (id, needs, rest) in tasks {
        text += &format!("```yaml\ntask_id: {id}\nname: {id}\ndependencies: [{needs}]\n{rest}\n```\n\n");
    }
    text
}

/// A project with a document of these tasks.
fn project(execution: &str, tasks: &[(&str, &str, &str)]) -> project::Project {
    project::Project::of(&document(execution, tasks))
}

/// Runs a command that takes the emulator for AWS; nothing without one.
fn with_aws(project: &project::Project, arguments: &[&str]) -> Option<project::Ended> {
    let mut command = project.command(arguments);
    emulator::emulator()?.place(&mut command);
    Some(project.start(command).end())
}

/// The tasks that are blocked, with the code that says why, in alphabetical order.
fn blocked(project: &project::Project) -> Vec<String> {
    let events = project.events();
    let blocked = events.iter().filter(|event| event.name() == "task_blocked");
    let mut codes: Vec<String> = blocked
        .map(|event| format!("{} {}", event.task(), event.0["failure"]["code"].as_str().unwrap_or_default()))
        .collect();
    codes.sort_unstable();
    codes
}

/// The file of the latest run whose name ends like this, wherever it lies.
fn kept(project: &project::Project, ending: &str) -> std::path::PathBuf {
    let mut folders = vec![project.run_folder().expect("a run")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                return path;
            }
        }
    }
    panic!("no file of the run is called `{ending}`");
}
