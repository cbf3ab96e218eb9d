//! The secrets of what is planned, before anything begins: asked for, and what is missing made good or told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _};
use std::path::Path;

use super::prepare::MOST;
use super::{Failure, Output};
use crate::blueprint::model::{BindingSource, SecretMissing};
use crate::blueprint::secret::{self, Use};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::engine::secret::{Answer, Pair, Resolved, resolve};
use crate::plan::Plan;
use crate::report::progress::ids;
use outpost_executor::TooMany;

/// Who refers to secrets.
pub(super) struct Wanted {
    /// By name: the tasks. None for those that only the settings refer to.
    pub(super) tasks: BTreeMap<String, Vec<TaskIndex>>,
    /// What the settings refer to: without it nothing can go on.
    settings: BTreeSet<String>,
    /// References that have a default.
    defaults: BTreeMap<String, String>,
    /// Names with a reference that has none.
    needed: BTreeSet<String>,
}

impl Wanted {
    /// What the tasks that would run refer to, and the settings with the variables of the chosen environment.
    pub(super) fn of(blueprint: &Blueprint<'_>, plan: &Plan, variables: &[(String, String)]) -> Self {
        let own = plan.running().map(|index| (index, secret::of_task(blueprint.task(index))));
        // What it fetches may have been sent by a task that does not run now.
        let fetched = plan.running().flat_map(|index| {
            let sources = blueprint.task(index).bindings.iter().filter_map(|binding| match binding.source {
                BindingSource::Task { target, .. } => target,
                BindingSource::Path(_) => None,
            });
            sources.map(move |source| (index, secret::of_network(blueprint.task(source))))
        });
        Self::gathered(blueprint, own.chain(fetched), variables)
    }

    /// What undoing these tasks takes.
    pub(super) fn of_rollback(blueprint: &Blueprint<'_>, tasks: &[TaskIndex], variables: &[(String, String)]) -> Self {
        let uses = tasks.iter().filter_map(|index| {
            let task = blueprint.task(*index);
            Some((*index, secret::of_command(task, task.rollback.as_ref()?.command.as_ref()?)))
        });
        Self::gathered(blueprint, uses, variables)
    }

    /// What hooks and notices take, also those of gates.
    pub(super) fn of_telling(blueprint: &Blueprint<'_>) -> Self {
        let gates = blueprint.indices().map(|index| (index, secret::of_gate(blueprint.task(index))));
        Self::gathered(blueprint, gates, &[])
    }

    /// Asks for these as well, and goes on without those that nobody has.
    pub(super) fn and_if_found(mut self, others: Self) -> Self {
        for (name, tasks) in others.tasks {
            self.tasks.entry(name).or_insert(tasks);
        }
        for (name, default) in others.defaults {
            self.defaults.entry(name).or_insert(default);
        }
        self
    }

    fn gathered(
        blueprint: &Blueprint<'_>,
        tasks: impl Iterator<Item = (TaskIndex, BTreeSet<Use>)>,
        variables: &[(String, String)],
    ) -> Self {
        let mut wanted = Self {
            tasks: BTreeMap::new(),
            settings: BTreeSet::new(),
            defaults: BTreeMap::new(),
            needed: BTreeSet::new(),
        };
        for one in secret::of_settings(&blueprint.execution, variables) {
            wanted.settings.insert(one.name.clone());
            wanted.add(None, one);
        }
        for (index, uses) in tasks {
            uses.into_iter().for_each(|one| wanted.add(Some(index), one));
        }
        wanted
    }

    fn add(&mut self, task: Option<TaskIndex>, Use { name, default }: Use) {
        let tasks = self.tasks.entry(name.clone()).or_default();
        if tasks.last() != task.as_ref() {
            tasks.extend(task);
        }
        match default {
            Some(default) => {
                self.defaults.entry(name).or_insert(default);
            }
            None => {
                self.needed.insert(name);
            }
        }
    }

    /// The names that some reference gives no default for, and who refers to them.
    pub(super) fn needed(&self) -> impl Iterator<Item = (&str, &[TaskIndex])> {
        self.needed.iter().map(|name| (name.as_str(), self.tasks.get(name).map_or(&[][..], Vec::as_slice)))
    }
}

