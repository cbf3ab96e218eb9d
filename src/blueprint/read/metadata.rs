//! What a document says of itself: its `_keys`, wherever they stand, and the dialect that follows from them.

use super::field;
use crate::blueprint::model::{Dialect, Metadata, Task};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Document, Text};

pub(super) fn front_matter<'s>(document: &Document<'s>, problems: &mut Vec<Diagnostic>) -> Box<[(Text<'s>, Text<'s>)]> {
    let Some(place) = document.front_matter else {
        return Box::default();
    };
    let yaml = document.yaml_at(place);
    problems.extend(yaml.problems);
    yaml.documents.first().map(|node| field::pairs(Some(node))).unwrap_or_default()
}

/// Of keys that are there twice the first one counts.
pub(super) fn read<'s>(pairs: Vec<(Text<'s>, Text<'s>)>) -> Metadata<'s> {
    let mut metadata = Metadata::default();
    for (key, value) in pairs {
        let slot = match &*key.value {
            "_blueprint_version" => &mut metadata.version,
            "_generated_at" => &mut metadata.generated_at,
            "_generator" => &mut metadata.generator,
            "_checksum" => &mut metadata.checksum,
            _ => {
                metadata.other.push((key, value));
                continue;
            }
        };
        if slot.is_none() {
            *slot = Some(value);
        }
    }
    metadata
}

/// The dialect a document declares, or the one it looks like.
pub(super) fn dialect(metadata: &Metadata<'_>, tasks: &[Box<Task<'_>>], looks_21: bool) -> Dialect {
    if let Some(version) = &metadata.version {
        let version = version.trim().trim_start_matches(['v', 'V']);
        return if version.starts_with("0.") || version.starts_with("1.") || version == "1" {
            Dialect::V1
        } else if version.starts_with("2.1") || looks_21 {
            Dialect::V21
        } else {
            Dialect::V20
        };
    }
    let v2 = |task: &Task<'_>| {
        task.output.is_some()
            || !task.bindings.is_empty()
            || task.run.is_some()
            || task.verification.iter().any(|stage| stage.timeout.is_some())
    };
    if looks_21 {
        Dialect::V21
    } else if tasks.is_empty() || tasks.iter().any(|task| v2(task)) {
        Dialect::V20
    } else {
        Dialect::V1
    }
}

pub(super) fn check(
    document: &Document<'_>,
    metadata: &Metadata<'_>,
    tasks: usize,
    broken: bool,
    problems: &mut Vec<Diagnostic>,
) {
    let missing: Vec<&str> = [
        ("_blueprint_version", metadata.version.is_some()),
        ("_generated_at", metadata.generated_at.is_some()),
        ("_generator", metadata.generator.is_some()),
    ]
    .iter()
    .filter(|(_, there)| !there)
    .map(|(key, _)| *key)
    .collect();
    if !missing.is_empty() {
        let message = if missing.len() == 3 {
            "the document has no metadata block".to_owned()
        } else {
            let missing: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
            format!("the metadata has no {}", missing.join(" and no "))
        };
        let first = document.source.line(1);
        problems.push(
            Diagnostic::new(Code::MetadataMissing, first, message)
                .label("belongs near the top")
                .help("add `<!-- _blueprint_version: 2.0.2 -->` with `_generated_at` and `_generator`, or the same keys as front matter"),
        );
    }
    if let Some(total) = metadata.get("_total_tasks")
        && let Ok(said) = total.trim().parse::<usize>()
        && said != tasks
        && !broken
    {
        problems.push(
            Diagnostic::new(
                Code::MetadataMismatch,
                total.span,
                format!("`_total_tasks` is {said}, and the document has {tasks}"),
            )
            .label(format!("there are {tasks}"))
            .help("correct the number, or look for tasks that got lost")
            .edit(total.span, tasks.to_string()),
        );
    }
}
