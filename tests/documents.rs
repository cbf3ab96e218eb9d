//! Whole documents through the real reader: each row of the format's reading side, `f_NN_…`.

use std::process::Command;
use std::time::Duration;

use outpost_bp::blueprint::model::{
    BindingSource, Dialect, FailureAction, GateTime, LockMode, RollbackMode, SecretSourceKind, Stage, Transfer,
};
use outpost_bp::blueprint::{Reading, Status, executor, read};
use outpost_bp::diagnostic::{Code, Severity};
use outpost_bp::document::source::MAX_BYTES;
use outpost_bp::document::{Carrier, Source, Text};
use outpost_bp::plan::{Dag, Edge, check_files};

const METADATA: &str =
    "<!-- _blueprint_version: 2.0.2 -->\n<!-- _generated_at: 2026-01-01T00:00:00Z -->\n<!-- _generator: test -->\n\n";

/// A complete task without fault; `extra` lines are added, and replace fields of the same key.
fn task(id: &str, extra: &str) -> String {
    let defaults = [
        ("name", "a task".to_owned()),
        ("status", "not_started".to_owned()),
        ("dependencies", "[]".to_owned()),
        ("input_bindings", "{}".to_owned()),
        ("interface", "{input: a, output: b}".to_owned()),
        ("output", "{location: stdout, ports: {p: {type: json}}}".to_owned()),
        ("acceptance_criteria", "[x]".to_owned()),
        ("verification", "{smoke: {command: test -f x, timeout: PT10S}}".to_owned()),
        ("rollback", "rm -f x".to_owned()),
    ];
    let mut block = format!("task_id: {id}\n");
    for (key, value) in defaults {
        if !extra.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            block += &format!("{key}: {value}\n");
        }
    }
    format!("```yaml\n{block}{extra}```\n\n")
}

fn document(blocks: &[String]) -> String {
    format!("# T\n\n{METADATA}{}", blocks.concat())
}

/// Codes, severities and the underlined text.
fn found(text: &str, strict: bool) -> Vec<(Code, Severity, String)> {
    with(text, strict, |reading, source| {
        reading
            .diagnostics
            .iter()
            .map(|d| (d.code, d.severity, d.span.map_or(String::new(), |span| source.slice(span).to_owned())))
            .collect()
    })
}

