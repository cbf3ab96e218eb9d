//! Jobs as workers see them: held, fenced, finished once; their logs, files and secrets.

use std::path::Path;
use std::time::Duration;

use outpost_core::actions::{Claimed, Detail, Error, Line, Stream};
use outpost_core::job::{Artifact, Code, Directive, Refusal, Status};
use outpost_core::ports::{Queue as _, Secret, SecretKind};
use outpost_core::record::Counter;
use outpost_core::spec::{Command, Spec};
use outpost_core::store::Row;
use outpost_core::tenant::Tier;
use serde_json::json;

use crate::set::{claimed, operator, outcome, pro, spec, ticket, worker, world};
use crate::world::{Fault, alone};

#[test]
fn a_worker_that_was_away_is_a_stranger() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let ticket = ticket(caller.id(), &id);
    let first = claimed(&desk, &ticket, &worker(1));
    let held = alone(desk.claim(&ticket, &worker(2))).expect("an answer");
    assert!(matches!(held, Claimed::Held(_)), "{held:?}");
    world.pass(Duration::from_secs(100));
    assert_eq!(alone(desk.renew(&first)), Ok(Directive::GoOn));
    world.pass(Duration::from_secs(121));
    let second = claimed(&desk, &ticket, &worker(2));
    assert_eq!((second.epoch(), second.job().losses), (2, 1));
    let fenced = Error::NotYours(Refusal::Fenced);
    assert_eq!(alone(desk.renew(&first)), Err(fenced.clone()));
    assert_eq!(alone(desk.finish(&first, outcome(&first))), Err(fenced.clone()));
    assert_eq!(alone(desk.hand_back(&first)), Err(fenced.clone()));
    assert_eq!(alone(desk.secrets_for(&first)), Err(fenced));
    let done = alone(desk.finish(&second, outcome(&second))).expect("an end");
    // Brought again after a lost answer it is the same end; by another it is none.
    assert_eq!(alone(desk.finish(&second, outcome(&second))).expect("the same end"), done);
    assert_eq!(alone(desk.finish(&first, outcome(&first))), Err(Error::NotYours(Refusal::Final)));
    assert_eq!(alone(desk.claim(&ticket, &worker(3))), Ok(Claimed::Over));
    let usage = alone(desk.usage_by_day(&caller, done.day(), done.day())).expect("usage");
    assert_eq!((usage[0].jobs, usage[0].input_tokens), (1, 10));
}

#[test]
fn a_claim_whose_answer_was_lost_is_known_again() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    world.state().next = vec![Fault::After];
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    assert_eq!((claim.epoch(), claim.job().version), (1, 3));
    world.state().next = vec![Fault::After, Fault::Busy, Fault::After];
    assert_eq!(alone(desk.renew(&claim)), Ok(Directive::GoOn));
    let done = alone(desk.finish(&claim, outcome(&claim))).expect("an end");
    assert_eq!(done.status, Status::Succeeded);
}

#[test]
fn three_lost_workers_are_enough() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    for number in 1..=3 {
        claimed(&desk, &ticket(caller.id(), &id), &worker(number));
        world.pass(Duration::from_secs(150));
        assert_eq!(alone(desk.tick()).lost, 0, "a minute of patience");
        world.pass(Duration::from_secs(31));
        assert_eq!(alone(desk.tick()).lost, 1);
    }
    let job = alone(desk.job(&caller, &id)).expect("the job");
    assert_eq!((job.status, job.outcome.and_then(|end| end.code)), (Status::Failed, Some(Code::WorkerLost)));
    assert_eq!(world.counter(caller.id(), Counter::Active), 0);
}

