//! Chores whose runner is killed: each was carried out once, and what nobody knows is said.

use rustix::process::Signal;

use crate::project::Project;

/// Two tasks that failed; what undoes the second waits for a word.
fn half_undone() -> Project {
    let project = Project::of(
        "```yaml
task_id: a
name: a
run: note did
rollback: note undid
```
```yaml
task_id: b
name: b
dependencies: [a]
run: note did; exit 1
rollback: note undoing; await go; note undid
```
",
    );
    project.outpost(&["run", "blueprint.md"]).with(1);
    let undoing = project.start(project.command(&["rollback", "--yes"]));
    project.until_written("b 1 rollback undoing");
    undoing.signal(Signal::KILL);
    undoing.end();
    project.until_nothing_runs();
    project
}

const BEGUN: [&str; 3] = ["a 1 run did", "b 1 run did", "b 1 rollback undoing"];

#[test]
fn a_rollback_that_is_killed_is_unknown_and_the_rest_goes_on() {
    let project = half_undone();
    project.outpost(&["rollback", "--yes"]).with(2).says(&["is being rolled back", "outpost-bp resume"]);
    project.outpost(&["cancel"]).with(2).says(&["cannot be cancelled"]);
    let ended = project.outpost(&["resume"]).with(6);
    ended.says(&["b may be undone or not", "1 of 2 tasks are undone, 1 may be or not", "outpost-bp rollback"]);
    assert_eq!(project.ledger(), [&BEGUN[..], &["a 1 rollback undid"]].concat());
    assert_eq!(project.told("chore_unknown").len(), 1);
    // Only by name.
    project.outpost(&["rollback", "--yes"]).with(0).says(&["nothing is left to undo"]);
    project.write("go", "");
    project.outpost(&["rollback", "--yes", "b"]).with(5);
    assert_eq!(project.ledger()[4..], ["b 2 rollback undoing", "b 2 rollback undid"]);
}

#[test]
fn ctrl_c_lets_what_is_undone_end_and_resume_undoes_the_rest() {
    let project = Project::of(
        "```yaml
task_id: a
name: a
run: note did
rollback: note undid
```
```yaml
task_id: b
name: b
dependencies: [a]
run: note did
rollback: note undoing; await go; note undid
```
",
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    let undoing = project.start(project.command(&["rollback", "--yes"]));
    project.until_written("b 1 rollback undoing");
    undoing.signal(Signal::INT);
    project.until("a word", || undoing.stderr().contains("nothing more is started"));
    project.write("go", "");
    undoing.end().with(130);
    assert_eq!(project.ledger().last().map(String::as_str), Some("b 1 rollback undid"));
    project.outpost(&["resume"]).with(5);
    assert_eq!(project.ledger().last().map(String::as_str), Some("a 1 rollback undid"));
}

#[test]
fn a_hook_and_what_follows_a_success_are_not_repeated_by_a_crash() {
    let project = Project::of(
        "```yaml
execution:
  hooks:
    on_start: echo hook $OUTPOST_HOOK >> $LEDGER
    on_exit: echo hook $OUTPOST_HOOK >> $LEDGER
```
```yaml
task_id: a
name: a
run: note did
on_success: note cheering; await never
```
```yaml
task_id: b
name: b
dependencies: [a]
run: note did; await go
idempotent: true
```
",
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 on_success cheering");
    project.until_written("b 1 run did");
    running.signal(Signal::KILL);
    running.end();
    project.until_nothing_runs();
    project.write("go", "");
    project.outpost(&["resume"]).with(0).says(&["`on_success` ran when its runner ended"]);
    let mut ledger = project.ledger();
    ledger.sort_unstable();
    let once =
        ["a 1 on_success cheering", "a 1 run did", "b 1 run did", "b 2 run did", "hook on_exit", "hook on_start"];
    assert_eq!(ledger, once);
}

#[test]
fn a_cancel_lets_what_is_undone_end() {
    let project = Project::of(
        "```yaml
task_id: a
name: a
run: note did; exit 1
rollback: note undoing; await go; note undid
on_failure: {rollback: auto}
```
```yaml
task_id: b
name: b
run: note waits; await never
```
",
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 rollback undoing");
    project.until_written("b 1 run waits");
    project.outpost(&["cancel"]).with(0);
    project
        .until("the end of what is not undone", || project.told("stage_ended").iter().any(|end| end.starts_with("b/")));
    project.write("go", "");
    running.end().with(1);
    assert_eq!(project.ledger().last().map(String::as_str), Some("a 1 rollback undid"));
}