fn with<T>(text: &str, strict: bool, look: impl FnOnce(&Reading<'_>, &Source) -> T) -> T {
    let (source, refusal) = Source::from_bytes("t.md", text.as_bytes().to_vec());
    assert_eq!(refusal, None);
    let reading = read(&source, strict);
    look(&reading, &source)
}

fn codes(text: &str) -> Vec<(Code, String)> {
    found(text, false).into_iter().map(|(code, _, text)| (code, text)).collect()
}

fn one(code: Code, text: &str) -> Vec<(Code, String)> {
    vec![(code, text.to_owned())]
}

#[test]
fn f_01_three_carriers_one_model() {
    let fenced = document(&[task("T0.1", "")]);
    let block: String = fenced
        .lines()
        .skip_while(|line| *line != "```yaml")
        .skip(1)
        .take_while(|line| *line != "```")
        .fold(String::new(), |text, line| text + "      " + line + "\n");
    let pure = format!(
        "_blueprint_version: \"2.0.2\"\n_generated_at: x\n_generator: y\ntiers:\n  - tier_number: 0\n    tasks:\n    -\n{block}"
    );
    for (text, carrier) in [(&fenced, Carrier::Markdown), (&pure, Carrier::Yaml)] {
        with(text, true, |reading, _| {
            assert_eq!(reading.diagnostics, [], "{text}");
            assert_eq!(reading.draft.carrier, carrier);
            assert_eq!(reading.draft.tasks[0].id.as_str(), "T0.1");
            assert_eq!(reading.draft.tiers[0].number, Some(0));
        });
    }
}

#[test]
fn f_02_metadata_from_comments_and_front_matter() {
    let bare = task("T0.1", "");
    let front =
        format!("---\n_blueprint_version: \"2.0.1\"\n_generated_at: x\n_generator: y\n_mine: 1\n---\n# T\n{bare}");
    let banner = format!("<!-- made by hand -->\n{front}");
    for text in [&front, &banner] {
        with(text, true, |reading, _| {
            assert_eq!(reading.diagnostics, []);
            assert_eq!(reading.draft.metadata.get("_mine").map(Text::as_str), Some("1"));
        });
    }
    let missing = found(&bare, false);
    assert_eq!((missing[0].0, missing[0].1), (Code::MetadataMissing, Severity::Warning));
    assert_eq!(found(&bare, true)[0].1, Severity::Error);
}

#[test]
fn f_03_a_checksum_is_verified() {
    let bad =
        document(&[task("T0.1", "")]).replace("<!-- _generator", "<!-- _checksum: sha256:00 -->\n<!-- _generator");
    let problems = with(&bad, false, |reading, _| reading.diagnostics.clone());
    assert_eq!(problems[0].code, Code::ChecksumMismatch);
    let right = problems[0].help.split('`').nth(1).expect("the right sum").to_owned();
    assert_eq!(codes(&bad.replace("sha256:00", &right)), []);
}

#[test]
fn f_04_title_banner_vision_and_metrics_change_no_order() {
    let tasks = [task("T0.1", ""), task("T0.2", "dependencies: [T0.1]\n")].concat();
    let bare = format!("{METADATA}{tasks}");
    let dressed = format!(
        "# My project\n\n> **Status**: Active\n> **Owner**: Ops\n\n{METADATA}## Strategic Vision\n\nShip it.\n\n\
         ## Success Metrics\n\n| Metric | Target |\n|---|---|\n| Uptime | 99 % |\n\n{tasks}"
    );
    let order = |text: &str| {
        with(text, true, |reading, _| {
            assert_eq!(reading.diagnostics, [], "{text}");
            Dag::of(&reading.draft, &reading.links).order().to_vec()
        })
    };
    assert_eq!(order(&dressed), order(&bare));
    with(&dressed, true, |reading, _| {
        let draft = &reading.draft;
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(draft.name(), "My project");
        assert_eq!(draft.banner, [pair("Status", "Active"), pair("Owner", "Ops")]);
        assert_eq!(draft.vision.as_deref(), Some("Ship it."));
        assert_eq!(draft.metrics, [["Metric", "Target"], ["Uptime", "99 %"]]);
    });
}

#[test]
fn f_05_headings_markers_and_tiers_must_agree() {
    let wrong = document(&["## Tier 0: A\n\n### T0.2: x\n\n".to_owned(), task("T0.1", "")]);
    assert_eq!(codes(&wrong), one(Code::HeadingMismatch, "T0.1"));
    let tier = document(&["## Tier 1: A\n\n### T0.1: x\n\n".to_owned(), task("T0.1", "")]);
    assert_eq!(codes(&tier), one(Code::HeadingMismatch, "T0.1"));
    let marker = document(&[format!("<!-- TASK_BEGIN: T0.9 -->\n\n{}<!-- TASK_END: T0.9 -->\n", task("T0.1", ""))]);
    assert_eq!(codes(&marker), one(Code::HeadingMismatch, "T0.1"));
    let fine = document(&["## Tier 0\n\n### Phase 1 of 2\n\nprose\n\n".to_owned(), task("T0.1", "")]);
    assert_eq!(codes(&fine), []);
    with(&fine, false, |reading, source| {
        assert!(source.slice(reading.draft.tasks[0].section).contains("prose"));
    });
}

#[test]
fn f_06_data_is_kept_and_broken_yaml_hides_nothing_else() {
    let text = document(&[
        "```yaml\nagent_registry: {claude: 1}\n```\n\n".to_owned(),
        "```yaml\ntask_id: T0.1\nname: \"x\nstatus: y\n```\n\n".to_owned(),
        task("T0.2", "dependencies: [T0.1, T9]\n"),
    ]);
    let found = codes(&text);
    assert_eq!(found[0].0, Code::YamlSyntax);
    assert_eq!(found[1..], one(Code::UnknownTask, "T9"), "a reference to a broken task is not dangling");
    with(&text, false, |reading, _| assert_eq!(reading.draft.data[0].keys, ["agent_registry"]));
}

#[test]
fn f_07_dialects_are_normalised() {
    let v1 = "```yaml\ntask_id: T0.1\nname: x\nstatus: ✅ COMPLETE\ndependencies: []\ninterface: {input: a, output: b}\n\
              acceptance_criteria: [x]\ntest_command: test -f x\nrollback: rm x\nexecution_context: {timeout_seconds: 90}\n\
              on_failure: {retry_delay_seconds: 10}\n```\n";
    with(v1, false, |reading, _| {
        assert_eq!(reading.draft.dialect, Dialect::V1);
        let task = &reading.draft.tasks[0];
        assert_eq!(task.status, Status::Complete);
        assert_eq!(task.verification[0].stage, Stage::Unit);
        assert_eq!(task.context.as_ref().and_then(|c| c.timeout).map(|t| t.as_secs()), Some(90));
        assert_eq!(task.on_failure.as_ref().and_then(|f| f.retry_delay).map(|t| t.as_secs()), Some(10));
        assert_eq!(reading.diagnostics.len(), 1, "only the metadata: {:?}", reading.diagnostics);
    });
    let in_v2 = document(&[task("T0.1", "execution_context: {timeout_seconds: 90}\n")]);
    assert_eq!(codes(&in_v2), one(Code::LegacySpelling, "timeout_seconds"));
    let migrating = format!("{in_v2}```yaml\nexecution: {{compatibility_mode: v1_migration}}\n```\n");
    assert_eq!(codes(&migrating), []);
    let v21 = "_blueprint_version: 2.1.0\n_generated_at: x\n_generator: y\nexecution:\n  parallelism: {max_concurrent_tasks: 3}\n  \
               retry_policy: {max_attempts: 4}\ntiers:\n- tier: 0\n  tasks:\n  - task_id: T0.1\n    name: x\n    status: pending\n    \
               dependencies: []\n    input_bindings: {cfg: config/x.yml}\n    interface: {outputs: [{name: out, type: json}]}\n    \
               output: {location: stdout}\n    acceptance_criteria: [x]\n    verification: {unit: {command: test -f x}}\n    \
               rollback: {strategy: command, command: rm x}\n";
    with(v21, false, |reading, _| {
        assert_eq!(reading.diagnostics, []);
        assert_eq!(reading.draft.dialect, Dialect::V21);
        assert_eq!(reading.draft.execution.max_parallel_tasks, Some(3));
        assert_eq!(reading.draft.execution.max_retries, Some(3));
        let task = &reading.draft.tasks[0];
        assert_eq!(task.status, Status::NotStarted);
        assert!(task.port("out").is_some());
        assert!(matches!(&task.bindings[0].source, BindingSource::Path(path) if path.as_str() == "config/x.yml"));
    });
}

#[test]
fn f_08_keys_types_and_words() {
    let check = |extra: &str| codes(&document(&[task("T0.1", extra)]));
    assert_eq!(check("idempotant: true\n"), one(Code::UnknownKey, "idempotant"));
    assert_eq!(check("idempotent: yes\n"), one(Code::WrongType, "yes"));
    assert_eq!(check("acceptance_criteria: x\n"), one(Code::WrongType, "x"));
    assert_eq!(check("status: finished\n"), one(Code::UnknownWord, "finished"));
    assert_eq!(check("notes: a\nnotes: b\n"), one(Code::DuplicateKey, "notes"));
    assert_eq!(check("on_failure: {action: explode}\n"), one(Code::UnknownWord, "explode"));
    assert_eq!(check("on_failure: {max_retries: -1}\n"), one(Code::BadNumber, "-1"));
}

#[test]
fn f_09_hostile_documents_are_refused_not_suffered() {
    let block = |yaml: &str| document(&[format!("```yaml\n{yaml}```\n\n"), task("T0.2", "dependencies: [T9]\n")]);
    let deep: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    for (yaml, code) in [(deep, Code::TooDeep), (bomb, Code::AliasExpansion)] {
        let found: Vec<_> = codes(&block(&yaml)).into_iter().map(|(code, _)| code).collect();
        assert_eq!(found, [code, Code::UnknownTask], "the rest of the document is still checked");
    }
    let refusal = |bytes: &[u8]| Source::from_bytes("t.md", bytes.to_vec()).1.map(|problem| problem.code);
    assert_eq!(refusal(b"a\0b"), Some(Code::Unreadable));
    assert_eq!(refusal(b"a\xffb"), Some(Code::Unreadable));

    // A sparse file: its size is judged before a byte of it is read.
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.as_file().set_len(MAX_BYTES + 1).expect("a sparse file");
    let check = Command::new(env!("CARGO_BIN_EXE_outpost-bp")).arg("check").arg(file.path()).output();
    let check = check.expect("outpost-bp runs");
    assert_eq!(check.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&check.stderr).contains("larger than 512 MiB"), "{check:?}");
}

