//! What a program finds when it starts, and why one does not start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::SigSet;
use outpost_executor::{Executor, Limit, NotStarted, Outcome, Resource};
use outpost_shell::{Keepers, Shell};

use crate::stage::{PROBE, Runner, Stage, keepers, on_tokio, outcome, perform, report};

fn obstacle(work: outpost_executor::Work) -> NotStarted {
    match outcome(work) {
        Outcome::NotStarted(reason) => reason,
        other => panic!("it ended as {other:?}"),
    }
}

#[test]
fn statuses_and_signals_are_told_apart() {
    let stage = Stage::new();
    assert_eq!(outcome(stage.work("true")), Outcome::Exited(0));
    assert_eq!(outcome(stage.work("exit 7")), Outcome::Exited(7));
    assert_eq!(outcome(stage.work("kill -TERM $$")), Outcome::Signalled(15));
    assert_eq!(outcome(stage.work("kill -KILL $$")), Outcome::Signalled(9));
    // Real-time signals have no names.
    assert_eq!(outcome(stage.work("kill -40 $$")), Outcome::Signalled(40));
    assert_eq!(outcome(stage.work("(kill -41 $BASHPID) & wait; exit 3")), Outcome::Exited(3));
}

#[test]
fn what_is_missing_is_named() {
    let stage = Stage::new();
    let mut work = stage.work("true");
    work.dir = stage.path("no/such/dir");
    assert_eq!(obstacle(work), NotStarted::DirectoryMissing(stage.path("no/such/dir").display().to_string()));

    let mut work = stage.work("true");
    work.program = "no-such-program".into();
    assert_eq!(obstacle(work), NotStarted::ProgramMissing("no-such-program".into()));

    let mut work = stage.work("true");
    work.program = "./no-such-program".into();
    assert_eq!(obstacle(work), NotStarted::ProgramMissing("./no-such-program".into()));

    fs::write(stage.path("script"), "#!/no/such/interpreter\n").expect("a script");
    let mut work = stage.work("true");
    work.program = "./script".into();
    assert_eq!(obstacle(work), NotStarted::NotExecutable("./script".into()));

    fs::set_permissions(stage.path("script"), fs::Permissions::from_mode(0o755)).expect("a script");
    let mut work = stage.work("true");
    work.program = "./script".into();
    assert_eq!(obstacle(work), NotStarted::InterpreterMissing("./script".into()));

    let mut work = stage.work("true");
    work.stdout_file = Some(outpost_executor::StdoutFile { path: stage.path("script"), most: 10 });
    assert!(matches!(obstacle(work), NotStarted::Other(reason) if reason.contains("script")));
}

#[test]
fn too_much_is_too_much_and_leaves_the_keeper_well() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let mut work = stage.work("true");
        work.args.push("x".repeat(200_000).into());
        assert_eq!(perform(&shell, work).await.outcome, Outcome::NotStarted(NotStarted::TooLong));
        let mut work = stage.work("true");
        work.env = (0..100).map(|number| (format!("V{number}").into(), "x".repeat(100_000).into())).collect();
        assert_eq!(perform(&shell, work).await.outcome, Outcome::NotStarted(NotStarted::TooLong));
        let mut work = stage.work("true");
        work.args.push("a\0b".into());
        assert!(matches!(perform(&shell, work).await.outcome, Outcome::NotStarted(NotStarted::Other(_))));
        assert_eq!(perform(&shell, stage.work("true")).await.outcome, Outcome::Exited(0));
    });
}

#[test]
fn a_keeper_that_cannot_be_is_an_obstacle() {
    let stage = Stage::new();
    on_tokio(async {
        let missing = Shell::new(Keepers { program: "/no/such/keeper".into(), ..keepers() });
        assert!(
            matches!(missing.start(stage.work("true")).await, Err(NotStarted::Other(why)) if why.contains("/no/such/keeper"))
        );
        let other = Shell::new(Keepers { program: "/bin/true".into(), ..keepers() });
        assert!(
            matches!(other.start(stage.work("true")).await, Err(NotStarted::Other(why)) if why.contains("/bin/true"))
        );
    });
}

#[test]
fn the_environment_is_what_was_asked_for() {
    let stage = Stage::new();
    let mut work = stage.work("printf '%s|' \"$A\" \"$OUTPOST_TOKEN\" \"${HOME-none}\" \"$PWD\"");
    work.env = vec![("A".into(), "first".into()), ("A".into(), "two words".into())];
    let token = work.token.to_string();
    let home = std::env::var("HOME").unwrap_or("none".into());
    let here = stage.path("").display().to_string();
    let here = here.trim_end_matches('/');
    assert_eq!(report(work).stdout.tail, format!("two words|{token}|{home}|{here}|"));

    let mut work = stage.work("");
    work.program = "/usr/bin/env".into();
    work.args.clear();
    work.inherit_env = false;
    let token = work.token.to_string();
    assert_eq!(report(work).stdout.tail, format!("OUTPOST_TOKEN={token}\n"));
}

