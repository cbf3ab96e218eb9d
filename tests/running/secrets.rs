//! F31 and F32: where secrets come from, what becomes of a run without them, and what commands get.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

use crate::project::{Ended, Project};
use crate::vault::{TOKEN, Vault};

/// A project whose tasks write what they got of these secrets into the ledger.
fn asking(policy: &str, tasks: &[(&str, &str)]) -> Project {
    let tasks: Vec<(&str, &str, String)> =
        tasks.iter().map(|(id, text)| (*id, "", format!("run: 'note \"{text}\"'"))).collect();
    let tasks: Vec<(&str, &str, &str)> = tasks.iter().map(|(id, needs, rest)| (*id, *needs, rest.as_str())).collect();
    crate::project(&format!("max_parallel_tasks: 1, secret_resolution: {{{policy}}}"), &tasks)
}

fn with(project: &Project, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = project.command(arguments);
    command.envs(variables.iter().copied());
    project.start(command).end()
}

#[test]
fn f_31_all_missing_secrets_are_named_at_once_and_nothing_begins() {
    let tasks =
        [("a", "${secrets.ONE} ${secrets.TWO}"), ("b", "${secrets.TWO}"), ("c", "${secrets.SET} ${secrets.OPT:so}")];
    let project = asking("sources: [{type: env}, {type: vault, address: \"http://127.0.0.1:9\"}]", &tasks);
    let ended =
        with(&project, &["run", "blueprint.md"], &[("SET", "setsetset"), ("VAULT_TOKEN", "t")]).with(8).says(&[
            "E_SECRET_MISSING: no source has `ONE` (a)",
            "E_SECRET_MISSING: no source has `TWO` (a, b)",
            "could not be asked: vault at http://127.0.0.1:9: ",
        ]);
    assert!(!ended.stderr.contains("`OPT`") && !ended.stderr.contains("`SET`"), "{}", ended.stderr);
    assert_eq!((project.ledger(), project.run_folder()), (Vec::new(), None));
    // What is not selected is not asked for; and a source that is not there hurts nobody who has it all.
    let ended = with(&project, &["run", "blueprint.md", "c"], &[("SET", "setsetset"), ("OPT", "else")]).with(0);
    assert!(!ended.stderr.contains("vault"), "{}", ended.stderr);
    assert_eq!(project.ledger(), ["c 1 run setsetset else"]);
}

#[test]
fn f_31_what_is_empty_is_not_there() {
    let tasks = [("a", "[${secrets.ONE}]"), ("b", "[${secrets.TWO:so}]")];
    let project = asking("sources: [{type: env}, {type: file, path: keys.env}]", &tasks);
    project.write("keys.env", "ONE=\n");
    let variables = [("ONE", ""), ("TWO", "")];
    let ended = with(&project, &["plan", "blueprint.md"], &variables);
    assert!(ended.stdout.contains("ONE") && !ended.stdout.contains("present"), "{}", ended.stdout);
    with(&project, &["run", "blueprint.md"], &variables).with(8).says(&["no source has `ONE` (a)"]);
    project.write("keys.env", "ONE=from-a-file\n");
    with(&project, &["run", "blueprint.md"], &variables).with(0);
    assert_eq!(project.ledger(), ["a 1 run [from-a-file]", "b 1 run [so]"]);
}

#[test]
fn f_31_a_source_that_is_down_is_told_where_it_was_passed_over() {
    let sources = "sources: [{type: vault, address: \"http://127.0.0.1:9\"}, {type: env}]";
    let project = asking(sources, &[("a", "${secrets.ONE}")]);
    let ended = with(&project, &["run", "blueprint.md"], &[("ONE", "first-secret"), ("VAULT_TOKEN", "t")]).with(0);
    ended.says(&["warning: a source of secrets could not be asked: vault at http://127.0.0.1:9: "]);
    assert_eq!(project.ledger(), ["a 1 run first-secret"]);
}

