//! Ctrl-C once and twice, SIGTERM and SIGKILL, also against processes that will not listen.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Signal;

use crate::project::{Project, Running};

/// Two tasks at work that are done as soon as `go` is there, and one that would be next.
const POLITE: &str = "```yaml
task_id: a
name: a
idempotent: true
run: note begin; await go; note done
```

```yaml
task_id: b
name: b
idempotent: true
run: note begin; await go; note done
```

```yaml
task_id: c
name: c
dependencies: [a]
run: note done
```
";

/// A task whose processes ignore every request to end: in its session, in another one, and behind a
/// double fork.
const STUBBORN: &str = "```yaml
task_id: a
name: a
idempotent: true
run: |
  if [ -e go ]; then note done; exit; fi
  stubborn & setsid stubborn & (setsid sh -c 'stubborn &')
  stubborn
```
";

fn begun(document: &str, lines: &[&str]) -> (Project, Running) {
    let project = Project::of(document);
    let running = project.start(project.command(&["run", "blueprint.md"]));
    for line in lines {
        project.until(line, || {
            let ledger = project.ledger();
            let wanted = lines.iter().filter(|wanted| *wanted == line).count();
            ledger.iter().filter(|written| written == line).count() >= wanted
        });
    }
    (project, running)
}

fn done(project: &Project) -> Vec<String> {
    let mut done: Vec<String> = project.ledger().into_iter().filter(|line| line.ends_with(" done")).collect();
    done.sort_unstable();
    done
}

const BOTH: [&str; 2] = ["a 1 run begin", "b 1 run begin"];

#[test]
fn ctrl_c_lets_what_runs_end_and_starts_nothing_more() {
    let (project, running) = begun(POLITE, &BOTH);
    running.signal(Signal::INT);
    project.until("draining", || project.told("draining").len() == 1);
    project.write("go", "");
    running.end().with(130).says(&["once more ends what runs", "outpost-bp resume"]);
    project.until_nothing_runs();
    assert_eq!(done(&project), ["a 1 run done", "b 1 run done"]);
    assert_eq!(project.told("task_completed").len(), 2);
    project.outpost(&["resume"]).with(0);
    assert_eq!(done(&project), ["a 1 run done", "b 1 run done", "c 1 run done"]);
}

#[test]
fn ctrl_c_twice_ends_what_runs() {
    let (project, running) = begun(POLITE, &BOTH);
    running.signal(Signal::INT);
    project.until("draining", || project.told("draining").len() == 1);
    running.signal(Signal::INT);
    running.end().with(130);
    project.until_nothing_runs();
    goes_on(&project);
}

#[test]
fn ctrl_c_of_a_terminal_reaches_the_runner_alone() {
    let project = Project::of(POLITE);
    let mut command = project.command(&["run", "blueprint.md"]);
    // A terminal sends its signal to the whole group in the foreground.
    command.process_group(0);
    let running = project.start(command);
    for line in BOTH {
        project.until_written(line);
    }
    running.signal_group(Signal::INT);
    project.until("draining", || project.told("draining").len() == 1);
    project.write("go", "");
    running.end().with(130);
    assert_eq!(done(&project), ["a 1 run done", "b 1 run done"]);
}

#[test]
fn sigterm_ends_what_runs() {
    let (project, running) = begun(POLITE, &BOTH);
    running.signal(Signal::TERM);
    running.end().with(143);
    project.until_nothing_runs();
    goes_on(&project);
}

/// What was ended was not done, and is done when the run goes on.
fn goes_on(project: &Project) {
    assert_eq!(done(project), [""; 0]);
    assert_eq!(project.told("run_ended"), [""; 0]);
    project.write("go", "");
    project.outpost(&["resume"]).with(0);
    assert_eq!(done(project), ["a 2 run done", "b 2 run done", "c 1 run done"]);
}

#[test]
fn who_ignores_the_request_is_ended_by_force_whatever_ends_the_runner() {
    let all = ["a 1 run stubborn"; 4];
    let ends: [(&[Signal], Option<i32>); 3] =
        [(&[Signal::INT, Signal::INT], Some(130)), (&[Signal::TERM], Some(143)), (&[Signal::KILL], None)];
    let begun = ends.map(|(signals, code)| (begun(STUBBORN, &all), signals, code));
    for ((project, running), signals, _) in &begun {
        for (number, signal) in signals.iter().enumerate() {
            // Two of a kind at once may count as one.
            project.until("the last signal", || number == 0 || project.told("draining").len() == 1);
            running.signal(*signal);
        }
    }
    for ((project, running), _, code) in begun {
        assert_eq!(running.end().code, code);
        project.until_nothing_runs();
        project.write("go", "");
        project.outpost(&["resume"]).with(0);
        assert_eq!(done(&project), ["a 2 run done"]);
    }
}

#[test]
fn a_runner_is_resumed_although_what_it_left_will_not_end() {
    // At once: the next runner finds the dead one's processes alive, and waits until they are not.
    let (project, running) = begun(STUBBORN, &["a 1 run stubborn"; 4]);
    running.signal(Signal::KILL);
    running.end();
    assert!(!project.processes().is_empty(), "they ignore the request");
    project.write("go", "");
    project.outpost(&["resume"]).with(0);
    project.until_nothing_runs();
    assert_eq!(done(&project), ["a 2 run done"]);
}

#[test]
fn a_lock_is_held_until_the_last_process_of_its_holder_is_gone() {
    let document = |id: &str, run: &str| {
        let execution = "```yaml\nexecution: {resource_locks: [{name: one, type: exclusive}]}\n```\n";
        // Beside ours there is one of the kernel's, which no process can hold beyond its end.
        let guard = "exec 9>>guard; flock -n 9 || note overlap";
        format!(
            "{execution}\n```yaml\ntask_id: {id}\nname: {id}\nresources: {{locks: [one]}}\nrun: |\n  {guard}\n  {run}\n```\n"
        )
    };
    let project = Project::of(&document("first", "setsid stubborn & (setsid sh -c 'stubborn &')\n  stubborn"));
    project.write("next.md", &document("next", "note done"));
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("three", || project.ledger().len() == 3);
    let next = project.start(project.command(&["run", "next.md"]));
    project.until("the next run", || project.told("runner_took_over").len() == 1 && project.runs() == 2);
    running.signal(Signal::KILL);
    running.end();
    assert_eq!(done(&project), [""; 0]);
    next.end().with(0);
    assert_eq!(done(&project), ["next 1 run done"]);
    assert!(!project.ledger().iter().any(|line| line.ends_with("overlap")), "{:?}", project.ledger());
    project.until_nothing_runs();
}

#[test]
fn a_terminal_that_goes_away_ends_the_runner_like_sigterm() {
    let (project, running) = begun(POLITE, &BOTH);
    running.signal(Signal::HUP);
    running.end().with(129);
    project.until_nothing_runs();
    goes_on(&project);
}

#[test]
fn the_output_of_the_tool_may_be_closed_at_any_time() {
    let project = Project::of(POLITE);
    project.write("go", "");
    let mut command = Command::new("bash");
    let tool = env!("CARGO_BIN_EXE_outpost-bp");
    command.args(["-c", "set -o pipefail; { \"$0\" run blueprint.md --json 2>&1; echo $? > code; } | head -1", tool]);
    project.place(&mut command);
    project.start(command).end();
    project.until("its exit code", || std::fs::read_to_string(project.path("code")).is_ok_and(|code| code == "0\n"));
    assert_eq!(done(&project).len(), 3);
}
