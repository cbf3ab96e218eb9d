//! What an agent is told of its task, from the document: the brief that its prompt is made of.
//!
//! The document's own words and nothing of ours. What holds a secret names it (`${secrets.NAME}`), as the document does.

use std::collections::BTreeMap;

use outpost_agent::contract::{Port, PortKind};
use outpost_agent::prompt::{Brief, Check, Input};
use serde_json::Value;

use crate::blueprint::model::{BindingSource, Task};
use crate::blueprint::{Blueprint, TaskIndex, agent_terms};
use crate::document::{Source, origin::Origin, yaml};
use crate::engine::output::Values;

/// All of it but what the last attempt did wrong.
pub(in crate::engine) fn of(blueprint: &Blueprint<'_>, source: &Source, index: TaskIndex, inputs: &Values) -> Brief {
    let task = blueprint.task(index);
    let texts = |texts: &[crate::document::Text<'_>]| texts.iter().map(ToString::to_string).collect();
    let paths = agent_terms(blueprint, index).paths;
    Brief {
        blueprint: blueprint.name().to_owned(),
        task_id: task.id.to_string(),
        task_name: task.name.to_string(),
        goal: goal(blueprint, source, task),
        interface: interface(source, task),
        acceptance: texts(&task.criteria),
        files_to_create: texts(&task.files_to_create),
        allowed_paths: paths.map(|paths| texts(&paths)).unwrap_or_default(),
        protected_paths: Vec::new(),
        verification: task
            .verification
            .iter()
            .map(|stage| Check { name: stage.stage.word().to_owned(), command: stage.command.to_string() })
            .collect(),
        inputs: handed(task, inputs),
        ports: ports(task),
        last_failure: None,
    }
}

/// The prose of the section, without blocks: what stands before the task's own, back to another task's; and what stands
/// behind it, if that is no other task's.
fn goal(blueprint: &Blueprint<'_>, source: &Source, task: &Task<'_>) -> String {
    let (own, section) = (task.span.range(), task.section.range());
    let (mut begin, mut end) = (section.start, section.end);
    for other in blueprint.tasks.iter().map(|other| other.span.range()) {
        if other.end <= own.start {
            begin = begin.max(other.end);
        } else if other.start >= own.end && other.start < end {
            end = own.end;
        }
    }
    let described = task.details.as_ref().and_then(|details| details.description.as_ref()).map(ToString::to_string);
    let text = source.text();
    let prose = if begin <= own.start && own.end <= end {
        let before = before_fence(&text[begin..own.start], begin > section.start);
        let after = text[own.end..end].trim_start();
        let after = if is_fence(after) { after.split_once('\n').map_or("", |(_, rest)| rest) } else { "" };
        format!("{}\n\n{}", before.trim(), after.trim())
    } else {
        String::new()
    };
    let prose = Some(prose.trim().to_owned()).filter(|prose| !prose.is_empty());
    prose.into_iter().chain(described).collect::<Vec<_>>().join("\n\n")
}

/// What stands before the fence of a block, which is alone on its line; behind another block, without the end of that.
fn before_fence(text: &str, is_behind: bool) -> &str {
    let at = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    if !is_fence(&text[at..]) {
        return "";
    }
    let text = &text[..at];
    let text = if is_behind { text.trim_start() } else { text };
    if is_behind && is_fence(text) { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text }
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

/// The text of a task without what stands before each of its lines, in a list or a quote.
fn at_the_margin(source: &Source, task: &Task<'_>) -> String {
    let before = source.text().get(..task.span.range().start).unwrap_or_default();
    let width = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let bare = |line: &str| {
        let prefix = line.bytes().take(width).take_while(|byte| matches!(byte, b' ' | b'\t' | b'>')).count();
        line.get(prefix..).unwrap_or_default().to_owned()
    };
    let mut lines = source.slice(task.span).split_inclusive('\n');
    let first = lines.next().unwrap_or_default().to_owned();
    std::iter::once(first).chain(lines.map(bare)).collect()
}

/// What the document says of the interface, as it is written there.
fn interface(source: &Source, task: &Task<'_>) -> Option<String> {
    let text = at_the_margin(source, task);
    let parsed = yaml::parse(&text, Origin::Base(0));
    let root = parsed.documents.first()?;
    let found = root.get("interface")?;
    match found.to_json() {
        Value::String(text) => Some(text),
        other => serde_json::to_string_pretty(&other).ok(),
    }
}

/// The inputs, with the tasks that they come from.
fn handed(task: &Task<'_>, inputs: &Values) -> Vec<Input> {
    let source_of: BTreeMap<&str, String> = task
        .bindings
        .iter()
        .map(|binding| {
            let source = match &binding.source {
                BindingSource::Task { task, port: Some(port), .. } => format!("{task}.{port}"),
                BindingSource::Task { task, .. } => task.to_string(),
                BindingSource::Path(path) => path.to_string(),
            };
            (binding.name.as_str(), source)
        })
        .collect();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    inputs
        .iter()
        .map(|(name, value)| Input {
            name: name.clone(),
            source: source_of.get(name.as_str()).cloned().unwrap_or_else(|| "a person".to_owned()),
            value: text(value),
        })
        .collect()
}

/// The ports that have no value of their own.
fn ports(task: &Task<'_>) -> Vec<Port> {
    let wanted = task.ports().iter().filter(|port| port.value.is_none());
    wanted
        .map(|port| Port {
            name: port.name.to_string(),
            kind: match port.kind.0.as_str() {
                "string" | "text" => PortKind::String,
                "integer" => PortKind::Integer,
                "number" => PortKind::Number,
                "boolean" => PortKind::Boolean,
                "file_path" => PortKind::Path,
                _ => PortKind::Json,
            },
            description: String::new(),
            optional: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::of;
    use crate::blueprint::read;
    use crate::document::Source;

    #[test]
    fn a_brief_is_the_section_of_its_task() {
        let text = "# Shop\n\n## Prices\n\nAdd `total`.\n\n```yaml\ntask_id: a\nname: Add prices\nexecutor: fake\n\
                    agent: {paths: [src/**]}\ninterface: {input: a list, output: a number}\n\
                    input_bindings: {rate: {source: z, output_port: r}}\n\
                    output: {location: memory, ports: {n: {type: integer}, fixed: {type: integer, value: 1}}}\n\
                    acceptance_criteria: [It adds]\nverification: {unit: {command: \"test $(cat n) = 3\"}}\n```\n\nMind the cents.\n\n\
                    ## Rates\n\nTake them.\n\n```yaml\ntask_id: y\nname: y\nrun: x\n```\n\nLast.\n\n```yaml\ntask_id: z\nname: z\nrun: x\noutput: {location: memory, ports: {r: {type: integer}}}\n```\n";
        let (source, _) = Source::from_bytes("t.md", text.as_bytes().to_vec());
        let (blueprint, problems) = read(&source, false).into_blueprint();
        let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
        let goals: Vec<String> =
            blueprint.tasks.iter().skip(1).map(|task| super::goal(&blueprint, &source, task)).collect();
        assert_eq!(goals, ["## Rates\n\nTake them.", "Last."]);
        let index = blueprint.indices().next().expect("a task");
        let brief = of(&blueprint, &source, index, &BTreeMap::from([("rate".to_owned(), json!(7))]));
        assert_eq!(brief.goal, "## Prices\n\nAdd `total`.\n\nMind the cents.");
        assert!(brief.interface.as_deref().is_some_and(|text| text.contains("a number")), "{:?}", brief.interface);
        assert_eq!((brief.acceptance.len(), brief.allowed_paths.len(), brief.ports.len()), (1, 1, 1));
        assert_eq!((brief.inputs[0].source.as_str(), brief.inputs[0].value.as_str()), ("z.r", "7"));
        assert_eq!(brief.verification[0].command, "test $(cat n) = 3");
    }

    #[test]
    fn the_interface_of_a_task_in_a_list_or_a_quote_is_told() {
        let task = "task_id: a\n  name: a\n  executor: fake\n  interface:\n    input: a list\n    output: a number\n  \
                    agent: {isolation: none}\n  verification: {unit: {command: test -e x}}\n";
        let list = format!("# Shop\n\n```yaml\n- {task}```\n");
        let flat = task.replace("\n  ", "\n");
        let quote = format!("# Shop\n\n> ```yaml\n> {}```\n", flat.replace('\n', "\n> "));
        for text in [list, quote] {
            let (source, _) = Source::from_bytes("t.md", text.as_bytes().to_vec());
            let (blueprint, problems) = read(&source, false).into_blueprint();
            let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
            let brief = of(&blueprint, &source, blueprint.indices().next().expect("a task"), &BTreeMap::new());
            assert!(
                brief.interface.as_deref().is_some_and(|said| said.contains("a number")),
                "{text}: {:?}",
                brief.interface
            );
        }
    }
}
