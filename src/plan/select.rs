//! The selection language: which tasks a command is about.
//!
//! `T1.2`, `T1.*`, `tier:2`, `status:complete`; `+T1.2` with all it waits for, `T1.2+` with all that
//! waits for it, `!T1.2` without it. Several terms add up; exclusions win.

use super::Dag;
use crate::blueprint::status;
use crate::blueprint::{Draft, TaskIndex};
use crate::diagnostic::nearest;

/// Why a selection cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSelection {
    pub term: String,
    pub reason: String,
}

impl std::fmt::Display for BadSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` selects nothing: {}", self.term, self.reason)
    }
}

/// The selected tasks in document order. No terms select all.
pub fn select(terms: &[String], draft: &Draft<'_>, dag: &Dag) -> Result<Vec<TaskIndex>, BadSelection> {
    let mut chosen = vec![terms.iter().all(|term| term.starts_with('!')); draft.tasks.len()];
    let (excluded, included): (Vec<&String>, Vec<&String>) = terms.iter().partition(|term| term.starts_with('!'));
    for term in included {
        for index in one(term, draft, dag)? {
            chosen[index.get()] = true;
        }
    }
    for term in excluded {
        for index in one(&term[1..], draft, dag)? {
            chosen[index.get()] = false;
        }
    }
    Ok(draft.indices().filter(|index| chosen[index.get()]).collect())
}

fn one(term: &str, draft: &Draft<'_>, dag: &Dag) -> Result<Vec<TaskIndex>, BadSelection> {
    let (upstream, name) = term.strip_prefix('+').map_or((false, term), |name| (true, name));
    let (downstream, name) = name.strip_suffix('+').map_or((false, name), |name| (true, name));
    let mut found = base(name, draft).map_err(|reason| BadSelection { term: term.to_owned(), reason })?;
    let roots = found.clone();
    if upstream {
        found.extend(closure(&roots, draft, |index| dag.waits_for(index).into_iter().map(|(task, _)| task).collect()));
    }
    if downstream {
        found.extend(closure(&roots, draft, |index| dag.waited_by(index).collect()));
    }
    Ok(found)
}

fn closure(roots: &[TaskIndex], draft: &Draft<'_>, next: impl Fn(TaskIndex) -> Vec<TaskIndex>) -> Vec<TaskIndex> {
    let mut seen = vec![false; draft.tasks.len()];
    let mut open = roots.to_vec();
    let mut found = Vec::new();
    while let Some(index) = open.pop() {
        for neighbour in next(index) {
            if !std::mem::replace(&mut seen[neighbour.get()], true) {
                found.push(neighbour);
                open.push(neighbour);
            }
        }
    }
    found
}

fn base(name: &str, draft: &Draft<'_>) -> Result<Vec<TaskIndex>, String> {
    let all =
        |keep: &dyn Fn(TaskIndex) -> bool| -> Vec<TaskIndex> { draft.indices().filter(|index| keep(*index)).collect() };
    if let Some(number) = name.strip_prefix("tier:") {
        let wanted: u32 = number.parse().map_err(|_| "a tier is a number, such as `tier:2`".to_owned())?;
        let found = all(&|index| {
            let tier = draft.task(index).tier.and_then(|tier| draft.tiers.get(tier as usize));
            tier.and_then(|tier| tier.number) == Some(wanted)
        });
        return if found.is_empty() { Err(format!("no task stands in tier {wanted}")) } else { Ok(found) };
    }
    if let Some(word) = name.strip_prefix("status:") {
        let Some((wanted, _)) = status::read(word) else {
            return Err(format!("a status is one of {}", crate::blueprint::shape::choices(status::WORDS)));
        };
        return Ok(all(&|index| draft.task(index).status == wanted));
    }
    if name.contains('*') {
        let found = all(&|index| matches(name, &draft.task(index).id));
        return if found.is_empty() { Err("no task's id is like this".to_owned()) } else { Ok(found) };
    }
    let found = all(&|index| draft.task(index).id.value == name);
    if found.is_empty() {
        let ids = draft.tasks.iter().map(|task| task.id.as_str());
        return Err(match nearest(name, ids) {
            Some(meant) => format!("there is no such task; did you mean `{meant}`?"),
            None => "there is no such task".to_owned(),
        });
    }
    Ok(found)
}

/// `*` stands for any characters.
fn matches(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = id.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{matches, select};
    use crate::blueprint::{TaskIndex, read};
    use crate::document::Source;
    use crate::plan::Dag;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, id, fits) in [
            ("T0.*", "T0.1", true),
            ("T0.*", "T10.1", false),
            ("*.1", "T0.1", true),
            ("T*.1*2", "T3.1.2", true),
            ("*", "x", true),
        ] {
            assert_eq!(matches(pattern, id), fits, "{pattern} {id}");
        }
    }

    #[test]
    fn terms_add_up_and_exclusions_win() {
        let mut text = String::new();
        for (id, needs, status) in
            [("T0.1", "", "complete"), ("T0.2", "T0.1", "not_started"), ("T1.1", "T0.2", "not_started")]
        {
            text +=
                &format!("```yaml\ntask_id: {id}\nname: x\nstatus: {status}\ndependencies: [{needs}]\nrun: x\n```\n");
        }
        let (source, _) = Source::from_bytes("t.md", text.into_bytes());
        let reading = read(&source, false);
        let dag = Dag::of(&reading.draft, &reading.links);
        let ids = |terms: &[&str]| -> Result<Vec<u32>, String> {
            let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
            select(&terms, &reading.draft, &dag)
                .map(|found| found.into_iter().map(|TaskIndex(index)| index).collect())
                .map_err(|error| error.to_string())
        };
        assert_eq!(ids(&[]), Ok(vec![0, 1, 2]));
        assert_eq!(ids(&["T0.*"]), Ok(vec![0, 1]));
        assert_eq!(ids(&["+T1.1"]), Ok(vec![0, 1, 2]));
        assert_eq!(ids(&["T0.2+"]), Ok(vec![1, 2]));
        assert_eq!(ids(&["tier:1", "status:complete"]), Ok(vec![0, 2]));
        assert_eq!(ids(&["!T0.1"]), Ok(vec![1, 2]));
        assert!(ids(&["T0.3"]).is_err_and(|error| error.contains("did you mean")));
        assert!(ids(&["tier:9"]).is_err() && ids(&["status:x"]).is_err());
    }
}
