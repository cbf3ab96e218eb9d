//! `outpost-worker`: the worker as a program of its own, on a data folder or in AWS.
//!
//! Where an installation lies is said on the command line; a build may know one of the two places only, and says so.
//! SIGTERM and Ctrl-C: it takes nothing more, ends what runs and hands it back; the second time it goes at once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use outpost_core::actions::Desk;
use outpost_core::ports::Stay;
use outpost_core::spec::Offer;
use outpost_core::tenant::Tier;
use outpost_core::web::Repositories;
use outpost_worker::{Order, Settings, Walls};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Does the jobs of the Outpost service.
#[derive(Debug, Parser)]
#[command(name = "outpost-worker", version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    place: Place,
    /// Jobs at once
    #[arg(long, env = "OUTPOST_SLOTS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    slots: u16,
    /// Where the folders of jobs are made, on a local disk [default: `workspaces` in the data folder; has to be named with
    /// --aws]
    #[arg(long, env = "OUTPOST_WORKSPACES", value_name = "DIR")]
    workspaces: Option<PathBuf>,
    /// Definitions of agents, beside the built-in ones
    #[arg(long, env = "OUTPOST_AGENTS", value_name = "DIR")]
    agents: Option<PathBuf>,
    /// A folder below which jobs may name repositories; may be given again
    #[arg(long, value_name = "DIR")]
    allow_local_repos: Vec<PathBuf>,
    /// A host that `https` repositories may lie on; the first one is meant by `owner/name`
    #[arg(long, value_name = "HOST", default_value = "github.com")]
    git_host: Vec<String>,
    /// A host whose addresses may be private
    #[arg(long, value_name = "HOST")]
    private_host: Vec<String>,
    /// What is asked in place of a host: `github.com=http://127.0.0.1:3000`
    #[arg(long, value_name = "HOST=URL", value_parser = mirror)]
    git_mirror: Vec<(String, String)>,
    /// What stands around what a job runs
    #[arg(long, value_enum, default_value_t = Sandbox::Required)]
    sandbox: Sandbox,
    /// The network of a job ends at the gateway of its model
    #[arg(long)]
    gateway_only: bool,
    /// Bytes on disk that a job may take [default: 2, 10 and 20 GiB by tier]
    #[arg(long, value_name = "BYTES")]
    disk: Option<u64>,
    /// How long a worker is believed to be there after it showed itself; the same for all of an installation
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = some_seconds)]
    lease: Duration,
    /// How long an idle worker waits in one call
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = call)]
    wait: Duration,
    /// How often what a job says is passed on
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = some_seconds)]
    tell: Duration,
    /// From the request to end to the end by force
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    grace: Duration,
    /// How often what went missing is looked for; 0: others do
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    reap: Duration,
}

/// Where the installation lies.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The data folder of a service on this machine
    #[arg(long, env = "OUTPOST_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A service in AWS, by variables: S3_ARTIFACTS_BUCKET and others, which services/aws/README.md lists
    #[arg(long)]
    aws: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sandbox {
    /// The best that there is; none is no choice
    Required,
    /// The best that there is
    Preferred,
    /// None: jobs may do what the worker may
    Off,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// What happens again and again needs time in between.
fn some_seconds(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(50);
    let time = seconds(text)?;
    if time < LEAST { Err(format!("has to be {} seconds at least", LEAST.as_secs_f64())) } else { Ok(time) }
}

/// As long as a queue lets anybody wait.
fn call(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(20);
    let time = some_seconds(text)?;
    if time > MOST { Err(format!("has to be {} seconds at most", MOST.as_secs())) } else { Ok(time) }
}

fn mirror(text: &str) -> Result<(String, String), String> {
    let (host, url) = text.split_once('=').ok_or("has to be `HOST=URL`")?;
    if host.is_empty() || !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err("has to be `HOST=URL`, with a URL of `https` or `http`".to_owned());
    }
    Ok((host.to_owned(), url.to_owned()))
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = outpost_worker::hand(&words) {
        return exit;
    }
    let args = Args::parse();
    let Some(workspaces) = args.workspaces.clone().or_else(|| Some(args.place.data.as_ref()?.join("workspaces")))
    else {
        let told = "--aws needs --workspaces DIR: a folder on a local disk, where the folders of jobs are made";
        Args::command().error(ErrorKind::MissingRequiredArgument, told).exit();
    };
    let filter = EnvFilter::try_from_env("OUTPOST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no event loop: {error}")),
    };
    let ended = runtime.block_on(work(args, workspaces));
    // Whoever still waits is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(143),
        Err(why) => complain(&why),
    }
}

