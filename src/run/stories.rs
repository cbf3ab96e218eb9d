//! Runs told event by event, where a rule is easier told than played: what happens between tasks, their fallbacks,
//! what undoes them, and the hooks of the run.

use std::collections::BTreeSet;

use super::{
    Amounts, Chore, Completion, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, Hook,
    KeptPort, Moment, Permit, Phase, Program, RunStarted, StageReport, Undo, World,
};
use super::{Run, Standing};
use crate::blueprint::{TaskIndex, read};
use crate::document::Source;
use crate::plan::Plan;

/// Nobody else wants a lock; it counts what it gives.
#[derive(Default)]
struct Alone {
    held: BTreeSet<u32>,
}

impl World for Alone {
    fn keep_locks(&mut self, working: &BTreeSet<u32>) {
        self.held.retain(|index| working.contains(index));
    }

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        assert!(self.held.insert(task.0), "locks are taken once");
        true
    }

    fn gate_digest(&mut self, _: TaskIndex, _: GateMoment, _: &[KeptPort]) -> String {
        "d".to_owned()
    }
}

struct Story {
    run: Run,
    world: Alone,
    now: Moment,
    /// What the last decisions were.
    events: Vec<Event>,
}

impl Story {
    fn of(text: &str) -> Self {
        let mut run = Run::new(program(text));
        let started = RunStarted {
            run: "r".to_owned(),
            blueprint: "b".to_owned(),
            file: "b.md".to_owned(),
            root: "/".to_owned(),
            digest: String::new(),
            by: "ann".to_owned(),
            tasks: run.program().tasks.len(),
            selection: Vec::new(),
            rerun: Vec::new(),
            environment: None,
            jobs: None,
            fail_fast: false,
            traceparent: None,
        };
        run.apply(Moment(0), &Event::RunStarted(Box::new(started))).expect("a beginning");
        let mut story = Self { run, world: Alone::default(), now: Moment(0), events: Vec::new() };
        story.resume();
        story
    }

    fn resume(&mut self) {
        self.world.held.clear();
        self.run.take_over(self.now, 1, "h", "ann").expect("a runner");
    }

    fn decide(&mut self) -> &mut Self {
        self.now = self.now.after(1);
        self.events = self.run.decide(self.now, &mut self.world);
        self
    }

    fn index(&self, task: &str) -> TaskIndex {
        self.run.find(task).expect("a task")
    }

    fn phase(&self, task: &str) -> &Phase {
        &self.run.task(self.index(task)).phase
    }

    /// The stage of a task that was started last ends.
    fn ends(&mut self, task: &str, failure: Option<Failure>) -> &mut Self {
        let index = self.index(task);
        let attempt = self.run.task(index).attempts;
        let report = StageReport {
            attempt,
            stage: "run".to_owned(),
            milliseconds: 1,
            failure: failure.map(Box::new),
            outputs: Vec::new(),
        };
        self.run.stage_ended(self.now, index, report).expect("a report in time");
        self
    }

    fn works(&mut self, task: &str) -> &mut Self {
        self.ends(task, None).decide()
    }

    fn fails(&mut self, task: &str) -> &mut Self {
        self.ends(task, Some(failure())).decide()
    }

    fn chore_ends(&mut self, chore: Chore, failure: Option<Failure>) -> &mut Self {
        self.run.chore_ended(self.now, chore, 1, failure.map(Box::new)).expect("a report in time");
        self.decide()
    }

    fn is_started(&self, task: &str) -> bool {
        self.events.iter().any(|event| matches!(event, Event::StageStarted { task: started, .. } if started == task))
    }

    fn started_chores(&self) -> Vec<&'static str> {
        let word = |event: &Event| match event {
            Event::ChoreStarted { chore, .. } => Some(chore.word()),
            _ => None,
        };
        self.events.iter().filter_map(word).collect()
    }
}

fn failure() -> Failure {
    Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "it did not work")
}

