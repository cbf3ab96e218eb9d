//! Work ends in ways that nobody asked it to: nothing of it is left, and how it was is told.

use std::fs;
use std::time::Duration;

use outpost_executor::{Executor as _, NotStarted, Outcome};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Stage, on_tokio};

/// A daemon that left its group, and a shell that goes on.
const STAYING: &str = "(setsid sh -c 'touch daemon; exec sleep 1000' &); until [ -e daemon ]; do sleep 0.01; done; touch ready; sleep 1000";

fn processes(stage: &Stage) -> Vec<u32> {
    let place = stage.place().canonicalize().expect("a folder");
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == place)).collect()
}

/// Work that is ended while all of it runs leaves nothing, with a cgroup and without.
fn end_while_it_runs(end: impl Fn(&Stage), judge: impl Fn(&Stage, Outcome)) {
    for contain in [true, false] {
        let mut stage = Stage::new();
        stage.settings.contain = contain;
        on_tokio(async {
            let ssm = stage.ssm();
            let handle = ssm.start(stage.work(STAYING)).await.expect("a start");
            stage.until("it is there", || stage.has("ready")).await;
            assert!(processes(&stage).len() > 1);
            end(&stage);
            judge(&stage, ssm.wait(&handle).await.outcome);
            assert_eq!(processes(&stage), [0; 0], "contain {contain}");
        });
    }
}

#[test]
fn who_cancels_it_at_the_console_ends_all_of_it() {
    end_while_it_runs(
        |stage| stage.cloud.cancel(&stage.cloud.commands()[0]),
        |_, outcome| assert_eq!(outcome, Outcome::Cancelled),
    );
}

#[test]
fn a_cancel_before_it_is_brought_keeps_it_from_starting() {
    let stage = Stage::new();
    on_tokio(async {
        let ssm = stage.ssm();
        stage.cloud.fault("SendCommand", &[crate::cloud::Fault::Offline]);
        let handle = ssm.start(stage.work("touch ran")).await.expect("a start");
        ssm.cancel(&handle).await;
        assert_eq!(ssm.wait(&handle).await.outcome, Outcome::NotStarted(NotStarted::Cancelled));
    });
    assert!(!stage.has("ran"));
}

#[test]
fn a_cancel_that_aws_does_not_take_is_asked_for_until_it_does() {
    use crate::cloud::Fault;
    let stage = Stage::new();
    on_tokio(async {
        let ssm = stage.ssm();
        let handle = ssm.start(stage.work(STAYING)).await.expect("a start");
        stage.until("it is there", || stage.has("ready")).await;
        stage.cloud.fault("CancelCommand", &[Fault::Fail]);
        stage.cloud.fault("SendCommand", &[Fault::Fail, Fault::Throttle, Fault::LoseAnswer]);
        ssm.cancel(&handle).await;
        assert_eq!(ssm.wait(&handle).await.outcome, Outcome::Cancelled);
        assert_eq!(processes(&stage), [0; 0]);
    });
}

#[test]
fn a_keeper_that_is_killed_leaves_nothing_and_says_that_nobody_knows() {
    let kill = |stage: &Stage| {
        let keeper = fs::read_to_string(stage.kept()[0].join("keeper")).expect("a keeper");
        let pid = keeper.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a number");
        kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("it is there");
    };
    end_while_it_runs(kill, |stage, outcome| {
        assert!(matches!(&outcome, Outcome::Lost(why) if why.contains("i-00000001")), "{outcome:?}");
        assert!(!stage.kept()[0].join("order").exists(), "it holds the environment");
    });
}

#[test]
fn without_cgroups_the_whole_tree_ends_too() {
    let mut stage = Stage::new();
    stage.settings.contain = false;
    let mut work = stage.work(STAYING);
    work.timeout = Some(Duration::from_secs(2));
    assert_eq!(stage.report(work).outcome, Outcome::TimedOut);
    assert!(stage.has("ready"));
    assert_eq!(processes(&stage), [0; 0]);
}

#[test]
fn a_state_folder_that_is_somebody_elses_is_not_used() {
    let stage = Stage::new();
    // A link, which somebody may have put there to have it written elsewhere.
    let state = std::path::Path::new(&stage.settings.state_directory);
    fs::create_dir(state).expect("a folder");
    fs::create_dir(stage.path("elsewhere")).expect("a folder");
    std::os::unix::fs::symlink(stage.path("elsewhere"), state.join("i-00000001")).expect("a link");
    let outcome = stage.report(stage.work("touch ran")).outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::Refused(why)) if why.contains("state_directory")),
        "{outcome:?}"
    );
    assert!(!stage.has("ran") && fs::read_dir(stage.path("elsewhere")).expect("a folder").next().is_none());
}
