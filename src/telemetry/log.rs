//! The log of a run, where the document or the command line wants it.
//!
//! An entry that cannot be written is lost, and the first one that is lost is told. It does not know what an entry
//! is made of: that is `report::log`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::file::Appended;
use super::syslog::Syslog;
use crate::blueprint::Blueprint;
use crate::blueprint::model::LogLevel;
use crate::engine::driver::{Outlook, Watcher};
use crate::engine::error::Broken;
use crate::engine::moment::now;
use crate::report::log::{Entries, Entry, Layout, halted, interrupted, remark};
use crate::run::{Event, Moment, Run};

/// Where lines go.
#[derive(Debug)]
pub enum Sink {
    Stdout,
    Stderr,
    File(PathBuf, Appended),
    Syslog(Syslog),
}

impl Sink {
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File(path.to_owned(), Appended::open(path)?))
    }

    fn write(&mut self, lines: &[(Moment, LogLevel, String)]) -> io::Result<()> {
        let text = || -> String { lines.iter().map(|(_, _, line)| format!("{line}\n")).collect() };
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text().as_bytes()).and_then(|()| stdout.flush())
            }
            Self::Stderr => io::stderr().lock().write_all(text().as_bytes()),
            Self::File(_, file) => file.append(&text()),
            Self::Syslog(syslog) => lines.iter().try_for_each(|(at, level, line)| syslog.send(*at, *level, line)),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::Stderr => "standard error".to_owned(),
            Self::File(path, _) => format!("`{}`", path.display()),
            Self::Syslog(_) => "syslog".to_owned(),
        }
    }
}

/// A watcher that writes a log.
#[derive(Debug)]
pub struct Log<'a> {
    blueprint: &'a Blueprint<'a>,
    level: LogLevel,
    layout: Layout,
    sink: Sink,
    entries: Entries,
    trouble: Option<String>,
    is_told: bool,
}

impl<'a> Log<'a> {
    pub fn new(blueprint: &'a Blueprint<'a>, level: LogLevel, layout: Layout, sink: Sink) -> Self {
        Self { blueprint, level, layout, sink, entries: Entries::default(), trouble: None, is_told: false }
    }

    fn write(&mut self, entries: &[Entry]) {
        let due = entries.iter().filter(|entry| entry.level >= self.level);
        let lines: Vec<_> = due.map(|entry| (entry.at, entry.level, self.layout.line(entry))).collect();
        if lines.is_empty() {
            return;
        }
        if let Err(error) = self.sink.write(&lines)
            && !std::mem::replace(&mut self.is_told, true)
        {
            let name = self.sink.name();
            self.trouble = Some(format!("the log to {name} has gaps: {error}; the run is none the worse"));
        }
    }

    /// Tells how the runner came back, where no event does.
    pub fn end(&mut self, driven: Result<Outlook, &Broken>) {
        match driven {
            Ok(Outlook::Interrupted(signal)) => self.write(&[interrupted(now(), signal)]),
            Ok(Outlook::Ended(_) | Outlook::Waiting) => {}
            Err(broken) => self.write(&[halted(now(), &broken.to_string())]),
        }
    }
}

impl Watcher for Log<'_> {
    fn saw(&mut self, at: Moment, event: &Event, run: &Run) {
        let entries = self.entries.of(at, event, run, self.blueprint);
        self.write(&entries);
    }

    fn remark(&mut self, text: &str) {
        self.write(&[remark(now(), text)]);
    }

    /// That somebody was told is an event of its own.
    fn call(&mut self, _: &str) {}

    fn tick(&mut self, _: &Run) {}

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }
}