#[test]
fn f_08_a_number_out_of_range_is_none_of_a_wrong_type() {
    let check = |extra: &str| codes(&document(&[task("T0.1", extra)]));
    for (field, number) in [
        ("estimated_sessions: ", "-1"),
        ("estimated_sessions: ", "1e999"),
        ("on_failure: {max_retries: 99999999999}", "99999999999"),
        ("resources: {gpu: 4294967296}", "4294967296"),
        (
            "resources: {gpu: 99999999999999999999999999999999999999999999}",
            "99999999999999999999999999999999999999999999",
        ),
        ("resources: {gpu: -1}", "-1"),
        ("resources: {timeout_seconds: -5}", "-5"),
        ("timeout_seconds: 99999999999", "99999999999"),
    ] {
        let field = if field.ends_with(": ") { format!("{field}{number}") } else { field.to_owned() };
        let found = check(&format!("{field}\n"));
        assert!(found.contains(&(Code::BadNumber, number.into())), "{field}: {found:?}");
        assert!(found.iter().all(|(code, _)| *code != Code::WrongType), "{field}: {found:?}");
    }
    for (field, value) in [
        ("estimated_sessions: nan", "nan"),
        ("estimated_sessions: many", "many"),
        ("resources: {gpu: 1.5}", "1.5"),
        ("resources: {gpu: '1'}", "'1'"),
        ("resources: {gpu: +}", "+"),
    ] {
        assert_eq!(check(&format!("{field}\n")), one(Code::WrongType, value));
    }
    assert_eq!(check("estimated_sessions: 0.5\nresources: {gpu: 4294967295}\n"), []);
    let tier = "_blueprint_version: 2.1.0\n_generated_at: x\n_generator: y\ntiers:\n- tier: T3\n  tasks:\n  - task_id: T3.1\n    name: x\n    run: make\n";
    with(tier, false, |reading, _| {
        assert_eq!(reading.diagnostics.iter().find(|problem| problem.is_error()), None);
        assert_eq!(reading.draft.tiers[0].number, Some(3));
    });
}

