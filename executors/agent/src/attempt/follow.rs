//! Runs the agent's process and follows it to its end.
//!
//! One loop waits for everything at once: both streams, the file of events, the clocks, the gateway, the end of the
//! process, and who wants it to stop. TERM goes to the process group, KILL after the grace.

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command as Process};

use super::circles::Circles;
use super::clocks::{Clocks, Late};
use super::fence::{Walls, bare};
use super::group::Group;
use super::job::Limits;
use super::record::Record;
use super::tail::Tail;
use super::{Gate, say};
use crate::classify::Exit;
use crate::definition::Definition;
use crate::stream::{Event, Line, Lines, Reader, Told};

/// How often files and the gateway are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long output may still come after the process has ended: others may hold its pipes for ever.
const DRAIN: Duration = Duration::from_secs(2);
/// When we are to stop ourselves, our own keeper does not wait for long.
const HURRY: Duration = Duration::from_secs(2);

/// Why we ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Late(Late),
    Circle(String),
    Breach(String),
    Asked,
}

/// What is to be started.
pub(super) struct Start<'a> {
    pub(super) definition: &'a Definition,
    pub(super) argv: &'a [String],
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) workspace: &'a Path,
    pub(super) stdin: Option<String>,
    /// The file of events, where they are not on stdout.
    pub(super) tail: Option<Tail>,
    pub(super) limits: &'a Limits,
    pub(super) gate: Option<&'a dyn Gate>,
    pub(super) walls: Option<&'a Walls<'a>>,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) exit: Exit,
    pub(super) told: Told,
    pub(super) ended: Option<Ended>,
}

struct Follower<'a> {
    reader: Reader<'a>,
    clocks: Clocks<'a>,
    circles: Circles,
    record: &'a mut Record,
    out: &'a mut (dyn Write + Send),
    circle: Option<String>,
    has_events_file: bool,
    lines: Lines,
}

impl Follower<'_> {
    fn events(&mut self, events: Vec<Event>) {
        let now = Instant::now();
        for event in events {
            self.clocks.event(&event, now);
            self.circle = self.circle.take().or_else(|| self.circles.see(&event));
            self.record.event(&event, super::now_ms());
            if let Some(line) = say::line(&event) {
                // Nobody may be reading.
                let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
            }
        }
        if self.reader.is_over() {
            self.clocks.over(now);
        }
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.clocks.heard(Instant::now());
        let mut found = Vec::new();
        self.lines.push(self.record.stdout.take(bytes), |line| found.push(line));
        self.lines_of_stdout(found);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.clocks.heard(Instant::now());
        self.record.stderr.take(bytes);
    }

    fn lines_of_stdout(&mut self, found: Vec<Line>) {
        for line in found {
            let mut events = if self.has_events_file { Vec::new() } else { self.reader.line(&line) };
            events.extend(self.reader.printed(&line));
            self.events(events);
        }
    }

    fn finish(&mut self, events_file: Option<&mut Tail>) {
        let mut found = Vec::new();
        self.lines.push(self.record.stdout.finish(), |line| found.push(line));
        found.extend(self.lines.finish());
        self.lines_of_stdout(found);
        self.record.stderr.finish();
        if let Some(tail) = events_file {
            self.lines_of_file(tail.finish());
        }
        let last = self.reader.finish();
        self.events(last.into_iter().collect());
    }

    fn lines_of_file(&mut self, found: Vec<Line>) {
        for line in found {
            let events = self.reader.line(&line);
            self.events(events);
        }
    }
}

