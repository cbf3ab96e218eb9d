//! Rows F10 to F22: what a task says, and what tasks say of each other.

use std::time::Duration;

use outpost_bp::blueprint::Status;
use outpost_bp::blueprint::model::LockMode;
use outpost_bp::diagnostic::{Code, Severity};
use outpost_bp::document::Text;
use outpost_bp::plan::{Dag, Edge};

use crate::{METADATA, codes, document, found, one, task, with};

#[test]
fn f_10_what_strict_requires_is_a_warning_by_default() {
    let text = format!("{METADATA}```yaml\ntask_id: T0.1\nname: x\nverification: {{smoke: test -f x}}\n```\n");
    let found_default = found(&text, false);
    assert!(
        found_default.iter().all(|(code, severity, _)| (*code, *severity) == (Code::StrictField, Severity::Warning))
    );
    assert_eq!(found_default.len(), 7, "{found_default:?}");
    assert!(found(&text, true).iter().all(|(_, severity, _)| *severity == Severity::Error));
    let no_name = format!("{METADATA}```yaml\ntask_id: T0.1\nverification: {{smoke: test -f x}}\n```\n");
    assert!(codes(&no_name).contains(&(Code::MissingField, "task_id".into())));
    assert_eq!(codes(&document(&[task("../x", "")])), one(Code::BadId, "../x"));
    assert_eq!(codes(&document(&[task("T0.1", ""), task("T0.1", "")])), one(Code::DuplicateTask, "T0.1"));
}

#[test]
fn f_11_a_status_has_one_spelling_today_and_an_end() {
    let check = |status: &str| codes(&document(&[task("T0.1", &format!("status: {status}\n"))]));
    for status in outpost_bp::blueprint::status::WORDS {
        assert_eq!(check(status), [], "{status}");
    }
    assert_eq!(check("✅ COMPLETE"), one(Code::LegacySpelling, "✅ COMPLETE"));
    assert_eq!(check("finished"), one(Code::UnknownWord, "finished"));
    with(&document(&[task("T0.1", "status: 🔄 IN_PROGRESS\n")]), false, |reading, _| {
        assert_eq!(reading.draft.tasks[0].status, Status::InProgress);
    });
    assert!(Status::ALL.iter().all(|&next| !Status::Complete.may_become(next) && !Status::Skipped.may_become(next)));
    assert!(!Status::NotStarted.may_become(Status::Complete));
}

#[test]
fn f_12_dependencies_lead_somewhere() {
    let text =
        document(&[task("T0.1", ""), task("T0.2", "dependencies: [T0.l, {task: T0.1, type: data, output_port: q}]\n")]);
    assert_eq!(codes(&text), [(Code::UnknownTask, "T0.l".into()), (Code::UnknownPort, "q".into())]);
}

#[test]
fn f_13_the_authored_graph_says_what_the_tasks_say() {
    let tasks = [task("T0.1", ""), task("T0.2", "dependencies: [T0.1]\n")].concat();
    let graph = |inner: &str| codes(&document(&[tasks.clone(), format!("```yaml\n{inner}```\n")]));
    assert_eq!(graph("dependency_graph:\n  T0.2:\n    depends_on: [T0.1]\n"), []);
    assert_eq!(graph("dependencies:\n  T0.2: {depends_on: [T0.1]}\n"), []);
    assert_eq!(graph("dependency_graph:\n  T0.2:\n    depends_on: []\n"), one(Code::GraphMismatch, "T0.2"));
    assert_eq!(
        graph("dependency_graph:\n  T0.1:\n    depends_on: [T0.2]\n  T0.2: [T0.1]\n"),
        one(Code::GraphMismatch, "T0.1")
    );
    assert_eq!(graph("dependency_graph:\n  T0.2: [T0.1]\n  T7: []\n"), one(Code::UnknownTask, "T7"));
}

#[test]
fn f_14_a_cycle_is_printed_whole() {
    let text = document(&[
        task("T0.1", "dependencies: [T0.3]\n"),
        task("T0.2", "dependencies: [T0.1]\n"),
        task("T0.3", "dependencies: [T0.2]\n"),
        task("T0.4", "dependencies: [T0.4, T0.1]\n"),
    ]);
    with(&text, false, |reading, _| {
        let cycles: Vec<_> =
            reading.diagnostics.iter().map(|d| (d.code, d.message.as_ref(), d.related.len())).collect();
        assert_eq!(
            cycles,
            [
                (Code::Cycle, "3 tasks wait for each other: T0.1 → T0.3 → T0.2 → T0.1", 2),
                (Code::Cycle, "`T0.4` needs itself", 0)
            ]
        );
    });
}

