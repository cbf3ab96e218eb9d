//! How work ended, in plain data that goes into the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub outcome: Outcome,
    /// Milliseconds since the epoch.
    pub started_ms: u64,
    /// Milliseconds since the epoch.
    pub ended_ms: u64,
    /// By a clock that nobody sets, not counting suspension.
    pub elapsed_ms: u64,
    pub stdout: Output,
    pub stderr: Output,
    pub log: Kept,
    /// What went into the `stdout_file`, if one was asked for.
    pub stdout_file: Option<Kept>,
    /// What outlived the program and had to be ended.
    pub leaked: Vec<Process>,
    pub usage: Usage,
}

impl Report {
    /// A report of work of which nothing is known but this.
    pub fn bare(outcome: Outcome, at_ms: u64) -> Self {
        Self {
            outcome,
            started_ms: at_ms,
            ended_ms: at_ms,
            elapsed_ms: 0,
            stdout: Output::default(),
            stderr: Output::default(),
            log: Kept::default(),
            stdout_file: None,
            leaked: Vec::new(),
            usage: Usage::default(),
        }
    }
}

/// In which way it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Exited(i32),
    /// By a signal that nobody here sent.
    Signalled(i32),
    /// Ended because its time was up, whatever status it ended with.
    TimedOut,
    /// Ended because `cancel` asked for it.
    Cancelled,
    /// Ended because its runner died.
    Interrupted,
    /// It never ran: repeating it repeats nothing.
    NotStarted(NotStarted),
    /// Nobody can say how it ended, or whether all of it has: the reason tells which.
    Lost(String),
}

/// Why work did not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotStarted {
    DirectoryMissing(String),
    ProgramMissing(String),
    /// The program is there, the interpreter that its first line names is not.
    InterpreterMissing(String),
    NotExecutable(String),
    /// Arguments and environment together, or one of them, are longer than the system takes.
    TooLong,
    /// Cancelled, or its runner died, before it could start.
    Cancelled,
    /// The executor does not do this.
    Refused(String),
    Other(String),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectoryMissing(dir) => write!(f, "its directory `{dir}` does not exist"),
            Self::ProgramMissing(program) => write!(f, "its program `{program}` was not found"),
            Self::InterpreterMissing(program) => {
                write!(f, "the interpreter that the first line of `{program}` names was not found")
            }
            Self::NotExecutable(program) => write!(f, "its program `{program}` cannot be executed"),
            Self::TooLong => f.write_str("its arguments and environment are longer than the system takes"),
            Self::Cancelled => f.write_str("it was cancelled before it could start"),
            Self::Refused(reason) | Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NotStarted {}

/// What a stream carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub bytes: u64,
    /// The last 10 KiB at most, readable: what is not UTF-8 is replaced, and so are secrets.
    pub tail: String,
    /// How often a secret stood in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub secrets: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a file took of what it was meant to take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub bytes: u64,
    /// Bytes of output left out, because of the cap or of the error.
    pub cut: u64,
    /// The first error that kept bytes out.
    pub error: Option<String>,
}

/// A process, as far as it can be told after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.pid, self.name)
    }
}

/// What the program and the processes it waited for used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub user_us: u64,
    pub system_us: u64,
    /// Of the largest process.
    pub max_rss_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::{NotStarted, Outcome, Report};

    #[test]
    fn outcomes_keep_their_written_form() {
        let written = |outcome: Outcome| serde_json::to_string(&outcome).expect("plain data");
        assert_eq!(written(Outcome::Exited(3)), r#"{"exited":3}"#);
        assert_eq!(written(Outcome::Signalled(9)), r#"{"signalled":9}"#);
        assert_eq!(written(Outcome::TimedOut), r#""timed_out""#);
        assert_eq!(written(Outcome::Interrupted), r#""interrupted""#);
        let missing = NotStarted::DirectoryMissing("/x".into());
        assert_eq!(written(Outcome::NotStarted(missing)), r#"{"not_started":{"directory_missing":"/x"}}"#);
        assert_eq!(written(Outcome::NotStarted(NotStarted::TooLong)), r#"{"not_started":"too_long"}"#);
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let report = Report::bare(Outcome::Lost("gone".into()), 7);
        let written = serde_json::to_string(&report).expect("plain data");
        assert_eq!(serde_json::from_str::<Report>(&written).expect("what was written"), report);
    }
}
