//! Passes on what a job says, while it says it.
//!
//! Bytes become lines, lines pieces, and a piece goes to the desk every second or when it has become large. The first part
//! of a long log is passed on at once; of the rest only the end is, when the work has ended, and between them stands how
//! much was left out. What comes here is free of secrets: the keeper hides them before they reach a file.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_core::actions::{Claim, Cut, Desk, Detail, Line, Outlived, Stream};
use outpost_executor::Process;
use outpost_executor::log::{Entry, Reader, Stream as Source};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::reins::{Cause, Reins};

/// A line that is longer becomes several.
const LONGEST: usize = 32 << 10;
/// Bytes, as they are stored, that are passed on without waiting.
const EARLY: usize = 64 << 10;
/// Bytes of a piece.
const PIECE: usize = 512 << 10;
/// Bytes that are read before something else has its turn.
const PORTION: usize = 1 << 20;
/// How often the end of a log is tried to be passed on.
const TRIES: u32 = 6;

/// Which streams of a process become which of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voices {
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

/// What an attempt says.
#[derive(Debug)]
pub(crate) struct Log {
    desk: Desk,
    claim: Arc<Claim>,
    reins: Reins,
    pause: Duration,
    head: usize,
    tail: usize,
    seq: u64,
    /// Bytes that were passed on, or are about to be.
    told: usize,
    pending: VecDeque<(Line, usize)>,
    since: Option<Instant>,
    /// The head is full: lines are kept here from now on, the last ones only.
    end: Option<End>,
}

#[derive(Debug, Default)]
struct End {
    lines: VecDeque<(Line, usize)>,
    bytes: usize,
    cut_lines: u64,
    cut: Cut,
}

/// A log of a process, as far as it was read.
#[derive(Debug)]
pub(crate) struct Followed {
    voices: Voices,
    reader: Option<Reader>,
    halves: [Vec<u8>; 2],
}

impl Followed {
    pub(crate) fn new(voices: Voices) -> Self {
        Self { voices, reader: None, halves: [Vec::new(), Vec::new()] }
    }
}

impl Log {
    pub(crate) fn new(desk: &Desk, claim: &Arc<Claim>, reins: &Reins, pause: Duration, bounds: (usize, usize)) -> Self {
        Self {
            desk: desk.clone(),
            claim: Arc::clone(claim),
            reins: reins.clone(),
            pause,
            head: bounds.0,
            tail: bounds.1,
            seq: 0,
            told: 0,
            pending: VecDeque::new(),
            since: None,
            end: None,
        }
    }

