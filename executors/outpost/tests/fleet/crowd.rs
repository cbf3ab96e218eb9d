//! More work than room, connections that break, workers that are killed: each piece of work has one end.

use std::fs;
use std::time::Duration;

use outpost_executor::{Executor as _, NotStarted, Outcome, Standing, Trace, Work};
use outpost_fleet::{Fleet, Key, Settings};

use crate::Test;
use crate::stage::{Stage, on_tokio, perform};

pub(crate) const TESTS: &[Test] = &[
    ("what_has_no_room_waits_and_is_not_lost", what_has_no_room_waits_and_is_not_lost),
    ("patience_ends_and_nothing_was_started", patience_ends_and_nothing_was_started),
    ("what_waits_for_room_can_be_cancelled", what_waits_for_room_can_be_cancelled),
    ("a_lost_worker_is_no_failure", a_lost_worker_is_no_failure),
    ("cut_connections_change_nothing", cut_connections_change_nothing),
    ("what_nobody_noted_is_found_once_the_service_answers", what_nobody_noted_is_found_once_the_service_answers),
    ("a_key_that_opens_nothing_is_told", a_key_that_opens_nothing_is_told),
    ("secrets_and_limits_are_refused", secrets_and_limits_are_refused),
];

fn what_has_no_room_waits_and_is_not_lost() {
    on_tokio(async {
        let stage = Stage::with(|overrides| overrides.active = Some(2)).await;
        let fleet = stage.fleet();
        let logs: Vec<_> = (0..8).map(|number| stage.work("", stage.token(&format!("T{number}"))).log).collect();
        let handles = {
            let mut handles = Vec::new();
            for number in 0..8 {
                let work = stage.work("echo x >> effects", stage.token(&format!("T{number}")));
                handles.push(fleet.start(work).await.expect("a start"));
            }
            handles
        };
        let unsent = handles.iter().filter(|handle| handle.0.contains(r#""job":null"#)).count();
        assert_eq!(unsent, 6, "{handles:?}");
        // All at once: each asks again while the others are done. Nobody does anything before all have asked again.
        let waits = join(handles.iter().map(|handle| fleet.wait(handle)).collect());
        let told = || logs.iter().filter(|log| fs::metadata(log).is_ok_and(|log| log.len() > 0)).count();
        let worker = async {
            while told() < unsent {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stage.worker()
        };
        let (reports, _worker) = tokio::join!(waits, worker);
        assert!(reports.iter().all(|report| report.outcome == Outcome::Exited(0)), "{reports:?}");
        let told = reports.iter().filter(|report| report.log.bytes > 0).count();
        assert_eq!(told, unsent, "the log says why it took its time: {reports:?}");
        assert_eq!(fs::read_to_string(stage.place.join("effects")).expect("effects"), "x\n".repeat(8));
    });
}

async fn join<T>(mut pending: Vec<impl Future<Output = T> + Unpin>) -> Vec<T> {
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (pending, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(pending).poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn patience_ends_and_nothing_was_started() {
    on_tokio(async {
        // No worker: what is there stays.
        let stage = Stage::with(|overrides| overrides.active = Some(1)).await;
        let fleet = stage.fleet_with(Settings { patience: 1, ..stage.settings() });
        fleet.start(stage.work("true", stage.token("T1"))).await.expect("a start");
        let report = perform(&fleet, stage.work("true", stage.token("T2"))).await;
        assert!(
            matches!(&report.outcome, Outcome::NotStarted(NotStarted::Other(why)) if why.contains("patience")),
            "{report:?}"
        );
    });
}

fn what_waits_for_room_can_be_cancelled() {
    on_tokio(async {
        let stage = Stage::with(|overrides| overrides.active = Some(1)).await;
        let fleet = stage.fleet();
        let first = fleet.start(stage.work("true", stage.token("T1"))).await.expect("a start");
        let second = fleet.start(stage.work("true", stage.token("T2"))).await.expect("a start");
        for handle in [&second, &first] {
            let (report, ()) = tokio::join!(fleet.wait(handle), fleet.cancel(handle));
            assert_eq!(report.outcome, Outcome::NotStarted(NotStarted::Cancelled));
        }
    });
}

fn a_lost_worker_is_no_failure() {
    on_tokio(async {
        let stage = Stage::new().await;
        let mut doomed = stage.worker();
        let fleet = stage.fleet();
        // The first attempt never ends by itself.
        let script =
            "echo from $OUTPOST_ATTEMPT; touch at-$OUTPOST_ATTEMPT; [ $OUTPOST_ATTEMPT = 2 ] || sleep 1000; exit 3";
        let handle = fleet.start(stage.work(script, stage.token("T1"))).await.expect("a start");
        let seen = async {
            while !stage.place.join("at-1").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            doomed.kill();
            stage.worker()
        };
        let (report, _other) = tokio::join!(fleet.wait(&handle), seen);
        assert_eq!(report.outcome, Outcome::Exited(3), "{report:?}");
        assert_eq!(report.stdout.tail, "from 2\n", "what counts is the attempt that ended it");
        assert!(stage.place.join("at-2").exists());
    });
}

fn cut_connections_change_nothing() {
    on_tokio(async {
        let stage = Stage::new().await;
        let _worker = stage.worker();
        let fleet = stage.fleet();
        let script = "echo x >> effects; for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.1; done; exit 4";
        let cuts = async {
            loop {
                stage.proxy.cut();
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        };
        let report = tokio::select! {
            report = perform(&fleet, stage.work(script, stage.token("T1"))) => report,
            () = cuts => unreachable!("it goes on for ever"),
        };
        assert_eq!(report.outcome, Outcome::Exited(4), "{report:?}");
        let lines: String = (1..=10).map(|number| format!("line {number}\n")).collect();
        assert_eq!(report.stdout.tail, lines, "each line once");
        assert_eq!(fs::read_to_string(stage.place.join("effects")).expect("effects"), "x\n");
    });
}

fn what_nobody_noted_is_found_once_the_service_answers() {
    on_tokio(async {
        // No worker: what is there stays.
        let stage = Stage::new().await;
        let [taken, never] = ["T1", "T2"].map(|task| stage.work("true", stage.token(task)));
        let (log, never_log) = (taken.log.clone(), never.log);
        stage.fleet().start(taken).await.expect("a start");
        stage.proxy.set_up(false);
        let back = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stage.proxy.set_up(true);
        };
        // Of both nothing is known here, and at first the service cannot be asked.
        let fleet = stage.fleet();
        let (token, never_token) = (stage.token("T1"), stage.token("T2"));
        let standing = fleet.reattach(Trace { token: &token, log: &log, handle: None });
        let never = fleet.reattach(Trace { token: &never_token, log: &never_log, handle: None });
        let (standing, never, ()) = tokio::join!(standing, never, back);
        assert!(matches!(&standing, Standing::Running(handle) if !handle.0.contains(r#""job":null"#)), "{standing:?}");
        let outcome = Outcome::NotStarted(NotStarted::Cancelled);
        assert!(matches!(&never, Standing::Ended(report) if report.outcome == outcome), "{never:?}");
    });
}

fn a_key_that_opens_nothing_is_told() {
    on_tokio(async {
        let stage = Stage::new().await;
        let fleet = Fleet::new(stage.settings(), Key::new("op_test_wrong-and-secret")).expect("a client");
        let refused = fleet.start(stage.work("true", stage.token("T1"))).await.expect_err("a refusal");
        let told = format!("{refused} {refused:?} {fleet:?}");
        assert!(told.contains("invalid_api_key") && !told.contains("wrong-and-secret"), "{told}");
    });
}

fn secrets_and_limits_are_refused() {
    on_tokio(async {
        let stage = Stage::new().await;
        let fleet = stage.fleet();
        let mut work: Work = stage.work("echo correct-horse-battery", stage.token("T1"));
        work.secrets = outpost_executor::Secrets::new([("KEY".to_owned(), b"correct-horse-battery".to_vec())]);
        assert!(matches!(fleet.start(work).await, Err(NotStarted::Refused(why)) if why.contains("send_secrets")));
        let mut work = stage.work("true", stage.token("T2"));
        work.limits = vec![outpost_executor::Limit { resource: outpost_executor::Resource::Core, most: 0 }];
        assert!(matches!(fleet.start(work).await, Err(NotStarted::Refused(why)) if why.contains("limits")));
    });
}
