//! One YAML block → what it holds: tasks, settings, the authored graph, or data.
//!
//! A block is judged by its keys, never by its place. Blocks are read independently of each other,
//! so that many can be read at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::field::Fields;
use super::{execution, task};
use crate::blueprint::format::{DOCUMENT, EXECUTION, GRAPH_ENTRY, TASK, TIER};
use crate::blueprint::model::{AuthoredGraph, DataBlock, Execution, GraphBlock, GraphEntry, ListPlace, Task, Tier};
use crate::blueprint::shape::Checker;
use crate::diagnostic::{Code, Diagnostic, Span, nearest};
use crate::document::source::offset;
use crate::document::{Carrier, Document, Entry, Fence, Language, Node, Text};

/// A task and which tier of its own block it stands in.
pub(super) struct FoundTask<'s> {
    /// The item whose fence it stands in.
    pub(super) item: usize,
    pub(super) task: Box<Task<'s>>,
    /// Its place in `Reading::tiers`.
    pub(super) tier: Option<usize>,
}

/// A field that strict 2.0 requires and `count` tasks lack; `task` is the first of them.
#[derive(Clone, Copy, Debug)]
pub(in crate::blueprint) struct Absence {
    pub(in crate::blueprint) task: u32,
    pub(in crate::blueprint) key: &'static str,
    pub(in crate::blueprint) at: Span,
    pub(in crate::blueprint) count: u32,
}

/// One entry for every field, or for every place.
#[derive(Debug, Default)]
pub(super) struct Absences {
    pub(super) every_place: bool,
    pub(super) list: Vec<Absence>,
}

impl Absences {
    pub(super) fn add(&mut self, absence: Absence) {
        match self.list.iter_mut().find(|known| !self.every_place && known.key == absence.key) {
            Some(known) => known.count += absence.count,
            None => self.list.push(absence),
        }
    }
}

/// Most tasks of a document.
pub(super) const MAX_TASKS: usize = 1_000_000;

/// What a stretch of blocks holds.
#[derive(Default)]
pub(super) struct Reading<'s> {
    item: usize,
    /// Tasks of the document so far, on all threads.
    counted: Arc<AtomicUsize>,
    /// The first task of the stretch that was one too many.
    pub(super) overflow: Option<Span>,
    /// The document, while a block is read whose parts can be read from it again.
    text: Option<&'s str>,
    pub(super) tasks: Vec<FoundTask<'s>>,
    pub(super) absences: Absences,
    pub(super) tiers: Vec<Tier>,
    pub(super) execution: Vec<Execution<'s>>,
    pub(super) graph: Option<AuthoredGraph<'s>>,
    /// `_keys` and `metadata:` of a YAML document.
    pub(super) metadata: Vec<(Text<'s>, Text<'s>)>,
    pub(super) title: Option<Text<'s>>,
    pub(super) vision: Option<String>,
    pub(super) metrics: Vec<Vec<String>>,
    pub(super) data: Vec<DataBlock>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) legacy: Vec<Diagnostic>,
    /// Ids of tasks whose YAML could not be read.
    pub(super) unreadable: Vec<(String, Span)>,
    /// Whether something only 2.1 has was seen.
    pub(super) looks_21: bool,
    pub(super) execution_unreadable: bool,
}

impl<'s> Reading<'s> {
    /// `strict` notes every place where a field of strict 2.0 is absent.
    pub(super) fn new(strict: bool, counted: &Arc<AtomicUsize>) -> Self {
        let absences = Absences { every_place: strict, ..Absences::default() };
        Self { absences, counted: Arc::clone(counted), ..Self::default() }
    }

    /// Reads the fence of an item.
    pub(super) fn add(&mut self, document: &Document<'s>, item: usize, fence: &Fence) {
        self.item = item;
        if !fence.is_yaml() {
            if fence.language == Language::Unmarked
                && document.block_text(fence).lines().any(|line| line.starts_with("task_id:"))
            {
                let marker = document.marker(fence);
                self.problems.push(
                    Diagnostic::new(
                        Code::UntaggedTask,
                        fence.opening,
                        "this block looks like a task, but it is not marked `yaml`",
                    )
                    .label("not read")
                    .help(format!("open the fence with {}yaml", document.source.slice(marker)))
                    // Before whatever follows: an info string is known by its first word.
                    .edit(Span::new(marker.end, marker.end), "yaml"),
                );
            }
            return;
        }
        let yaml = document.yaml(fence);
        let broken = yaml.broken;
        self.text = yaml.again.then(|| document.source.text());
        self.problems.extend(yaml.problems);
        for node in &yaml.documents {
            self.take(node, document.carrier);
        }
        if broken {
            self.salvage(document, fence);
        }
    }

