//! `outpost-bp graph`: the dependency graph as a drawing.

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::check::diagnose;
use super::complete;
use super::load::load;
use super::replace::replace;
use super::{Exit, Failure, Output};
use crate::blueprint::checksum::refresh;
use crate::blueprint::{Draft, Status, TaskIndex, executor};
use crate::diagnostic::Span;
use crate::document::mark::{Unmarked, marked};
use crate::document::{Document, Source};
use crate::plan::{Dag, Edge, Schedule};
use crate::report::graph::picture::{Arrow, ArrowKind, Gate, NodeBox, Picture, Status as Drawn, TierBox};
use crate::report::graph::{ascii, dot, mermaid, svg};

#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    /// The blueprint; `-` reads standard input
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// The form of the drawing
    #[arg(long, value_enum, default_value = "ascii", value_name = "FORMAT")]
    format: Format,
    /// Put the Mermaid drawing into the blueprint, between the comments `<!-- outpost-bp:graph -->`
    /// and `<!-- /outpost-bp:graph -->`
    #[arg(long, conflicts_with = "format")]
    write: bool,
}

/// The name of the part of a document that `--write` replaces.
const MARK: &str = "outpost-bp:graph";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Svg,
    Ascii,
    Json,
}

pub(super) fn run(args: &GraphArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let reading = diagnose(&loaded, false);
    let dag = Dag::of(&reading.draft, &reading.links);
    let picture = picture(&reading.draft, &dag);
    if args.write {
        return if reading.is_valid() {
            write(&args.file, &loaded.source, &picture, output)
        } else {
            Err(broken(args))
        };
    }
    match args.format {
        Format::Mermaid => output.data(&mermaid(&picture))?,
        Format::Dot => output.data(&dot(&picture))?,
        Format::Svg => output.data(&svg(&picture))?,
        Format::Ascii => output.data(&ascii(&picture, output.width, output.is_colored()))?,
        Format::Json => output.json(&as_json(&picture))?,
    }
    if reading.is_valid() { Ok(Exit::Done) } else { Err(broken(args)) }
}

fn broken(args: &GraphArgs) -> Failure {
    let shown = if args.write { "it was not changed" } else { "the drawing shows what could be read" };
    Failure::new(format!("`{}` has errors; {shown}", args.file), format!("run `outpost-bp check {}`", args.file))
}

/// Puts the drawing where the document wants it, and nothing else.
fn write(path: &str, source: &Source, picture: &Picture, output: &mut Output) -> Result<Exit, Failure> {
    if path == "-" {
        return Err(Failure::new("`--write` needs a file to write to", "save the blueprint and name the file"));
    }
    let document = Document::read(source);
    let place = marked(&document, MARK).map_err(|unmarked| {
        let line = |span: Span| source.position(span.start).line;
        let problem = match unmarked {
            Unmarked::Absent => format!("`{path}` does not say where the drawing goes"),
            Unmarked::Alone(span) => format!("line {} of `{path}`: this mark has no partner", line(span)),
            Unmarked::Twice(span) => format!("line {} of `{path}`: the mark opens a second time", line(span)),
        };
        Failure::new(problem, format!("write `<!-- {MARK} -->` and `<!-- /{MARK} -->` on lines of their own, once"))
    })?;
    let text = source.text();
    let end = if text[..place.range().start].contains("\r\n") { "\r\n" } else { "\n" };
    let block = format!("\n```mermaid\n{}```\n", mermaid(picture)).replace('\n', end);
    if source.slice(place) == block {
        output.note(&format!("{path}: the drawing is up to date\n"));
        return Ok(Exit::Done);
    }
    let range = place.range();
    // The document is valid, so a checksum it states was right.
    let drawn = [&text[..range.start], &block, &text[range.end..]].concat();
    let (drawn, _) = Source::from_bytes(path, drawn.into_bytes());
    replace(path, refresh(drawn).text())?;
    output.note(&format!("{path}: the drawing was refreshed\n"));
    Ok(Exit::Done)
}

