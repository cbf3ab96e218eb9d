//! Output of tasks on its way to a person, a file or a program.
//!
//! On a terminal lines of both streams stand in their order, those of standard error behind `! `; colours
//! stay, and nothing else that a terminal would obey. Elsewhere standard output goes to standard output
//! and standard error to standard error, byte for byte but for escape sequences. Whoever stopped
//! reading is not written to any more.

use std::io::{self, IsTerminal as _, Write};

use anstream::adapter::StripBytes;
use outpost_executor::log::{Entry, ReadError, Reader, Stream};
use serde_json::json;

use super::super::{Failure, Output};
use super::Heard;
use super::stages::Run as TaskRun;
use crate::engine::moment::timestamp;
use crate::report::progress::{plain, short};
use crate::report::table::one_line;
use crate::run::Moment;

/// A line that is longer is printed in parts.
const LONGEST: usize = 256 * 1024;
/// Bytes that are sent at once, when as many are there.
const AT_ONCE: usize = 64 * 1024;

/// Where the output goes.
pub(super) struct Listener<'a> {
    output: &'a mut Output,
    is_terminal: bool,
    json: bool,
    timestamps: bool,
    only: Option<Stream>,
    /// Bytes on their way, and whether they go to standard output.
    pending: Vec<u8>,
    is_data: bool,
    /// Why it could not be written, unless its reader went away.
    failure: Option<io::Error>,
}

impl From<super::Only> for Stream {
    fn from(only: super::Only) -> Self {
        match only {
            super::Only::Stdout => Self::Stdout,
            super::Only::Stderr => Self::Stderr,
        }
    }
}

impl<'a> Listener<'a> {
    pub(super) fn new(output: &'a mut Output, json: bool, timestamps: bool, only: Option<Stream>) -> Self {
        Self {
            output,
            is_terminal: io::stdout().is_terminal(),
            json,
            timestamps,
            only,
            pending: Vec::new(),
            is_data: true,
            failure: None,
        }
    }

    /// Takes bytes on their way. Answers whether somebody still reads, as far as is known.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        // A stream that was asked for alone is the data.
        let is_data = stream == Stream::Stdout || self.is_terminal || self.json || self.only.is_some();
        let sent = self.is_data == is_data || self.send();
        self.is_data = is_data;
        self.pending.extend_from_slice(bytes);
        sent && (self.pending.len() < AT_ONCE || self.send())
    }

    /// Sends what is on its way. Answers whether somebody still reads.
    pub(super) fn send(&mut self) -> bool {
        let bytes = std::mem::take(&mut self.pending);
        if bytes.is_empty() {
            return true;
        }
        if !self.is_data {
            // Whoever does not hear the one stream may listen to the other.
            let _ = io::stderr().lock().write_all(&bytes);
            return true;
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
            Ok(()) => true,
            Err(error) => {
                self.failure = Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
                false
            }
        }
    }

    /// Everything was sent, or nobody reads any more.
    pub(super) fn finish(self) -> Result<&'a mut Output, Failure> {
        match self.failure {
            Some(error) => Err(Failure::new(format!("failed to write the output: {error}"), "check where it goes")),
            None => Ok(self.output),
        }
    }

    /// Says something about the output, dimmed where there are colours.
    fn remark(&mut self, text: &str) {
        let style = anstyle::Style::new().dimmed();
        self.send();
        self.output.note(&format!("{style}{text}{style:#}\n"));
    }
}

/// The output of one stage.
pub(super) struct Printer {
    task: String,
    pub(super) reader: Option<Reader>,
    /// Its log cannot be read any further.
    pub(super) is_broken: bool,
    has_heading: bool,
    stdout: Line,
    stderr: Line,
}

/// A line that has not come to its end.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    at_ms: u64,
    strip: StripBytes,
}

impl Printer {
    pub(super) fn new(task: &str) -> Self {
        Self {
            task: task.to_owned(),
            reader: None,
            is_broken: false,
            has_heading: false,
            stdout: Line::default(),
            stderr: Line::default(),
        }
    }

    fn line(&mut self, stream: Stream) -> &mut Line {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn heading(&mut self, stage: &TaskRun, listener: &mut Listener<'_>) {
        if !self.has_heading && !listener.json {
            listener.remark(&format!("== {}, attempt {}: {} ==", self.task, stage.attempt, stage.word));
        }
        self.has_heading = true;
    }

    /// Prints an entry of the log. Answers whether somebody still reads.
    pub(super) fn print(&mut self, stage: &TaskRun, entry: Entry, listener: &mut Listener<'_>) -> bool {
        self.heading(stage, listener);
        match entry {
            Entry::Output { stream, at_ms, bytes } => {
                if listener.only.is_some_and(|only| only != stream) {
                    return true;
                }
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let line = self.line(stream);
                    if line.bytes.is_empty() {
                        line.at_ms = at_ms;
                    }
                    let room = LONGEST.saturating_sub(line.bytes.len()).max(1);
                    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
                    let (head, tail) = rest.split_at(end.min(room));
                    line.bytes.extend_from_slice(head);
                    rest = tail;
                    let is_whole = line.bytes.ends_with(b"\n") || line.bytes.len() >= LONGEST;
                    if is_whole && !self.flush(stage, stream, listener) {
                        return false;
                    }
                }
                true
            }
            Entry::Cut { stdout, stderr } => {
                let whole = self.flush_both(stage, listener);
                if listener.json {
                    let record = json!({
                        "task": self.task, "attempt": stage.attempt, "stage": stage.word,
                        "cut": { "stdout": stdout, "stderr": stderr },
                    });
                    return whole && listener.write(Stream::Stdout, format!("{record}\n").as_bytes());
                }
                listener.remark(&format!(
                    "-- {} bytes are not kept here ({stdout} of stdout, {stderr} of stderr) --",
                    stdout.saturating_add(stderr)
                ));
                whole
            }
        }
    }

