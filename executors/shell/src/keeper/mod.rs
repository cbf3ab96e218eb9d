//! The keeper: a process of its own that runs one task at a time and leaves nothing of it behind.
//!
//! Single-threaded and in a session of its own, so a task has no terminal to wait for. All signals are blocked; the
//! two that matter are read from a descriptor. Whatever loses its parent below a keeper becomes its child, so "no
//! children" means "nothing left". It knows no tasks beyond the order in hand. Where what an order leaves is meant to stay, it is
//! the keeper's last.
//!
//! ```text
//! ready ─► (start) ─► watch: running ─► lingering ─► ending ─► killing ─► nothing left ─► report ─► ready
//!   └─ the runner is gone: exit                                              └─ gone too: record, unlock, exit
//! ```

mod channel;
mod launch;
mod output;
mod watch;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use outpost_executor::{Redaction, Report, Secrets, Token, TooMany};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, chdir, set_child_subreaper, setsid};
use rustix::stdio::{dup2_stdin, dup2_stdout, stdin, stdout};
use rustix::thread::set_name;

use self::channel::Channel;
use self::launch::Launcher;
use self::watch::Brought;
use crate::order::Order;
use crate::process::Identity;
use crate::record;
use crate::wire::{Answer, Request, VERSION};

/// What follows the program's name on the command line of a keeper.
pub const ARGUMENT: &str = "__keeper";

/// What `ps` shows, so that whoever ends runners by name does not end their keepers with them.
pub(crate) const NAME: &str = "outpost-keeper";

/// A report that may not be in the journal yet.
struct Unsettled {
    log: PathBuf,
    token: Token,
    report: Report,
}

/// Serves the runner at the other ends of standard input, a socket, and standard output, until it says goodbye or is
/// gone.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // There is nobody to tell: the runner notices the end of the socket, and a person who tries this by hand
        // the status.
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    close_strays()?;
    let socket = fcntl_dupfd_cloexec(stdin(), 3)?;
    let answers = fcntl_dupfd_cloexec(stdout(), 3)?;
    let nothing = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    // The runner may have been the leader of a session, its child is not.
    setsid()?;
    set_child_subreaper(Pid::from_raw(1))?;
    set_name(c"outpost-keeper")?;
    // No folder of the user is held.
    chdir("/")?;
    let mut launcher = Launcher::new()?;
    let mut heard = SigSet::empty();
    heard.add(NixSignal::SIGCHLD);
    heard.add(NixSignal::SIGTERM);
    let signals = SignalFd::with_flags(&heard, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

    let mut channel = Channel::new(socket, answers.into());
    let identity = Identity::of(std::process::id()).ok_or_else(|| io::Error::other("no /proc"))?;
    channel.send(&Answer::Ready { version: VERSION, identity });
    let mut buffer = vec![0; 64 * 1024];
    let mut known = Known::nothing();
    let mut unsettled: Option<Unsettled> = None;
    let mut _held: Vec<OwnedFd> = Vec::new();
    while let Some(request) = channel.wait() {
        match request {
            Request::Hello { open_files, held } => {
                launcher.open_files = open_files;
                _held = channel.descriptors(held);
            }
            Request::Start(order) => {
                let stdin = if order.stdin { channel.descriptors(1).pop() } else { None };
                let locks = channel.descriptors(order.locks);
                let redaction = known.redaction(&order);
                let brought = Brought { stdin: stdin.as_ref(), locks: &locks, redaction };
                let report = watch::perform(&mut channel, &mut launcher, &signals, &mut buffer, &order, &brought);
                let end = Unsettled { log: order.log.to_path(), token: order.token, report };
                if channel.open {
                    drop(locks);
                    channel.send(&Answer::Ended(Box::new(end.report.clone())));
                } else {
                    // Before anybody else gets the locks.
                    note(&end);
                    return Ok(());
                }
                unsettled = Some(end);
            }
            // For a task that has just ended.
            Request::Cancel(_) => {}
            Request::Bye => unsettled = None,
        }
    }
    if let Some(end) = &unsettled {
        note(end);
    }
    Ok(())
}

/// The secrets of the last order: all orders of a run have the same, and it takes time to know all their forms.
struct Known {
    secrets: Secrets,
    redaction: Result<Option<Redaction>, TooMany>,
}

impl Known {
    fn nothing() -> Self {
        Self { secrets: Secrets::default(), redaction: Ok(None) }
    }

    fn redaction(&mut self, order: &Order) -> Result<Option<&Redaction>, TooMany> {
        let secrets = order.secrets();
        if !secrets.pairs().eq(self.secrets.pairs()) {
            self.redaction = Redaction::of(&secrets);
            self.secrets = secrets;
        }
        self.redaction.as_ref().map(Option::as_ref).map_err(|error| *error)
    }
}

/// Closes what whoever started the runner left open: what a task finds open does not depend on that.
fn close_strays() -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in open {
        // One of them was for reading this list and is closed already. Nothing here has opened any other yet.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Leaves the report for a runner to come.
fn note(end: &Unsettled) {
    // Without a record the task is unknown to the next runner, which is true.
    let _ = record::write(&end.log, &end.token, &end.report);
}
