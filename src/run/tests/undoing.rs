//! What undoes tasks, and the hooks around it.

use super::{Story, failure, rollback};
use crate::run::Phase;
use crate::run::{Chore, Ending, Event, GateDecision, Hook, Standing, Undo};

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
fn what_was_undone_is_undone_no_more() {
    let mut story = Story::of("task_id: a, run: x, rollback: u");
    story.decide().works("a");
    story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).expect("an order");
    story.decide().chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::RolledBack));
    assert!(story.run.roll_back(story.now, "ann", vec!["a".to_owned()]).is_err(), "not even by name");
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
    let due = story.run.next_timer(story.run.latest()).expect("a retry");
    assert!(due > story.now.after(5_000), "{due:?}");
    story.now = due;
    assert_eq!(story.decide().started_chores(), ["rollback"]);
    assert_eq!(story.run.next_timer(story.run.latest()), None);
    story.chore_ends(rollback("a"), None);
    assert_eq!(story.run.ending(), Some(Ending::Failed));
}

#[test]
fn what_was_begun_waits_for_its_locks_as_long_as_it_takes_and_lets_the_run_sleep() {
    let mut story = Story::of(
        "execution: {resource_locks: [{name: l}]}
         task_id: a, run: x, resources: {locks: [l], lock_timeout: PT1S}, on_failure: {max_retries: 1, retry_delay: PT1S, rollback: auto}, rollback: {command: u, max_retries: 1, retry_delay: PT1S}
         task_id: b, run: x, resources: {locks: [l]}
         task_id: c, run: x, resources: {locks: [l]}",
    );
    story.decide().fails("a");
    assert!(story.is_started("b"));
    story.now = story.now.after(60_000);
    assert!(matches!(story.decide().phase("a"), Phase::Retrying { .. }), "its retry is due: {:?}", story.phase("a"));
    story.works("b").fails("a");
    assert_eq!(story.started_chores(), ["rollback"]);
    story.chore_ends(rollback("a"), Some(failure()));
    assert!(story.is_started("c"));
    story.now = story.now.after(60_000);
    story.decide();
    assert_eq!(story.run.next_timer(story.now), None, "what is due waits for the lock");
    story.works("c").chore_ends(rollback("a"), None);
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
    assert_eq!(story.run.next_timer(story.run.latest()), None);
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