fn rollback(task: &str) -> Chore {
    Chore::Rollback { task: task.to_owned() }
}

/// Each line is a task.
fn program(text: &str) -> Program {
    let block = |line: &str| match line.trim() {
        execution if execution.starts_with("execution") => format!("```yaml\n{execution}\n```\n"),
        task => format!("```yaml\n{{{task}, name: n}}\n```\n"),
    };
    let document: String = text.lines().filter(|line| !line.trim().is_empty()).map(block).collect();
    let (source, _) = Source::from_bytes("t.md", document.into_bytes());
    let (blueprint, problems) = read(&source, false).into_blueprint();
    let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = Plan::of(&blueprint, &[]).expect("a plan");
    Program::of(&blueprint, &plan, None, Amounts::default())
}

#[test]
fn a_fallback_of_a_fallback_relieves_both() {
    let mut story = Story::of(
        "task_id: a, run: x, on_failure: {fallback_task: b}
         task_id: b, run: x, on_failure: {fallback_task: c, action: abort}
         task_id: c, run: x
         task_id: d, run: x, dependencies: [a]",
    );
    story.decide().fails("a").fails("b").works("c");
    assert!(matches!((story.phase("a"), story.phase("b")), (Phase::Skipped(_), Phase::Skipped(_))));
    assert_eq!(story.run.stand_in(story.index("a")), story.index("c"));
    assert!(story.is_started("d"));
    assert_eq!(story.works("d").run.ending(), Some(Ending::Done));
}

#[test]
fn one_fallback_does_the_work_of_all_who_name_it() {
    let mut story = Story::of(
        "task_id: a, run: x, on_failure: {fallback_task: f}
         task_id: b, run: x, on_failure: {fallback_task: f}
         task_id: f, run: x",
    );
    story.decide().fails("a").works("f").fails("b");
    assert!(matches!(story.phase("b"), Phase::Skipped(_)), "{:?}", story.phase("b"));
    assert_eq!((story.run.task(story.index("f")).attempts, story.run.ending()), (1, Some(Ending::Done)));
}

#[test]
fn a_fallback_that_can_never_begin_lets_its_task_go() {
    let mut story = Story::of(
        "task_id: a, run: x, on_failure: {fallback_task: f, action: skip}
         task_id: u, run: x
         task_id: f, run: x, dependencies: [u]
         task_id: d, run: x, dependencies: [a]",
    );
    story.decide().fails("u").fails("a");
    assert!(matches!(story.phase("a"), Phase::Skipped(_)), "its action counts: {:?}", story.phase("a"));
    assert!(story.is_started("d"));
}

#[test]
fn a_fallback_is_kept_for_a_task_that_somebody_may_start_again() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: b, run: x, resources: {locks: [l]}
         task_id: a, run: x, resources: {locks: [l], lock_timeout: PT1S}, on_failure: {fallback_task: f}
         task_id: f, run: x",
    );
    story.decide();
    story.now = story.now.after(2_000);
    assert!(matches!(story.decide().phase("a"), Phase::Blocked(_)), "it had no time to wait for its lock");
    assert_eq!(story.phase("f"), &Phase::Waiting);
    story.run.ordered_again(story.now, "a", "ann").expect("an order");
    story.works("b").fails("a");
    assert!(story.is_started("f"));
}

#[test]
fn a_fallback_of_what_the_document_calls_complete_is_not_needed() {
    let mut story = Story::of(
        "task_id: a, run: x, status: complete, on_failure: {fallback_task: f}
         task_id: f, run: x",
    );
    assert_eq!(story.decide().run.ending(), Some(Ending::Done));
    assert!(matches!(story.phase("f"), Phase::Skipped(_)));
}

#[test]
fn a_parent_does_not_wait_for_its_own_fallback() {
    let mut story = Story::of(
        "task_id: T1, run: x, on_failure: {fallback_task: T1.fallback}
         task_id: T1.fallback, run: x",
    );
    assert!(story.decide().is_started("T1"));
    assert_eq!(story.fails("T1").works("T1.fallback").run.ending(), Some(Ending::Done));
}

