//! A stage of an attempt, or a chore, as events tell of it: begun, ended, and why it failed.

use super::{At, FailurePart, Printed, PrintedLine, StagePart};
use crate::report::progress::plain;
use crate::run::{Failure, Moment};

/// Lines of each stream that the journal's words about a failure are cut to.
const LINES: usize = 20;
/// Characters of a line of output.
const LONGEST: usize = 500;

impl StagePart {
    pub(super) fn begun(word: &str, at: Moment) -> Self {
        Self {
            stage: word.to_owned(),
            started_at: At(at),
            ended_at: None,
            milliseconds: None,
            result: "running",
            optional: false,
            command: None,
            expected_exit_code: None,
            exit_code: None,
            failure: None,
            printed: None,
            tail: None,
            is_read: false,
        }
    }

    pub(super) fn ended(&mut self, at: Moment, milliseconds: u64, failure: Option<&Failure>) {
        (self.ended_at, self.milliseconds) = (Some(At(at)), Some(milliseconds));
        self.result = if failure.is_some() { "failed" } else { "passed" };
        self.exit_code = failure.and_then(|failure| failure.exit_code);
        self.failure = failure.map(FailurePart::of);
        self.tail = failure.map(Printed::of);
    }
}

impl FailurePart {
    pub(super) fn of(failure: &Failure) -> Self {
        Self {
            code: failure.code.to_string(),
            phase: failure.phase.word().to_owned(),
            message: crate::report::table::one_line(&failure.message),
        }
    }
}

impl Printed {
    /// What the journal kept of what a failed stage printed: one stream after the other.
    fn of(failure: &Failure) -> Self {
        let mut printed = Self::default();
        for (stream, text) in [("stdout", &failure.stdout), ("stderr", &failure.stderr)] {
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LINES);
            printed.before += from as u64;
            printed.lines.extend(lines[from..].iter().map(|line| PrintedLine::new(stream, line)));
        }
        printed
    }
}

impl PrintedLine {
    /// A line without what a terminal would obey, and not longer than anybody reads.
    pub fn new(stream: &'static str, line: &str) -> Self {
        let line = plain(line);
        let is_long = line.chars().count() > LONGEST;
        let text = if is_long { line.chars().take(LONGEST - 1).chain(['…']).collect() } else { line };
        Self { stream, text }
    }
}
