//! What `run` and `resume` show while they work: a board on a terminal, a line for each event elsewhere,
//! groups and annotations in GitHub Actions, and events as JSON lines for machines.
//!
//! Nothing here can fail a run: whoever stopped listening is not told any more.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Failure, Output};
use crate::blueprint::Blueprint;
use crate::document::Source;
use crate::engine::driver::Watcher;
use crate::engine::moment::{now, timestamp};
use crate::report::progress::{Line, Weight, board, last_words, line, plain};
use crate::report::stream::Told;
use crate::run::{Event, Moment, Run};

/// How often the board is drawn.
const REFRESH: Duration = Duration::from_millis(100);
/// Lines of output shown in an annotation's group.
const SHOWN: usize = 40;

/// Where events go as lines of JSON.
pub(super) struct Events {
    sink: BufWriter<Box<dyn Write>>,
    /// Events of the run so far.
    number: u64,
}

/// Opens a file for events, or standard output for `-`. Those of a run that began before are added to what is there,
/// those of a new one replace it.
pub(super) fn events(path: &str, happened: u64) -> Result<Events, Failure> {
    let adds = happened > 0;
    let sink: Box<dyn Write> = if path == "-" {
        Box::new(io::stdout())
    } else {
        Box::new(File::options().create(true).write(true).append(adds).truncate(!adds).open(path).map_err(|error| {
            Failure::new(format!("failed to write events to `{path}`: {error}"), "name a file that can be written")
        })?)
    };
    Ok(Events { sink: BufWriter::new(sink), number: happened })
}

/// Where the lines go.
enum Surface {
    Plain,
    GitHub,
    Board(Board),
}

pub(super) struct Screen<'a, 's> {
    output: &'a mut Output,
    blueprint: &'a Blueprint<'s>,
    source: &'a Source,
    surface: Surface,
    events: Option<Events>,
    /// Lines that go out together.
    lines: String,
    /// The last second that was told, and how.
    second: (u64, String),
}

impl<'a, 's> Screen<'a, 's> {
    pub(super) fn new(
        output: &'a mut Output,
        blueprint: &'a Blueprint<'s>,
        source: &'a Source,
        events: Option<Events>,
        shares_terminal: bool,
    ) -> Self {
        // Lines of others would tear a board.
        let from = (!shares_terminal).then(now);
        Self { events, ..Self::played(output, blueprint, source, from) }
    }

    /// A screen for what happened before. It has a board, where there is a terminal, if time goes on from a moment.
    pub(super) fn played(
        output: &'a mut Output,
        blueprint: &'a Blueprint<'s>,
        source: &'a Source,
        from: Option<Moment>,
    ) -> Self {
        let is_terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let surface = match from {
            _ if output.in_github_actions => Surface::GitHub,
            Some(began) if is_terminal => Surface::Board(Board::new(began)),
            _ => Surface::Plain,
        };
        Self { output, blueprint, source, surface, events: None, lines: String::new(), second: Default::default() }
    }

    /// Draws the board as it was at a time.
    pub(super) fn draw(&mut self, run: &Run, at: Moment) {
        let blueprint = self.blueprint;
        if let Surface::Board(board) = &mut self.surface {
            board.draw(run, blueprint, at);
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.print(text);
        self.hand_out();
    }

    fn print(&mut self, text: &str) {
        match &self.surface {
            Surface::Board(board) => board.above(text),
            Surface::Plain | Surface::GitHub => {
                self.lines.push_str(text);
                self.lines.push('\n');
            }
        }
    }

    fn hand_out(&mut self) {
        if !self.lines.is_empty() {
            self.output.note(&self.lines);
            self.lines.clear();
        }
    }

    fn record(&mut self, at: Moment, event: &Event) {
        let Some(events) = &mut self.events else {
            return;
        };
        events.number += 1;
        let told = Told { number: events.number, at, event: event.clone() };
        let Some(line) = told.line() else {
            return;
        };
        let written = writeln!(events.sink, "{line}");
        self.check_events(written);
    }

    fn check_events(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.events = None;
            // That nobody reads them any more is no news to the reader.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.print(&format!("events are not written any more: {error}; the run goes on"));
            }
        }
    }

    /// A line, and in GitHub Actions the annotation at the task's place in the document.
    fn show(&mut self, at: Moment, shown: &Line, event: &Event, run: &Run) {
        let Line { task, text, weight } = shown;
        let clock = self.clock(at);
        if matches!(self.surface, Surface::GitHub) {
            self.annotate(task, text, event, run);
            return;
        }
        let style = match weight {
            Weight::Step => anstyle::Style::new().dimmed(),
            Weight::Good => anstyle::AnsiColor::Green.on_default(),
            Weight::Notice => anstyle::AnsiColor::Yellow.on_default(),
            Weight::Bad => anstyle::AnsiColor::Red.on_default(),
        };
        let text = format!("{clock}  {task:<10} {style}{text}{style:#}");
        self.print(text.trim_end());
    }

    /// When something happened; the same for all of a second.
    fn clock(&mut self, at: Moment) -> String {
        let second = at.0 / 1000;
        if self.second.0 != second || self.second.1.is_empty() {
            self.second = (second, clock(at));
        }
        self.second.1.clone()
    }

    fn annotate(&mut self, task: &str, text: &str, event: &Event, run: &Run) {
        match event {
            Event::TaskBlocked { failure, .. } => {
                let line =
                    run.find(task).map_or(1, |index| self.source.position(self.blueprint.task(index).span.start).line);
                let file = escaped(self.source.name());
                let mut block = format!("::group::{task} {text}\n");
                for line in last_words(failure, SHOWN) {
                    block += &format!("{line}\n");
                }
                block += "::endgroup::\n";
                block += &format!(
                    "::error file={file},line={line},title={}::{}",
                    escaped(&format!("{task} failed")),
                    message(&failure.message)
                );
                self.print(&block);
            }
            Event::GateOpened { .. } => self.print(&format!("::notice title={}::{}", escaped(task), message(text))),
            _ => self.print(&format!("{task:<10} {text}")),
        }
    }

    /// Takes the board away, so that what follows stands below the last line. Gives back what it was given.
    pub(super) fn finish(mut self) -> (&'a mut Output, Option<Events>) {
        self.shown();
        if let Surface::Board(board) = &self.surface {
            board.clear();
        }
        (self.output, self.events)
    }
}

