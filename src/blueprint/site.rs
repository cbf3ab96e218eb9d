//! Where the commands of a task run: here, in a container of this machine, on machines that Systems Manager reaches, or on
//! the fleet of a service.
//!
//! All of a task's commands run at one place: setup, work, verification, rollback, and what follows success. Only a
//! verification may say `on: here`. What an agent of the fleet does comes back into a tree here: so do its commands.

use super::model::{Container, Draft, Fleet, Machines, TaskIndex, Verification};
use super::{executor, format};

/// Where a command runs.
#[derive(Clone, Debug)]
pub enum Site<'a, 's> {
    Here,
    Container(&'a Container<'s>),
    Machines(Box<Machines<'s>>),
    Fleet(Box<Fleet<'s>>),
}

/// Where a task is done.
pub fn of_task<'a, 's>(draft: &'a Draft<'s>, index: TaskIndex) -> Site<'a, 's> {
    let context = draft.task(index).context.as_deref();
    match executor(draft, index) {
        "ssm" => {
            let (own, all) = (context.and_then(|context| context.machines.as_deref()), &draft.execution.machines);
            let merged = match (own, all) {
                (Some(own), Some(all)) => own.over(all),
                (Some(one), None) => one.clone(),
                (None, Some(one)) => (**one).clone(),
                (None, None) => Machines::default(),
            };
            Site::Machines(Box::new(merged))
        }
        "outpost" if super::agent(draft, index).is_some() => Site::Here,
        "outpost" => Site::Fleet(fleet(draft, index)),
        "shell" | "manual" => {
            context.and_then(|context| context.container.as_deref()).map_or(Site::Here, Site::Container)
        }
        _ => Site::Here,
    }
}

/// The fleet on which an agent does a task.
pub fn of_errand<'s>(draft: &Draft<'s>, index: TaskIndex) -> Option<Box<Fleet<'s>>> {
    let is_errand = executor(draft, index) == "outpost" && super::agent(draft, index).is_some();
    is_errand.then(|| fleet(draft, index))
}

fn fleet<'s>(draft: &Draft<'s>, index: TaskIndex) -> Box<Fleet<'s>> {
    let own = draft.task(index).context.as_deref().and_then(|context| context.fleet.as_deref());
    Box::new(match (own, draft.execution.fleet.as_deref()) {
        (Some(own), Some(all)) => own.over(all),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => Fleet::default(),
    })
}

/// Where a task is verified.
pub fn of_verification<'a, 's>(draft: &'a Draft<'s>, index: TaskIndex, stage: &Verification<'_>) -> Site<'a, 's> {
    if stage.is_here { Site::Here } else { of_task(draft, index) }
}

/// Whether what runs there goes on when its runner dies, and is told of by who keeps it there.
#[must_use]
pub fn outlives(site: &Site<'_, '_>) -> bool {
    matches!(site, Site::Machines(_) | Site::Fleet(_))
}

/// Whether all of what a task needs has to be on this machine.
pub fn is_here(draft: &Draft<'_>, index: TaskIndex) -> bool {
    matches!(of_task(draft, index), Site::Here)
}

/// Whether work in a container is what this executor does.
pub(super) fn may_contain(executor: &str) -> bool {
    !is_agent(executor) && matches!(executor, "shell" | "manual")
}

/// Whether the name is that of an agent.
pub(super) fn is_agent(executor: &str) -> bool {
    !format::NO_AGENTS.contains(&executor)
}
