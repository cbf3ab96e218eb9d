//! What a task prints is free of secrets before it is written anywhere, however slowly it prints.

use outpost_executor::log::{Entry, Reader};
use outpost_executor::{Executor, Outcome, Secrets, StdoutFile, Work};
use outpost_shell::Shell;

use crate::stage::{Stage, keepers, logged, meanwhile, on_tokio, perform, report};

const VALUE: &str = "tr0ub4dor&3";

fn with_secret(mut work: Work) -> Work {
    work.secrets = Secrets::new([("TOKEN".to_owned(), VALUE.into())]);
    work.env = vec![("TOKEN".into(), VALUE.into())];
    work
}

/// All that was logged, as text.
fn log(work: &std::path::Path) -> String {
    let all: Vec<u8> = logged(work).into_iter().flat_map(|(_, bytes)| bytes).collect();
    String::from_utf8(all).expect("text")
}

#[test]
fn a_secret_reaches_neither_log_nor_report_nor_file() {
    let stage = Stage::new();
    let mut work =
        with_secret(stage.work("echo \"a ${TOKEN}b\"; echo \"$TOKEN\" >&2; printf %s \"$TOKEN\" | base64; exit 3"));
    work.stdout_file = Some(StdoutFile { path: stage.path("copy"), most: u64::MAX });
    let path = work.log.clone();
    let report = report(work);
    assert_eq!((&report.outcome, report.stdout.secrets, report.stderr.secrets), (&Outcome::Exited(3), 2, 1));
    let shown = "a ***b\n***\n";
    assert_eq!((report.stdout.tail.as_str(), report.stderr.tail.as_str()), (shown, "***\n"));
    assert_eq!(stage.text("copy"), shown);
    let log = log(&path);
    assert!(log.matches("***").count() == 3 && !log.contains("tr0ub"), "{log}");
    // Of what was printed, not of what is shown.
    assert_eq!((report.stdout.bytes, report.log.bytes), (32, 15));
}

#[test]
fn a_keeper_knows_the_secrets_of_each_order() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let echo = || stage.work("echo tr0ub4dor'&3' correct-horse");
        let other = Work { secrets: Secrets::new([("A".to_owned(), b"correct-horse".to_vec())]), ..echo() };
        for (work, shown) in [
            (echo(), "tr0ub4dor&3 correct-horse\n"),
            (with_secret(echo()), "*** correct-horse\n"),
            (other, "tr0ub4dor&3 ***\n"),
            (echo(), "tr0ub4dor&3 correct-horse\n"),
        ] {
            assert_eq!(perform(&shell, work).await.stdout.tail, shown);
        }
    });
}

#[test]
fn a_prompt_is_seen_and_a_secret_in_pieces_is_not() {
    let stage = Stage::new();
    let work = with_secret(stage.work(
        "printf 'Token? t'; until [ -e go.1 ]; do sleep 0.01; done
         printf 'r0u'; until [ -e go.2 ]; do sleep 0.01; done
         printf 'b4dor&3'; printf 'tr0ub'",
    ));
    let path = work.log.clone();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(work).await.expect("a start");
        meanwhile("the log is there", || path.exists()).await;
        let mut reader = Reader::open(&path).expect("a log");
        let mut seen = Vec::new();
        let mut shows = |what: &str| {
            while let Some(Entry::Output { bytes, .. }) = reader.next().expect("a whole log") {
                seen.extend(bytes);
            }
            seen == what.as_bytes()
        };
        // Also what may be the beginning of a secret, after a while.
        meanwhile("the prompt is seen", || shows("Token? t")).await;
        stage.touch("go.1");
        stage.touch("go.2");
        let report = shell.wait(&handle).await;
        // What had to be shown is not hidden any more; all that came after it is.
        assert!(shows("Token? t***tr0ub"), "{report:?}");
        assert_eq!((report.stdout.tail.as_str(), report.stdout.secrets), ("Token? t***tr0ub", 1));
    });
}
