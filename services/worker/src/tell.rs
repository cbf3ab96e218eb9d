//! Passes on what a job says, while it says it.
//!
//! Bytes become lines, lines pieces, and a piece goes to the desk every second or when it has become large. The first part
//! of a long log is passed on at once; of the rest only the end is, when the work has ended, and between them stands how
//! much was left out. What comes here is free of secrets: the keeper hides them before they reach a file.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::actions::{Claim, Desk, Line, Stream};
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
    cut_bytes: u64,
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
        self.line(Stream::Worker, None, text.into());
    }

    fn line(&mut self, stream: Stream, at_ms: Option<u64>, text: String) {
        let at = at_ms.and_then(|at| i64::try_from(at).ok()).map(outpost_core::moment::Moment::from_millis);
        let at = at.unwrap_or_else(|| self.desk.ports().clock.now());
        let line = Line { seq: 0, at, stream, text };
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
                    end.cut_bytes += line.text.len() as u64 + 1;
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
                    for text in lines(half) {
                        self.line(voice, Some(at_ms), text);
                    }
                }
                Ok(Some(Entry::Cut { stdout, stderr })) => {
                    self.say(format!("{} bytes of output were left out here", stdout + stderr));
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
                let text = String::from_utf8_lossy(&std::mem::take(half)).into_owned();
                self.line(voice, None, text);
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
        match self.desk.append_log(&self.claim, &lines).await {
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
                let text = format!("{} bytes in {} lines were left out here", end.cut_bytes, end.cut_lines);
                let line = Line { seq: 0, at: self.desk.ports().clock.now(), stream: Stream::Worker, text };
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

/// Takes whole lines from what has come, without their ends.
fn lines(half: &mut Vec<u8>) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let rest = half.get(from..).unwrap_or_default();
        let end = rest.iter().take(LONGEST + 1).position(|byte| *byte == b'\n');
        let (text, taken) = match end {
            Some(end) => (rest.get(..end), end + 1),
            None if rest.len() > LONGEST => {
                let end = boundary(rest, LONGEST);
                (rest.get(..end), end)
            }
            None => break,
        };
        found.push(String::from_utf8_lossy(text.unwrap_or_default()).into_owned());
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
        assert_eq!(got, ["one", "", "twö"]);
        assert_eq!(half, b"half");
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let text = "ä".repeat(LONGEST);
        let mut half = [b"x", text.as_bytes(), b"\n"].concat();
        let got = lines(&mut half);
        assert!(half.is_empty() && got.iter().all(|line| line.len() <= LONGEST && !line.contains('\u{fffd}')));
        assert_eq!(got.concat(), format!("x{text}"));
    }
}
