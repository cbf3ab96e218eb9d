//! The edits that make an authored graph say what the tasks say, in the layout it is written in.
//!
//! Knows text and places. Where the layout leaves no safe place to write, there are no edits.

use crate::blueprint::id_problem;
use crate::blueprint::model::{AuthoredGraph, GraphEntry, ListPlace};
use crate::diagnostic::{Edit, Span};
use crate::document::Text;
use crate::document::source::span;

/// Edits that take the items out of an entry's list that `keep` refuses, and add others.
pub(super) fn of_entry(
    text: &str,
    entry: &GraphEntry<'_>,
    keep: impl Fn(&str) -> bool,
    add: &[&str],
) -> Option<Vec<Edit>> {
    let items = &entry.depends_on;
    let kept: Vec<bool> = items.iter().map(|item| keep(item)).collect();
    let add = plain(add)?;
    if add.is_empty() && kept.iter().all(|kept| *kept) {
        return None;
    }
    let whole = || {
        let stays = items.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(item, _)| item.as_str());
        let all: Vec<&str> = stays.chain(add.iter().map(String::as_str)).collect();
        plain(&all).map(|all| format!("[{}]", all.join(", ")))
    };
    match entry.place {
        ListPlace::Brackets(list) if text[list.range()].starts_with('[') => Some(brackets(list, items, &kept, &add)),
        // An alias for a list: others may use it, so only this use is replaced.
        ListPlace::Brackets(list) => Some(vec![Edit { span: list, text: whole()? }]),
        ListPlace::Dashes => dashes(text, items, &kept, &add),
        ListPlace::Value { key, value } => {
            let list = whole()?;
            let list = if key == entry.task.span { format!("{{depends_on: {list}}}") } else { list };
            Some(vec![if value.is_empty() {
                let (at, colon) = behind(text, key);
                insert(at, format!("{colon} {list}"))
            } else {
                Edit { span: value, text: list }
            }])
        }
        ListPlace::Mapping { whole: mapping, first } => {
            let pair = format!("depends_on: {}", whole()?);
            Some(vec![match first {
                None => insert(mapping.start as usize + 1, pair),
                Some(first) if first.start > mapping.start => insert(first.start as usize, format!("{pair}, ")),
                Some(first) => {
                    let indent = indent(text, first.start as usize)?;
                    insert(first.start as usize, format!("{pair}\n{indent}"))
                }
            }])
        }
        ListPlace::Nowhere => None,
    }
}

/// The edit that adds entries for tasks that have none.
pub(super) fn of_missing(text: &str, graph: &AuthoredGraph<'_>, tasks: &[(&str, Vec<&str>)]) -> Option<Edit> {
    let mut entries = Vec::with_capacity(tasks.len());
    for (id, needs) in tasks {
        entries.push((plain(&[*id])?.concat(), plain(needs)?.join(", ")));
    }
    let inline = || {
        let entries: Vec<String> =
            entries.iter().map(|(id, needs)| format!("{id}: {{depends_on: [{needs}]}}")).collect();
        entries.join(", ")
    };
    let lines = |indent: &str| -> String {
        entries.iter().map(|(id, needs)| format!("\n{indent}{id}:\n{indent}  depends_on: [{needs}]")).collect()
    };
    let block = graph.last;
    let in_braces = text[block.body.range()].starts_with('{');
    let inside = graph.entries.iter().filter(|entry| block.body.holds(entry.task.span));
    if let Some(last) = inside.max_by_key(|entry| entry.task.span.start) {
        if !in_braces {
            let indent = indent(text, last.task.span.start as usize)?;
            return Some(insert(line_end(text, last.span.end as usize), lines(indent)));
        }
        let null = last.span == last.task.span;
        let at = if null { behind(text, last.task.span).0 } else { last.span.end as usize };
        return Some(insert(at, format!(", {}", inline())));
    }
    if !in_braces {
        return None;
    }
    let end = block.body.end as usize;
    let alone = text[end..line_end(text, end)].trim().is_empty();
    let (colon, mark) = behind(text, block.key);
    match indent(text, block.key.start as usize) {
        Some(indent) if alone && mark.is_empty() && !block.in_braces => {
            Some(Edit { span: span(colon, end), text: lines(&format!("{indent}  ")) })
        }
        _ => Some(insert(block.body.start as usize + 1, inline())),
    }
}

