//! Runners that die, people who order, documents that change, events that come too late.

use super::{Alone, Story, failure, program};
use crate::run::{Chore, Condition, Ending, Event, GateDecision, Hook, OnTimeout, Permit, Phase, Undo};

/// What ends a run, and the events that tell of it.
type Ends = fn(&mut Story) -> Vec<Event>;

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
fn a_retry_waits_for_its_time_under_every_runner() {
    let mut story = Story::of("task_id: a, run: x, on_failure: {max_retries: 1, retry_delay: PT1M}");
    story.decide().fails("a");
    let Phase::Retrying { at } = story.phase("a").clone() else { panic!("{:?}", story.phase("a")) };
    assert!(at.0 >= story.now.0 + 59_999, "{at:?} is too early");
    assert_eq!(story.run.next_timer(story.now), Some(at));
    story.resume();
    assert!(!story.decide().is_started("a"), "it is as far off for the next runner");
    story.now = at;
    assert!(story.decide().is_started("a"));
}

#[test]
fn an_interrupted_attempt_uses_up_no_retry() {
    let mut story = Story::of("task_id: a, run: x, idempotent: true, on_failure: {max_retries: 1, retry_delay: PT0S}");
    story.decide();
    for _ in 0..3 {
        story.resume();
        assert!(story.decide().is_started("a"));
    }
    assert!(story.fails("a").is_started("a"), "one failure leaves it its retry");
    story.fails("a");
    assert!(matches!(story.phase("a"), Phase::Blocked(_)), "{:?}", story.phase("a"));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_not_tried_again_by_itself() {
    let mut story = Story::of("task_id: a, run: x, when: '.env.CI', on_failure: {max_retries: 2, retry_delay: PT0S}");
    story.decide();
    let index = story.index("a");
    assert_eq!(story.run.questions().collect::<Vec<_>>(), [index]);
    story.run.condition(story.now, index, Condition::Unclear("no".to_owned())).expect("an answer");
    let Phase::Blocked(failure) = story.phase("a").clone() else { panic!("{:?}", story.phase("a")) };
    assert!(failure.lasting, "the same again would be as unclear");
    assert!(!story.decide().is_started("a"));
}

#[test]
fn what_was_due_stays_due_when_the_clock_is_set_back() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: a, run: x, resources: {locks: [l]}, on_failure: {max_retries: 1, retry_delay: PT1S}
         task_id: b, run: x, resources: {locks: [l]}",
    );
    story.decide().fails("a");
    assert!(story.is_started("b"));
    let before = story.now;
    story.now = story.now.after(60_000);
    story.decide();
    story.now = before;
    story.works("b");
    assert!(story.is_started("a"));
}

#[test]
fn what_was_begun_and_is_ordered_again_waits_for_its_locks_as_long_as_it_takes() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: a, run: x, resources: {locks: [l], lock_timeout: PT1S}, rollback: u
         task_id: b, run: x, resources: {locks: [l]}",
    );
    story.decide().resume();
    story.decide();
    assert!(story.is_started("b"), "nobody knows what became of `a`, and its lock is free");
    story.run.ordered_again(story.now, "a", "ann").expect("an order");
    story.decide();
    story.now = story.now.after(60_000);
    assert_eq!(story.decide().phase("a"), &Phase::Waiting);
    assert!(story.works("b").is_started("a"));
}

/// What ends a run ends it, however little its runner came to write of that.
#[test]
fn a_run_that_ends_early_stays_ended_when_its_runner_dies_in_the_write() {
    let gate = "a, run: x, human_required: {action: look, timeout: PT1H, on_timeout: abort}";
    let (late, unset): (Ends, Ends) = (
        |story| {
            story.now = story.now.after(3_600_000);
            story.decide().events.clone()
        },
        |story| {
            let index = story.index("a");
            story.run.gate_unset(story.now, index, "OK", OnTimeout::Abort).expect("an open gate")
        },
    );
    let unclear: Ends = |story| {
        let index = story.index("a");
        story.run.condition(story.now, index, Condition::Unclear("no".to_owned())).expect("a question")
    };
    let fails: Ends = |story| story.decide().events.clone();
    for (task, fail_fast, ends) in [
        ("a, run: x, on_failure: {action: abort}", false, fails),
        ("a, run: x", true, fails),
        ("a, run: x, when: '.env.CI'", true, unclear),
        (gate, false, late),
        (gate, false, unset),
    ] {
        let mut story = Story::of(&format!("task_id: {task}\ntask_id: b, run: x, idempotent: true"));
        story.run.program.fail_fast = fail_fast;
        story.decide();
        if story.is_started("a") {
            story.ends("a", Some(failure()));
        }
        let (before, now) = (story.run.clone(), story.now);
        let events = ends(&mut story);
        assert!(events.len() > 1, "{task}: {events:?}");
        for kept in 1..=events.len() {
            let mut next = Story { run: before.clone(), world: Alone::default(), now, events: Vec::new() };
            for event in &events[..kept] {
                next.run.apply(story.now, event).expect("what happened");
            }
            next.resume();
            next.decide();
            assert!(!next.is_started("b"), "{task}: after {:?} it goes on: {:?}", &events[..kept], next.events);
        }
    }
}
