//! Who else hears of a run: what the document, the command line and the environment say of logs, metrics and traces.
//!
//! The command line wins word by word. What it names and cannot be had is wrong usage, before anything begins; what
//! the document names and cannot be had is told, and the run goes on without it.

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::kept::whereabouts;
use super::{Failure, Output};
use crate::blueprint::Blueprint;
use crate::blueprint::model::{LOG_DESTINATIONS, LOG_FORMATS, LOG_LEVELS, LogDestination, LogFormat, LogLevel};
use crate::engine::driver::{Outlook, Watcher};
use crate::engine::error::Broken;
use crate::engine::place::{EXECUTOR, Variables};
use crate::engine::session::Session;
use crate::report::log::Layout;
use crate::run::{Run, TraceParent, Trail};
use crate::telemetry::faults;
use crate::telemetry::log::{Log, Sink};
use crate::telemetry::metrics::MetricsFile;
use crate::telemetry::otlp::{self, Collector};
use crate::telemetry::syslog::Syslog;
use crate::telemetry::traces::Traces;

#[derive(Args, Clone, Debug, Default)]
pub(super) struct ObserveArgs {
    /// Log the run so, whatever the document says: `debug`, `json`, `text`, `stdout`, `stderr`, `syslog`,
    /// `file=PATH`, several with commas between them; or `off`
    #[arg(long, value_name = "WORDS")]
    log: Option<LogWords>,
    /// Keep the numbers of the run in a file, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE", env = "OUTPOST_METRICS", hide_env_values = true)]
    metrics: Option<PathBuf>,
}

/// `debug,text,file=run.log`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LogWords {
    is_off: bool,
    format: Option<LogFormat>,
    level: Option<LogLevel>,
    destination: Option<LogDestination>,
    file: Option<String>,
}

impl FromStr for LogWords {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            // A path may hold commas: it is the last word.
            if let Some(path) = rest.strip_prefix("file=") {
                words.file = Some(path.to_owned()).filter(|path| !path.is_empty());
                words.destination = Some(LogDestination::File);
                break;
            }
            let (word, behind) = rest.split_once(',').unwrap_or((rest, ""));
            rest = behind;
            if word == "off" {
                words.is_off = true;
            } else if let Some(format) = meant(LOG_FORMATS, word) {
                words.format = Some(format);
            } else if let Some(level) = meant(LOG_LEVELS, word) {
                words.level = Some(level);
            } else if let Some(destination) = meant(LOG_DESTINATIONS, word) {
                words.destination = Some(destination);
            } else {
                return Err(format!(
                    "`{word}` is none of debug, info, warn, error, json, ndjson, text, stdout, stderr, syslog, file, file=PATH and off"
                ));
            }
        }
        if words.is_off && words != (Self { is_off: true, ..Self::default() }) {
            return Err("`off` stands alone".to_owned());
        }
        Ok(words)
    }
}

fn meant<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

/// What was asked for on the command line, and could be had.
#[derive(Debug, Default)]
pub(super) struct Asked {
    words: LogWords,
    /// Whether there are any.
    is_worded: bool,
    sink: Option<Sink>,
    metrics: Option<PathBuf>,
    /// Whether standard output is for something else.
    is_taken: bool,
}

impl ObserveArgs {
    /// Before anything begins. Nobody means `document`, which the run has been made of.
    pub(super) fn asked(&self, document: Option<&Path>, takes_stdout: bool) -> Result<Asked, Failure> {
        let words = self.log.clone().unwrap_or_default();
        if takes_stdout && words.destination == Some(LogDestination::Stdout) {
            return Err(Failure::new(
                "events and the log cannot both have standard output",
                "log to another place: `--log stderr` or `--log file=PATH`",
            ));
        }
        let sink =
            words.file.as_deref().map(|path| opened(Path::new(path), document)).transpose().map_err(|problem| {
                let path = words.file.as_deref().unwrap_or_default();
                Failure::new(format!("failed to log to `{path}`: {problem}"), "name another file behind `--log file=`")
            })?;
        let metrics =
            self.metrics.clone().filter(|path| !path.as_os_str().is_empty() && path != Path::new("/dev/null"));
        if let Some(path) = &metrics {
            let what = match fs::metadata(path) {
                _ if is_document(path, document) => Some("the blueprint"),
                Ok(found) if !found.is_file() => Some("no file"),
                _ => None,
            };
            if let Some(what) = what {
                return Err(Failure::new(
                    format!("`{}` is {what}: the numbers would replace it", path.display()),
                    "name another file for `--metrics`",
                ));
            }
        }
        Ok(Asked { metrics, words, is_worded: self.log.is_some(), sink, is_taken: takes_stdout })
    }
}