#[test]
fn f_08_messages_are_english() {
    let messages = |text: &str| {
        with(text, false, |reading, _| {
            reading.diagnostics.iter().map(|problem| problem.message.to_string()).collect::<Vec<_>>()
        })
    };
    let text = |block: &str| document(&[format!("```yaml\n{block}\n```\n"), task("T0.1", "")]);
    assert_eq!(messages(&text("execution: {shel: sh}")), ["an execution block has no key `shel`"]);
    assert_eq!(messages(&text("execution: x")), ["an execution block must be a mapping, this is text"]);
    assert_eq!(messages(&document(&[task("T0.1", "colour: red\n")])), ["a task block has no key `colour`"]);
}

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

#[test]
fn f_23_a_failure_policy_is_read_and_its_fallback_exists() {
    let text = |policy: &str| {
        document(&[task("T0.1", &format!("on_failure: {policy}\non_success: touch done\n")), task("T0.2", "")])
    };
    let whole = text("{max_retries: 2, retry_delay: PT7S, action: skip, fallback_task: T0.2}");
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let [first, second] = &reading.draft.tasks[..] else { panic!("two tasks") };
        let policy = first.on_failure.as_deref().expect("a policy");
        assert_eq!((policy.max_retries, policy.retry_delay), (Some(2), Some(Duration::from_secs(7))));
        assert_eq!(policy.action, FailureAction::Skip);
        let fallback = policy.fallback.as_ref().and_then(|fallback| fallback.target);
        assert_eq!(fallback.map(|index| reading.draft.task(index).id.as_str()), Some("T0.2"));
        assert_eq!(first.on_success().map(Text::as_str), Some("touch done"));
        assert!(second.on_failure.is_none());
    });
    with(&text("{max_retries: 1}"), false, |reading, _| {
        let policy = reading.draft.tasks[0].on_failure.as_deref().expect("a policy");
        assert_eq!(policy.action, FailureAction::Block, "the default");
    });
    assert_eq!(codes(&text("{fallback_task: T0.3}")), one(Code::UnknownTask, "T0.3"));
    assert_eq!(codes(&text("{fallback_task: T0.1}")), one(Code::Cycle, "T0.1"));
    assert_eq!(codes(&text("{retry_delay: 5s}")), one(Code::BadDuration, "5s"));
}

#[test]
fn f_24_idempotent_is_said_or_not_said() {
    let read = |extra: &str| {
        with(&document(&[task("T0.1", extra)]), false, |reading, _| {
            assert_eq!(reading.diagnostics, []);
            reading.draft.tasks[0].idempotent
        })
    };
    assert_eq!(read("idempotent: true\n"), Some(true));
    assert_eq!(read("idempotent: false\n"), Some(false));
    assert_eq!(read(""), None);
    assert_eq!(codes(&document(&[task("T0.1", "idempotent: 1\n")])), one(Code::WrongType, "1"));
}

#[test]
fn f_23_fallbacks_come_to_an_end() {
    let falls = |id: &str, to: &str| task(id, &format!("on_failure: {{fallback_task: {to}}}\n"));
    let text = document(&[
        falls("T0", "T1"),
        falls("T1", "T2"),
        falls("T2", "T3"),
        falls("T3", "T1"),
        falls("T4", "T4"),
        falls("T5", "T0"),
        falls("T6", "T7"),
        task("T7", ""),
    ]);
    with(&text, false, |reading, source| {
        let found: Vec<_> = reading
            .diagnostics
            .iter()
            .map(|d| (d.code, d.message.as_ref(), source.slice(d.span.expect("place")), d.related.len()))
            .collect();
        assert_eq!(
            found,
            [
                (Code::Cycle, "3 tasks fall back to each other: T1 → T2 → T3 → T1", "T2", 2),
                (Code::Cycle, "`T4` falls back to itself", "T4", 0)
            ]
        );
        assert_eq!(reading.diagnostics[0].label, "`T1` falls back to `T2`");
        assert_eq!(reading.diagnostics[0].related[1].1, "`T3` falls back to `T1`");
    });
}