    fn flush_both(&mut self, stage: &TaskRun, listener: &mut Listener<'_>) -> bool {
        self.flush(stage, Stream::Stdout, listener) && self.flush(stage, Stream::Stderr, listener)
    }

    /// Writes what there is of a line.
    fn flush(&mut self, stage: &TaskRun, stream: Stream, listener: &mut Listener<'_>) -> bool {
        let task = self.task.clone();
        let line = self.line(stream);
        let bytes = std::mem::take(&mut line.bytes);
        if bytes.is_empty() {
            return true;
        }
        let at = timestamp(Moment(line.at_ms));
        if listener.json {
            let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
            let word = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            let record = json!({
                "task": task, "attempt": stage.attempt, "stage": stage.word,
                "at": format!("{at:.3}"), "stream": word, "text": text,
            });
            return listener.write(stream, format!("{record}\n").as_bytes());
        }
        let time = if listener.timestamps { format!("{at:.3} ") } else { String::new() };
        if listener.is_terminal {
            let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
            let text = if listener.output.is_colored() { coloured(&text) } else { plain(after_returns(&text)) };
            let (mark, style) = match stream {
                Stream::Stdout => ("", anstyle::Style::new()),
                Stream::Stderr => ("! ", anstyle::AnsiColor::Red.on_default()),
            };
            let style = if listener.output.is_colored() { style } else { anstyle::Style::new() };
            return listener.write(stream, format!("{time}{style}{mark}{style:#}{text}\n").as_bytes());
        }
        let mut kept = time.into_bytes();
        if listener.output.is_colored() {
            kept.extend_from_slice(&bytes);
        } else {
            line.strip.strip_next(&bytes).for_each(|part| kept.extend_from_slice(part));
        }
        listener.write(stream, &kept)
    }

    /// The log cannot be read any further: said once.
    pub(super) fn damaged(&mut self, stage: &TaskRun, error: &ReadError, listener: &mut Listener<'_>) -> Heard {
        self.heading(stage, listener);
        self.is_broken = true;
        listener.remark(&format!("-- the log of {} cannot be read: {error} --", stage.word));
        Heard::Something
    }

    /// The stage is over, or nothing more comes of it. Answers whether somebody still reads.
    pub(super) fn end(mut self, stage: &TaskRun, is_driven: bool, listener: &mut Listener<'_>) -> bool {
        if !self.flush_both(stage, listener) || !listener.send() {
            return false;
        }
        if listener.json {
            return true;
        }
        match stage.end() {
            Some((milliseconds, Some(failure))) => {
                self.heading(stage, listener);
                let took = short(std::time::Duration::from_millis(milliseconds));
                listener.remark(&format!("-- failed after {took}: {} --", one_line(&failure.message)));
            }
            Some((_, None)) => {}
            None if is_driven => {
                self.heading(stage, listener);
                listener.remark("-- it runs; `--follow` shows what comes --");
            }
            None => {
                self.heading(stage, listener);
                listener.remark("-- interrupted: its runner ended --");
            }
        }
        true
    }
}

/// What a line with carriage returns looks like in the end.
fn after_returns(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

/// A line with its colours, and without everything else that a terminal obeys.
fn coloured(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = after_returns(line);
    let mut has_colour = false;
    while let Some(at) = rest.find("\u{1b}[") {
        let (text, sequence) = rest.split_at(at);
        out += &plain(text);
        let body = sequence.trim_start_matches("\u{1b}[");
        let end = body.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':').unwrap_or(body.len());
        let (numbers, after) = body.split_at(end);
        match after.strip_prefix('m') {
            Some(after) => {
                out += &format!("\u{1b}[{numbers}m");
                has_colour = true;
                rest = after;
            }
            // Another sequence: it ends with the first character from `@` to `~`.
            None => {
                let end = after.find(|c: char| ('@'..='~').contains(&c));
                rest = end.map_or("", |end| &after[end + 1..]);
            }
        }
    }
    out += &plain(rest);
    if has_colour {
        out += "\u{1b}[0m";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{after_returns, coloured};

    #[test]
    fn colours_stay_and_the_cursor_does_not_move() {
        for (line, text) in [
            ("bare", "bare"),
            ("\u{1b}[1;31mred\u{1b}[0m end", "\u{1b}[1;31mred\u{1b}[0m end\u{1b}[0m"),
            ("\u{1b}[2J\u{1b}[1;1Hx", "x"),
            ("\u{1b}[?25lx\u{1b}[K", "x"),
            ("\u{1b}]0;title\u{7}x", "0;title\u{fffd}x"),
            ("cut\u{1b}[3", "cut"),
            ("\u{1b}[\u{1b}[31mx", "\u{1b}[31mx\u{1b}[0m"),
        ] {
            assert_eq!(coloured(line), text, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_was_overwritten_is_shown_as_it_ended() {
        assert_eq!(after_returns("10 %\r50 %\r100 %\r"), "100 %");
        assert_eq!(after_returns("windows\r"), "windows");
    }
}
