//! The made-up world that a run asks: locks of others, what a gate shows, and where inputs come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Play;
use crate::blueprint::{Blueprint, TaskIndex, site};
use crate::engine::inputs::Shelf;
use crate::engine::output::Values;
use crate::run::{Failure, GateMoment, KeptPort, Moment, Run, World};
use crate::scenario::script::Scenario;

/// The world of a decision: locks of others, and what a gate shows.
pub(super) struct Outside<'a> {
    pub(super) blueprint: &'a Blueprint<'a>,
    pub(super) held: BTreeSet<&'a str>,
}

impl World for Outside<'_> {
    fn keep_locks(&mut self, _: &BTreeSet<u32>) {}

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        !self.blueprint.task(task).all_locks().any(|request| self.held.contains(request.name.as_str()))
    }

    fn gate_digest(&mut self, task: TaskIndex, moment: GateMoment, left: &[KeptPort]) -> String {
        let ports: Vec<String> = left.iter().map(|port| format!("{}={}", port.port, port.digest)).collect();
        format!("{} {moment:?} {}", self.blueprint.task(task).id, ports.join(" "))
    }

    fn failure_digest(&mut self, task: TaskIndex, attempt: u32, failure: &Failure) -> String {
        format!("{} {attempt} {}", self.blueprint.task(task).id, failure.message)
    }
}

impl Shelf for Play<'_, '_> {
    fn blueprint(&self) -> &Blueprint<'_> {
        self.blueprint
    }

    fn left(&self, run: &Run, task: TaskIndex) -> Result<Values, String> {
        let id = &self.blueprint.task(task).id;
        match &run.task(task).kept {
            Some((attempt, _)) => {
                self.left.get(&(task, *attempt)).cloned().ok_or_else(|| format!("`{id}` left nothing"))
            }
            None if run.program().tasks[task.get()].settled => {
                let left = self.scenario.scripts.get(&task).and_then(|script| script.left.clone());
                left.ok_or_else(|| {
                    format!("`{id}` was done before this run, and the scenario does not say what it `left`")
                })
            }
            None => Err(format!("`{id}` left nothing: the scenario gives it no `outputs`")),
        }
    }

    fn path(&self, _: TaskIndex, _: Moment, _: Option<(&str, &str)>, text: &str) -> PathBuf {
        PathBuf::from(text)
    }

    fn text(&self, path: &Path) -> Result<String, String> {
        let found = self.scenario.world.files.get(&*path.to_string_lossy());
        found.cloned().ok_or_else(|| "the scenario has no such file".to_owned())
    }

    /// Nobody of this world reads files.
    fn hand_over(&self, _: &Path, _: &Value) -> Result<(), String> {
        Ok(())
    }

    fn variables(&self) -> Map<String, Value> {
        let chosen = self.environment.iter().map(|(name, value)| (name, value));
        let all = self.scenario.world.variables.iter().chain(chosen);
        all.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect()
    }
}

/// Capabilities and tools of the planned tasks, each with a task that needs it.
pub(super) fn needed<'b>(blueprint: &'b Blueprint<'_>, scenario: &Scenario<'_>) -> Vec<(&'b str, TaskIndex)> {
    let mut needed = Vec::new();
    for index in scenario.plan.running().filter(|index| site::is_here(blueprint, *index)) {
        let task = blueprint.task(index);
        let tools = task.context.iter().flat_map(|context| context.required_tools.iter()).map(|tool| tool.trim());
        let names = task.capabilities.iter().map(|needed| needed.requirement().name).chain(tools);
        needed.extend(names.filter(|name| !name.is_empty()).map(|name| (name, index)));
    }
    needed
}