#[test]
fn f_15_a_parent_waits_for_children_that_do_not_wait_for_it() {
    let text = document(&[
        task("T0.1", ""),
        task("T0.1.1", ""),
        task("T0.2", ""),
        task("T0.2.1", "dependencies: [T0.2]\n"),
        // Each child needs the other's parent: only one of the two may roll up.
        task("T1.1", ""),
        task("T1.1.1", "dependencies: [T1.2]\n"),
        task("T1.2", ""),
        task("T1.2.1", "dependencies: [T1.1]\n"),
    ]);
    let implied = |text: &str| {
        with(text, false, |reading, _| {
            assert_eq!(reading.diagnostics, []);
            let dag = Dag::of(&reading.draft, &reading.links);
            assert_eq!(dag.order().len(), reading.draft.tasks.len());
            let id = |index| reading.draft.task(index).id.to_string();
            reading
                .draft
                .indices()
                .flat_map(|index| dag.waits_for(index).into_iter().map(move |(need, edge)| (index, need, edge)))
                .filter(|(.., edge)| *edge == Edge::Implied)
                .map(|(index, need, _)| (id(index), id(need)))
                .collect::<Vec<_>>()
        })
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(implied(&text), [pair("T0.1", "T0.1.1"), pair("T1.1", "T1.1.1")]);
    let none = format!("{text}```yaml\nexecution: {{hierarchy: none}}\n```\n");
    assert_eq!(implied(&none), []);
    // A roll-up always waits for its children: the one that waits for it is a circle.
    let rollup = "```yaml\nexecution: {hierarchy: rollup}\n```\n";
    let circles: Vec<String> = with(&format!("{text}{rollup}"), false, |reading, _| {
        reading.diagnostics.iter().map(|problem| problem.message.to_string()).collect()
    });
    assert_eq!(
        circles,
        [
            "2 tasks wait for each other: T0.2 → T0.2.1 → T0.2",
            "4 tasks wait for each other: T1.1 → T1.1.1 → T1.2 → T1.2.1 → T1.1",
        ]
    );
    let collected = document(&[task("T0.1", ""), task("T0.1.1", "")]) + rollup;
    assert_eq!(implied(&collected), [pair("T0.1", "T0.1.1")]);
}

#[test]
fn f_16_bindings_name_ports_and_fit_them() {
    let schema = "{type: object, properties: {id: {type: string}, n: {type: string}}}";
    let source =
        task("T0.1", &format!("output: {{location: stdout, ports: {{user: {{type: json, schema: {schema}}}}}}}\n"));
    let bound = |binding: &str, wanted: &str| {
        codes(&document(&[
            source.clone(),
            task("T0.2", &format!("input_bindings: {binding}\ninterface: {{input: a, output: b{wanted}}}\n")),
        ]))
    };
    let fine = "{u: {source: T0.1, output_port: user}}";
    assert_eq!(bound(fine, ""), []);
    assert_eq!(bound("{u: T0.1.output.user}", ""), []);
    assert_eq!(bound("{u: T0.1}", ""), []);
    assert_eq!(bound("{u: {source: T0.1, output_port: usr}}", ""), one(Code::UnknownPort, "usr"));
    assert_eq!(bound(fine, ", input_schema: {type: object, required: [id]}"), []);
    assert_eq!(bound(fine, ", input_schema: {type: object, required: [mail]}")[0].0, Code::IncompatibleType);
    assert_eq!(
        bound(fine, ", input_schema: {properties: {u: {properties: {n: {type: integer}}}}}")[0].0,
        Code::IncompatibleType
    );
    assert_eq!(bound(fine, ", input_schema: true"), []);
    let open = |port: &str, wanted: &str| {
        let source = task("T0.1", &format!("output: {{location: stdout, ports: {{user: {port}}}}}\n"));
        let target = format!("input_bindings: {fine}\ninterface: {{input: a, output: b, input_schema: {wanted}}}\n");
        codes(&document(&[source, task("T0.2", &target)]))
    };
    assert_eq!(open("{type: json, schema: true}", "{type: object, required: [id]}"), []);
    assert_eq!(open("json", "true"), []);
    assert_eq!(open("json", "{properties: {u: {}}}"), []);
    assert_eq!(open("json", "{type: object, required: [id]}")[0].0, Code::UnknownSourceSchema);
    assert!(bound(fine, ", input_schema: {type: objekt}").contains(&(Code::BadSchema, "objekt".into())));
}

#[test]
fn f_16_the_same_alias_is_another_schema_in_another_block() {
    let task = |id: &str, kind: &str| {
        task(id, &format!("example: &s {{type: {kind}}}\ninterface: {{input: a, output: b, output_schema: *s}}\n"))
    };
    assert_eq!(codes(&document(&[task("T0.1", "object"), task("T0.2", "dict")])), one(Code::BadSchema, "dict"));
    assert_eq!(codes(&document(&[task("T0.1", "dict"), task("T0.2", "object")])), one(Code::BadSchema, "dict"));
}

#[test]
fn f_17_transforms_are_jq() {
    let text = |jq: &str| {
        let binding = format!(
            "input_bindings: {{u: {{source: T0.1, output_port: p, transform: {{language: jq, expression: '{jq}'}}}}}}\n"
        );
        document(&[task("T0.1", ""), task("T0.2", &binding)])
    };
    assert_eq!(codes(&text(".a[0] // 30")), []);
    assert_eq!(codes(&text(".a | nope")), one(Code::BadTransform, "nope"));
}

#[test]
fn f_18_outputs_make_sense() {
    let check = |output: &str| codes(&document(&[task("T0.1", &format!("output: {output}\n"))]));
    assert_eq!(check("{location: file, path: 'x/${task_id}.json', format: json, ports: {a: json}}"), []);
    assert_eq!(check("{location: nowhere}"), one(Code::UnknownWord, "nowhere"));
    assert_eq!(check("{location: stdout, ports: {a: {type: sting}}}"), one(Code::UnknownPortType, "sting"));
    assert_eq!(check("{location: stdout, cleanup: {on_blueprint_complete: archive}}"), one(Code::BadOutput, "archive"));
}

#[test]
fn f_19_capabilities_follow_the_version_syntax() {
    assert_eq!(
        codes(&document(&[task("T0.1", "required_capabilities: [python3.11, 'node>=18', 'node>18']\n")])),
        one(Code::BadCapability, "'node>18'")
    );
}

#[test]
fn f_20_locks_are_declared_and_sizes_are_sizes() {
    let execution = "```yaml\nexecution:\n  resource_locks:\n  - {name: database, type: exclusive}\n  - {name: gpu, mode: shared, max_holders: 2}\n```\n".to_owned();
    let check =
        |resources: &str| codes(&document(&[execution.clone(), task("T0.1", &format!("resources: {resources}\n"))]));
    assert_eq!(check("{cpu: 2, memory: 4Gi, locks: [{name: database, mode: exclusive}, gpu]}"), []);
    assert_eq!(check("{locks: [{name: databse}]}"), one(Code::UnknownLock, "databse"));
    assert_eq!(check("{locks: [{name: database, mode: shared}]}"), one(Code::LockMode, "database"));
    assert_eq!(check("{memory: lots}"), one(Code::BadNumber, "lots"));
    with(&document(std::slice::from_ref(&execution)), false, |reading, _| {
        let gpu = reading.draft.execution.lock("gpu").expect("declared");
        assert_eq!((gpu.mode, gpu.max_holders), (LockMode::Shared, 2));
    });
}

#[test]
fn f_21_the_execution_context_is_read() {
    let fields = "execution_context:\n  working_directory: '${blueprint_root}/app'\n  environment_variables: {A: '1', B: x}\n  \
                  required_tools: [git]\n  timeout: PT30M\n  setup_command: make deps\n  shell: bash\n  shell_override: zsh\n  \
                  shell_args: ['-e']\n";
    let text = document(&[task("T0.1", fields)]);
    assert_eq!(codes(&text), []);
    with(&text, false, |reading, _| {
        let context = reading.draft.tasks[0].context.as_deref().expect("a context");
        let pairs: Vec<_> = context.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "x")]);
        assert_eq!(context.working_directory.as_deref(), Some("${blueprint_root}/app"));
        assert_eq!(context.required_tools.iter().map(Text::as_str).collect::<Vec<_>>(), ["git"]);
        assert_eq!(context.timeout, Some(Duration::from_secs(1800)));
        assert_eq!(context.setup_command.as_deref(), Some("make deps"));
        assert_eq!(context.shell.as_deref(), Some("zsh"), "`shell_override` wins");
        assert_eq!(context.shell_args.as_ref().map(|flags| flags.len()), Some(1));
    });
    let check = |context: &str| codes(&document(&[task("T0.1", &format!("execution_context: {context}\n"))]));
    assert_eq!(check("{working_directory: '${working_directory}/x'}")[0].0, Code::CircularVariable);
    assert_eq!(check("{environment_variables: [A]}"), one(Code::WrongType, "[A]"));
    assert_eq!(check("{work_directory: x}"), one(Code::UnknownKey, "work_directory"));
}

