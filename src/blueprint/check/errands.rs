//! Work that agents of the fleet are to do: what the service does not know, and trees that no worker can begin with.
//!
//! A worker clones the commit that the task's tree begins with. It finds there what others landed only if somebody brings it
//! there, or the repository is a folder that workers share with us.

use super::links::Links;
use crate::blueprint::model::{AgentApproval, AgentTerms, AgentTrust, Draft, Fleet, SandboxMode, Task};
use crate::blueprint::{TaskIndex, agent_terms, site};
use crate::diagnostic::{Code, Diagnostic, Span};

fn bad(span: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::BadSite, span, message.into()).help(help.into())
}

/// What an agent of the fleet cannot be asked.
pub(super) fn check(draft: &Draft<'_>, index: TaskIndex, fleet: &Fleet<'_>, problems: &mut Vec<Diagnostic>) {
    let task = draft.task(index);
    let (id, at) = (&task.id, task.executor().map_or(task.id.span, |name| name.span));
    if fleet.repo.is_none() {
        problems.push(
            bad(
                at,
                format!("nobody says which repository the agent of `{id}` works on"),
                "add `outpost: {repo: owner/name}`: the one that this project is a clone of",
            )
            .label("no `repo`"),
        );
    }
    for unknown in unknown(&agent_terms(draft, index)) {
        problems.push(bad(
            at,
            format!("`agent.{unknown}` is for agents of this machine, and `{id}` is done by one of the fleet"),
            "remove it: the service's workers decide about that; or name an agent of this machine, such as `executor: claude`",
        ));
    }
    let own = task.context.as_deref().and_then(|context| context.fleet.as_deref());
    let own = own.iter().flat_map(|own| [("ref", &own.reference), ("directory", &own.directory)]);
    for (key, text) in own.filter_map(|(key, text)| Some((key, text.as_ref()?))) {
        problems.push(bad(
            text.span,
            format!("`{key}` is for commands, and an agent does `{id}`"),
            "remove it: an agent begins at the top of the commit that the task's tree begins with",
        ));
    }
    if let Some(push) = fleet.push.as_ref().filter(|name| !is_remote(name)) {
        problems.push(bad(push.span, format!("`{push}` is no name of a remote"), "write one of `git remote`"));
    }
    left_here(task, problems);
}

/// What is done on this machine before the agent begins, or is a file of it.
fn left_here(task: &Task<'_>, problems: &mut Vec<Diagnostic>) {
    let id = &task.id;
    if let Some(setup) = task.context.as_deref().and_then(|context| context.setup_command.as_ref()) {
        problems.push(
            bad(
                setup.span,
                format!("the setup of `{id}` would be done here, and its agent works on the fleet"),
                "write it into the verification, which runs here; what the agent needs a worker has to have",
            )
            .label("not where the agent is"),
        );
    }
    if let Some(handoff) = &task.handoff {
        let at = handoff.checkpoint_path.as_ref().map_or(handoff.checkpoint_interval_span, |path| path.span);
        problems.push(bad(
            at,
            format!("the checkpoint of `{id}` is a file of this machine, and its agent works on the fleet"),
            "remove `handoff`: the next attempt begins anew, and is told what failed",
        ));
    }
}

/// Terms that the service does not know.
fn unknown(terms: &AgentTerms<'_>) -> Vec<&'static str> {
    let sandbox = terms.sandbox.as_deref().is_some_and(|sandbox| {
        sandbox.mode != SandboxMode::Auto
            || sandbox.gateway_only
            || !sandbox.read.is_empty()
            || !sandbox.write.is_empty()
    });
    let all = [
        ("effort", terms.effort.is_some()),
        ("max_turns", terms.max_turns.is_some()),
        ("approval", terms.approval.is_some_and(|approval| approval != AgentApproval::Full)),
        ("trust", terms.trust == Some(AgentTrust::Own)),
        ("isolation", !terms.is_isolated()),
        ("sandbox", sandbox),
    ];
    all.into_iter().filter_map(|(key, is_said)| is_said.then_some(key)).collect()
}

fn is_remote(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !name.starts_with(['-', '.', '/']) && !name.contains("..") && name.bytes().all(is_plain)
}

/// Tasks whose agents would not see what the tasks before them landed. `before` has for each task one such.
pub(super) fn blind(draft: &Draft<'_>, before: &[Option<TaskIndex>], problems: &mut Vec<Diagnostic>) {
    for index in draft.indices().filter(|index| !draft.task(*index).status.is_terminal()) {
        let (Some(fleet), Some(landed)) = (site::of_errand(draft, index), before[index.get()]) else {
            continue;
        };
        let Some(repo) = fleet.repo.as_ref().filter(|_| !fleet.is_shared()) else {
            continue;
        };
        let (task, landed) = (draft.task(index), draft.task(landed));
        problems.push(
            bad(
                task.id.span,
                format!("what `{}` lands does not reach the agent of `{}`", landed.id, task.id),
                "add `push: origin`, or another remote that leads to `repo`, to `outpost`",
            )
            .label(format!("workers clone `{repo}`"))
            .related(landed.id.span, "lands on a branch of this project")
            .task(&task.id),
        );
    }
}

/// By task, one that lands before it.
pub(super) fn landed_before(draft: &Draft<'_>, links: &Links, landing: &[TaskIndex]) -> Vec<Option<TaskIndex>> {
    let links = links.with_parents(draft);
    let mut dependents: Vec<Vec<TaskIndex>> = vec![Vec::new(); draft.tasks.len()];
    for index in draft.indices() {
        for need in links.needs(index) {
            dependents[need.task.get()].push(index);
        }
    }
    let mut before: Vec<Option<TaskIndex>> = vec![None; draft.tasks.len()];
    let mut left: Vec<(TaskIndex, TaskIndex)> = landing.iter().map(|index| (*index, *index)).collect();
    while let Some((index, landed)) = left.pop() {
        for dependent in &dependents[index.get()] {
            if before[dependent.get()].replace(landed).is_none() {
                left.push((*dependent, landed));
            }
        }
    }
    before
}