#[test]
fn programs_are_found_on_the_path_that_they_will_see() {
    let stage = Stage::new();
    fs::create_dir(stage.path("bin")).expect("a folder");
    fs::write(stage.path("bin/tool"), "#!/bin/sh\necho \"$0\"\n").expect("a script");
    fs::set_permissions(stage.path("bin/tool"), fs::Permissions::from_mode(0o755)).expect("a script");
    for path in [stage.path("bin").display().to_string(), "bin".to_owned()] {
        let mut work = stage.work("");
        work.program = "tool".into();
        work.args.clear();
        work.env = vec![("PATH".into(), format!("/nowhere:{path}").into())];
        assert_eq!(report(work).stdout.tail, format!("{path}/tool\n"));
    }
}

/// Whether `/proc/self/status` shows signals as blocked or ignored. The C library's own two (32 and 33) always are.
fn is_clean(shown: &str) -> bool {
    let masks: Vec<u64> = shown
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok())
        .map(|mask| mask & !(0b11 << 31))
        .collect();
    masks == [0, 0]
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    let show = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let stage = Stage::new();
    let runner = format!(
        "trap '' HUP INT QUIT PIPE TERM XFSZ USR1; exec '{PROBE}' run --log '{}' -- sh -c \"{show}\"",
        stage.path("log").display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &runner]);
    let mut runner = Runner::new(command);
    runner.handle();
    let tail = runner.report().stdout.tail;
    assert!(is_clean(&tail), "{tail}");

    // A keeper inherits the mask of the thread that starts it.
    SigSet::all().thread_block().expect("a mask");
    let report = report(stage.work(show));
    SigSet::all().thread_unblock().expect("a mask");
    assert!(is_clean(&report.stdout.tail), "{report:?}");
}

#[test]
fn nothing_but_the_streams_is_open() {
    let stage = Stage::new();
    // `ls` opens the directory itself.
    let work = stage.work("exec ls /proc/self/fd");
    assert_eq!(report(work).stdout.tail, "0\n1\n2\n3\n");
}

#[test]
fn limits_hold_for_the_task_and_not_for_the_next() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(Keepers { open_files: Some(123), ..keepers() });
        // The soft ones hold at once, the hard ones a moment later.
        let mut work = stage.work("ulimit -Sn; ulimit -Sc; until [ $(ulimit -Hn)$(ulimit -Hc) = 640 ]; do :; done");
        work.limits =
            vec![Limit { resource: Resource::OpenFiles, most: 64 }, Limit { resource: Resource::Core, most: 0 }];
        assert_eq!(perform(&shell, work).await.stdout.tail, "64\n0\n");
        assert_eq!(perform(&shell, stage.work("ulimit -Sn")).await.stdout.tail, "123\n");

        let mut work = stage.work("exec head -c 100000 /dev/zero > big");
        work.limits = vec![Limit { resource: Resource::FileSize, most: 1000 }];
        assert_eq!(perform(&shell, work).await.outcome, Outcome::Signalled(25));
        assert_eq!(fs::metadata(stage.path("big")).expect("a file").len(), 1000);
        let mut work = stage.work("while :; do :; done");
        work.limits = vec![Limit { resource: Resource::Cpu, most: 1 }];
        assert!(matches!(perform(&shell, work).await.outcome, Outcome::Signalled(9 | 24)));
    });
}

#[test]
fn a_terminal_is_out_of_reach() {
    let stage = Stage::new();
    let terminal =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).expect("a pty");
    rustix::pty::grantpt(&terminal).expect("a pty");
    rustix::pty::unlockpt(&terminal).expect("a pty");
    let name = rustix::pty::ptsname(&terminal, Vec::new()).expect("a name").into_string().expect("a name");
    // The runner has it: field 7 of its line, two generations up.
    let script = "up() { cut -d' ' -f4 /proc/$1/stat; }
        cut -d' ' -f7 /proc/$(up $PPID)/stat
        read line </dev/tty || exit 9";
    let mut runner = stage.runner(&["--tty", &name], script);
    runner.handle();
    let report = runner.report();
    assert_eq!(report.outcome, Outcome::Exited(9), "{report:?}");
    assert_ne!(report.stdout.tail.trim(), "0", "the runner has no terminal");
    assert!(report.stderr.tail.contains("/dev/tty"), "{report:?}");
}
