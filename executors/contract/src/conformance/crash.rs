//! The runner dies, and its next process asks what became of the work.

use super::ending::hostile;
use super::{Subject, has, processes, text, token, touch, trace, until};
use crate::{NotStarted, OnRunnerDeath, Outcome, Report, Standing, Work};

/// Waits for what is still running.
async fn end(subject: &dyn Subject, standing: Standing) -> Report {
    match standing {
        Standing::Ended(report) => *report,
        Standing::Running(handle) => subject.executor().wait(&handle).await,
        Standing::Unknown => panic!("nothing is known of it"),
    }
}

fn adopted(subject: &dyn Subject, script: &str) -> Work {
    let mut work = subject.work(script, token(subject, "T1"));
    work.on_runner_death = OnRunnerDeath::Adopt;
    work
}

pub async fn work_of_a_dead_runner_is_found_again(subject: &mut dyn Subject) {
    let script = "echo begun; touch ready; until [ -e go ]; do sleep 0.01; done; echo done; exit 4";
    let work = adopted(subject, script);
    let (token, log) = (work.token.clone(), work.log.clone());
    let handle = subject.executor().start(work).await.expect("a start");
    until(subject, "it is there", || has(subject, "ready")).await;
    subject.restart();
    let standing = subject.executor().reattach(trace(&token, &log, Some(&handle))).await;
    let Standing::Running(found) = standing else { panic!("it is {standing:?}") };
    touch(subject, "go");
    let report = subject.executor().wait(&found).await;
    assert_eq!(report.outcome, Outcome::Exited(4), "{report:?}");
    assert_eq!(report.stdout.bytes, 11);
    if subject.can().tell_old_output {
        assert_eq!(report.stdout.tail, "begun\ndone\n");
    }
    // Once it has ended, that is what is told; to a third runner too.
    subject.restart();
    let standing = subject.executor().reattach(trace(&token, &log, Some(&handle))).await;
    assert_eq!(end(subject, standing).await.outcome, Outcome::Exited(4));
}

pub async fn work_of_a_dead_runner_can_be_cancelled(subject: &mut dyn Subject) {
    let work = adopted(subject, &hostile(subject, "wait; sleep 1000"));
    let (token, log) = (work.token.clone(), work.log.clone());
    let handle = subject.executor().start(work).await.expect("a start");
    until(subject, "all are there", || has(subject, "all-there")).await;
    subject.restart();
    let standing = subject.executor().reattach(trace(&token, &log, Some(&handle))).await;
    let Standing::Running(found) = standing else { panic!("it is {standing:?}") };
    subject.executor().cancel(&found).await;
    let report = subject.executor().wait(&found).await;
    assert_eq!(processes(subject), [""; 0]);
    assert_eq!(report.outcome, Outcome::Cancelled, "{report:?}");
}

pub async fn an_end_that_was_not_settled_is_told_to_the_next_runner(subject: &mut dyn Subject) {
    let script = "touch begun; until [ -e go ]; do sleep 0.01; done; exit 3";
    let mut work = subject.work(script, token(subject, "T1"));
    let dies = subject.can().die_with_the_runner;
    work.on_runner_death = if dies { OnRunnerDeath::Kill } else { OnRunnerDeath::Adopt };
    let (token, log) = (work.token.clone(), work.log.clone());
    let handle = subject.executor().start(work).await.expect("a start");
    until(subject, "it has begun", || has(subject, "begun")).await;
    subject.restart();
    if dies {
        until(subject, "it was ended", || processes(subject).is_empty()).await;
    } else {
        touch(subject, "go");
        until(subject, "it has ended", || processes(subject).is_empty()).await;
    }
    let standing = subject.executor().reattach(trace(&token, &log, Some(&handle))).await;
    let told = if dies { Outcome::Interrupted } else { Outcome::Exited(3) };
    assert_eq!(end(subject, standing).await.outcome, told);
}

pub async fn work_whose_handle_was_lost_is_answered_for(subject: &mut dyn Subject) {
    let work = adopted(subject, "echo x >> effects; touch ready; until [ -e go ]; do sleep 0.01; done; exit 4");
    let (token, log) = (work.token.clone(), work.log.clone());
    subject.executor().start(work).await.expect("a start");
    until(subject, "it is there", || has(subject, "ready")).await;
    // Before the runner could note the handle.
    subject.restart();
    let standing = subject.executor().reattach(trace(&token, &log, None)).await;
    let Standing::Running(found) = standing else { panic!("it is {standing:?}") };
    touch(subject, "go");
    assert_eq!(subject.executor().wait(&found).await.outcome, Outcome::Exited(4));
    assert_eq!(text(subject, "effects"), "x\n");
}

/// The runner noted that it would start, and died before it did.
pub async fn nobody_knows_of_what_never_started(subject: &mut dyn Subject) {
    let work = subject.work("touch ran", token(subject, "T1"));
    subject.restart();
    let standing = subject.executor().reattach(trace(&work.token, &work.log, None)).await;
    match standing {
        Standing::Unknown => {}
        // Who can be sure of it may say so.
        known => {
            let outcome = end(subject, known).await.outcome;
            assert!(matches!(outcome, Outcome::NotStarted(NotStarted::Cancelled)), "{outcome:?}");
        }
    }
    assert!(!has(subject, "ran"));
    assert_eq!(processes(subject), [""; 0]);
}