#[test]
fn what_is_undone_is_put_in_order_whoever_names_it() {
    let mut story = Story::of(
        "task_id: a, run: x, rollback: u
         task_id: b, run: x, rollback: u, dependencies: [a]",
    );
    story.decide().works("a").works("b");
    assert_eq!(story.run.ending(), Some(Ending::Done));
    let backwards = Event::RollbackOrdered { by: Some("ann".to_owned()), tasks: vec!["a".to_owned(), "b".to_owned()] };
    assert!(story.run.clone().apply(story.now, &backwards).is_err(), "what came last is undone first");
    let nothing = Event::RollbackOrdered { by: Some("ann".to_owned()), tasks: Vec::new() };
    assert!(story.run.clone().apply(story.now, &nothing).is_err(), "nothing is no rollback");
    let ordered = story.run.roll_back(story.now, "ann", vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]);
    let tasks = vec!["b".to_owned(), "a".to_owned()];
    assert_eq!(ordered, Ok(vec![Event::RollbackOrdered { by: Some("ann".to_owned()), tasks }]));
}

#[test]
fn a_failed_on_start_ends_a_rollback_that_can_be_ordered_again() {
    let mut story = Story::of(
        "execution: {hooks: {on_start: s}}
         task_id: a, run: x, rollback: u",
    );
    let on_start = || Chore::Hook { hook: Hook::OnStart };
    story.decide().chore_ends(on_start(), None).works("a");
    assert_eq!(story.run.ending(), Some(Ending::Done));
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    story.decide().chore_ends(on_start(), Some(failure()));
    assert_eq!(story.run.ending(), Some(Ending::RollbackFailed));
    assert_eq!(story.run.undo(story.index("a")), Undo::Due, "nothing was tried");
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    story.decide().chore_ends(on_start(), None).chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::RolledBack));
}

#[test]
fn what_an_earlier_try_left_is_no_success_of_a_later_one() {
    let mut story = Story::of(
        "task_id: a, run: x, rollback: u
         task_id: b, run: x, rollback: u",
    );
    story.decide().works("a").works("b");
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    story.decide().chore_ends(rollback("a"), Some(failure()));
    assert_eq!(story.run.ending(), Some(Ending::RollbackFailed));
    story.run.roll_back(story.now, "ann", vec!["b".to_owned()]).expect("an order");
    story.decide().chore_ends(rollback("b"), None);
    assert_eq!(story.run.ending(), Some(Ending::RollbackFailed), "`a` is not undone");
}

#[test]
fn a_rollback_gets_its_locks_although_its_task_ended_only_now() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: a, run: x, rollback: u, resources: {locks: [l]}, verification: {unit: {command: v}}",
    );
    story.decide();
    story.resume();
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    // Its executor tells what the last runner did not hear any more.
    story.ends("a", None).decide();
    assert_eq!(story.started_chores(), ["rollback"]);
}

#[test]
fn a_stage_that_ended_under_a_dead_runner_leaves_no_locks_behind() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: a, run: x, resources: {locks: [l]}, verification: {unit: {command: v}}",
    );
    story.decide();
    story.resume();
    story.ends("a", None);
    assert_eq!((story.phase("a"), story.run.holds_room(story.index("a"))), (&Phase::Paused { stage: 1 }, false));
    assert!(story.decide().is_started("a"));
    assert_eq!(story.world.held.len(), 1, "the next stage has them again");
}

#[test]
fn work_is_not_repeated_because_its_verification_never_began() {
    let mut story = Story::of("task_id: a, run: x, verification: {unit: {command: v}}");
    story.decide().ends("a", None).decide();
    story.resume();
    let index = story.index("a");
    assert_eq!(story.run.never_started(story.now, index), Ok(Vec::new()));
    story.decide();
    let again = Event::StageStarted { task: "a".to_owned(), attempt: 1, stage: "verify:unit".to_owned() };
    assert_eq!(story.events, [again]);
}

