//! The statuses of a document's tasks, written anew: every other byte stays as it is.
//!
//! A status is written as the word of the format, in the quotes that were there; where a task has none, in the style
//! of its block. What was written is read again: a document in which anything but these statuses would change is
//! refused. Knows neither runs nor files.

use std::collections::HashMap;

use super::model::{Draft, TaskIndex};
use super::{Status, checksum, mend, read};
use crate::diagnostic::{Edit, Span};
use crate::document::source::offset;
use crate::document::{Document, Entry, Node, Piece, Source, Value};

/// Tasks whose status cannot be written without a change of something else, such as the value of an alias.
#[derive(Debug, PartialEq, Eq)]
pub struct Entangled(pub Vec<String>);

/// The document with these statuses. `draft` is what was read from `source`; a checksum that was right stays right.
pub fn write(source: &Source, draft: &Draft<'_>, wanted: &HashMap<TaskIndex, Status>) -> Result<Source, Entangled> {
    let changed = wanted.iter().filter(|(index, status)| draft.task(**index).status != **status);
    let changed: HashMap<TaskIndex, Status> = changed.map(|(index, status)| (*index, *status)).collect();
    let vouched = checksum::fits(source.text(), &draft.metadata);
    let edits = edits(source, draft, &changed);
    let text = mend::apply(source.text(), edits.iter().map(std::slice::from_ref));
    let written = Source::from_bytes(source.name(), text.unwrap_or_else(|| source.text().to_owned()).into_bytes()).0;
    let entangled = entangled(draft, &read(&written, false).draft, &changed);
    if entangled.is_empty() {
        Ok(if vouched { checksum::refresh(written) } else { written })
    } else {
        Err(Entangled(entangled))
    }
}

/// Whether two documents differ in nothing but statuses, and in the checksums that they have because of them.
pub fn are_all_that_differs(one: (&Source, &Draft<'_>), other: (&Source, &Draft<'_>)) -> bool {
    if one.1.tasks.len() != other.1.tasks.len() {
        return false;
    }
    // Each task's status as the word of the other document.
    let plain = |(source, draft): (&Source, &Draft<'_>)| {
        let wanted = other.1.indices().map(|index| (index, other.1.task(index).status)).collect();
        let edits = edits(source, draft, &wanted);
        let text = mend::apply(source.text(), edits.iter().map(std::slice::from_ref));
        text.map(|text| checksum::refresh(Source::from_bytes("", text.into_bytes()).0).text().to_owned())
    };
    plain(one).is_some_and(|text| Some(text) == plain(other))
}

/// Tasks that are not what they should be in `after`.
fn entangled(before: &Draft<'_>, after: &Draft<'_>, wanted: &HashMap<TaskIndex, Status>) -> Vec<String> {
    let is_wrong = |index: &TaskIndex| {
        let old = before.task(*index);
        let status = wanted.get(index).copied().unwrap_or(old.status);
        after.tasks.get(index.get()).is_none_or(|new| new.id.value != old.id.value || new.status != status)
    };
    before.indices().filter(is_wrong).map(|index| before.task(index).id.to_string()).collect()
}

/// What it takes for these tasks to have these statuses.
fn edits(source: &Source, draft: &Draft<'_>, wanted: &HashMap<TaskIndex, Status>) -> Vec<Edit> {
    let wanted: HashMap<u32, Status> =
        wanted.iter().map(|(index, status)| (draft.task(*index).id.span.start, *status)).collect();
    let document = Document::read(source);
    let mut edits = Vec::new();
    let fences = document.pieces.iter().filter_map(|piece| match piece {
        Piece::Fence(fence) if fence.is_yaml() => Some(fence),
        _ => None,
    });
    for fence in fences {
        let yaml = document.yaml(fence);
        let mut open: Vec<&Node<'_>> = yaml.documents.iter().collect();
        while let Some(node) = open.pop() {
            match &node.value {
                Value::Scalar { .. } => {}
                Value::List(items) => open.extend(items),
                Value::Map(entries) => {
                    let id = node.entry("task_id").map(|entry| entry.value.span.start);
                    match id.and_then(|id| wanted.get(&id)) {
                        Some(status) => edits.extend(edit(source, node, *status)),
                        None => open.extend(entries.iter().map(|entry| &entry.value)),
                    }
                }
            }
        }
    }
    edits
}

/// The status of one task's mapping.
fn edit(source: &Source, task: &Node<'_>, status: Status) -> Option<Edit> {
    // What comes by an alias or a merge key is written elsewhere, and may belong to others.
    let own: Vec<&Entry<'_>> = task.as_map()?.iter().filter(|entry| task.span.holds(entry.key.span)).collect();
    let Some(entry) = own.iter().find(|entry| entry.key.value == "status") else {
        return added(source, task, &own, status);
    };
    let place = entry.value.span;
    if !place.is_empty() && entry.key.span.end <= place.start {
        let text = enclosed(quote(source, place), status.word());
        return Some(Edit { span: place, text });
    }
    // `status:` and nothing behind it.
    let rest = source.text().get(entry.key.span.end as usize..)?;
    let blank = rest.len() - rest.trim_start_matches(' ').len();
    let (at, colon) = if rest[blank..].starts_with(':') { (blank + 1, "") } else { (0, ":") };
    let at = entry.key.span.end + offset(at);
    Some(Edit { span: Span::new(at, at), text: format!("{colon} {status}") })
}

