//! Where commands run: machines and containers that can be reached, and tasks that can be done there.
//!
//! What needs files of the project cannot be done on another machine. It is said here, and not when it is too late.

use super::errands;
use crate::blueprint::model::{
    BindingSource, Container, Draft, Fleet, Machines, Output, Targets, Task, TaskIndex, Transfer,
};
use crate::blueprint::{executor, secret, site};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Text;

const MOST_INSTANCES: usize = 50;
const MOST_TAGS: usize = 5;
const PAGE: &str = "docs/EXECUTORS.md";

/// `knows_settings`: whether the execution block could be read.
pub(super) fn check(draft: &Draft<'_>, knows_settings: bool, problems: &mut Vec<Diagnostic>) {
    if let Some(machines) = &draft.execution.machines {
        check_machines(machines, problems);
    }
    for index in draft.indices() {
        let first = problems.len();
        check_task(draft, index, knows_settings, problems);
        for problem in &mut problems[first..] {
            problem.task.get_or_insert_with(|| draft.task(index).id.value.as_ref().into());
        }
    }
}

fn bad(span: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::BadSite, span, message.into()).help(help.into())
}

fn check_task(draft: &Draft<'_>, index: TaskIndex, knows_settings: bool, problems: &mut Vec<Diagnostic>) {
    let task = draft.task(index);
    let who = executor(draft, index);
    let context = task.context.as_deref();
    let own = context.and_then(|context| context.machines.as_deref());
    if let Some(own) = own {
        check_machines(own, problems);
        if who != "ssm" && knows_settings {
            problems.push(
                bad(
                    own.span,
                    format!("`{}` has settings for machines and runs here", task.id),
                    "write `executor: ssm`, or remove `ssm`",
                )
                .label(format!("its executor is `{who}`")),
            );
        }
    }
    if let Some(own) = context.and_then(|context| context.fleet.as_deref())
        && who != "outpost"
        && knows_settings
    {
        problems.push(
            bad(
                own.span,
                format!("`{}` has settings for the fleet and runs elsewhere", task.id),
                "write `executor: outpost`, or remove `outpost`",
            )
            .label(format!("its executor is `{who}`")),
        );
    }
    if let Some(container) = context.and_then(|context| context.container.as_deref()) {
        check_container(task, who, container, knows_settings, problems);
    }
    if let site::Site::Fleet(fleet) = site::of_task(draft, index) {
        check_fleet(task, &fleet, knows_settings, problems);
        check_distant(draft, task, fleet.send_secrets, FLEET, problems);
    }
    if let Some(fleet) = site::of_errand(draft, index) {
        if knows_settings {
            errands::check(draft, index, &fleet, problems);
        }
        check_bindings(draft, task, problems);
        if fleet.send_secrets != Some(true) {
            check_secrets(task, true, FLEET, problems);
        }
    }
    if let site::Site::Machines(machines) = site::of_task(draft, index) {
        if machines.targets.is_none() && knows_settings {
            let at = task.executor().map_or(task.id.span, |name| name.span);
            problems.push(
                bad(
                    at,
                    format!("nobody says on which machines `{}` runs", task.id),
                    "add `ssm: {targets: {instances: [i-…]}}`, or `tags`, to `execution` or to `execution_context`",
                )
                .label("no `targets`"),
            );
        }
        check_distant(draft, task, machines.send_secrets, MACHINES, problems);
    }
}

fn check_machines(machines: &Machines<'_>, problems: &mut Vec<Diagnostic>) {
    if let Some(targets) = &machines.targets {
        check_targets(targets, problems);
    }
    let absolute = [("directory", &machines.directory), ("state_directory", &machines.state_directory)];
    for (key, text) in absolute {
        if let Some(text) = text.as_ref().filter(|text| !text.starts_with('/')) {
            problems.push(bad(
                text.span,
                format!("`{key}` is no absolute path"),
                "begin it with `/`: it is on the machines",
            ));
        }
    }
}