fn as_json(picture: &Picture) -> serde_json::Value {
    json!({
        "title": picture.title,
        "tasks": picture.nodes.iter().map(|node| json!({
            "id": node.id,
            "name": node.name,
            "tier": picture.tiers.get(node.tier).and_then(|tier| tier.number),
            "parent": node.parent.map(|parent| &picture.nodes[parent].id),
        })).collect::<Vec<_>>(),
        "edges": picture.arrows.iter().map(|arrow| json!({
            "task": picture.nodes[arrow.to].id,
            "needs": picture.nodes[arrow.from].id,
            "kind": match arrow.kind {
                ArrowKind::Order => "order",
                ArrowKind::Data => "data",
                ArrowKind::Implied => "implied",
            },
        })).collect::<Vec<_>>(),
    })
}

/// The picture of a draft: all of its tasks, right or wrong.
pub fn picture(draft: &Draft<'_>, dag: &Dag) -> Picture {
    let mut tiers: Vec<TierBox> =
        draft.tiers.iter().map(|tier| TierBox { number: tier.number, title: tier.title.clone() }).collect();
    if draft.tasks.iter().any(|task| task.tier.is_none()) {
        tiers.push(TierBox { number: None, title: "Tasks".to_owned() });
    }
    let outside = tiers.len().saturating_sub(1);
    let locks: Vec<String> = draft.execution.locks.iter().map(|lock| lock.name.to_string()).collect();
    let mut nodes: Vec<NodeBox> = draft.indices().map(|index| node(draft, dag, index, outside)).collect();
    for index in Schedule::of(draft, dag, dag.order()).critical_path {
        nodes[index.get()].critical = true;
    }
    let arrows = draft
        .indices()
        .flat_map(|index| dag.waits_for(index).into_iter().map(move |(need, edge)| (index, need, edge)))
        .map(|(index, need, edge)| Arrow {
            from: need.get(),
            to: index.get(),
            kind: match edge {
                Edge::Order => ArrowKind::Order,
                Edge::Data => ArrowKind::Data,
                Edge::Implied => ArrowKind::Implied,
            },
            label: ports(draft, index, need),
        })
        .collect();
    Picture { title: draft.name().to_owned(), tiers, nodes, arrows, locks, link: None }
}

fn node(draft: &Draft<'_>, dag: &Dag, index: TaskIndex, outside: usize) -> NodeBox {
    use crate::blueprint::model::{GateTime, LockMode};
    let task = draft.task(index);
    let locks = task
        .locks()
        .iter()
        .filter_map(|request| {
            let position = draft.execution.locks.iter().position(|lock| lock.name.value == request.name.value)?;
            Some((position, draft.execution.locks[position].mode_of(request) == LockMode::Exclusive))
        })
        .collect();
    NodeBox {
        id: task.id.to_string(),
        name: task.name.to_string(),
        tier: task.tier.map_or(outside, |tier| tier as usize),
        parent: dag.parent(index).map(TaskIndex::get),
        executor: executor(draft, index).to_owned(),
        gate: task
            .gate
            .as_ref()
            .map(|gate| Gate { action: gate.action.to_string(), after: gate.when == GateTime::After }),
        locks,
        status: match task.status {
            Status::NotStarted => Drawn::NotStarted,
            Status::InProgress => Drawn::InProgress,
            Status::Complete => Drawn::Complete,
            Status::Blocked => Drawn::Blocked,
            Status::Skipped => Drawn::Skipped,
            Status::Checkpointed => Drawn::Checkpointed,
        },
        critical: false,
    }
}

/// The ports a task binds from another.
fn ports(draft: &Draft<'_>, index: TaskIndex, need: TaskIndex) -> Option<String> {
    use crate::blueprint::model::BindingSource;
    let names: Vec<&str> = draft
        .task(index)
        .bindings
        .iter()
        .filter_map(|binding| match &binding.source {
            BindingSource::Task { target, port: Some(port), .. } if *target == Some(need) => Some(port.as_str()),
            _ => None,
        })
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