#[test]
fn what_never_began_is_not_undone() {
    let mut story = Story::of("task_id: a, run: x, rollback: u");
    story.decide();
    story.resume();
    let index = story.index("a");
    let permit = Event::RepeatAllowed { task: "a".to_owned(), by: Permit::NeverStarted };
    assert_eq!(story.run.never_started(story.now, index).expect("an answer").last(), Some(&permit));
    assert_eq!((story.run.undo(index), story.run.acted()), (Undo::Nothing, Vec::new()));
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut story = Story::of(
        "execution: {max_parallel_tasks: 1}
         task_id: a, run: x
         task_id: b, run: x, handoff: {checkpoint_path: c.json}",
    );
    story.decide();
    assert!(story.is_started("a") && !story.is_started("b"));
    let late = Event::CheckpointKept { task: "b".to_owned(), attempt: 7, version: 1, digest: "d".to_owned() };
    assert!(story.run.apply(story.now, &late).is_err());
    assert!(story.works("a").is_started("b"), "`b` was ready, and still is");
}

#[test]
fn a_person_orders_what_is_handed_over_by_hand() {
    let mut story = Story::of(
        "task_id: a, run: x, verification: {unit: {command: v}}, idempotent: true, \
         handoff: {checkpoint_path: c.json, resume_strategy: manual}",
    );
    story.decide();
    story.resume();
    story.decide();
    assert_eq!(story.phase("a"), &Phase::Unknown { stage: 0, running: None, next: None }, "no verification is asked");
    assert_eq!(story.run.waiting(), Some(&["a".to_owned()][..]));
    story.run.ordered_again(story.now, "a", "ann").expect("an order");
    assert!(story.decide().is_started("a"));
}

#[test]
fn after_ctrl_c_a_failed_task_is_undone_by_whoever_goes_on() {
    let mut story = Story::of("task_id: a, run: x, rollback: u, on_failure: {rollback: auto}");
    story.decide();
    story.run.drain(story.now, "Ctrl-C").expect("a drain");
    story.fails("a");
    assert_eq!((story.started_chores(), story.run.ending()), (Vec::new(), None), "nothing more is begun");
    story.resume();
    assert_eq!(story.decide().started_chores(), ["rollback"]);
    story.chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::Failed));
}

#[test]
fn a_run_that_ends_waits_for_the_retry_of_a_rollback_and_sleeps_meanwhile() {
    let mut story = Story::of(
        "task_id: a, run: x, rollback: {command: u, max_retries: 1, retry_delay: PT10S}, on_failure: {rollback: auto}",
    );
    story.decide().fails("a").chore_ends(rollback("a"), Some(failure()));
    assert_eq!(story.run.ending(), None);
    let due = story.run.next_timer().expect("a retry");
    assert!(due > story.now.after(5_000), "{due:?}");
    story.now = due;
    assert_eq!(story.decide().started_chores(), ["rollback"]);
    assert_eq!(story.run.next_timer(), None);
    story.chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::Failed));
}

#[test]
fn the_retries_of_tasks_do_not_wake_a_rollback() {
    let mut story = Story::of("task_id: a, run: x, rollback: u, on_failure: {max_retries: 3, retry_delay: PT1S}");
    story.decide().fails("a");
    story.resume();
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    story.now = story.now.after(60_000);
    assert_eq!(story.decide().started_chores(), ["rollback"]);
    assert_eq!(story.run.next_timer(), None);
}