fn check_targets(targets: &Targets<'_>, problems: &mut Vec<Diagnostic>) {
    let Targets { span, instances, tags } = targets;
    match (instances, tags) {
        (Some(_), Some(_)) | (None, None) => {
            problems.push(bad(*span, "`targets` names machines in one way", "write `instances`, or `tags`"));
        }
        _ => {}
    }
    if let Some(ids) = instances {
        if ids.is_empty() || ids.len() > MOST_INSTANCES {
            let message = format!("`instances` names {}, and AWS takes 1 to {MOST_INSTANCES}", ids.len());
            problems.push(bad(*span, message, "name the machines, or choose them by `tags`"));
        }
        for id in ids.iter().filter(|id| !is_instance(id)) {
            let message = format!("`{id}` is no id of a machine");
            problems.push(bad(
                id.span,
                message,
                "write `i-` or `mi-` and 8 or 17 hexadecimal digits, or choose by `tags`",
            ));
        }
    }
    if let Some(tags) = tags {
        if tags.is_empty() || tags.len() > MOST_TAGS {
            let message = format!("`tags` names {}, and AWS takes 1 to {MOST_TAGS}", tags.len());
            problems.push(bad(*span, message, "a machine has to have all of them: name the telling ones"));
        }
        for tag in tags.iter().filter(|tag| tag.values.is_empty()) {
            let message = format!("the tag `{}` has no value", tag.name);
            problems.push(bad(tag.name.span, message, "name at least one under `values`"));
        }
    }
}