/// A task without a status is given one behind its name, or its id.
fn added(source: &Source, task: &Node<'_>, own: &[&Entry<'_>], status: Status) -> Option<Edit> {
    let text = source.text();
    let is_one_line = |entry: &Entry<'_>| {
        let on_line = source.slice(entry.span());
        matches!(entry.value.value, Value::Scalar { .. }) && !entry.value.span.is_empty() && !on_line.contains('\n')
    };
    let named = |key: &str| own.iter().copied().find(|entry| entry.key.value == key && is_one_line(entry));
    let before =
        named("name").or_else(|| named("task_id")).or_else(|| own.iter().copied().find(|one| is_one_line(one)))?;
    let key = enclosed(quote(source, before.key.span), "status");
    let at_line_start = |entry: &Entry<'_>| {
        let margin = margin(text, entry.key.span.start);
        margin.chars().all(|c| c.is_whitespace() || c == '>').then(|| margin.to_owned())
    };
    let end = before.value.span.end;
    if source.slice(task.span).starts_with('{') {
        let is_json = key.starts_with('"') && quote(source, before.value.span) == Some('"');
        let value = enclosed(is_json.then_some('"'), status.word());
        let gap = at_line_start(before).map_or_else(|| " ".to_owned(), |margin| format!("\n{margin}"));
        return Some(Edit { span: Span::new(end, end), text: format!(",{gap}{key}: {value}") });
    }
    // The first key may stand behind the dash of its item; all others show the indentation.
    let margin = own
        .iter()
        .skip(1)
        .find_map(|entry| at_line_start(entry))
        .unwrap_or_else(|| margin(text, own[0].key.span.start).replace(['-', '?'], " "));
    let rest = &text[end as usize..];
    let line = rest.find(['\r', '\n']).unwrap_or(rest.len());
    let at = end + offset(line);
    Some(Edit { span: Span::new(at, at), text: format!("\n{margin}{key}: {status}") })
}

/// What stands before a place on its line.
fn margin(text: &str, at: u32) -> &str {
    let before = &text[..at as usize];
    &before[before.rfind('\n').map_or(0, |newline| newline + 1)..]
}

fn quote(source: &Source, place: Span) -> Option<char> {
    source.slice(place).chars().next().filter(|first| matches!(first, '"' | '\''))
}

