//! Locks: declared once, asked for by name, in the way they were declared. And the path of the log, which is that of a run.

use std::collections::HashMap;

use super::references::Guesses;
use crate::blueprint::model::{Draft, LockMode};
use crate::blueprint::variable::check_run_path;
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::Text;

pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) {
    let execution = &draft.execution;
    if let Some(path) = execution.logging.as_ref().and_then(|logging| logging.file_path.as_ref()) {
        check_run_path(path, path.span, problems);
    }
    let mut declared: HashMap<&str, (usize, LockMode)> = HashMap::new();
    for (position, lock) in execution.locks.iter().enumerate() {
        let (first, _) = *declared.entry(&lock.name).or_insert((position, lock.mode));
        if first < position {
            problems.push(
                Diagnostic::new(
                    Code::DuplicateLock,
                    lock.name.span,
                    format!("the lock `{}` is declared twice", lock.name),
                )
                .label("again here")
                .related(execution.locks[first].name.span, "first here")
                .help("keep one declaration"),
            );
        }
    }
    let mut guesses = Guesses::default();
    let mut unknown = |name: &Text<'_>, task: &str| {
        let problem =
            Diagnostic::new(Code::UnknownLock, name.span, format!("the lock `{name}` is not declared")).task(task);
        match guesses.another().then(|| nearest(name, declared.keys().copied())).flatten() {
            Some(meant) => problem
                .label(format!("did you mean `{meant}`?"))
                .help("declare it under `execution.resource_locks`, or correct the name"),
            None => problem.label("unknown lock").help(format!("add `- name: {name}` to `execution.resource_locks`")),
        }
    };
    for task in &draft.tasks {
        for lock in task.locks() {
            match declared.get(&*lock.name.value).map(|(_, mode)| *mode) {
                None => problems.push(unknown(&lock.name, &task.id)),
                Some(LockMode::Exclusive) if lock.mode == Some(LockMode::Shared) => problems.push(
                    Diagnostic::new(
                        Code::LockMode,
                        lock.name.span,
                        format!("`{}` is asked for as shared and declared as exclusive", lock.name),
                    )
                    .label("held alone all the same")
                    .help("declare the lock as `type: shared`, or ask for it as `mode: exclusive`")
                    .task(&task.id),
                ),
                Some(_) => {}
            }
        }
        let stages = task.verification.iter().flat_map(|stage| &stage.requires);
        let typed = task.dependencies.iter().filter_map(|dependency| dependency.typed.as_ref());
        let released = typed.filter_map(|typed| typed.resource.as_ref());
        for name in stages.chain(released) {
            if !declared.contains_key(&*name.value) {
                problems.push(unknown(name, &task.id));
            }
        }
    }
}
