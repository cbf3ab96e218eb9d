//! The desk over a real data folder: a tenant registers, stores a key, submits a job, and gets what a worker made of it.

use std::time::Duration;

use outpost_core::actions::{
    Claimed, Denied, Desk, Detail, Error, Idempotency, Line, Registration, RequestInfo, Settings, Stream,
};
use outpost_core::id::WorkerId;
use outpost_core::job::{Artifact, Outcome, Status, Usage, Verdict};
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, SecretKind};
use outpost_core::spec::{Agent, Offer};
use outpost_core::tenant::Tier;
use outpost_core::web::Repositories;
use outpost_embedded::Embedded;
use serde_json::json;

fn desk(on: &Embedded) -> Desk {
    let agents = vec![Agent { name: "claude".into(), model: None, secret: Some(SecretKind::Anthropic) }];
    let repositories = Repositories { hosts: Vec::new(), folders: true };
    let offer = Offer { agents, commands: false, repositories, callbacks_anywhere: true };
    Desk::new(on.ports.clone(), Settings::new(offer, [1; 32]))
}

#[tokio::test]
async fn a_job_goes_all_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path(), outpost_embedded::Settings::new("")).await.expect("a data folder");
    let desk = desk(&embedded);
    let asked = Registration { email: "ada@example.com".into(), name: None, invitation: None };
    let made = desk.register(asked.clone(), RequestInfo::default()).await.expect("a tenant");
    assert_eq!(desk.register(asked, RequestInfo::default()).await, Err(Error::EmailTaken));
    let key = made.key.key.expect("a key");
    let caller = desk.authenticate(key.reveal(), RequestInfo::default()).await.expect("a caller");
    desk.put_secret(&caller, SecretKind::Anthropic, &Secret::new("sk-1234".into())).await.expect("stored");
    let spec = json!({"agent": "claude", "task": "hello", "timeout_seconds": 60, "inputs": {"x": 0.1}});
    let spec = serde_json::from_value(spec).expect("a spec");
    let once = Idempotency::new("k", "POST", "/v1/jobs", b"{}", 202).expect("a key");
    let first = desk.submit(&caller, spec, Some(&once)).await.expect("accepted");
    assert_eq!((first.late, first.accepted.replayed), (None, false));
    let id = first.accepted.value.id.clone();
    let job = desk.job(&caller, &id).await.expect("the job");
    assert_eq!(job.status, Status::Queued);
    let again = desk.submit(&caller, job.spec, Some(&once)).await.expect("the same");
    assert_eq!((again.accepted.replayed, again.accepted.value), (true, first.accepted.value));

    let delivery = desk.ports().queue.receive(Tier::Free, Duration::ZERO, Duration::from_secs(60)).await;
    let delivery = delivery.expect("an answer").expect("a ticket");
    let worker = WorkerId::new(Moment::from_millis(1), &[1; 10]);
    let Ok(Claimed::Yes(claim)) = desk.claim(&delivery.ticket, &worker).await else { panic!("no claim") };
    assert_eq!(desk.secrets_for(&claim).await.expect("secrets")[0].1.reveal(), "sk-1234");
    let line =
        Line { seq: 1, at: job.created_at, stream: Stream::Out, text: "working".into(), detail: Detail::default() };
    desk.append_log(&claim, &[line]).await.expect("appended");
    let file = folder.path().join("diff");
    std::fs::write(&file, "+x").expect("a file");
    desk.put_artifact(&claim, "diff.patch", &file).await.expect("stored");
    let artifact =
        Artifact { name: "diff.patch".into(), media_type: "text/plain".into(), bytes: 2, sha256: String::new() };
    let outcome = Outcome {
        result: Verdict::Succeeded,
        code: None,
        message: "done".into(),
        exit_code: Some(0),
        outputs: serde_json::Map::new(),
        usage: Usage { input_tokens: 7, ..Usage::default() },
        artifacts: vec![artifact],
    };
    let done = desk.finish(&claim, outcome.clone()).await.expect("an end");
    assert_eq!(desk.finish(&claim, outcome).await.expect("the same end"), done);
    let log = desk.log(&caller, &id, 0).await.expect("a log");
    assert_eq!((log.lines.len(), log.done), (1, true));
    assert_eq!(desk.artifacts(&caller, &id).await.expect("links").len(), 1);
    let day = done.completed_at.expect("an end").day();
    let days = desk.usage_by_day(&caller, day, day).await.expect("usage");
    assert_eq!((days[0].jobs, days[0].input_tokens), (1, 7));
    assert_eq!(desk.usage(&caller).await.expect("usage").active, 0);
    desk.revoke_key(&caller, &caller.key().id).await.expect("revoked");
    let late = desk.authenticate(key.reveal(), RequestInfo::default()).await;
    assert_eq!(late.map(|_| ()), Err(Denied::Revoked));
}
