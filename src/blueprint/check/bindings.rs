//! Data flow: every bound port exists, its data fits, transforms and conditions are jq.

use super::jq::Expressions;
use super::schemas::{Given, is_open, misfit};
use crate::blueprint::model::{Binding, BindingSource, Draft, Port, Task};
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::{Node, Text, Written};

const TRANSFORM: &str = "the expression is jq, such as `.items[0]` or `.users | map(.email)`";
const CONDITION: &str = "the condition is jq over `env`, `capabilities` and `tasks`, such as `.env.CI == \"true\"` or `.capabilities.docker`";

pub(super) fn check(draft: &Draft<'_>, expressions: &mut Expressions, problems: &mut Vec<Diagnostic>) {
    for task in &draft.tasks {
        let first = problems.len();
        if let Some(condition) = task.when() {
            problems.extend(expressions.check(condition, CONDITION));
        }
        let expected = task.interface.input_schema.as_deref().map(Written::tree);
        for binding in &*task.bindings {
            if let Some(transform) = &binding.transform {
                problems.extend(expressions.check(transform, TRANSFORM));
            }
            let BindingSource::Task { task: source_id, port, target: Some(target) } = &binding.source else {
                continue;
            };
            let source = draft.task(*target);
            match find_port(source, source_id, port.as_ref()) {
                Ok(port) => {
                    let wanted = expected.as_deref().and_then(|schema| expectation(task, schema, binding));
                    problems.extend(wanted.and_then(|wanted| check_fit(task, binding, source, port, wanted)));
                }
                Err(problem) => problems.push(*problem),
            }
        }
        for dependency in &*task.dependencies {
            if let (Some(port), Some(target)) = (dependency.port(), dependency.target)
                && let Err(problem) = find_port(draft.task(target), &dependency.task, Some(port))
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

fn find_port<'t, 's>(
    source: &'t Task<'s>,
    source_id: &Text<'_>,
    wanted: Option<&Text<'_>>,
) -> Result<&'t Port<'s>, Box<Diagnostic>> {
    let ports = source.ports();
    let names = || ports.iter().map(|port| port.name.as_str());
    let Some(wanted) = wanted else {
        return match ports {
            [only] => Ok(only),
            _ => Err(Box::new(
                Diagnostic::new(
                    Code::UnknownPort,
                    source_id.span,
                    match ports {
                        [] => format!("`{source_id}` has no port"),
                        _ => format!("`{source_id}` has {} ports: say which one", ports.len()),
                    },
                )
                .help(match ports {
                    [] => format!("declare `output.ports` in `{source_id}`, then name one with `output_port`"),
                    _ => format!(
                        "add `output_port:`, one of {}",
                        crate::blueprint::shape::choices(&names().collect::<Vec<_>>())
                    ),
                }),
            )),
        };
    };
    if let Some(port) = source.port(wanted) {
        return Ok(port);
    }
    let problem = Diagnostic::new(Code::UnknownPort, wanted.span, format!("`{}` has no port `{wanted}`", source.id));
    let problem = match source.output.as_deref() {
        Some(output) if !ports.is_empty() => problem.related(output.ports[0].name.span, "its ports begin here"),
        _ => problem.related(source.id.span, "this task"),
    };
    Err(Box::new(match (nearest(wanted, names()), ports) {
        (Some(meant), _) => problem.label(format!("did you mean `{meant}`?")).help(format!(
            "the ports of `{}` are {}",
            source.id,
            crate::blueprint::shape::choices(&names().collect::<Vec<_>>())
        )),
        (None, []) => problem.label("no such port").help(format!("declare it under `output.ports` of `{}`", source.id)),
        (None, _) => problem.label("no such port").help(format!(
            "the ports of `{}` are {}",
            source.id,
            crate::blueprint::shape::choices(&names().collect::<Vec<_>>())
        )),
    }))
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
    let left = source.interface.output_schema.as_ref().map(Written::tree);
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
    let bound = |name: &str| task.bindings.iter().any(|binding| binding.name.value == name);
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
