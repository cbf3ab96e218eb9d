//! The programs by themselves: how they begin, and what they say where they cannot work.

use std::process::Command;

use crate::emulator::emulator;
use crate::runtime::{Function, program};
use crate::stage::Stage;

#[test]
fn what_is_missing_is_named() {
    let told = |name: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(program(name));
        command.env_clear().env("AWS_REGION", "us-east-1").envs(variables.iter().copied());
        let output = command.output().expect("an end");
        assert_eq!(output.status.code(), Some(if variables.is_empty() && name == "outpost-lambda" { 2 } else { 1 }));
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(told("outpost-lambda", &[]).contains("--public-url"));
    let url = ("OUTPOST_PUBLIC_URL", "https://api.example.com");
    let outside = told("outpost-lambda", &[url]);
    assert!(outside.contains("`AWS_LAMBDA_RUNTIME_API`") && outside.contains("outpost-api --aws"), "{outside}");
    let runtime = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&runtime[..], more].concat();
    assert!(told("outpost-lambda", &with(&[url])).contains("`OUTPOST_CURSOR_KEY`"));
    let short = told("outpost-lambda", &with(&[url, ("OUTPOST_CURSOR_KEY", "hush")]));
    assert!(short.contains("64 hexadecimal digits") && !short.contains("hush"), "{short}");
    assert!(told("outpost-reaper", &with(&[])).contains("`S3_ARTIFACTS_BUCKET`"));
}

/// Tells how long starts take where `OUTPOST_LAMBDA_STARTS` says how many are wanted; one is enough to see that it works.
#[tokio::test]
async fn functions_start() {
    let Some(emulator) = emulator() else { return };
    let stage = Stage::make(emulator).await;
    let mut variables = stage.variables();
    variables.push(("OUTPOST_PUBLIC_URL".to_owned(), "https://api.example.com".to_owned()));
    // Names cost a look-up each; whoever counts gives addresses.
    for (name, queue) in [("FREE", "free"), ("PRO", "pro"), ("ENTERPRISE", "enterprise"), ("DLQ", "dlq")] {
        let address = format!("{}/{}/outpost-jobs-{queue}", stage.endpoint, stage.account);
        variables.push((format!("SQS_QUEUE_{name}"), address));
    }
    let starts = std::env::var("OUTPOST_LAMBDA_STARTS").ok().map(|count| count.parse().expect("a number"));
    for name in ["outpost-lambda", "outpost-authorizer", "outpost-reaper"] {
        let mut times = Vec::new();
        for _ in 0..starts.unwrap_or(1) {
            times.push(Function::start(name, &variables).await.ready_after);
        }
        times.sort();
        if starts.is_some() {
            use std::io::Write as _;
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            let size = std::fs::metadata(program(name)).expect("a program").len();
            writeln!(std::io::stderr(), "{name}: {size} bytes, ready after {median:?} (median), {most:?} (most)")
                .expect("a line");
        }
    }
}
