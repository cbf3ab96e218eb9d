//! Output is kept, told apart, bounded, and free of secrets.

use std::fs;

use super::{Subject, file, logged, perform, token};
use crate::log::Stream;
use crate::{LogCaps, MARK, Outcome, Secrets, StdoutFile, Work};

/// What a tail shows at most.
const TAIL: usize = 10 * 1024;

fn megabytes() -> u64 {
    std::env::var("OUTPOST_CONFORMANCE_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

pub async fn both_streams_are_told_apart(subject: &mut dyn Subject) {
    let work = subject.work("printf 'one\\0\\377\\n'; printf 'two' >&2; printf three", token(subject, "T1"));
    let log = work.log.clone();
    let report = perform(subject, work).await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    assert_eq!(logged(&log, Stream::Stdout), (b"one\0\xff\nthree".to_vec(), 0));
    assert_eq!(logged(&log, Stream::Stderr), (b"two".to_vec(), 0));
    assert_eq!((report.stdout.bytes, report.stderr.bytes), (11, 3));
    assert_eq!((report.stdout.tail.as_str(), report.stderr.tail.as_str()), ("one\0\u{fffd}\nthree", "two"));
    assert_eq!((report.log.cut, &report.log.error), (0, &None));
    // Silence leaves nothing.
    let work = subject.work("true", token(subject, "T2"));
    let log = work.log.clone();
    assert_eq!(perform(subject, work).await.stdout.bytes, 0);
    assert!(!log.exists());
}

pub async fn large_output_is_bounded(subject: &mut dyn Subject) {
    let (all, caps) = (megabytes() << 20, LogCaps { head: 64 << 10, tail: 1 << 20 });
    let script = format!("yes 0123456789abcde | head -c {all}; echo; echo the last word; exit 3");
    let mut work: Work = subject.work(&script, token(subject, "T1"));
    work.log_caps = caps;
    let log = work.log.clone();
    let report = perform(subject, work).await;
    let written = all + 15;
    assert_eq!((&report.outcome, report.stdout.bytes), (&Outcome::Exited(3), written), "{:?}", report.log);
    assert!(report.stdout.tail.len() <= TAIL, "{}", report.stdout.tail.len());
    assert!(report.stdout.tail.ends_with("abcde\n\nthe last word\n"), "{}", report.stdout.tail.len());
    let (kept, missing) = logged(&log, Stream::Stdout);
    assert_eq!(kept.len() as u64 + report.log.cut, written, "{:?}", report.log);
    assert!(missing <= report.log.cut, "{missing} of {:?}", report.log);
    assert!(kept.len() as u64 <= caps.head + caps.tail, "{}", kept.len());
    assert!(kept.len() as u64 >= subject.can().keep.min(caps.tail / 2), "{}", kept.len());
    assert!(kept.starts_with(b"0123456789abcde\n0123456789abcde\n") && kept.ends_with(b"the last word\n"));
    let size = fs::metadata(&log).expect("a log").len();
    assert!(size > 0 && report.log.bytes == kept.len() as u64, "{size} {:?}", report.log);
}

pub async fn a_file_takes_standard_output_as_it_is(subject: &mut dyn Subject) {
    let mut work = subject.work("printf 'a\\0\\377\\r\\n\\n{}'; echo no >&2", token(subject, "T1"));
    let path = file(subject, "taken");
    work.stdout_file = Some(StdoutFile { path: path.clone(), most: 1000 });
    let report = perform(subject, work).await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    assert_eq!(fs::read(&path).expect("a file"), b"a\0\xff\r\n\n{}");
    let kept = report.stdout_file.expect("it was asked for");
    assert_eq!((kept.bytes, kept.cut, kept.error), (8, 0, None));
    let mut work = subject.work("printf 0123456789", token(subject, "T2"));
    let path = file(subject, "short");
    work.stdout_file = Some(StdoutFile { path: path.clone(), most: 4 });
    let kept = perform(subject, work).await.stdout_file.expect("it was asked for");
    assert_eq!((kept.bytes, kept.cut), (4, 6));
    assert_eq!(fs::read(&path).expect("a file"), b"0123");
}

pub async fn secrets_are_hidden(subject: &mut dyn Subject) {
    // What the work finds out by itself: nobody has to send it there.
    let script = "a=correct; printf 'key=%s-horse-battery.\\n' $a; printf '%s-horse-battery' $a >&2";
    let mut work = subject.work(script, token(subject, "T1"));
    work.secrets = Secrets::new([("KEY".to_owned(), b"correct-horse-battery".to_vec())]);
    work.stdout_file = Some(StdoutFile { path: file(subject, "taken"), most: 1000 });
    let log = work.log.clone();
    let report = perform(subject, work).await;
    let clean = format!("key={MARK}.\n");
    assert_eq!(logged(&log, Stream::Stdout).0, clean.as_bytes());
    assert_eq!(logged(&log, Stream::Stderr).0, MARK.as_bytes());
    assert_eq!(fs::read(file(subject, "taken")).expect("a file"), clean.as_bytes());
    assert_eq!((report.stdout.tail.as_str(), report.stdout.secrets), (clean.as_str(), 1));
    assert_eq!((report.stderr.tail.as_str(), report.stderr.secrets), (MARK, 1));
}