#[test]
fn f_25_verification_shows_something() {
    let check = |fields: &str| codes(&document(&[task("T0.1", fields)]));
    assert_eq!(check("verification: {smoke: {command: 'true'}}\n"), one(Code::TrivialVerification, "'true'"));
    assert_eq!(check("test_command: test -f y\n"), one(Code::TwoVerifications, "test -f y"));
    assert_eq!(check("verification: {}\n")[0].0, Code::NoVerification);
    let text = document(&[task("T0.1", "verification:\n  e2e: {command: b, optional: true}\n  smoke: {command: a}\n")]);
    with(&text, false, |reading, _| {
        let stages: Vec<_> = reading.draft.tasks[0].verification.iter().map(|v| (v.stage, v.optional)).collect();
        assert_eq!(stages, [(Stage::Smoke, false), (Stage::E2e, true)]);
    });
}

#[test]
fn f_26_and_x3_gates_before_and_after() {
    let text = document(&[task(
        "T0.1",
        "human_required: {action: Look, when: after, timeout: PT1H, notify: {channel: env}}\n",
    )]);
    assert_eq!(codes(&text), one(Code::MissingField, "env"));
    with(&text, false, |reading, _| {
        let gate = reading.draft.tasks[0].gate.as_ref().expect("a gate");
        assert_eq!((gate.action.as_str(), gate.when), ("Look", GateTime::After));
    });
}

#[test]
fn f_27_hand_off_fields_are_unique_and_their_paths_are_jsonpath() {
    let fields =
        "handoff: {state_fields: [{name: a, path: '$.x', type: integer}, {name: a, path: 'nope', type: array}, b]}\n";
    assert_eq!(
        codes(&document(&[task("T0.1", fields)])),
        [(Code::BadHandoff, "a".into()), (Code::BadHandoff, "'nope'".into())]
    );
}

/// Who is told to write a file that another task may write at the same time.
fn shared_files(tasks: &[(&str, &str)], locks: &str) -> Vec<String> {
    let mut blocks = vec![format!("```yaml\nexecution: {{resource_locks: [{locks}]}}\n```\n")];
    blocks.extend(tasks.iter().map(|(id, extra)| {
        let files = if extra.contains("files_to") { "" } else { "files_to_create: [out/a.txt]\n" };
        task(id, &format!("{files}{extra}"))
    }));
    with(&document(&blocks), false, |reading, _| {
        assert_eq!(reading.diagnostics.iter().find(|problem| problem.is_error()), None);
        let dag = Dag::of(&reading.draft, &reading.links);
        let problems = check_files(&reading.draft, &dag);
        assert!(problems.iter().all(|problem| problem.code == Code::SharedFile && problem.related.len() == 1));
        problems.iter().filter_map(|problem| problem.task.as_deref().map(str::to_owned)).collect()
    })
}

#[test]
fn f_28_two_tasks_at_once_do_not_write_one_file() {
    assert_eq!(shared_files(&[("T0.1", ""), ("T0.2", "")], ""), ["T0.2"]);
    assert_eq!(shared_files(&[("T0.1", ""), ("T0.2", "dependencies: [T0.1]\n")], ""), [""; 0]);
    let ladder = [("T0.1", ""), ("T0.2", "dependencies: [T0.1]\n"), ("T0.3", "dependencies: [T0.1]\n")];
    assert_eq!(shared_files(&ladder, ""), ["T0.3"]);
    let crowd = [("T0.1", ""), ("T0.2", ""), ("T0.3", ""), ("T0.4", "dependencies: [T0.1, T0.2, T0.3]\n")];
    assert_eq!(shared_files(&crowd, ""), ["T0.2", "T0.3"], "each is told once");
    // In the order of the run T0.3 stands between the two.
    let apart = [
        ("T0.1", "dependencies: [T0.4]\n"),
        ("T0.2", "dependencies: [T0.4]\nfiles_to_create: [other]\n"),
        ("T0.3", "dependencies: [T0.4]\nresources: {locks: [a]}\n"),
        ("T0.4", "files_to_create: [x]\n"),
        ("T0.5", "dependencies: [T0.2]\nresources: {locks: [a]}\n"),
    ];
    assert_eq!(shared_files(&apart, "a"), ["T0.3", "T0.5"]);
}

