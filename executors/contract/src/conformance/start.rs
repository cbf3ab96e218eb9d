//! Work is set going with all that belongs to it, and its end is told as it was.

use std::fs;

use super::{Subject, begin, file, has, perform, text, token, touch, until};
use crate::{NotStarted, Outcome};

/// Nothing of what is given to work is read by anybody on its way.
const ODD: &str = "a  b'c\"d$(touch pwned)`touch pwned`;\\ {{ssm:pwned}} %s\t\n*\u{20ac}\u{1}\n";

pub async fn work_finds_its_arguments_environment_and_input(subject: &mut dyn Subject) {
    let script = "cat > input; printf %s \"$ODD\" > odd; printf %s \"$2\" > argument; printf %s \"$#\" > count; \
                  pwd -P > place; printf %s \"$OUTPOST_TOKEN\" > token; printf %s \"$EMPTY/${NONE-none}\" > empty";
    let mut work = subject.work(script, token(subject, "T1"));
    work.args.extend(["zero", "", ODD, "-n"].map(Into::into));
    work.env = [("ODD", ODD), ("EMPTY", "")].map(|(name, value)| (name.into(), value.into())).to_vec();
    work.stdin = Some(b"one\0\xff two\n$(touch pwned)".to_vec());
    let report = perform(subject, work).await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    assert_eq!(text(subject, "odd"), ODD);
    assert_eq!(text(subject, "argument"), ODD);
    assert_eq!(text(subject, "count"), "3");
    assert_eq!(text(subject, "empty"), "/none");
    assert_eq!(fs::read(file(subject, "input")).expect("its input"), b"one\0\xff two\n$(touch pwned)");
    let place = subject.folder().canonicalize().expect("a folder");
    assert_eq!(text(subject, "place").trim_end(), place.to_string_lossy());
    assert_eq!(text(subject, "token"), token(subject, "T1").to_string());
    assert!(!has(subject, "pwned"));
    assert!(report.started_ms > 0 && report.started_ms <= report.ended_ms, "{report:?}");
    // Without input there is an end to read, not a terminal.
    let report = perform(subject, subject.work("cat > input; exit 4", token(subject, "T2"))).await;
    assert_eq!((report.outcome, text(subject, "input").as_str()), (Outcome::Exited(4), ""));
}

pub async fn what_cannot_start_is_told(subject: &mut dyn Subject) {
    let mut work = subject.work("touch ran", token(subject, "T1"));
    work.program = "no-such-program-anywhere".into();
    let outcome = perform(subject, work).await.outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::ProgramMissing(name)) if name.contains("no-such")),
        "{outcome:?}"
    );
    let mut work = subject.work("touch ran", token(subject, "T2"));
    work.dir = file(subject, "no-such-folder");
    let outcome = perform(subject, work).await.outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::DirectoryMissing(name)) if name.contains("no-such")),
        "{outcome:?}"
    );
    touch(subject, "plain");
    let mut work = subject.work("touch ran", token(subject, "T3"));
    work.program = file(subject, "plain").into();
    let outcome = perform(subject, work).await.outcome;
    assert!(matches!(&outcome, Outcome::NotStarted(NotStarted::NotExecutable(_))), "{outcome:?}");
    assert!(!has(subject, "ran"));
}

pub async fn statuses_are_told(subject: &mut dyn Subject) {
    for status in [0, 1, 77, 126, 127, 255] {
        let work = subject.work(&format!("exit {status}"), token(subject, &format!("T{status}")));
        let report = perform(subject, work).await;
        assert_eq!(report.outcome, Outcome::Exited(status), "{report:?}");
        assert!(report.leaked.is_empty(), "{report:?}");
    }
}

pub async fn a_signal_is_told(subject: &mut dyn Subject) {
    for signal in [9, 15] {
        let work = subject.work(&format!("kill -{signal} $$"), token(subject, &format!("T{signal}")));
        let told = if subject.can().tell_signals { Outcome::Signalled(signal) } else { Outcome::Exited(128 + signal) };
        assert_eq!(perform(subject, work).await.outcome, told);
    }
}

pub async fn a_report_may_be_given_up_and_asked_for_again(subject: &mut dyn Subject) {
    let script = "touch begun; until [ -e go ]; do sleep 0.01; done; echo said; exit 5";
    let handle = subject.executor().start(subject.work(script, token(subject, "T1"))).await.expect("a start");
    assert!(begin(subject.executor().wait(&handle)).await.is_none(), "it has not ended");
    until(subject, "it has begun", || has(subject, "begun")).await;
    for _ in 0..3 {
        // Each time a little later, in the midst of whatever it does.
        assert!(begin(subject.executor().wait(&handle)).await.is_none(), "it has not ended");
        subject.pause().await;
    }
    touch(subject, "go");
    let first = subject.executor().wait(&handle).await;
    assert_eq!((&first.outcome, first.stdout.tail.as_str()), (&Outcome::Exited(5), "said\n"));
    assert_eq!(subject.executor().wait(&handle).await, first, "asked again, it is the same");
    subject.executor().settle(&handle);
}

pub async fn settling_changes_nothing_else(subject: &mut dyn Subject) {
    let script = "touch begun; until [ -e go ]; do sleep 0.01; done; exit 6";
    let one = subject.executor().start(subject.work(script, token(subject, "T1"))).await.expect("a start");
    until(subject, "it has begun", || has(subject, "begun")).await;
    // Too early: there is no report yet that a journal could hold.
    subject.executor().settle(&one);
    let other = subject.executor().start(subject.work("exit 7", token(subject, "T2"))).await.expect("a start");
    assert_eq!(subject.executor().wait(&other).await.outcome, Outcome::Exited(7));
    subject.executor().settle(&other);
    subject.executor().settle(&other);
    touch(subject, "go");
    assert_eq!(subject.executor().wait(&one).await.outcome, Outcome::Exited(6));
    subject.executor().settle(&one);
}
