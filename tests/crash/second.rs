//! One runner drives a run: a second one is refused and told who holds it.

use rustix::process::Signal;

use crate::project::{Project, Running};

const WAITS: &str = "```yaml
task_id: a
name: a
run: note begin; await go; note done
```
";

#[test]
fn a_run_that_is_driven_is_driven_by_nobody_else() {
    let project = Project::of(WAITS);
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 run begin");
    let events = project.events();
    let taken = events.iter().find(|event| event.name() == "runner_took_over").expect("a runner");
    let holder = taken.0["pid"].to_string();
    let id = project.run_folder().expect("a run").file_name().expect("a name").to_string_lossy().into_owned();
    project.outpost(&["resume"]).with(2).says(&[&holder, "is driven by", "outpost-bp status"]);
    project.outpost(&["resume", &id, "--rerun", "a"]).with(2).says(&[&holder]);
    project.outpost(&["run", "blueprint.md"]).with(2).says(&[&holder, "--new-run"]);
    // Many at once, and none of them gets in.
    let times = std::env::var("OUTPOST_TEST_ROUNDS").map_or(1, |times| times.parse().expect("a number"));
    for _ in 0..times {
        let many: Vec<_> = (0..8).map(|_| project.start(project.command(&["resume"]))).collect();
        for one in many {
            one.end().with(2).says(&[&holder]);
        }
    }
    assert_eq!(project.told("runner_took_over").len(), 1);
    project.write("go", "");
    running.end().with(0);
    assert_eq!(project.ledger(), ["a 1 run begin", "a 1 run done"]);
}

#[test]
fn of_many_who_resume_a_dead_run_at_once_one_does() {
    let project = Project::of(WAITS.replace("name: a", "name: a\nidempotent: true").as_str());
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 run begin");
    running.signal(Signal::KILL);
    running.end();
    let many: Vec<_> = (0..8).map(|_| project.start(project.command(&["resume"]))).collect();
    project.until_written("a 2 run begin");
    // All others have said their word before the one may end.
    project.until("refusals", || many.iter().filter(|one| one.stderr().contains("is driven by")).count() == 7);
    project.write("go", "");
    let mut codes: Vec<_> = many.into_iter().map(|one| one.end().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(2), Some(2), Some(2), Some(2), Some(2), Some(2), Some(2)]);
    assert_eq!(project.told("runner_took_over").len(), 2);
    assert_eq!(project.ledger(), ["a 1 run begin", "a 2 run begin", "a 2 run done"]);
}

/// Two projects whose runs have one name, because they began within one second, each with a task that works.
fn namesakes() -> [(Project, Running); 2] {
    let document = "# Namesake\n\n```yaml\ntask_id: works\nname: works\nrun: note begins; await go; note done\n```\n";
    loop {
        let pair = [(); 2].map(|()| {
            let project = Project::of(document);
            let running = project.start(project.command(&["run", "blueprint.md"]));
            (project, running)
        });
        for (project, _) in &pair {
            project.until_written("works 1 run begins");
        }
        let name = |project: &Project| project.run_folder().and_then(|folder| Some(folder.file_name()?.to_owned()));
        if name(&pair[0].0) == name(&pair[1].0) {
            return pair;
        }
    }
}

#[test]
fn a_run_of_the_same_name_in_another_project_is_left_alone() {
    let [(one, first), (other, second)] = namesakes();
    first.signal(Signal::KILL);
    first.end();
    one.until_nothing_runs();
    // As if its keeper had been killed, too: whoever goes on looks for what they left, and ends it.
    let record = one.run_folder().expect("a run").join("tasks/works@1.run.log.exit");
    std::fs::remove_file(record).expect("a record of the end");
    one.outpost(&["resume"]).with(3);
    other.write("go", "");
    second.end().with(0);
    assert_eq!(other.ledger(), ["works 1 run begins", "works 1 run done"]);
}