#[test]
fn tickets_that_nobody_could_use_end_their_job() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let day = alone(desk.job(&caller, &id)).expect("the job").day();
    let mut receives = 0;
    while world.counter(caller.id(), Counter::Active) > 0 {
        assert!(receives < 20, "it goes on for ever");
        if alone(world.receive(Tier::Pro, Duration::ZERO, Duration::from_secs(10))).expect("an answer").is_some() {
            receives += 1;
        }
        world.pass(Duration::from_secs(61));
        alone(desk.tick());
    }
    assert_eq!(receives, 9, "three tickets, three times each");
    let job = alone(desk.job(&caller, &id)).expect("the job");
    assert_eq!((job.status, job.epoch), (Status::Failed, 0));
    assert_eq!(world.counter(caller.id(), Counter::Jobs(day)), 0, "it never began, and costs nothing");
}

#[test]
fn handing_back_is_no_loss() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    for number in 1..=5 {
        let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(number));
        world.state().faults.queue = if number == 5 { 1000 } else { 0 };
        let (job, late) = alone(desk.hand_back(&claim)).expect("handed back");
        assert_eq!((job.losses, job.returns, late.is_some()), (0, u32::from(number), number == 5));
        assert_eq!(alone(desk.renew(&claim)), Err(Error::NotYours(Refusal::Fenced)));
    }
    // A ticket that could not be sent is sent by the reaper.
    assert_eq!(alone(desk.job(&caller, &id)).expect("the job").status, Status::Pending);
    world.state().faults.queue = 0;
    world.pass(Duration::from_secs(31));
    assert_eq!(alone(desk.tick()).sent, 1);
}

#[test]
fn a_job_of_a_tenant_that_is_gone_is_not_begun() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let ids: Vec<_> =
        (0..2).map(|_| alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id).collect();
    claimed(&desk, &ticket(caller.id(), &ids[1]), &worker(1));
    alone(desk.put_secret(&caller, SecretKind::Anthropic, &Secret::new("sk-x".to_owned()))).expect("stored");
    let other = pro(&desk, "bob");
    for owner in [caller.id(), other.id()] {
        world.state().blobs.insert((owner.clone(), "jobs/x/artifacts/log".to_owned()), b"x".to_vec());
    }
    alone(desk.delete_tenant(&operator(), caller.id())).expect("deleted");
    assert!(world.state().vault.is_empty(), "its secrets are gone");
    assert!(world.state().blobs.keys().all(|(owner, _)| owner == other.id()), "and its files");
    world.pass(Duration::from_secs(200));
    for id in &ids {
        assert_eq!(alone(desk.claim(&ticket(caller.id(), id), &worker(2))), Ok(Claimed::Over));
    }
    assert!(world.jobs_now().iter().all(|job| job.status == Status::Cancelled));
    assert_eq!(world.counter(caller.id(), Counter::Active), 0);
}

#[test]
fn a_log_is_read_from_any_line_on() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let at = world.state().now;
    let line = |seq: u64| Line { seq, at, stream: Stream::Out, text: format!("line {seq}"), detail: Detail::default() };
    let read = |after| alone(desk.log(&caller, &id, after)).expect("a page");
    assert_eq!((read(0).lines.len(), read(0).done), (0, false));
    let first = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    alone(desk.append_log(&first, &[line(1), line(2), line(3)])).expect("appended");
    alone(desk.append_log(&first, &[line(1), line(2), line(3)])).expect("appended again");
    // Stored, and called a failure: it comes again with what was said since.
    alone(desk.append_log(&first, &[line(3), line(4), line(5)])).expect("appended");
    for wrong in [vec![line(2), line(1)], vec![line(0)], vec![line(6), line(6)]] {
        assert!(matches!(alone(desk.append_log(&first, &wrong)), Err(Error::Invalid(_))));
    }
    world.pass(Duration::from_secs(130));
    let second = claimed(&desk, &ticket(caller.id(), &id), &worker(2));
    // The log of a worker that is gone may grow; it does not get into the other's.
    alone(desk.append_log(&second, &[line(1)])).expect("appended");
    alone(desk.append_log(&first, &[line(6)])).expect("appended, where nothing counts");
    let whole = read(0);
    let numbers: Vec<u64> = whole.lines.iter().map(|line| line.seq).collect();
    let (one, two) = (100_000_000, 200_000_000);
    assert_eq!(numbers, [one + 1, one + 2, one + 3, one + 4, one + 5, one + 6, two + 1]);
    assert!(!whole.done);
    for (place, line) in whole.lines.iter().enumerate() {
        assert_eq!(read(line.seq).lines, whole.lines[place + 1..], "after {}", line.seq);
    }
    alone(desk.append_log(&second, &[line(2)])).expect("appended");
    alone(desk.finish(&second, outcome(&second))).expect("an end");
    let rest = read(whole.next);
    assert_eq!((rest.lines.len(), rest.done, rest.next), (1, true, two + 2));
    assert_eq!((read(u64::MAX).lines.len(), read(u64::MAX).done), (0, true));
}

