//! Tells what an end means, from the exit, the events and the words of an agent.
//!
//! Pure. Done is what exited with 0, said that it was finished and said that it went well: of five agents four exit
//! with 0 when they failed. Everything else gets the first class that a rule of the definition names, in the order
//! events, status, HTTP status, words of the failure, stderr, stdout, exit.

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, PatternRule};
use crate::stream::Told;

/// How an attempt ended, by what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Done,
    /// The key is not accepted.
    Auth,
    /// The command, the model or the settings are wrong.
    Config,
    /// A cap on money or tokens was reached.
    Budget,
    /// The provider asks to wait.
    RateLimit,
    /// The provider or the network failed.
    Transient,
    MaxTurns,
    /// The answer or the context was longer than the model allows.
    Truncated,
    /// The agent stopped trying.
    GaveUp,
    SessionLost,
    SessionConflict,
    /// Nothing came of it for too long.
    Stalled,
    /// The same step again and again.
    Looping,
    Killed,
    RefusedTool,
    /// It ended without saying how, or left no result where one was due.
    NoResult,
    AgentError,
    /// It says that it cannot go on.
    Blocked,
    /// It says that a person has to do something.
    NeedsHuman,
    TimedOut,
}

impl Class {
    pub const ALL: [Self; 20] = [
        Self::Done,
        Self::Auth,
        Self::Config,
        Self::Budget,
        Self::RateLimit,
        Self::Transient,
        Self::MaxTurns,
        Self::Truncated,
        Self::GaveUp,
        Self::SessionLost,
        Self::SessionConflict,
        Self::Stalled,
        Self::Looping,
        Self::Killed,
        Self::RefusedTool,
        Self::NoResult,
        Self::AgentError,
        Self::Blocked,
        Self::NeedsHuman,
        Self::TimedOut,
    ];

    /// As it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Budget => "budget",
            Self::RateLimit => "rate_limit",
            Self::Transient => "transient",
            Self::MaxTurns => "max_turns",
            Self::Truncated => "truncated",
            Self::GaveUp => "gave_up",
            Self::SessionLost => "session_lost",
            Self::SessionConflict => "session_conflict",
            Self::Stalled => "stalled",
            Self::Looping => "looping",
            Self::Killed => "killed",
            Self::RefusedTool => "refused_tool",
            Self::NoResult => "no_result",
            Self::AgentError => "agent_error",
            Self::Blocked => "blocked",
            Self::NeedsHuman => "needs_human",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether an attempt that ended so counts as one: waiting for a provider is no attempt.
    pub const fn consumes_attempt(self) -> bool {
        !matches!(self, Self::RateLimit | Self::Transient)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// We ended it because its result was there and it did not leave: as good as 0.
    AfterResult,
}

impl Exit {
    /// As a shell tells it.
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::AfterResult => 0,
        }
    }
}

/// What there is to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub exit: Exit,
    pub told: &'a Told,
    /// The first and the last of what it printed, without secrets.
    pub stdout: &'a str,
    pub stderr: &'a str,
    /// Seconds since the epoch: some say until when to wait, not how long.
    pub now: u64,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    pub message: String,
    /// Seconds, with `rate_limit` and `transient`, where it was told.
    pub retry_after: Option<u64>,
}

/// The longest message of a verdict.
const LONGEST: usize = 600;

/// What the end of a start means.
pub fn classify(definition: &Definition, evidence: &Evidence<'_>) -> Verdict {
    let class = class(definition, evidence);
    let told = evidence.told;
    let result = told.result.as_ref();
    let words = told.failure.as_deref().or_else(|| result.and_then(|result| result.text.as_deref()));
    let words = words.filter(|words| !words.trim().is_empty());
    let message = match (class, words) {
        (Class::Done, _) => "finished".to_owned(),
        (_, Some(words)) => format!("{}: {}", explain(class), short(words)),
        (_, None) => {
            let line = telling_line(evidence.stderr).or_else(|| telling_line(evidence.stdout));
            let exit = match evidence.exit {
                Exit::Code(code) => format!("exit status {code}"),
                Exit::Signal(signal) => format!("signal {signal}"),
                Exit::AfterResult => "ended after its result".to_owned(),
            };
            line.map_or_else(
                || format!("{} ({exit})", explain(class)),
                |line| format!("{} ({exit}): {}", explain(class), short(line)),
            )
        }
    };
    let waits = matches!(class, Class::RateLimit | Class::Transient);
    let texts =
        [words.unwrap_or_default(), told.last_retry.as_deref().unwrap_or_default(), evidence.stderr, evidence.stdout];
    let retry_after = if waits { texts.into_iter().find_map(|text| patience(text, evidence.now)) } else { None };
    Verdict { class, message, retry_after }
}

