//! Nothing of a task is left when it is over, whatever it tries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use outpost_executor::{Executor, Outcome};
use outpost_shell::Shell;
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{HOSTILE, Stage, is_over, keepers, meanwhile, on_tokio, outcome, perform, report, until};

#[test]
fn cancelling_ends_every_kind_of_process() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(stage.work(&format!("{HOSTILE} wait; sleep 1000"))).await.expect("a start");
        meanwhile("all are there", || stage.has("all-there")).await;
        assert!(stage.processes().len() >= 7, "{:?}", stage.processes());
        shell.cancel(&handle).await;
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Cancelled);
        assert_eq!(stage.processes(), [""; 0]);
        // Too late, and again: both harmless, also to the keeper's next task.
        shell.cancel(&handle).await;
        shell.settle(&handle);
        shell.cancel(&handle).await;
        assert_eq!(perform(&shell, stage.work("exit 4")).await.outcome, Outcome::Exited(4));
    });
}

#[test]
fn a_timeout_ends_every_kind_of_process() {
    let stage = Stage::new();
    let mut work = stage.work(&format!("{HOSTILE} wait; sleep 1000"));
    work.timeout = Some(Duration::from_secs(4));
    assert_eq!(outcome(work), Outcome::TimedOut);
    assert_eq!(stage.processes(), [""; 0]);
}

#[test]
fn a_task_may_use_its_grace() {
    let stage = Stage::new();
    let mut work = stage.work("trap 'echo tidied; exit 0' TERM; touch ready; while :; do sleep 0.01; done");
    work.grace = Duration::from_secs(100);
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(work).await.expect("a start");
        meanwhile("it is there", || stage.has("ready")).await;
        shell.cancel(&handle).await;
        let report = shell.wait(&handle).await;
        // Half done is not done, whatever status it says.
        assert_eq!((report.outcome, report.stdout.tail.as_str()), (Outcome::Cancelled, "tidied\n"));
    });
}

#[test]
fn a_stopped_task_ends_too() {
    let stage = Stage::new();
    let mut work = stage.work("kill -STOP $$");
    work.timeout = Some(Duration::from_millis(200));
    assert_eq!(outcome(work), Outcome::TimedOut);
}

#[test]
fn what_outlives_its_program_is_ended_and_named() {
    let stage = Stage::new();
    let mut work = stage.work(&format!("{HOSTILE} echo done; exit 5"));
    work.leak_timeout = Duration::from_millis(100);
    let report = report(work);
    assert_eq!(report.outcome, Outcome::Exited(5));
    assert_eq!(report.stdout.tail, "done\n");
    let names: Vec<&str> = report.leaked.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "sleep").count(), 5, "{names:?}");
    assert!(names.contains(&"sh"), "{names:?}");
    assert_eq!(stage.processes(), [""; 0]);
}

#[test]
fn what_is_meant_to_stay_outlives_its_keeper_and_its_shell() {
    let stage = Stage::new();
    let (serving, others) = (Stage::new(), Stage::new());
    on_tokio(async {
        let shell = Shell::new(keepers());
        let mut work = serving.work("setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo served");
        work.stays = true;
        let report = perform(&shell, work).await;
        assert_eq!((report.outcome, report.leaked, &*report.stdout.tail), (Outcome::Exited(0), Vec::new(), "served\n"));
        meanwhile("it serves", || serving.processes().iter().any(|process| process.ends_with("sleep"))).await;
        // Neither what comes after it nor what is ended with its keeper is its matter.
        assert_eq!(perform(&shell, others.work("sleep 1000 & exit 4")).await.outcome, Outcome::Exited(4));
        assert_eq!(others.processes(), [""; 0]);
        let mut failing = stage.work("sleep 1000 & exit 5");
        failing.stays = true;
        failing.leak_timeout = Duration::from_millis(100);
        let report = perform(&shell, failing).await;
        assert_eq!((report.outcome, report.leaked.len()), (Outcome::Exited(5), 1), "what failed serves nobody");
        assert_eq!(stage.processes(), [""; 0]);
        shell.close().await;
    });
    let left = serving.processes();
    let [sleeping] = left.as_slice() else { panic!("{left:?}") };
    let pid = sleeping.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it is there");
    until("it is gone", || is_over(pid.as_raw_nonzero().get().unsigned_abs()));
}

#[test]
fn what_ends_by_itself_has_not_leaked() {
    let stage = Stage::new();
    let mut work = stage.work("(sleep 0.2; echo late) & echo early");
    work.leak_timeout = Duration::from_secs(600);
    let report = report(work);
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert_eq!(report.leaked, []);
    assert_eq!(report.stdout.tail, "early\nlate\n");
}

#[test]
fn what_comes_after_the_program_does_not_change_its_outcome() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let mut work = stage.work("sleep 1000 & touch ready; exit 6");
        work.leak_timeout = Duration::from_secs(600);
        let handle = shell.start(work).await.expect("a start");
        meanwhile("only the leak is there", || {
            stage.has("ready") && stage.processes().iter().all(|process| process.ends_with("sleep"))
        })
        .await;
        shell.cancel(&handle).await;
        let report = shell.wait(&handle).await;
        assert_eq!(report.outcome, Outcome::Exited(6));
        assert_eq!(report.leaked.len(), 1);
    });
}

#[test]
fn runaways_are_caught() {
    let stage = Stage::new();
    // Each starts the next and is gone: nobody who looks at a list of them has the right one.
    fs::write(stage.path("runaway"), "#!/bin/sh\n[ -e ready ] || touch ready\n./runaway &\n").expect("a script");
    fs::set_permissions(stage.path("runaway"), fs::Permissions::from_mode(0o755)).expect("a script");
    on_tokio(async {
        let shell = Shell::new(keepers());
        let mut work = stage.work("for i in 1 2 3 4 5 6; do ./runaway & done; wait; sleep 1000");
        work.grace = Duration::from_millis(50);
        let handle = shell.start(work).await.expect("a start");
        meanwhile("they run", || stage.has("ready")).await;
        shell.cancel(&handle).await;
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Cancelled);
        assert_eq!(stage.processes(), [""; 0]);
    });
}

#[test]
fn who_is_born_while_its_tree_is_killed_ends_too() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        // Without a program to load they are quicker than the one who looks for them.
        let mut work = stage.work("trap '' TERM; f() { f & }; for i in {1..24}; do f; done; touch ready; sleep 1000");
        work.grace = Duration::from_millis(1);
        let handle = shell.start(work).await.expect("a start");
        meanwhile("they run", || stage.has("ready")).await;
        shell.cancel(&handle).await;
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Cancelled);
        assert_eq!(stage.processes(), [""; 0]);
    });
}

#[test]
fn orphans_are_collected_while_the_task_runs() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let script = "for i in $(seq 50); do (sleep 0.01 &); done; touch ready; until [ -e go ]; do sleep 0.01; done";
        let handle = shell.start(stage.work(script)).await.expect("a start");
        let keeper = crate::stage::keeper_of(&handle);
        let children = || {
            fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).expect("a list").split(' ').count() - 1
        };
        meanwhile("only the task is left", || stage.has("ready") && children() == 1).await;
        stage.touch("go");
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Exited(0));
    });
}
