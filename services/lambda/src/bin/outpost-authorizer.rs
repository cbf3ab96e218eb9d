//! `outpost-authorizer`: whose key a request shows, as a function that API Gateway asks.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use lambda_runtime::{LambdaEvent, service_fn};
use outpost_aws::{Surroundings, SystemClock};
use outpost_core::ports::Clock as _;
use outpost_lambda::authorizer::{Question, judge};
use outpost_lambda::program;

/// The authorizer of the Outpost service's API as a function of AWS Lambda: payload format 2.0, simple responses, none of
/// which may be remembered. OUTPOST_ENV and DYNAMODB_TABLE_PREFIX name the tables.
#[derive(Debug, Parser)]
#[command(name = "outpost-authorizer", version)]
struct Options {}

fn main() -> ExitCode {
    program::run(serve)
}

async fn serve(_: Options) -> Result<(), String> {
    let (house, store) = Surroundings::look().await.rows();
    let clock = Arc::new(SystemClock::default());
    let answer = service_fn(move |event: LambdaEvent<Question>| {
        let (house, store, clock) = (Arc::clone(&house), Arc::clone(&store), Arc::clone(&clock));
        async move {
            let verdict = judge(&*house, &*store, &event.payload, clock.now()).await?;
            tracing::info!(authorized = verdict.is_authorized, context = ?verdict.context, "judged");
            Ok::<_, String>(verdict)
        }
    });
    lambda_runtime::run(answer).await.map_err(|error| format!("the runtime ended: {error}"))
}
