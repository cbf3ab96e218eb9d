//! Nothing of the work is left when its report comes, however it ends.

use std::time::Duration;

use super::{Subject, has, perform, processes, token, until};
use crate::Outcome;

/// One of each kind of process that does not want to end, and a mark `all-there` when all of them are there.
const HOSTILE: &str = r#"
(setsid sh -c 'touch ready.daemon; exec sleep 1000' </dev/null >/dev/null 2>&1 &)
sh -c 'trap "" TERM HUP INT; touch ready.deaf; while :; do sleep 1; done' &
sh -c 'touch ready.stopped; kill -STOP $$; sleep 1000' &
nohup sh -c 'touch ready.nohup; exec sleep 1000' >/dev/null 2>&1 &
(setsid sh -c 'touch ready.holder; exec sleep 1000' &)
for kind in daemon deaf stopped nohup holder; do
  until [ -e ready.$kind ]; do sleep 0.01; done
done
"#;
/// One that nobody can tell by anything but where it came from.
const NAMELESS: &str = r#"
(env -i setsid /bin/sh -c 'exec <&- >&- 2>&-; >ready.bare; exec /bin/sleep 1000' &)
until [ -e ready.bare ]; do sleep 0.01; done
"#;

pub(super) fn hostile(subject: &dyn Subject, then: &str) -> String {
    let nameless = if subject.can().find_the_nameless { NAMELESS } else { "" };
    format!("{HOSTILE}{nameless}touch all-there; {then}")
}

pub async fn a_cancel_ends_the_whole_tree(subject: &mut dyn Subject) {
    let script = format!("trap 'echo asked; exit 0' TERM; {}", hostile(subject, "while :; do sleep 0.05; done"));
    let work = subject.work(&script, token(subject, "T1"));
    let handle = subject.executor().start(work).await.expect("a start");
    until(subject, "all are there", || has(subject, "all-there")).await;
    assert!(processes(subject).len() > 4, "{:?}", processes(subject));
    subject.executor().cancel(&handle).await;
    let report = subject.executor().wait(&handle).await;
    assert_eq!(processes(subject), [""; 0]);
    assert_eq!(report.outcome, Outcome::Cancelled, "{report:?}");
    assert_eq!(report.stdout.tail, "asked\n", "it is asked before it is forced");
    subject.executor().settle(&handle);
}

pub async fn a_late_cancel_is_harmless(subject: &mut dyn Subject) {
    let handle = subject.executor().start(subject.work("exit 8", token(subject, "T1"))).await.expect("a start");
    assert_eq!(subject.executor().wait(&handle).await.outcome, Outcome::Exited(8));
    subject.executor().cancel(&handle).await;
    assert_eq!(subject.executor().wait(&handle).await.outcome, Outcome::Exited(8), "what was told stays so");
    subject.executor().settle(&handle);
    subject.executor().cancel(&handle).await;
    let after = perform(subject, subject.work("exit 9", token(subject, "T2"))).await;
    assert_eq!(after.outcome, Outcome::Exited(9), "others are not touched");
}

pub async fn a_timeout_ends_the_whole_tree(subject: &mut dyn Subject) {
    let mut work = subject.work(&hostile(subject, "wait; while :; do sleep 1; done"), token(subject, "T1"));
    // Long enough for all of them to come up.
    work.timeout = Some(Duration::from_secs(3));
    let report = perform(subject, work).await;
    assert!(has(subject, "all-there"), "its time was too short to try this: {report:?}");
    assert_eq!(processes(subject), [""; 0]);
    assert_eq!(report.outcome, Outcome::TimedOut, "{report:?}");
}

pub async fn what_outlives_its_program_is_ended(subject: &mut dyn Subject) {
    let script =
        "(setsid sh -c 'touch ready; exec sleep 1000' &); until [ -e ready ]; do sleep 0.01; done; echo out; exit 2";
    let mut work = subject.work(script, token(subject, "T1"));
    work.leak_timeout = Duration::from_millis(200);
    let report = perform(subject, work).await;
    assert_eq!(processes(subject), [""; 0]);
    assert_eq!((&report.outcome, report.stdout.tail.as_str()), (&Outcome::Exited(2), "out\n"));
    assert_eq!(report.leaked.iter().map(|process| process.name.as_str()).collect::<Vec<_>>(), ["sleep"]);
}