fn class(definition: &Definition, evidence: &Evidence<'_>) -> Class {
    let (told, rules) = (evidence.told, &definition.classify);
    let result = told.result.as_ref();
    let failure = told.failure.as_deref().unwrap_or_default();
    if evidence.exit.code() == 0 && failure.is_empty() && result.is_some_and(|result| result.ok) {
        return Class::Done;
    }
    if let Some(class) = told.class {
        return class;
    }
    let status = result.and_then(|result| result.status.as_ref()).and_then(|status| rules.status.get(status));
    let http = result.and_then(|result| result.http_status.as_ref()).and_then(|status| rules.http.get(status));
    if let Some(class) = status.or(http) {
        return *class;
    }
    for (rules, text) in [(&rules.text, failure), (&rules.stderr, evidence.stderr), (&rules.stdout, evidence.stdout)] {
        if let Some(class) = first(rules, text) {
            return class;
        }
    }
    if let Some(class) = rules.exit.get(&evidence.exit.code().to_string()) {
        return *class;
    }
    match evidence.exit {
        Exit::Signal(_) => Class::Killed,
        _ if result.is_none() && failure.is_empty() => Class::NoResult,
        _ => Class::AgentError,
    }
}

fn first(rules: &[PatternRule], text: &str) -> Option<Class> {
    if text.is_empty() {
        return None;
    }
    rules.iter().find(|rule| rule.regex.0.is_match(text)).map(|rule| rule.class)
}

const fn explain(class: Class) -> &'static str {
    match class {
        Class::Done => "finished",
        Class::Auth => "the provider did not accept the key",
        Class::Config => "the provider or the agent did not accept what it was asked",
        Class::Budget => "the budget is used up",
        Class::RateLimit => "the provider asks to wait",
        Class::Transient => "the provider or the way to it failed",
        Class::MaxTurns => "it used all its turns",
        Class::Truncated => "the model's answer was cut off",
        Class::GaveUp => "the agent stopped trying",
        Class::SessionLost => "the agent does not know the session any more",
        Class::SessionConflict => "another process uses the session",
        Class::Stalled => "nothing came of it for too long",
        Class::Looping => "it did the same again and again",
        Class::Killed => "it was ended from outside",
        Class::RefusedTool => "it wanted to do what it may not",
        Class::NoResult => "it ended without a result",
        Class::AgentError => "the agent failed",
        Class::Blocked => "it cannot go on",
        Class::NeedsHuman => "it needs a person",
        Class::TimedOut => "its time was up",
    }
}

/// The last line that is more than a frame of a stack.
fn telling_line(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).filter(|line| line.len() > 3 && !line.starts_with("at "));
    let mut last = None;
    for line in lines {
        if line.to_ascii_lowercase().contains("error") {
            return Some(line);
        }
        last = Some(line);
    }
    last
}

fn short(text: &str) -> &str {
    let text = text.trim();
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// How long a text asks to wait: `retry-after: 30`, `try again in 5 minutes`, `usage limit reached|1795228279`.
fn patience(text: &str, now: u64) -> Option<u64> {
    let found = |pattern: &str| {
        let regex = Regex::new(pattern).ok()?;
        let groups = regex.captures(text)?;
        Some((groups.get(1)?.as_str().parse::<f64>().ok()?, groups.get(2).map(|unit| unit.as_str().to_owned())))
    };
    let whole = |seconds: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded to a week, and digits only"
        )]
        let seconds = seconds.ceil().min(604_800.0) as u64;
        seconds
    };
    if let Some((seconds, _)) = found(r#"(?i)retry[-_ ]?after"?\s*[:=]?\s*"?(\d+(?:\.\d+)?)"#) {
        return Some(whole(seconds));
    }
    if let Some((amount, unit)) = found(r"(?i)(?:try again|retry|reset|resets) in (\d+(?:\.\d+)?)\s*(ms|s|m|h)") {
        let factor = match unit.as_deref() {
            Some("ms") => 0.001,
            Some("m" | "M") => 60.0,
            Some("h" | "H") => 3600.0,
            _ => 1.0,
        };
        return Some(whole(amount * factor));
    }
    let (until, _) = found(r"(?i)limit reached\|(\d{10})")?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
    let now = now as f64;
    Some(whole((until - now).max(0.0)))
}

#[cfg(test)]
mod tests;
