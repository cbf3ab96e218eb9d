//! `outpost-bp replay`: a run told again, from its events and its document alone.
//!
//! Every event is judged as it was when it happened, by the run it happens to; the first one that cannot be is told
//! with its line. What a person reads is what `run` and `resume` printed, up to the last summary and the exit code.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::kept::{store, whereabouts};
use super::load::load;
use super::run::heading;
use super::screen::Screen;
use super::{Exit, Failure, Output, complete};
use crate::blueprint::{Blueprint, digest, read};
use crate::diagnostic::Diagnostic;
use crate::document::Source;
use crate::engine::driver::{Outlook, Watcher as _};
use crate::engine::history::{History, compile};
use crate::engine::store::Store;
use crate::report::status::{Screen as Shape, Status, screen};
use crate::report::stream::Told;
use crate::report::summary::{End, summary};
use crate::run::{Event, Moment, Run, RunStarted};

/// How often the board is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// Bytes of a line: a record of a journal has 16 MiB at most, and a line little more.
const LONGEST: u64 = 17 << 20;

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// A file that `run --events` wrote, `-` for standard input, or how the id of a run begins
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    events: String,
    /// The document of the run, where the run's own copy is not here; after an edit, each version of it
    #[arg(long, value_name = "FILE", add = ArgValueCompleter::new(complete::files()))]
    blueprint: Vec<String>,
    /// Play in time, N times as fast as it happened (0.001 to 1000000); as fast as possible without it
    #[arg(long, value_name = "N", value_parser = speed, conflicts_with = "at")]
    speed: Option<f64>,
    /// Show where the run stood after its Nth event, as `status` does
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
    /// Print where the run stands at the end as JSON, as `status --json` does
    #[arg(long, conflicts_with = "speed")]
    json: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number from 0.001 to 1000000, such as 10 or 0.5".to_owned()),
    }
}

/// Where an event was found, for people.
struct Found {
    place: String,
    told: Told,
}

pub(super) fn run(args: &ReplayArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut events = if args.events != "-" && !Path::new(&args.events).exists() {
        kept(&args.events)?
    } else {
        stream(&args.events, output)?
    };
    let started = beginning(&args.events, &events)?;
    if let Some(most) = args.at {
        events.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    let first = events[0].told.at;
    let mut player =
        Player { args, started: &started, rest: &events, so_far: None, before: None, driver: None, began: first };
    let mut sought = started.digest.clone();
    loop {
        let source = document(&sought, &started, &args.blueprint)?;
        match player.play(&source, output)? {
            Some(next) => sought = next,
            None => break,
        }
    }
    Ok(match player.so_far {
        // To look at a moment is no end.
        Some((run, _)) if args.at.is_none() => Exit::of(outlook(&run), &run),
        _ => Exit::Done,
    })
}

/// The events of a stream, each complete line judged.
fn stream(path: &str, output: &mut Output) -> Result<Vec<Found>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(format!("failed to read `{path}`: {error}"), "name a file that `run --events` wrote, or a run")
    };
    let mut reader: Box<dyn BufRead> = match path {
        "-" => Box::new(io::stdin().lock()),
        _ => Box::new(BufReader::new(File::open(path).map_err(unreadable)?)),
    };
    let mut found: Vec<Found> = Vec::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let place = format!("line {number} of `{path}`");
        let is_whole = line.ends_with(b"\n");
        let damaged = |reason: String| {
            Failure::new(
                format!("{place}: {reason}"),
                "events are lines that `run --events` or `resume --events` wrote",
            )
        };
        if line.len() as u64 > LONGEST {
            return Err(damaged(format!("it is longer than {} MiB", LONGEST >> 20)));
        }
        let read = std::str::from_utf8(&line).map_err(|error| error.to_string());
        let told = match read.and_then(|text| Told::read(text.trim_end()).map_err(|error| error.to_string())) {
            Ok(told) => told,
            Err(_) if !is_whole && number > 1 => {
                output.note(&format!("{place} was cut short and is left out\n"));
                break;
            }
            Err(reason) => return Err(damaged(reason)),
        };
        let expected = found.len() as u64 + 1;
        if told.number != expected {
            return Err(Failure::new(
                format!("{place}: it is event {}, and event {expected} should follow", told.number),
                match expected {
                    1 => {
                        "it begins in the middle: record a run from its beginning, or replay the run itself: outpost-bp replay RUN"
                    }
                    _ => "events are missing or twice: replay the run itself, where it is kept: outpost-bp replay RUN",
                },
            ));
        }
        found.push(Found { place, told });
    }
    Ok(found)
}

