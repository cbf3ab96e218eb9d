//! Document → [`Draft`]: outline, blocks (many at once), then one draft with every problem so far.

mod agent;
mod block;
mod execution;
mod field;
mod logging;
mod metadata;
mod notify;
mod outline;
mod port;
mod remote;
mod site;
mod task;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) use block::Absence;
use block::{Absences, MAX_TASKS, Reading};
use outline::{Announced, Item, Outline};

use super::checksum;
use super::model::{Compatibility, Dialect, Draft, Task, Tier};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::source::offset;
use crate::document::{Carrier, Document, Text};

pub(in crate::blueprint) use port::port_reference;

/// A draft and what is known to be wrong with it.
#[derive(Debug)]
pub(super) struct Found<'s> {
    pub(super) draft: Draft<'s>,
    pub(super) problems: Vec<Diagnostic>,
    /// Fields that strict 2.0 requires and tasks lack.
    pub(super) absences: Vec<Absence>,
    /// Ids of tasks whose YAML could not be read.
    pub(super) unreadable: HashSet<String>,
    /// Whether locks may be declared that could not be read, so that none is called undeclared.
    pub(super) execution_unreadable: bool,
}

/// Blocks a thread takes at a time.
const BATCH: usize = 256;

pub(super) fn read<'s>(mut document: Document<'s>, strict: bool) -> Found<'s> {
    let mut problems = std::mem::take(&mut document.problems);
    let outline = outline::read(&mut document);
    let readings = read_blocks(&document, &outline.items, strict);
    let merged =
        merge(&document, &outline, readings, Absences { every_place: strict, list: Vec::new() }, &mut problems);
    let Merged {
        tasks,
        absences,
        unreadable,
        mut tiers,
        mut execution,
        graph,
        data,
        legacy,
        yaml,
        looks_21,
        execution_unreadable,
    } = merged;

    let mut pairs = metadata::front_matter(&document, &mut problems).into_vec();
    pairs.extend(outline.metadata);
    pairs.extend(yaml.metadata);
    let metadata = metadata::read(pairs);
    let dialect = metadata::dialect(&metadata, &tasks, looks_21);
    let migrating = execution.compatibility == Compatibility::V1Migration;
    if dialect != Dialect::V1 && !migrating {
        problems.extend(legacy);
    }
    let absences = if dialect == Dialect::V1 || migrating { Vec::new() } else { absences.list };
    metadata::check(&document, &metadata, tasks.len() + unreadable.len(), !unreadable.is_empty(), &mut problems);
    checksum::check(document.source.text(), &metadata, &mut problems);
    if tasks.is_empty() && unreadable.is_empty() {
        problems.push(
            Diagnostic::whole(Code::NoTasks, "the document has no task")
                .help("write a task as a ```yaml block with a `task_id`; `outpost-bp new` prints an example"),
        );
    }
    execution.locks.shrink_to_fit();
    let mut tasks = tasks;
    place_in_tiers(&mut tasks, &mut tiers);
    let draft = Draft {
        carrier: document.carrier,
        dialect,
        title: yaml.title.or(outline.title),
        banner: outline.banner,
        vision: yaml.vision.or(outline.vision),
        metrics: if yaml.metrics.is_empty() { outline.metrics } else { yaml.metrics },
        metadata,
        execution,
        tiers,
        tasks,
        graph,
        data,
    };
    Found { draft, problems, absences, unreadable, execution_unreadable }
}

/// Reads all blocks, on as many threads as the machine has processors when there are many.
fn read_blocks<'s>(document: &Document<'s>, items: &[Item<'_>], strict: bool) -> Vec<Reading<'s>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len() / BATCH + 1);
    let counted = Arc::new(AtomicUsize::new(0));
    let read = |start: usize, end: usize| {
        let mut reading = Reading::new(strict, &counted);
        for (index, item) in items.iter().enumerate().take(end).skip(start) {
            reading.add(document, index, &item.fence);
        }
        reading
    };
    if threads == 1 {
        return vec![read(0, items.len())];
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut batches = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            if start >= items.len() {
                return batches;
            }
            batches.push((start, read(start, items.len().min(start + BATCH))));
        }
    };
    let mut batches: Vec<(usize, Reading<'s>)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut batches = work();
        for other in others {
            match other.join() {
                Ok(more) => batches.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        batches
    });
    batches.sort_unstable_by_key(|(start, _)| *start);
    batches.into_iter().map(|(_, reading)| reading).collect()
}