    fn take(&mut self, node: &Node<'s>, carrier: Carrier) {
        if let Some(items) = node.as_list() {
            if items.iter().any(|item| item.entry("task_id").is_some()) {
                for item in items {
                    self.task(item, None);
                }
            } else {
                self.data.push(DataBlock { keys: Vec::new(), span: node.span });
            }
            return;
        }
        let Some(entries) = node.as_map() else {
            self.data.push(DataBlock { keys: Vec::new(), span: node.span });
            return;
        };
        if node.entry("task_id").is_some() || looks_like_task(entries) {
            self.task(node, None);
            return;
        }
        let in_braces = entries.first().is_some_and(|first| first.key.span.start > node.span.start);
        let mut unknown = Vec::new();
        for entry in entries {
            let value = &entry.value;
            match &*entry.key.value {
                "execution" => self.execution(value),
                // Without a value it counts as absent, like any other key.
                "dependency_graph" if value.is_null() => {}
                "dependency_graph" => self.graph(entry, in_braces),
                "dependencies" if value.as_map().is_some() => self.graph(entry, in_braces),
                "tiers" => self.tiers(entry),
                "tasks" if value.as_list().is_some_and(|items| items.iter().any(|i| i.as_map().is_some())) => {
                    for item in value.as_list().unwrap_or_default() {
                        self.task(item, None);
                    }
                }
                _ if carrier == Carrier::Yaml => self.document_key(entry, &mut unknown),
                _ => unknown.push(&entry.key),
            }
        }
        if !unknown.is_empty() {
            self.misspelt(&unknown, entries);
            let keys = unknown.iter().map(ToString::to_string).collect();
            let span = unknown.first().map_or(node.span, |key| key.span);
            self.data.push(DataBlock { keys, span });
        }
    }

