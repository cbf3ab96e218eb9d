//! Jobs as tenants see them: accepted once, within the quota of the day, and gone back from.

use std::time::Duration;

use outpost_core::actions::Error;
use outpost_core::job::Status;
use outpost_core::moment::Moment;
use outpost_core::ports::Queue as _;
use outpost_core::record::Counter;
use outpost_core::spec::Spec;
use outpost_core::store::Row;
use outpost_core::tenant::{Overrides, Tier};
use serde_json::{Value, json};

use crate::set::{claimed, once, outcome, pro, spec, tenant, ticket, worker, world};
use crate::world::{Actor, Dice, Fault, alone, step};

fn limited(jobs_per_day: u64, active: u64) -> Overrides {
    Overrides { jobs_per_day: Some(jobs_per_day), active: Some(active), ..Overrides::default() }
}

#[test]
fn the_quota_is_exact_however_many_come_at_once() {
    for seed in 1..20 {
        let (world, desk) = world();
        let caller = tenant(&desk, "ada", Tier::Pro, limited(10, 100)).1;
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut actors: Vec<Actor> = Vec::new();
        for _ in 0..40 {
            let (desk, caller, told) = (desk.clone(), caller.clone(), told.clone());
            actors.push(Box::pin(async move {
                let answer = desk.submit(&caller, spec(), None).await.map(|_| ());
                told.lock().expect("no panic").push(answer);
            }));
        }
        let mut dice = Dice::new(seed);
        while !actors.is_empty() {
            let one = usize::try_from(dice.roll(actors.len() as u64)).expect("small");
            if step(&mut actors[one]) {
                drop(actors.swap_remove(one));
            }
        }
        let told = told.lock().expect("no panic");
        assert_eq!(told.iter().filter(|answer| answer.is_ok()).count(), 10);
        let ends: Moment = "2026-11-22T00:00:00.000Z".parse().expect("a moment");
        let refused = told.iter().filter(|answer| **answer == Err(Error::Quota { limit: 10, resets_at: ends }));
        assert_eq!(refused.count(), 30);
        assert_eq!(world.counter(caller.id(), Counter::Jobs(ends.minus(Duration::from_secs(1)).day())), 10);
    }
}

#[test]
fn a_day_ends_at_midnight_and_not_a_moment_before() {
    let (world, desk) = world();
    let caller = tenant(&desk, "ada", Tier::Pro, limited(1, 10)).1;
    let midnight: Moment = "2026-11-22T00:00:00.000Z".parse().expect("a moment");
    let tries = |at: Moment| {
        world.state().now = at;
        alone(desk.submit(&caller, spec(), None)).map(|_| ())
    };
    let full = |resets_at| Err(Error::Quota { limit: 1, resets_at });
    assert_eq!(tries(midnight.minus(Duration::from_secs(60))), Ok(()));
    assert_eq!(tries(midnight.minus(Duration::from_millis(1))), full(midnight));
    assert_eq!(tries(midnight), Ok(()));
    assert_eq!(tries(midnight.plus(Duration::from_millis(1))), full(midnight.day().ends()));
    let usage = alone(desk.usage(&caller)).expect("usage");
    assert_eq!((usage.jobs_today, usage.jobs_remaining, usage.active), (1, Some(0), 2));
    assert_eq!(usage.quota_resets_at, midnight.day().ends());
}

#[test]
fn a_job_that_never_began_gives_its_place_back_to_its_day() {
    let (world, desk) = world();
    let caller = tenant(&desk, "ada", Tier::Pro, limited(2, 10)).1;
    let never = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value;
    let began = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value;
    let yesterday = Counter::Jobs(never.created_at.day());
    claimed(&desk, &ticket(caller.id(), &began.id), &worker(1));
    world.pass(Duration::from_secs(7200));
    assert_eq!(world.counter(caller.id(), yesterday), 2);
    let cancelled = alone(desk.cancel(&caller, &never.id)).expect("cancelled");
    assert_eq!((cancelled.status, world.counter(caller.id(), yesterday)), (Status::Cancelled, 1));
    let running = alone(desk.cancel(&caller, &began.id)).expect("asked to stop");
    assert_eq!((running.status, world.counter(caller.id(), yesterday)), (Status::Cancelling, 1));
    // Asked again, nothing more happens, and nothing more is written.
    let commits = world.state().commits;
    alone(desk.cancel(&caller, &never.id)).expect("as it is");
    alone(desk.cancel(&caller, &began.id)).expect("as it is");
    assert_eq!(world.state().commits, commits);
}