/// What the YAML of the document says about the document.
#[derive(Default)]
struct Yaml<'s> {
    metadata: Vec<(Text<'s>, Text<'s>)>,
    title: Option<Text<'s>>,
    vision: Option<String>,
    metrics: Vec<Vec<String>>,
}

struct Merged<'s> {
    #[expect(clippy::vec_box, reason = "as in Draft")]
    tasks: Vec<Box<Task<'s>>>,
    absences: Absences,
    unreadable: HashSet<String>,
    tiers: Vec<Tier>,
    execution: super::model::Execution<'s>,
    graph: Option<super::model::AuthoredGraph<'s>>,
    data: Vec<super::model::DataBlock>,
    legacy: Vec<Diagnostic>,
    yaml: Yaml<'s>,
    looks_21: bool,
    execution_unreadable: bool,
}

fn merge<'s>(
    document: &Document<'s>,
    outline: &Outline<'s>,
    readings: Vec<Reading<'s>>,
    absences: Absences,
    problems: &mut Vec<Diagnostic>,
) -> Merged<'s> {
    let mut merged = Merged {
        tasks: Vec::with_capacity(readings.iter().map(|reading| reading.tasks.len()).sum()),
        absences,
        unreadable: HashSet::new(),
        tiers: outline.tiers.clone(),
        execution: super::model::Execution::default(),
        graph: None,
        data: Vec::new(),
        legacy: Vec::new(),
        yaml: Yaml::default(),
        looks_21: false,
        execution_unreadable: false,
    };
    // Tasks that their heading or marker calls something else, and their item.
    let mut suspects: Vec<(usize, usize)> = Vec::new();
    let mut announced = None;
    if let Some(first) = readings.iter().filter_map(|reading| reading.overflow).min() {
        problems.push(
            Diagnostic::new(Code::TooManyTasks, first_line(first), format!("a document has at most {MAX_TASKS} tasks"))
                .label("this one and all that follow are not read")
                .help("split the document into several blueprints"),
        );
    }
    for reading in readings {
        let first_task = offset(merged.tasks.len());
        for absence in reading.absences.list {
            merged.absences.add(Absence { task: first_task + absence.task, ..absence });
        }
        let first_tier = offset(merged.tiers.len());
        merged.tiers.extend(reading.tiers);
        problems.extend(reading.problems);
        merged.legacy.extend(reading.legacy);
        merged.data.extend(reading.data);
        merged.unreadable.extend(reading.unreadable.into_iter().map(|(id, _)| id));
        merged.looks_21 |= reading.looks_21;
        merged.execution_unreadable |= reading.execution_unreadable;
        merged.yaml.metadata.extend(reading.metadata);
        merged.yaml.title = merged.yaml.title.take().or(reading.title);
        merged.yaml.vision = merged.yaml.vision.take().or(reading.vision);
        if !reading.metrics.is_empty() {
            merged.yaml.metrics = reading.metrics;
        }
        for execution in reading.execution {
            match (merged.execution.span, execution.span) {
                (Some(first), Some(second)) => {
                    merged.execution_unreadable |= !execution.locks.is_empty();
                    problems.push(
                        Diagnostic::new(Code::DuplicateExecution, second, "a second execution block")
                            .label("ignored")
                            .related(first, "the first one")
                            .help("keep one `execution:` block; its settings hold for all tasks"),
                    );
                }
                _ => merged.execution = execution,
            }
        }
        if let Some(graph) = reading.graph {
            match &mut merged.graph {
                // A long graph may be spread over several blocks.
                Some(whole) => whole.append(graph),
                slot => *slot = Some(graph),
            }
        }
        for mut found in reading.tasks {
            let item = &outline.items[found.item];
            // A heading announces the first task of its fence.
            if announced != Some(found.item) && document.carrier == Carrier::Markdown && !item.announces(&found.task.id)
            {
                suspects.push((merged.tasks.len(), found.item));
            }
            announced = Some(found.item);
            found.task.tier = found.tier.map(|index| first_tier + offset(index)).or(item.tier);
            if document.carrier == Carrier::Markdown {
                found.task.section = item.section;
            }
            check_tier(&found.task, &merged.tiers, problems);
            merged.tasks.push(found.task);
        }
    }
    if !suspects.is_empty() {
        let ids: HashSet<&str> = merged.tasks.iter().map(|task| task.id.as_str()).collect();
        for (task, item) in suspects {
            check_announced(&outline.items[item], &merged.tasks[task], &ids, problems);
        }
    }
    for (end, begin) in &outline.marker_ends {
        if begin.as_ref() != Some(&end.id) {
            let began = begin
                .as_ref()
                .map_or_else(|| "no `TASK_BEGIN` before it".to_owned(), |id| format!("`TASK_BEGIN: {id}`"));
            problems.push(
                Diagnostic::new(Code::HeadingMismatch, end.span, format!("`TASK_END: {}` closes {began}", end.id))
                    .help("name the same task in both markers, or remove them"),
            );
        }
    }
    merged
}