/// The values of all that is wanted, or lines about everything that is missing.
pub(super) fn resolved(
    blueprint: &Blueprint<'_>,
    wanted: &Wanted,
    root: &Path,
    output: &mut Output,
) -> Result<Resolved, Vec<String>> {
    let (mut answer, on_missing) = asked_of(blueprint, wanted, root);
    let mut missing: Vec<String> =
        answer.missing.iter().filter(|name| wanted.needed.contains(*name)).cloned().collect();
    let mut defaults = BTreeMap::new();
    match on_missing {
        SecretMissing::Abort => {}
        SecretMissing::UseDefault => {
            defaults = wanted.defaults.clone();
            missing.retain(|name| !defaults.contains_key(name));
        }
        SecretMissing::SkipTask => missing.retain(|name| wanted.settings.contains(name)),
        SecretMissing::Prompt if can_ask() => {
            match asked(&missing, blueprint, wanted, &std::mem::take(&mut answer.troubles), output) {
                Ok(pairs) => {
                    missing.clear();
                    answer.found.extend(pairs);
                }
                Err(error) => return Err(vec![format!("E_SECRET_MISSING: the terminal: {error}")]),
            }
        }
        SecretMissing::Prompt => {}
    }
    if missing.is_empty() {
        return told(blueprint, answer, defaults, output).map_err(|too_many| vec![format!("{too_many}: {FEWER}")]);
    }
    let has = |name: &String| match on_missing {
        SecretMissing::UseDefault => format!("no source has `{name}`, and no reference to it has a default"),
        _ => format!("no source has `{name}`"),
    };
    let line = |name: &String| format!("E_SECRET_MISSING: {}{}", has(name), who(blueprint, wanted, name));
    let mut lines: Vec<String> = missing.iter().map(line).collect();
    lines.extend(answer.troubles.iter().map(|trouble| format!("could not be asked: {trouble}")));
    if on_missing == SecretMissing::Prompt {
        lines.push("they are asked for on a terminal, and here is none: call it from one, or set them".to_owned());
    }
    Err(lines)
}

/// What can be found of it, for whoever does not start anything new: who cannot do without says so when it comes to it.
pub(super) fn found(
    blueprint: &Blueprint<'_>,
    wanted: &Wanted,
    root: &Path,
    output: &mut Output,
) -> Result<Resolved, Failure> {
    let (answer, on_missing) = asked_of(blueprint, wanted, root);
    let has_defaults = on_missing == SecretMissing::UseDefault;
    let defaults = if has_defaults { wanted.defaults.clone() } else { BTreeMap::new() };
    told(blueprint, answer, defaults, output).map_err(|too_many| Failure::new(too_many.to_string(), FEWER))
}

/// The way out where they cannot be hidden.
const FEWER: &str = "name fewer or smaller secrets in the document";

/// What its sources say of all that is wanted; nobody is asked for nothing. And what the document does about the rest.
fn asked_of(blueprint: &Blueprint<'_>, wanted: &Wanted, root: &Path) -> (Answer, SecretMissing) {
    let policy = blueprint.execution.secrets.as_ref();
    let names: BTreeSet<String> = wanted.tasks.keys().cloned().collect();
    let answer = resolve(names, policy, root, &|name| std::env::var_os(name));
    (answer, policy.map(|policy| policy.on_missing).unwrap_or_default())
}

fn who(blueprint: &Blueprint<'_>, wanted: &Wanted, name: &str) -> String {
    match wanted.tasks.get(name) {
        Some(tasks) if !tasks.is_empty() => format!(" ({})", ids(blueprint, tasks, MOST)),
        _ => " (the settings)".to_owned(),
    }
}

/// What was found, after what a person should know although nothing is missing.
fn told(
    blueprint: &Blueprint<'_>,
    answer: Answer,
    defaults: BTreeMap<String, String>,
    output: &mut Output,
) -> Result<Resolved, TooMany> {
    let Answer { found, remarks, troubles, .. } = answer;
    let resolved = Resolved::new(found, defaults, &secret::of_keys(blueprint))?;
    tell(&troubles, output);
    for remark in remarks {
        output.note(&format!("warning: {remark}\n"));
    }
    for name in resolved.secrets().exposed() {
        let least = outpost_executor::SHORTEST;
        output.note(&format!(
            "warning: the secret `{name}` has fewer than {least} characters: it is not hidden in what tasks print\n"
        ));
    }
    Ok(resolved)
}

fn tell(troubles: &[String], output: &mut Output) {
    for trouble in troubles {
        output.note(&format!("warning: a source of secrets could not be asked: {trouble}\n"));
    }
}

/// Somebody sits there.
fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a person, without showing what is typed. Nobody is asked twice; an empty answer ends it.
fn asked(
    missing: &[String],
    blueprint: &Blueprint<'_>,
    wanted: &Wanted,
    troubles: &[String],
    output: &mut Output,
) -> io::Result<Vec<Pair>> {
    tell(troubles, output);
    let ask = |name: &String| {
        let value = rpassword::prompt_password(format!("secret {name}{}: ", who(blueprint, wanted, name)))?;
        if value.is_empty() {
            return Err(io::Error::other(format!("nothing was typed for `{name}`")));
        }
        Ok((name.clone(), value.into_bytes()))
    };
    missing.iter().map(ask).collect()
}
