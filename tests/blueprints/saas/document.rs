//! The document: the plan as it was, commands that there are, and what is said where something is missing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outpost_bp::blueprint::model::{GateTime, GateTimeout, LockMode, Task};
use outpost_bp::blueprint::read;
use outpost_bp::document::Source;

use super::{BLUEPRINT, Checkout, root};

/// How many parts each task has that has any.
const PLAN: [(&str, usize); 12] = [
    ("T0.1", 3),
    ("T0.2", 5),
    ("T0.3", 3),
    ("T1.1", 4),
    ("T1.2", 3),
    ("T2.1", 2),
    ("T2.2", 5),
    ("T2.3", 3),
    ("T3.1", 3),
    ("T3.2", 3),
    ("T4.1", 3),
    ("T4.2", 3),
];

/// What commands call beside the blueprint's own.
const PROGRAMS: &str = ". : ! [ { } aws built cargo cat chmod command cp curl done do echo eval exit export fi for git grep head if \
    ls mktemp mv node printf python3 read rm sed set sha256sum stat tail tell test then tr umask unset while xargs";

fn with_document<T>(look: impl FnOnce(&[Box<Task<'_>>], &outpost_bp::blueprint::Draft<'_>) -> T) -> T {
    let (source, _) = Source::from_bytes(BLUEPRINT, fs::read(root().join(BLUEPRINT)).expect("the document"));
    let reading = read(&source, true);
    assert!(reading.diagnostics.is_empty(), "{:?}", reading.diagnostics);
    look(&reading.draft.tasks, &reading.draft)
}

/// All that a task may execute.
fn commands(task: &Task<'_>) -> Vec<String> {
    let undo = task.rollback.as_ref().and_then(|rollback| rollback.command.as_ref());
    let stages = task.verification.iter().map(|stage| &stage.command);
    task.run.iter().chain(stages).chain(undo).map(ToString::to_string).collect()
}

#[test]
fn the_plan_is_what_it_was() {
    with_document(|tasks, draft| {
        let mut expected = BTreeSet::new();
        for (parent, parts) in PLAN {
            expected.insert(parent.to_owned());
            expected.extend((1..=parts).map(|part| format!("{parent}.{part}")));
        }
        let found: BTreeSet<String> = tasks.iter().map(|task| task.id.to_string()).collect();
        assert_eq!((tasks.len(), found), (52, expected));
        assert_eq!(draft.tiers.iter().filter_map(|tier| tier.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let gates = tasks.iter().filter_map(|task| Some((task.id.to_string(), task.gate.as_ref()?)));
        let gates: Vec<_> = gates.map(|(task, gate)| (task, gate.when, gate.on_timeout)).collect();
        let expected = [("T4.2", GateTime::Before), ("T4.2.1", GateTime::After)];
        assert_eq!(gates, expected.map(|(task, when)| (task.to_owned(), when, GateTimeout::Abort)));
        let locks: Vec<_> = draft.execution.locks.iter().map(|lock| (lock.name.to_string(), lock.mode)).collect();
        let expected = ["terraform_state", "dynamodb_schema", "stripe_config", "ecr_push", "cargo"];
        assert_eq!(locks, expected.map(|name| (name.to_owned(), LockMode::Exclusive)));
        for task in tasks {
            let id = &task.id;
            assert!(task.run.is_some() && task.idempotent == Some(true), "{id} is done, and done again");
            assert!(!task.criteria.is_empty() && !task.verification.is_empty(), "{id} says when it is done");
            assert!(commands(task).len() >= 3, "{id} has work, a verification, and a way back");
        }
    });
}

#[test]
fn whatever_speaks_to_terraform_or_cargo_holds_its_lock() {
    with_document(|tasks, _| {
        let asks = |task: &Task<'_>, names: &[&str]| {
            let text = commands(task)[..commands(task).len() - 1].join("\n");
            called(&text).iter().any(|word| names.contains(&word.as_str()))
        };
        for task in tasks {
            let holds = |name: &str| task.locks().iter().any(|lock| lock.name.value == name);
            let applies = asks(task, &["apply", "planned", "table_planned", "bootstrap_apply", "apply_approved"]);
            assert!(!applies || holds("terraform_state"), "{} plans or applies beside others", task.id);
            // `cargo` waits for another one by itself, for as long as it takes: a timeout would count it.
            let builds = asks(task, &["built", "packed", "tests", "idle_cost", "image_built"]);
            assert!(!builds || holds("cargo"), "{} builds beside others", task.id);
        }
    });
}

/// Words that a text calls: what stands first in a command. Quoted text is left out where it is no command.
fn called(text: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            // Of double quotes only what is executed counts, and that has brackets.
            '\n' => plain.push_str(" ; "),
            '|' | ';' | '&' | '(' | ')' => plain.extend([' ', letter, ' ']),
            '"' => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    let mut found = BTreeSet::new();
    let plain = plain.replace("\\ ; ", " ");
    let mut is_first = true;
    for word in plain.split_whitespace() {
        let is_name = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_./-".contains(letter));
        let goes_on = ["do", "then", "!", "if", "while", "{", "export", "xargs"].contains(&word);
        if is_first && is_name && !goes_on && !word.chars().all(|letter| letter.is_ascii_digit()) {
            found.insert(word.to_owned());
        }
        is_first = ["|", ";", "&", "("].contains(&word) || goes_on && is_first || word.ends_with("$");
    }
    found
}

#[test]
fn what_the_commands_call_is_there() {
    assert_eq!(
        called("packed a b > c 2>&1\nx=$(word url) && test -n \"$(output y \\\n  z)\" || tell 'cut | here'"),
        ["output", "packed", "tell", "test", "word"].map(str::to_owned).into_iter().collect::<BTreeSet<_>>()
    );
    let checkout = Checkout::new();
    let functions = |file: &str| -> BTreeSet<String> {
        let settings = "CLOUD=emulator BUILD=debug SUFFIX= TABLES=emulator STACK=.";
        let told = checkout.bash(&format!("{settings}; . blueprints/saas/{file}; declare -F")).with(0).stdout;
        told.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect()
    };
    let (here, account) = (functions("emulator.bash"), functions("account.bash"));
    let beside = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    // The AWS CLI is a program where it is not that of this machine's AWS.
    assert_eq!((beside(&here, &account), beside(&account, &here)), (vec!["aws".to_owned()], vec![]));
    let mut used = BTreeSet::new();
    with_document(|tasks, draft| {
        let hooks = draft.execution.hooks.iter().map(|hook| hook.command.to_string());
        let checks = draft.execution.preflight.iter().map(|check| check.command.to_string());
        for text in tasks.iter().flat_map(|task| commands(task)).chain(hooks).chain(checks) {
            used.extend(called(&text));
        }
    });
    let programs: BTreeSet<&str> = PROGRAMS.split_whitespace().collect();
    for word in &used {
        let is_script = word.contains('/') && {
            let mode = fs::metadata(root().join(word)).map(|about| about.permissions().mode());
            mode.is_ok_and(|mode| mode & 0o111 != 0)
        };
        assert!(here.contains(word) || programs.contains(word.as_str()) || is_script, "nothing is called `{word}`");
    }
    for own in ["apply", "packed", "tests", "trial", "blueprints/saas/ready", "blueprints/saas/begin"] {
        assert!(used.contains(own), "`{own}` is not seen in {used:?}");
    }
}

/// Files of a target's tests, by its name.
fn sources(target: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["tests", "infrastructure/proof/tests"].map(|name| root().join(name)).to_vec();
    folders
        .extend(fs::read_dir(root().join("services")).expect("services").flatten().map(|one| one.path().join("tests")));
    for folder in folders {
        found.extend(Some(folder.join(format!("{target}.rs"))).filter(|path| path.is_file()));
        rust(&folder.join(target), &mut found);
    }
    found
}

fn rust(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            rust(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn each_test_that_a_task_names_is_there() {
    let mut named = 0;
    with_document(|tasks, _| {
        for task in tasks {
            for text in commands(task) {
                let Some(words) = text.lines().find_map(|line| line.strip_prefix("tests ")) else { continue };
                let mut words = words.split_whitespace();
                let target = words.next().expect("a target");
                let files = sources(target);
                let has = |filter: &str| match filter.strip_suffix("::") {
                    Some(module) => files.iter().any(|file| file.ends_with(format!("{module}.rs"))),
                    None => files.iter().any(|file| {
                        let text = fs::read_to_string(file).expect("a file of ours");
                        text.lines().any(|line| line.trim_start_matches("async ").starts_with(&format!("fn {filter}")))
                    }),
                };
                for filter in words {
                    assert!(has(filter), "{}: no test of `{target}` is called `{filter}`", task.id);
                    named += 1;
                }
            }
        }
    });
    assert!(named > 20, "{named}");
}

#[test]
fn every_script_and_command_is_bash() {
    let sound = |name: &str, text: &str| {
        let mut bash = Command::new("bash");
        let mut child = bash.arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), text.as_bytes()).expect("it is read");
        let ended = child.wait_with_output().expect("its end");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success() && told.is_empty(), "{name}: {told}");
    };
    let mut scripts = 0;
    for folder in ["blueprints/saas", "infrastructure/emulator"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if name.ends_with(".bash") || text.starts_with("#!/usr/bin/env bash") {
                sound(&name, &text);
                scripts += 1;
            }
        }
    }
    assert!(scripts >= 9, "{scripts}");
    with_document(|tasks, _| {
        for task in tasks {
            commands(task).iter().for_each(|text| sound(&task.id, text));
        }
    });
}