/// The heading and the marker above a block must name its task.
fn check_announced(item: &Item<'_>, task: &Task<'_>, ids: &HashSet<&str>, problems: &mut Vec<Diagnostic>) {
    let mut refuse = |announced: &Announced<'_>, what: &str| {
        problems.push(
            Diagnostic::new(
                Code::HeadingMismatch,
                task.id.span,
                format!("the {what} says `{}`, the block says `{}`", announced.id, task.id),
            )
            .label("this id")
            .related(announced.span, format!("this {what}"))
            .help("make both the same; dependencies refer to the `task_id`")
            .task(&task.id),
        );
    };
    if let Some(heading) = &item.heading
        && heading.id != task.id.value
        && (ids.contains(&*heading.id) || is_tiered(&heading.id))
    {
        refuse(heading, "heading");
    }
    if let Some(marker) = &item.marker
        && marker.id != task.id.value
    {
        refuse(marker, "marker");
    }
}

/// `T1.2…` stands in tier 1.
fn tier_of(id: &str) -> Option<u32> {
    let (number, _) = id.strip_prefix('T')?.split_once('.')?;
    number.parse().ok()
}

fn is_tiered(id: &str) -> bool {
    tier_of(id).is_some() && !id.ends_with('.')
}

fn check_tier(task: &Task<'_>, tiers: &[Tier], problems: &mut Vec<Diagnostic>) {
    let Some(tier) = task.tier.and_then(|index| tiers.get(index as usize)) else {
        return;
    };
    if let (Some(says), Some(stands)) = (tier_of(&task.id), tier.number)
        && says != stands
    {
        problems.push(
            Diagnostic::new(Code::HeadingMismatch, task.id.span, format!("`{}` stands in tier {stands}", task.id))
                .label(format!("this id belongs to tier {says}"))
                .related(first_line(tier.span), "the tier begins here")
                .help("move the task, or renumber it")
                .task(&task.id),
        );
    }
}

fn first_line(span: Span) -> Span {
    Span::new(span.start, span.end.min(span.start + 80))
}

/// Tasks outside of a tier's section belong to the tier their id names.
fn place_in_tiers(tasks: &mut [Box<Task<'_>>], tiers: &mut Vec<Tier>) {
    let mut by_number: HashMap<u32, u32> = HashMap::new();
    for (index, tier) in tiers.iter().enumerate() {
        if let Some(number) = tier.number {
            by_number.entry(number).or_insert(offset(index));
        }
    }
    for task in tasks {
        if task.tier.is_some() {
            continue;
        }
        if let Some(number) = tier_of(&task.id) {
            let index = *by_number.entry(number).or_insert_with(|| {
                tiers.push(Tier { number: Some(number), title: String::new(), span: task.span });
                offset(tiers.len() - 1)
            });
            task.tier = Some(index);
        }
    }
}
