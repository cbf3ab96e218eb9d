//! Rows F30 and on, and our extensions: settings, secrets, variables.

use std::time::Duration;

use outpost_bp::blueprint::executor;
use outpost_bp::blueprint::model::{
    Channel, LockMode, Occasion, RollbackMode, SecretMissing, SecretSourceKind, Transfer,
};
use outpost_bp::diagnostic::{Code, Severity};
use outpost_bp::document::Text;

use crate::{METADATA, codes, document, found, one, task, with};

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
    assert_eq!(codes(&text("  logging: {file_path: 'x/${task_id}'}\n")), one(Code::UnknownVariable, "${task_id}"));
    assert_eq!(codes(&text("  budget: {max: 1}\n")), one(Code::NoEffect, "budget"));
    assert_eq!(codes(&text("  resource_locks: [db, db]\n")), one(Code::DuplicateLock, "db"));
    let twice = format!("{whole}```yaml\nexecution: {{shell: sh}}\n```\n");
    assert_eq!(codes(&twice)[0].0, Code::DuplicateExecution);
    with(&twice, false, |reading, _| {
        assert_eq!(reading.draft.execution.shell.as_deref(), Some("bash"), "the first block stays");
    });
}

#[test]
fn f_26_who_is_told_how_the_run_goes() {
    let text = |settings: &str| document(&[format!("```yaml\nexecution:\n{settings}```\n\n"), task("T0.1", "")]);
    let whole = text(
        "  notify:\n  - {channel: console}\n  - {on: [failed, rolled_back], channel: email, recipient: ada@x.org}\n  \
         smtp: {url: 'smtps://mail.x.org', from: 'Outpost <bp@x.org>', username: bp, password: '${secrets.MAIL}'}\n",
    );
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let execution = &reading.draft.execution;
        let told: Vec<_> = execution.notify.iter().map(|notice| (notice.to.channel, notice.on.to_vec())).collect();
        assert_eq!(
            told,
            [
                (Channel::Console, vec![Occasion::Gate, Occasion::Failed, Occasion::Done]),
                (Channel::Email, vec![Occasion::Failed, Occasion::RolledBack])
            ]
        );
        assert!(execution.mail_server.is_some());
    });
    assert_eq!(codes(&text("  notify: {channel: env}\n")), one(Code::UnknownWord, "env"));
    assert_eq!(codes(&text("  notify: {channel: webhook}\n")), one(Code::MissingField, "webhook"));
    assert_eq!(codes(&text("  notify: {channel: console, on: [start]}\n")), one(Code::UnknownWord, "start"));
    assert_eq!(codes(&text("  smtp: {url: mail.x.org}\n")), one(Code::BadNotice, "mail.x.org"));
    assert_eq!(codes(&text("  smtp: {url: 'smtp://x', from: me}\n")), one(Code::BadNotice, "me"));
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
        assert_eq!(policy.on_missing, SecretMissing::Prompt);
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
    assert_eq!(check(", network: {protocol: s3, endpoint: 's3://bucket'}"), one(Code::BadOutput, "'s3://bucket'"));
}

#[test]
fn f_35_credentials_fit_their_protocol_and_are_references() {
    let check = |protocol: &str, auth: &str| {
        let network = format!("{{protocol: {protocol}, endpoint: '{protocol}://a/b', auth: {auth}}}");
        codes(&document(&[task("T0.1", &format!("output: {{location: network, network: {network}}}\n"))]))
    };
    for (protocol, auth) in [
        ("s3", "{type: aws_credentials}"),
        ("s3", "{type: aws_credentials, secret_ref: '${secrets.AWS}'}"),
        ("https", "{type: none}"),
        ("http", "{type: bearer_token, secret_ref: '${secrets.T}'}"),
        ("https", "{type: api_key, header: X-Key, secret_ref: '${secrets.T:}'}"),
    ] {
        assert_eq!(check(protocol, auth), [], "{protocol} {auth}");
    }
    for (protocol, auth, place) in [
        ("s3", "{type: none}", "{type: none}"),
        ("https", "{type: aws_credentials}", "{type: aws_credentials}"),
        ("https", "{type: bearer_token}", "{type: bearer_token}"),
        ("https", "{type: bearer_token, secret_ref: hunter2}", "hunter2"),
        ("https", "{type: bearer_token, secret_ref: 'x${secrets.T}'}", "'x${secrets.T}'"),
    ] {
        assert_eq!(check(protocol, auth), one(Code::BadOutput, place), "{protocol} {auth}");
    }
}

#[test]
fn f_30_storage_in_a_bucket_says_which() {
    let check = |storage: &str| {
        codes(&document(&[format!("```yaml\nexecution:\n  storage: {storage}\n```\n\n"), task("T0.1", "")]))
    };
    assert_eq!(check("{mode: object_store, backend: s3, bucket: b, region: eu-north-1}"), []);
    assert_eq!(check("{mode: hybrid, bucket: b, credentials: {source: file, credentials_file: keys}}"), []);
    assert_eq!(check("{mode: hybrid, checkpoint_storage: shared_fs}"), []);
    assert_eq!(check("{mode: object_store}")[0].0, Code::MissingField);
    assert_eq!(check("{mode: object_store, backend: gcs, bucket: b}"), one(Code::Unsupported, "gcs"));
    assert_eq!(
        check("{mode: object_store, bucket: b, credentials: {source: file}}"),
        one(Code::MissingField, "{source: file}")
    );
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
    let machines = "executor: manual, ssm: {targets: {instances: [i-01234567]}}";
    assert_eq!(chosen("executor: ssm\nassignee: claude\n", machines), "ssm");
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
