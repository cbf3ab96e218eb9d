//! Who does the work, and where: commands that nobody carries out, places that nobody works in, and tasks that do not
//! see what others landed.

use super::errands;
use super::links::Links;
use crate::blueprint::format::EXECUTORS;
use crate::blueprint::model::Draft;
use crate::blueprint::{TaskIndex, agent, executor, is_isolated};
use crate::diagnostic::{Code, Diagnostic, nearest};

pub(super) fn check(draft: &Draft<'_>, links: &Links, problems: &mut Vec<Diagnostic>) {
    for index in draft.indices() {
        let (task, who) = (draft.task(index), executor(draft, index));
        // A slip of the pen is told as one.
        let is_slip = !EXECUTORS.contains(&who) && nearest(who, EXECUTORS.iter().copied()).is_some();
        if let Some(run) = task.run.as_ref().filter(|_| agent(draft, index).is_some() && !is_slip) {
            let who = agent(draft, index).unwrap_or(who);
            let message = format!("the agent `{who}` does the work of `{}`, and nobody carries out its `run`", task.id);
            problems.push(
                Diagnostic::new(Code::IdleCommand, run.span, message)
                    .label("not carried out")
                    .help(
                        "write `executor: shell` if the command is the work; else remove it and let the agent be told of \
                         it in the prose of the task, or show with `verification` what it must come to",
                    )
                    .task(&task.id),
            );
        }
        if let Some(name) = task.agent().and_then(|terms| terms.name.as_ref()).filter(|_| who != "outpost") {
            problems.push(
                Diagnostic::new(
                    Code::NoEffect,
                    name.span,
                    format!("`agent.name` has no effect where `{who}` does the work"),
                )
                .label("decides nothing")
                .help(format!("write `executor: {name}`, or `executor: outpost` for the fleet of a service"))
                .task(&task.id),
            );
        }
        let written = task.context.as_ref().and_then(|context| context.isolation);
        if let Some((_, span)) = written.filter(|_| who != "shell") {
            let help = if agent(draft, index).is_some() {
                "write it as `agent: {isolation: …}`"
            } else {
                "remove it: only commands of the shell and agents work in trees of their own"
            };
            let message = format!("`execution_context.isolation` has no effect where `{who}` does the work");
            problems.push(
                Diagnostic::new(Code::NoEffect, span, message).label("decides nothing").help(help).task(&task.id),
            );
        }
    }
    blind(draft, links, problems);
}

/// Tasks that work in the project's directory, and come after one whose work lands elsewhere: told once.
fn blind(draft: &Draft<'_>, links: &Links, problems: &mut Vec<Diagnostic>) {
    let lands = |index: &TaskIndex| {
        let has_work = agent(draft, *index).is_some() || draft.task(*index).run.is_some();
        has_work && is_isolated(draft, *index) && !draft.task(*index).status.is_terminal()
    };
    let landing: Vec<TaskIndex> = draft.indices().filter(lands).collect();
    if landing.is_empty() {
        return;
    }
    let before = errands::landed_before(draft, links, &landing);
    errands::blind(draft, &before, problems);
    let is_blind = |index: &TaskIndex| {
        let task = draft.task(*index);
        let does_something = task.run.is_some() || !task.verification.is_empty();
        does_something
            && executor(draft, *index) == "shell"
            && !is_isolated(draft, *index)
            && !task.status.is_terminal()
            // Whoever says so knows it.
            && task.context.as_ref().is_none_or(|context| context.isolation.is_none())
    };
    let blind: Vec<(TaskIndex, TaskIndex)> =
        draft.indices().filter(is_blind).filter_map(|index| Some((index, before[index.get()]?))).collect();
    let Some((first, landed)) = blind.first() else {
        return;
    };
    let (task, landed) = (draft.task(*first), draft.task(*landed));
    let others = match blind.len() {
        1 => String::new(),
        2 => ", and 1 task like it,".to_owned(),
        many => format!(", and {} tasks like it,", many - 1),
    };
    problems.push(
        Diagnostic::new(
            Code::UnseenLanding,
            task.id.span,
            format!("`{}`{others} does not see what `{}` lands", task.id, landed.id),
        )
        .label("works in the project's directory")
        .related(landed.id.span, "works in a tree of its own, and lands on the branch of the run")
        .help(
            "add `execution_context: {isolation: worktree}`, or `isolation: worktree` to the execution block for all; \
             `none` says that it is meant",
        )
        .task(&task.id),
    );
}
