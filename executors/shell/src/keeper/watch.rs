//! One task from its order to its report.
//!
//! ```text
//! running ──(program ended, others left)──► lingering ──(leak timeout)──► ending ──(grace)──► killing
//!    └──(timeout, cancel, runner gone)────────────────────────────────────►┘
//! ```
//! From each of them straight to the report as soon as nothing is left; also from running, where the program ended well and
//! others are meant to stay. Output is drained throughout.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal as NixSignal;
use nix::sys::signalfd::SignalFd;
use outpost_executor::{NotStarted, OnRunnerDeath, Outcome, Process, Redaction, Report, TooMany, Usage};
use outpost_spawn::{Collected, Used};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::channel::Channel;
use super::launch::{Launcher, Trouble};
use super::output::{Capture, Copy};
use crate::order::Order;
use crate::process::Stat;
use crate::tree;
use crate::wire::{Answer, Request};

/// Between two tries to start when the system is short of something.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// How long a file that is being written may keep a program from starting.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);
/// Between two rounds of killing, at first and at most.
const FIRST_ROUND: Duration = Duration::from_millis(2);
const LAST_ROUND: Duration = Duration::from_millis(200);
/// After so many rounds those that multiply are stopped before they are killed.
const PATIENT_ROUNDS: u32 = 4;
/// When killing has not helped for so long, the runner is told.
const STUCK: Duration = Duration::from_secs(10);

/// Why a task is being ended.
#[derive(Clone, Copy)]
enum Cause {
    TimedOut,
    Cancelled,
    Interrupted,
}

#[derive(Clone, Copy)]
enum Phase {
    Running,
    Lingering { until: Instant },
    Ending { until: Instant },
    Killing { since: Instant, round: u32, next: Instant, told: bool },
}

/// What came with an order, or was made of it.
pub(super) struct Brought<'a> {
    pub(super) stdin: Option<&'a OwnedFd>,
    pub(super) locks: &'a [OwnedFd],
    pub(super) redaction: Result<Option<&'a Redaction>, TooMany>,
}

/// Runs the order and returns when nothing of it is left, or only what is meant to stay.
pub(super) fn perform(
    channel: &mut Channel,
    launcher: &mut Launcher,
    signals: &SignalFd,
    buffer: &mut [u8],
    order: &Order,
    brought: &Brought<'_>,
) -> Report {
    let started_ms = now_ms();
    let bare = |reason| Report::bare(Outcome::NotStarted(reason), started_ms);
    if brought.locks.len() != order.locks || brought.stdin.is_some() != order.stdin {
        return bare(NotStarted::Other("its locks did not arrive: too many open files".into()));
    }
    let (capture, main) = match launch(channel, launcher, order, brought) {
        Ok(launched) => launched,
        Err(reason) => return bare(reason),
    };
    let mut watch = Watch {
        channel,
        launcher,
        signals,
        buffer,
        order,
        capture,
        main,
        exit: None,
        cause: None,
        phase: Phase::Running,
        leaked: Vec::new(),
        started: Instant::now(),
        started_ms,
    };
    watch.until_it_is_over();
    watch.report()
}

/// Starts the program, patiently where the system is short of something.
fn launch(
    channel: &mut Channel,
    launcher: &mut Launcher,
    order: &Order,
    brought: &Brought<'_>,
) -> Result<(Capture, Pid), NotStarted> {
    let Brought { stdin, locks, redaction } = *brought;
    // Nothing runs whose secrets would be seen.
    let redaction = redaction.map_err(|error| NotStarted::Refused(error.to_string()))?;
    let first = Instant::now();
    let file = Copy::new(order)?;
    loop {
        let started = Capture::new(order, redaction).map_err(Trouble::from).and_then(|capture| {
            let main = launcher.start(order, stdin.map(AsFd::as_fd), capture.writers(), locks)?;
            Ok((capture, main))
        });
        match started {
            Ok((mut capture, main)) => {
                capture.copy_to(file);
                return Ok((capture, main));
            }
            Err(Trouble::Final(reason)) => return Err(reason),
            Err(Trouble::Short(Errno::TXTBSY)) if first.elapsed() > BUSY_PATIENCE => {
                return Err(NotStarted::Other(format!("its program `{}` is being written", order.program.shown())));
            }
            Err(Trouble::Short(_)) => {
                if was_called_off(channel) {
                    return Err(NotStarted::Cancelled);
                }
            }
        }
    }
}

