//! `outpost-bp test`: scenarios go as real runs go, are told where they go otherwise, and are refused where they fit
//! nothing.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::project::{Ended, Project};
use crate::{document, project};

/// Tries the blueprint of a project against these scenarios.
fn tried(project: &Project, scenarios: &str) -> Ended {
    project.write("s.yaml", scenarios);
    project.outpost(&["test", "blueprint.md", "--scenario", "s.yaml"])
}

/// Each is as it expects.
#[track_caller]
fn fits(project: &Project, scenarios: &str) {
    let ended = tried(project, scenarios);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("note:"), "{}", ended.stdout);
}

/// Each of these expectations is not met, and told so at its place.
#[track_caller]
fn misses(project: &Project, scenario: &str, expected: &[(&str, &str)]) {
    let list: String = expected.iter().map(|(line, _)| format!("  {line}\n")).collect();
    let ended = tried(project, &format!("{scenario}\nexpect:\n{list}"));
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let first = scenario.lines().count() + 2;
    for (line, (_, words)) in (first..).zip(expected) {
        let is_told = ended
            .stdout
            .split("error[BP502]: ")
            .skip(1)
            .any(|told| told.starts_with(words) && told.contains(&format!("--> s.yaml:{line}:")));
        assert!(is_told, "`{words}` is not told at line {line}:\n{}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("error[BP502]").count(), expected.len(), "{}", ended.stdout);
}

const LEAVES: &str = "output: {location: file, path: out/a.json, ports: {n: {type: integer}}}";

#[test]
fn a_scenario_goes_as_the_run_goes() {
    let takes = "input_bindings: {n: {source: a, output_port: n, transform: {language: jq, expression: '. + 1'}}}";
    let a = format!(
        "{LEAVES}\non_failure: {{max_retries: 1, retry_delay: PT0S}}\nrollback: note undone\nrun: 'test $OUTPOST_ATTEMPT = 2; echo 7 > \"$OUTPOST_OUTPUT\"'"
    );
    let b = format!(
        "{takes}\nrun: note \"$OUTPOST_INPUT_N\"\nverification: {{smoke: test -d ., unit: exit 3}}\nrollback: note undone"
    );
    for (execution, b, code, scenario) in [
        (
            "rollback: auto",
            b.clone(),
            5,
            "tasks: {a: [fail, {outputs: {n: 7}}], b: {outcome: fail, stage: 'verify:unit', exit_code: 3}}",
        ),
        (
            "hooks: {on_start: note s, on_failure: note f, on_exit: note x}",
            b.clone(),
            1,
            "tasks: {a: [fail, {outputs: {n: 7}}], b: {outcome: fail, stage: 'verify:unit', exit_code: 3}}",
        ),
        (
            "",
            b.replace("exit 3", "test -d .").replace("rollback", "on_success"),
            0,
            "tasks: {a: [fail, {outputs: {n: 7}}]}",
        ),
        (
            "",
            b.replace("smoke: test -d .", "smoke: {command: exit 4, optional: true}").replace("exit 3", "test -d ."),
            0,
            "tasks: {a: [fail, {outputs: {n: 7}}], b: {outcome: fail, stage: 'verify:smoke', exit_code: 4}}",
        ),
        ("", "when: '.tasks.a.output.n > 7'\nrun: note ran".to_owned(), 0, "tasks: {a: [fail, {outputs: {n: 7}}]}"),
        (
            "",
            format!("on_failure: {{action: abort}}\n{takes}\nrun: exit 3"),
            1,
            "tasks: {a: [fail, {outputs: {n: 7}}], b: {outcome: fail, exit_code: 3}}",
        ),
        (
            "",
            format!(
                "human_required: {{action: look, reason: so, timeout: PT0S, on_timeout: skip}}\n{takes}\nrun: note ran"
            ),
            0,
            "tasks: {a: [fail, {outputs: {n: 7}}]}\ngates: {b: nobody}",
        ),
    ] {
        let project = project(
            &format!("max_parallel_tasks: 1, {execution}"),
            &[("a", "", &a), ("b", "a", &b), ("c", "b", "run: note ran")],
        );
        project.outpost(&["run", "blueprint.md"]).with(code);
        let ran = told(&project.events().iter().map(|event| event.0.clone()).collect::<Vec<_>>());
        project.write("s.yaml", &format!("{scenario}\nexpect: {{exit_code: {code}}}"));
        let played = project.outpost(&["test", "blueprint.md", "--scenario", "s.yaml", "--json", "--verbose"]).with(0);
        let played: Value = serde_json::from_str(&played.stdout).expect("JSON");
        let played = told(played["scenarios"][0]["events"].as_array().expect("events"));
        assert_eq!(played, ran, "{b}\n{scenario}");
    }
}

/// What happened, without what is another thing in every run: times, names of processes, digests, what was printed.
fn told(events: &[Value]) -> Vec<String> {
    let is_of_both = |event: &&Value| {
        !matches!(event["event"].as_str(), Some("run_started" | "runner_took_over" | "stage_handle" | "chore_handle"))
    };
    let one = |event: &Value| {
        let mut event = event.clone();
        for key in ["milliseconds", "at", "deadline", "digest", "v", "n", "t"] {
            event.as_object_mut().expect("an object").shift_remove(key);
        }
        if let Some(failure) = event.get_mut("failure").and_then(Value::as_object_mut) {
            failure.shift_remove("stdout");
            failure.shift_remove("stderr");
        }
        event.to_string()
    };
    events.iter().filter(is_of_both).map(one).collect()
}

#[test]
fn every_expectation_that_is_not_met_is_told_at_its_place() {
    let gate = "human_required: {action: look, reason: so, approvers: [ada, bob], min_approvals: 2}\nrun: x";
    let project = project(
        "max_parallel_tasks: 2",
        &[
            ("a", "", &format!("{LEAVES}\nrun: x")),
            ("b", "", gate),
            ("c", "a", "input_bindings: {n: a.output.n}\nrun: x"),
        ],
    );
    let scenario = "tasks: {a: {takes: PT1M, outputs: {n: 1}}, c: {outcome: fail, exit_code: 9}}\ngates: {b: approve}";
    misses(
        &project,
        scenario,
        &[
            ("run: done", "the run is failed, not done: c failed: `run` exited with 9"),
            ("exit_code: 0", "`run` exits with 1, not 0"),
            ("gates: []", "the gates that opened are b, not none"),
            ("order: [c before a]", "a started before c was over"),
            ("together: [[a, c]]", "a, c were never under way at the same time"),
            ("max_parallel: 1", "2 attempts were under way at once, not 1 at most"),
            ("duration: PT2M", "the run took PT1M, not PT2M"),
            ("within: PT59S", "the run took PT1M, not at most PT59S"),
            ("rolled_back: [a]", "the tasks that were undone are none, not a"),
            ("hooks: [on_exit]", "the hooks that were carried out are none, not on_exit"),
            ("refused: [docker]", "no reason why the run did not begin says `docker`"),
        ],
    );
    misses(&project, scenario, &[("others: complete", "c is blocked, not complete: `run` exited with 9")]);
    misses(&project, scenario, &[("tasks: {a: skipped}", "a is complete, not skipped")]);
    for (task, words) in [
        ("c: {status: complete}", "c is blocked, not complete: `run` exited with 9"),
        ("c: {attempts: 2}", "c had 1 attempt, not 2"),
        ("c: {because: exited with 8}", "the reason for c does not say `exited with 8`"),
        ("c: {error: E_TIMEOUT}", "c has E_EXECUTION_FAILED, not E_TIMEOUT"),
        ("a: {how: verified}", "a is done, not verified"),
        ("c: {inputs: {n: 2}}", "c is given 1 as `n`, not 2"),
        ("a: {on_success: true}", "the `on_success` of a is not carried out"),
        ("c: {fallback: a}", "nobody did the work of c, not a"),
    ] {
        misses(&project, scenario, &[(&format!("tasks: {{{task}}}"), words)]);
    }
    fits(
        &project,
        &format!(
            "{scenario}\nexpect: {{run: failed, exit_code: 1, order: [a before c], together: [[a, b]], max_parallel: 2, duration: PT1M,
            within: PT1M, gates: [b], hooks: [], rolled_back: [], others: complete, tasks: {{a: {{how: done, on_success: false}},
            c: {{status: blocked, attempts: 1, because: exited with 9, error: E_EXECUTION_FAILED, inputs: {{n: 1}}}}}}}}"
        ),
    );
}

