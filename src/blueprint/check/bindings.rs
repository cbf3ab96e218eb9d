//! Data flow: every bound port exists, its data fits, transforms and conditions are jq.

use std::collections::{HashMap, HashSet};

use super::jq::Expressions;
use super::references::Guesses;
use super::schemas::{Given, is_open, misfit};
use crate::blueprint::model::{Binding, BindingSource, Draft, Port, Task};
use crate::blueprint::shape::choices;
use crate::diagnostic::{Code, Diagnostic, Span, nearest};
use crate::document::{Node, Text, Written};

const TRANSFORM: &str = "the expression is jq, such as `.items[0]` or `.users | map(.email)`";
const CONDITION: &str = "the condition is jq over `env`, `capabilities` and `tasks`, such as `.env.CI == \"true\"` or `.capabilities.docker`";

pub(super) fn check(draft: &Draft<'_>, expressions: &mut Expressions, problems: &mut Vec<Diagnostic>) {
    let mut finder = Finder::default();
    for task in &draft.tasks {
        let first = problems.len();
        if let Some(condition) = task.when() {
            problems.extend(expressions.check(condition, CONDITION));
        }
        let expected = task.input_schema().map(Written::tree);
        for binding in &*task.bindings {
            if let Some(transform) = &binding.transform {
                problems.extend(expressions.check(transform, TRANSFORM));
            }
            let BindingSource::Task { task: source_id, port, target: Some(target) } = &binding.source else {
                continue;
            };
            let source = draft.task(*target);
            match finder.port(source, source_id, port.as_ref()) {
                Ok(port) => {
                    let wanted = expected.as_deref().and_then(|schema| expectation(task, schema, binding));
                    problems.extend(wanted.and_then(|wanted| check_fit(task, binding, source, port, wanted)));
                }
                Err(problem) => problems.push(*problem),
            }
        }
        for dependency in &*task.dependencies {
            if let (Some(port), Some(target)) = (dependency.port(), dependency.target)
                && let Err(problem) = finder.port(draft.task(target), &dependency.task, Some(port))
            {
                problems.push(*problem);
            }
        }
        if let Some(schema) = expected.as_deref() {
            check_supply(task, schema, problems);
        }
        for problem in &mut problems[first..] {
            problem.task.get_or_insert_with(|| task.id.value.as_ref().into());
        }
    }
}

/// Ports that a task may have without a table of their names.
const FEW: usize = 16;
/// Ports that a message names.
const NAMED: usize = 12;

/// Finds ports by their names.
#[derive(Default)]
struct Finder<'t, 's> {
    /// The ports of tasks that have many, by the place of their id.
    tables: HashMap<Span, HashMap<&'t str, &'t Port<'s>>>,
    guesses: Guesses,
}

impl<'t, 's> Finder<'t, 's> {
    fn port(
        &mut self,
        source: &'t Task<'s>,
        source_id: &Text<'_>,
        wanted: Option<&Text<'_>>,
    ) -> Result<&'t Port<'s>, Box<Diagnostic>> {
        let ports = source.ports();
        let Some(wanted) = wanted else {
            return match ports {
                [only] => Ok(only),
                _ => Err(Box::new(unnamed(source_id, ports))),
            };
        };
        let found = if ports.len() <= FEW {
            source.port(wanted)
        } else {
            let table = self.tables.entry(source.id.span);
            let table = table.or_insert_with(|| ports.iter().map(|port| (port.name.as_str(), port)).collect());
            table.get(wanted.as_str()).copied()
        };
        found.ok_or_else(|| Box::new(self.unknown(source, ports, wanted)))
    }

    fn unknown(&mut self, source: &Task<'_>, ports: &[Port<'_>], wanted: &Text<'_>) -> Diagnostic {
        let id = &source.id;
        let problem = Diagnostic::new(Code::UnknownPort, wanted.span, format!("`{id}` has no port `{wanted}`"));
        let Some(first) = ports.first() else {
            return problem
                .related(id.span, "this task")
                .label("no such port")
                .help(format!("declare it under `output.ports` of `{id}`"));
        };
        let names = ports.iter().map(|port| port.name.as_str());
        let meant = self.guesses.another().then(|| nearest(wanted, names)).flatten();
        problem
            .related(first.name.span, "its ports begin here")
            .label(meant.map_or_else(|| "no such port".to_owned(), |meant| format!("did you mean `{meant}`?")))
            .help(format!("the ports of `{id}` are {}", list(ports)))
    }
}

