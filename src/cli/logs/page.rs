//! A part of what a task printed, for programs that read it piece by piece: bounded in lines and bytes, however much there is.
//!
//! Lines are numbered from 0 through all stages of an attempt that were asked for; they keep their numbers while more are
//! printed. What was hidden when it was printed stays hidden: the log holds nothing else.

use std::collections::VecDeque;
use std::io;

use outpost_executor::log::{Entry, ReadError, Reader, Stream};
use serde::Serialize;

use super::super::Failure;
use super::super::kept::look;
use super::stages::{self, Stages};
use super::{Owner, no_attempt, owner};
use crate::engine::error::Broken;
use crate::engine::moment::timestamp;
use crate::engine::store::RunFiles;
use crate::journal::follow;
use crate::run::Moment;

/// The longest line; the rest of a longer one is left out.
const LONGEST: usize = 4 << 10;
/// The most text of all lines.
const ROOM: usize = 48 << 10;

/// Which part.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Wanted<'a> {
    pub(in crate::cli) task: &'a str,
    /// The latest without it.
    pub(in crate::cli) attempt: Option<u32>,
    pub(in crate::cli) stage: Option<&'a str>,
    /// The first line; the last ones without it.
    pub(in crate::cli) from: Option<u64>,
    pub(in crate::cli) lines: usize,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Line {
    pub(in crate::cli) number: u64,
    stage: String,
    /// `stdout`, `stderr`, or `note` for what is said about the log itself.
    stream: &'static str,
    at: Option<String>,
    text: String,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Page {
    pub(in crate::cli) run: String,
    pub(in crate::cli) task: String,
    /// None: it has not started.
    pub(in crate::cli) attempt: Option<u32>,
    pub(in crate::cli) lines: Vec<Line>,
    /// The number of the first line behind these.
    pub(in crate::cli) next: u64,
    /// How many there are so far.
    pub(in crate::cli) total: u64,
}

/// The lines that are wanted, as far as there is room.
pub(in crate::cli) fn page(files: &RunFiles, wanted: &Wanted<'_>) -> Result<Page, Failure> {
    let Owner { owner, .. } = look(files, |kept| owner(kept, wanted.task, wanted.stage))?;
    let mut journal = follow(files.folder()).map_err(Broken::from)?;
    let mut stages = Stages::of(&owner);
    while let Some(record) = journal.next_record().map_err(Broken::from)? {
        stages.take(&record.payload);
    }
    let latest = stages.latest();
    if let (Some(asked), Some(latest)) = (wanted.attempt, latest)
        && asked > latest
    {
        return Err(no_attempt(wanted.task, asked, latest));
    }
    let attempt = wanted.attempt.or(latest);
    let mut window = Window { from: wanted.from, most: wanted.lines, ..Window::default() };
    for stage in &stages.all {
        let is_meant = (stage.is_chore || Some(stage.attempt) == attempt)
            && (!stage.is_chore || wanted.stage.is_some() || wanted.task == "hooks")
            && wanted.stage.is_none_or(|asked| stages::is_meant(asked, &stage.word));
        if is_meant {
            read(files, &owner, stage, &mut window);
        }
    }
    let lines = Vec::from(window.kept);
    let next =
        lines.last().map_or_else(|| window.total.min(wanted.from.unwrap_or(window.total)), |last| last.number + 1);
    Ok(Page {
        run: files.id().to_owned(),
        task: wanted.task.to_owned(),
        attempt: latest.and(attempt),
        lines,
        next,
        total: window.total,
    })
}

/// Takes a log into the window, line by line.
fn read(files: &RunFiles, owner: &str, stage: &stages::Run, window: &mut Window) {
    let mut reader = match Reader::open(&files.log(owner, stage.attempt, &stage.word)) {
        Ok(reader) => reader,
        // It printed nothing, so far.
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return,
        Err(ReadError::NotALog) if !stage.is_over() => return,
        Err(error) => return window.note(stage, &format!("the log of {} cannot be read: {error}", stage.word)),
    };
    let mut open = [Open::default(), Open::default()];
    loop {
        match reader.next() {
            Ok(Some(Entry::Output { stream, at_ms, bytes })) => {
                let line = &mut open[usize::from(stream == Stream::Stderr)];
                for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                    line.take(part, at_ms);
                    if part.ends_with(b"\n") {
                        window.line(stage, stream, &std::mem::take(line));
                    }
                }
            }
            Ok(Some(Entry::Cut { stdout, stderr })) => {
                let lost = stdout.saturating_add(stderr);
                window.note(stage, &format!("{lost} bytes are not kept here"));
            }
            Ok(None) => break,
            Err(error) => {
                window.note(stage, &format!("the log of {} cannot be read any further: {error}", stage.word));
                break;
            }
        }
    }
    for (stream, line) in [Stream::Stdout, Stream::Stderr].into_iter().zip(open) {
        if line.at_ms.is_some() {
            window.line(stage, stream, &line);
        }
    }
}

/// A line that has not come to its end.
#[derive(Default)]
struct Open {
    bytes: Vec<u8>,
    left_out: usize,
    at_ms: Option<u64>,
}

impl Open {
    fn take(&mut self, part: &[u8], at_ms: u64) {
        self.at_ms.get_or_insert(at_ms);
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        let (kept, rest) = part.split_at(part.len().min(LONGEST - self.bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.left_out += rest.len();
    }
}

/// The lines that are kept of all that pass.
#[derive(Default)]
struct Window {
    from: Option<u64>,
    most: usize,
    kept: VecDeque<Line>,
    size: usize,
    is_full: bool,
    total: u64,
}

impl Window {
    fn line(&mut self, stage: &stages::Run, stream: Stream, line: &Open) {
        let text = String::from_utf8_lossy(&line.bytes);
        let mut text = anstream::adapter::strip_str(text.trim_end_matches('\r')).to_string();
        if line.left_out > 0 {
            text += &format!(" [… {} bytes left out …]", line.left_out);
        }
        let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        self.push(stage, stream, line.at_ms.map(|at| format!("{:.3}", timestamp(Moment(at)))), text);
    }

    fn note(&mut self, stage: &stages::Run, what: &str) {
        self.push(stage, "note", None, what.to_owned());
    }

    fn push(&mut self, stage: &stages::Run, stream: &'static str, at: Option<String>, text: String) {
        let number = self.total;
        self.total += 1;
        if self.is_full || self.from.is_some_and(|from| number < from) {
            return;
        }
        self.size += text.len();
        self.kept.push_back(Line { number, stage: stage.word.clone(), stream, at, text });
        while self.kept.len() > self.most || (self.size > ROOM && self.kept.len() > 1) {
            // From a line on, the first ones stay; of the end, the last ones.
            self.is_full = self.from.is_some();
            let gone = if self.is_full { self.kept.pop_back() } else { self.kept.pop_front() };
            self.size -= gone.map_or(0, |line| line.text.len());
        }
    }
}