    /// What the worker has to say.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.line(Stream::Worker, None, text.into(), Detail::default());
    }

    /// A process outlived its program.
    pub(crate) fn outlived(&mut self, process: &Process) {
        let text = format!("the process {process} outlived the command and was ended");
        let outlived = Some(Outlived { pid: process.pid, name: process.name.clone() });
        self.line(Stream::Worker, None, text, Detail { outlived, ..Detail::default() });
    }

    fn left_out(&mut self, cut: Cut) {
        let text = format!("{} bytes of output were left out here", cut.stdout + cut.stderr);
        self.line(Stream::Worker, None, text, Detail { cut: Some(cut), ..Detail::default() });
    }

    fn printed(&mut self, stream: Stream, at_ms: Option<u64>, Printed { bytes, open }: Printed) {
        let (text, bytes) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(STANDARD.encode(error.as_bytes())))
            }
        };
        self.line(stream, at_ms, text, Detail { bytes, open, ..Detail::default() });
    }

    fn line(&mut self, stream: Stream, at_ms: Option<u64>, text: String, detail: Detail) {
        let at = at_ms.and_then(|at| i64::try_from(at).ok()).map(outpost_core::moment::Moment::from_millis);
        let at = at.unwrap_or_else(|| self.desk.ports().clock.now());
        let line = Line { seq: 0, at, stream, text, detail };
        let size = serde_json::to_vec(&line).map_or(0, |text| text.len() + 10);
        match &mut self.end {
            None if self.told + size <= self.head => {
                self.told += size;
                self.since.get_or_insert_with(Instant::now);
                self.pending.push_back((line, size));
            }
            end => {
                let end = end.get_or_insert_default();
                end.bytes += size;
                end.lines.push_back((line, size));
                while end.bytes > self.tail
                    && let Some((line, size)) = end.lines.pop_front()
                {
                    end.bytes -= size;
                    end.cut_lines += 1;
                    end.count(&line);
                }
            }
        }
    }

    /// Reads on in the log of a process, a portion at most; true if there may be more.
    fn read(&mut self, source: &mut Followed, path: &Path) -> bool {
        if source.reader.is_none() {
            // It is made with the first output.
            source.reader = Reader::open(path).ok();
        }
        let Some(reader) = &mut source.reader else { return false };
        let mut read = 0;
        loop {
            match reader.next() {
                Ok(Some(Entry::Output { stream, at_ms, bytes })) => {
                    read += bytes.len();
                    let (half, voice) = match stream {
                        Source::Stdout => (&mut source.halves[0], source.voices.stdout),
                        Source::Stderr => (&mut source.halves[1], source.voices.stderr),
                    };
                    half.extend_from_slice(&bytes);
                    for printed in lines(half) {
                        self.printed(voice, Some(at_ms), printed);
                    }
                }
                Ok(Some(Entry::Cut { stdout, stderr })) => {
                    self.left_out(Cut { stdout, stderr });
                }
                Ok(None) => return false,
                Err(error) => {
                    self.say(format!("the rest of the output cannot be read: {error}"));
                    source.reader = None;
                    return false;
                }
            }
            if read >= PORTION {
                return true;
            }
        }
    }

    /// Reads on while the work goes on, and passes on what is due.
    pub(crate) async fn follow(&mut self, source: &mut Followed, path: &Path) {
        // When the head is full, the file is kept within its bounds by who writes it.
        while self.end.is_none() && self.read(source, path) {
            self.pass(EARLY).await;
        }
        let due = self.since.is_some_and(|since| since.elapsed() >= self.pause);
        self.pass(if due { 1 } else { EARLY }).await;
    }

    /// Reads what is left when the work has ended.
    pub(crate) async fn rest(&mut self, source: &mut Followed, path: &Path) {
        while self.read(source, path) {
            self.pass(EARLY).await;
        }
        for (half, voice) in source.halves.iter_mut().zip([source.voices.stdout, source.voices.stderr]) {
            if !half.is_empty() {
                let bytes = std::mem::take(half);
                self.printed(voice, None, Printed { bytes, open: true });
            }
        }
    }

    /// Passes on as long as there is this much.
    async fn pass(&mut self, least: usize) {
        while !self.pending.is_empty() && self.pending.iter().map(|(_, size)| size).sum::<usize>() >= least {
            if !self.piece().await {
                return;
            }
        }
    }

    /// Passes on one piece; false if that did not work.
    async fn piece(&mut self) -> bool {
        if self.reins.cause() == Some(Cause::Lost) {
            self.pending.clear();
            return false;
        }
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for (line, size) in &self.pending {
            if bytes > 0 && bytes + size > PIECE {
                break;
            }
            bytes += size;
            lines.push(Line { seq: self.seq + 1 + lines.len() as u64, ..line.clone() });
        }
        let told = tokio::select! {
            told = self.desk.append_log(&self.claim, &lines) => told,
            // A store that answers nobody is no reason to stay: nothing of this counts any more.
            () = self.reins.lost() => {
                self.pending.clear();
                return false;
            }
        };
        match told {
            Ok(()) => {
                self.seq += lines.len() as u64;
                self.pending.drain(..lines.len());
                self.since = (!self.pending.is_empty()).then(Instant::now);
                true
            }
            Err(error) => {
                warn!(job = %self.claim.job().id, %error, "a part of a log could not be passed on");
                false
            }
        }
    }

    /// The end of it: what was kept back, and all that is still pending. False if some of it could not be passed on.
    pub(crate) async fn close(&mut self) -> bool {
        if let Some(end) = self.end.take() {
            if end.cut_lines > 0 {
                let bytes = end.cut.stdout + end.cut.stderr;
                let text = format!("{bytes} bytes in {} lines were left out here", end.cut_lines);
                let detail = Detail { cut: Some(end.cut), ..Detail::default() };
                let line = Line { seq: 0, at: self.desk.ports().clock.now(), stream: Stream::Worker, text, detail };
                self.pending.push_back((line, 256));
            }
            self.pending.extend(end.lines);
        }
        for round in 0..TRIES {
            self.pass(1).await;
            if self.pending.is_empty() || self.reins.cause() == Some(Cause::Lost) {
                break;
            }
            sleep(Duration::from_millis(50 << round)).await;
        }
        self.pending.is_empty()
    }
}

/// A line as it was printed, without its end; `open` where it had none.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    bytes: Vec<u8>,
    open: bool,
}

impl End {
    /// Counts what a line stood for that is left out.
    fn count(&mut self, line: &Line) {
        let Detail { bytes, open, cut, .. } = &line.detail;
        let long = bytes.as_ref().map_or(line.text.len(), |text| {
            text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count()
        });
        let long = long as u64 + u64::from(!open);
        match line.stream {
            Stream::Out => self.cut.stdout += long,
            Stream::Err => self.cut.stderr += long,
            Stream::Event | Stream::Worker => {}
        }
        if let Some(cut) = cut {
            self.cut.stdout += cut.stdout;
            self.cut.stderr += cut.stderr;
        }
    }
}

/// Takes whole lines from what has come, without their ends.
fn lines(half: &mut Vec<u8>) -> Vec<Printed> {
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let rest = half.get(from..).unwrap_or_default();
        let end = rest.iter().take(LONGEST + 1).position(|byte| *byte == b'\n');
        let (end, taken, open) = match end {
            Some(end) => (end, end + 1, false),
            None if rest.len() > LONGEST => {
                let end = boundary(rest, LONGEST);
                (end, end, true)
            }
            None => break,
        };
        found.push(Printed { bytes: rest.get(..end).unwrap_or_default().to_vec(), open });
        from += taken;
    }
    half.drain(..from);
    found
}

/// A place that is not within a character, as far as these are characters.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(*at)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, lines};

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut half = Vec::new();
        let mut got = Vec::new();
        for byte in "one\n\ntwö\nhalf".bytes() {
            half.push(byte);
            got.extend(lines(&mut half));
        }
        assert!(got.iter().all(|line| !line.open));
        let got: Vec<_> = got.into_iter().map(|line| String::from_utf8(line.bytes).expect("text")).collect();
        assert_eq!(got, ["one", "", "twö"]);
        assert_eq!(half, b"half");
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let text = "ä".repeat(LONGEST);
        let mut half = [b"x", text.as_bytes(), b"\n"].concat();
        let got = lines(&mut half);
        let (last, others) = got.split_last().expect("lines");
        assert!(half.is_empty() && !last.open && others.iter().all(|line| line.open));
        let got: Vec<_> =
            got.into_iter().map(|line| String::from_utf8(line.bytes).expect("no half character")).collect();
        assert!(got.iter().all(|line| line.len() <= LONGEST));
        assert_eq!(got.concat(), format!("x{text}"));
    }
}