#[test]
fn f_20_a_lock_has_one_mode_whatever_its_key() {
    let check = |lock: &str, request: &str| {
        let execution = format!("```yaml\nexecution: {{resource_locks: [{lock}]}}\n```\n");
        codes(&document(&[execution, task("T0.1", &format!("resources: {{locks: [{request}]}}\n"))]))
    };
    let (shared, exclusive) = ("{name: a, type: shared}", "{name: a, mode: exclusive}");
    assert_eq!(check(shared, exclusive), []);
    assert_eq!(check("{name: a, type: shared, mode: shared}", "{name: a, mode: shared, type: shared}"), []);
    assert_eq!(check("{name: a, type: shared, mode: exclusive}", "a"), one(Code::LockContradiction, "mode: exclusive"));
    assert_eq!(
        check("{name: a, mode: exclusive, type: shared}", "{name: a, mode: shared}"),
        [(Code::LockContradiction, "type: shared".into()), (Code::LockMode, "a".into())]
    );
    assert_eq!(
        check(shared, "{name: a, mode: shared, type: exclusive}"),
        one(Code::LockContradiction, "type: exclusive")
    );
}

#[test]
fn f_20_the_lock_of_a_dependency_is_declared() {
    let execution = "```yaml\nexecution: {resource_locks: [database]}\n```\n".to_owned();
    let check = |lock: &str| {
        let dependency = format!("dependencies: [{{task: T0.1, type: resource, resource: {lock}}}]\n");
        let text = document(&[execution.clone(), task("T0.1", ""), task("T0.2", &dependency)]);
        with(&text, false, |reading, _| {
            reading.diagnostics.iter().map(|d| (d.code, d.label.to_string(), d.task.clone())).collect::<Vec<_>>()
        })
    };
    assert_eq!(check("database"), []);
    assert_eq!(check("databse"), [(Code::UnknownLock, "did you mean `database`?".into(), Some("T0.2".into()))]);
}

