//! What tasks leave for each other: outputs, ports, bindings, paths.

use std::fs;

use rustix::process::Signal;

use crate::{blocked, kept, project};

#[test]
fn f_18_an_output_is_there_parses_and_satisfies_its_schema() {
    let ports = "ports: {n: {type: integer, schema: {minimum: 2}}}";
    let file = |command: &str| format!("output: {{location: file, path: out.json, {ports}}}\nrun: {command}");
    for (command, said) in [
        ("true", "it left no output: there is no `"),
        ("echo '{' > out.json", "is not JSON"),
        ("echo '{\"m\": 1, \"k\": 2}' > out.json", "its port `n` does not satisfy"),
        ("echo '{\"n\": 1}' > out.json", "its port `n` does not satisfy its schema"),
        ("ln -sf blueprint.md out.json", "cannot be read"),
    ] {
        let project = project("", &[("a", "", &file(&format!("|\n  {command}"))), ("b", "a", "run: note ran")]);
        project.outpost(&["run", "blueprint.md"]).with(1).says(&[said]);
        assert_eq!(project.ledger(), [""; 0], "{command}");
    }
}

#[test]
fn f_18_outputs_travel_by_file_by_standard_output_and_by_memory() {
    let project = project(
        "",
        &[
            (
                "file",
                "",
                "output: {location: file, path: '/tmp/blueprint/${task_id}/${timestamp_unix}/out.yaml', format: yaml, ports: {n: {type: integer}}}\nrun: |\n  echo 'n: 7' > \"/tmp/blueprint/$task_id/$timestamp_unix/out.yaml\"",
            ),
            ("printed", "", "output: {location: stdout, ports: {word: {type: string}}}\nrun: echo good"),
            (
                "memory",
                "",
                "output: {location: memory, ports: {list: {type: array}, flag: {type: boolean}}}\nrun: |\n  echo '{\"list\": [1, 2], \"flag\": true}' > \"$OUTPOST_OUTPUT\"",
            ),
            (
                "all",
                "",
                "input_bindings:\n  n: {source: file, output_port: n}\n  word: printed.output.word\n  twice: {source: memory, output_port: list, transfer: memory, transform: {language: jq, expression: 'map(. * 2)'}}\n  my-flag: {source: memory, output_port: flag}\n  absent: {source: memory, output_port: flag, required: false, transform: {language: jq, expression: '.[0]'}}\nrun: |\n  note \"$OUTPOST_INPUT_N $OUTPOST_INPUT_WORD $OUTPOST_INPUT_TWICE $OUTPOST_INPUT_MY_FLAG ${OUTPOST_INPUT_ABSENT-none}\"\n  note \"$(jq -c . \"$OUTPOST_INPUTS\")\"",
            ),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(
        project.ledger(),
        ["all 1 run 7 good [2,4] true none", r#"all 1 run {"my-flag":true,"n":7,"twice":[2,4],"word":"good"}"#]
    );
}

#[test]
fn f_18_a_file_of_an_earlier_run_is_no_output() {
    let project = project(
        "",
        &[(
            "a",
            "",
            "output: {location: file, path: '/tmp/blueprint/f-18-stale-${task_id}/out.json', ports: {n: {type: integer}}}\nrun: |\n  [ -e first ] || echo 1 > /tmp/blueprint/f-18-stale-a/out.json; touch first",
        )],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    project.outpost(&["run", "blueprint.md"]).with(1).says(&["it left no output"]);
    fs::remove_dir_all("/tmp/blueprint/f-18-stale-a").expect("the folder of the output");
}

#[test]
fn p_04_an_output_that_was_changed_behind_our_back_is_not_used() {
    let project = project(
        "",
        &[
            ("a", "", "output: {location: stdout, ports: {p: {type: string}}}\nrun: echo good"),
            ("b", "a", "human_required: {action: look, reason: so}\nrun: note ran"),
            ("c", "b", "input_bindings: {v: {source: a, output_port: p}}\nrun: note \"$OUTPOST_INPUT_V\""),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(3);
    fs::write(kept(&project, "ports.json"), r#"{"p": "bad"}"#).expect("ours");
    project.outpost(&["resume", "--approve", "b"]).with(1).says(&["is not what the task left"]);
    assert_eq!(blocked(&project), ["c E_DEPENDENCY_MISSING"]);
    assert_eq!(project.ledger(), ["b 1 run ran"]);
}

#[test]
fn p_02_what_is_verified_after_the_end_of_its_runner_leaves_its_output() {
    let task = |output: &str, run: &str| {
        format!(
            "output: {output}\nrun: |\n  {run}; touch \"shown-$OUTPOST_TASK\"; await go\nverification: {{smoke: {{command: 'test -e shown-$OUTPOST_TASK'}}}}"
        )
    };
    let filed = task("{location: file, path: out.json, ports: {n: {type: integer}}}", "echo 5 > out.json");
    let printed = task("{location: stdout, ports: {n: {type: integer}}}", "echo 5");
    let project = project(
        "",
        &[
            ("filed", "", &filed),
            ("printed", "", &printed),
            ("uses-file", "", "input_bindings: {n: filed.output.n}\nrun: note \"$OUTPOST_INPUT_N\""),
            ("uses-print", "", "input_bindings: {n: printed.output.n}\nrun: note \"$OUTPOST_INPUT_N\""),
        ],
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("both", || project.path("shown-filed").exists() && project.path("shown-printed").exists());
    running.signal(Signal::KILL);
    running.end();
    project.until_nothing_runs();
    project.write("go", "");
    // What was printed may have been cut short.
    project.outpost(&["resume"]).with(3).says(&["--rerun printed"]);
    assert_eq!(project.ledger(), ["uses-file 1 run 5"]);
    project.outpost(&["resume", "--rerun", "printed"]).with(0);
    assert_eq!(project.ledger(), ["uses-file 1 run 5", "uses-print 1 run 5"]);
}

#[test]
fn f_33_paths_know_the_variables_and_commands_get_them_as_environment() {
    let project = project(
        "",
        &[(
            "T1.1",
            "",
            "execution_context:\n  working_directory: '${blueprint_root}/deep'\n  environment_variables: {WHERE: '${working_directory}/x', PLAIN: '$${task_id}'}\noutput: {location: file, path: '${blueprint_id}-${task_id}.json', ports: {n: {type: integer}}}\nrun: |\n  echo 5 > blueprint-T1.1.json\n  note \"$task_id $blueprint_id $executor_id $([ \"$PWD\" = \"$working_directory\" ] && echo there) ${WHERE#\"$blueprint_root\"} $PLAIN\"",
        )],
    );
    fs::create_dir(project.path("deep")).expect("a folder");
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), ["T1.1 1 run T1.1 blueprint outpost-bp there /deep/x ${task_id}"]);
    assert!(project.path("deep/blueprint-T1.1.json").exists());
}

#[test]
fn f_33_the_time_in_paths_is_that_of_the_attempt() {
    let project = project(
        "",
        &[(
            "a",
            "",
            "output: {location: file, path: 'out-${timestamp_unix}.json', ports: {n: {type: integer}}}\nrun: |\n  sleep 1.1\n  echo 5 > \"out-$timestamp_unix.json\"\nverification: {smoke: {command: 'test -e \"out-$timestamp_unix.json\"'}}",
        )],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
}

#[test]
fn f_34_a_port_that_is_not_there_falls_back_to_a_file() {
    let project = project(
        "",
        &[
            ("a", "", "when: 'false'\nrun: note ran\noutput: {location: memory, ports: {n: {type: integer}}}"),
            (
                "b",
                "a",
                "input_bindings: {n: {source: a, output_port: n, transfer: memory, fallback: {transfer: file, format: json, path: 'kept/${source_task_id}-${output_port}.json'}}}\nrun: note $OUTPOST_INPUT_N",
            ),
        ],
    );
    fs::create_dir(project.path("kept")).expect("a folder");
    project.write("kept/a-n.json", "7");
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), ["b 1 run 7"]);
}

#[test]
fn f_34_between_executors_memory_is_a_file() {
    let id = format!("f34-{}", std::process::id());
    let a = "output: {location: memory, ports: {n: {type: object}, m: {type: integer}}}\nrun: |\n  echo '{\"n\": {\"k\": 7}, \"m\": 8}' > $OUTPOST_OUTPUT";
    let binding =
        |more: &str| format!("input_bindings:\n  n: {{source: {id}, output_port: n, transfer: memory{more}}}\n");
    let declared = ", fallback: {transfer: file, format: json, path: 'kept/${source_task_id}-${output_port}.json'}";
    let default = format!("/tmp/blueprint/fallback/{id}/n.json");
    let manual = |more: &str, file: &str| {
        format!("{}executor: manual\nverification: {{smoke: note $(cat {file})}}", binding(more))
    };
    let project = project(
        "",
        &[
            (&id, "", a),
            ("same", &id, &format!("{}run: '[ ! -e {default} ]'", binding(""))),
            ("declared", "same", &manual(declared, &format!("kept/{id}-n.json"))),
            ("default", "declared", &manual("", &default)),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), [r#"declared 1 verify:smoke {"k":7}"#, r#"default 1 verify:smoke {"k":7}"#]);
    fs::remove_dir_all(format!("/tmp/blueprint/fallback/{id}")).expect("the folder of the fallback");
    // A file that cannot be written is told, and not passed over.
    project.write(
        "blueprint.md",
        &fs::read_to_string(project.path("blueprint.md")).expect("it").replace("kept/", "ledger/"),
    );
    project.outpost(&["run", "--new-run", "blueprint.md"]).with(1).says(&["its fallback `", "ledger/"]);
}

#[test]
fn f_18_what_lies_behind_a_link_of_somebody_is_no_output() {
    let aside = tempfile::tempdir().expect("a folder");
    let name = aside.path().file_name().expect("a name").to_string_lossy().into_owned();
    let link = format!("/tmp/blueprint/{name}");
    let _ = fs::create_dir("/tmp/blueprint");
    // Where the directory is another user's no link can be made, and that is refused as well.
    let _ = std::os::unix::fs::symlink(aside.path(), &link);
    let task = |left: &str| {
        format!(
            "output: {{location: file, path: {link}/out.json, ports: {{n: {{type: integer}}}}}}\nrun: echo 7 > {left}"
        )
    };
    let behind = task(&format!("{link}/out.json"));
    let offered = task("\"$OUTPOST_OUTPUT\"");
    let project = project("", &[("behind", "", &behind), ("offered", "", &offered)]);
    let ended = project.outpost(&["run", "blueprint.md"]);
    let _ = fs::remove_file(&link);
    ended.with(1).says(&["is not a directory of this user", "`OUTPOST_OUTPUT`"]);
    assert_eq!(
        (project.told("task_blocked"), project.told("task_completed")),
        (vec!["behind".into()], vec!["offered".into()])
    );
}

#[test]
fn x_4_an_expression_that_asks_for_too_much_ends_no_run() {
    let project = project(
        "",
        &[
            ("deep", "", "when: 'def f: 1 + f; f'\nrun: note ran"),
            ("endless", "", "when: '[repeat(1)] | length > 0'\nrun: note ran"),
            ("fits", "", "when: '1 + 1 == 2'\nrun: note ran"),
        ],
    );
    let ended = project.outpost(&["run", "blueprint.md"]).with(1);
    ended.says(&["it nests too deep, or takes more than 2 GiB of memory"]);
    assert_eq!(project.ledger(), ["fits 1 run ran"]);
    assert_eq!(blocked(&project), ["deep E_EXECUTION_FAILED", "endless E_EXECUTION_FAILED"]);
}