/// Waits a moment; whether it was cancelled or the runner died in it.
fn was_called_off(channel: &mut Channel) -> bool {
    let pause = timespec(SHORT_PAUSE);
    let heard = poll(&mut [PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN)], Some(&pause)) == Ok(1);
    heard && (matches!(channel.take(), Some(Request::Cancel(_))) || !channel.open)
}

struct Watch<'a> {
    channel: &'a mut Channel,
    launcher: &'a Launcher,
    signals: &'a SignalFd,
    buffer: &'a mut [u8],
    order: &'a Order,
    capture: Capture,
    main: Pid,
    exit: Option<(ExitStatus, Usage)>,
    cause: Option<Cause>,
    phase: Phase,
    leaked: Vec<Process>,
    started: Instant,
    started_ms: u64,
}

/// What `poll` had to say.
struct Heard {
    pipes: [bool; 2],
    signals: bool,
    runner: bool,
}

impl Watch<'_> {
    fn until_it_is_over(&mut self) {
        loop {
            let heard = self.listen();
            let at_ms = now_ms();
            for (index, ready) in heard.pipes.into_iter().enumerate() {
                if ready {
                    self.capture.take(index, at_ms, self.buffer);
                }
            }
            // Before the clock is looked at: who has ended by now has ended in time, also when this process was
            // stopped meanwhile.
            if heard.signals && self.hear_signals() {
                break;
            }
            if heard.runner {
                self.hear_runner();
            }
            self.capture.show(at_ms);
            self.keep_time();
        }
        self.capture.drain(now_ms(), self.buffer);
    }

    fn listen(&self) -> Heard {
        let next = self.next_time().into_iter().chain(self.capture.pause()).min();
        let timeout = next.map(|time| timespec(time.saturating_duration_since(Instant::now())));
        let pipes = self.capture.pipes();
        let mut polled = vec![PollFd::new(self.signals, PollFlags::IN)];
        if self.channel.open {
            polled.push(PollFd::from_borrowed_fd(self.channel.as_fd(), PollFlags::IN));
        }
        polled.extend(pipes.iter().flatten().map(|pipe| PollFd::from_borrowed_fd(*pipe, PollFlags::IN)));
        let mut heard = Heard { pipes: [false; 2], signals: false, runner: false };
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted: all there is to hear is still there.
            return heard;
        }
        let mut said = polled.iter().map(|descriptor| !descriptor.revents().is_empty());
        heard.signals = said.next().unwrap_or_default();
        heard.runner = self.channel.open && said.next().unwrap_or_default();
        for (ready, pipe) in heard.pipes.iter_mut().zip(pipes) {
            *ready = pipe.is_some() && said.next().unwrap_or_default();
        }
        heard
    }

    /// When something has to be done though nothing is heard.
    fn next_time(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.order.timeout.and_then(|timeout| self.started.checked_add(timeout)),
            Phase::Lingering { until } | Phase::Ending { until } => Some(until),
            Phase::Killing { next, .. } => Some(next),
        }
    }

    /// Whether nothing is left to watch.
    fn hear_signals(&mut self) -> bool {
        // One at a time: if there is another, `poll` says so.
        let Ok(Some(info)) = self.signals.read_signal() else {
            return false;
        };
        if i32::try_from(info.ssi_signo) == Ok(NixSignal::SIGTERM as i32) {
            // Without a runner it is how an adopted task is cancelled; whether there is one may not have been heard yet.
            // Otherwise it was sent to all alike, and the runner decides.
            self.hear_runner();
            if !self.channel.open {
                self.end(Cause::Cancelled);
            }
            return false;
        }
        self.collect()
    }

    /// Collects all that have ended; whether there are no others, or none that are to be ended.
    fn collect(&mut self) -> bool {
        loop {
            match self.launcher.collect() {
                Collected::Ended(pid, status, used) if pid == self.main && self.exit.is_none() => {
                    self.exit = Some((status, usage(used)));
                    if matches!(self.phase, Phase::Running) {
                        if self.order.stays && status.success() {
                            return true;
                        }
                        self.phase = Phase::Lingering { until: Instant::now() + self.order.leak_timeout };
                    }
                }
                Collected::Ended(..) => {}
                Collected::Nothing => return false,
                Collected::Childless => return true,
            }
        }
    }

    fn hear_runner(&mut self) {
        if !self.channel.open {
            return;
        }
        if let Some(Request::Cancel(token)) = self.channel.take()
            && token == self.order.token
        {
            self.end(Cause::Cancelled);
        }
        if !self.channel.open && self.order.on_runner_death == OnRunnerDeath::Kill {
            self.end(Cause::Interrupted);
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.next_time().is_none_or(|time| now < time) {
            return;
        }
        match self.phase {
            Phase::Running => self.end(Cause::TimedOut),
            // The program ended by itself, so this is no cause of its end.
            Phase::Lingering { .. } => self.end(Cause::TimedOut),
            Phase::Ending { .. } => self.kill(now, 0, now, false),
            Phase::Killing { since, round, told, .. } => self.kill(since, round, now, told),
        }
    }

    /// Asks all that is left to end. The first cause stands; one that comes after the program has ended is none.
    fn end(&mut self, cause: Cause) {
        if matches!(self.phase, Phase::Ending { .. } | Phase::Killing { .. }) {
            return;
        }
        let members = tree::members(std::process::id());
        for signal in [Signal::TERM, Signal::CONT] {
            for member in &members {
                // It may have ended by now; whether it may be signalled shows when it is killed.
                let _ = tree::signal(member, signal);
            }
        }
        if self.exit.is_some() {
            self.leaked = members.into_iter().map(Stat::told).collect();
        } else {
            self.cause = Some(cause);
        }
        self.phase = Phase::Ending { until: Instant::now() + self.order.grace };
    }

    fn kill(&mut self, since: Instant, round: u32, now: Instant, mut told: bool) {
        if round >= PATIENT_ROUNDS {
            let own = std::process::id();
            tree::kill_groups(own, &tree::members(own));
            // Those that left their group and fork faster than they are killed cannot fork while they are stopped.
            for _ in 0..10 {
                let members = tree::members(own);
                if members.is_empty() {
                    break;
                }
                for member in members {
                    let _ = tree::signal(&member, Signal::STOP);
                }
            }
        }
        let mut why = None;
        let members = tree::members(std::process::id());
        for member in &members {
            if let Err(errno) = tree::signal(member, Signal::KILL) {
                why = Some(errno);
            }
        }
        if since.elapsed() > STUCK && !told {
            let mut left: Vec<String> = members.into_iter().map(|stat| stat.told().to_string()).collect();
            if left.is_empty() {
                left.push("a process that cannot be seen".into());
            }
            let why = why.map_or_else(|| "no answer to SIGKILL".to_owned(), |errno| errno.to_string());
            let lost = format!("cannot end {}: {why}; its locks stay locked", left.join(", "));
            self.channel.send(&Answer::Ended(Box::new(Report::bare(Outcome::Lost(lost), now_ms()))));
            told = true;
        }
        let pause = FIRST_ROUND.saturating_mul(1 << round.min(10)).min(LAST_ROUND);
        self.phase = Phase::Killing { since, round: round + 1, next: now + pause, told };
    }

    fn report(self) -> Report {
        let ([stdout, stderr], log, stdout_file) = self.capture.told();
        let by_itself = || match self.exit {
            Some((status, _)) => {
                status.code().map_or_else(|| Outcome::Signalled(status.signal().unwrap_or_default()), Outcome::Exited)
            }
            None => Outcome::Lost("its end was not seen".into()),
        };
        let outcome = match self.cause {
            Some(Cause::TimedOut) => Outcome::TimedOut,
            Some(Cause::Cancelled) => Outcome::Cancelled,
            Some(Cause::Interrupted) => Outcome::Interrupted,
            None => by_itself(),
        };
        Report {
            outcome,
            started_ms: self.started_ms,
            ended_ms: now_ms(),
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            stdout,
            stderr,
            log,
            stdout_file,
            leaked: self.leaked,
            usage: self.exit.map(|(_, usage)| usage).unwrap_or_default(),
        }
    }
}

const fn usage(used: Used) -> Usage {
    let Used { user_us, system_us, max_rss_bytes } = used;
    Usage { user_us, system_us, max_rss_bytes }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn timespec(duration: Duration) -> Timespec {
    // A day: longer waits are cut into days.
    let duration = duration.min(Duration::from_secs(86_400));
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: 86_400, tv_nsec: 0 })
}
