//! `outpost-reaper`: what a server does beside requests, as a function that is called every minute.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use lambda_runtime::{LambdaEvent, service_fn};
use outpost_api::Swept;
use outpost_aws::Surroundings;
use outpost_core::fleet;
use outpost_lambda::program;
use serde_json::{Value, json};

/// Makes up for lost tickets and workers and sends what is due to webhooks, as a function of AWS Lambda. A schedule calls it
/// every minute; what the event holds does not matter. Needs the variables of an installation in AWS
/// (services/aws/README.md).
#[derive(Debug, Parser)]
#[command(name = "outpost-reaper", version)]
struct Options {
    /// For how long it begins to send messages in one call; it ends ten seconds later
    #[arg(long, value_name = "SECONDS", default_value_t = 40, env = "OUTPOST_SWEEP_SECONDS")]
    seconds: u64,
}

fn main() -> ExitCode {
    program::run(serve)
}

async fn serve(options: Options) -> Result<(), String> {
    // What is offered decides about jobs, and none are submitted here.
    let desk = Surroundings::look().await.desk(fleet::offer(Vec::new(), false), |_| {}).await;
    let desk = desk.map_err(|problem| format!("the service in AWS cannot be used: {problem}"))?;
    let sender = Arc::new(outpost_api::Sender::new(Arc::clone(&desk))?);
    let time = Duration::from_secs(options.seconds);
    let sweep = service_fn(move |_: LambdaEvent<Value>| {
        let (desk, sender) = (Arc::clone(&desk), Arc::clone(&sender));
        async move {
            let Swept { reaped: done, tried, problem } = outpost_api::sweep(&desk, &sender, time).await;
            let problems: Vec<&str> = done.problems.iter().chain(&problem).map(String::as_str).collect();
            if !problems.is_empty() {
                // An alarm on errors of the function is an alarm on this.
                return Err(problems.join("; "));
            }
            Ok(json!({"sent": done.sent, "lost": done.lost, "ended": done.ended, "buried": done.buried, "told": tried}))
        }
    });
    lambda_runtime::run(sweep).await.map_err(|error| format!("the runtime ended: {error}"))
}
