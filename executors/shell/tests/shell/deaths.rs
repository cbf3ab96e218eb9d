//! Runner, keeper or both are killed with -9: nothing runs on, locks hold until then, and the end is known where it
//! can be.

use std::process::Command;

use outpost_executor::{Executor, Outcome, Report, Standing};
use outpost_shell::Shell;
use rustix::process::Signal;

use crate::stage::{
    HOSTILE, PROBE, Runner, Stage, is_over, keeper_of, keepers, logged, meanwhile, on_tokio, signal, trace, until,
};

fn ended(standing: Standing) -> Report {
    match standing {
        Standing::Ended(report) => *report,
        other => panic!("it is {other:?}"),
    }
}

#[test]
fn a_killed_runner_takes_everything_with_it_and_the_lock_last() {
    let stage = Stage::new();
    let (lock, held) = (stage.path("lock").display().to_string(), stage.path("held").display().to_string());
    let mut runner =
        stage.runner(&["--lock", &lock, "--held", &held], &format!("echo begun; {HOSTILE} wait; sleep 1000"));
    let handle = runner.handle();
    until("all are there", || stage.has("all-there"));
    assert!(stage.is_locked("lock") && stage.is_locked("held"));
    runner.kill();
    until("the lock is free", || !stage.is_locked("lock"));
    assert_eq!(stage.processes(), [""; 0]);
    let (log, token) = (stage.path("log"), stage.token());
    assert!(stage.has("log.exit"), "the record came before the lock went");
    on_tokio(async {
        let shell = Shell::new(keepers());
        let report = ended(shell.reattach(trace(&token, &log, Some(&handle))).await);
        assert_eq!((report.outcome, report.stdout.tail.as_str()), (Outcome::Interrupted, "begun\n"));
        // Where the runner died before it noted the handle.
        let report = ended(shell.reattach(trace(&token, &log, None)).await);
        assert_eq!(report.outcome, Outcome::Interrupted);
    });
    assert_eq!(logged(&log).len(), 1);
    until("the keeper has let go of the run", || !stage.is_locked("held"));
}

#[test]
fn an_end_that_is_not_in_the_journal_yet_outlives_the_runner() {
    let stage = Stage::new();
    let mut runner = stage.runner(&["--dawdle"], "exit 3");
    let handle = runner.handle();
    assert_eq!(runner.report().outcome, Outcome::Exited(3));
    runner.kill();
    until("the keeper is gone", || is_over(keeper_of(&handle)));
    on_tokio(async {
        let standing = Shell::new(keepers()).reattach(trace(&stage.token(), &stage.path("log"), Some(&handle))).await;
        assert_eq!(ended(standing).outcome, Outcome::Exited(3));
    });
}

#[test]
fn an_adopted_task_goes_on_and_is_found_again() {
    let stage = Stage::new();
    let lock = stage.path("lock").display().to_string();
    let script = "echo begun; touch ready; until [ -e go ]; do sleep 0.01; done; echo done; exit 4";
    let mut runner = stage.runner(&["--adopt", "--lock", &lock], script);
    let handle = runner.handle();
    until("it is there", || stage.has("ready"));
    runner.kill();
    let (log, token) = (stage.path("log"), stage.token());
    on_tokio(async {
        let shell = Shell::new(keepers());
        for known in [Some(&handle), None] {
            let Standing::Running(found) = shell.reattach(trace(&token, &log, known)).await else {
                panic!("it is not found by {known:?}");
            };
            assert_eq!(keeper_of(&found), keeper_of(&handle));
        }
        assert!(stage.is_locked("lock"));
        stage.touch("go");
        let report = shell.wait(&handle).await;
        assert_eq!((report.outcome, report.stdout.tail.as_str()), (Outcome::Exited(4), "begun\ndone\n"));
        assert_eq!(ended(shell.reattach(trace(&token, &log, Some(&handle))).await).outcome, Outcome::Exited(4));
    });
    until("the lock is free", || !stage.is_locked("lock"));
}

#[test]
fn an_adopted_task_can_be_cancelled() {
    let stage = Stage::new();
    let mut runner = stage.runner(&["--adopt"], &format!("{HOSTILE} wait; sleep 1000"));
    let handle = runner.handle();
    until("all are there", || stage.has("all-there"));
    runner.kill();
    on_tokio(async {
        let shell = Shell::new(keepers());
        shell.cancel(&handle).await;
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Cancelled);
    });
    assert_eq!(stage.processes(), [""; 0]);
}