/// Whether this is the file of the document, by whatever name.
pub(super) fn is_document(path: &Path, document: Option<&Path>) -> bool {
    let real = fs::canonicalize(path).ok();
    real.is_some() && real == document.and_then(|document| fs::canonicalize(document).ok())
}

fn opened(path: &Path, document: Option<&Path>) -> Result<Sink, String> {
    if is_document(path, document) {
        return Err("it is the blueprint".to_owned());
    }
    Sink::file(path).map_err(|error| error.to_string())
}

/// The span within which this process was started, for the first record of a run.
pub(super) fn traceparent() -> Option<String> {
    let given = std::env::var("TRACEPARENT").ok()?;
    TraceParent::parse(&given).map(|parent| parent.to_string())
}

/// Everybody but the screen who watches a run.
#[derive(Debug, Default)]
pub(super) struct Observers<'a> {
    log: Option<Log<'a>>,
    traces: Option<Traces<'a>>,
    metrics: Option<MetricsFile<'a>>,
    /// The trace of the run, where somebody collects it.
    pub(super) trail: Option<Trail>,
    /// Whether somebody writes to the terminal beside the screen.
    pub(super) share_terminal: bool,
}

impl<'a> Observers<'a> {
    pub(super) fn of(
        session: &mut Session,
        blueprint: &'a Blueprint<'a>,
        mut asked: Asked,
        output: &mut Output,
    ) -> Self {
        let shows_faults = faults::is_asked() && std::io::stderr().is_terminal();
        let mut observers = Self { share_terminal: shows_faults, ..Self::default() };
        let metrics = asked.metrics.take();
        observers.log = log(session, blueprint, asked, output, &mut observers.share_terminal);
        let trail = if metrics.is_some() || otlp::is_named() { session.trail() } else { None };
        // Nobody needs it after this.
        let past = std::mem::take(&mut session.past);
        let Some(trail) = trail else {
            return observers;
        };
        if let Some(path) = metrics {
            let named = (&*session.started.blueprint_id(), session.files.id());
            observers.metrics = Some(MetricsFile::new(blueprint, trail, named, path, &past));
        }
        if trail.is_sampled && otlp::is_named() {
            let traces = Collector::named()
                .and_then(|collector| Traces::begin(blueprint, collector, trail, session.files.folder(), &past));
            match traces {
                Ok(traces) => (observers.traces, observers.trail) = (Some(traces), Some(trail)),
                Err(problem) => output.note(&format!("warning: no traces are sent: {problem}\n")),
            }
        }
        observers
    }

    pub(super) fn watchers(&mut self) -> impl Iterator<Item = &mut dyn Watcher> {
        let log = self.log.iter_mut().map(|log| log as &mut dyn Watcher);
        let traces = self.traces.iter_mut().map(|traces| traces as &mut dyn Watcher);
        log.chain(traces).chain(self.metrics.iter_mut().map(|metrics| metrics as &mut dyn Watcher))
    }

    /// Tells them that the runner came back.
    pub(super) fn end(&mut self, driven: Result<(Outlook, &Run), &Broken>, output: &mut Output) {
        if let Some(log) = &mut self.log {
            log.end(driven.map(|(outlook, _)| outlook));
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.end(driven);
        }
        for watcher in self.watchers() {
            while let Some(trouble) = watcher.trouble() {
                output.note(&format!("{trouble}\n"));
            }
        }
        for trouble in self.traces.take().map(Traces::end).unwrap_or_default() {
            output.note(&format!("{trouble}\n"));
        }
    }
}

