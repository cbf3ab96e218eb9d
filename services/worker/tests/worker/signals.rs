//! Workers that go, die, or were away for too long.

use std::fs;

use outpost_core::job::{Code, Status};
use outpost_core::record::Counter;
use outpost_core::tenant::Tier;
use rustix::process::Signal;

use crate::bench::{World, shell};

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_told_to_go_hands_back_what_runs() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let first = world.worker().start(&world.path("said"));
    let line = "echo attempt $OUTPOST_ATTEMPT; [ $OUTPOST_ATTEMPT = 2 ] || sleep 74747";
    let id = world.submit(&caller, shell(line)).await;
    world.until(&caller, &id, |job| job.status == Status::Running).await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await, Some(0));
    let back = world.until(&caller, &id, |job| job.status != Status::Running).await;
    // It was no loss, and its ticket is fresh.
    assert_eq!((back.losses, back.returns, back.status), (0, 1, Status::Queued));
    assert_eq!(world.left(), Vec::<std::path::PathBuf>::new());
    let ticket = world.embedded.ports.queue.receive(Tier::Pro, std::time::Duration::ZERO, std::time::Duration::ZERO);
    assert_eq!(ticket.await.expect("a queue").expect("a ticket").receives, 1);
    let _second = world.worker().start(&world.path("said"));
    let (job, _) = world.ended(&caller, &id).await;
    assert_eq!((job.status, job.epoch), (Status::Succeeded, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_loses_its_job_to_another_and_leaves_nothing() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let first = world.worker().start(&world.path("said"));
    let line = "echo attempt $OUTPOST_ATTEMPT; [ $OUTPOST_ATTEMPT = 2 ] || sleep 75757";
    let id = world.submit(&caller, shell(line)).await;
    world.until(&caller, &id, |job| job.status == Status::Running).await;
    first.kill();
    let second = world.worker().start(&world.path("said"));
    let (job, _) = world.ended(&caller, &id).await;
    assert_eq!((job.status, job.epoch, job.losses), (Status::Succeeded, 2, 1));
    assert_eq!(world.charges(&caller).await, 1);
    second.signal(Signal::TERM);
    assert_eq!(second.ended().await, Some(0));
    // What the dead one left was not wiped while its keeper lived; whoever starts next finds it.
    let third = world.worker().start(&world.path("said"));
    third.signal(Signal::TERM);
    third.ended().await;
    assert_eq!(world.left(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_away_for_too_long_writes_nothing() {
    let world = World::with_lease("1").await;
    let caller = world.tenant(Tier::Pro).await;
    let go = world.path("go");
    let line = format!(
        "echo attempt $OUTPOST_ATTEMPT; [ $OUTPOST_ATTEMPT = 1 ] || exit 0; while [ ! -e {} ]; do sleep 0.05; done; exit 5",
        go.display()
    );
    let away = world.worker().args(["--sandbox", "off"]).start(&world.path("said-by-the-first"));
    let id = world.submit(&caller, shell(&line)).await;
    world.until(&caller, &id, |job| job.status == Status::Running).await;
    away.signal(Signal::STOP);
    let _other = world.worker().args(["--sandbox", "off"]).start(&world.path("said"));
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!((job.status, job.epoch), (Status::Succeeded, 2));
    // The first one's command ends while its worker is away; what it brings is too late.
    fs::write(&go, "").expect("room");
    away.signal(Signal::CONT);
    away.signal(Signal::TERM);
    assert_eq!(away.ended().await, Some(0));
    let now = world.desk.job(&caller, &id).await.expect("a job");
    assert_eq!((now.status, now.epoch, now.outcome), (job.status, job.epoch, Some(outcome)));
    let said = fs::read_to_string(world.path("said-by-the-first")).expect("a log");
    assert!(said.contains("its lease was lost") || said.contains("its end was refused"), "{said}");
    assert_eq!(world.desk.ports().store.count(caller.id(), Counter::Active).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_that_takes_workers_down_is_ended_after_three() {
    let world = World::with_lease("1").await;
    let caller = world.tenant(Tier::Pro).await;
    // It kills the keeper: how it ended is nobody's to say, three times.
    let id = world.submit(&caller, shell("kill -9 $PPID; sleep 76767")).await;
    let _worker = world.worker().args(["--sandbox", "off", "--reap", "0.5"]).start(&world.path("said"));
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!((job.status, outcome.code), (Status::Failed, Some(Code::WorkerLost)), "{outcome:?}");
    assert_eq!((job.epoch, job.losses), (3, 3));
    assert_eq!(world.desk.ports().store.count(caller.id(), Counter::Active).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_told_twice_goes_at_once_and_nothing_of_its_job_stays() {
    let world = World::with_lease("1").await;
    let caller = world.tenant(Tier::Pro).await;
    let first = world.worker().args(["--grace", "5"]).start(&world.path("said"));
    let line = "[ $OUTPOST_ATTEMPT = 1 ] || exit 0; trap '' TERM; echo deaf; sleep 77717; sleep 77717";
    let id = world.submit(&caller, shell(line)).await;
    while !world.log(&caller, &id).await.iter().any(|line| line.text == "deaf") {
        tokio::task::yield_now().await;
    }
    first.signal(Signal::TERM);
    world.said("told to go").await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await, Some(143));
    let _second = world.worker().start(&world.path("said"));
    let (job, _) = world.ended(&caller, &id).await;
    assert_eq!((job.status, job.losses), (Status::Succeeded, 1));
}

#[test]
fn the_page_names_no_option_that_the_program_lacks() {
    let page = include_str!("../../../../docs/WORKER.md");
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_outpost-worker")).arg("--help").output().expect("a help");
    let help = String::from_utf8_lossy(&help.stdout);
    let named = page.split('`').filter_map(|code| code.strip_prefix("--"));
    let named: Vec<&str> = named.filter_map(|code| code.split([' ', '=']).next()).collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(help.contains(&format!("--{name} ")) || help.contains(&format!("--{name}\n")), "--{name}");
    }
}
