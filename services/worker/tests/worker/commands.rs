//! Commands: how they end, what they say, what they leave running.

use outpost_core::actions::Stream;
use outpost_core::job::{Code, Command, Port, PortKind, Spec, Status};
use outpost_core::tenant::Tier;
use serde_json::json;

use crate::bench::{World, shell};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_what_it_is_given_and_its_end_is_told() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    let line = r#"read first; echo "$first $OUTPOST_INPUT_N $COLOUR"; echo bad >&2; echo '{"n": 3, "x": 1}' > "$OUTPOST_OUTPUT"; exit "$1""#;
    let asked = |status: &str| Spec {
        command: Some(Command {
            argv: ["sh", "-c", line, "sh", status].map(str::to_owned).to_vec(),
            stdin: "hello\n".to_owned(),
        }),
        inputs: json!({"n": 7}).as_object().expect("an object").clone(),
        env: [("COLOUR".to_owned(), "red".to_owned())].into(),
        ports: vec![Port { name: "n".into(), kind: PortKind::Integer, description: String::new(), optional: false }],
        ..shell("")
    };
    let good = world.submit(&caller, asked("0")).await;
    let bad = world.submit(&caller, asked("3")).await;
    let (job, outcome) = world.ended(&caller, &good).await;
    assert_eq!((job.status, outcome.exit_code, outcome.code), (Status::Succeeded, Some(0), None), "{outcome:?}");
    assert_eq!(json!(outcome.outputs), json!({"n": 3}));
    let log = world.log(&caller, &good).await;
    let said = |stream| -> Vec<&str> {
        log.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect()
    };
    assert_eq!((said(Stream::Out), said(Stream::Err)), (vec!["hello 7 red"], vec!["bad"]));
    let (job, outcome) = world.ended(&caller, &bad).await;
    assert_eq!(job.status, Status::Failed);
    assert_eq!((outcome.exit_code, outcome.code), (Some(3), Some(Code::CommandFailed)));
    assert_eq!(job.epoch, 1);
}
