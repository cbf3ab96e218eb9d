//! Single tasks: blocks whose fields contradict each other.

use std::collections::{HashMap, HashSet};

use super::{notify, remote};
use crate::blueprint::misspelt_executor;
use crate::blueprint::model::{Draft, Handoff, Output, PORT_TYPES, Task};
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::Text;

pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) {
    for task in &draft.tasks {
        let first = problems.len();
        if let Some(output) = &task.output {
            check_output(output, problems);
        }
        if let Some(handoff) = &task.handoff {
            check_handoff(handoff, problems);
        }
        if let Some(gate) = &task.gate {
            notify::check_gate(gate, problems);
            let approvers: HashSet<&str> = gate.approvers.iter().map(Text::as_str).collect();
            let wanted = gate.min_approvals.unwrap_or(1);
            if let Some(first) = gate.approvers.first()
                && approvers.len() < wanted as usize
            {
                let message =
                    format!("the gate of `{}` wants {wanted} approvals, and {} may approve", task.id, approvers.len());
                problems.push(
                    Diagnostic::new(Code::ImpassableGate, first.span, message)
                        .label("the first who may")
                        .help("name more people under `approvers`, or ask for less with `min_approvals`"),
                );
            }
            if gate.action.is_empty() {
                problems.push(
                    Diagnostic::new(
                        Code::MissingField,
                        task.id.span,
                        format!("the gate of `{}` does not say what the person must do", task.id),
                    )
                    .help("add `human_required.action: \"…\"`; it is what the person is shown"),
                );
            }
        }
        if let Some(executor) = task.executor() {
            problems.extend(misspelt_executor(executor));
        }
        label(task, &mut problems[first..]);
    }
    if let Some(executor) = &draft.execution.executor {
        problems.extend(misspelt_executor(executor));
    }
}

fn label(task: &Task<'_>, problems: &mut [Diagnostic]) {
    for problem in problems {
        problem.task.get_or_insert_with(|| task.id.value.as_ref().into());
    }
}

fn check_output(output: &Output<'_>, problems: &mut Vec<Diagnostic>) {
    for port in &*output.ports {
        let kind = &port.kind.0;
        if kind.is_empty() || PORT_TYPES.contains(&kind.as_str()) {
            continue;
        }
        // Any word may be a type; only an obvious slip is worth a word of ours.
        if let Some(meant) = nearest(kind, PORT_TYPES.iter().copied().filter(|known| known.len() > 3)) {
            problems.push(
                Diagnostic::new(Code::UnknownPortType, kind.span, format!("`{kind}` is no known port type"))
                    .label(format!("did you mean `{meant}`?"))
                    .help("unknown types are passed on as text; rename it if that is not meant"),
            );
        }
    }
    remote::check_output(output, problems);
}

/// The deepest nesting of brackets in a path. The parser's time doubles with every filter in a filter.
const MOST_BRACKETS: usize = 8;

fn parse_path(path: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    for byte in path.bytes() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_BRACKETS {
            return Err(format!("its brackets nest more than {MOST_BRACKETS} levels deep"));
        }
    }
    if !path.starts_with('$') {
        return Err("it does not begin with `$`".to_owned());
    }
    serde_json_path::JsonPath::parse(path).map(|_| ()).map_err(|error| match error.message() {
        "parser error" => {
            let rest: String = path.chars().skip(error.position()).collect();
            format!("`{rest}` cannot be understood")
        }
        message => message.to_owned(),
    })
}

fn check_handoff(handoff: &Handoff<'_>, problems: &mut Vec<Diagnostic>) {
    if handoff.checkpoint_interval.is_some_and(|interval| interval.is_zero()) {
        let message = "there is no time between two looks at the checkpoint";
        problems.push(
            Diagnostic::new(Code::BadHandoff, handoff.checkpoint_interval_span, message)
                .help("write how long to wait, as in `PT30S`"),
        );
    }
    let mut firsts: HashMap<&str, usize> = HashMap::new();
    for (position, field) in handoff.state_fields.iter().enumerate() {
        let first = *firsts.entry(&field.name).or_insert(position);
        if first < position {
            problems.push(
                Diagnostic::new(
                    Code::BadHandoff,
                    field.name.span,
                    format!("the state field `{}` is listed twice", field.name),
                )
                .label("again here")
                .related(handoff.state_fields[first].name.span, "first here")
                .help("give one of them another name"),
            );
        }
        if let Some(path) = &field.path
            && let Err(reason) = parse_path(path)
        {
            problems.push(
                Diagnostic::new(Code::BadHandoff, path.span, format!("`{path}` is no JSONPath: {reason}"))
                    .help("begin with `$`, as in `$.custom.current_step`"),
            );
        }
    }
}