/// Runs it to its end, whatever makes it end. `Err`: it did not start.
pub(super) async fn follow(
    start: Start<'_>,
    record: &mut Record,
    out: &mut (dyn Write + Send),
    mut stop: Pin<&mut (dyn Future<Output = ()> + Send)>,
) -> Result<Followed, String> {
    let (program, args) = start.argv.split_first().ok_or("its command is empty")?;
    let command = bare(program, args, &start.env, start.workspace);
    let command = start.walls.map_or(Ok(None), |walls| walls.around(&command).map(Some))?.unwrap_or(command);
    let mut process = Process::from(command);
    process.process_group(0).kill_on_drop(true);
    process.stdin(if start.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = process
        .spawn()
        .map_err(|error| format!("`{program}` could not be started in `{}`: {error}", start.workspace.display()))?;
    let group = Group::of(&child, start.walls);
    let feeding = feed(child.stdin.take(), start.stdin);
    tokio::pin!(feeding);
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut tail = start.tail;
    let mut follower = Follower {
        reader: Reader::new(start.definition),
        clocks: Clocks::new(start.limits, Instant::now()),
        circles: Circles::default(),
        record,
        out,
        circle: None,
        has_events_file: tail.is_some(),
        lines: Lines::default(),
    };
    let mut look = tokio::time::interval(LOOK);
    let (mut out_buffer, mut err_buffer) = (vec![0; 64 << 10], vec![0; 16 << 10]);
    let grace = Duration::from_secs(start.definition.kill.grace_secs);
    let (mut is_fed, mut is_asked) = (false, false);
    let (mut ended, mut kill_at): (Option<Ended>, Option<Instant>) = (None, None);
    let mut gone: Option<(io::Result<ExitStatus>, Instant)> = None;
    loop {
        let has_drained = stdout.is_none() && stderr.is_none();
        if let Some((_, at)) = &gone
            && (has_drained || at.elapsed() >= DRAIN)
        {
            break;
        }
        let (due, late) = follower.clocks.next();
        let wake = match (&gone, &ended) {
            (Some((_, at)), _) => *at + DRAIN,
            (None, Some(_)) => kill_at.unwrap_or_else(|| Instant::now() + grace),
            (None, None) => due,
        };
        let mut cause = None;
        tokio::select! {
            read = chunk(&mut stdout, &mut out_buffer), if stdout.is_some() => match read {
                0 => stdout = None,
                read => follower.stdout(out_buffer.get(..read).unwrap_or_default()),
            },
            read = chunk(&mut stderr, &mut err_buffer), if stderr.is_some() => match read {
                0 => stderr = None,
                read => follower.stderr(err_buffer.get(..read).unwrap_or_default()),
            },
            () = &mut feeding, if !is_fed => is_fed = true,
            status = child.wait(), if gone.is_none() => gone = Some((status, Instant::now())),
            () = &mut stop, if gone.is_none() && !is_asked => {
                is_asked = true;
                cause = Some(Ended::Asked);
            }
            _ = look.tick(), if gone.is_none() => {
                if let Some(tail) = &mut tail {
                    follower.lines_of_file(tail.look());
                }
                if let Some(gate) = start.gate {
                    if let Some(at) = gate.last_activity() {
                        follower.clocks.answered(at);
                    }
                    follower.record.spent(gate.spent());
                    cause = gate.breach().map(Ended::Breach);
                }
            }
            () = tokio::time::sleep_until(wake.into()) => match (&gone, &ended) {
                (Some(_), _) => {}
                (None, Some(_)) => {
                    group.signal(Signal::KILL);
                    // It cannot refuse; if it is stuck in the kernel, there is nothing to do but to look again.
                    kill_at = Some(Instant::now() + HURRY);
                }
                (None, None) => cause = Some(Ended::Late(late)),
            },
        }
        let cause = cause.or_else(|| follower.circle.take().map(Ended::Circle));
        if let (Some(cause), None) = (cause, &gone) {
            let hurry = cause == Ended::Asked;
            let is_first = ended.is_none();
            if is_first {
                group.signal(Signal::TERM);
            }
            if is_first || hurry {
                let until = Instant::now() + if hurry { grace.min(HURRY) } else { grace };
                kill_at = Some(kill_at.map_or(until, |known| known.min(until)));
            }
            ended.get_or_insert(cause);
        }
    }
    follower.finish(tail.as_mut());
    let told = follower.reader.told().clone();
    let (status, _) = gone.ok_or("nobody waited for its end")?;
    let status = status.map_err(|error| format!("how `{program}` ended could not be seen: {error}"))?;
    let exit = match (&ended, status.code(), status.signal()) {
        (Some(Ended::Late(Late::AfterResult)), _, _) => Exit::AfterResult,
        (_, Some(code), _) => Exit::Code(code),
        (_, None, signal) => Exit::Signal(signal.unwrap_or_default()),
    };
    release(child);
    Ok(Followed { exit, told, ended })
}

/// It has been waited for.
fn release(child: Child) {
    drop(child);
}

/// Writes the prompt and closes the pipe: an agent whose input stays open waits for more.
async fn feed(pipe: Option<tokio::process::ChildStdin>, text: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (pipe, text) {
        // One that does not read its prompt ends soon, and says so.
        let _ = pipe.write_all(text.as_bytes()).await;
        let _ = pipe.shutdown().await;
    }
}

async fn chunk<R: AsyncRead + Unpin>(from: &mut Option<R>, buffer: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(buffer).await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