#[test]
fn f_31_a_default_stands_in_where_it_is_written_and_with_use_default_everywhere() {
    let tasks = [("a", "[${secrets.A:one}|${secrets.A:two}|${secrets.B:}]"), ("b", "[${secrets.A}]")];
    let project = asking("on_missing: abort", &tasks);
    project.outpost(&["run", "blueprint.md"]).with(8).says(&["no source has `A` (a, b)"]);
    project.outpost(&["run", "blueprint.md", "a"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run [one|two|]"]);
    let project = asking("on_missing: use_default", &tasks);
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run [one|two|]", "b 1 run [one]"]);
    let project = asking("on_missing: use_default", &tasks[1..]);
    project
        .outpost(&["run", "blueprint.md"])
        .with(8)
        .says(&["no source has `A`, and no reference to it has a default (b)"]);
}

#[test]
fn f_31_tasks_without_their_secrets_are_skipped_and_say_why() {
    let document = |rest: &str| {
        let tasks = [
            ("a", "", "run: 'note \"${secrets.A}\"'"),
            ("b", "a", "run: note ran"),
            ("c", "", "when: '.env.GO == \"yes\"'\nrun: 'note \"${secrets.A}\"'"),
            ("d", "", "run: 'note \"${secrets.D:so}\"'\nhuman_required: {action: look, reason: so}"),
        ];
        crate::document(&format!("max_parallel_tasks: 1, secret_resolution: {{on_missing: skip_task}}{rest}"), &tasks)
    };
    let project = Project::of(&document(""));
    with(&project, &["run", "blueprint.md"], &[("GO", "yes")]).with(3);
    assert_eq!(project.told("task_skipped"), ["a", "c"]);
    let why = project.outpost(&["why", "a"]).with(0).stdout;
    assert!(why.contains("its secret `A` is missing"), "{why}");
    // What was skipped stays so, also where the secret has come: the journal says the same to everybody.
    with(&project, &["resume", "--approve", "d"], &[("A", "here-now")]).with(0);
    assert_eq!(project.ledger(), ["b 1 run ran", "d 1 run so"]);
    let project = Project::of(&document(""));
    with(&project, &["run", "blueprint.md"], &[("A", "here-now")]).with(3);
    assert_eq!(
        (project.told("task_skipped"), project.ledger()[0].as_str()),
        (vec!["c".to_owned()], "a 1 run here-now")
    );
    // No task could be skipped for what all need.
    let project = Project::of(&document(", preflight_checks: ['test \"${secrets.ALL}\"', 'exit 7']"));
    let ended =
        project.outpost(&["run", "blueprint.md"]).with(8).says(&["`ALL` (the settings)", "`exit 7` exited with 7"]);
    assert!(!ended.stderr.contains("`A`") && !ended.stderr.contains("`test "), "{}", ended.stderr);
}

#[test]
fn f_31_a_vault_is_asked_once_for_all_names() {
    let vault = Vault::with(&json!({ "ONE": "first-secret", "NUMBER": 1234567, "NONE": null }));
    let sources = "sources: [{type: env}, {type: vault, address: \"${VAULT_ADDR}\", path: kv/app}]";
    let project =
        asking(sources, &[("a", "${secrets.ONE} ${secrets.MINE}"), ("b", "${secrets.NUMBER} ${secrets.NONE:so}")]);
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join(".vault-token"), format!("{TOKEN}\n")).expect("a file");
    let home = home.path().to_str().expect("text");
    let (address, space) = (("VAULT_ADDR", &*vault.address()), ("VAULT_NAMESPACE", "Team"));
    with(&project, &["run", "blueprint.md"], &[("HOME", home), address, space, ("MINE", "of-my-own")]).with(0);
    assert_eq!(project.ledger(), ["a 1 run first-secret of-my-own", "b 1 run 1234567 so"]);
    let [asked] = &vault.asked()[..] else { panic!("{:?}", vault.asked()) };
    assert!(asked.contains("x-vault-namespace: team\n") && asked.contains("x-vault-request: true\n"), "{asked}");
    // With a token that it does not know, and without one.
    for (token, said) in [
        ("hvs.wrong-token", "may not read `kv/data/app`, or is not valid any more (permission denied)"),
        ("", "there is no token: set `VAULT_TOKEN`"),
    ] {
        let ended = with(&project, &["run", "blueprint.md"], &[address, ("VAULT_TOKEN", token), ("MINE", "x")]).with(8);
        let ended = ended.says(&["no source has `NUMBER` (b)", "no source has `ONE` (a)", said]);
        assert!(!ended.stderr.contains("wrong-token"), "{}", ended.stderr);
    }
    // A password before the host is no part of what is told.
    let (place, said) = ("http://ada:hunter2@127.0.0.1:9", "vault at http://127.0.0.1:9: ");
    let ended =
        with(&project, &["run", "blueprint.md"], &[("VAULT_ADDR", place), ("VAULT_TOKEN", TOKEN), ("MINE", "x")]);
    assert!(!ended.with(8).says(&[said]).stderr.contains("hunter2"));
    // A path that it does not know at all is not a secret that is missing.
    let sources = sources.replace("kv/app", "no-engine/app");
    let project = asking(&sources, &[("a", "${secrets.ONE}")]);
    let said = "it answers 404 Not Found for `no-engine/data/app` (no handler for route)";
    with(&project, &["run", "blueprint.md"], &[address, ("VAULT_TOKEN", TOKEN)]).with(8).says(&[said]);
}

#[test]
fn f_31_without_a_terminal_nobody_is_asked() {
    let project = asking("on_missing: prompt", &[("a", "${secrets.ONE}")]);
    project
        .outpost(&["run", "blueprint.md"])
        .with(8)
        .says(&["no source has `ONE` (a)", "asked for on a terminal, and here is none"]);
    assert_eq!(project.run_folder(), None);
}

#[test]
fn f_31_a_person_is_asked_on_the_terminal_and_nothing_is_echoed() {
    let project = asking(
        "on_missing: prompt, sources: [{type: vault, address: \"http://127.0.0.1:9\"}, {type: env}]",
        &[("a", "${secrets.ONE}"), ("b", "${secrets.TWO}")],
    );
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("a terminal");
    let name = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("text");
    let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).expect("a flag");
    let user = || File::options().read(true).write(true).custom_flags(flags).open(&name).expect("a terminal");
    // It takes the terminal for its own: that is where it asks.
    let mut command = Command::new("setsid");
    project.place(&mut command);
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_outpost-bp"), "run", "blueprint.md"]);
    command.env("TWO", "second-secret").env("TERM", "xterm");
    let mut child = command.stdin(user()).stdout(Stdio::null()).stderr(user()).spawn().expect("util-linux");
    drop(command);
    let mut terminal = File::from(controller);
    let (mut seen, mut buffer, mut is_typed) = (String::new(), [0; 1024], false);
    // The last one to close it ends the reading.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        seen += &String::from_utf8_lossy(&buffer[..read]);
        if seen.contains("secret ONE (a): ") && !is_typed {
            // A person is not as quick as this.
            let echoes = || tcgetattr(&terminal).expect("a terminal").local_modes.contains(LocalModes::ECHO);
            project.until("a terminal that shows nothing", || !echoes());
            terminal.write_all(b"typed-by-hand\n").expect("a terminal");
            is_typed = true;
        }
    }
    assert!(child.wait().expect("a child").success(), "{seen}");
    assert_eq!(project.ledger(), ["a 1 run typed-by-hand", "b 1 run second-secret"]);
    assert_eq!(seen.matches("could not be asked").count(), 1, "{seen}");
    assert!(is_typed && !seen.contains("typed-by-hand") && !seen.contains("TWO"), "{seen}");
}

