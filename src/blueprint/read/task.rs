//! A task block → [`Task`], in all dialects.

use crate::blueprint::capability::Capability;
use crate::blueprint::duration;
use crate::blueprint::model::{
    Choices, Context, Dependency, DependencyKind, Details, Failure, FailureAction, FallbackTask, Gate, GateTime,
    GateTimeout, Handoff, LockRequest, Resources, Rollback, RollbackMode, RollbackTerms, Stage, StateField, Task,
    TypedDependency, Verification,
};
use crate::blueprint::shape::Checker;
use crate::blueprint::status;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Node, Text, Value};

use super::agent;
use super::execution::lock_mode;
use super::field::{Fields, pairs, texts};
use super::notify::gate_notices;
use super::port::{bindings, interface, output};
use super::site;

const GATE_TIMEOUTS: &[(&str, GateTimeout)] =
    &[("abort", GateTimeout::Abort), ("skip", GateTimeout::Skip), ("continue", GateTimeout::Continue)];
pub(super) const ROLLBACK_MODES: &[(&str, RollbackMode)] =
    &[("manual", RollbackMode::Manual), ("ask", RollbackMode::Ask), ("auto", RollbackMode::Auto)];

/// Reads a block whose shape was checked. Reports what only the fields together show.
///
/// `text` is the document, if parts of the block can be read from it again.
pub(super) fn read<'s>(node: &Node<'s>, text: Option<&'s str>, checker: &mut Checker) -> Task<'s> {
    let id = node.filled("task_id").unwrap_or_default();
    let interface = node.field("interface").and_then(|node| interface(node, text));
    let output = output(node, text);
    Task {
        name: node.filled("name").unwrap_or_else(|| id.clone()),
        id,
        span: node.span,
        section: node.span,
        tier: None,
        status: node
            .field("status")
            .and_then(Node::text)
            .and_then(status::read)
            .map(|(status, _)| status)
            .unwrap_or_default(),
        dependencies: dependencies(node.field("dependencies")),
        bindings: bindings(node.field("input_bindings")),
        interface,
        output,
        criteria: node.texts("acceptance_criteria"),
        capabilities: capabilities(node, checker),
        verification: verification(node, checker),
        rollback: rollback(node.field("rollback")).map(Box::new),
        run: node.filled("run"),
        resources: node.field("resources").map(|node| Box::new(resources(node, checker))),
        context: context(node),
        on_failure: node.field("on_failure").map(|node| Box::new(failure(node))),
        gate: node.field("human_required").and_then(gate).map(Box::new),
        handoff: node.field("handoff").map(|node| Box::new(handoff(node, text))),
        idempotent: node.flag("idempotent"),
        files_to_create: node.texts("files_to_create"),
        files_to_modify: node.texts("files_to_modify"),
        choices: choices(node),
        details: details(node, text),
    }
}

fn choices<'s>(node: &Node<'s>) -> Option<Box<Choices<'s>>> {
    ["executor", "agent", "when", "on_success"].iter().any(|key| node.field(key).is_some()).then(|| {
        Box::new(Choices {
            executor: node.filled("executor"),
            when: node.filled("when"),
            on_success: node.filled("on_success"),
            agent: node.field("agent").map(agent::terms),
        })
    })
}

fn dependencies<'s>(node: Option<&Node<'s>>) -> Box<[Dependency<'s>]> {
    let items = node.and_then(Node::as_list).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            if let Some(task) = item.to_text() {
                return Some(Dependency { task, typed: None, target: None });
            }
            let kind = item.choice(
                "type",
                &[
                    ("data", DependencyKind::Data),
                    ("completion", DependencyKind::Completion),
                    ("resource", DependencyKind::Resource),
                ],
            );
            let typed = TypedDependency {
                kind: kind.unwrap_or_default(),
                port: item.filled("output_port"),
                resource: item.filled("resource"),
            };
            Some(Dependency { task: item.filled("task")?, typed: Some(Box::new(typed)), target: None })
        })
        .collect()
}

fn capabilities<'s>(task: &Node<'s>, checker: &mut Checker) -> Box<[Capability<'s>]> {
    let mut capabilities = Vec::new();
    for text in task.texts("required_capabilities") {
        match Capability::read(text) {
            Ok(capability) => capabilities.push(capability),
            Err((text, reason)) if !text.trim().is_empty() => checker.problems.push(
                Diagnostic::new(
                    Code::BadCapability,
                    text.span,
                    format!("`{text}` is no capability: {reason}"),
                )
                .help("write a tool and the versions that will do: `git`, `python3.11`, `node>=18`, `rust~1.70`, `go^1.21`, `jq==1.7.1`"),
            ),
            Err(_) => {}
        }
    }
    capabilities.into()
}