#[test]
fn f_28_a_lock_held_alone_keeps_writers_apart() {
    let both = |lock: &str, first: &str, second: &str| {
        let request = |mode: &str| format!("resources: {{locks: [{{name: a, mode: {mode}}}]}}\n");
        shared_files(&[("T0.1", &request(first)), ("T0.2", &request(second))], lock).len()
    };
    let (shared, exclusive) = ("shared", "exclusive");
    assert_eq!(both("{name: a, type: shared}", shared, shared), 1);
    assert_eq!(both("{name: a, type: shared, max_holders: 2}", shared, shared), 1);
    assert_eq!(both("{name: a, type: shared, max_holders: 1}", shared, shared), 0);
    assert_eq!(both("{name: a, type: shared}", shared, exclusive), 0);
    assert_eq!(both("{name: a, type: exclusive}", shared, shared), 0, "the declaration wins");
    assert_eq!(both("a", shared, shared), 0);
    let twice = "resources: {locks: [b, {name: a, mode: shared}, {name: a, mode: exclusive}]}\n";
    let once = "resources: {locks: [{name: a, mode: shared}]}\n";
    let locks = "{name: a, type: shared}, {name: b, type: shared}";
    assert_eq!(shared_files(&[("T0.1", once), ("T0.2", twice)], locks), [""; 0]);
    assert_eq!(shared_files(&[("T0.1", once), ("T0.2", "resources: {locks: [b]}\n")], locks), ["T0.2"]);
}

#[test]
fn f_30_the_execution_block_is_read() {
    let text = |settings: &str| document(&[format!("```yaml\nexecution:\n{settings}```\n\n"), task("T0.1", "")]);
    let whole = text(
        "  shell: bash\n  shell_flags: ['-e', '-u']\n  max_parallel_tasks: 3\n  resource_locks: [db, {name: gpu, type: shared}]\n  \
         preflight_checks:\n  - git --version\n  - {command: docker info, expected_exit_code: 1, error_message: start it, timeout: PT5S}\n  \
         logging: {format: ndjson, level: info, destination: file, file_path: 'logs/${blueprint_id}.log'}\n  \
         storage: {mode: shared_fs, shared_path: /srv/x}\n",
    );
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let execution = &reading.draft.execution;
        assert_eq!(execution.shell.as_deref(), Some("bash"));
        assert_eq!(execution.shell_flags.as_ref().map(|flags| flags.len()), Some(2));
        assert_eq!(execution.max_parallel_tasks, Some(3));
        let locks: Vec<_> = execution.locks.iter().map(|lock| (lock.name.as_str(), lock.mode)).collect();
        assert_eq!(locks, [("db", LockMode::Exclusive), ("gpu", LockMode::Shared)]);
        let checks: Vec<_> =
            execution.preflight.iter().map(|check| (check.command.as_str(), check.expected_exit_code)).collect();
        assert_eq!(checks, [("git --version", 0), ("docker info", 1)]);
        assert_eq!(execution.preflight[1].error_message.as_deref(), Some("start it"));
        assert_eq!(execution.preflight[1].timeout, Some(Duration::from_secs(5)));
        assert!(execution.logging.is_some() && execution.storage.is_some());
    });
    assert_eq!(codes(&text("  max_parallel_tasks: 0\n")), one(Code::BadNumber, "0"));
    assert_eq!(codes(&text("  logging: {format: xml}\n")), one(Code::UnknownWord, "xml"));
    assert_eq!(codes(&text("  logging: {file_path: '${nope}'}\n"))[0].0, Code::UnknownVariable);
    assert_eq!(codes(&text("  budget: {max: 1}\n")), one(Code::NoEffect, "budget"));
    assert_eq!(codes(&text("  resource_locks: [db, db]\n")), one(Code::DuplicateLock, "db"));
    let twice = format!("{whole}```yaml\nexecution: {{shell: sh}}\n```\n");
    assert_eq!(codes(&twice)[0].0, Code::DuplicateExecution);
    with(&twice, false, |reading, _| {
        assert_eq!(reading.draft.execution.shell.as_deref(), Some("bash"), "the first block stays");
    });
}

#[test]
fn f_31_secret_sources_keep_their_order() {
    let text = |settings: &str| {
        document(&[format!("```yaml\nexecution:\n  secret_resolution: {settings}\n```\n\n"), task("T0.1", "")])
    };
    let whole = text(
        "{on_missing: prompt, sources: [{type: env, prefix: APP_}, {type: file, path: .env}, \
         {type: vault, address: 'https://v', path: kv/a}, {type: aws_ssm, prefix: /app/}]}",
    );
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let policy = reading.draft.execution.secrets.as_ref().expect("a policy");
        assert_eq!(policy.on_missing.as_deref(), Some("prompt"));
        let kinds: Vec<_> = policy.sources.iter().map(|source| source.kind).collect();
        use SecretSourceKind::{AwsSsm, Env, File, Vault};
        assert_eq!(kinds, [Env, File, Vault, AwsSsm]);
        assert_eq!(policy.sources[0].prefix.as_deref(), Some("APP_"));
        assert_eq!(policy.sources[2].address.as_deref(), Some("https://v"));
    });
    assert_eq!(codes(&text("{on_missing: shrug}")), one(Code::UnknownWord, "shrug"));
    assert_eq!(codes(&text("{sources: [{type: keychain}]}")), one(Code::UnknownWord, "keychain"));
    assert_eq!(codes(&text("{sources: [{prefix: A_}]}"))[0].0, Code::MissingField);
}