#[test]
fn a_long_log_comes_in_pages() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    let at = world.state().now;
    for seq in 1..=50 {
        let line = Line { seq, at, stream: Stream::Err, text: String::new(), detail: Detail::default() };
        alone(desk.append_log(&claim, &[line])).expect("appended");
    }
    alone(desk.finish(&claim, outcome(&claim))).expect("an end");
    let (mut after, mut seen, mut pages) = (0, 0, 0);
    loop {
        let page = alone(desk.log(&caller, &id, after)).expect("a page");
        (after, seen, pages) = (page.next, seen + page.lines.len(), pages + 1);
        if page.done {
            break;
        }
    }
    assert_eq!((seen, pages), (50, 4));
}

#[test]
fn a_piece_that_is_appended_again_with_more_is_read_once() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    let at = world.state().now;
    let line = |seq: u64| Line { seq, at, stream: Stream::Out, text: String::new(), detail: Detail::default() };
    let lines = |last: u64| (1..=last).map(line).collect::<Vec<_>>();
    // It was stored and the answer was lost; when it is sent again, more has been said.
    for last in [3, 5, 9] {
        alone(desk.append_log(&claim, &lines(last))).expect("appended");
    }
    let numbers = |after| -> Vec<u64> {
        alone(desk.log(&caller, &id, after)).expect("a page").lines.iter().map(|line| line.seq % 100_000_000).collect()
    };
    assert_eq!(numbers(0), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(numbers(100_000_002), [3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn an_answer_with_large_pieces_has_an_end() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    let at = world.state().now;
    for seq in 1..=12 {
        let line = Line { seq, at, stream: Stream::Out, text: "x".repeat(1_000_000), detail: Detail::default() };
        alone(desk.append_log(&claim, &[line])).expect("appended");
    }
    alone(desk.finish(&claim, outcome(&claim))).expect("an end");
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = alone(desk.log(&caller, &id, after)).expect("a page");
        let bytes: usize = page.lines.iter().map(|line| line.text.len()).sum();
        assert!(bytes < 5_000_000, "{bytes} bytes do not pass through every door");
        (after, seen) = (page.next, seen + page.lines.len());
        if page.done {
            break;
        }
    }
    assert_eq!(seen, 12);
}

#[test]
fn files_are_those_of_the_claim_that_ended_it() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let id = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    let first = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    alone(desk.put_artifact(&first, "diff.patch", Path::new("old"))).expect("stored");
    for wrong in ["", "../x", "a//b", "/a", "a/..", "a b", "a\\b", &"x".repeat(513)] {
        assert!(matches!(alone(desk.put_artifact(&first, wrong, Path::new("x"))), Err(Error::Invalid(_))), "{wrong}");
    }
    world.pass(Duration::from_secs(130));
    let second = claimed(&desk, &ticket(caller.id(), &id), &worker(2));
    alone(desk.put_artifact(&second, "diff.patch", Path::new("new"))).expect("stored");
    alone(desk.put_artifact(&first, "diff.patch", Path::new("late"))).expect("stored, where nothing counts");
    assert_eq!(alone(desk.artifacts(&caller, &id)), Ok(Vec::new()), "nothing before the end");
    alone(desk.finish(&second, outcome(&second))).expect("an end");
    let links = alone(desk.artifacts(&caller, &id)).expect("links");
    let path = format!("{id}/a2/out/diff.patch");
    assert_eq!(links.len(), 1);
    assert!(links[0].url.contains(&path), "{links:?}");
    assert_eq!(links[0].expires_at, world.state().now.plus(Duration::from_secs(3600)));
    assert_eq!(world.state().blobs[&(caller.id().clone(), path)], b"new");
}

