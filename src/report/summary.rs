//! What is said at the end of a run: what went wrong first, what it cost, and what to do next.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::progress::{Tally, ids, last_words};
use super::table::one_line;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{Chore, Ending, Failure, Hook, Phase, Run, Standing, Undo};

/// Failures, tasks that wait for a person, and tasks named in a line, shown at the end.
const MOST: usize = 10;
/// Lines of output shown with a failure.
const SHOWN: usize = 15;

/// How the runner came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Over(Ending),
    Waiting,
    Interrupted,
}

/// Blocked tasks, the one that was blocked first in front.
pub fn failures(run: &Run) -> Vec<(TaskIndex, &Failure)> {
    let mut blocked: Vec<(TaskIndex, &Failure)> = run
        .indices()
        .filter_map(|index| match &run.task(index).phase {
            Phase::Blocked(failure) => Some((index, &**failure)),
            _ => None,
        })
        .collect();
    blocked.sort_by_key(|(index, _)| run.task(*index).ended);
    blocked
}

/// Tasks that did not start because this one is blocked, in the order of the document.
pub fn held_up(run: &Run, index: TaskIndex) -> Vec<TaskIndex> {
    let mut held = BTreeSet::new();
    let mut open = vec![index];
    while let Some(task) = open.pop() {
        open.extend(run.dependents(task).filter(|next| !run.task(*next).is_final() && held.insert(*next)));
    }
    held.into_iter().collect()
}

/// The last words of `run` and `resume`.
pub fn summary(run: &Run, blueprint: &Blueprint<'_>, id: &str, end: End) -> String {
    let mut text = String::new();
    if matches!(end, End::Over(Ending::RolledBack | Ending::RollbackFailed)) {
        return rolled_back(run, id);
    }
    text += &hooks(run, id);
    let failures = failures(run);
    for (position, (index, failure)) in failures.iter().take(MOST).enumerate() {
        let task = blueprint.task(*index);
        let _ = write!(text, "\n{} failed: {} ({})\n", task.id, one_line(&failure.message), failure.code);
        if position == 0 {
            for line in last_words(failure, SHOWN) {
                let _ = writeln!(text, "  {line}");
            }
            let _ = writeln!(text, "  all of it: outpost-bp logs {} --run {id}", task.id);
        }
        let held = held_up(run, *index);
        if !held.is_empty() {
            let _ = writeln!(text, "  not started because of it: {}", ids(blueprint, &held, MOST));
        }
    }
    if failures.len() > MOST {
        let _ = writeln!(text, "\n… and {} more failed: outpost-bp status {id} --all", failures.len() - MOST);
    }
    if end == End::Waiting || end == End::Interrupted {
        text += &waiting(run, blueprint, id);
    }
    let tally = Tally::of(run);
    let counts = counts(&tally);
    let _ = match end {
        End::Over(Ending::Done) => {
            writeln!(text, "\ndone: {counts}")
        }
        End::Over(Ending::Failed) => {
            writeln!(text, "\nfailed: {counts}\nmend it, then: outpost-bp resume {id}{}", to_undo(run, id))
        }
        End::Over(Ending::Rejected) => writeln!(text, "\nended by a gate: {counts}"),
        End::Over(Ending::Cancelled) => writeln!(text, "\ncancelled: {counts}"),
        End::Over(Ending::RolledBack | Ending::RollbackFailed) => Ok(()),
        End::Waiting => writeln!(text, "\nwaiting: {counts}\nthen: outpost-bp resume {id}"),
        End::Interrupted => writeln!(text, "\ninterrupted: {counts}\nto go on: outpost-bp resume {id}"),
    };
    text
}

/// Hooks that failed. Nothing else would say why a run did not begin, or what it left behind.
fn hooks(run: &Run, id: &str) -> String {
    let mut text = String::new();
    for hook in Hook::ALL {
        if let Some(Standing::Failed(failure)) = run.chore(&Chore::Hook { hook }).map(|state| &state.standing) {
            let _ = write!(text, "\nhook {} failed: {} ({})\n", hook.word(), one_line(&failure.message), failure.code);
            for line in last_words(failure, SHOWN) {
                let _ = writeln!(text, "  {line}");
            }
            let _ = writeln!(text, "  all of it: outpost-bp logs hooks --run {id}");
        }
    }
    text
}