#[test]
fn f_20_locks_that_cannot_be_read_are_not_called_undeclared() {
    for (execution, problem) in [
        ("[]", (Code::WrongType, "[]")),
        ("{resource_locks: database}", (Code::WrongType, "database")),
        ("{resource_locks: {name: database}}", (Code::WrongType, "{name: database}")),
        ("{resource_locks: [{name: }]}", (Code::MissingField, "name")),
        ("{resource_locks: [[database]]}", (Code::WrongType, "[database]")),
        (
            "{shell: sh}\n---\nexecution: {resource_locks: [database]}",
            (Code::DuplicateExecution, "{resource_locks: [database]}"),
        ),
    ] {
        let execution = format!("```yaml\nexecution: {execution}\n```\n");
        let text = document(&[execution, task("T0.1", "resources: {locks: [database]}\n")]);
        assert_eq!(codes(&text), one(problem.0, problem.1));
    }
    let none =
        document(&["```yaml\nexecution: {}\n```\n".to_owned(), task("T0.1", "resources: {locks: [database]}\n")]);
    assert_eq!(codes(&none), one(Code::UnknownLock, "database"));
}

#[test]
fn f_22_durations_are_iso_8601() {
    assert_eq!(codes(&document(&[task("T0.1", "resources: {timeout: 1h}\n")])), one(Code::BadDuration, "1h"));
    assert_eq!(codes(&document(&[task("T0.1", "resources: {timeout: PT1H}\n")])), []);
}