#[test]
fn a_job_gets_the_secrets_that_it_needs_and_no_other() {
    let (_, desk) = world();
    let caller = pro(&desk, "ada");
    for kind in SecretKind::ALL {
        alone(desk.put_secret(&caller, kind, &Secret::new(format!("secret-{}", kind.as_str())))).expect("stored");
    }
    for wrong in ["", "a b", "a\nb", &"x".repeat(8193)] {
        let wrong = alone(desk.put_secret(&caller, SecretKind::Xai, &Secret::new(wrong.to_owned())));
        assert!(matches!(wrong, Err(Error::Invalid(_))));
    }
    for (repo, expected) in
        [(None, vec![SecretKind::Anthropic]), (Some("a/b"), vec![SecretKind::Anthropic, SecretKind::GithubToken])]
    {
        let spec = Spec { repo: repo.map(str::to_owned), ..spec() };
        let id = alone(desk.submit(&caller, spec, None)).expect("a job").accepted.value.id;
        let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
        let found = alone(desk.secrets_for(&claim)).expect("secrets");
        assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), expected);
    }
    assert_eq!(alone(desk.secrets(&caller)).expect("notes").len(), 6);
    assert_eq!(alone(desk.remove_secret(&caller, SecretKind::Xai)), Ok(true));
    assert_eq!(alone(desk.remove_secret(&caller, SecretKind::Xai)), Ok(false));
}

#[test]
fn a_job_fits_into_a_row_whatever_is_asked_and_however_it_ends() {
    // What DynamoDB takes, less what an adapter writes beside the row.
    const ROW: usize = 400 * 1024 - 2048;
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let bytes = |length: usize| -> String { std::iter::repeat_n('\u{1}', length / 6).collect() };
    let most: Spec = serde_json::from_value(json!({
        "agent": "command", "task": "x".repeat(200 * 1024), "timeout_seconds": 60,
        "command": {"argv": ["cat"], "stdin": "y".repeat(60 * 1024)},
    }))
    .expect("a spec");
    let more = |mut spec: Spec, stdin: usize, task: usize| {
        spec.command = spec.command.map(|command| Command { stdin: "y".repeat(stdin), ..command });
        spec.task.extend(std::iter::repeat_n('\u{1}', task));
        spec
    };
    let empty = Spec { task: String::new(), ..most.clone() };
    for wrong in [more(most.clone(), 199 * 1024, 0), more(most.clone(), 73 * 1024, 0), more(empty, 0, 100 * 1024)] {
        let answer = alone(desk.submit(&caller, wrong, None));
        let Err(Error::Invalid(faults)) = answer else { panic!("{answer:?}") };
        assert_eq!(faults.iter().map(|fault| fault.at.as_str()).collect::<Vec<_>>(), [""]);
    }
    // The largest that is taken, and the largest end that it may have.
    let largest =
        (0..9).find_map(|step| alone(desk.submit(&caller, more(most.clone(), 72 * 1024 - step * 64, 0), None)).ok());
    let id = largest.expect("a job").accepted.value.id;
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    let mut end = outcome(&claim);
    end.message = bytes(20 * 1024);
    end.outputs.insert("all".to_owned(), json!(bytes(60 * 1024)));
    end.artifacts = vec![Artifact { name: "a".repeat(400), ..end.artifacts[0].clone() }; 256];
    while let Err(error) = alone(desk.finish(&claim, end.clone())) {
        assert!(matches!(&error, Error::Invalid(faults) if faults[0].at.is_empty()), "{error:?}");
        end.artifacts.pop();
    }
    let Some(job) = world.jobs_now().into_iter().find(|job| job.id == id) else { panic!("no job") };
    let row = serde_json::to_vec(&Row::Job(Box::new(job))).expect("JSON").len();
    assert!((390 * 1024..ROW).contains(&row), "{row}");
}