fn is_instance(id: &str) -> bool {
    let rest = id.strip_prefix("i-").or_else(|| id.strip_prefix("mi-")).unwrap_or_default();
    matches!(rest.len(), 8 | 17) && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Jobs have workspaces of their own, and none of them sees what another one left.
fn check_fleet(task: &Task<'_>, fleet: &Fleet<'_>, knows_settings: bool, problems: &mut Vec<Diagnostic>) {
    let id = &task.id;
    if task.run.is_none() && knows_settings {
        problems.push(
            bad(
                task.executor().map_or(id.span, |name| name.span),
                format!("`{id}` is for the fleet, and nobody says what is to be done there"),
                "write `run`; or name an agent of the service, such as `agent: {name: claude}`",
            )
            .label("neither `run` nor `agent.name`"),
        );
    }
    if let Some(setup) = task.context.as_deref().and_then(|context| context.setup_command.as_ref()) {
        problems.push(
            bad(
                setup.span,
                format!("the setup of `{id}` would be a job of its own, in a workspace that nobody sees again"),
                "write it into `run`, before the rest",
            )
            .label("gone before `run` begins"),
        );
    }
    if let (Some(reference), None) = (&fleet.reference, &fleet.repo) {
        problems.push(bad(reference.span, "`ref` says which version of no repository", "add `repo`, or remove `ref`"));
    }
    if let Some(directory) = fleet.directory.as_ref().filter(|text| text.starts_with('/') || text.contains("..")) {
        problems.push(bad(
            directory.span,
            "`directory` leaves the workspace",
            "write a folder of the repository, such as `crates/core`",
        ));
    }
}

/// How secrets in commands would be seen where these run, and what the block of settings is called.
type Shown = (&'static str, &'static str);
const MACHINES: Shown = (
    "which AWS shows for thirty days",
    "let the machine fetch it with its own role; or allow it with `ssm: {send_secrets: true}`",
);
const FLEET: Shown = (
    "which the service keeps and shows to the tenant",
    "give the job what needs no secret; or allow it with `outpost: {send_secrets: true}`",
);

/// What a task wants that no other machine can give.
fn check_distant(
    draft: &Draft<'_>,
    task: &Task<'_>,
    send_secrets: Option<bool>,
    shown: Shown,
    problems: &mut Vec<Diagnostic>,
) {
    let id = &task.id;
    if let Some(output) = &task.output
        && needs_file(output)
    {
        problems.push(
            bad(
                output.span,
                format!("the output of `{id}` is a file of this machine, and it runs on others"),
                "print the output and write `location: stdout`",
            )
            .label("nobody brings it here"),
        );
    }
    if let Some(file) = task.files_to_create.first() {
        problems.push(
            bad(
                file.span,
                format!("`{id}` has to leave a file on this machine, and it runs on others"),
                "look for it in a verification, which runs on the machines; move the path to `files_to_modify`",
            )
            .label("looked for here"),
        );
    }
    if let Some(handoff) = &task.handoff {
        let at = handoff.checkpoint_path.as_ref().map_or(handoff.checkpoint_interval_span, |path| path.span);
        problems.push(bad(
            at,
            format!("the checkpoint of `{id}` is a file of this machine, and it runs on others"),
            "remove `handoff`, and let the command go on from what it finds there",
        ));
    }
    check_bindings(draft, task, problems);
    if send_secrets != Some(true) {
        check_secrets(task, false, shown, problems);
    }
}

/// Inputs that are files of this machine.
fn check_bindings(draft: &Draft<'_>, task: &Task<'_>, problems: &mut Vec<Diagnostic>) {
    let id = &task.id;
    for binding in &*task.bindings {
        let is_path = match &binding.source {
            BindingSource::Path(_) => true,
            BindingSource::Task { target: Some(source), port, .. } => {
                let ports = draft.task(*source).ports();
                let port = port.as_ref().map_or_else(|| ports.first(), |name| draft.task(*source).port(name));
                port.is_some_and(|port| port.kind.0.as_str() == "file_path")
            }
            BindingSource::Task { target: None, .. } => false,
        };
        if is_path {
            problems.push(
                bad(
                    binding.span,
                    format!("`{}` is a path of this machine, and `{id}` runs on others", binding.name),
                    "bind what stands in the file, or have the machine fetch it",
                )
                .label("no such file there"),
            );
        }
    }
}

/// Whether something of an output has to be found in a file.
fn needs_file(output: &Output<'_>) -> bool {
    match output.location {
        Transfer::Stdout => false,
        Transfer::Network => true,
        Transfer::File | Transfer::Memory => output.ports.iter().any(|port| port.value.is_none()),
    }
}

/// An agent has the variables of its task; the task's commands run here.
fn check_secrets(task: &Task<'_>, is_agents: bool, (seen, way_out): Shown, problems: &mut Vec<Diagnostic>) {
    let context = task.context.as_deref();
    let commands = [
        task.run.as_ref(),
        context.and_then(|context| context.setup_command.as_ref()),
        task.rollback.as_ref().and_then(|rollback| rollback.command.as_ref()),
        task.on_success(),
    ];
    let verifications = task.verification.iter().filter(|stage| !stage.is_here).map(|stage| &stage.command);
    let values = context.iter().flat_map(|context| context.environment.iter()).map(|(_, value)| value);
    let texts = commands.into_iter().flatten().chain(verifications).filter(|_| !is_agents).chain(values);
    let what = if is_agents { "job" } else { "command" };
    let mut found: Option<(&Text<'_>, String)> = None;
    for text in texts {
        if let Some(one) = secret::of_text(text).into_iter().next() {
            found.get_or_insert((text, one.name));
        }
    }
    if let Some((text, name)) = found {
        problems.push(bad(text.span, format!("`{name}` would be part of a {what}, {seen}"), way_out).label("a secret"));
    }
}

fn check_container(
    task: &Task<'_>,
    who: &str,
    container: &Container<'_>,
    knows_settings: bool,
    problems: &mut Vec<Diagnostic>,
) {
    if knows_settings && !site::may_contain(who) {
        let (message, help) = if site::is_agent(who) {
            (
                format!("the agent `{who}` does `{}`, and agents do not work in containers", task.id),
                "remove `container`; a tree of its own and a sandbox keep an agent apart (docs/AGENTS.md)".to_owned(),
            )
        } else {
            (
                format!("`{}` runs on other machines, and its container would be here", task.id),
                format!("remove `container`, and start one in the command; see {PAGE}"),
            )
        };
        problems.push(bad(container.span, message, help).label(format!("its executor is `{who}`")));
    }
    if container.image.starts_with('-') {
        problems.push(bad(
            container.image.span,
            format!("`{}` is no image", container.image),
            "write its name, such as `rust:1.95`",
        ));
    }
    let targets = container.mounts.iter().filter_map(|mount| mount.target.as_ref()).chain(&container.workdir);
    for target in targets.filter(|target| !target.starts_with('/')) {
        problems.push(bad(
            target.span,
            format!("`{target}` is no absolute path"),
            "begin it with `/`: it is in the container",
        ));
    }
}