fn verification<'s>(task: &Node<'s>, checker: &mut Checker) -> Box<[Verification<'s>]> {
    let block = task.field("verification");
    let legacy = task.filled("test_command");
    let mut stages = Vec::new();
    if let Some(block) = block {
        for stage in Stage::ALL {
            let Some(node) = block.field(stage.word()) else {
                continue;
            };
            let Some(command) = node.to_text().or_else(|| node.scalar("command")) else {
                continue;
            };
            stages.push(Verification {
                stage,
                command,
                timeout: node.duration_or_seconds("timeout", "timeout_seconds"),
                expected_exit_code: node.exit_code("expected_exit_code"),
                requires: node.texts("requires_resources"),
                optional: node.flag("optional").unwrap_or(false),
                is_here: node.scalar("on").is_some_and(|word| word.as_str() == "here"),
            });
        }
    }
    match (block, legacy) {
        (Some(_), Some(legacy)) => checker.problems.push(
            Diagnostic::new(
                Code::TwoVerifications,
                legacy.span,
                "`test_command` is ignored: the task has `verification`",
            )
            .label("never runs")
            .help("remove `test_command`, or move it to `verification.unit.command`"),
        ),
        (None, Some(command)) => stages.push(Verification {
            stage: Stage::Unit,
            command,
            timeout: None,
            expected_exit_code: 0,
            requires: Box::default(),
            optional: false,
            is_here: false,
        }),
        _ => {}
    }
    for stage in &stages {
        if is_trivial(&stage.command) && stage.expected_exit_code == 0 {
            checker.problems.push(
                Diagnostic::new(Code::TrivialVerification, stage.command.span, "this verification cannot fail")
                    .label("always exits 0")
                    .help("run something that fails when the work is not done, such as `test -f FILE`"),
            );
        }
    }
    if stages.is_empty() {
        let at = task.as_map().and_then(|entries| entries.first()).map_or(task.span, |entry| entry.key.span);
        let at = block.map_or(at, |node| node.span);
        if task.field("run").is_some() {
            checker.absent.push(crate::blueprint::shape::Absent { key: "verification", at });
        } else {
            checker.problems.push(
                Diagnostic::new(Code::NoVerification, at, "nothing shows that the task is done")
                    .label("no `verification`, no `test_command`")
                    .help("add `verification:` with a `smoke:` or `unit:` command that exits 0 when the task is done"),
            );
        }
    }
    stages.into()
}

/// A command that exits 0 whatever the task did.
fn is_trivial(command: &str) -> bool {
    let command = command.trim().trim_end_matches(';').trim();
    matches!(command, "" | "true" | ":" | "exit 0" | "exit" | "/bin/true" | "return 0")
        || (command.starts_with("echo ") && !command.contains(['|', '&', ';', '$', '`', '>', '\n']))
}

fn rollback<'s>(node: Option<&Node<'s>>) -> Option<Rollback<'s>> {
    let node = node?;
    if let Some(command) = node.to_text() {
        return Some(Rollback { command: Some(command), terms: None });
    }
    matches!(node.value, Value::Map(_)).then(|| {
        let terms = RollbackTerms {
            strategy: node.filled("strategy"),
            timeout: node.duration("timeout"),
            irreversible: node.flag("irreversible").unwrap_or(false),
            max_retries: node.count("max_retries"),
            retry_delay: node.duration("retry_delay"),
        };
        let terms = (terms != RollbackTerms::default()).then(|| Box::new(terms));
        Rollback { command: node.filled("command"), terms }
    })
}

fn resources<'s>(node: &Node<'s>, checker: &mut Checker) -> Resources<'s> {
    let measure = |key| node.field(key).and_then(Node::text);
    Resources {
        cpu: measure("cpu").and_then(duration::millicores),
        memory: measure("memory").and_then(duration::bytes),
        gpu: node.count("gpu"),
        disk: measure("disk").and_then(duration::bytes),
        locks: node
            .field("locks")
            .and_then(Node::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| {
                Some(LockRequest {
                    name: item.to_text().or_else(|| item.filled("name"))?,
                    mode: lock_mode(item, &mut checker.problems),
                })
            })
            .collect(),
        lock_timeout: node.duration("lock_timeout"),
        timeout: node.duration_or_seconds("timeout", "timeout_seconds"),
    }
}

