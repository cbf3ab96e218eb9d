//! `outpost-lambda`: the API as a function behind API Gateway.

use std::process::ExitCode;

use clap::Parser;
use lambda_runtime::{LambdaEvent, service_fn};
use outpost_api::Front;
use outpost_aws::Surroundings;
use outpost_lambda::gateway::{Answer, Event};
use outpost_lambda::program;
use tower_service::Service as _;

/// The Outpost service's API as a function of AWS Lambda, behind an HTTP API of API Gateway. Its options stand in the
/// environment there, beside the variables of an installation in AWS (services/aws/README.md).
#[derive(Debug, Parser)]
#[command(name = "outpost-lambda", version)]
struct Options {
    /// Where the API is reached from outside
    #[arg(long, value_name = "URL", env = "OUTPOST_PUBLIC_URL")]
    public_url: String,
    #[command(flatten)]
    front: Front,
}

fn main() -> ExitCode {
    program::run(serve)
}

async fn serve(options: Options) -> Result<(), String> {
    let told = |problem| format!("the service in AWS cannot be used: {problem}");
    let Options { public_url, front } = options;
    let around = Surroundings::with_secret().await.map_err(told)?;
    let read = |name: &str| around.read(name);
    let (door, prices, cursor_key) = (front.door(&read)?, front.prices()?, around.cursor_key().map_err(told)?);
    let desk = around.desk(front.offer(false, None)?, |settings| {
        settings.door = door;
        settings.prices = prices;
        settings.cursor_key = cursor_key.into();
    });
    let desk = desk.await.map_err(told)?;
    let mut settings = front.settings(public_url.trim_end_matches('/'), None, &read)?;
    // The gateway hands an answer on when it is whole.
    settings.streams = false;
    let router = outpost_api::router(desk, settings)?;
    let answer = service_fn(move |event: LambdaEvent<Event>| {
        let mut router = router.clone();
        async move {
            let request = event.payload.request()?;
            let response = match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            Answer::of(response).await
        }
    });
    lambda_runtime::run(answer).await.map_err(|error| format!("the runtime ended: {error}"))
}
