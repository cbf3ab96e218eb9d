//! `outpost-api`: the service on one machine, over one folder.
//!
//! Exit codes: 0 after an orderly end, 1 where it cannot serve, 2 for a wrong command line.

mod options;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use outpost_core::actions::Desk;
use outpost_core::tenant::Tier;
use outpost_embedded::installation;
use outpost_worker::Order;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use options::Options;

fn main() -> ExitCode {
    // Parts of a job are done by this program again, under words of their own.
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = outpost_worker::hand(&words) {
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
    let own = options.own(address);
    let base = options.base(address);
    let offer = options.offer(own)?;
    let (door, prices) = (options.door()?, options.prices()?);
    let opened = installation::open(&options.data, &base, offer, |settings| {
        settings.door = door;
        if own {
            // Nobody bills the owner of the machine.
            settings.newcomers = Tier::Enterprise;
        }
        settings.prices = prices;
    });
    let opened = opened.await.map_err(|problem| {
        format!("the data folder `{}` cannot be used: {problem}; name another one with --data", options.data.display())
    })?;
    let mut settings = options.settings(&base, Arc::new(opened.embedded.clone()))?;
    if own {
        settings.at_home();
        tracing::info!(
            "for the owner of this machine: who registers has no limits, jobs may name its folders, webhooks may go to it"
        );
    }
    tracing::info!(address = %address, base, data = %options.data.display(), docs = format!("{base}/docs"), "serving");
    let Some(worker) = options.worker(opened.desk.settings().lease, own) else {
        return outpost_api::serve(opened.desk, listener, settings, stop.wait()).await;
    };
    let (tell, orders) = watch::channel(Order::Work);
    let desk = Desk::clone(&opened.desk);
    let worker = async {
        let told = |error: outpost_worker::Error| format!("jobs cannot be done here: {error}");
        outpost_worker::run(desk, worker, orders).await.map(drop).map_err(told)
    };
    // Whoever asks is served until the jobs are handed back.
    let stopped = async {
        stop.wait().await;
        // A worker that has failed has been told of.
        let _ = tell.send(Order::Leave);
    };
    let serve = outpost_api::serve(opened.desk, listener, settings, stopped);
    tokio::try_join!(serve, worker).map(drop)
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
struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