#[test]
fn as_many_at_once_as_are_allowed() {
    let (_, desk) = world();
    let caller = tenant(&desk, "ada", Tier::Free, Overrides::default()).1;
    let first = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value;
    assert_eq!(alone(desk.submit(&caller, spec(), None)).map(|_| ()), Err(Error::Concurrency { limit: 1 }));
    let claim = claimed(&desk, &ticket(caller.id(), &first.id), &worker(1));
    alone(desk.finish(&claim, outcome(&claim))).expect("an end");
    assert!(alone(desk.submit(&caller, spec(), None)).is_ok());
    let ended = alone(desk.cancel(&caller, &first.id));
    assert_eq!(ended.map(|_| ()), Err(Error::Ended(Status::Succeeded)));
}

#[test]
fn the_same_request_is_one_job() {
    let (world, desk) = world();
    let caller = tenant(&desk, "ada", Tier::Pro, limited(1, 1)).1;
    let key = once("once", "body");
    let first = alone(desk.submit(&caller, spec(), Some(&key))).expect("a job").accepted;
    assert_eq!((first.replayed, first.value.status), (false, Status::Pending));
    // Also when the quota is gone, the job has moved on, and the rules have changed.
    let again = alone(desk.submit(&caller, spec(), Some(&key))).expect("the job").accepted;
    assert_eq!((again.replayed, &again.value, again.status), (true, &first.value, Some(202)));
    let invalid = Spec { timeout_seconds: 1_000_000, ..spec() };
    let again = alone(desk.submit(&caller, invalid, Some(&key))).expect("the job").accepted;
    assert_eq!((again.replayed, again.value), (true, first.value));
    let other = alone(desk.submit(&caller, spec(), Some(&once("once", "another body"))));
    assert_eq!(other.map(|_| ()), Err(Error::OtherRequest));
    assert_eq!((world.jobs_now().len(), world.state().sent), (1, 1));
    // Another tenant's key is another key.
    let bob = pro(&desk, "bob");
    assert!(!alone(desk.submit(&bob, spec(), Some(&key))).expect("a job").accepted.replayed);
    // A day later it is a new request.
    world.pass(Duration::from_secs(86_400));
    let later = alone(desk.submit(&caller, spec(), Some(&key)));
    assert_eq!(later.map(|_| ()), Err(Error::Concurrency { limit: 1 }));
}

#[test]
fn a_store_that_fails_after_the_change_is_not_believed() {
    for faults in
        [vec![Fault::After], vec![Fault::Busy, Fault::Before, Fault::After], vec![Fault::Before, Fault::After]]
    {
        let (world, desk) = world();
        let caller = pro(&desk, "ada");
        world.state().next = faults.clone();
        let accepted = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted;
        assert_eq!(world.jobs_now().len(), 1, "{faults:?}");
        assert_eq!(alone(desk.job(&caller, &accepted.value.id)).expect("the job").status, Status::Queued);
    }
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    world.state().next = vec![Fault::Busy; 4];
    assert_eq!(alone(desk.submit(&caller, spec(), None)).map(|_| ()), Err(Error::Busy));
    world.state().next = vec![Fault::Before; 4];
    assert!(matches!(alone(desk.submit(&caller, spec(), None)), Err(Error::Broken(_))));
    assert!(world.jobs_now().is_empty());
}

#[test]
fn a_ticket_that_was_not_sent_is_sent_by_the_reaper() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    world.state().faults.queue = 1000;
    let submitted = alone(desk.submit(&caller, spec(), None)).expect("accepted all the same");
    assert!(submitted.late.is_some());
    world.state().faults.queue = 0;
    assert_eq!(alone(desk.tick()).sent, 0, "not within 30 seconds");
    world.pass(Duration::from_secs(31));
    assert_eq!(alone(desk.tick()).sent, 1);
    assert_eq!(alone(desk.job(&caller, &submitted.accepted.value.id)).expect("the job").status, Status::Queued);
    assert_eq!(alone(desk.tick()).sent, 0);
}