#[test]
fn f_32_secrets_are_references_in_values_and_never_in_paths() {
    let environment = |value: &str| {
        codes(&document(&[task("T0.1", &format!("execution_context: {{environment_variables: {{A: '{value}'}}}}\n"))]))
    };
    for fine in ["${secrets.TOKEN}", "${secrets.TOKEN:none}", "${secrets.TOKEN:}", "x$${secrets.}"] {
        assert_eq!(environment(fine), [], "{fine}");
    }
    assert_eq!(environment("${secrets.a-b}"), one(Code::BadSecretReference, "${secrets.a-b}"));
    assert_eq!(environment("${secrets.TOKEN"), one(Code::MalformedVariable, "${secrets.TOKEN"));
    let path = document(&[task("T0.1", "files_to_create: ['out/${secrets.TOKEN}']\n")]);
    assert_eq!(codes(&path), one(Code::BadSecretReference, "${secrets.TOKEN}"));
    let command = document(&[task("T0.1", "run: deploy ${secrets.}\n")]);
    assert_eq!(codes(&command), one(Code::BadSecretReference, "${secrets.}"));
    // Put together here, so that no scanner takes this file for a leak.
    let literal = ["AKIA", "IOSFODNN7ABCDEFG"].concat();
    assert_eq!(environment(&literal), one(Code::LiteralSecret, &literal));
    assert_eq!(environment("AKIAIOSFODNN7EXAMPLE"), [], "the documentation's key is nobody's");
}

#[test]
fn f_28_one_path_may_name_several_files() {
    let both = |first: &str, second: &str| shared_files(&[("T0.1", first), ("T0.2", second)], "").len();
    let file = |path: &str| format!("files_to_create: ['{path}']\n");
    let inside = |directory: &str, path: &str| {
        format!("files_to_create: ['{path}']\nexecution_context: {{working_directory: {directory}}}\n")
    };
    assert_eq!(both(&file("${task_id}.log"), &file("${task_id}.log")), 0);
    assert_eq!(both(&file("${blueprint_root}/a"), &file("${blueprint_root}/a")), 1);
    assert_eq!(both(&file("$${task_id}"), &file("$${task_id}")), 1);
    assert_eq!(both(&inside("web", "a"), &inside("api", "a")), 0);
    assert_eq!(both(&inside("./web/", "./a"), &file("web/a")), 1);
    assert_eq!(both(&inside("web", "/tmp/a"), &inside("api", "/tmp/a")), 1);
    assert_eq!(both(&inside(".", "a"), &file("./a")), 1);
}

#[test]
fn f_33_variables_of_paths_are_known() {
    let check =
        |path: &str| codes(&document(&[task("T0.1", &format!("output: {{location: file, path: '{path}'}}\n"))]));
    assert_eq!(check("/tmp/${task_id}/${timestamp_unix}.json"), []);
    assert_eq!(check("/tmp/${taskid}"), one(Code::UnknownVariable, "${taskid}"));
    assert_eq!(check("/tmp/${task_id"), one(Code::MalformedVariable, "${task_id"));
    assert_eq!(check("x_$(date).log"), one(Code::ShellInPath, "'x_$(date).log'"));
}

#[test]
fn f_34_a_binding_says_how_its_data_travels_when_memory_cannot() {
    let text = |fallback: &str| {
        let binding = format!("{{source: T0.1, output_port: p, transfer: memory, fallback: {fallback}}}");
        document(&[task("T0.1", ""), task("T0.2", &format!("input_bindings: {{u: {binding}}}\n"))])
    };
    let whole = text("{transfer: file, format: json, path: 'x/${source_task_id}/${output_port}.json'}");
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let binding = &reading.draft.tasks[1].bindings[0];
        assert_eq!(binding.transfer, Transfer::Memory);
        let fallback = binding.fallback.as_deref().expect("a fallback");
        assert_eq!(fallback.transfer, Transfer::File);
        assert_eq!(fallback.format.as_deref(), Some("json"));
        assert_eq!(fallback.path.as_deref(), Some("x/${source_task_id}/${output_port}.json"));
    });
    assert_eq!(codes(&text("{path: x}"))[0].0, Code::MissingField);
    assert_eq!(codes(&text("{transfer: file, path: '${sourc_task_id}'}"))[0].0, Code::UnknownVariable);
}

