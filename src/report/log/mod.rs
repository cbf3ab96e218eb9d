//! The log of a run, as the format lays it out: entries made of events, written as JSON or as text.
//!
//! [`Entries`] folds events into entries; an [`Entry`] is written by a [`Layout`], one line each whatever it
//! holds. It knows neither where a line goes nor what time it is.

mod entries;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use entries::Entries;

use super::table::one_line;
use crate::blueprint::model::{LogFormat, LogLevel};
use crate::run::Moment;

/// The longest message, in characters: a line has to fit into a datagram.
const LONGEST: usize = 2_000;

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Moment,
    pub level: LogLevel,
    /// `task.start`, `lock.acquired`: the words of the format, and ours in the same form.
    pub event: &'static str,
    /// Empty where it is about the whole run.
    pub task: String,
    /// The part of an attempt, in the words of the format's errors.
    pub phase: Option<&'static str>,
    pub message: String,
    pub data: Map<String, Value>,
}

/// How entries are written, and what all of them say.
#[derive(Clone, Debug)]
pub struct Layout {
    pub format: LogFormat,
    pub timestamps: bool,
    pub task_context: bool,
    pub blueprint: String,
    pub executor: &'static str,
    pub run: String,
}

impl Layout {
    /// The entry in one line, without its end.
    pub fn line(&self, entry: &Entry) -> String {
        let message: String = one_line(&entry.message).chars().take(LONGEST).collect();
        match self.format {
            LogFormat::Json => self.json(entry, message).to_string(),
            LogFormat::Text => self.text(entry, &message),
        }
    }

    fn json(&self, entry: &Entry, message: String) -> Value {
        let mut fields = Map::new();
        let mut field = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if self.timestamps {
            field("timestamp", iso(entry.at).into());
        }
        field("level", entry.level.word().into());
        field("blueprint_id", self.blueprint.clone().into());
        if self.task_context {
            field("task_id", if entry.task.is_empty() { Value::Null } else { entry.task.clone().into() });
        }
        field("executor_id", self.executor.into());
        field("phase", entry.phase.into());
        field("event", entry.event.into());
        field("message", message.into());
        let mut data = Map::from_iter([("run".to_owned(), self.run.clone().into())]);
        data.extend(entry.data.clone());
        field("data", Value::Object(data));
        Value::Object(fields)
    }

    fn text(&self, entry: &Entry, message: &str) -> String {
        let mut line = String::new();
        if self.timestamps {
            line += &format!("{} ", iso(entry.at));
        }
        line += &format!("[{}] ", entry.level.word().to_uppercase());
        if self.task_context && !entry.task.is_empty() {
            line += &format!("[{}] ", entry.task);
        }
        line + message
    }
}

/// With three digits for the milliseconds, so that lines of one form sort as they happened.
fn iso(at: Moment) -> String {
    let time = i64::try_from(at.0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    time.unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What an entry tells beside its message; nothing where there is nothing to tell.
fn data(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// Something that the runner wants a person to know, and that is no event of the run.
pub fn remark(at: Moment, text: &str) -> Entry {
    about_runner(at, LogLevel::Warn, "runner.remark", text.to_owned(), json!({}))
}

/// A signal ended the runner, not the run.
pub fn interrupted(at: Moment, signal: i32) -> Entry {
    let message = format!("signal {signal} ended the runner; `outpost-bp resume` goes on");
    about_runner(at, LogLevel::Warn, "blueprint.interrupted", message, json!({"signal": signal}))
}

/// The runner could not go on, and its journal may not say so.
pub fn halted(at: Moment, reason: &str) -> Entry {
    about_runner(at, LogLevel::Error, "blueprint.halted", format!("the run stops: {reason}"), json!({}))
}

fn about_runner(at: Moment, level: LogLevel, event: &'static str, message: String, fields: Value) -> Entry {
    Entry { at, level, event, task: String::new(), phase: None, message, data: data(fields) }
}
