//! `outpost-api`: the service as a server, over one folder of this machine or in AWS.
//!
//! Exit codes: 0 after an orderly end, 1 where it cannot serve, 2 for a wrong command line.

mod options;
mod place;
#[cfg(feature = "embedded")]
mod working;

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use options::Options;

fn main() -> ExitCode {
    #[cfg(feature = "embedded")]
    if let Some(exit) = working::hand() {
        return exit;
    }
    let options = Options::parse();
    let filter = EnvFilter::try_new(&options.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("no threads to serve with: {error}")),
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => failed(&told),
    }
}

fn failed(told: &str) -> ExitCode {
    use io::Write as _;
    // Nobody is there to be told that nobody can be told.
    drop(writeln!(io::stderr(), "error: {told}"));
    ExitCode::FAILURE
}

async fn run(options: Options) -> Result<(), String> {
    let stop = Stop::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| taken(options.listen, &error))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let own = options.own(address)?;
    let base = options.base(address);
    let opened = place::open(&options, &base, own).await?;
    let settings = options.front.settings(&base, opened.files, &opened.read)?;
    if own {
        tracing::info!(
            "for the owner of this machine: who registers has no limits, jobs may name its folders, webhooks may go to it"
        );
    }
    let place = options.place.data.as_ref().map_or_else(|| "AWS".to_owned(), |data| data.display().to_string());
    tracing::info!(address = %address, base, place, docs = format!("{base}/docs"), "serving");
    #[cfg(feature = "embedded")]
    if let Some(data) = options.place.data.as_ref().filter(|_| options.working.with_worker) {
        return working::serve(&options.working, data, opened.desk, listener, settings, stop).await;
    }
    outpost_api::serve(opened.desk, listener, settings, stop.wait()).await
}

fn taken(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program listens on {address} already: end it, or choose another with --listen 127.0.0.1:0")
        }
        io::ErrorKind::PermissionDenied => {
            format!("only root may listen on {address}: choose a port from 1024 on with --listen")
        }
        io::ErrorKind::AddrNotAvailable => format!("{} is no address of this machine", address.ip()),
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// What ends the server in order.
pub(crate) struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