#[test]
fn workers_are_woken_for_as_long_as_tickets_wait() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    alone(desk.tick());
    assert_eq!(world.state().woken, 0, "nothing waits");
    alone(desk.submit(&caller, spec(), None)).expect("accepted");
    assert_eq!(world.state().woken, 1);
    alone(desk.tick());
    assert_eq!(world.state().woken, 2, "nobody has come for it yet");
    alone(world.receive(Tier::Pro, Duration::ZERO, Duration::from_secs(10))).expect("an answer").expect("a ticket");
    alone(desk.tick());
    assert_eq!(world.state().woken, 2);
}

#[test]
fn what_is_wrong_is_told_all_at_once() {
    let (world, desk) = world();
    let free = tenant(&desk, "ada", Tier::Free, Overrides::default()).1;
    let told = |change: Value| -> Vec<String> {
        let mut whole = json!({"agent": "claude", "task": "x", "timeout_seconds": 300});
        for (name, value) in change.as_object().expect("a map") {
            whole[name] = value.clone();
        }
        match alone(desk.submit(&free, serde_json::from_value(whole).expect("a spec"), None)) {
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.at).collect(),
            other => panic!("{change}: {other:?}"),
        }
    };
    let port = |name: &str| json!({"name": name});
    for (change, places) in [
        (json!({"agent": "codex"}), vec!["/agent"]),
        (json!({"agent": "nobody"}), vec!["/agent"]),
        (json!({"agent": "command"}), vec!["/agent", "/command"]),
        (json!({"command": {"argv": ["id"]}}), vec!["/command"]),
        (json!({"task": " "}), vec!["/task"]),
        (json!({"task": "x".repeat(200 * 1024 + 1)}), vec!["/task"]),
        (json!({"inputs": {"a": "x".repeat(64 * 1024)}}), vec!["/inputs"]),
        (json!({"timeout_seconds": 301}), vec!["/timeout_seconds"]),
        (json!({"timeout_seconds": 0}), vec!["/timeout_seconds"]),
        (json!({"repo": "https://a:b@github.com/a/b"}), vec!["/repo"]),
        (json!({"ref": "main"}), vec!["/ref"]),
        (json!({"repo": "a/b", "ref": "--upload-pack=x"}), vec!["/ref"]),
        (json!({"callback_url": "https://169.254.169.254/"}), vec!["/callback_url"]),
        (json!({"model": "a b"}), vec!["/model"]),
        (json!({"budget": {"tokens": 0}}), vec!["/budget"]),
        (json!({"env": {"OUTPOST_X": "1"}}), vec!["/env"]),
        (json!({"labels": {"": "1"}}), vec!["/labels"]),
        (json!({"acceptance": [""]}), vec!["/acceptance/0"]),
        (json!({"ports": [port("a"), port("a"), port("9")]}), vec!["/ports/1/name", "/ports/2/name"]),
        (json!({"task": "", "timeout_seconds": 0, "agent": "x"}), vec!["/agent", "/task", "/timeout_seconds"]),
    ] {
        assert_eq!(told(change.clone()), places, "{change}");
    }
    assert!(world.jobs_now().is_empty());
    let most = Spec { task: "x".repeat(200 * 1024), timeout_seconds: 300, ..spec() };
    assert!(alone(desk.submit(&free, most, None)).is_ok());
}

#[test]
fn jobs_of_others_are_not_there() {
    let (world, desk) = world();
    let (ada, bob) = (pro(&desk, "ada"), pro(&desk, "bob"));
    let id = alone(desk.submit(&ada, spec(), None)).expect("a job").accepted.value.id;
    let before = format!("{:?}", world.jobs_now());
    let none = Err(Error::NotFound("job"));
    assert_eq!(alone(desk.job(&bob, &id)).map(|_| ()), none);
    assert_eq!(alone(desk.cancel(&bob, &id)).map(|_| ()), none);
    assert_eq!(alone(desk.log(&bob, &id, 0)).map(|_| ()), none);
    assert_eq!(alone(desk.artifacts(&bob, &id)).map(|_| ()), none);
    assert_eq!(alone(desk.jobs(&bob, None, 10, None)).expect("a page").rows, []);
    assert_eq!(format!("{:?}", world.jobs_now()), before);
    let submits =
        |row: &Row| matches!(row, Row::Audit(event) if event.action == "job.submit" && event.tenant == *bob.id());
    assert_eq!(world.rows_of(submits), 0);
}