/// The events of a run that is kept here.
fn kept(run: &str) -> Result<Vec<Found>, Failure> {
    let files = store()?.find(Some(run)).map_err(|error| {
        let failure = Failure::from(error);
        Failure { message: format!("there is no file `{run}`, and {}", failure.message), ..failure }
    })?;
    let history = History::read(&files)?;
    let events = (1..).zip(history.events).map(|(number, (at, event))| Found {
        place: format!("record {number} of the run `{}`", files.id()),
        told: Told { number, at, event },
    });
    Ok(events.collect())
}

fn beginning(path: &str, events: &[Found]) -> Result<RunStarted, Failure> {
    match events.first().map(|first| &first.told.event) {
        Some(Event::RunStarted(started)) => Ok((**started).clone()),
        Some(_) => Err(Failure::new(
            format!("{}: a run begins with `run_started`", events[0].place),
            "record a run from its beginning with `run --events`",
        )),
        None => Err(Failure::new(format!("`{path}` has no events"), "record a run with `run --events`")),
    }
}

/// The document with this digest: one that was named, the run's own copy, or the file as it lies there now.
fn document(sought: &str, started: &RunStarted, named: &[String]) -> Result<Source, Failure> {
    for path in named {
        let loaded = load(path)?;
        if digest(&loaded.source) == sought {
            return Ok(loaded.source);
        }
    }
    let stores = [store().ok(), Some(Store::around(Path::new(&started.root)))];
    let copies = stores.into_iter().flatten().filter_map(|store| store.find(Some(&started.run)).ok());
    let copies = copies.flat_map(|files| [files.blueprint(), files.edited(sought)]);
    for path in copies.chain(whereabouts(started)) {
        // Under the name of its file, as the run has it.
        if let Ok(bytes) = fs::read(&path) {
            let source = Source::from_bytes(&started.file, bytes).0;
            if digest(&source) == sought {
                return Ok(source);
            }
        }
    }
    let (message, hint) = match named {
        [] => ("is not here", "name it with `--blueprint`"),
        _ => ("is none of those named", "name the very file that was run, byte by byte; the run kept a copy"),
    };
    let short: String = sought.chars().take(19).collect();
    Err(Failure::new(format!("the document of the run `{}` ({short}…) {message}", started.run), hint))
}

/// A run on its way through its events.
struct Player<'p> {
    args: &'p ReplayArgs,
    started: &'p RunStarted,
    rest: &'p [Found],
    /// The run so far, and what runs again in the document that comes next.
    so_far: Option<(Run, Vec<String>)>,
    /// When the last event happened.
    before: Option<Moment>,
    /// Who drives it.
    driver: Option<String>,
    began: Moment,
}

