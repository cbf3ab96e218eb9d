//! What machines printed, freed of secrets and kept: the log, the file, the tails.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use outpost_executor::log::{Stream, Writer};
use outpost_executor::{Kept, Output, Redaction, Secrets, Tail};

use crate::frame::{Frame, Told};
use crate::place::Place;

/// By how much a secret may grow when a program writes it down in its own way.
const GROWTH: usize = 8;

/// What is kept of the output.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) log: Kept,
    pub(crate) stdout_file: Option<Kept>,
}

/// What one machine printed, and what is said about it.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// A line before it, where there are several machines.
    pub(crate) title: Option<String>,
    pub(crate) frame: Option<&'a Frame>,
}

/// Keeps all of it. Without the secrets that may be in it, nothing of it is kept, and its error says so.
pub(crate) fn keep(place: &Place, pages: &[Page<'_>], secrets: Option<&Secrets>, at_ms: u64) -> Printed {
    let redaction = match secrets.map(Redaction::of) {
        None => Err("its output is not kept: the secrets that it may hold are not known to this runner".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(redaction)) => Ok(redaction),
    };
    let longest = secrets.into_iter().flat_map(Secrets::pairs).map(|(_, value)| value.len()).max().unwrap_or_default();
    let cleaner = redaction.as_ref().ok().map(|redaction| Cleaner { redaction: redaction.as_ref(), longest });
    // What an earlier runner wrote is written again, as a whole.
    for path in [Some(&place.log), place.stdout_file.as_ref().map(|(path, _)| path)].into_iter().flatten() {
        let _ = std::fs::remove_file(path);
    }
    let mut log = Writer::new(place.log.clone(), place.log_caps);
    let mut printed = Printed::default();
    let (mut out_tail, mut err_tail) = (Tail::default(), Tail::default());
    let mut first = Vec::new();
    let (mut cut, mut is_whole) = (0, true);
    for Page { title, frame } in pages {
        if let Some(title) = title {
            let line = format!("{title}\n");
            log.write(Stream::Stderr, at_ms, line.as_bytes());
            err_tail.remember(line.as_bytes());
        }
        let Some(frame) = frame else {
            continue;
        };
        for (stream, told) in [(Stream::Stdout, &frame.out), (Stream::Stderr, &frame.err)] {
            let (output, last) = match stream {
                Stream::Stdout => (&mut printed.stdout, &mut out_tail),
                Stream::Stderr => (&mut printed.stderr, &mut err_tail),
            };
            output.bytes += told.bytes;
            let Some(cleaner) = &cleaner else {
                cut += told.bytes;
                continue;
            };
            let clean = cleaner.clean(told);
            output.secrets += clean.found;
            cut += clean.cut;
            for part in [&clean.head, &clean.tail] {
                log.write(stream, at_ms, part);
                last.remember(part);
            }
            if stream == Stream::Stdout {
                if is_whole {
                    first.extend_from_slice(&clean.head);
                }
                is_whole &= clean.cut == 0;
                if is_whole {
                    first.extend_from_slice(&clean.tail);
                }
            }
        }
    }
    printed.log = log.kept();
    printed.log.cut += cut;
    let unclean = redaction.err();
    if printed.log.error.is_none() {
        printed.log.error.clone_from(&unclean);
    }
    printed.stdout_file = place.stdout_file().map(|file| {
        if unclean.is_some() {
            // An empty file would be taken for all that was printed.
            return Kept { bytes: 0, cut: printed.stdout.bytes, error: unclean };
        }
        let most = usize::try_from(file.most).unwrap_or(usize::MAX);
        let fits = first.get(..most).unwrap_or(&first);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.path);
        let written = opened.and_then(|mut opened| opened.write_all(fits));
        let error = match written {
            Err(error) => Some(format!("`{}`: {error}", file.path.display())),
            Ok(()) if fits.len() < most && !is_whole => {
                Some("more was printed than came back: name a bucket in `output`".to_owned())
            }
            Ok(()) => None,
        };
        let bytes = if error.as_ref().is_some_and(|error| error.starts_with('`')) { 0 } else { fits.len() as u64 };
        Kept { bytes, cut: printed.stdout.bytes.saturating_sub(bytes), error }
    });
    printed.stdout.tail = out_tail.readable();
    printed.stderr.tail = err_tail.readable();
    printed
}

struct Cleaner<'a> {
    redaction: Option<&'a Redaction>,
    longest: usize,
}

struct Clean {
    head: Vec<u8>,
    tail: Vec<u8>,
    cut: u64,
    found: u64,
}

impl Cleaner<'_> {
    fn clean(&self, told: &Told) -> Clean {
        let Told { head, tail, .. } = told;
        let gap = told.cut();
        let Some(redaction) = self.redaction else {
            return Clean { head: head.clone(), tail: tail.clone(), cut: gap, found: 0 };
        };
        let (mut clean_head, mut clean_tail) = (Vec::new(), Vec::new());
        let mut stream = redaction.stream();
        stream.push(head, &mut clean_head);
        if gap == 0 {
            stream.push(tail, &mut clean_tail);
            stream.finish(&mut clean_tail);
            return Clean { head: clean_head, tail: clean_tail, cut: 0, found: stream.found() };
        }
        // Half of a secret may stand on either side of the gap: what could be one is left out.
        let mut found = stream.found();
        let skipped = self.longest.saturating_mul(GROWTH).min(tail.len());
        let mut stream = redaction.stream();
        stream.push(tail.get(skipped..).unwrap_or_default(), &mut clean_tail);
        stream.finish(&mut clean_tail);
        found += stream.found();
        Clean { head: clean_head, tail: clean_tail, cut: gap + skipped as u64, found }
    }
}