#[test]
fn f_32_values_stand_in_the_environment_and_references_in_commands() {
    let context = "execution_context: {environment_variables: {URL: 'db://u:${secrets.KEY}@${task_id}', LITERAL: '$${secrets.KEY}', EMPTY: '${secrets.NO:}'}}";
    let project = crate::project(
        "environments: {far: {PLACE: 'at-${secrets.KEY}'}}",
        &[(
            "a",
            "",
            &format!(
                "run: |\n  note \"$URL|$LITERAL|$EMPTY|$PLACE|${{secrets.KEY}}\"\n  note '${{secrets.KEY}}' ${{#OUTPOST_SECRET_KEY}}\n{context}"
            ),
        )],
    );
    // Neither quotes nor a reference within it mean anything.
    let key = "a'b\"c$(exit 3)`exit 4`${secrets.KEY}";
    with(&project, &["run", "blueprint.md", "--env", "far"], &[("KEY", key)]).with(0);
    let one = format!("a 1 run db://u:{key}@a|${{secrets.KEY}}||at-{key}|{key}");
    let literal = format!("a 1 run ${{OUTPOST_SECRET_KEY}} {}", key.len());
    assert_eq!(project.ledger(), [one, literal]);
}

#[test]
fn f_32_an_output_with_a_secret_is_refused_and_gone() {
    let out = |location: &str| format!("output: {{location: {location}, ports: {{p: {{type: text}}}}}}");
    let project = crate::project(
        "",
        &[
            (
                "printed",
                "",
                &format!("run: 'echo \"${{secrets.KEY}}\"'\n{}\non_failure: {{max_retries: 1}}", out("stdout")),
            ),
            (
                "offered",
                "",
                &format!(
                    "run: 'printf %s \"${{secrets.KEY}}\" | od -An -tx1 > \"$OUTPOST_OUTPUT\"'\n{}",
                    out("file, path: o.txt, format: text")
                ),
            ),
            (
                "escaped",
                "",
                &format!(
                    "run: 'echo \"{{\\\"p\\\": \\\"\\\\u0061-secret-value\\\"}}\" > \"$OUTPOST_OUTPUT\"; : ${{secrets.KEY}}'\n{}",
                    out("file, path: e.json")
                ),
            ),
            (
                "own",
                "",
                &format!("run: 'echo \"${{secrets.KEY}}\" > own.txt'\n{}", out("file, path: own.txt, format: text")),
            ),
            ("clean", "", &format!("run: 'echo \"${{secrets.KEY}}\" >&2; echo fine'\n{}", out("stdout"))),
            (
                "bound",
                "clean",
                "run: 'note \"$OUTPOST_INPUT_X\"'\ninput_bindings: {x: {source: clean, output_port: p}}",
            ),
        ],
    );
    with(&project, &["run", "blueprint.md"], &[("KEY", "a-secret-value")]).with(1);
    let mut blocked = crate::blocked(&project);
    blocked.iter_mut().for_each(|line| line.truncate(line.find(' ').unwrap_or_default()));
    assert_eq!(
        (blocked, project.ledger()),
        (["escaped", "offered", "own", "printed"].map(str::to_owned).to_vec(), vec!["bound 1 run fine".to_owned()])
    );
    let message = |task: &str| {
        let events = project.events();
        let event =
            events.iter().find(|event| event.name() == "task_blocked" && event.task() == task).expect("blocked");
        event.0["failure"]["message"].as_str().expect("words").to_owned()
    };
    for task in ["offered", "escaped"] {
        assert!(message(task).contains("holds the secret `KEY` and was removed"), "{}", message(task));
    }
    // Not what belongs to the project.
    assert!(message("own").contains("was left where it is") && project.path("own.txt").exists(), "{}", message("own"));
    assert!(message("printed").contains("holds a secret and was removed"), "{}", message("printed"));
    // The same again would leave the same again.
    assert!(!project.told("stage_started").iter().any(|start| start.contains("/2/")));
    let files: Vec<String> = fs::read_dir(project.run_folder().expect("a run").join("tasks"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!files.iter().any(|name| name.ends_with("@1.output")), "{files:?}");
}

#[test]
fn f_32_inputs_hold_no_secret_either() {
    let binding = "input_bindings: {x: {source: a, output_port: p, fallback: {transfer: file, path: f.txt}}}";
    let project = crate::project(
        "",
        &[
            ("a", "", "when: 'false'\nrun: note ran\noutput: {location: stdout, ports: {p: {type: text}}}"),
            ("b", "a", &format!("run: 'note \"${{secrets.KEY}}\"'\n{binding}")),
        ],
    );
    project.write("f.txt", "has a-secret-value in it");
    let said = "its input `x` holds the secret `KEY`, and inputs are kept";
    with(&project, &["run", "blueprint.md"], &[("KEY", "a-secret-value")]).with(1).says(&[said]);
    let project =
        crate::project("", &[("b", "", "run: 'note \"${secrets.KEY}\"'\nhuman_required: {action: look, reason: so}")]);
    with(&project, &["run", "blueprint.md"], &[("KEY", "a-secret-value")]).with(3);
    project.outpost(&["approve", "b", "--set", "x=a-secret-value"]).with(0);
    let said = "what it sets as `x` holds the secret `KEY`, and inputs are kept: decide without it";
    with(&project, &["resume"], &[("KEY", "a-secret-value")]).with(3).says(&[said]);
    assert_eq!((project.ledger(), project.told("gate_decided")), (Vec::new(), Vec::new()));
}

#[test]
fn f_32_a_short_secret_is_told_to_be_seen() {
    let project = asking("sources: [{type: env}]", &[("a", "${secrets.PIN}")]);
    let said = "warning: the secret `PIN` has fewer than 6 characters: it is not hidden in what tasks print";
    with(&project, &["run", "blueprint.md"], &[("PIN", "12345")]).with(0).says(&[said]);
    assert_eq!(project.ledger(), ["a 1 run 12345"]);
}