fn enclosed(quote: Option<char>, word: &str) -> String {
    quote.map_or_else(|| word.to_owned(), |quote| format!("{quote}{word}{quote}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Entangled, are_all_that_differs, write};
    use crate::blueprint::{Status, TaskIndex, read};
    use crate::document::Source;

    fn source(text: &str) -> Source {
        Source::from_bytes("t.md", text.as_bytes().to_vec()).0
    }

    /// The document with every task complete.
    fn done(text: &str) -> Result<String, Entangled> {
        let source = source(text);
        let draft = read(&source, false).draft;
        if draft.tasks.is_empty() {
            return Err(Entangled(vec![format!("no task in {text}")]));
        }
        let wanted: HashMap<TaskIndex, Status> = draft.indices().map(|index| (index, Status::Complete)).collect();
        write(&source, &draft, &wanted).map(|written| written.text().to_owned())
    }

    #[test]
    fn f_11_a_status_is_written_where_it_stands() {
        for (before, after) in [
            ("status: not_started # yet", "status: complete # yet"),
            ("status:   'blocked'", "status:   'complete'"),
            ("status: \"🔲 NOT_STARTED\"", "status: \"complete\""),
            ("status: 🔄 IN PROGRESS", "status: complete"),
            ("status: pending", "status: complete"),
            ("status:", "status: complete"),
            ("status: # none", "status: complete # none"),
            ("status: ~ # none", "status: complete # none"),
            ("status: |\n  DOING\n", "status: |\n  complete\n"),
            ("\"status\" : null", "\"status\" : complete"),
            ("status: ✅ COMPLETE", "status: ✅ COMPLETE"),
        ] {
            // What it cannot read it leaves to `check`.
            let before = before.replace("DOING", "blocked");
            for (head, tail) in [
                ("```yaml\ntask_id: a\nname: b\n", "\nrun: x\n```\n"),
                ("```yaml\n", "\ntask_id: a\nname: b\n```\n"),
                ("tasks:\n", ""),
            ] {
                let whole = |line: &str| match tail {
                    "" => format!("tasks:\n  - task_id: a\n    {}\n    run: x", line.replace('\n', "\n    ")),
                    _ => format!("{head}{line}{tail}"),
                };
                assert_eq!(done(&whole(&before)), Ok(whole(after)));
                let crlf = |text: &str| whole(text).replace('\n', "\r\n");
                assert_eq!(done(&crlf(&before)), Ok(crlf(after)));
            }
        }
    }

    #[test]
    fn f_11_a_task_without_a_status_is_given_one_in_its_own_style() {
        for (before, after) in [
            (
                "```yaml\ntask_id: a\nname: b # c\n\nrun: x\n```\n",
                "```yaml\ntask_id: a\nname: b # c\nstatus: complete\n\nrun: x\n```\n",
            ),
            (
                "```yaml\ntask_id: a\nname: >\n  b\nrun: x\n```\n",
                "```yaml\ntask_id: a\nstatus: complete\nname: >\n  b\nrun: x\n```\n",
            ),
            ("tasks:\n- task_id: a", "tasks:\n- task_id: a\n  status: complete"),
            (
                "tasks:\n  -   task_id: a\n      name: b",
                "tasks:\n  -   task_id: a\n      name: b\n      status: complete",
            ),
            (
                "> - ```yaml\n>   task_id: a\n>   name: b\n>   ```\n",
                "> - ```yaml\n>   task_id: a\n>   name: b\n>   status: complete\n>   ```\n",
            ),
            (
                "```yaml\n{task_id: a, name: b, run: x}\n```\n",
                "```yaml\n{task_id: a, name: b, status: complete, run: x}\n```\n",
            ),
            (
                "tasks: [{task_id: a}, {task_id: b}]\n",
                "tasks: [{task_id: a, status: complete}, {task_id: b, status: complete}]\n",
            ),
            (
                "```yaml\n{\n  \"task_id\": \"a\",\n  \"name\": \"b\",\n  \"run\": \"x\"\n}\n```\n",
                "```yaml\n{\n  \"task_id\": \"a\",\n  \"name\": \"b\",\n  \"status\": \"complete\",\n  \"run\": \"x\"\n}\n```\n",
            ),
            (
                "```yaml\n{task_id: a, status: , name: b}\n```\n",
                "```yaml\n{task_id: a, status: complete , name: b}\n```\n",
            ),
            (
                "```yaml\n{task_id: a, status, name: b}\n```\n",
                "```yaml\n{task_id: a, status: complete, name: b}\n```\n",
            ),
            (
                "```yaml\n- &x {task_id: a, name: b}\n```\n",
                "```yaml\n- &x {task_id: a, name: b, status: complete}\n```\n",
            ),
        ] {
            assert_eq!(done(before).as_deref(), Ok(after));
            assert_eq!(done(&before.replace('\n', "\r\n")), Ok(after.replace('\n', "\r\n")));
        }
    }

    #[test]
    fn what_is_shared_is_left_to_the_others() {
        let merged =
            "```yaml\n- task_id: a\n  x: &x {status: blocked, run: x}\n- task_id: b\n  <<: *x\n  name: b\n```\n";
        let after = merged.replace("- task_id: a\n", "- task_id: a\n  status: complete\n");
        assert_eq!(done(merged), Ok(after.replace("name: b\n", "name: b\n  status: complete\n")));
        // One value for two tasks, of which only one is another now.
        let text = "```yaml\n- {task_id: a, status: &s blocked}\n- {task_id: b, status: *s}\n```\n";
        let source = source(text);
        let draft = read(&source, false).draft;
        let one = |index: usize| HashMap::from([(TaskIndex::new(index), Status::Complete)]);
        assert_eq!(write(&source, &draft, &one(0)).map(drop), Err(Entangled(vec!["b".to_owned()])));
        let alone = write(&source, &draft, &one(1)).expect("the alias is its own");
        assert_eq!(alone.text(), text.replace("*s", "complete"));
    }

    #[test]
    fn f_03_a_checksum_goes_with_the_statuses() {
        let text = "<!-- _checksum: sha256:0 -->\n```yaml\ntask_id: a\nstatus: blocked\n```\n";
        let right = crate::blueprint::checksum::refresh(source(text));
        let after = done(right.text()).expect("written");
        assert_ne!(after.lines().next(), right.text().lines().next());
        assert_eq!(crate::blueprint::checksum::refresh(source(&after)).text(), after);
        assert_eq!(done(text), Ok(text.replace("blocked", "complete")), "nobody vouched for it");
    }

    #[test]
    fn statuses_are_told_from_other_differences() {
        let alike = |one: &str, other: &str| {
            let (one, other) = (source(one), source(other));
            let (first, second) = (read(&one, false).draft, read(&other, false).draft);
            are_all_that_differs((&one, &first), (&other, &second))
        };
        let text = "# T\n\n```yaml\ntask_id: a\nname: b\n```\n```yaml\ntask_id: c\nstatus: ✅ COMPLETE\n```\n";
        let synced = text.replace("name: b\n", "name: b\nstatus: in_progress\n");
        assert!(alike(text, text) && alike(text, &synced) && alike(&synced, text));
        assert!(alike(&synced, &synced.replace("in_progress", "complete")));
        assert!(alike(text, &text.replace("✅ COMPLETE", "complete")));
        assert!(!alike(text, &text.replace("# T", "# U")));
        assert!(!alike(text, &synced.replace("name: b", "name: c")));
        assert!(!alike(text, &synced.replace("status: in", "status:  in")));
        assert!(!alike(text, text.split_once("```\n").map_or(text, |(first, _)| first)));
    }
}