fn context<'s>(task: &Node<'s>) -> Option<Box<Context<'s>>> {
    let task_timeout = task.field("timeout_seconds").and_then(Node::as_number).map(std::time::Duration::from_secs);
    let Some(node) = task.field("execution_context") else {
        return task_timeout.map(|timeout| Box::new(Context { timeout: Some(timeout), ..Context::default() }));
    };
    Some(Box::new(Context {
        working_directory: node.filled("working_directory"),
        environment: pairs(node.field("environment_variables")),
        required_tools: node.texts("required_tools"),
        timeout: node.duration_or_seconds("timeout", "timeout_seconds").or(task_timeout),
        setup_command: node.filled("setup_command"),
        shell: node.filled("shell_override").or_else(|| node.filled("shell")),
        shell_args: node.field("shell_args").map(texts),
        direct: node.scalar("exec").map(|word| word.as_str() == "auto"),
        isolation: agent::isolation(node).zip(node.field("isolation").map(|node| node.span)),
        machines: node.field("ssm").map(site::machines),
        fleet: node.field("outpost").map(site::fleet),
        container: node.field("container").and_then(site::container),
    }))
}

fn failure<'s>(node: &Node<'s>) -> Failure<'s> {
    Failure {
        max_retries: node.count("max_retries"),
        retry_delay: node.duration_or_seconds("retry_delay", "retry_delay_seconds"),
        action: node
            .choice(
                "action",
                &[("block", FailureAction::Block), ("abort", FailureAction::Abort), ("skip", FailureAction::Skip)],
            )
            .unwrap_or_default(),
        fallback: node.filled("fallback_task").map(|task| Box::new(FallbackTask { task, target: None })),
        rollback: node.choice("rollback", ROLLBACK_MODES),
    }
}

fn gate<'s>(node: &Node<'s>) -> Option<Gate<'s>> {
    node.as_map()?;
    // 2.1: `description` says what to decide on, `action_required` how.
    let action = node
        .filled("action")
        .or_else(|| node.filled("description"))
        .or_else(|| node.filled("action_required"))
        .unwrap_or(Text { value: "".into(), span: Span::new(node.span.start, node.span.start) });
    Some(Gate {
        action,
        reason: node.filled("reason"),
        when: node.choice("when", &[("before", GateTime::Before), ("after", GateTime::After)]).unwrap_or_default(),
        timeout: node.duration("timeout"),
        on_timeout: node.choice("on_timeout", GATE_TIMEOUTS).unwrap_or_default(),
        on_missing: node.choice("on_missing", GATE_TIMEOUTS),
        notify: gate_notices(node.field("notify")),
        approvers: node.texts("approvers"),
        min_approvals: node.count("min_approvals"),
        self_approval: node.flag("self_approval"),
    })
}

fn handoff<'s>(node: &Node<'s>, text: Option<&'s str>) -> Handoff<'s> {
    let interrupt = node.field("on_interrupt");
    let agent = node.field("agent_handoff");
    Handoff {
        checkpoint_path: node.filled("checkpoint_path"),
        checkpoint_format: node.filled("checkpoint_format"),
        checkpoint_interval: node.duration("checkpoint_interval"),
        checkpoint_interval_span: node.field("checkpoint_interval").map_or(node.span, |node| node.span),
        resume_strategy: node.filled("resume_strategy"),
        state_fields: node
            .field("state_fields")
            .and_then(Node::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| {
                Some(StateField {
                    name: item.to_text().or_else(|| item.filled("name"))?,
                    path: item.filled("path"),
                    kind: item.filled("type"),
                    items: item.filled("items_type"),
                    default: item.written("default", text),
                })
            })
            .collect(),
        state_schema: node.written("state_schema", text),
        interrupt_timeout: interrupt.and_then(|node| node.duration("timeout")),
        interrupt_action: interrupt.and_then(|node| node.filled("action")),
        handoff_allowed: agent.and_then(|node| node.flag("allowed")).unwrap_or(false),
        required_context: agent.map(|node| node.texts("required_context")).unwrap_or_default(),
        conflict_resolution: node.filled("conflict_resolution"),
        checkpoint_versioning: node.flag("checkpoint_versioning").unwrap_or(false),
    }
}

fn details<'s>(node: &Node<'s>, text: Option<&'s str>) -> Option<Box<Details<'s>>> {
    const KEYS: [&str; 7] = ["assignee", "notes", "description", "parallel_group", "track", "priority", "example"];
    KEYS.iter().any(|key| node.field(key).is_some()).then(|| {
        Box::new(Details {
            assignee: node.filled("assignee"),
            notes: node.texts("notes"),
            description: node.scalar("description"),
            parallel_group: node.filled("parallel_group"),
            track: node.filled("track"),
            priority: node.filled("priority"),
            example: node.written("example", text),
        })
    })
}
