//! The process between a keeper and the client of an engine.
//!
//! It starts the client, waits for it and ends with its exit code. Asked to end, it gives the client, which was asked as
//! well and passes it on to the container, three quarters of the grace; then it removes the container, before the
//! keeper kills guard and client. A client that ended by a signal leaves a container that nobody watches: it is removed.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use crate::{Engine, Kind};

/// How a guard is started: a program of ours, and the argument by which it knows.
#[derive(Clone, Debug)]
pub struct Guard {
    pub program: PathBuf,
    pub argument: OsString,
}

impl Guard {
    /// `ARGUMENT docker|podman PROGRAM OPTIONS NAME MILLISECONDS`, and behind it what the client gets.
    pub(crate) fn args(&self, engine: &Engine, name: &str, grace: Duration) -> Vec<OsString> {
        let patience = (grace.as_millis() * 3 / 4).to_string();
        vec![
            self.argument.clone(),
            engine.kind.name().into(),
            engine.program.clone().into(),
            engine.options.len().to_string().into(),
            name.into(),
            patience.into(),
        ]
    }
}

enum Heard {
    End,
    Ended(std::io::Result<ExitStatus>),
}

/// The guard's whole life; `args` are what stands behind its argument.
pub fn guard(args: impl Iterator<Item = OsString>) -> ExitCode {
    match watch(args.collect()) {
        Ok(code) => code,
        Err(reason) => {
            // Whoever reads the log of the task should see it.
            drop(writeln!(std::io::stderr(), "outpost: the container could not be started: {reason}"));
            ExitCode::from(125)
        }
    }
}

fn watch(args: Vec<OsString>) -> Result<ExitCode, String> {
    let mut args = args.into_iter();
    let mut next = || args.next().ok_or("the guard was told too little");
    let kind = if next()? == OsStr::new("podman") { Kind::Podman } else { Kind::Docker };
    let program = PathBuf::from(next()?);
    let number = |text: OsString| text.to_str().and_then(|text| text.parse::<u64>().ok()).ok_or("no number");
    let options = usize::try_from(number(next()?)?).map_err(|error| error.to_string())?;
    let name = next()?.into_string().map_err(|_| "the container has no name")?;
    let patience = Duration::from_millis(number(next()?)?);
    let rest: Vec<OsString> = args.collect();
    let options = rest.iter().take(options).cloned().collect();
    let engine = Engine { kind, program, options, user: (0, 0), limits: Vec::new() };

    // A client inherits which signals are blocked, so it is started before they are. Who is asked to end between the two
    // ends at once, like the client that was asked as well.
    let child = Command::new(&engine.program).args(&rest).spawn();
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(|errno| errno.to_string())?;
    let child = child.map_err(|error| format!("`{}`: {error}", engine.program.display()))?;
    let ended = hear(child, signals, &engine, &name, patience).map_err(|error| error.to_string())?;
    if let Some(signal) = ended.signal() {
        told(engine.remove_named(&name));
        return Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)));
    }
    Ok(ExitCode::from(u8::try_from(ended.code().unwrap_or(255)).unwrap_or(u8::MAX)))
}

fn hear(
    mut child: Child,
    signals: SigSet,
    engine: &Engine,
    name: &str,
    patience: Duration,
) -> std::io::Result<ExitStatus> {
    let (sender, receiver) = mpsc::channel();
    let ends = sender.clone();
    thread::spawn(move || ends.send(Heard::Ended(child.wait())));
    thread::spawn(move || {
        while signals.wait().is_ok() {
            if sender.send(Heard::End).is_err() {
                break;
            }
        }
    });
    let mut end: Option<Instant> = None;
    loop {
        let heard = match end {
            Some(end) => receiver.recv_timeout(end.saturating_duration_since(Instant::now())).ok(),
            None => receiver.recv().ok(),
        };
        match heard {
            Some(Heard::Ended(status)) => return status,
            // A second request does not begin the time anew.
            Some(Heard::End) => end = Some(end.unwrap_or_else(|| Instant::now() + patience)),
            None => break,
        }
    }
    // Time is up: without its container the client ends by itself.
    told(engine.remove_named(name));
    loop {
        match receiver.recv() {
            Ok(Heard::Ended(status)) => return status,
            Ok(Heard::End) => {}
            Err(_) => return Err(std::io::Error::other("nobody waits for the client")),
        }
    }
}

fn told(removed: Result<(), crate::Fault>) {
    if let Err(fault) = removed {
        drop(writeln!(std::io::stderr(), "outpost: the container may still run: {fault}"));
    }
}
