//! The largest that is taken lies in a row of DynamoDB, and comes to its end there.

use outpost_core::actions::{Claimed, Error};
use outpost_core::id::WorkerId;
use outpost_core::job::{Artifact, Outcome, Status, Usage, Verdict};
use outpost_core::ports::{Clock as _, Ticket};
use outpost_core::tenant::Overrides;
use serde_json::json;

use crate::emulator::emulator;
use crate::faults::{caller, desk, spec};
use crate::house::{House, run};

/// In JSON a character for control has six bytes.
fn heavy(bytes: usize) -> String {
    std::iter::repeat_n('\u{1}', bytes / 6).collect()
}

#[test]
fn what_is_taken_has_a_row_and_an_end() {
    let Some(emulator) = emulator() else { return };
    run(async {
        let house = House::make(emulator).await;
        let desk = desk(&house.aws);
        let caller = caller(&desk, Overrides::default()).await;
        let mut ended = 0;
        for kib in (1..15).map(|step| step * 34) {
            let mut large = spec();
            large.task.push_str(&heavy(kib * 1024));
            let id = match desk.submit(&caller, large, None).await {
                Ok(submitted) => submitted.accepted.value.id,
                Err(Error::Invalid(_)) => continue,
                Err(error) => panic!("{kib} KiB: {error}"),
            };
            let (tenant, me) = (caller.id().clone(), WorkerId::new(house.clock.now(), &[1; 10]));
            let ticket = Ticket { tenant, job: id, traceparent: None };
            let Ok(Claimed::Yes(claim)) = desk.claim(&ticket, &me).await else { panic!("not claimed") };
            let artifact =
                Artifact { name: "a".repeat(300), media_type: "text/plain".into(), bytes: 1, sha256: "0".repeat(64) };
            let mut end = Outcome {
                result: Verdict::Succeeded,
                code: None,
                message: heavy(24 * 1024),
                exit_code: Some(0),
                outputs: json!({"all": heavy(63 * 1024)}).as_object().cloned().expect("a map"),
                usage: Usage::default(),
                artifacts: vec![artifact; 256],
            };
            let job = loop {
                match desk.finish(&claim, end.clone()).await {
                    Ok(job) => break job,
                    // Fewer files, until they are few enough.
                    Err(Error::Invalid(_)) => assert!(end.artifacts.pop().is_some(), "nothing is taken"),
                    Err(error) => panic!("{kib} KiB: {error}"),
                }
            };
            assert_eq!(job.status, Status::Succeeded);
            ended += 1;
        }
        assert!(ended >= 7, "{ended}");
    });
}