#[test]
fn f_35_network_outputs_name_a_protocol_we_speak() {
    let check = |network: &str| {
        codes(&document(&[task("T0.1", &format!("output: {{location: network, ports: {{p: json}}{network}}}\n"))]))
    };
    assert_eq!(check(", network: {protocol: s3, endpoint: 's3://bucket/key'}"), []);
    assert_eq!(check(", network: {protocol: https, endpoint: '${blueprint_id}'}"), []);
    assert_eq!(check(", network: {protocol: kafka, endpoint: 'kafka://x'}"), one(Code::Unsupported, "kafka"));
    assert_eq!(check(", network: {protocol: sqs, endpoint: 'sqs://x'}"), one(Code::Unsupported, "sqs"));
    assert_eq!(check(", network: {protocol: s3, endpoint: 'https://x'}"), one(Code::BadOutput, "'https://x'"));
    assert_eq!(check("")[0].0, Code::BadOutput);
}

#[test]
fn x_1_a_task_with_run_needs_no_verification_unless_strict() {
    let text = format!("{METADATA}```yaml\ntask_id: T0.1\nname: x\nrun: make\n```\n");
    assert!(found(&text, false).iter().all(|(_, severity, _)| *severity == Severity::Warning));
}

#[test]
fn x_2_the_nearest_word_chooses_the_executor() {
    let chosen = |extra: &str, settings: &str| {
        let text = document(&[format!("```yaml\nexecution: {{{settings}}}\n```\n\n"), task("T0.1", extra)]);
        with(&text, false, |reading, _| {
            assert_eq!(reading.diagnostics, []);
            executor(&reading.draft, reading.draft.indices().next().expect("a task")).to_owned()
        })
    };
    assert_eq!(chosen("executor: ssm\nassignee: claude\n", "executor: manual"), "ssm");
    assert_eq!(chosen("assignee: claude\n", "executor: manual"), "claude");
    assert_eq!(chosen("assignee: Dana\n", "executor: manual"), "manual", "a person is no executor");
    assert_eq!(chosen("assignee: Dana\n", ""), "shell");
    assert_eq!(chosen("executor: our-robot\n", ""), "our-robot", "a definition file may know it");
    assert_eq!(codes(&document(&[task("T0.1", "executor: cluade\n")])), one(Code::UnknownExecutor, "cluade"));
}

#[test]
fn x_4_a_condition_is_jq_and_kept() {
    with(&document(&[task("T0.1", "when: .env.CI == \"true\"\n"), task("T0.2", "")]), true, |reading, _| {
        assert_eq!(reading.diagnostics, []);
        let conditions: Vec<_> = reading.draft.tasks.iter().map(|task| task.when().map(Text::as_str)).collect();
        assert_eq!(conditions, [Some(".env.CI == \"true\""), None]);
    });
    assert_eq!(codes(&document(&[task("T0.1", "when: [a]\n")])), one(Code::WrongType, "[a]"));
    assert_eq!(codes(&document(&[task("T0.1", "when: ' '\n")])), one(Code::EmptyValue, "' '"));
    assert_eq!(codes(&document(&[task("T0.1", "when: .env.CI | nope\n")])), one(Code::BadTransform, "nope"));
}

#[test]
fn x_5_environments_set_variables_and_nothing_else() {
    let text = |environments: &str| {
        document(&[format!("```yaml\nexecution:\n  environments: {environments}\n```\n\n"), task("T0.1", "")])
    };
    let whole = text("{local: {URL: 'http://localhost'}, aws: {URL: 'https://x', KEY: '${secrets.KEY}'}}");
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let environments: Vec<_> = reading
            .draft
            .execution
            .environments
            .iter()
            .map(|one| (one.name.as_str(), one.variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(environments, [("local", vec!["URL"]), ("aws", vec!["URL", "KEY"])]);
    });
    assert_eq!(codes(&text("{local: {locks: [a]}}")), one(Code::WrongType, "[a]"));
    assert_eq!(codes(&text("{local: {KEY: '${secrets.}'}}"))[0].0, Code::BadSecretReference);
}

#[test]
fn x_6_rollback_is_manual_ask_or_auto() {
    let text = |mode: &str, own: &str| {
        document(&[
            format!("```yaml\nexecution: {{rollback: {mode}}}\n```\n\n"),
            task("T0.1", &format!("on_failure: {{rollback: {own}}}\n")),
        ])
    };
    let read = |text: &str| {
        with(text, false, |reading, _| {
            let own = reading.draft.tasks[0].on_failure.as_deref().and_then(|policy| policy.rollback);
            (reading.draft.execution.rollback, own)
        })
    };
    assert_eq!(read(&text("ask", "auto")), (Some(RollbackMode::Ask), Some(RollbackMode::Auto)));
    assert_eq!(read(&text("manual", "ask")), (Some(RollbackMode::Manual), Some(RollbackMode::Ask)));
    assert_eq!(read(&document(&[task("T0.1", "")])), (None, None), "nothing is undone because nothing was said");
    assert_eq!(
        codes(&text("always", "never")),
        [(Code::UnknownWord, "always".into()), (Code::UnknownWord, "never".into())]
    );
}
