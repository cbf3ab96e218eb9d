//! Every status and every change of a job: what follows, written down as a table, and held against the rules.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use outpost_core::id::{JobId, TenantId, WorkerId};
use outpost_core::job::{Code, Job, LOSSES, Lease, Outcome, Refusal, Status, Verdict};
use outpost_core::moment::Moment;
use outpost_core::tenant::Tier;
use serde_json::json;

const LEASE: Duration = Duration::from_secs(120);

fn at(seconds: i64) -> Moment {
    Moment::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn worker(number: u8) -> WorkerId {
    WorkerId::new(at(0), &[number; 10])
}

/// A job in a status, as it gets there: what runs is held by worker 1 in epoch 1 until second 120.
fn job(status: Status) -> Job {
    let held = matches!(status, Status::Running | Status::Cancelling);
    Job {
        id: JobId::new(at(0), &[1; 10]),
        tenant: TenantId::new(at(0), &[2; 10]),
        lane: Tier::Pro,
        spec: serde_json::from_value(json!({"agent": "claude", "task": "x", "timeout_seconds": 1})).expect("a spec"),
        status,
        created_at: at(0),
        queued_at: None,
        started_at: None,
        completed_at: status.is_final().then(|| at(1)),
        key_shown: String::new(),
        request_id: String::new(),
        traceparent: None,
        epoch: u32::from(held || status.is_final()),
        lease: held.then(|| Lease { worker: worker(1), until: at(120) }),
        losses: 0,
        returns: 0,
        outcome: status.is_final().then(|| Outcome::of(Verdict::Failed, Code::Internal, "as it was")),
        version: 3,
    }
}

fn word(answer: Result<Job, Refusal>) -> String {
    match answer {
        Ok(job) => job.status.as_str().to_owned(),
        Err(Refusal::Final) => "final".to_owned(),
        Err(Refusal::Held(_)) => "held".to_owned(),
        Err(Refusal::Fenced) => "fenced".to_owned(),
    }
}

fn done() -> Outcome {
    Outcome { code: None, ..Outcome::of(Verdict::Succeeded, Code::Internal, "done") }
}

/// One line for each status; one word for each change, in the order of `changes`.
const TABLE: &str = "
status      enqueue    claim      claim-late cancel     renew      finish     hand-back  other      old-epoch  lost
pending     queued     running    running    cancelled  fenced     fenced     fenced     fenced     fenced     pending
queued      queued     running    running    cancelled  fenced     fenced     fenced     fenced     fenced     pending
running     running    held       running    cancelling running    succeeded  pending    fenced     fenced     pending
cancelling  cancelling held       cancelled  cancelling cancelling succeeded  cancelled  fenced     fenced     cancelled
succeeded   succeeded  final      final      final      final      final      final      final      final      -
failed      failed     final      final      final      final      final      final      final      final      -
timed_out   timed_out  final      final      final      final      final      final      final      final      -
cancelled   cancelled  final      final      final      final      final      final      final      final      -
";

fn changes(job: &Job) -> Vec<String> {
    let (one, two) = (worker(1), worker(2));
    let renewed = |answer: Result<(Job, _), Refusal>| word(answer.map(|(job, _)| job));
    vec![
        word(Ok(job.clone().enqueued(at(60)))),
        word(job.clone().claim(&two, at(119), LEASE)),
        word(job.clone().claim(&two, at(120), LEASE)),
        word(job.clone().cancel(at(60))),
        renewed(job.clone().renew(&one, 1, at(60), LEASE)),
        word(job.clone().finish(&one, 1, done(), at(60))),
        word(job.clone().hand_back(&one, 1, at(60))),
        word(job.clone().finish(&two, 1, done(), at(60))),
        word(job.clone().finish(&one, 0, done(), at(60))),
        if job.status.is_final() { "-".to_owned() } else { word(Ok(job.clone().lost(at(200)))) },
    ]
}

#[test]
fn every_change_of_every_status_is_as_written() {
    let lines: Vec<Vec<&str>> = TABLE.trim().lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), Status::ALL.len());
    for (line, status) in lines.iter().zip(Status::ALL) {
        assert_eq!(line[0], status.as_str());
        assert_eq!(changes(&job(status)), line[1..], "{}", line[0]);
    }
}

#[test]
fn a_claim_raises_the_epoch_and_counts_who_was_lost() {
    let mut job = job(Status::Queued);
    for round in 1..LOSSES {
        job = job.claim(&worker(1), at(i64::from(round) * 200), LEASE).expect("a claim");
        assert_eq!((job.epoch, job.losses, job.status), (round, round - 1, Status::Running));
    }
    job = job.claim(&worker(1), at(1000), LEASE).expect("a claim");
    assert_eq!((job.epoch, job.losses), (LOSSES, LOSSES - 1));
    // The next one would be the fourth: it ends instead, and nobody holds it.
    let ended = job.claim(&worker(1), at(2000), LEASE).expect("an end");
    assert_eq!((ended.epoch, ended.losses, ended.status, &ended.lease), (LOSSES, LOSSES, Status::Failed, &None));
    assert_eq!(ended.outcome.and_then(|end| end.code), Some(Code::WorkerLost));
}

#[test]
fn what_ends_has_an_end_and_no_holder() {
    for status in Status::ALL {
        let job = job(status);
        for ended in [
            job.clone().cancel(at(60)),
            job.clone().finish(&worker(1), 1, done(), at(60)),
            job.clone().hand_back(&worker(1), 1, at(60)),
            job.clone().claim(&worker(2), at(300), LEASE),
        ]
        .into_iter()
        .flatten()
        {
            let ends = ended.status.is_final();
            assert_eq!((ended.outcome.is_some(), ended.completed_at.is_some()), (ends, ends), "{ended:?}");
            assert_eq!(
                ended.lease.is_some(),
                matches!(ended.status, Status::Running | Status::Cancelling),
                "{ended:?}"
            );
            assert_eq!(ended.expires().is_some(), ends);
            assert_eq!(ended.version, job.version, "versions are the store's");
        }
    }
}

#[test]
fn what_waits_to_go_on_is_cancelled_as_that() {
    let told = |job: Job| job.cancel(at(60)).expect("cancelled").outcome.expect("an end").message;
    assert_eq!(told(job(Status::Queued)), "cancelled before it began");
    let back = job(Status::Running).hand_back(&worker(1), 1, at(60)).expect("handed back");
    assert_eq!(told(back), "cancelled while it waited");
}
