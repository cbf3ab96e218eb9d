//! Keepers are few, used again, and replaced when they are gone.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::process::Command;
use std::time::Duration;

use outpost_executor::{Executor, Outcome};
use outpost_shell::{Keepers, Shell};
use rustix::process::Signal;

use crate::stage::{PROBE, Stage, is_over, keeper_of, keepers, meanwhile, on_tokio, perform, signal, status};

/// Runs so many tasks in so many lanes; the keepers that took part.
async fn crowd(stage: &Stage, tasks: u32, lanes: u32) -> BTreeSet<u32> {
    let shell = Shell::new(keepers());
    let seen = RefCell::new(BTreeSet::new());
    let left = RefCell::new(tasks);
    let lane = async || {
        while *left.borrow() > 0 {
            *left.borrow_mut() -= 1;
            let handle = shell.start(stage.work("true")).await.expect("a start");
            seen.borrow_mut().insert(keeper_of(&handle));
            assert_eq!(shell.wait(&handle).await.outcome, Outcome::Exited(0));
            shell.settle(&handle);
        }
    };
    let mut lanes: Vec<_> = (0..lanes).map(|_| Box::pin(lane())).collect();
    std::future::poll_fn(|context| {
        lanes.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
        if lanes.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    drop(lanes);
    seen.into_inner()
}

#[test]
fn two_hundred_tasks_need_a_handful_of_keepers() {
    let stage = Stage::new();
    let used = on_tokio(crowd(&stage, 200, 4));
    assert_eq!(used.len(), 4);
}

#[test]
fn five_hundred_tasks_at_sixty_four() {
    let stage = Stage::new();
    let used = on_tokio(crowd(&stage, 500, 64));
    assert!(used.len() <= 64, "{} keepers", used.len());
}

#[test]
fn keepers_go_with_their_shell_and_leave_no_records() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(stage.work("true")).await.expect("a start");
        let keeper = keeper_of(&handle);
        shell.wait(&handle).await;
        shell.settle(&handle);
        assert_eq!(status(keeper, "Name").as_deref(), Some("outpost-keeper"));
        drop(shell);
        meanwhile("the keeper is gone", || is_over(keeper)).await;
    });
    assert!(!stage.has("logs"), "there was no output and the end was settled");
}

#[test]
fn closing_waits_until_nothing_is_held_any_more() {
    let stage = Stage::new();
    on_tokio(async {
        for _ in 0..20 {
            let held = File::options().create(true).append(true).open(stage.path("run")).expect("a lock file");
            held.try_lock().expect("the last shell has let go of it");
            let shell = Shell::new(Keepers { held: vec![held.into()], ..keepers() });
            assert_eq!(perform(&shell, stage.work("true")).await.outcome, Outcome::Exited(0));
            let mut work = stage.work("touch ready; sleep 1000");
            work.grace = Duration::from_millis(10);
            shell.start(work).await.expect("a start");
            meanwhile("it runs", || stage.has("ready")).await;
            shell.close().await;
            assert_eq!(stage.processes(), [""; 0]);
        }
    });
}

#[test]
fn a_keeper_that_died_while_idle_is_replaced() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let handle = shell.start(stage.work("true")).await.expect("a start");
        shell.wait(&handle).await;
        shell.settle(&handle);
        let keeper = keeper_of(&handle);
        signal(keeper, Signal::KILL);
        meanwhile("the keeper is dead", || is_over(keeper)).await;
        assert_eq!(perform(&shell, stage.work("true")).await.outcome, Outcome::Exited(0));
    });
}

#[test]
fn a_task_stopped_with_its_keeper_is_not_late() {
    let stage = Stage::new();
    on_tokio(async {
        let shell = Shell::new(keepers());
        let mut work = stage.work("echo $$ > pid; until [ -e go ]; do sleep 0.01; done");
        work.timeout = Some(Duration::from_secs(20));
        let handle = shell.start(work).await.expect("a start");
        let written = || std::fs::read_to_string(stage.path("pid")).is_ok_and(|text| text.ends_with('\n'));
        meanwhile("the task is there", written).await;
        let task: u32 = stage.text("pid").trim().parse().expect("a pid");
        let keeper = keeper_of(&handle);
        signal(keeper, Signal::STOP);
        stage.touch("go");
        meanwhile("the task is over", || is_over(task)).await;
        // Past its time before anybody looks.
        tokio::time::sleep(Duration::from_secs(21)).await;
        signal(keeper, Signal::CONT);
        assert_eq!(shell.wait(&handle).await.outcome, Outcome::Exited(0));
    });
}

#[test]
fn a_runner_short_of_descriptors_waits() {
    let stage = Stage::new();
    let script = format!("ulimit -n 24; exec '{PROBE}' bench 150 32 '{}'", stage.path("bench").display());
    let output = Command::new("bash").args(["-c", &script]).output().expect("the probe");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("failed=0"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
