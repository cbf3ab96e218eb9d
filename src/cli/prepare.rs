//! What stands between a document and its run: the plan, the environment, and what this machine has to have.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::hired::no_trees;
use super::plan::needs::Needs;
use super::secrets::{Wanted, resolved};
use super::{Exit, Failure, Output};
use crate::blueprint::capability::Requirement;
use crate::blueprint::model::{Channel, Transfer};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::document::Source;
use crate::engine::bench::Capabilities;
use crate::engine::capability::Outcome;
use crate::engine::preflight;
use crate::engine::remote::{HAS_AWS, NO_AWS};
use crate::engine::secret::Resolved;
use crate::plan::Plan;
use crate::report::progress::ids;

/// Tasks named in a line.
pub(super) const MOST: usize = 5;

/// What the document says and a run does not do, each in a line.
pub(super) fn left_alone(blueprint: &Blueprint<'_>, plan: &Plan) -> String {
    let mut text = String::new();
    let done: Vec<TaskIndex> =
        plan.order.iter().copied().filter(|index| plan.schedule.wave(*index).is_none()).collect();
    if !done.is_empty() {
        text += &format!(
            "the document calls {} complete or skipped: not run without --rerun\n",
            ids(blueprint, &done, MOST)
        );
    }
    text + &unreachable(blueprint, plan)
}

/// Who will not be told, because what the document leaves to the environment is not there.
fn unreachable(blueprint: &Blueprint<'_>, plan: &Plan) -> String {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let gates = plan.running().filter_map(|index| blueprint.task(index).gate.as_deref());
    let of_gates = gates.flat_map(|gate| &gate.notify).map(|notice| &notice.to);
    let all: Vec<_> = of_gates.chain(blueprint.execution.notify.iter().map(|notice| &notice.to)).collect();
    let mut text = String::new();
    if all.iter().any(|to| to.channel == Channel::Slack && to.url.is_none()) && !is_set("OUTPOST_SLACK_URL") {
        text += "nobody is told by slack: write its `url`, or set OUTPOST_SLACK_URL\n";
    }
    let has_server = blueprint.execution.mail_server.is_some() || is_set("OUTPOST_SMTP_URL");
    if all.iter().any(|to| to.channel == Channel::Email) && !has_server {
        text += "nobody is told by email: write `execution.smtp`, or set OUTPOST_SMTP_URL\n";
    }
    text
}

pub(super) fn planned(blueprint: &Blueprint<'_>, selection: &[String], rerun: &[String]) -> Result<Plan, Failure> {
    let plan = Plan::again(blueprint, selection, rerun)?;
    if plan.missing.is_empty() {
        return Ok(plan);
    }
    let missing = ids(blueprint, &plan.missing, MOST);
    Err(Failure::new(
        format!("the selected tasks wait for {missing}, which are not selected and not complete"),
        "select with `+TASK` to run what a task waits for as well",
    ))
}

/// The variables of an environment of the document.
pub(super) fn environment(blueprint: &Blueprint<'_>, name: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let environments = &blueprint.execution.environments;
    match environments.iter().find(|environment| environment.name.as_str() == name) {
        Some(found) => Ok(found.variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()),
        None => {
            let names: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
            let hint = if names.is_empty() {
                "the document has no `execution.environments`".to_owned()
            } else {
                format!("the document has {}", names.join(", "))
            };
            Err(Failure::new(format!("there is no environment `{name}`"), hint))
        }
    }
}

/// What was found here.
#[derive(Default)]
pub(super) struct Prepared {
    /// The tools, for conditions.
    pub(super) capabilities: Capabilities,
    pub(super) secrets: Resolved,
}

/// Everything that the planned tasks need; or everything that keeps them from being run here, said all at once.
/// `environment` has the variables of the one that was chosen.
pub(super) fn prepared(
    blueprint: &Blueprint<'_>,
    plan: &Plan,
    source: &Source,
    root: &Path,
    environment: &[(String, String)],
    output: &mut Output,
) -> Result<Prepared, Exit> {
    let needs = Needs::probe(blueprint, plan);
    let mut missing = missing(blueprint, plan, &needs, root);
    let wanted = Wanted::of(blueprint, plan, environment);
    let secrets = resolved(blueprint, &wanted, root, output).unwrap_or_else(|lines| {
        missing.extend(lines);
        Resolved::default()
    });
    missing.extend(preflight::check(blueprint, root, environment, &secrets));
    if missing.is_empty() {
        return Ok(Prepared { capabilities: here(&needs), secrets });
    }
    Err(unprepared(&format!("`{}` cannot be run here", source.name()), &missing, output))
}

