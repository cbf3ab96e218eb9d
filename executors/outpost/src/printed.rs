//! What a job printed, as it comes: freed of secrets and kept in the log, the file, the tails.
//!
//! The log has all attempts of the job, one after the other; the rest is of the attempt that counted, the last one.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use outpost_executor::log::{Stream, Writer};
use outpost_executor::{Kept, Output, Process, Redaction, Redactor, Report, Secrets, StdoutFile, Tail};

use crate::place::Place;
use crate::wire::{Cut, Line};

/// By how much a secret may grow when a program writes it down in its own way.
const GROWTH: usize = 8;

#[derive(Debug)]
pub(crate) struct Printed {
    log: Writer,
    file: Option<StdoutFile>,
    /// Why nothing may be kept.
    unclean: Option<String>,
    redaction: Option<Redaction>,
    longest: usize,
    is_agents: bool,
    attempt: u32,
    out: Voice,
    err: Voice,
    leaked: Vec<Process>,
    /// The beginning of standard output, for the file, and whether nothing is missing in it.
    first: Vec<u8>,
    is_whole: bool,
    cut: u64,
}

/// A stream of one attempt.
#[derive(Debug, Default)]
struct Voice {
    redactor: Option<Redactor>,
    bytes: u64,
    tail: Tail,
    found: u64,
    /// So much of what comes may be the other half of a secret.
    skip: usize,
}

impl Printed {
    /// Begins anew: what an earlier runner wrote is written again, as a whole.
    pub(crate) fn new(place: &Place, secrets: Option<&Secrets>) -> Self {
        let (redaction, unclean) = match secrets.map(Redaction::of) {
            None => {
                (None, Some("its output is not kept: the secrets that it may hold are not known to this runner".into()))
            }
            Some(Err(error)) => (None, Some(error.to_string())),
            Some(Ok(redaction)) => (redaction, None),
        };
        let lengths = secrets.into_iter().flat_map(Secrets::pairs).map(|(_, value)| value.len());
        let longest = if redaction.is_some() { lengths.max().unwrap_or_default() } else { 0 };
        let file = place.stdout_file();
        for path in [Some(&place.log), file.as_ref().map(|file| &file.path)].into_iter().flatten() {
            let _ = std::fs::remove_file(path);
        }
        let mut printed = Self {
            log: Writer::new(place.log.clone(), place.log_caps),
            file,
            unclean,
            redaction,
            longest,
            is_agents: place.is_agents(),
            attempt: 0,
            out: Voice::default(),
            err: Voice::default(),
            leaked: Vec::new(),
            first: Vec::new(),
            is_whole: true,
            cut: 0,
        };
        printed.begin(0);
        printed
    }

    fn begin(&mut self, attempt: u32) {
        let voice = || Voice { redactor: self.redaction.as_ref().map(Redaction::stream), ..Voice::default() };
        (self.out, self.err) = (voice(), voice());
        self.attempt = attempt;
        self.leaked.clear();
        self.first.clear();
        self.is_whole = true;
    }

    /// What the executor itself has to say, beside what the job says.
    pub(crate) fn note(&mut self, at_ms: u64, words: &str) {
        let words = self.redaction.as_ref().map_or_else(|| words.to_owned(), |redaction| redaction.text(words));
        let line = format!("outpost: {words}\n");
        self.log.write(Stream::Stderr, at_ms, line.as_bytes());
        self.err.tail.remember(line.as_bytes());
    }

    pub(crate) fn take(&mut self, line: Line, now_ms: u64) {
        let at_ms = moment(&line.at).unwrap_or(now_ms);
        if line.attempt > self.attempt {
            if self.attempt > 0 {
                self.note(at_ms, &format!("a worker was lost or left; attempt {} of the job begins", line.attempt));
            }
            self.begin(line.attempt);
        }
        if let Some(cut) = line.cut {
            self.gap(cut);
        }
        if let Some(process) = line.outlived {
            self.leaked.push(Process { pid: process.pid, name: process.name });
        }
        let stream = match line.stream.as_str() {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            // What an agent does, line by line, and what is said of that.
            "event" => Stream::Stdout,
            "worker" if self.is_agents => Stream::Stderr,
            _ => return,
        };
        let mut bytes = match line.bytes.map(|bytes| STANDARD.decode(bytes)) {
            Some(Ok(bytes)) => bytes,
            _ => line.text.into_bytes(),
        };
        if !line.open {
            bytes.push(b'\n');
        }
        self.print(stream, at_ms, &bytes);
    }

