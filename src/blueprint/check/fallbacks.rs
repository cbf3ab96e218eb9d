//! `on_failure.fallback_task`: following it must come to an end.

use super::links::{Step, circle};
use crate::blueprint::model::{Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Reports every circle. A task has one fallback at most, so each circle is found by walking on from
/// any task until a task is met again.
pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) {
    let mut walk_of: Vec<Option<TaskIndex>> = vec![None; draft.tasks.len()];
    for start in draft.indices() {
        let mut walk: Vec<(TaskIndex, Span)> = Vec::new();
        let mut at = start;
        while walk_of[at.get()].is_none()
            && let Some((next, place)) = fallback(draft, at)
        {
            walk_of[at.get()] = Some(start);
            walk.push((at, place));
            at = next;
        }
        // Where this walk meets itself a circle ends; meeting an earlier one says nothing new.
        if let Some(first) = walk.iter().position(|(task, _)| *task == at) {
            problems.push(describe(draft, &walk[first..]));
        }
    }
}

fn describe(draft: &Draft<'_>, walk: &[(TaskIndex, Span)]) -> Diagnostic {
    let id = |at: usize| draft.task(walk[at % walk.len()].0).id.as_str();
    if let [(_, place)] = walk {
        return Diagnostic::new(Code::Cycle, *place, format!("`{}` falls back to itself", id(0)))
            .help("name another task; to try the same one again, raise `max_retries`")
            .task(id(0));
    }
    let step = |(at, (task, place)): (usize, &(TaskIndex, Span))| -> Step {
        (*task, *place, format!("`{}` falls back to `{}`", id(at), id(at + 1)))
    };
    circle(draft, walk.iter().enumerate().map(step).collect(), "fall back to each other")
        .help("let one of them fall back to another task, or to none; `→` reads \"falls back to\"")
}

fn fallback(draft: &Draft<'_>, task: TaskIndex) -> Option<(TaskIndex, Span)> {
    let fallback = draft.task(task).on_failure.as_ref()?.fallback.as_ref()?;
    Some((fallback.target?, fallback.task.span))
}
