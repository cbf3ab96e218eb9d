//! The worker within the server: jobs are done by the process that takes them in.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use outpost_api::Settings;
use outpost_core::actions::Desk;
use outpost_worker::Order;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Stop;
use crate::options::Working;

/// Parts of a job are done by this program again, under words of their own.
pub(crate) fn hand() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    outpost_worker::hand(&words)
}

/// Serves and works until it is told to stop.
pub(crate) async fn serve(
    options: &Working,
    data: &Path,
    desk: Arc<Desk>,
    listener: TcpListener,
    settings: Settings,
    stop: Stop,
) -> Result<(), String> {
    let (tell, orders) = watch::channel(Order::Work);
    let (own, how) = (Desk::clone(&desk), how(options, data, desk.settings().lease));
    let worker = async {
        let told = |error: outpost_worker::Error| format!("jobs cannot be done here: {error}");
        outpost_worker::run(own, how, orders).await.map(drop).map_err(told)
    };
    // Whoever asks is served until the jobs are handed back.
    let stopped = async {
        stop.wait().await;
        // A worker that has failed has been told of.
        let _ = tell.send(Order::Leave);
    };
    let serve = outpost_api::serve(desk, listener, settings, stopped);
    tokio::try_join!(serve, worker).map(drop)
}

fn how(options: &Working, data: &Path, lease: std::time::Duration) -> outpost_worker::Settings {
    let workspaces = options.workspaces.clone().unwrap_or_else(|| data.join("workspaces"));
    let mut settings = outpost_worker::Settings::new(workspaces, lease);
    settings.slots = options.slots.max(1).into();
    settings.agents.clone_from(&options.agents);
    settings.sources.folders.clone_from(&options.allow_local_repos);
    // The server looks for what went missing.
    settings.clocks.reap = None;
    settings
}
