//! What comes after what, as a table.

use std::time::Duration;

use super::{Fingerprint, Next, Past, next};
use crate::classify::Class;

fn past(class: Class) -> Past {
    Past { class, session_id: Some("s".into()), retry_after: None, failure: None, message: "m".into() }
}

fn failed(output: &str) -> Past {
    Past { failure: Some(Fingerprint::of("unit", Some(1), output)), ..past(Class::Done) }
}

fn kind(next: &Next) -> &'static str {
    match next {
        Next::Resume { .. } => "resume",
        Next::Fresh { .. } => "fresh",
        Next::Pause { .. } => "pause",
        Next::Person { .. } => "person",
        Next::Stop { .. } => "stop",
    }
}

#[test]
fn the_first_time_and_every_time_after() {
    assert_eq!(kind(&next(&[])), "fresh");
    for (class, wanted) in [
        (Class::Done, ["resume", "fresh", "person"]),
        (Class::Auth, ["stop"; 3]),
        (Class::Config, ["stop"; 3]),
        (Class::Budget, ["person"; 3]),
        (Class::RateLimit, ["pause"; 3]),
        (Class::Transient, ["pause"; 3]),
        (Class::MaxTurns, ["resume", "resume", "person"]),
        (Class::Truncated, ["resume", "resume", "person"]),
        (Class::GaveUp, ["resume", "resume", "person"]),
        (Class::SessionLost, ["fresh", "fresh", "stop"]),
        (Class::SessionConflict, ["fresh", "fresh", "stop"]),
        (Class::Stalled, ["resume", "fresh", "person"]),
        (Class::Looping, ["fresh", "person", "person"]),
        (Class::Killed, ["resume", "fresh", "person"]),
        (Class::RefusedTool, ["stop"; 3]),
        (Class::NoResult, ["resume", "stop", "stop"]),
        (Class::AgentError, ["resume", "stop", "stop"]),
        (Class::Blocked, ["person"; 3]),
        (Class::NeedsHuman, ["person"; 3]),
        (Class::TimedOut, ["resume", "fresh", "person"]),
    ] {
        for (number, wanted) in (1..).zip(wanted) {
            let all = vec![past(class); number];
            assert_eq!(kind(&next(&all)), wanted, "{class}, {number} times");
        }
    }
}

#[test]
fn another_failure_starts_the_count_anew() {
    let (a, b) = (failed("error: one"), failed("error: two"));
    assert_eq!(kind(&next(&[a.clone(), b.clone()])), "resume");
    assert_eq!(kind(&next(&[a.clone(), b.clone(), a.clone()])), "resume");
    assert_eq!(kind(&next(&[b.clone(), a.clone(), a.clone()])), "fresh");
    assert_eq!(kind(&next(&[b, a.clone(), a.clone(), a])), "person");
}

#[test]
fn a_pause_is_no_attempt_and_does_not_part_two() {
    let wait = Past { retry_after: Some(90), session_id: None, ..past(Class::RateLimit) };
    let Next::Pause { after, session_id, .. } = next(&[failed("error: one"), wait.clone()]) else { panic!("a pause") };
    assert_eq!((after, session_id.as_deref()), (Some(Duration::from_secs(90)), Some("s")));
    assert_eq!(kind(&next(&[failed("error: one"), wait.clone(), failed("error: one")])), "fresh");
    assert_eq!(kind(&next(&[failed("error: one"), wait, failed("error: two")])), "resume");
}

#[test]
fn a_pause_after_a_session_that_was_left_does_not_lead_back_to_it() {
    let wait = Past { session_id: None, ..past(Class::RateLimit) };
    let same = failed("error: one");
    for before in [vec![past(Class::Looping)], vec![past(Class::SessionLost)], vec![same.clone(), same]] {
        let Next::Pause { session_id, .. } = next(&[before, vec![wait.clone()]].concat()) else { panic!("a pause") };
        assert_eq!(session_id, None);
    }
}

#[test]
fn who_told_no_session_begins_afresh() {
    let Next::Fresh { why } = next(&[Past { session_id: None, ..failed("error") }]) else { panic!("no session") };
    assert!(why.contains("told no session"), "{why}");
}

#[test]
fn what_differs_between_two_runs_of_the_same_failure_does_not_count() {
    for (one, other) in [
        ("error at /tmp/a1/src/lib.rs:10:5", "error at /home/x/src/lib.rs:99:1"),
        ("panicked at 0x7ffe12ab", "panicked at 0x5512cdef"),
        ("FAILED in 3.21s", "FAILED in 12.9s"),
        ("\u{1b}[31merror\u{1b}[0m: no", "error: no"),
        ("error in 1f0c6e2a-0f5e-4b5a-9c53-0b4f2c1de011", "error in aa0c6e2a-0f5e-4b5a-9c53-0b4f2c1de022"),
        ("compiling a\nerror: b", "compiling c\nerror: b"),
        ("error: a\nerror: b", "error: b\nerror: a"),
        ("exit 1", "exit 2"),
    ] {
        assert_eq!(Fingerprint::of("unit", Some(1), one), Fingerprint::of("unit", Some(1), other), "{one} / {other}");
    }
}

#[test]
fn what_tells_two_failures_apart_counts() {
    let one = Fingerprint::of("unit", Some(1), "test alpha ... FAILED");
    assert_ne!(one, Fingerprint::of("unit", Some(1), "test beta ... FAILED"));
    assert_ne!(one, Fingerprint::of("smoke", Some(1), "test alpha ... FAILED"));
    assert_ne!(one, Fingerprint::of("unit", Some(2), "test alpha ... FAILED"));
    assert_ne!(
        Fingerprint::of("unit", Some(1), "error in src/a.rs"),
        Fingerprint::of("unit", Some(1), "error in src/b.rs")
    );
    assert_ne!(Fingerprint::of("u", None, ""), Fingerprint::of("u", Some(0), ""));
}
