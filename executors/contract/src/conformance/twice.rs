//! What a network does to those who use one: a request arrives twice, an answer does not.

use super::{Subject, begin, has, text, token, touch, until};
use crate::Outcome;

pub async fn one_token_started_twice(subject: &mut dyn Subject) {
    let script = "echo x >> effects; touch begun; until [ -e go ]; do sleep 0.01; done; exit 5";
    let first = subject.work(script, token(subject, "T1"));
    let mut second = subject.work(script, token(subject, "T1"));
    second.log = first.log.with_extension("second");
    let first = subject.executor().start(first).await.expect("a start");
    let second = subject.executor().start(second).await.expect("a start");
    let once = subject.can().start_a_token_once;
    let effects = if once { "x\n" } else { "x\nx\n" };
    until(subject, "it has begun", || has(subject, "begun") && text(subject, "effects") == effects).await;
    touch(subject, "go");
    for handle in [&first, &second] {
        assert_eq!(subject.executor().wait(handle).await.outcome, Outcome::Exited(5));
        subject.executor().settle(handle);
    }
    assert_eq!(text(subject, "effects"), effects);
    if once {
        // Long after.
        let mut third = subject.work(script, token(subject, "T1"));
        third.log = third.log.with_extension("third");
        let third = subject.executor().start(third).await.expect("a start");
        assert_eq!(subject.executor().wait(&third).await.outcome, Outcome::Exited(5));
        assert_eq!(text(subject, "effects"), effects);
    }
}

pub async fn a_lost_connection_is_not_an_end(subject: &mut dyn Subject) {
    let script = "touch begun; until [ -e go ]; do sleep 0.01; done; touch over; exit 6";
    let handle = subject.executor().start(subject.work(script, token(subject, "T1"))).await.expect("a start");
    until(subject, "it has begun", || has(subject, "begun")).await;
    let lost = subject.connect(false);
    let mut wait = subject.executor().wait(&handle);
    for _ in 0..5 {
        // Asked in vain, it goes on asking.
        assert!(begin(Box::pin(&mut wait)).await.is_none(), "nobody can know yet");
        subject.pause().await;
    }
    touch(subject, "go");
    if lost {
        until(subject, "it is over", || has(subject, "over")).await;
        assert!(begin(Box::pin(&mut wait)).await.is_none(), "nobody can know yet");
        subject.connect(true);
    }
    assert_eq!(wait.await.outcome, Outcome::Exited(6));
    subject.executor().settle(&handle);
}