impl Player<'_> {
    /// Plays until the document was edited, and tells the digest of the next one; or to the end.
    fn play(&mut self, source: &Source, output: &mut Output) -> Result<Option<String>, Failure> {
        let (blueprint, diagnostics) = blueprint(source)?;
        let (plan, program) = compile(&blueprint, self.started)?;
        let mut run = match self.so_far.take() {
            None => Run::new(program),
            Some((run, again)) => run.carry_over(program, &again),
        };
        let from = self.args.speed.and(self.rest.first()).map(|first| first.told.at);
        let mut screen = Screen::played(output, &blueprint, source, from);
        while let [Found { place, told: Told { at, event, .. } }, rest @ ..] = self.rest {
            self.rest = rest;
            self.pass(*at, &run, &mut screen);
            let illegal = match event {
                Event::RunStarted(_) if self.before.is_some() => Some("a second run begins here".to_owned()),
                event => run.apply(*at, event).err().map(|illegal| illegal.to_string()),
            };
            if let Some(reason) = illegal {
                screen.finish();
                let hint = "what stands before it is as it happened; the rest belongs to no run";
                return Err(Failure::new(format!("{place}: {reason}"), hint));
            }
            match event {
                Event::RunStarted(_) if !self.is_silent() => {
                    screen.say(heading(&self.started.run, &blueprint, &plan, source, &diagnostics).trim_end());
                }
                Event::RunnerTookOver { pid, host, .. } => {
                    if self.driver.is_some() && !self.is_silent() {
                        screen.say(&format!("run {} of {} goes on", self.started.run, blueprint.name()));
                    }
                    self.driver = Some(format!("process {pid} on {host}"));
                }
                _ => {}
            }
            if !self.is_silent() {
                screen.saw(*at, event, &run);
                screen.shown();
            }
            self.before = Some(*at);
            if let Event::EditAccepted { digest, again, .. } = event {
                screen.finish();
                self.so_far = Some((run, again.clone()));
                return Ok(Some(digest.clone()));
            }
        }
        screen.finish();
        self.conclude(&run, &blueprint, output)?;
        self.so_far = Some((run, Vec::new()));
        Ok(None)
    }

    /// Whether only the end is of interest.
    const fn is_silent(&self) -> bool {
        self.args.at.is_some() || self.args.json
    }

    /// Waits as long as it took until the next event, in the time that was asked for.
    fn pass(&self, next: Moment, run: &Run, screen: &mut Screen<'_, '_>) {
        let (Some(speed), Some(before)) = (self.args.speed, self.before) else {
            return;
        };
        let mut left = Duration::from_millis(next.0.saturating_sub(before.0)).div_f64(speed);
        let mut at = before;
        while !left.is_zero() {
            screen.draw(run, at);
            let pause = left.min(TICK);
            thread::sleep(pause);
            left -= pause;
            at = Moment(next.0.saturating_sub(left.mul_f64(speed).as_millis() as u64));
        }
    }

    /// The last words of the run, or where it stands.
    fn conclude(&self, run: &Run, blueprint: &Blueprint<'_>, output: &mut Output) -> Result<(), Failure> {
        if !self.is_silent() {
            let end = match outlook(run) {
                Outlook::Ended(ending) => End::Over(ending),
                Outlook::Waiting => End::Waiting,
                Outlook::Interrupted(_) => End::Interrupted,
            };
            output.note(&summary(run, blueprint, &self.started.run, end));
            return Ok(());
        }
        // Where the events end in the middle of it, somebody drove it then.
        let driver = self.driver.clone().filter(|_| self.args.at.is_some() && outlook(run) == INTERRUPTED);
        let status = Status::of(run, blueprint, self.started, Some(self.began), driver, Vec::new());
        if self.args.json {
            let status = serde_json::to_value(status)
                .map_err(|error| Failure::new(error.to_string(), "try without `--json`"))?;
            return output.json(&status);
        }
        let shape = Shape { width: output.width.min(100), rows: usize::MAX, now: run.latest() };
        output.data(&screen(&status, run, blueprint, shape))
    }
}

/// Events that stop before an end were interrupted, by whatever signal: what people use is Ctrl-C.
const INTERRUPTED: Outlook = Outlook::Interrupted(2);

fn outlook(run: &Run) -> Outlook {
    match run.ending() {
        Some(ending) => Outlook::Ended(ending),
        None if run.waiting().is_some() => Outlook::Waiting,
        None => INTERRUPTED,
    }
}

/// The blueprint of a document that was run, and what there was to say about it.
fn blueprint(source: &Source) -> Result<(Blueprint<'_>, Vec<Diagnostic>), Failure> {
    match read(source, false).into_blueprint() {
        (Some(blueprint), diagnostics) => Ok((blueprint, diagnostics)),
        (None, _) => Err(Failure::new(
            format!("this version finds errors in `{}`", source.name()),
            "use the version of outpost-bp that began the run",
        )),
    }
}