#[test]
fn a_runner_ends_what_a_killed_keeper_leaves() {
    let stage = Stage::new();
    let lock = stage.path("lock").display().to_string();
    let mut runner = stage.runner(&["--subreaper", "--lock", &lock], &format!("{HOSTILE} wait; sleep 1000"));
    let keeper = keeper_of(&runner.handle());
    until("all are there", || stage.has("all-there"));
    signal(keeper, Signal::KILL);
    let report = runner.report();
    assert!(
        matches!(&report.outcome, Outcome::Lost(why) if why.contains(&keeper.to_string()) && why.contains("signal: 9")),
        "{report:?}"
    );
    assert_eq!(stage.processes(), [""; 0]);
    runner.child.wait().expect("its end");
    assert!(!stage.is_locked("lock"));
}

#[test]
fn a_runner_without_a_keeper_ends_its_tasks_by_their_token() {
    let stage = Stage::new();
    // Not the one to whom orphans go: only the token in their environment tells them.
    let mut runner = stage.runner(&[], "(setsid sleep 1000 &); touch ready; sleep 1000");
    let keeper = keeper_of(&runner.handle());
    until("it is there", || stage.has("ready"));
    signal(keeper, Signal::KILL);
    assert!(matches!(runner.report().outcome, Outcome::Lost(_)));
    until("they are gone", || stage.processes().is_empty());
}

#[test]
fn when_both_are_killed_the_lock_holds_and_a_resume_ends_the_rest() {
    let stage = Stage::new();
    let lock = stage.path("lock").display().to_string();
    let mut runner = stage.runner(&["--lock", &lock], "(setsid sleep 1000 &); touch ready; sleep 1000");
    let handle = runner.handle();
    until("it is there", || stage.has("ready"));
    // So that the runner cannot do anything about it.
    signal(runner.child.id(), Signal::STOP);
    signal(keeper_of(&handle), Signal::KILL);
    until("the keeper is dead", || is_over(keeper_of(&handle)));
    runner.kill();
    assert!(stage.processes().len() >= 2, "{:?}", stage.processes());
    assert!(stage.is_locked("lock"), "they hold it themselves");
    on_tokio(async {
        let shell = Shell::new(keepers());
        let standing = shell.reattach(trace(&stage.token(), &stage.path("log"), Some(&handle))).await;
        assert_eq!(standing, Standing::Unknown);
    });
    assert_eq!(stage.processes(), [""; 0]);
    assert!(!stage.is_locked("lock"));
}

#[test]
fn a_resume_that_waits_for_a_keeper_that_is_killed_ends_the_rest() {
    let stage = Stage::new();
    let mut runner = stage.runner(&["--adopt"], "(setsid sleep 1000 &); touch ready; sleep 1000");
    let handle = runner.handle();
    until("it is there", || stage.has("ready"));
    runner.kill();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let standing = shell.reattach(trace(&stage.token(), &stage.path("log"), Some(&handle))).await;
        assert!(matches!(standing, Standing::Running(_)), "{standing:?}");
        signal(keeper_of(&handle), Signal::KILL);
        assert!(matches!(shell.wait(&handle).await.outcome, Outcome::Lost(_)));
    });
    assert_eq!(stage.processes(), [""; 0]);
}

#[test]
fn dropping_a_shell_is_like_the_death_of_the_runner() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let work = stage.work(&format!("{HOSTILE} wait; sleep 1000"));
        let (token, log) = (work.token.clone(), work.log.clone());
        let handle = shell.start(work).await.expect("a start");
        meanwhile("all are there", || stage.has("all-there")).await;
        drop(shell);
        let next = Shell::new(keepers());
        assert!(matches!(next.reattach(trace(&token, &log, Some(&handle))).await, Standing::Running(_)));
        assert_eq!(next.wait(&handle).await.outcome, Outcome::Interrupted);
        assert_eq!(stage.processes(), [""; 0]);
    });
}

#[test]
fn a_hundred_runners_are_killed_at_any_time() {
    for round in 0..100_u64 {
        let stage = Stage::new();
        let lock = stage.path("lock").display().to_string();
        let mut command = Command::new(PROBE);
        command.args(["run", "--grace-ms", "50", "--lock", &lock, "--log"]).arg(stage.path("log"));
        command.args(["--", "bash", "-c"]);
        command.arg(format!("cd '{}'; touch begun; (setsid sleep 1000 &); sleep 1000", stage.path("").display()));
        let mut runner = Runner::new(command);
        until("the lock is taken", || stage.is_locked("lock"));
        std::thread::sleep(std::time::Duration::from_micros(round * 150));
        runner.kill();
        until("the lock is free", || !stage.is_locked("lock"));
        assert_eq!(stage.processes(), [""; 0], "round {round}");
        assert!(!stage.has("begun") || stage.has("log.exit"), "round {round}: it ran and nobody knows");
    }
}