fn log<'a>(
    session: &Session,
    blueprint: &'a Blueprint<'a>,
    asked: Asked,
    output: &mut Output,
    share_terminal: &mut bool,
) -> Option<Log<'a>> {
    let Asked { words, is_worded, sink, is_taken, .. } = asked;
    let written = blueprint.execution.logging.as_deref();
    if words.is_off || (written.is_none() && !is_worded) {
        return None;
    }
    let written = written.cloned().unwrap_or_default();
    let named = written.file_path.as_ref().map(|_| LogDestination::File);
    let mut destination = words.destination.or(written.destination).or(named).unwrap_or_default();
    if is_taken && destination == LogDestination::Stdout {
        output.note("events have standard output: the log goes to standard error\n");
        destination = LogDestination::Stderr;
    }
    let id = session.started.blueprint_id();
    let sink = sink.map_or_else(
        || match destination {
            LogDestination::Stdout => Ok(Sink::Stdout),
            LogDestination::Stderr => Ok(Sink::Stderr),
            LogDestination::Syslog => Ok(Sink::Syslog(Syslog::new())),
            LogDestination::File => {
                let path = written
                    .file_path
                    .as_deref()
                    .map_or_else(|| session.files.folder().join("run.log"), |path| path_of(session, &id, path));
                opened(&path, whereabouts(&session.started).as_deref()).map_err(|problem| (path, problem))
            }
        },
        Ok,
    );
    let sink = match sink {
        Ok(sink) => sink,
        Err((path, problem)) => {
            output
                .note(&format!("warning: failed to log to `{}`: {problem}; the run goes on without\n", path.display()));
            return None;
        }
    };
    *share_terminal |= match sink {
        Sink::Stdout => std::io::stdout().is_terminal(),
        Sink::Stderr => std::io::stderr().is_terminal(),
        Sink::File(..) | Sink::Syslog(_) => false,
    };
    let layout = Layout {
        format: words.format.or(written.format).unwrap_or_default(),
        timestamps: written.timestamps.unwrap_or(true),
        task_context: written.task_context.unwrap_or(true),
        blueprint: id,
        executor: EXECUTOR,
        run: session.files.id().to_owned(),
    };
    let level = words.level.or(written.level).unwrap_or_default();
    Some(Log::new(blueprint, level, layout, sink))
}

/// The document's path. Its time is that at which the run began, so that all runners write into one file.
fn path_of(session: &Session, id: &str, path: &str) -> PathBuf {
    let root = Path::new(&session.started.root);
    let seconds = session.began.0 / 1000;
    Variables { task: "", blueprint: id, root: root.into(), directory: root.to_owned(), seconds, bound: None }
        .path(path)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{LogWords, ObserveArgs};
    use crate::blueprint::model::{LogDestination, LogFormat, LogLevel};

    #[test]
    fn nowhere_is_no_place_for_numbers() {
        let asked = |path: &str| ObserveArgs { metrics: Some(PathBuf::from(path)), log: None }.asked(None, false);
        assert_eq!(asked("/dev/null").expect("off").metrics, None);
        assert!(asked("/dev/zero").expect_err("a device").message.contains("`/dev/zero` is no file"));
    }

    #[test]
    fn f_41_words_of_the_command_line() {
        let words = |text: &str| text.parse::<LogWords>();
        let whole = words("debug,text,file=a,b.log").expect("words");
        assert_eq!((whole.level, whole.format), (Some(LogLevel::Debug), Some(LogFormat::Text)));
        assert_eq!((whole.destination, whole.file.as_deref()), (Some(LogDestination::File), Some("a,b.log")));
        assert_eq!(words("syslog").expect("words").destination, Some(LogDestination::Syslog));
        assert!(words("off").expect("words").is_off);
        assert!(words("off,json").is_err() && words("jsn").expect_err("no word").contains("`jsn` is none of"));
    }
}
