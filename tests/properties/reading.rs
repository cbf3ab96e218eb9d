//! Reading undoes writing, in every carrier and notation, without a complaint.

use outpost_bp::blueprint::Reading;
use outpost_bp::blueprint::model::BindingSource;
use outpost_bp::document::Source;
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::model::{Blueprint, Task, blueprint};
use crate::print::{CARRIERS, Taste, print};
use crate::{config, with};

/// What the reader made of the document, in the words of the author.
fn said(reading: &Reading<'_>) -> Blueprint {
    let draft = &reading.draft;
    let tasks = draft.tasks.iter().map(|task| Task {
        id: task.id.to_string(),
        tier: task.tier.and_then(|tier| draft.tiers[tier as usize].number).expect("a tier"),
        name: task.name.to_string(),
        status: task.status.word(),
        dependencies: task.dependencies.iter().map(|dependency| dependency.task.to_string()).collect(),
        bindings: task
            .bindings
            .iter()
            .map(|binding| match &binding.source {
                BindingSource::Task { task, port: Some(port), target: Some(target) } => {
                    assert_eq!(draft.task(*target).id.value, task.value, "a reference leads to its task");
                    (binding.name.to_string(), task.to_string(), port.to_string())
                }
                other => panic!("{other:?}"),
            })
            .collect(),
        description: task
            .details
            .as_ref()
            .and_then(|details| details.description.as_ref())
            .expect("a description")
            .to_string(),
        ports: task.ports().iter().map(|port| (port.name.to_string(), port_type(&port.kind.0))).collect(),
        criteria: task.criteria.iter().map(ToString::to_string).collect(),
        verification: task.verification.iter().map(|stage| (stage.stage.word(), stage.command.to_string())).collect(),
        rollback: task
            .rollback
            .as_ref()
            .and_then(|rollback| rollback.command.as_ref())
            .expect("a rollback")
            .to_string(),
        run: task.run.as_ref().map(ToString::to_string),
        locks: task.locks().iter().map(|lock| lock.name.to_string()).collect(),
        gate: task.gate.as_ref().map(|gate| gate.action.to_string()),
        idempotent: task.idempotent,
        environment: task
            .context
            .as_ref()
            .map(|context| {
                context.environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
            })
            .unwrap_or_default(),
    });
    Blueprint {
        title: draft.title.as_deref().expect("a title").to_owned(),
        max_parallel_tasks: draft.execution.max_parallel_tasks.expect("a number"),
        locks: draft.execution.locks.iter().map(|lock| lock.name.to_string()).collect(),
        tasks: tasks.collect(),
    }
}

fn port_type(word: &str) -> &'static str {
    ["json", "string", "integer", "file_path", "array"].into_iter().find(|known| *known == word).expect("a port type")
}

/// The characters at the place of a text are the text, or a notation of it.
fn places(reading: &Reading<'_>, source: &Source) -> Result<(), TestCaseError> {
    let quotes = ['"', '\''];
    for task in &reading.draft.tasks {
        let id = source.slice(task.id.span);
        prop_assert_eq!(id.trim_matches(quotes), task.id.as_str());
        prop_assert!(source.slice(task.span).contains(id) && source.slice(task.section).contains(id));
        for dependency in &task.dependencies {
            prop_assert_eq!(source.slice(dependency.task.span).trim_matches(quotes), dependency.task.as_str());
        }
        let notation = source.slice(task.name.span);
        // Quoted text is escaped, and folded into a quote or a list item every line has a prefix.
        if !notation.starts_with(quotes) {
            prop_assert_eq!(notation, task.name.trim_end());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn reading_undoes_writing(
        blueprint in blueprint(),
        seed in any::<u64>(),
        carrier in (0..CARRIERS.len()).prop_flat_map(|at| Just(CARRIERS[at])),
    ) {
        let text = print(&blueprint, carrier, &mut Taste::new(seed));
        with(&text, |reading, source| {
            prop_assert!(reading.diagnostics.is_empty(), "{text}\n{:#?}", reading.diagnostics);
            let mut said = said(reading);
            if text.contains("\n# ") || text.starts_with("# ") || text.starts_with("\u{feff}# ") {
                // A heading tells only what can stand in one.
                said.title.clone_from(&blueprint.title);
            }
            prop_assert_eq!(&said, &blueprint, "{}", text);
            places(reading, source)
        })?;
    }

    #[test]
    fn one_blueprint_is_read_the_same_from_all_carriers(blueprint in blueprint(), seed in any::<u64>()) {
        let needs = |reading: &Reading<'_>| -> Vec<Vec<u32>> {
            reading.draft.indices().map(|index| reading.links.needs(index).iter().map(|need| need.task.0).collect()).collect()
        };
        let mut first = None;
        for (shift, carrier) in (0..).zip(CARRIERS) {
            let text = print(&blueprint, carrier, &mut Taste::new(seed.wrapping_add(shift)));
            let edges = with(&text, |reading, _| needs(reading));
            prop_assert_eq!(first.get_or_insert_with(|| edges.clone()), &edges, "{}", text);
        }
    }
}