#[test]
fn what_is_missing_is_said_with_the_task_that_needs_it() {
    let checkout = Checkout::new();
    let checked = checkout.outpost(&["check", "--strict", BLUEPRINT]).with(0);
    assert_eq!(checked.stderr, "", "{}", checked.stdout);
    let tools = checkout.project.path("tools");
    fs::create_dir(&tools).expect("a folder");
    let path = std::env::var_os("PATH").expect("a path");
    let link = |name: &str| {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|tool| tool.exists());
        symlink(found.expect("a tool"), tools.join(name)).expect("a link");
    };
    ["bash", "cat", "dirname", "git", "curl", "python3", "realpath", "sed", "uname"].into_iter().for_each(link);
    let without = |missing: &[&str], arguments: &[&str]| {
        for name in ["cargo", "terraform"].into_iter().filter(|name| !missing.contains(name)) {
            // Whether it is here or not: it is only asked for.
            let program = tools.join(name);
            fs::write(&program, "#!/bin/sh\necho \"$0 1.99.0\"\n").expect("a program");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
        }
        for name in missing {
            let _ = fs::remove_file(tools.join(name));
        }
        let mut command = checkout.command(arguments);
        command.env("PATH", &tools);
        checkout.project.start(command).end().with(8)
    };
    let told =
        without(&[], &["run", BLUEPRINT]).says(&["say where: --env emulator or --env aws", "nothing was started"]);
    assert!(!told.stderr.contains("saas/ready` exited"), "nothing else is missing: {}", told.stderr);
    let run = ["run", BLUEPRINT, "--env", "emulator"];
    let told = without(&["terraform"], &run);
    let told = told.says(&["`terraform>=1.11` is not here (T0.1)", "no `terraform`: T0.1 to T4.2 apply with it"]);
    assert!(!told.stderr.contains("no `cargo`"), "{}", told.stderr);
    without(&["terraform", "cargo"], &run)
        .says(&["`cargo` is not here (T1.1.1, T1.1.3, T2.3)", "no `cargo`: T1.1.1 to T4.2"]);
    assert!(checkout.project.run_folder().is_none() && !checkout.house("").exists(), "something was begun");
    checkout.project.until_nothing_runs();
}
