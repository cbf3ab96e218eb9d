//! The answer in every phase, with and without a runner.

use super::{Facts, Holder, why};
use crate::blueprint::read;
use crate::document::Source;
use crate::plan::Plan;
use crate::run::{
    Amounts, Completion, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, Moment, Permit,
    Program, Run,
};

const DOCUMENT: &str = "\
```yaml
execution:
  max_parallel_tasks: 1
  resource_locks: [{name: db, type: exclusive}]
```

```yaml
task_id: a
name: a
run: x
resources: {locks: [db]}
on_failure: {max_retries: 3}
```

```yaml
task_id: b
name: b
dependencies: [a]
human_required: {action: look, timeout: PT1H}
run: x
```

```yaml
task_id: c
name: c
dependencies: [b]
run: x
```

```yaml
task_id: d
name: d
run: x
resources: {locks: [db]}
```

```yaml
task_id: e
name: e
run: x
verification: {unit: {command: y}}
```

```yaml
task_id: s
name: s
status: skipped
run: x
```
";

/// What is said about a task after these events, an hour after the beginning of time. Each event happens a
/// second after the one before.
fn said(task: &str, is_driven: bool, events: Vec<Event>, left: &[GateDecision]) -> (String, Option<String>) {
    let (source, _) = Source::from_bytes("t.md", DOCUMENT.as_bytes().to_vec());
    let blueprint = read(&source, false).into_blueprint().0.expect("no errors");
    let plan = Plan::of(&blueprint, &[]).expect("a plan");
    let mut run = Run::new(Program::of(&blueprint, &plan, None, Amounts::default()));
    let events: Vec<(Moment, Event)> =
        events.into_iter().zip(1..).map(|(event, second)| (Moment(second * 1000), event)).collect();
    for (at, event) in &events {
        run.apply(*at, event).expect("it can happen");
    }
    let holders = [Holder { lock: "db".to_owned(), run: "other".to_owned(), task: "x".to_owned(), pid: 7 }];
    let holders = if run.working().count() == 0 { &holders[..] } else { &[] };
    let now = Moment(60_000);
    let facts = Facts { run: &run, blueprint: &blueprint, id: "R", events: &events, now, is_driven, holders, left };
    let answer = why(&facts, run.find(task).expect("a task"));
    (answer.text, answer.command)
}

#[track_caller]
fn check(task: &str, is_driven: bool, events: Vec<Event>, text: &str, command: Option<&str>) {
    assert_eq!(said(task, is_driven, events, &[]), (text.to_owned(), command.map(str::to_owned)));
}

fn failure(message: &str) -> Box<Failure> {
    Box::new(Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message))
}

fn started(task: &str, attempt: u32, stage: &str) -> Event {
    Event::StageStarted { task: task.to_owned(), attempt, stage: stage.to_owned() }
}

fn ended(task: &str, attempt: u32, failure: Option<Box<Failure>>) -> Event {
    let (task, stage) = (task.to_owned(), "run".to_owned());
    Event::StageEnded { task, attempt, stage, milliseconds: 5, failure, outputs: Vec::new() }
}

fn blocked(task: &str, failure: Box<Failure>) -> Event {
    Event::TaskBlocked { task: task.to_owned(), failure }
}

fn done(task: &str) -> Vec<Event> {
    let complete = Event::TaskCompleted { task: task.to_owned(), how: Completion::Done };
    vec![started(task, 1, "run"), ended(task, 1, None), complete]
}

fn gate() -> Event {
    let deadline = Moment(3_600_000);
    Event::GateOpened { task: "b".to_owned(), time: GateMoment::Before, digest: "d".to_owned(), deadline }
}

fn took_over() -> Event {
    Event::RunnerTookOver { pid: 1, host: "h".to_owned(), by: "ada".to_owned() }
}

#[test]
fn what_has_not_started_waits_for_something_that_has_a_name() {
    let waits = "waits for a (waiting)";
    check("b", true, vec![], waits, None);
    check("b", false, vec![], waits, Some("outpost-bp resume R"));
    check(
        "d",
        true,
        vec![],
        "waits for the lock `db`, which x of run other holds (process 7)",
        Some("outpost-bp locks"),
    );
    check("d", true, vec![started("a", 1, "run")], "waits for the lock `db`, which a of this run holds", None);
    check("e", true, vec![started("a", 1, "run")], "waits for a slot: 1 of 1 are in use, by a", None);
    check("e", true, vec![], "is about to start: all it needs is complete", None);
    check(
        "e",
        false,
        vec![],
        "is next: all it needs is complete, and nobody drives the run",
        Some("outpost-bp resume R"),
    );
    let draining = Event::Draining { reason: "x".to_owned(), ends: true };
    check("e", true, vec![draining], "does not start: the run is coming to its end", None);
    check("s", true, vec![], "did not run: the document says that it is skipped", None);
}

#[test]
fn the_first_cause_is_named_with_what_helps_against_it() {
    let at_gate = [done("a"), vec![gate()]].concat();
    let text = "waits for a person: look (59 min 00 s left)";
    check("b", true, at_gate.clone(), text, Some("outpost-bp approve b --run R"));
    check("c", false, at_gate, &format!("waits for b, which {text}"), Some("outpost-bp approve b --run R"));
    let failed = vec![started("a", 1, "run"), ended("a", 1, Some(failure("no"))), blocked("a", failure("no"))];
    check(
        "c",
        false,
        failed,
        "waits for b (waiting); a is blocked: no; mend it, and `resume` runs it again",
        Some("outpost-bp resume R"),
    );
}

#[test]
fn a_word_that_nobody_took_yet_is_told() {
    let word = GateDecision {
        task: "b".to_owned(),
        approved: true,
        by: "ada".to_owned(),
        comment: String::new(),
        digest: "d".to_owned(),
        set: Vec::new(),
    };
    let at_gate = || [done("a"), vec![gate()]].concat();
    let text = "waited for a person (look); ada approved it, and no runner knows yet";
    let told = (text.to_owned(), Some("outpost-bp resume R".to_owned()));
    assert_eq!(said("b", false, at_gate(), std::slice::from_ref(&word)), told);
    // A word about what is not shown any more is none.
    let stale = GateDecision { digest: "e".to_owned(), ..word };
    assert_eq!(said("b", false, at_gate(), &[stale]), said("b", false, at_gate(), &[]));
}

#[test]
fn a_gate_says_how_long_and_a_late_one_what_comes_of_it() {
    let late = Event::GateOpened {
        task: "b".to_owned(),
        time: GateMoment::Before,
        digest: "d".to_owned(),
        deadline: Moment(30_000),
    };
    check(
        "b",
        false,
        [done("a"), vec![late]].concat(),
        "waited for a person (look), and nobody decided in time: the run ends",
        Some("outpost-bp resume R"),
    );
}

#[test]
fn what_runs_again_says_why() {
    let again = [
        vec![started("a", 1, "run"), ended("a", 1, Some(failure("no")))],
        vec![Event::RetryScheduled { task: "a".to_owned(), attempt: 2, at: Moment(3000) }],
    ]
    .concat();
    let waiting = "attempt 1 failed: no";
    check(
        "a",
        false,
        again.clone(),
        &format!("would run again as attempt 2, because {waiting}"),
        Some("outpost-bp resume R"),
    );
    check("a", true, again.clone(), &format!("waits for attempt 2, in 0.0 s, because {waiting}"), None);
    let running = [again, vec![started("a", 2, "run")]].concat();
    check(
        "a",
        true,
        running.clone(),
        "runs now: `run`, attempt 2, for 56 s; again, because attempt 1 failed: no",
        None,
    );
    let complete = Event::TaskCompleted { task: "a".to_owned(), how: Completion::Done };
    check(
        "a",
        true,
        [running, vec![ended("a", 2, None), complete]].concat(),
        "ran, because it needs no other task; it took 2 attempts, because attempt 1 failed: no; it does not run again",
        None,
    );
    let ordered = Event::RepeatAllowed { task: "a".to_owned(), by: Permit::Ordered { by: "ada".to_owned() } };
    let ordered = [
        vec![started("a", 1, "run"), ended("a", 1, Some(failure("no"))), blocked("a", failure("no"))],
        vec![ordered, started("a", 2, "run")],
    ]
    .concat();
    check("a", true, ordered, "runs now: `run`, attempt 2, for 55 s; again, because ada ordered it", None);
}

#[test]
fn a_runner_that_died_leaves_what_resume_will_ask() {
    let resume = Some("outpost-bp resume R");
    let running = |task: &str| vec![started(task, 1, "run")];
    check(
        "a",
        false,
        running("a"),
        "was interrupted: its runner ended while `run` ran; unless its process left word, a person will have to say what became of it",
        resume,
    );
    let text = "was interrupted: its runner ended while `run` ran; its verification will tell whether it is done";
    check("e", false, running("e"), text, resume);
    check("e", false, [running("e"), vec![took_over()]].concat(), text, resume);
    let unknown = Event::TaskUnknown { task: "a".to_owned(), attempt: 1, stage: "run".to_owned() };
    check(
        "a",
        false,
        [running("a"), vec![took_over(), unknown]].concat(),
        "waits for a person: `run` ran when its runner ended, and nobody knows how far it came",
        Some("outpost-bp resume R --rerun a"),
    );
    check(
        "e",
        false,
        [running("e"), vec![ended("e", 1, None)]].concat(),
        "was interrupted: its runner ended before `verify:unit`, which is next",
        resume,
    );
}

#[test]
fn where_a_run_is_over_no_command_helps() {
    let cancelled = vec![Event::CancelRequested { by: "ada".to_owned() }, Event::RunEnded { state: Ending::Cancelled }];
    check("e", false, cancelled.clone(), "did not start: the run was cancelled", None);
    check("b", false, cancelled, "did not start: the run was cancelled while it waited for a (waiting)", None);
    let no = GateDecision {
        task: "b".to_owned(),
        approved: false,
        by: "eve".to_owned(),
        comment: "not\n\u{1b}[31mnow".to_owned(),
        digest: "d".to_owned(),
        set: Vec::new(),
    };
    let rejection = Failure {
        lasting: true,
        ..Failure::new(FailureCode::GateRejected, FailurePhase::Preflight, "eve rejected it: not\n\u{1b}[31mnow")
    };
    let events = [
        done("a"),
        vec![gate(), Event::GateDecided(Box::new(no)), blocked("b", Box::new(rejection))],
        vec![Event::RunEnded { state: Ending::Rejected }],
    ]
    .concat();
    check("b", false, events, "is blocked: eve rejected it: not now", None);
}