#[test]
fn a_scenario_that_fits_nothing_is_not_played() {
    let project = project(
        "resource_locks: [{name: db}]",
        &[("a", "", &format!("{LEAVES}\nrun: x")), ("b", "a", "human_required: {action: look, reason: so}\nrun: x")],
    );
    for (scenario, words) in [
        ("", "BP501]: the file has no scenario"),
        ("gates: {b: approve}", "BP102]: this scenario has no `expect`"),
        ("gates: {b: approve}\nexpect: {}", "BP501]: nothing is expected"),
        ("expect: {run: done}", "BP501]: nobody says what becomes of the gates of b"),
        ("gates: {b: aprove}\nexpect: {run: done}", "did you mean `approve`?"),
        ("gates: {a: approve, b: approve}\nexpect: {run: done}", "BP501]: `a` has no gate"),
        ("gates: {b: approve}\nexpect: {run: done}\ntaks: {a: fail}", "did you mean `tasks`?"),
        ("gates: {b: approve}\nexpect: {run: done}\ntasks: {c: fail}", "BP501]: the blueprint has no task `c`"),
        (
            "gates: {b: approve}\nexpect: {run: done}\ntasks: {a: {stage: 'verify:unit', outcome: fail}}",
            "BP501]: `a` has no stage `verify:unit`",
        ),
        ("gates: {b: approve}\nexpect: {run: done}\ntasks: {a: {outputs: {m: 1}}}", "BP501]: `a` has no port `m`"),
        (
            "gates: {b: approve}\nexpect: {run: done}\ntasks: {a: {attempts: [fail], takes: PT1S}}",
            "which attempt is meant?",
        ),
        ("gates: {b: approve}\nexpect: {run: done}\ntasks: {a: {takes: 5 minutes}}", "write `PT5M`"),
        (
            "gates: {b: approve}\nexpect: {run: done}\nworld: {locks: {dbs: PT1M}}",
            "BP501]: the document declares no lock `dbs`",
        ),
        ("gates: {b: approve}\nexpect: {run: done}\nhooks: {on_stop: fail}", "BP501]: there is no hook `on_stop`"),
        ("gates: {b: approve}\nexpect: {run: done}\nhappens: [{do: crash}]", "BP501]: when does this happen?"),
        (
            "gates: {b: approve}\nexpect: {run: done}\nhappens: [{do: rerun, on: end}]",
            "BP501]: which task is ordered again?",
        ),
        (
            "gates: {b: approve}\nexpect: {run: done}\nhappens: [{do: crash, on: a setup}]",
            "BP501]: `a` has no stage `setup`",
        ),
        ("gates: {b: approve}\nexpect: {order: [a after b]}", "BP501]: this is no order of two tasks"),
        ("gates: {b: approve}\nexpect: {tasks: {x: complete}}", "BP501]: the blueprint has no task `x`"),
        ("gates: {b: approve}\nrun: {select: [z]}\nexpect: {run: done}", "there is no such task"),
        ("gates: {b: approve}\nrun: {select: [b]}\nexpect: {run: done}", "wait for `a`, which is not selected"),
        ("gates: {b: approve}\nrun: {environment: mars}\nexpect: {run: done}", "there is no environment `mars`"),
        ("gates: {b: approve}\nexpect: {run: done}\nrun: [", "BP003]"),
    ] {
        let ended = tried(&project, scenario);
        assert!(
            ended.code == Some(2) && ended.stdout.contains(words),
            "{scenario}\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
        assert!(!ended.stdout.contains("ok    "), "{}", ended.stdout);
    }
    // One that cannot be read does not hide the others.
    project.write("good.yaml", "gates: {b: approve}\nexpect: {run: done}");
    project.write("bad.yaml", "expect: {run: donne}");
    let both = project.outpost(&["test", "blueprint.md", "--scenario", "bad.yaml", "good.yaml"]).with(2);
    assert!(both.stdout.contains("ok      good  (done, 0:00:00)\n"), "{}", both.stdout);
    project.outpost(&["test", "no.md", "--scenario", "good.yaml"]).with(2).says(&["there is no such file"]);
    project.write("blueprint.md", &document("", &[("a", "nobody", "run: x")]));
    project
        .outpost(&["test", "blueprint.md", "--scenario", "good.yaml"])
        .with(2)
        .says(&["has errors and is not tried"]);
}

#[test]
fn people_and_the_world_do_what_the_scenario_says() {
    let gate = "human_required: {action: look, reason: so, approvers: [ada, bob], min_approvals: 2, self_approval: false}\nrun: x";
    let project = project(
        "resource_locks: [{name: db}], environments: {prod: {PLACE: there}}",
        &[
            ("a", "", "resources: {locks: [db], lock_timeout: PT5M}\nrequired_capabilities: [docker]\nrun: x"),
            ("b", "", gate),
            ("c", "", "when: '.env.PLACE == \"there\" and .capabilities.docker == \"24.0\"'\nrun: x"),
        ],
    );
    let all = "tasks: {a: complete, b: complete}";
    fits(&project, &format!("gates: {{b: approve}}\nexpect: {{run: done, {all}}}"));
    fits(
        &project,
        &format!(
            "gates: {{b: [{{decide: approve, by: bob, after: PT1H}}, {{decide: approve, by: ada}}]}}\nexpect: {{run: done, duration: PT1H, {all}}}"
        ),
    );
    fits(
        &project,
        "gates: {b: [{decide: approve, by: ada}, {decide: reject, by: bob, comment: no, after: PT2H}]}\nexpect: {run: rejected, exit_code: 4, tasks: {b: {because: 'bob rejected it: no'}}}",
    );
    // Eve is none of the approvers, and ada began the run.
    fits(
        &project,
        "gates: {b: [{decide: approve, by: eve}, {decide: approve, by: bob}]}\nexpect: {run: rejected, duration: PT24H}",
    );
    fits(&project, "run: {by: ada}\ngates: {b: approve}\nexpect: {run: rejected}");
    fits(&project, "gates: {b: open}\nexpect: {run: waiting, exit_code: 3, gates: [b], duration: PT0S}");
    fits(
        &project,
        "gates: {b: open}\ntasks: {a: {takes: PT30M}}\nexpect: {run: waiting, duration: PT30M, tasks: {a: complete, b: not_started}}",
    );
    fits(&project, "world: {locks: {db: PT4M}}\ngates: {b: approve}\nexpect: {run: done, duration: PT4M}");
    fits(
        &project,
        "world: {locks: {db: PT6M}}\ngates: {b: approve}\nexpect: {run: failed, exit_code: 7, tasks: {a: {error: E_LOCK_TIMEOUT, attempts: 0}}}",
    );
    fits(
        &project,
        "world: {capabilities: {docker: false}}\nexpect: {run: refused, exit_code: 8, refused: [docker], others: not_started}",
    );
    fits(&project, "gates: {b: approve}\nexpect: {tasks: {c: {status: skipped, because: does not hold}}}");
    fits(
        &project,
        "run: {environment: prod}\nworld: {capabilities: {docker: '24.0'}}\ngates: {b: approve}\nexpect: {tasks: {c: complete}}",
    );
    fits(&project, "run: {select: [c]}\nexpect: {run: done, gates: [], others: skipped}");
    fits(
        &project,
        "run: {jobs: 1, fail_fast: true}\ntasks: {a: fail}\ngates: {b: approve}\nexpect: {run: failed, max_parallel: 1}",
    );
}

#[test]
fn a_runner_dies_and_the_run_goes_on() {
    let project = project(
        "",
        &[
            ("a", "", "run: x\nverification: {unit: y}"),
            ("b", "", "run: x\nidempotent: true"),
            ("c", "", "on_failure: {fallback_task: d}\nrun: x"),
            ("d", "", "run: x\nhandoff: {checkpoint_path: p.json, resume_strategy: from_checkpoint}"),
        ],
    );
    // What a verification shows to be done is done; what is idempotent starts again.
    fits(
        &project,
        "happens: [{do: crash, on: a run, down: PT1H}]\nexpect: {run: waiting, tasks: {a: {how: done, attempts: 1}, b: {attempts: 2}, c: unknown}}",
    );
    fits(
        &project,
        "tasks: {a: [{outcome: fail, stage: 'verify:unit'}, ok]}\nhappens: [{do: crash, on: a run}, {do: rerun, on: end, task: c}, {do: rerun, on: end, task: a}]\nexpect: {run: done, tasks: {a: {status: complete, attempts: 2}, c: {attempts: 2}}}",
    );
    // A fallback whose runner died is still called.
    fits(
        &project,
        "tasks: {c: fail, d: {takes: PT1M, checkpoint: true}}\nhappens: [{do: crash, on: d, down: P1D}]\nexpect: {run: done, tasks: {c: {status: skipped, fallback: d}, d: {attempts: 2}}, duration: PT24H1M}",
    );
    fits(
        &project,
        "tasks: {a: {takes: PT10M}}\nhappens: [{do: cancel, at: PT3M, by: ada}]\nexpect: {run: cancelled, exit_code: 1, duration: PT3M, tasks: {a: {error: E_CANCELLED}}}",
    );
    fits(
        &project,
        "tasks: {a: [fail, ok]}\nhappens: [{do: resume, on: end}]\nexpect: {run: done, tasks: {a: {attempts: 2}}}",
    );
    // What never came about is worth a word.
    let idle = "tasks: {a: [ok, fail]}\nhappens: [{do: crash, on: b run, attempt: 3}, {do: cancel, at: PT1H}]\nexpect: {run: done}";
    let ended = tried(&project, idle).with(0);
    for words in [
        "a has a script for 2 attempts, and had 1",
        "on run of attempt 3 of b never came about",
        "at 1:00:00 never came about",
    ] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
}

#[test]
fn secrets_may_be_missing_and_two_things_happen_at_once() {
    let tasks = [("a", "", "run: 'echo ${secrets.KEY}'"), ("b", "", "run: x"), ("c", "", "run: x")];
    let skipping = project("secret_resolution: {on_missing: skip_task}", &tasks);
    fits(&skipping, "expect: {run: done, tasks: {a: complete}}");
    fits(&skipping, "world: {secrets: {KEY: false}}\nexpect: {run: done, tasks: {a: {status: skipped, because: KEY}}}");
    let project = project("", &tasks);
    fits(&project, "world: {secrets: {KEY: false}}\nexpect: {run: refused, exit_code: 8, refused: [KEY]}");
    let twice = "tasks: {b: {takes: PT1H}, c: {takes: PT1H}}\nhappens: [{do: cancel, on: b}, {do: cancel, on: c}]\nexpect: {run: cancelled}";
    let ended = tried(&project, twice).with(0);
    assert!(!ended.stdout.contains("never came about"), "{}", ended.stdout);
}

#[test]
fn what_undoes_falls_back_and_follows_is_played() {
    let project = project(
        "rollback: auto, hooks: {on_start: a, on_failure: b, on_success: c, on_exit: d}",
        &[
            ("a", "", "run: x\nrollback: y\non_success: z"),
            ("b", "a", "run: x\nrollback: {command: y, timeout: PT3M}"),
            ("c", "b", "run: x\nrollback: y\non_failure: {fallback_task: d}"),
            ("d", "", "run: x\nrollback: y"),
        ],
    );
    for scenario in [
        "expect: {run: done, hooks: [on_start, on_success, on_exit], rolled_back: [], tasks: {a: {on_success: true}, d: {status: skipped, because: no task needed it}}}",
        "tasks: {c: fail}\nexpect: {run: done, exit_code: 0, tasks: {c: {status: skipped, fallback: d}}, others: complete}",
        "tasks: {c: fail, d: fail}\nexpect: {run: rolled_back, exit_code: 5, rolled_back: [d, c, b, a], hooks: [on_start, on_failure, on_exit], others: rolled_back}",
        "tasks: {c: fail, d: fail, b: {rollback: timeout}}\nexpect: {run: rollback_failed, exit_code: 6, rolled_back: [d, c, a], tasks: {b: rollback_failed}, duration: PT3M}",
        "tasks: {a: {on_success: fail}}\nexpect: {run: done, tasks: {a: {status: complete, on_success: false}}}",
        "hooks: {on_start: fail}\nexpect: {run: failed, hooks: [on_start, on_failure, on_exit], others: not_started}",
        "happens: [{do: rollback, on: end, by: ada}]\nexpect: {run: rolled_back, rolled_back: [c, b, a], tasks: {d: skipped}, others: rolled_back}",
    ] {
        fits(&project, scenario);
    }
}

#[test]
fn outputs_are_judged_and_bound_as_in_a_run() {
    let takes =
        "input_bindings: {n: {source: a, output_port: n, fallback: {transfer: file, path: out/last.json}}}\nrun: x";
    let project = project(
        "",
        &[
            ("a", "", &format!("{LEAVES}\nrun: x")),
            ("b", "a", takes),
            ("c", "", "status: complete\nrun: x\noutput: {location: file, path: c.json, ports: {s: {type: string}}}"),
            ("d", "c", "input_bindings: {s: c.output.s}\nrun: x"),
        ],
    );
    let c = "c: {left: {s: before}}";
    fits(
        &project,
        &format!(
            "tasks: {{a: {{outputs: {{n: 3}}}}, {c}}}\nexpect: {{run: done, tasks: {{b: {{inputs: {{n: 3}}}}, d: {{inputs: {{s: before}}}}}}}}"
        ),
    );
    fits(
        &project,
        &format!(
            "tasks: {{a: {{outputs: {{n: three}}}}, {c}}}\nexpect: {{run: failed, tasks: {{a: {{because: 'its port `n` does not satisfy'}}}}}}"
        ),
    );
    fits(
        &project,
        &format!(
            "tasks: {{{c}}}\nexpect: {{run: failed, tasks: {{a: complete, b: {{error: E_DEPENDENCY_MISSING, because: no such file}}}}}}"
        ),
    );
    fits(
        &project,
        &format!(
            "tasks: {{{c}}}\nworld: {{files: {{out/last.json: '5'}}}}\nexpect: {{run: done, tasks: {{b: {{inputs: {{n: 5}}}}}}}}"
        ),
    );
    fits(
        &project,
        "tasks: {a: {outputs: {n: 3}}}\nexpect: {tasks: {d: {because: 'the scenario does not say what it `left`'}}}",
    );
    fits(
        &project,
        "run: {rerun: [c]}\ntasks: {a: {outputs: {n: 1}}, c: {outputs: {s: now}}}\nexpect: {run: done, tasks: {c: {how: done}, d: {inputs: {s: now}}}}",
    );
}

/// Whether the schema of an output is about its ports, or about the value of its only one.
#[test]
fn an_output_that_is_its_only_port_is_judged_by_its_schema() {
    for schema in ["{type: object, required: [city]}", "{type: object, required: [place]}"] {
        let a = format!(
            "interface: {{input: x, output: x, output_type: json, output_schema: {schema}}}\nrun: x\n\
             output: {{location: file, path: a.json, ports: {{place: {{type: json}}}}}}"
        );
        let takes = "input_bindings: {place: {source: a, output_port: place}}\nrun: x";
        let project = project("", &[("a", "", &a), ("b", "a", takes)]);
        let left = "tasks: {a: {outputs: {place: {city: Rome}}}}";
        fits(&project, &format!("{left}\nexpect: {{run: done, tasks: {{b: {{inputs: {{place: {{city: Rome}}}}}}}}}}"));
    }
    let a = "interface: {input: x, output: x, output_type: json, output_schema: {type: object, required: [city]}}\nrun: x\n\
             output: {location: file, path: a.json, ports: {place: {type: json}}}";
    let project = project("", &[("a", "", a)]);
    fits(
        &project,
        "tasks: {a: {outputs: {place: {river: Tiber}}}}\nexpect: {run: failed, tasks: {a: {because: '\"city\" is a required property'}}}",
    );
}

#[test]
fn the_examples_of_the_page_about_testing_go_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/TESTING.md")).expect("the page");
    let blueprint = fs::read_to_string(root.join("examples/a-person-decides.md")).expect("the example");
    let project = Project::of(&blueprint);
    let fences = |kind: &str| -> Vec<String> {
        let opening = format!("```{kind}\n");
        let parts = page.split(&opening).skip(1);
        parts.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
    };
    let scenarios = fences("yaml");
    assert!(scenarios.len() >= 4, "{}", scenarios.len());
    for scenario in &scenarios {
        tried(&project, scenario).with(0);
    }
    let otherwise = scenarios[0].replace("run: failed", "run: done");
    project.write("scenarios.yaml", &otherwise);
    let mut command = project.command(&["test", "blueprint.md", "--scenario", "scenarios.yaml"]);
    command.env("COLUMNS", "80");
    let told = project.start(command).end().with(1).stdout;
    assert!(told.starts_with(&fences("text")[0]), "{told}");
}
