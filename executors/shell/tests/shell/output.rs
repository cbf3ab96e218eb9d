//! What a task writes is kept, in bounds, and never holds it up.

use std::fs;
use std::os::unix::fs::MetadataExt;

use outpost_executor::log::{Entry, Reader, Stream};
use outpost_executor::{Executor, LogCaps, Outcome, StdoutFile};
use outpost_shell::Shell;

use crate::stage::{Stage, keeper_of, keepers, logged, meanwhile, on_tokio, report, status};

#[test]
fn streams_are_told_apart_and_stay_in_order() {
    let stage = Stage::new();
    let work = stage.work(
        "for i in 1 3 5; do
            echo $i; until [ -e go.$i ]; do sleep 0.01; done
            echo $((i + 1)) >&2; until [ -e go.$((i + 1)) ]; do sleep 0.01; done
        done",
    );
    let log = work.log.clone();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(work).await.expect("a start");
        meanwhile("the log is there", || log.exists()).await;
        let mut reader = Reader::open(&log).expect("a log");
        for number in 1..=6 {
            let mut entry = None;
            meanwhile("the next line is logged", || {
                entry = reader.next().expect("a whole log");
                entry.is_some()
            })
            .await;
            let stream = if number % 2 == 1 { Stream::Stdout } else { Stream::Stderr };
            let bytes = format!("{number}\n").into_bytes();
            assert!(matches!(entry, Some(Entry::Output { stream: s, bytes: b, .. }) if s == stream && b == bytes));
            stage.touch(&format!("go.{number}"));
        }
        let report = shell.wait(&handle).await;
        assert_eq!((report.stdout.tail.as_str(), report.stderr.tail.as_str()), ("1\n3\n5\n", "2\n4\n6\n"));
        assert_eq!((report.stdout.bytes, report.log.bytes, report.log.cut), (6, 12, 0));
    });
}

#[test]
fn bytes_stay_bytes() {
    let stage = Stage::new();
    let all: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut work = stage.work("cat");
    work.stdin = Some(all.clone());
    work.stdout_file = Some(StdoutFile { path: stage.path("copy"), most: u64::MAX });
    let log = work.log.clone();
    let report = report(work);
    assert_eq!(report.outcome, Outcome::Exited(0));
    let kept: Vec<u8> = logged(&log).into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(kept, all);
    assert_eq!(fs::read(stage.path("copy")).expect("the copy"), all);
    assert_eq!(report.stdout_file.expect("it was asked for").bytes, 300_000);
}

#[test]
fn a_copy_ends_at_its_cap() {
    let stage = Stage::new();
    let mut work = stage.work("echo 0123456789; echo no >&2");
    work.stdout_file = Some(StdoutFile { path: stage.path("copy"), most: 4 });
    let report = report(work);
    let kept = report.stdout_file.expect("it was asked for");
    assert_eq!((kept.bytes, kept.cut, kept.error), (4, 7, None));
    assert_eq!(stage.text("copy"), "0123");
}

#[test]
fn input_is_empty_unless_there_is_some() {
    let stage = Stage::new();
    assert_eq!(report(stage.work("cat; echo end")).stdout.tail, "end\n");
    let mut work = stage.work("read a; read b; echo $b $a");
    work.stdin = Some(b"one\ntwo\n".to_vec());
    assert_eq!(report(work).stdout.tail, "two one\n");
}

#[test]
fn no_output_leaves_no_trace_on_disk() {
    let stage = Stage::new();
    report(stage.work("true"));
    assert!(!stage.has("logs"));
}

#[test]
fn a_log_that_cannot_be_written_holds_nobody_up() {
    let stage = Stage::new();
    stage.touch("logs");
    let report = report(stage.work("head -c 1000000 /dev/zero; exit 2"));
    assert_eq!(report.outcome, Outcome::Exited(2));
    assert_eq!((report.stdout.bytes, report.log.bytes, report.log.cut), (1_000_000, 0, 1_000_000));
    assert!(report.log.error.is_some_and(|error| error.contains("logs")), "the error names the file");
}

#[test]
fn a_gigabyte_takes_neither_memory_nor_disk() {
    const BYTES: u64 = 1 << 30;
    let stage = Stage::new();
    let mut work = stage.work("head -c 1073741824 /dev/zero; printf 'the end' >&2");
    work.log_caps = LogCaps { head: 1 << 20, tail: 4 << 20 };
    let log = work.log.clone();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(work).await.expect("a start");
        let report = shell.wait(&handle).await;
        assert_eq!((report.outcome, report.stdout.bytes), (Outcome::Exited(0), BYTES));
        assert_eq!(report.log.bytes + report.log.cut, BYTES + 7);
        assert_eq!(report.stderr.tail, "the end");
        let rss = status(keeper_of(&handle), "VmHWM").expect("the keeper is there");
        let kib: u64 = rss.trim_end_matches(" kB").parse().expect("a number");
        assert!(kib <= 16 * 1024, "the keeper took {kib} KiB");
        let disk = fs::metadata(&log).expect("a log").blocks() * 512;
        assert!(disk <= (5 << 20) + 3 * 4096, "the log takes {disk} bytes");
        let mut reader = Reader::open(&log).expect("a log");
        let (mut shown, mut cut, mut last) = (0, 0, Vec::new());
        while let Some(entry) = reader.next().expect("a whole log") {
            match entry {
                Entry::Output { bytes, .. } => {
                    shown += bytes.len() as u64;
                    last = bytes;
                }
                Entry::Cut { stdout, stderr } => cut += stdout + stderr,
            }
        }
        assert_eq!((shown, cut), (report.log.bytes, report.log.cut));
        assert!(last == b"the end" || last.ends_with(&[0]), "the tail is the end");
    });
}
