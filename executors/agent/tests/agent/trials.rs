//! The table of `outpost-bp agents test`, with an agent that is right and with definitions that are not.

use std::ffi::OsString;
use std::fs;

use outpost_agent::attempt::Fence;
use outpost_agent::classify::Class;
use outpost_agent::definition::Definitions;
use outpost_agent::trial::{Situation, Table, trial};

use crate::bench::Bench;

fn tried(bench: &Bench) -> Table {
    tried_in(bench, None)
}

fn tried_in(bench: &Bench, fence: Option<&Fence>) -> Table {
    let definitions = Definitions::load(Some(&bench.path("agents"))).expect("right ones");
    let path = OsString::from(bench.path("bin"));
    let own = move |name: &str| (name == "PATH").then(|| path.clone());
    let mut told = Vec::new();
    trial(&definitions, "fake", &bench.path("trial"), (&own, fence), &mut told).expect("it can be tried")
}

#[test]
fn a_definition_that_is_right_passes() {
    let table = tried(&Bench::new());
    assert!(table.is_good(), "{table}");
    assert_eq!(table.rows.iter().map(|row| row.situation).collect::<Vec<_>>(), Situation::ALL);
    assert_eq!(table.version.as_deref(), Some("1.2.3"));
}

#[test]
fn a_definition_that_is_right_passes_in_a_sandbox_and_leaves_nothing_running() {
    for (way, fence) in crate::bench::fences() {
        let bench = Bench::new();
        let table = tried_in(&bench, Some(&fence));
        assert!(table.is_good(), "{way}: {table}");
        assert!(table.rows.iter().all(|row| !row.outcome.sandbox.is_empty()), "{way}: {table:?}");
        assert!(crate::bench::is_quiet(&bench.path("trial/workspace")), "{way}: something runs on");
    }
}

#[test]
fn a_definition_that_reads_the_agent_wrongly_does_not() {
    let bench = Bench::new();
    let text = include_str!("../fake.toml");
    let text = text.replace(r"'\b401\b', class = ", r"'\b402\b', class = ").replace("path = \"/v1\"", "path = \"/v2\"");
    let text = text.replace("output = \"/usage/output\"", "output = \"/usage/outputs\"");
    let text = text.replace("input = \"/usage/input\"", "input = \"/usage/inputs\"");
    fs::write(bench.path("agents/fake.toml"), text).expect("room");
    let table = tried(&bench);
    let row = |situation| table.rows.iter().find(|row| row.situation == situation).expect("tried");
    assert_eq!(row(Situation::Success).faults, ["it does not tell what it used"], "{table}");
    assert_eq!(row(Situation::Refused).outcome.class, Class::AgentError, "{table}");
    assert!(row(Situation::Cancel).faults.is_empty(), "{table}");
}