    fn print(&mut self, stream: Stream, at_ms: u64, bytes: &[u8]) {
        let voice = match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        voice.bytes += bytes.len() as u64;
        if self.unclean.is_some() {
            self.cut += bytes.len() as u64;
            return;
        }
        let skipped = voice.skip.min(bytes.len());
        voice.skip -= skipped;
        self.cut += skipped as u64;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        match &mut voice.redactor {
            None => self.keep(stream, at_ms, bytes),
            Some(redactor) => {
                let mut clean = Vec::new();
                redactor.push(bytes, &mut clean);
                voice.found = redactor.found();
                self.keep(stream, at_ms, &clean);
            }
        }
    }

    fn keep(&mut self, stream: Stream, at_ms: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.log.write(stream, at_ms, bytes);
        match stream {
            Stream::Stderr => self.err.tail.remember(bytes),
            Stream::Stdout => {
                self.out.tail.remember(bytes);
                if let Some(file) = &self.file
                    && self.is_whole
                {
                    let most = usize::try_from(file.most).unwrap_or(usize::MAX);
                    let room = most.saturating_sub(self.first.len()).min(bytes.len());
                    self.first.extend_from_slice(bytes.get(..room).unwrap_or_default());
                }
            }
        }
    }

    /// Output is missing here. Half of a secret may stand on either side of it: what could be one is left out.
    fn gap(&mut self, cut: Cut) {
        for (voice, bytes) in [(&mut self.out, cut.stdout), (&mut self.err, cut.stderr)] {
            if bytes == 0 {
                continue;
            }
            voice.bytes += bytes;
            self.cut += bytes;
            if let (Some(redactor), Some(redaction)) = (&mut voice.redactor, &self.redaction) {
                let mut held = Vec::new();
                redactor.finish(&mut held);
                self.cut += held.len() as u64;
                voice.found = redactor.found();
                *redactor = redaction.stream();
                voice.skip = self.longest.saturating_mul(GROWTH);
            }
        }
        self.is_whole &= cut.stdout == 0;
    }

    /// All of it has come: fills in what the report says of output.
    pub(crate) fn end(mut self, report: &mut Report, at_ms: u64) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let voice = match stream {
                Stream::Stdout => &mut self.out,
                Stream::Stderr => &mut self.err,
            };
            let mut rest = Vec::new();
            if let Some(redactor) = &mut voice.redactor {
                redactor.finish(&mut rest);
                voice.found = redactor.found();
            }
            self.keep(stream, at_ms, &rest);
        }
        report.log = self.log.kept();
        report.log.cut += self.cut;
        if report.log.error.is_none() {
            report.log.error.clone_from(&self.unclean);
        }
        report.stdout_file = self.file.take().map(|file| self.write(&file));
        let output = |voice: &Voice| Output { bytes: voice.bytes, tail: voice.tail.readable(), secrets: voice.found };
        report.stdout = output(&self.out);
        report.stderr = output(&self.err);
        report.leaked = self.leaked;
    }

    fn write(&self, file: &StdoutFile) -> Kept {
        let printed = self.out.bytes;
        if let Some(unclean) = &self.unclean {
            // An empty file would be taken for all that was printed.
            return Kept { bytes: 0, cut: printed, error: Some(unclean.clone()) };
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.path);
        if let Err(error) = opened.and_then(|mut opened| opened.write_all(&self.first)) {
            return Kept { bytes: 0, cut: printed, error: Some(format!("`{}`: {error}", file.path.display())) };
        }
        let bytes = self.first.len() as u64;
        let error = (bytes < file.most && !self.is_whole).then(|| {
            "more was printed than the service keeps: print less, or leave it in a file of the repository".into()
        });
        Kept { bytes, cut: printed.saturating_sub(bytes), error }
    }
}

/// Milliseconds of a time as the service writes it.
pub(crate) fn moment(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_millisecond()).ok()
}