/// Says all that is missing.
pub(super) fn unprepared(what: &str, missing: &[String], output: &mut Output) -> Exit {
    output.note(&format!("error: {what}\n"));
    for line in missing {
        output.note(&format!("  {line}\n"));
    }
    output.note("hint: nothing was started; put right what is listed, and run it again\n");
    Exit::Unprepared
}

/// By name, with the version where the document asks for one.
fn here(needs: &Needs<'_>) -> Capabilities {
    let present = needs.capabilities.iter().filter(|need| need.here.suffices());
    present
        .map(|need| {
            let name = Requirement::parse(need.name).map_or(need.name, |requirement| requirement.name);
            let version = match need.here {
                Outcome::Present(Some(version)) => Value::String(version.to_string()),
                _ => Value::Bool(true),
            };
            (name.to_owned(), version)
        })
        .collect()
}

fn missing(blueprint: &Blueprint<'_>, plan: &Plan, needs: &Needs<'_>, root: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    // A task with a condition may be there for the case that a tool is not.
    let is_certain = |index: &TaskIndex| blueprint.task(*index).when().is_none();
    for need in needs.capabilities.iter().filter(|need| need.tasks.iter().any(is_certain)) {
        let what = match &need.here {
            Outcome::Missing => "is not here".to_owned(),
            Outcome::Unfit(version) => format!("is required, and {version} is here"),
            Outcome::Present(_) | Outcome::Unclear => continue,
        };
        missing.push(format!("E_CAPABILITY_MISSING: `{}` {what} ({})", need.name, ids(blueprint, &need.tasks, MOST)));
    }
    for need in &needs.executors {
        let Some(why) = needs.lacking.get(need.name) else { continue };
        missing.push(format!("E_CAPABILITY_MISSING: {why} ({})", ids(blueprint, &need.tasks, MOST)));
    }
    for need in &needs.engines {
        if let Err(why) = &need.here {
            missing.push(format!("E_CAPABILITY_MISSING: {why} ({})", ids(blueprint, &need.tasks, MOST)));
        }
    }
    if let Some(why) = no_trees(root).filter(|_| !needs.trees.is_empty()) {
        missing.push(format!("E_CAPABILITY_MISSING: {why} ({})", ids(blueprint, &needs.trees, MOST)));
    }
    let mut exposed: BTreeMap<&str, Vec<TaskIndex>> = BTreeMap::new();
    for (index, why) in &needs.exposed {
        exposed.entry(why).or_default().push(*index);
    }
    for (why, tasks) in exposed {
        missing.push(format!(
            "E_CAPABILITY_MISSING: a sandbox is required: {why}; or let them run without with `agent: {{sandbox: none}}` ({})",
            ids(blueprint, &tasks, MOST)
        ));
    }
    let task_output = |index: &TaskIndex| blueprint.task(*index).output.as_deref();
    let speaks_s3 = |index: &TaskIndex| {
        let network =
            task_output(index).filter(|output| output.location == Transfer::Network).and_then(|o| o.network.as_deref());
        let cleanup = task_output(index).and_then(|output| output.cleanup.as_deref());
        let archive = cleanup.and_then(|cleanup| cleanup.archive_path.as_deref());
        network.is_some_and(|network| network.protocol.value == "s3")
            || archive.is_some_and(|path| path.starts_with("s3://"))
    };
    let objects = blueprint.execution.storage.as_ref().is_some_and(|storage| storage.uses_objects());
    let s3: Vec<TaskIndex> = plan.running().filter(speaks_s3).collect();
    if !HAS_AWS && objects {
        missing.push(format!("E_CAPABILITY_MISSING: `execution.storage` is in S3; {NO_AWS}"));
    } else if !HAS_AWS && !s3.is_empty() {
        missing.push(format!("E_CAPABILITY_MISSING: outputs go to S3 ({}); {NO_AWS}", ids(blueprint, &s3, MOST)));
    }
    missing
}