    fn document_key<'e>(&mut self, entry: &'e Entry<'s>, unknown: &mut Vec<&'e Text<'s>>) {
        let value = &entry.value;
        match &*entry.key.value {
            key if key.starts_with('_') => self.metadata.extend(value.to_text().map(|text| (entry.key.clone(), text))),
            "title" | "name" => self.title = value.to_text(),
            "blueprint_version" => {
                let key = Text { value: "_blueprint_version".into(), span: entry.key.span };
                self.metadata.extend(value.to_text().map(|text| (key, text)));
            }
            "metadata" => {
                for entry in value.as_map().unwrap_or_default() {
                    let text = entry.value.to_text();
                    if matches!(&*entry.key.value, "name" | "title") && self.title.is_none() {
                        self.title = text.clone();
                    }
                    self.metadata.extend(text.map(|text| (entry.key.clone(), text)));
                }
            }
            "strategic_vision" => self.vision = value.text().map(str::to_owned),
            "success_metrics" => {
                self.metrics = value
                    .as_list()
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Node::as_map)
                    .map(|row| row.iter().filter_map(|cell| cell.value.text().map(str::to_owned)).collect())
                    .collect();
            }
            "dependencies" | "parallel_groups" | "document_control" | "description" => {}
            _ => unknown.push(&entry.key),
        }
    }

    /// A key that no rule knows is data, unless it is one slip away from a key that means something.
    fn misspelt(&mut self, unknown: &[&Text<'s>], entries: &[Entry<'s>]) {
        let known = DOCUMENT.fields.iter().map(|field| field.key).filter(|key| key.len() > 4);
        let open: Vec<&str> = known.filter(|key| !entries.iter().any(|entry| entry.key.value == *key)).collect();
        for key in unknown {
            if let Some(meant) = nearest(key, open.iter().copied()) {
                self.problems.push(
                    Diagnostic::new(Code::UnknownKey, key.span, format!("a document has no key `{key}`"))
                        .label(format!("did you mean `{meant}`?"))
                        .help(format!("rename it to `{meant}`; as it is, the block is kept as data and does nothing")),
                );
            }
        }
    }

    fn task(&mut self, node: &Node<'s>, tier: Option<usize>) {
        if self.counted.fetch_add(1, Ordering::Relaxed) >= MAX_TASKS {
            self.overflow.get_or_insert(node.span);
            return;
        }
        let mut checker = Checker::default();
        if !checker.check(node, &TASK) {
            self.problems.append(&mut checker.problems);
            return;
        }
        let task = task::read(node, self.text, &mut checker);
        self.looks_21 |=
            node.field("interface").is_some_and(|node| node.get("inputs").is_some() || node.get("outputs").is_some());
        for problem in checker.problems.iter_mut().chain(&mut checker.legacy) {
            problem.task = Some(task.id.value.as_ref().into());
        }
        self.problems.append(&mut checker.problems);
        self.legacy.append(&mut checker.legacy);
        for absent in checker.absent {
            self.absences.add(Absence { task: offset(self.tasks.len()), key: absent.key, at: absent.at, count: 1 });
        }
        self.tasks.push(FoundTask { item: self.item, task: Box::new(task), tier });
    }

    fn tiers(&mut self, entry: &Entry<'s>) {
        let Some(tiers) = entry.value.as_list() else {
            self.problems.push(
                Diagnostic::new(
                    Code::WrongType,
                    entry.value.span,
                    format!("`tiers` must be a list, this is {}", entry.value.kind()),
                )
                .help("write `tiers:` as a list of mappings with `name`, `tier_number` and `tasks`"),
            );
            return;
        };
        self.looks_21 |= tiers.iter().any(|tier| tier.entry("tier").is_some());
        for tier in tiers {
            let mut checker = Checker::default();
            // Tasks are checked one by one below, so that their problems carry their ids.
            if !checker.check(&without_tasks(tier), &TIER) {
                self.problems.append(&mut checker.problems);
                continue;
            }
            self.problems.append(&mut checker.problems);
            let named = tier.filled("tier_id").or_else(|| tier.filled("id")).or_else(|| tier.filled("tier"));
            let number = ["tier_number", "number", "tier"]
                .iter()
                .find_map(|key| tier.count(key))
                .or_else(|| named.and_then(|text| text.trim_start_matches(['T', 't']).parse().ok()));
            let index = self.tiers.len();
            self.tiers.push(Tier {
                number,
                title: tier
                    .filled("name")
                    .or_else(|| tier.filled("title"))
                    .map(|text| text.to_string())
                    .unwrap_or_default(),
                span: tier.span,
            });
            for task in tier.field("tasks").and_then(Node::as_list).unwrap_or_default() {
                self.task(task, Some(index));
            }
        }
    }

    fn execution(&mut self, node: &Node<'s>) {
        let mut checker = Checker::default();
        // Of locks that cannot be read nobody knows whether they were declared.
        self.execution_unreadable |= !execution::has_readable_locks(node);
        if checker.check(node, &EXECUTION) {
            self.looks_21 |=
                ["parallelism", "retry_policy", "budget", "observability"].iter().any(|key| node.get(key).is_some());
            self.execution.push(execution::read(node, &mut self.problems));
        }
        self.problems.append(&mut checker.problems);
        self.legacy.append(&mut checker.legacy);
    }

    fn graph(&mut self, entry: &Entry<'s>, in_braces: bool) {
        let node = &entry.value;
        let Some(entries) = node.as_map() else {
            self.problems.push(
                Diagnostic::new(
                    Code::WrongType,
                    node.span,
                    format!("`{}` must be a mapping, this is {}", entry.key, node.kind()),
                )
                .help("write `T0.2: { depends_on: [T0.1] }` lines, or remove the block: it is computed from the tasks"),
            );
            return;
        };
        let last = GraphBlock { key: entry.key.span, body: node.span, in_braces };
        let mut graph = AuthoredGraph { span: entry.span(), last, entries: Vec::new() };
        for entry in entries {
            let value = &entry.value;
            let list = if value.as_list().is_some() { Some(value) } else { value.field("depends_on") };
            if value.as_list().is_none() && !value.is_null() {
                let mut checker = Checker::default();
                checker.check(value, &GRAPH_ENTRY);
                self.problems.append(&mut checker.problems);
            }
            graph.entries.push(GraphEntry {
                task: entry.key.clone(),
                span: entry.span(),
                depends_on: list.and_then(Node::as_list).unwrap_or_default().iter().filter_map(Node::to_text).collect(),
                place: if node.span.holds(entry.key.span) { list_place(entry) } else { ListPlace::Nowhere },
                bindings: super::field::pairs(value.field("input_bindings"))
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect(),
            });
        }
        match &mut self.graph {
            // A long graph may be spread over several blocks.
            Some(whole) => whole.append(graph),
            slot => *slot = Some(graph),
        }
    }

    /// The ids a broken block would have had, so that references to them are not called dangling.
    fn salvage(&mut self, document: &Document<'s>, fence: &Fence) {
        let known: HashSet<String> = self.tasks.iter().map(|found| found.task.id.to_string()).collect();
        for line in document.block_text(fence).lines() {
            self.execution_unreadable |= line.starts_with("execution:");
            let line = line.trim_start().trim_start_matches("- ");
            let Some(rest) = line.strip_prefix("task_id:") else {
                continue;
            };
            let id: String =
                rest.trim().trim_matches(['"', '\'']).chars().take_while(|c| !c.is_whitespace() && *c != '#').collect();
            if !id.is_empty() && !known.contains(&id) {
                self.unreadable.push((id, fence.span));
            }
        }
    }
}

