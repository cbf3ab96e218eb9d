//! What runs, what does not, and after what: statuses, edges, parents, conditions, checklists of files.

use crate::{blocked, project};

#[test]
fn f_11_what_the_document_calls_done_is_not_done_again() {
    let project = project(
        "",
        &[
            ("a", "", "status: complete\nrun: note ran"),
            ("b", "a", "status: skipped\nrun: note ran"),
            ("c", "b", "status: in_progress\nrun: note ran"),
            ("d", "c", "run: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(project.ledger(), ["c 1 run ran", "d 1 run ran"]);
    assert_eq!(project.told("task_completed"), ["c", "d"]);
}

#[test]
fn f_13_a_binding_is_an_edge_like_a_dependency() {
    let project = project(
        "",
        &[
            ("last", "", "input_bindings: {v: {source: middle, output_port: p}}\nrun: note \"$OUTPOST_INPUT_V\""),
            ("middle", "first", "output: {location: stdout, ports: {p: {type: string}}}\nrun: note ran; echo it"),
            ("first", "", "run: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md", "-j", "4"]).with(0);
    assert_eq!(project.ledger(), ["first 1 run ran", "middle 1 run ran", "last 1 run it"]);
}

#[test]
fn f_15_a_parent_without_work_collects_its_children() {
    let project = project(
        "",
        &[
            ("T1", "", "run: note ran"),
            ("T1.1", "", "run: note ran"),
            ("T1.2", "T1.1", "run: note ran"),
            ("T2", "", "run: note ran"),
            ("T2.1", "T2", "run: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md", "-j", "1"]).with(0);
    let ledger = project.ledger();
    let place = |task: &str| ledger.iter().position(|line| line.split(' ').next() == Some(task)).expect(task);
    assert!(place("T1") > place("T1.2") && place("T1.2") > place("T1.1"), "a roll-up waits: {ledger:?}");
    assert!(place("T2.1") > place("T2"), "a child that says so comes after its parent: {ledger:?}");
}

#[test]
fn f_28_a_task_creates_the_files_that_it_promises() {
    let project = project(
        "",
        &[
            ("kept", "", "files_to_create: [one.txt]\nrun: touch one.txt"),
            ("broken", "", "files_to_create: [two.txt, three.txt]\nrun: touch two.txt"),
            ("after", "broken", "run: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md"]).with(1).says(&["it did not create `three.txt`"]);
    assert_eq!(project.told("task_completed"), ["kept"]);
    assert_eq!(project.told("task_blocked"), ["broken"]);
    assert_eq!(project.ledger(), [""; 0]);
}

#[test]
fn f_42_nothing_starts_before_what_it_needs_is_complete() {
    let wide: Vec<(String, String)> = (0..12)
        .map(|number| {
            (
                format!("t{number}"),
                (0..number).filter(|n| n % 3 == number % 2).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", "),
            )
        })
        .collect();
    let tasks: Vec<(&str, &str, &str)> = wide
        .iter()
        .map(|(id, needs)| {
            (id.as_str(), needs.as_str(), "run: note begin; note end\nverification: {smoke: {command: note seen}}")
        })
        .collect();
    let project = project("", &tasks);
    project.outpost(&["run", "blueprint.md", "-j", "6"]).with(0);
    let events = project.events();
    let at = |name: &str, task: &str| {
        events.iter().position(|event| event.name() == name && event.task() == task).expect("it happened")
    };
    for (id, needs) in &wide {
        for need in needs.split(", ").filter(|need| !need.is_empty()) {
            assert!(at("task_completed", need) < at("stage_started", id), "{id} needs {need}");
        }
    }
    assert_eq!(project.ledger().len(), 36);
}

#[test]
fn x_01_a_task_without_work_is_verified_or_blocked() {
    let project = project(
        "",
        &[
            ("there", "", "verification: {smoke: {command: test -e blueprint.md}}"),
            ("absent", "", "verification: {smoke: {command: test -e nowhere.md}}"),
            ("after", "there", "run: note ran"),
        ],
    );
    project
        .outpost(&["run", "blueprint.md"])
        .with(1)
        .says(&["absent failed: nobody to perform it, and `verify:smoke`"]);
    let completed: Vec<String> = project
        .events()
        .iter()
        .filter(|event| event.name() == "task_completed")
        .map(|event| format!("{} {}", event.task(), event.0["how"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(completed, ["there verified", "after done"]);
    assert_eq!(project.told("task_blocked"), ["absent"]);
}

#[test]
fn x_04_a_condition_looks_at_variables_tools_and_earlier_tasks() {
    let port = "output: {location: stdout, ports: {n: {type: integer}}}\nrun: echo 3";
    let project = project(
        "environments: {local: {REGION: here}}",
        &[
            ("made", "", port),
            ("by-env", "", "when: '.env.REGION == \"here\"'\nrun: note ran"),
            ("not-by-env", "", "when: '.env.REGION == \"there\"'\nrun: note ran"),
            ("by-tool", "", "required_capabilities: [bash]\nwhen: .capabilities.bash\nrun: note ran"),
            // One that needs a tool only if it is here is no reason to refuse the run.
            (
                "by-lack",
                "",
                "required_capabilities: [no-such-tool]\nwhen: .capabilities[\"no-such-tool\"]\nrun: note ran",
            ),
            ("lacks", "", "required_capabilities: [no-such-tool]\nwhen: 'true'\nrun: note ran"),
            ("by-output", "made", "when: '.tasks.made.output.n > 2'\nrun: note ran"),
            ("not-by-output", "made", "when: '.tasks.made.output.n > 3'\nrun: note ran"),
            ("by-status", "not-by-env", "when: '.tasks[\"not-by-env\"].status == \"skipped\"'\nrun: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md", "--env", "local"]).with(1).says(&["`no-such-tool` is not here"]);
    assert_eq!(blocked(&project), ["lacks E_CAPABILITY_MISSING"]);
    let mut ledger = project.ledger();
    ledger.sort_unstable();
    assert_eq!(ledger, ["by-env", "by-output", "by-status", "by-tool"].map(|task| format!("{task} 1 run ran")));
    let mut skipped = project.told("task_skipped");
    skipped.sort_unstable();
    assert_eq!(skipped, ["by-lack", "not-by-env", "not-by-output"]);
}

#[test]
fn p_03_work_finds_its_own_intent_in_the_journal() {
    // The first of many that start in one turn has the most time to look before the last has started.
    let look = "run: |\n  id='\"event\":\"stage_started\",\"task\":\"'\"$OUTPOST_TASK\"'\"'\n  grep -qF \"$id\" .outpost/runs/*/journal.log && note announced || note unheard";
    let names: Vec<String> = (0..12).map(|number| format!("t{number}")).collect();
    let tasks: Vec<(&str, &str, &str)> = names.iter().map(|name| (name.as_str(), "", look)).collect();
    let project = project("max_parallel_tasks: 12", &tasks);
    project.outpost(&["run", "blueprint.md"]).with(0);
    let ledger = project.ledger();
    assert_eq!(ledger.len(), 12);
    assert!(ledger.iter().all(|line| line.ends_with(" run announced")), "{ledger:#?}");
}
