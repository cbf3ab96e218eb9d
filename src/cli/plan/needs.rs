//! What the planned tasks need of this machine, and whether it is here.

use std::collections::BTreeMap;
use std::path::Path;

use outpost_container::Kind;

use super::super::hired::Hired;
use super::super::secrets::Wanted;
use super::super::walls::{Walls, is_required};
use crate::blueprint::capability::Requirement;
use crate::blueprint::format::NO_AGENTS;
use crate::blueprint::site::{self, Site};
use crate::blueprint::{Blueprint, TaskIndex, agent, agent_terms, executor, is_isolated};
use crate::engine::capability::{self, Outcome};
use crate::engine::hands;
use crate::engine::remote::{HAS_AWS, NO_AWS};
use crate::engine::secret::{self, Standing};
use crate::plan::Plan;

/// A thing that tasks need.
pub(in crate::cli) struct Need<N, T> {
    pub(in crate::cli) name: N,
    pub(in crate::cli) tasks: Vec<TaskIndex>,
    pub(in crate::cli) here: T,
}

pub(in crate::cli) struct Needs<'a> {
    /// `required_capabilities` and `required_tools`, by name.
    pub(in crate::cli) capabilities: Vec<Need<&'a str, Outcome>>,
    pub(in crate::cli) secrets: Vec<Need<String, Standing>>,
    /// Executors by the number of their tasks; absent where nothing needs to be installed.
    pub(in crate::cli) executors: Vec<Need<&'a str, Option<Outcome>>>,
    /// The definitions of agents, where there is one among them.
    pub(in crate::cli) hired: Option<Hired>,
    /// Why agents among them cannot be asked.
    pub(in crate::cli) lacking: BTreeMap<&'a str, String>,
    /// Tasks that have trees of their own.
    pub(in crate::cli) trees: Vec<TaskIndex>,
    /// Tasks whose agents have to be in a sandbox, and why they cannot.
    pub(in crate::cli) exposed: Vec<(TaskIndex, String)>,
    /// Engines that run containers, or why they do not.
    pub(in crate::cli) engines: Vec<Need<&'static str, Result<(), String>>>,
}

impl<'a> Needs<'a> {
    /// Gathers the needs of the tasks that would run and looks for them here.
    pub(in crate::cli) fn probe(blueprint: &'a Blueprint<'_>, plan: &Plan) -> Self {
        let mut tools: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
        let mut executors: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
        for index in plan.running() {
            let task = blueprint.task(index);
            let required = task.context.as_ref().map_or(&[][..], |context| &context.required_tools);
            let named = task.capabilities.iter().map(|capability| capability.text().trim());
            // What is in a container or on other machines nobody can ask yet.
            let is_here = site::is_here(blueprint, index);
            let names = named.chain(required.iter().map(|tool| tool.trim()));
            for name in names.filter(|name| is_here && !name.is_empty()) {
                let tasks = tools.entry(name).or_default();
                if tasks.last() != Some(&index) {
                    tasks.push(index);
                }
            }
            executors.entry(executor(blueprint, index)).or_default().push(index);
        }
        let names: Vec<&str> = tools.keys().copied().collect();
        // A tool whose name is no requirement is looked for as it is written.
        let requirements: Vec<Requirement<'_>> =
            names.iter().map(|name| Requirement::parse(name).unwrap_or_else(|_| Requirement::any(name))).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = capability::probe(&requirements, &path);
        let capabilities =
            tools.into_iter().zip(found).map(|((name, tasks), here)| Need { name, tasks, here }).collect();
        let agents: Vec<&str> = executors.keys().copied().filter(|name| !NO_AGENTS.contains(name)).collect();
        // Nobody reads definitions where there is no agent.
        let hired = (!agents.is_empty()).then(Hired::here);
        let mut lacking: BTreeMap<&str, String> = hired
            .iter()
            .flat_map(|hired| agents.iter().filter_map(|name| Some((*name, hired.lacking(name)?))))
            .collect();
        if !HAS_AWS && executors.contains_key("ssm") {
            lacking.insert("ssm", format!("the executor `ssm` is not here: {NO_AWS}"));
        }
        let unreached = plan.running().find_map(|index| match site::of_task(blueprint, index) {
            Site::Fleet(fleet) => hands::fleet_lacking(&fleet),
            _ => hands::fleet_lacking(&*site::of_errand(blueprint, index)?),
        });
        if let Some(why) = unreached {
            lacking.insert("outpost", why);
        }
        // A key may still come; a program is here or is not.
        let here = |name: &str| {
            if name == "ssm" && !HAS_AWS {
                return Some(Outcome::Missing);
            }
            if name == "outpost" && lacking.contains_key(name) {
                return Some(Outcome::Missing);
            }
            let hired = hired.as_ref().filter(|_| agents.contains(&name))?;
            Some(if hired.has_program(name) { Outcome::Present(None) } else { Outcome::Missing })
        };
        let mut executors: Vec<_> =
            executors.into_iter().map(|(name, tasks)| Need { name, tasks, here: here(name) }).collect();
        let trees = plan.running().filter(|index| is_isolated(blueprint, *index)).collect();
        let required: Vec<TaskIndex> = plan
            .running()
            .filter(|index| agent(blueprint, *index).is_some() && is_required(&agent_terms(blueprint, *index)))
            .collect();
        // Nobody tries layers that nobody asks for.
        let walls = (!required.is_empty()).then(Walls::here);
        let exposed = walls.iter().flat_map(|walls| {
            required.iter().filter_map(|index| {
                let definition = hired.as_ref().zip(agent(blueprint, *index));
                let definition = definition.and_then(|(hired, name)| hired.definition(name).ok());
                Some((*index, walls.lacking(&agent_terms(blueprint, *index), definition)?))
            })
        });
        let exposed = exposed.collect();
        executors.sort_by_key(|need| std::cmp::Reverse(need.tasks.len()));
        let engines = engines(blueprint, plan);
        Self { capabilities, secrets: secrets(blueprint, plan), executors, hired, lacking, trees, exposed, engines }
    }
}

/// The engines that tasks need for their containers, each asked once.
fn engines(blueprint: &Blueprint<'_>, plan: &Plan) -> Vec<Need<&'static str, Result<(), String>>> {
    let mut wanted: Vec<(Option<Kind>, Vec<TaskIndex>)> = Vec::new();
    for index in plan.running() {
        let Site::Container(container) = site::of_task(blueprint, index) else {
            continue;
        };
        let kind = hands::kind(container);
        match wanted.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, tasks)) => tasks.push(index),
            None => wanted.push((kind, vec![index])),
        }
    }
    let asked = wanted.into_iter().map(|(kind, tasks)| Need {
        name: kind.map_or("docker or podman", Kind::name),
        tasks,
        here: hands::engine_here(kind).map(|_| ()),
    });
    asked.collect()
}

/// The secrets that the tasks and the settings refer to and give no default for. Paths of the document begin where
/// `run` would be called.
fn secrets(blueprint: &Blueprint<'_>, plan: &Plan) -> Vec<Need<String, Standing>> {
    let wanted = Wanted::of(blueprint, plan, &[]);
    let (names, tasks): (Vec<String>, Vec<Vec<TaskIndex>>) =
        wanted.needed().map(|(name, tasks)| (name.to_owned(), tasks.to_vec())).unzip();
    let policy = blueprint.execution.secrets.as_ref();
    let standings = secret::probe(&names, policy, Path::new(""), |name| {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    });
    let needs = names.into_iter().zip(tasks).zip(standings);
    needs.map(|((name, tasks), here)| Need { name, tasks, here }).collect()
}