#[test]
fn nobody_turns_a_rollback_into_anything_else() {
    let mut story = Story::of(
        "task_id: a, run: x, rollback: u
         task_id: g, run: x, human_required: {action: look, timeout: PT1H}",
    );
    story.decide().works("a");
    story.resume();
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    let decision = GateDecision {
        task: "g".to_owned(),
        approved: true,
        by: "ann".to_owned(),
        comment: String::new(),
        digest: "d".to_owned(),
        set: Vec::new(),
    };
    assert!(story.run.decided(story.now, decision).is_err());
    assert!(story.run.ordered_again(story.now, "a", "ann").is_err());
    assert!(story.run.cancel(story.now, "ann").is_err());
    let edit = Event::EditAccepted { by: "ann".to_owned(), digest: String::new(), again: Vec::new() };
    assert!(story.run.apply(story.now, &edit).is_err());
    assert_eq!(story.decide().started_chores(), ["rollback"]);
    story.chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::RolledBack));
}

#[test]
fn a_run_is_done_that_was_cancelled_when_nothing_was_left() {
    let mut story = Story::of(
        "execution: {hooks: {on_success: s}}
         task_id: a, run: x",
    );
    story.decide().works("a");
    assert_eq!(story.started_chores(), ["on_success"]);
    story.run.cancel(story.now, "ann").expect("an order");
    story.chore_ends(Chore::Hook { hook: Hook::OnSuccess }, Some(failure()));
    assert_eq!(story.run.ending(), Some(Ending::Done));
}

#[test]
fn a_gate_that_was_edited_away_ends_no_run() {
    let text = "task_id: g, run: x, human_required: {action: look, timeout: PT1H}
         task_id: h, run: x, human_required: {action: look, timeout: PT1H}";
    let mut story = Story::of(text);
    story.decide();
    let no = GateDecision {
        task: "g".to_owned(),
        approved: false,
        by: "ann".to_owned(),
        comment: String::new(),
        digest: "d".to_owned(),
        set: Vec::new(),
    };
    story.run.decided(story.now, no).expect("a decision");
    story.decide();
    story.resume();
    let again = vec!["g".to_owned(), "h".to_owned()];
    let edit = Event::EditAccepted { by: "ann".to_owned(), digest: String::new(), again: again.clone() };
    story.run.apply(story.now, &edit).expect("an edit");
    story.run = story.run.clone().carry_over(program("task_id: g, run: x\ntask_id: h, run: x"), &again);
    story.decide().works("g").works("h");
    assert_eq!(story.run.ending(), Some(Ending::Done));
}

#[test]
fn what_a_fallback_relieved_runs_again_with_it() {
    let text = "task_id: a, run: x, on_failure: {fallback_task: f}
         task_id: f, run: x
         task_id: d, run: x, dependencies: [a]
         task_id: e, run: x, on_failure: {fallback_task: g}
         task_id: g, run: x";
    let mut story = Story::of(text);
    story.decide().fails("a").works("f");
    assert_eq!(story.run.stale(&program(text), |task| task == "f"), ["a", "f", "d"]);
    // A fallback that is complete stays what it is; one that is not is part of how its caller works.
    assert_eq!(story.run.stale(&program(text), |task| task == "a"), ["a", "d"]);
    assert_eq!(story.run.stale(&program(text), |task| task == "e"), ["e", "g"]);
    assert_eq!(story.phase("f"), &Phase::Complete(Completion::Done));
}

#[test]
fn what_is_forgotten_while_it_runs_comes_again_after_it_ended() {
    let mut story = Story::of(
        "execution: {hooks: {on_exit: e}}
         task_id: a, run: x, rollback: u",
    );
    story.decide().works("a");
    assert_eq!(story.started_chores(), ["on_exit"]);
    story.resume();
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    let on_exit = Chore::Hook { hook: Hook::OnExit };
    // It ended under the runner before; the rollback has an end of its own.
    story.run.chore_ended(story.now, on_exit.clone(), 1, None).expect("an answer");
    assert_eq!(story.run.chore(&on_exit).map(|state| &state.standing), Some(&Standing::Idle));
    story.decide().chore_ends(rollback("a"), None);
    assert_eq!(story.started_chores(), ["on_exit"]);
    story.chore_ends(on_exit, None);
    assert_eq!(story.run.ending(), Some(Ending::RolledBack));
}