fn complain(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}

async fn work(args: Args, workspaces: PathBuf) -> Result<bool, String> {
    let told = |error: outpost_worker::Error| error.to_string();
    let offer = Offer {
        agents: outpost_worker::agents(args.agents.as_deref()).map_err(told)?,
        commands: true,
        repositories: Repositories { hosts: args.git_host.clone(), folders: !args.allow_local_repos.is_empty() },
        callbacks_anywhere: false,
    };
    let desk = open(&args.place, offer, args.lease).await?;
    let (tell, orders) = watch::channel(Order::Work);
    let mut stops = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let listen = tokio::spawn(async move {
        for order in [Order::Leave, Order::Vanish] {
            let [Ok(term), Ok(int)] = &mut stops else { return };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!(?order, "told to go");
            // Nobody works any more: then nobody has to be told.
            let _ = tell.send(order);
        }
    });
    let mut settings = settings(&args, workspaces);
    settings.stay = stay()?;
    let ended = outpost_worker::run(desk, settings, orders).await.map_err(told);
    listen.abort();
    ended
}

async fn open(place: &Place, offer: Offer, lease: Duration) -> Result<Desk, String> {
    match &place.data {
        Some(data) => on_this_machine(data, offer, lease).await,
        None => in_aws(offer, lease).await,
    }
}

#[cfg(feature = "embedded")]
async fn on_this_machine(data: &Path, offer: Offer, lease: Duration) -> Result<Desk, String> {
    let opened = outpost_embedded::installation::open(data, "", offer, |settings| settings.lease = lease).await;
    let opened = opened.map_err(|problem| {
        format!("the data folder `{}` cannot be used: {problem}; name another one with --data", data.display())
    })?;
    Ok(Desk::clone(&opened.desk))
}

#[cfg(not(feature = "embedded"))]
async fn on_this_machine(_: &Path, _: Offer, _: Duration) -> Result<Desk, String> {
    Err("this build knows no data folders: build it with `--features embedded`".to_owned())
}

#[cfg(feature = "aws")]
async fn in_aws(offer: Offer, lease: Duration) -> Result<Desk, String> {
    let around = outpost_aws::Surroundings::look().await;
    let opened = around.desk(offer, |settings| settings.lease = lease).await;
    let desk = opened.map_err(|problem| format!("the service in AWS cannot be used: {problem}"))?;
    Ok(Desk::clone(&desk))
}

#[cfg(not(feature = "aws"))]
async fn in_aws(_: Offer, _: Duration) -> Result<Desk, String> {
    Err("this build does not speak to AWS: build it with `--features aws`".to_owned())
}

/// Who could take this machine away, and asks whether there are jobs on it: ECS, where this is one of its tasks.
#[cfg(feature = "aws")]
fn stay() -> Result<Option<Arc<dyn Stay>>, String> {
    outpost_aws::stay(|name| std::env::var(name).ok()).map_err(|problem| problem.to_string())
}

#[cfg(not(feature = "aws"))]
fn stay() -> Result<Option<Arc<dyn Stay>>, String> {
    Ok(None)
}

#[cfg(not(any(feature = "embedded", feature = "aws")))]
compile_error!("`outpost-worker` needs a place to work in: build it with the feature `embedded` or `aws`");

fn settings(args: &Args, workspaces: PathBuf) -> Settings {
    let mut settings = Settings::new(workspaces, args.lease);
    settings.slots = args.slots.into();
    settings.agents.clone_from(&args.agents);
    settings.sources.folders.clone_from(&args.allow_local_repos);
    settings.sources.private_hosts.clone_from(&args.private_host);
    settings.sources.mirrors = args.git_mirror.iter().cloned().collect();
    settings.fence.gateway_only = args.gateway_only;
    settings.fence.walls = match args.sandbox {
        Sandbox::Required => Walls::Required,
        Sandbox::Preferred => Walls::Preferred,
        Sandbox::Off => Walls::Off,
    };
    settings.clocks.wait = args.wait;
    settings.clocks.tell = args.tell;
    settings.clocks.grace = args.grace;
    settings.clocks.reap = (!args.reap.is_zero()).then_some(args.reap);
    if let Some(disk) = args.disk {
        settings.bounds.disk = Tier::ALL.map(|tier| (tier, disk));
    }
    settings
}