fn insert(at: usize, text: String) -> Edit {
    Edit { span: span(at, at), text }
}

/// Edits of `[a, b]`.
fn brackets(list: Span, items: &[Text<'_>], kept: &[bool], add: &[String]) -> Vec<Edit> {
    let Some(last) = kept.iter().rposition(|kept| *kept) else {
        return vec![Edit { span: Span::new(list.start + 1, list.end - 1), text: add.join(", ") }];
    };
    let mut edits = Vec::new();
    let mut any = false;
    for (index, item) in items.iter().enumerate() {
        if kept[index] {
            any = true;
        } else if any {
            edits.push(Edit { span: Span::new(items[index - 1].span.end, item.span.end), text: String::new() });
        } else {
            edits.push(Edit { span: Span::new(item.span.start, items[index + 1].span.start), text: String::new() });
        }
    }
    if !add.is_empty() {
        edits.push(insert(items[last].span.end as usize, format!(", {}", add.join(", "))));
    }
    edits
}

/// Edits of items behind dashes, each on lines of its own.
fn dashes(text: &str, items: &[Text<'_>], kept: &[bool], add: &[String]) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let last = kept.iter().rposition(|kept| *kept);
    for (index, item) in items.iter().enumerate() {
        // The first makes room for what is added when nothing stays.
        if !kept[index] && (last.is_some() || index > 0) {
            let before = text[..text[..dash(text, item)?].rfind('\n')?].trim_end_matches('\r');
            let end = line_end(text, item.span.end as usize);
            edits.push(Edit { span: span(before.len(), end), text: String::new() });
        }
    }
    let first = &items.first()?.span;
    let at = dash(text, items.first()?)?;
    let indent = indent(text, at)?;
    let lines = |ids: &[String]| ids.iter().map(|id| format!("\n{indent}- {id}")).collect::<String>();
    if let Some(last) = last {
        let end = line_end(text, items[last].span.end as usize);
        edits.push(insert(end, lines(add)));
        return Some(edits);
    }
    edits.push(match add {
        [one, more @ ..] => Edit { span: *first, text: format!("{one}{}", lines(more)) },
        [] => {
            let before = text[..at].trim_end();
            match before.ends_with(':') {
                true => Edit { span: span(before.len(), first.end as usize), text: " []".to_owned() },
                // As the value of its key it must stand further in than the key.
                false => Edit { span: span(at, first.end as usize), text: "  []".to_owned() },
            }
        }
    });
    Some(edits)
}

/// The place of an item's dash.
fn dash(text: &str, item: &Text<'_>) -> Option<usize> {
    text[..item.span.start as usize].trim_end_matches(' ').strip_suffix('-').map(str::len)
}

/// What stands before `at` on its line, if the next line may begin with the same.
fn indent(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = text[start..at].trim_start_matches('\u{feff}');
    indent.chars().all(|c| matches!(c, ' ' | '\t' | '>')).then_some(indent)
}

/// The end of the line that `at` stands on.
fn line_end(text: &str, at: usize) -> usize {
    let line = text[at..].lines().next().unwrap_or_default();
    at + line.len()
}

/// Where the value of a key without one goes, and the colon it still needs.
fn behind(text: &str, key: Span) -> (usize, &'static str) {
    let end = key.end as usize;
    let rest = text[end..].trim_start_matches(' ');
    if rest.starts_with(':') { (text.len() - rest.len() + 1, "") } else { (end, ":") }
}

/// Ids as they are written in YAML, if they can be.
fn plain(ids: &[&str]) -> Option<Vec<String>> {
    let write = |id: &&str| match *id {
        "null" | "Null" | "NULL" => Some(format!("\"{id}\"")),
        id => id_problem(id).is_ok().then(|| id.to_owned()),
    };
    ids.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use crate::blueprint::{mend, read};
    use crate::diagnostic::Code;
    use crate::document::Source;

    /// T2 needs T1, T3 needs T1 and T2.
    const TASKS: &str = "- {task_id: T1, name: x}\n- {task_id: T2, name: x, dependencies: [T1]}\n\
                         - {task_id: T3, name: x, dependencies: [T1, T2]}\n";

    /// The graph after mending, and whether it says what the tasks say then.
    fn mended(graph: &str) -> (String, bool) {
        let before = format!("```yaml\n{TASKS}```\n\n```yaml\n");
        let source = |text: String| Source::from_bytes("t.md", text.into_bytes()).0;
        let text = source(format!("{before}{graph}```\n"));
        let text = mend(&text).map_or(text, |mended| mended.source);
        assert!(mend(&text).is_none(), "not finished after one run: {}", text.text());
        let reading = read(&text, false);
        let said = [Code::GraphMismatch, Code::YamlSyntax, Code::WrongType, Code::DuplicateKey];
        let right = reading.diagnostics.iter().all(|problem| !said.contains(&problem.code));
        let rest = text.text().strip_prefix(&before).and_then(|rest| rest.strip_suffix("```\n"));
        (rest.expect("nothing else changes").to_owned(), right)
    }

    fn check(cases: &[(&str, &str)]) {
        for (before, after) in cases {
            assert_eq!(mended(before), ((*after).to_owned(), true), "{before}");
            // The same with the line ends of another system.
            let crlf = |text: &str| text.replace('\n', "\r\n");
            let source = |text: &str| Source::from_bytes("t.md", crlf(text).into_bytes()).0;
            let (before, after) =
                [before, after].map(|graph| format!("```yaml\n{TASKS}```\n```yaml\n{graph}```\n")).into();
            let mended = mend(&source(&before)).map(|mended| mended.source.text().to_owned());
            assert_eq!(mended, Some(crlf(&after)));
        }
    }

    #[test]
    fn f_13_lists_in_brackets_keep_their_layout() {
        check(&[
            (
                "dependency_graph:\n  T2: [T1,]  # a\n  T3: {depends_on: [ 'T1' ], notes: x}\n",
                "dependency_graph:\n  T2: [T1,]  # a\n  T3: {depends_on: [ 'T1', T2 ], notes: x}\n",
            ),
            (
                "dependency_graph:\n  T1: {depends_on: [T2, T3]}\n  T2: {depends_on: []}\n  T3: [T3, T1, T3, T2, T3]\n",
                "dependency_graph:\n  T1: {depends_on: []}\n  T2: {depends_on: [T1]}\n  T3: [T1, T2]\n",
            ),
            (
                "dependency_graph:\n  T2:\n    depends_on: [\n      T1,  # one\n      T3,\n    ]\n  T3: [T1,\n    T2]\n",
                "dependency_graph:\n  T2:\n    depends_on: [\n      T1,\n    ]\n  T3: [T1,\n    T2]\n",
            ),
            ("dependency_graph: {T2: [], T3: [T1]}\n", "dependency_graph: {T2: [T1], T3: [T1, T2]}\n"),
        ]);
    }

    #[test]
    fn f_13_lists_of_lines_keep_their_layout() {
        check(&[
            (
                "dependency_graph:\n  T2:\n    depends_on:\n    - T3 # no\n    - T1 # yes\n    # more\n  T3:\n    - T1 # a\n",
                "dependency_graph:\n  T2:\n    depends_on:\n    - T1 # yes\n    # more\n  T3:\n    - T1 # a\n    - T2\n",
            ),
            (
                "dependency_graph:\n  T1:\n  - T2\n  - T3\n  T2:\n  - T3\n  T3:\n    depends_on:\n      - T3\n",
                "dependency_graph:\n  T1: []\n  T2:\n  - T1\n  T3:\n    depends_on:\n      - T1\n      - T2\n",
            ),
            (
                "dependency_graph:\n  T1: # none\n  - T2\n  T2: [T1]\n  T3: [T1, T2]\n",
                "dependency_graph:\n  T1: # none\n    []\n  T2: [T1]\n  T3: [T1, T2]\n",
            ),
        ]);
    }

    #[test]
    fn f_13_entries_without_a_list_get_one() {
        check(&[
            (
                "dependency_graph:\n  T2:\n  T3 : # why\n",
                "dependency_graph:\n  T2: {depends_on: [T1]}\n  T3 : {depends_on: [T1, T2]} # why\n",
            ),
            (
                "dependency_graph:\n  T2: ~\n  T3:\n    depends_on:\n    notes: x\n",
                "dependency_graph:\n  T2: {depends_on: [T1]}\n  T3:\n    depends_on: [T1, T2]\n    notes: x\n",
            ),
            (
                "dependency_graph:\n  T2: {}\n  T3:\n    # c\n    notes: x\n",
                "dependency_graph:\n  T2: {depends_on: [T1]}\n  T3:\n    # c\n    depends_on: [T1, T2]\n    notes: x\n",
            ),
            (
                "dependency_graph: {T2, \"T3\": { notes: x }}\n",
                "dependency_graph: {T2: {depends_on: [T1]}, \"T3\": { depends_on: [T1, T2], notes: x }}\n",
            ),
        ]);
    }

    #[test]
    fn f_13_missing_entries_are_added_in_the_order_of_the_tasks() {
        let lines = "  T2:\n    depends_on: [T1]\n  T3:\n    depends_on: [T1, T2]\n";
        check(&[
            ("dependency_graph: {}\n", &format!("dependency_graph:\n{lines}")),
            ("dependency_graph: {}\nz: 1\n", &format!("dependency_graph:\n{lines}z: 1\n")),
            (
                "dependency_graph: {} # c\n",
                "dependency_graph: {T2: {depends_on: [T1]}, T3: {depends_on: [T1, T2]}} # c\n",
            ),
            (
                "{\n  \"dependency_graph\": {}\n}\n",
                "{\n  \"dependency_graph\": {T2: {depends_on: [T1]}, T3: {depends_on: [T1, T2]}}\n}\n",
            ),
            ("dependency_graph:\n  T1: # c\n\n", &format!("dependency_graph:\n  T1: # c\n{lines}\n")),
            (
                "dependency_graph: {T1: }\n",
                "dependency_graph: {T1:, T2: {depends_on: [T1]}, T3: {depends_on: [T1, T2]} }\n",
            ),
            ("dependency_graph: {T2: [T1]}\n", "dependency_graph: {T2: [T1], T3: {depends_on: [T1, T2]}}\n"),
            (
                "dependency_graph:\n  T2: [T1]\n---\ndependency_graph:\n    T1:\n        depends_on:\n        - T2\n",
                "dependency_graph:\n  T2: [T1]\n---\ndependency_graph:\n    T1:\n        depends_on: []\n    T3:\n      depends_on: [T1, T2]\n",
            ),
        ]);
    }

    #[test]
    fn f_13_an_alias_is_replaced_where_it_is_used() {
        check(&[(
            "dependency_graph:\n  T1: &n []\n  T2: {depends_on: *n}\n  T3: [T1, T2]\n",
            "dependency_graph:\n  T1: &n []\n  T2: {depends_on: [T1]}\n  T3: [T1, T2]\n",
        )]);
        let shared = "dependency_graph:\n  T2: &e {depends_on: [T1]}\n  T3: *e\n";
        assert_eq!(mended(shared), (shared.to_owned(), false));
    }

    #[test]
    fn f_13_what_cannot_be_written_is_left_to_the_author() {
        for graph in [
            // Only the binding is wrong.
            "dependency_graph:\n  T1: {input_bindings: {a: T2.output.p}}\n  T2: [T1]\n  T3: [T1, T2]\n",
            "dependency_graph:\n  T2: [T1]\n  T3: [T1, [T2]]\n",
        ] {
            assert_eq!(mended(graph), (graph.to_owned(), false));
        }
        let absent = "dependency_graph: # computed\n";
        assert_eq!(mended(absent), (absent.to_owned(), true), "a key without a value counts as absent");
        let quote = |graph: &str| format!("> {}", graph.trim_end().replace('\n', "\n> "));
        let text = |graph: &str| format!("```yaml\n{TASKS}```\n\n{}\n", quote(&format!("```yaml\n{graph}```\n")));
        let (source, _) = Source::from_bytes("t.md", text("dependency_graph:\n  T3:\n  - T3\n  - T1\n").into());
        let after = mend(&source).expect("something to mend");
        let graph = "dependency_graph:\n  T3:\n  - T1\n  - T2\n  T2:\n    depends_on: [T1]\n";
        assert_eq!(after.source.text(), text(graph));
    }
}
