//! Output beyond what Systems Manager shows, and what must not be in it or sent along.

use std::fs;

use outpost_executor::log::{Entry, Reader};
use outpost_executor::{Executor as _, LogCaps, MARK, NotStarted, OnRunnerDeath, Outcome, Standing, StdoutFile, Trace};
use outpost_ssm::Store;

use crate::stage::{Stage, on_tokio};

#[test]
fn a_bucket_brings_all_of_it() {
    let mut stage = Stage::new();
    stage.settings.output = Some(Store { bucket: "our-output".into(), prefix: "outpost/runs".into() });
    let mut work = stage.work("head -c 3000000 /dev/zero | tr '\\0' x; printf '\\377\\0end'; seq 100000 >&2");
    work.log_caps = LogCaps { head: 1 << 20, tail: 8 << 20 };
    work.stdout_file = Some(StdoutFile { path: stage.path("taken"), most: 4_000_000 });
    let report = stage.report(work);
    assert_eq!((&report.outcome, report.stdout.bytes), (&Outcome::Exited(0), 3_000_005));
    assert_eq!((report.log.cut, &report.log.error), (0, &None));
    let taken = fs::read(stage.path("taken")).expect("a file");
    assert!(taken.len() == 3_000_005 && taken.ends_with(b"x\xff\0end"));
    assert!(report.stderr.tail.ends_with("\n99999\n100000\n") && report.stderr.bytes == 588_895);
}

#[test]
fn a_bucket_that_cannot_be_read_costs_the_output_only() {
    let mut stage = Stage::new();
    stage.settings.output = Some(Store { bucket: "our-output".into(), prefix: String::new() });
    on_tokio(async {
        let ssm = stage.ssm();
        let handle = ssm.start(stage.work("head -c 100000 /dev/zero; exit 3")).await.expect("a start");
        // What is there is read; what is not is told.
        stage.until("it is there", || stage.cloud.lose_objects() > 0).await;
        let report = ssm.wait(&handle).await;
        assert_eq!((&report.outcome, report.stdout.bytes), (&Outcome::Exited(3), 100_000));
        assert_eq!(report.log.cut + report.log.bytes, 100_000);
        let error = report.log.error.clone().unwrap_or_default();
        assert!(error.contains("our-output"), "{report:?}");
    });
}

#[test]
fn without_a_bucket_head_and_tail_come_and_the_rest_is_counted() {
    let stage = Stage::new();
    let mut work = stage.work("seq 100000; seq 200000 >&2; exit 1");
    work.stdout_file = Some(StdoutFile { path: stage.path("taken"), most: 1_000_000 });
    let log = work.log.clone();
    let report = stage.report(work);
    assert_eq!((report.stdout.bytes, report.stderr.bytes), (588_895, 1_288_895));
    assert!(report.stdout.tail.ends_with("\n99999\n100000\n") && report.stderr.tail.ends_with("\n199999\n200000\n"));
    assert!(report.log.bytes >= 15_000 && report.log.bytes + report.log.cut == 588_895 + 1_288_895, "{:?}", report.log);
    let mut reader = Reader::open(&log).expect("a log");
    let Some(Entry::Output { bytes, .. }) = reader.next().expect("a log") else { panic!("it is empty") };
    assert!(bytes.starts_with(b"1\n2\n3\n"));
    // What a binding would read is not all of it, and says so.
    let kept = report.stdout_file.expect("it was asked for");
    assert!(kept.cut > 0 && kept.error.is_some_and(|error| error.contains("`output`")));
}

#[test]
fn a_secret_is_not_sent_unless_that_is_allowed() {
    let mut stage = Stage::new();
    let with_secret = |stage: &Stage, how: usize| {
        let mut work = stage.secret_work("printf %s \"$KEY\" | wc -c > length");
        let text = "key: correct-horse-battery";
        match how {
            0 => work.env.push(("KEY".into(), text.into())),
            1 => work.args.push(text.into()),
            _ => work.stdin = Some(text.into()),
        }
        work
    };
    for how in 0..3 {
        let outcome = stage.report(with_secret(&stage, how)).outcome;
        assert!(
            matches!(&outcome, Outcome::NotStarted(NotStarted::Refused(why)) if why.contains("send_secrets")),
            "{outcome:?}"
        );
    }
    assert_eq!(stage.cloud.calls("SendCommand").len(), 0);
    stage.settings.send_secrets = true;
    assert_eq!(stage.report(with_secret(&stage, 0)).outcome, Outcome::Exited(0));
    assert_eq!(stage.text("length").trim(), "26");
    // Nor does it stay on the target.
    for folder in stage.kept() {
        assert!(!folder.join("order").exists());
    }
}

#[test]
fn output_of_an_earlier_runner_is_kept_only_by_one_that_knows_its_secrets() {
    let stage = Stage::new();
    on_tokio(async {
        let mut work = stage.secret_work("a=correct; printf %s-horse-battery $a");
        work.on_runner_death = OnRunnerDeath::Adopt;
        work.stdout_file = Some(StdoutFile { path: stage.path("taken"), most: 1000 });
        let (token, log, secrets) = (work.token.clone(), work.log.clone(), work.secrets.clone());
        let handle = stage.ssm().start(work).await.expect("a start");
        assert!(!handle.0.contains("correct"));
        for known in [None, Some(secrets)] {
            let is_known = known.is_some();
            let ssm = match known {
                Some(known) => stage.ssm().knowing(known),
                None => stage.ssm(),
            };
            let trace = Trace { token: &token, log: &log, handle: Some(&handle) };
            let report = match ssm.reattach(trace).await {
                Standing::Running(handle) => ssm.wait(&handle).await,
                Standing::Ended(report) => *report,
                Standing::Unknown => panic!("nothing is known of it"),
            };
            assert_eq!((&report.outcome, report.stdout.bytes), (&Outcome::Exited(0), 21));
            let taken = report.stdout_file.expect("it was asked for");
            if is_known {
                assert_eq!((report.stdout.tail.as_str(), taken.error), (MARK, None));
                assert_eq!(fs::read_to_string(stage.path("taken")).expect("a file"), MARK);
                return;
            }
            assert!(taken.error.is_some_and(|error| error.contains("secrets")) && taken.cut == 21);
            assert!(!stage.path("taken").exists(), "an empty file would be taken for all of it");
            assert_eq!((report.stdout.tail.as_str(), report.log.cut, log.exists()), ("", 21, false));
            assert!(report.log.error.is_some_and(|error| error.contains("secrets")));
        }
    });
}

#[test]
fn variables_that_a_shell_keeps_for_itself_are_refused_by_name() {
    let stage = Stage::new();
    for name in ["IFS", "UID", "outpost_place", "1x", "a-b", "a b", "x=$(touch pwned)", ""] {
        let mut work = stage.work("true");
        work.env.push((name.into(), "x".into()));
        let outcome = stage.report(work).outcome;
        assert!(matches!(&outcome, Outcome::NotStarted(NotStarted::Refused(why)) if why.contains(name)), "{outcome:?}");
    }
    let mut work = stage.work("true");
    work.stdin = Some(vec![b'x'; 100_000]);
    assert_eq!(stage.report(work).outcome, Outcome::NotStarted(NotStarted::TooLong));
    assert_eq!(stage.cloud.calls("SendCommand").len(), 0);
}
