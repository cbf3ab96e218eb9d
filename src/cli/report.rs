//! `outpost-bp report`: what a run did, as a page, as Markdown, for a CI system, or as JSON.
//!
//! It reads what is kept, whether somebody drives the run or not, and changes nothing of it.

use std::collections::VecDeque;
use std::path::Path;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use outpost_executor::log::{Entry, Reader, Stream};

use super::graph::picture;
use super::kept::{Kept, look_back, meant, store, whereabouts};
use super::observe::is_document;
use super::replace::put;
use super::status::status;
use super::why::holders;
use super::{Exit, Failure, Output, complete};
use crate::engine::history::{History, compile};
use crate::engine::moment::now;
use crate::engine::store::{RunFiles, Store};
use crate::plan::Dag;
use crate::report::account::{Account, Facts, Fold, Printed, PrintedLine, html, junit, markdown};
use crate::report::why;

#[derive(Args, Debug)]
pub(super) struct ReportArgs {
    /// How the run's id begins, or its document; the latest run without it
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// The form of the report; without it the ending of `--output` tells, and it is Markdown if nothing does
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page that needs nothing else, for people
    Html,
    /// Markdown, for a pull request
    Md,
    /// JUnit XML, for what CI systems show of tests
    Junit,
    /// Everything that is known, for programs
    Json,
}

impl Format {
    fn of(args: &ReportArgs) -> Self {
        let ending =
            args.output.as_deref().and_then(|path| Path::new(path).extension()).and_then(|ending| ending.to_str());
        args.format.unwrap_or(match ending {
            Some("html" | "htm") => Self::Html,
            Some("xml") => Self::Junit,
            Some("json") => Self::Json,
            _ => Self::Md,
        })
    }
}

pub(super) fn run(args: &ReportArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let files = meant(&store, args.run.as_deref())?;
    let (text, document) = look_back(&files, |kept, history| {
        let account = account(kept, history, &store)?;
        let text = match Format::of(args) {
            Format::Html => {
                let dag = Dag::of(kept.blueprint, kept.blueprint.links());
                html(&account, &picture(kept.blueprint, &dag))
            }
            Format::Md => markdown(&account),
            Format::Junit => junit(&account).map_err(|error| Failure::new(error, "choose another `--format`"))?,
            Format::Json => {
                account.json().map_err(|error| Failure::new(error.to_string(), "choose another `--format`"))?
            }
        };
        Ok((text, whereabouts(kept.started)))
    })?;
    match args.output.as_deref().filter(|path| *path != "-") {
        None => output.data(&text)?,
        Some(path) if is_document(Path::new(path), document.as_deref()) => {
            return Err(Failure::new(
                format!("`{path}` is the blueprint: the report would replace it"),
                "name another file for `--output`",
            ));
        }
        Some(path) => {
            put(path, &text)?;
            output.note(&format!("{path}: the report of run {}\n", files.id()));
        }
    }
    Ok(Exit::Done)
}

/// The report of a run as Markdown.
pub(super) fn as_markdown(store: &Store, files: &RunFiles) -> Result<String, Failure> {
    look_back(files, |kept, history| Ok(markdown(&account(kept, history, store)?)))
}

/// The account of a run as it stands.
fn account(kept: &Kept<'_>, history: &History, store: &Store) -> Result<Account, Failure> {
    let mut fold = Fold::new(kept.blueprint);
    let (_, program) = compile(kept.blueprint, kept.started)?;
    let run = history.replay_seen(kept.files, program, |at, event, run| fold.saw(at, event, run))?;
    let (holders, left) = (holders(store), super::why::left(kept.files));
    let why = why::Facts {
        run: &run,
        blueprint: kept.blueprint,
        id: kept.files.id(),
        events: &history.events,
        now: now(),
        is_driven: kept.glance.held_by.is_some(),
        holders: &holders,
        left: &left,
    };
    let source = kept.glance.document(kept.files)?;
    let facts = Facts {
        why: &why,
        status: &status(kept, &store.locks()),
        started: kept.started,
        source: &source,
        digest: kept.glance.digest()?,
        made_by: concat!("outpost-bp ", env!("CARGO_PKG_VERSION")),
    };
    Ok(fold.account(&facts, &mut |task, attempt, stage, lines| printed(&kept.files.log(task, attempt, stage), lines)))
}

/// The last lines of a log. One that is not there or cannot be read says nothing.
fn printed(path: &Path, most: usize) -> Option<Printed> {
    let mut reader = Reader::open(path).ok()?;
    let mut last: VecDeque<(Stream, Vec<u8>)> = VecDeque::new();
    let mut open = [Vec::new(), Vec::new()];
    let mut before = 0;
    let mut take = |stream, line: Vec<u8>| {
        last.push_back((stream, line));
        if last.len() > most {
            last.pop_front();
            before += 1;
        }
    };
    while let Ok(Some(entry)) = reader.next() {
        let Entry::Output { stream, bytes, .. } = entry else {
            continue;
        };
        let rest = &mut open[usize::from(stream == Stream::Stderr)];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Nobody reads the middle of a line without end.
            if rest.len() < LONGEST {
                rest.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            }
            if piece.ends_with(b"\n") {
                take(stream, std::mem::take(rest));
            }
        }
    }
    for (stream, rest) in [Stream::Stdout, Stream::Stderr].into_iter().zip(open) {
        if !rest.is_empty() {
            take(stream, rest);
        }
    }
    let line = |(stream, bytes): (Stream, Vec<u8>)| {
        let word = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        PrintedLine::new(word, &String::from_utf8_lossy(&bytes))
    };
    Some(Printed { lines: last.into_iter().map(line).collect(), before })
}

/// Bytes of a line that are looked at.
const LONGEST: usize = 16 * 1024;
