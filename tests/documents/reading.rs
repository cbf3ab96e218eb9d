//! Rows F01 to F09: carriers, metadata, blocks, dialects, keys, limits.

use std::process::Command;

use outpost_bp::blueprint::Status;
use outpost_bp::blueprint::model::{BindingSource, Dialect, Stage};
use outpost_bp::diagnostic::{Code, Severity};
use outpost_bp::document::source::MAX_BYTES;
use outpost_bp::document::{Carrier, Source, Text};
use outpost_bp::plan::Dag;

use crate::{METADATA, codes, document, found, one, task, with};

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