/// A mapping with several keys that only tasks have is a task that forgot its id.
fn looks_like_task(entries: &[Entry<'_>]) -> bool {
    const TELLING: [&str; 8] = [
        "acceptance_criteria",
        "verification",
        "test_command",
        "rollback",
        "interface",
        "input_bindings",
        "required_capabilities",
        "files_to_create",
    ];
    entries.iter().filter(|entry| TELLING.contains(&&*entry.key.value)).count() >= 3
}

/// Where the list of a graph's entry stands, or the value that stands in its place.
fn list_place(entry: &Entry<'_>) -> ListPlace {
    let (key, value) = (entry.key.span, &entry.value);
    let elsewhere = |part: Span| !value.span.holds(part);
    if let Some(items) = value.as_list() {
        return match items.last() {
            _ if items.iter().any(|item| item.text().is_none()) => ListPlace::Nowhere,
            // A closing bracket stands behind the last item; an alias covers no item at all.
            Some(last) if !elsewhere(last.span) && last.span.end == value.span.end => ListPlace::Dashes,
            _ => ListPlace::Brackets(value.span),
        };
    }
    match value.as_map() {
        Some(entries) => match (value.entry("depends_on"), entries.first().map(|first| first.key.span)) {
            (Some(inner), _) if elsewhere(inner.key.span) => ListPlace::Nowhere,
            (Some(inner), _) if inner.value.as_map().is_some() => ListPlace::Nowhere,
            (Some(inner), _) => list_place(inner),
            (None, Some(first)) if elsewhere(first) => ListPlace::Nowhere,
            (None, first) => ListPlace::Mapping { whole: value.span, first },
        },
        None if value.is_null() => ListPlace::Value { key, value: value.span },
        None => ListPlace::Nowhere,
    }
}

fn without_tasks<'s>(tier: &Node<'s>) -> Node<'s> {
    let Some(entries) = tier.as_map() else {
        return tier.clone();
    };
    Node {
        span: tier.span,
        value: crate::document::Value::Map(
            entries.iter().filter(|entry| entry.key.value != "tasks").cloned().collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::{MAX_TASKS, Reading};
    use crate::document::{Document, Piece, Source};

    #[test]
    fn f_09_tasks_beyond_the_limit_are_not_kept() {
        let (source, _) = Source::from_bytes("t.yaml", b"- task_id: a\n  run: x\n- task_id: b\n  run: x\n".to_vec());
        let document = Document::read(&source);
        let [Piece::Fence(fence)] = &document.pieces[..] else { panic!("{document:?}") };
        let mut reading = Reading::new(false, &Arc::new(AtomicUsize::new(MAX_TASKS - 1)));
        reading.add(&document, 0, fence);
        assert_eq!(reading.tasks.len(), 1);
        assert_eq!(reading.overflow.map(|span| source.slice(span)), Some("task_id: b\n  run: x"));
    }
}
