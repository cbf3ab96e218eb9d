//! Fallbacks: who calls them, who waits for them, and what becomes of both.

use super::{Story, program};
use crate::run::{Completion, Ending, Phase};

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
fn of_two_that_wait_for_their_fallbacks_the_one_that_nobody_waits_for_is_given_up_first() {
    let mut story = Story::of(
        "task_id: a, run: x, on_failure: {fallback_task: f}
         task_id: b, run: x, on_failure: {fallback_task: g, action: skip}
         task_id: u, run: x
         task_id: f, run: x, dependencies: [b]
         task_id: g, run: x, dependencies: [u]",
    );
    story.decide().fails("u").fails("a").fails("b");
    assert!(matches!(story.phase("b"), Phase::Skipped(_)), "`g` can never begin: {:?}", story.phase("b"));
    assert!(story.is_started("f"), "`a` waits for `f`, which waited for `b`: {:?}", story.phase("a"));
}

#[test]
fn a_fallback_that_was_ready_is_so_no_more_when_its_caller_starts_again() {
    let mut story = Story::of(
        "execution: {max_parallel_tasks: 1}
         task_id: f, run: x
         task_id: a, run: x, on_failure: {fallback_task: f}
         task_id: u, run: x",
    );
    story.decide().fails("a").fails("f");
    assert!(matches!((story.phase("f"), story.phase("a")), (Phase::Blocked(_), Phase::Blocked(_))));
    assert!(story.is_started("u"));
    for task in ["f", "a"] {
        story.run.ordered_again(story.now, task, "ann").expect("an order");
        story.decide();
    }
    assert!(story.works("u").is_started("a") && !story.is_started("f"));
    assert_eq!(story.works("a").run.ending(), Some(Ending::Done));
    assert!(matches!(story.phase("f"), Phase::Skipped(_)), "nobody needs it: {:?}", story.phase("f"));
}