fn unnamed(source_id: &Text<'_>, ports: &[Port<'_>]) -> Diagnostic {
    let (message, help) = match ports {
        [] => (
            format!("`{source_id}` has no port"),
            format!("declare `output.ports` in `{source_id}`, then name one with `output_port`"),
        ),
        _ => (
            format!("`{source_id}` has {} ports: say which one", ports.len()),
            format!("add `output_port:`, one of {}", list(ports)),
        ),
    };
    Diagnostic::new(Code::UnknownPort, source_id.span, message).help(help)
}

/// The names of the ports, of many the first.
fn list(ports: &[Port<'_>]) -> String {
    let names: Vec<&str> = ports.iter().take(NAMED).map(|port| port.name.as_str()).collect();
    let more = if ports.len() > NAMED { format!(" and {} more", ports.len() - NAMED) } else { String::new() };
    choices(&names) + &more
}

/// What a task expects of one binding: the property of its input schema that has the binding's
/// name; or the whole schema, when it takes one binding and speaks of no binding by name.
fn expectation<'t, 's>(task: &Task<'_>, schema: &'t Node<'s>, binding: &Binding<'_>) -> Option<&'t Node<'s>> {
    let properties = schema.get("properties");
    if let Some(property) = properties.and_then(|properties| properties.get(&binding.name)) {
        return Some(property);
    }
    (task.bindings.len() == 1).then_some(schema)
}

fn check_fit(
    task: &Task<'_>,
    binding: &Binding<'_>,
    source: &Task<'_>,
    port: &Port<'_>,
    wanted: &Node<'_>,
) -> Option<Diagnostic> {
    // What comes out of a transform is known when it runs.
    if binding.transform.is_some() || is_open(wanted) {
        return None;
    }
    let declared = port.schema.as_deref().map(Written::tree);
    let left = source.output_schema().map(Written::tree);
    let given = supply(source, port, declared.as_deref(), left.as_deref());
    let name = format!("{}.{}", source.id, port.name);
    if matches!(given, Given::Unknown) {
        return Some(
            Diagnostic::new(
                Code::UnknownSourceSchema,
                binding.span,
                format!("`{}` expects a shape of `{}`, and `{name}` does not say what it is", task.id, binding.name),
            )
            .label("checked when it runs")
            .related(port.name.span, "no `schema` here")
            .help("give the port a `schema`, so that a misfit is found before anything runs"),
        );
    }
    let misfit = misfit(given, wanted)?;
    let part = if misfit.path.is_empty() { String::new() } else { format!(" at `{}`", misfit.path) };
    Some(
        Diagnostic::new(
            Code::IncompatibleType,
            binding.span,
            format!("`{name}` does not fit what `{}` expects of `{}`{part}: {}", task.id, binding.name, misfit.reason),
        )
        .label("bound here")
        .related(misfit.expected, "expected here")
        .related(port.name.span, "the port")
        .help("make the two schemas agree, or put a `transform` between them"),
    )
}

/// What is known of a port's data: from its own schema, what its task says it leaves, or its type.
fn supply<'t>(
    source: &Task<'_>,
    port: &'t Port<'_>,
    declared: Option<&'t Node<'t>>,
    left: Option<&'t Node<'t>>,
) -> Given<'t> {
    if let Some(schema) = declared {
        return Given::Schema(schema);
    }
    if let Some(schema) = left {
        let property = schema.get("properties").and_then(|properties| properties.get(&port.name));
        match property {
            Some(property) => return Given::Schema(property),
            // A task with one port leaves that port's value.
            None if source.ports().len() == 1 => return Given::Schema(schema),
            None => {}
        }
    }
    port.kind.json_type().map_or(Given::Unknown, Given::Type)
}

/// When the input schema speaks of bindings by name, what it requires must be bound.
fn check_supply(task: &Task<'_>, schema: &Node<'_>, problems: &mut Vec<Diagnostic>) {
    let Some(properties) = schema.get("properties") else {
        return;
    };
    let names: HashSet<&str> = task.bindings.iter().map(|binding| binding.name.as_str()).collect();
    let bound = |name: &str| names.contains(name);
    let by_name = properties.as_map().unwrap_or_default().iter().any(|entry| bound(&entry.key));
    if !by_name {
        return;
    }
    for required in schema.get("required").and_then(Node::as_list).unwrap_or_default() {
        let Some(name) = required.text() else { continue };
        if !bound(name) {
            problems.push(
                Diagnostic::new(
                    Code::IncompatibleType,
                    required.span,
                    format!("`{}` requires the input `{name}`, and nothing is bound to it", task.id),
                )
                .label("required here")
                .help(format!("add `{name}:` to `input_bindings`, or take it out of `required`")),
            );
        }
    }
}
