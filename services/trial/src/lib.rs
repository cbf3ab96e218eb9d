//! `outpost-trial`: tries a service that stands, with nothing but its address, and leaves it as it was.
//!
//! Exit codes: 0 all is as it should be, 1 it is not or nobody answers, 2 a wrong command line.

mod house;
mod jobs;
mod metric;
mod options;
mod report;
mod service;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use tokio::signal::unix::{SignalKind, signal};

use house::House;
use options::{Options, Verb};
use report::{Fault, Report, Stop, say};
use service::Service;

/// The program, as it is called with these words.
pub fn program(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = Options::parse_from(words);
    let Some(url) = options.how.url.clone() else {
        let told = "where is the service? Name it with --url or OUTPOST_TRIAL_URL";
        Options::command().error(ErrorKind::MissingRequiredArgument, told).exit();
    };
    let service = match Service::new(&url, options.how.patience) {
        Ok(service) => service,
        Err(told) => Options::command().error(ErrorKind::InvalidValue, told).exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(tried(&options, service, &url)) {
        Ok(report) => {
            if let Some(told) = &report.unreachable {
                say(&format!("error: the service at {url} cannot be reached: {told}"));
            }
            match report.show() {
                Ok(()) if report.passed() => ExitCode::SUCCESS,
                Ok(()) => ExitCode::FAILURE,
                Err(error) => failed(&format!("the report cannot be written: {error}")),
            }
        }
        Err(told) => failed(&told),
    }
}

fn failed(told: &str) -> ExitCode {
    say(&format!("error: {told}"));
    ExitCode::FAILURE
}

async fn tried(options: &Options, service: Service, url: &str) -> Result<Report, String> {
    let house = House::new(service, options.how.clone())?;
    let mut report = Report::new(options.verb.name(), url);
    let stopped = tokio::select! {
        _ = trial(options, &house, &mut report) => None,
        signal = stop() => Some(signal?),
    };
    if let Some(signal) = stopped {
        let told = Fault::wrong(format!("{signal} came"));
        report.judge("it goes on to its end", async { Err::<(), _>(told) }).await;
    }
    house.leave(&mut report).await;
    Ok(report)
}

async fn trial(options: &Options, house: &House, report: &mut Report) -> Result<(), Stop> {
    report.check("the service answers", async { house.service.get("/health").send().await?.must_be(200) }).await?;
    match &options.verb {
        Verb::EndToEnd => verbs::end_to_end::run(house, report).await,
        Verb::Isolation => verbs::isolation::run(house, report).await,
        Verb::Quota => verbs::quota::run(house, report).await,
        Verb::Scaling(scaling) => verbs::scaling::run(house, report, scaling).await,
        Verb::Metrics(metrics) => verbs::metrics::run(house, report, metrics).await,
    }
}

/// Waits for what ends a trial before its end, so that what it made is put away all the same.
async fn stop() -> Result<&'static str, String> {
    let told = |error: std::io::Error| format!("signals cannot be received: {error}");
    let mut term = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::EndToEnd => "end-to-end",
            Self::Isolation => "isolation",
            Self::Quota => "quota",
            Self::Scaling(_) => "scaling",
            Self::Metrics(_) => "metrics",
        }
    }
}