/// What is said after a rollback: what it could not undo first.
fn rolled_back(run: &Run, id: &str) -> String {
    let mut text = hooks(run, id);
    let mut left = Vec::new();
    for task in run.acted() {
        let name = &run.program().tasks[task.get()].id;
        let chore = run.chore(&Chore::Rollback { task: name.clone() });
        match (run.undo(task), chore.map(|state| &state.standing)) {
            (Undo::Failed, Some(Standing::Failed(failure))) => {
                let _ = write!(text, "\n{name} is not undone: {} ({})\n", one_line(&failure.message), failure.code);
                for line in last_words(failure, SHOWN) {
                    let _ = writeln!(text, "  {line}");
                }
                left.push(name.as_str());
            }
            (Undo::Unknown, _) => {
                let _ = write!(text, "\n{name} may be undone or not: its rollback ran when its runner ended\n");
                left.push(name);
            }
            _ => {}
        }
    }
    let word = if left.is_empty() { "rolled back" } else { "rolled back in part" };
    let _ = writeln!(text, "\n{word}: {}", undone(run));
    if !left.is_empty() {
        let _ = writeln!(text, "look, then: outpost-bp rollback {id} {}", left.join(" "));
    }
    text
}

/// How far undoing came.
fn undone(run: &Run) -> String {
    let acted = run.acted();
    let count = |undo: Undo| acted.iter().filter(|task| run.undo(**task) == undo).count();
    let mut text = format!("{} of {} tasks are undone", count(Undo::Undone), acted.len());
    for (undo, word) in [
        (Undo::Failed, "could not be"),
        (Undo::Unknown, "may be or not"),
        (Undo::Due, "not tried"),
        (Undo::Irreversible, "irreversible"),
    ] {
        if count(undo) > 0 {
            let _ = write!(text, ", {} {word}", count(undo));
        }
    }
    text
}

/// What a person may still undo, as the last line of a run that failed.
fn to_undo(run: &Run, id: &str) -> String {
    match run.undoable().len() {
        0 => String::new(),
        1 => format!("\nto undo what 1 task did: outpost-bp rollback {id}"),
        many => format!("\nto undo what {many} tasks did: outpost-bp rollback {id}"),
    }
}

/// Gates and unknown tasks, each with the command that decides it.
pub fn waiting(run: &Run, blueprint: &Blueprint<'_>, id: &str) -> String {
    let mut text = String::new();
    let is_meant = |index: &TaskIndex| {
        matches!(run.task(*index).phase, Phase::Gate(_) | Phase::Unknown { running: None, next: None, .. })
    };
    let waiting: Vec<TaskIndex> = run.indices().filter(is_meant).collect();
    for &index in waiting.iter().take(MOST) {
        let task = blueprint.task(index);
        match &run.task(index).phase {
            Phase::Gate(_) => {
                let Some(asked) = run.asked(index, task) else {
                    continue;
                };
                let _ = write!(text, "\n{} waits for a person: {}\n", task.id, one_line(asked.what()));
                if let Some(reason) = &asked.reason {
                    let _ = writeln!(text, "  because: {}", one_line(reason));
                }
                let _ = writeln!(text, "  outpost-bp approve {} --run {id}    (or: reject)", task.id);
            }
            Phase::Unknown { running: None, next: None, .. } => {
                let _ = write!(
                    text,
                    "\n{} ran when its runner ended, and nobody knows how far it came\n  look, then: outpost-bp resume {id} --rerun {}\n",
                    task.id, task.id
                );
            }
            _ => {}
        }
    }
    if waiting.len() > MOST {
        let _ = writeln!(text, "\n… and {} more: outpost-bp status {id} --all", waiting.len() - MOST);
    }
    text
}

fn counts(tally: &Tally) -> String {
    let mut text = format!("{} of {} tasks complete", tally.complete, tally.total);
    for (count, word) in
        [(tally.skipped, "skipped"), (tally.blocked, "blocked"), (tally.people, "waiting for a person")]
    {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }
    text
}
