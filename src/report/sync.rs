//! A run in the statuses of its document: what each task should say, what may not be said, and what would change.

use std::fmt::Write as _;

use crate::blueprint::{Draft, Status, TaskIndex};
use crate::run::{Phase, Run, Undo};

/// How a run left a task, in a word of the format. Nothing for what the run had nothing to do with.
pub fn status(run: &Run, index: TaskIndex) -> Option<Status> {
    let state = run.task(index);
    if run.program().tasks[index.get()].settled {
        return None;
    }
    // What was undone is not done, whatever the run called it before; somebody has to look.
    if matches!(run.undo(index), Undo::Running | Undo::Undone | Undo::Failed | Undo::Unknown) {
        return Some(Status::Blocked);
    }
    Some(match &state.phase {
        Phase::Waiting if state.attempts == 0 => return None,
        Phase::Complete(_) => Status::Complete,
        Phase::Skipped(_) => Status::Skipped,
        Phase::Interrupted { .. } | Phase::Paused { .. } | Phase::Unknown { .. } if state.checkpoint.is_some() => {
            Status::Checkpointed
        }
        // The format says so of what waits for a person, too.
        Phase::Blocked(_) | Phase::Gate(_) | Phase::Unknown { running: None, next: None, .. } => Status::Blocked,
        _ => Status::InProgress,
    })
}

/// A task whose status is another after the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub task: TaskIndex,
    pub from: Status,
    pub to: Status,
}

/// What a run changes in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub legal: Vec<Change>,
    /// What the format does not let follow each other.
    pub refused: Vec<Change>,
    /// Tasks of the run that the document does not have.
    pub gone: Vec<String>,
}

impl Changes {
    /// Tasks are matched by their ids: the document may be another than the one that was run.
    pub fn of(run: &Run, draft: &Draft<'_>) -> Self {
        let mut changes = Self::default();
        for task in draft.indices() {
            let from = draft.task(task).status;
            let Some(to) = run.find(&draft.task(task).id).and_then(|index| status(run, index)) else {
                continue;
            };
            if from != to {
                let list = if from.leads_to(to) { &mut changes.legal } else { &mut changes.refused };
                list.push(Change { task, from, to });
            }
        }
        let known: std::collections::HashSet<&str> = draft.tasks.iter().map(|task| task.id.as_str()).collect();
        let ids = run.program().tasks.iter().map(|spec| spec.id.as_str());
        changes.gone = ids.filter(|id| !known.contains(id)).map(str::to_owned).collect();
        changes
    }
}

/// Two versions of a document as a unified diff without context; empty when they are the same. Any two texts are told
/// right; those that differ in a line here and there are told shortly.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut text = String::new();
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        if before.get(i) == after.get(j) {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (first, second) = (i, j);
        while (i < before.len() || j < after.len()) && before.get(i) != after.get(j) {
            if after.get(j + 1).is_some() && after.get(j + 1) == before.get(i) {
                j += 1;
                break;
            }
            (i, j) = ((i + 1).min(before.len()), (j + 1).min(after.len()));
        }
        if text.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "--- {name}\n+++ {name}\n");
        }
        let _ = writeln!(text, "@@ -{} +{} @@", lines(first, i - first), lines(second, j - second));
        for (sign, lines) in [('-', &before[first..i]), ('+', &after[second..j])] {
            for line in lines {
                let whole = line.strip_suffix('\n');
                let _ = writeln!(text, "{sign}{}", whole.unwrap_or(line));
                if whole.is_none() {
                    text += "\\ No newline at end of file\n";
                }
            }
        }
    }
    text
}

/// Where lines stand, as `diff` counts: one that is only gone or only new stands behind the line before it.
fn lines(first: usize, count: usize) -> String {
    match count {
        0 => format!("{first},0"),
        1 => format!("{}", first + 1),
        more => format!("{},{more}", first + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn a_difference_is_told_as_diff_does() {
        for (old, new, hunks) in [
            ("a\nb\n", "a\nb\n", ""),
            ("a\nb\nc\n", "a\nx\nc\n", "@@ -2 +2 @@\n-b\n+x\n"),
            ("a\nc\n", "a\nb\nc\n", "@@ -1,0 +2 @@\n+b\n"),
            ("a\r\nb\r\n", "a\r\nx\r\n", "@@ -2 +2 @@\n-b\r\n+x\r\n"),
            (
                "a\nb",
                "a\nb\nc",
                "@@ -2 +2,2 @@\n-b\n\\ No newline at end of file\n+b\n+c\n\\ No newline at end of file\n",
            ),
            ("a\nb\nc\nd\ne\n", "x\nb\nc\nd\ny\ne\n", "@@ -1 +1 @@\n-a\n+x\n@@ -4,0 +5 @@\n+y\n"),
            ("a\nb\n", "c\nd\n", "@@ -1,2 +1,2 @@\n-a\n-b\n+c\n+d\n"),
        ] {
            let head = if hunks.is_empty() { "" } else { "--- f\n+++ f\n" };
            assert_eq!(diff("f", old, new), format!("{head}{hunks}"));
        }
    }
}
