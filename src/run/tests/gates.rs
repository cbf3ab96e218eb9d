//! Decisions: when they count, and what they are about.

use super::Story;
use crate::run::{GateDecision, Moment, Phase, Refusal};

const GATE: &str = "task_id: a, run: x, human_required: {action: look, reason: so, timeout: PT10S}
         task_id: b, run: x";

fn approval(digest: &str) -> GateDecision {
    GateDecision {
        task: "a".to_owned(),
        approved: true,
        by: "bob".to_owned(),
        comment: String::new(),
        digest: digest.to_owned(),
        set: Vec::new(),
    }
}

#[test]
fn a_decision_is_about_what_was_shown() {
    let mut story = Story::of(GATE);
    story.decide();
    assert_eq!(story.run.decided(story.now, approval("another")), Err(Refusal::Changed));
    let unseen = crate::run::Event::GateDecided(Box::new(approval("another")));
    assert!(story.run.apply(story.now, &unseen).is_err(), "nor is it read from a journal");
    story.run.decided(story.now, approval("d")).expect("a decision");
    assert!(story.decide().is_started("a"));
}

#[test]
fn a_clock_that_was_set_back_opens_no_gate_again() {
    let mut story = Story::of(GATE);
    story.decide();
    let Phase::Gate(gate) = story.phase("a").clone() else { panic!("{:?}", story.phase("a")) };
    // Something happens after the deadline, before anybody looks at it.
    story.now = gate.deadline.after(5);
    story.ends("b", None);
    let back = Moment(gate.deadline.0 - 3_000);
    let late = Err(Refusal::Expired { deadline: gate.deadline });
    assert_eq!(story.run.decided(back, approval("d")), late, "time does not run backwards within a run");
    story.now = back;
    story.decide();
    assert!(matches!(story.phase("a"), Phase::Blocked(_)), "{:?}", story.phase("a"));
}

#[test]
fn the_same_word_twice_is_one_and_another_is_not_taken_for_it() {
    let mut story = Story::of(
        "task_id: a, run: x, human_required: {action: look, reason: so, min_approvals: 2, approvers: [bob, eve]}",
    );
    story.decide();
    let with = |value: &str| GateDecision { set: vec![("size".to_owned(), value.to_owned())], ..approval("d") };
    story.run.decided(story.now, with("3")).expect("a decision");
    assert_eq!(story.run.decided(story.now, with("3")), Err(Refusal::Repeated(Box::new(with("3")))));
    assert_eq!(story.run.decided(story.now, with("4")), Err(Refusal::Contradicts("size".to_owned())));
    assert!(!story.decide().is_started("a"), "two are asked for");
    story.run.decided(story.now, GateDecision { by: "eve".to_owned(), ..with("3") }).expect("a decision");
    assert!(story.decide().is_started("a"));
}
