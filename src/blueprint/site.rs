//! Where the commands of a task run: here, in a container of this machine, on machines that Systems Manager reaches, or on
//! the fleet of a service.
//!
//! All of a task's commands run at one place: setup, work, verification, rollback, and what follows success. Only a
//! verification may say `on: here`.

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
        "outpost" => {
            let (own, all) = (context.and_then(|context| context.fleet.as_deref()), &draft.execution.fleet);
            let merged = match (own, all) {
                (Some(own), Some(all)) => own.over(all),
                (Some(one), None) => one.clone(),
                (None, Some(one)) => (**one).clone(),
                (None, None) => Fleet::default(),
            };
            Site::Fleet(Box::new(merged))
        }
        "shell" | "manual" => {
            context.and_then(|context| context.container.as_deref()).map_or(Site::Here, Site::Container)
        }
        _ => Site::Here,
    }
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