impl Watcher for Screen<'_, '_> {
    fn saw(&mut self, at: Moment, event: &Event, run: &Run) {
        self.record(at, event);
        // On a terminal the board shows what runs.
        let is_shown = !matches!((&self.surface, event), (Surface::Board(_), Event::StageStarted { attempt: 1, .. }));
        if let Some(shown) = line(event, run, self.blueprint).filter(|_| is_shown) {
            self.show(at, &shown, event, run);
        }
    }

    fn shown(&mut self) {
        if let Some(events) = &mut self.events {
            let written = events.sink.flush();
            self.check_events(written);
        }
        self.hand_out();
    }

    fn remark(&mut self, text: &str) {
        self.print(text);
        self.hand_out();
    }

    /// With the terminal's bell, where there is one. In GitHub Actions no line may be a command of its own.
    fn call(&mut self, text: &str) {
        let bell = if matches!(self.surface, Surface::Board(_)) { "\u{7}" } else { "" };
        let lines: Vec<String> = text.lines().map(plain).collect();
        match &self.surface {
            Surface::GitHub => self.print(&format!("::notice::{}", message(&lines.join("\n")))),
            Surface::Board(_) | Surface::Plain => self.print(&format!("{bell}{}", lines.join("\n"))),
        }
        self.hand_out();
    }

    fn tick(&mut self, run: &Run) {
        self.draw(run, now());
    }
}

/// Lines at the bottom of the terminal that are drawn over again.
struct Board {
    bars: MultiProgress,
    lines: Vec<ProgressBar>,
    style: ProgressStyle,
    drawn: Option<Instant>,
    began: Moment,
}

impl Board {
    fn new(began: Moment) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20));
        // A template of one field cannot be wrong.
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bars, lines: Vec::new(), style, drawn: None, began }
    }

    fn draw(&mut self, run: &Run, blueprint: &Blueprint<'_>, now: Moment) {
        if self.drawn.is_some_and(|last| last.elapsed() < REFRESH) {
            return;
        }
        self.drawn = Some(Instant::now());
        let height = terminal_size::terminal_size().map_or(24, |(_, height)| usize::from(height.0));
        let rows = board(run, blueprint, now, self.began, (height / 2).max(4));
        while self.lines.len() < rows.len() {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(self.style.clone());
            self.lines.push(bar);
        }
        for bar in self.lines.drain(rows.len()..) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        for (bar, row) in self.lines.iter().zip(rows) {
            bar.set_message(row);
            bar.tick();
        }
    }

    fn above(&self, text: &str) {
        // A terminal that is gone does not end the run.
        let _ = self.bars.println(text);
    }

    fn clear(&self) {
        let _ = self.bars.clear();
    }
}

/// When something happened, for people.
pub(super) fn clock(at: Moment) -> String {
    timestamp(at).to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// Text as a property of a workflow command.
fn escaped(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text as the message of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Adds to the summary of a step of GitHub Actions, where there is one.
pub(super) fn step_summary(text: &str) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        return;
    };
    let written =
        File::options().append(true).create(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    // A summary that cannot be written is no reason to fail the step.
    let _ = written;
}
