//! What the planned tasks need of this machine, and whether it is here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::blueprint::capability::Requirement;
use crate::blueprint::{Blueprint, TaskIndex, executor, variable};
use crate::document::Source;
use crate::engine::capability::{self, Outcome};
use crate::engine::secret::{self, Standing};
use crate::plan::Plan;

/// A thing that tasks need.
pub(in crate::cli) struct Need<'a, T> {
    pub(in crate::cli) name: &'a str,
    pub(in crate::cli) tasks: Vec<TaskIndex>,
    pub(in crate::cli) here: T,
}

pub(in crate::cli) struct Needs<'a> {
    /// `required_capabilities` and `required_tools`, by name.
    pub(in crate::cli) capabilities: Vec<Need<'a, Outcome>>,
    pub(in crate::cli) secrets: Vec<Need<'a, Standing>>,
    /// Executors by the number of their tasks; absent where nothing needs to be installed.
    pub(in crate::cli) executors: Vec<Need<'a, Option<Outcome>>>,
}

/// Executors that are a program of their own.
const PROGRAMS: &[&str] = &["claude", "codex", "gemini", "aider", "grok"];

impl<'a> Needs<'a> {
    /// Gathers the needs of the tasks that would run and looks for them here.
    pub(in crate::cli) fn probe(blueprint: &'a Blueprint<'_>, plan: &Plan, source: &'a Source) -> Self {
        let mut tools: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
        let mut executors: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
        for index in plan.running() {
            let task = blueprint.task(index);
            let required = task.context.as_ref().map_or(&[][..], |context| &context.required_tools);
            let named = task.capabilities.iter().map(|capability| capability.text().trim());
            for name in named.chain(required.iter().map(|tool| tool.trim())).filter(|name| !name.is_empty()) {
                let tasks = tools.entry(name).or_default();
                if tasks.last() != Some(&index) {
                    tasks.push(index);
                }
            }
            executors.entry(executor(blueprint, index)).or_default().push(index);
        }
        let programs = executors.keys().copied().filter(|name| PROGRAMS.contains(name));
        let names: Vec<&str> = tools.keys().copied().chain(programs).collect();
        // A tool whose name is no requirement is looked for as it is written.
        let requirements: Vec<Requirement<'_>> =
            names.iter().map(|name| Requirement::parse(name).unwrap_or_else(|_| Requirement::any(name))).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = capability::probe(&requirements, &path).into_iter();
        let capabilities =
            tools.into_iter().zip(&mut found).map(|((name, tasks), here)| Need { name, tasks, here }).collect();
        let mut executors: Vec<_> = executors
            .into_iter()
            .map(|(name, tasks)| Need { name, tasks, here: if PROGRAMS.contains(&name) { found.next() } else { None } })
            .collect();
        executors.sort_by_key(|need| std::cmp::Reverse(need.tasks.len()));
        Self { capabilities, secrets: secrets(blueprint, plan, source), executors }
    }
}

/// The secrets that the tasks and the settings refer to and give no default for.
fn secrets<'a>(blueprint: &Blueprint<'_>, plan: &Plan, source: &'a Source) -> Vec<Need<'a, Standing>> {
    let mut wanted: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
    if memchr::memmem::find(source.text().as_bytes(), b"${secrets.").is_none() {
        return Vec::new();
    }
    let settings = blueprint.execution.span.map(|span| (None, span));
    let tasks = plan.running().map(|index| (Some(index), blueprint.task(index).span));
    for (owner, span) in settings.into_iter().chain(tasks) {
        for reference in variable::references(source.slice(span)) {
            if let Some((name, None)) = reference.secret() {
                let tasks = wanted.entry(name).or_default();
                tasks.extend(owner.filter(|index| tasks.last() != Some(index)));
            }
        }
    }
    let names: Vec<String> = wanted.keys().map(|name| (*name).to_owned()).collect();
    let root = Path::new(source.name()).parent().unwrap_or(Path::new(""));
    let policy = blueprint.execution.secrets.as_ref();
    let standings = secret::probe(&names, policy, root, |name| std::env::var_os(name).is_some());
    wanted.into_iter().zip(standings).map(|((name, tasks), here)| Need { name, tasks, here }).collect()
}
