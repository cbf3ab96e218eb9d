//! How a run is logged: `execution.logging`, as the author wrote it. Defaults are given by whoever logs.

use crate::document::Text;

#[derive(Clone, Debug, Default)]
pub struct Logging<'s> {
    pub format: Option<LogFormat>,
    pub level: Option<LogLevel>,
    pub destination: Option<LogDestination>,
    pub file_path: Option<Text<'s>>,
    pub timestamps: Option<bool>,
    /// Whether an entry names its task.
    pub task_context: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON value a line, whether the document says `json` or `ndjson`.
    #[default]
    Json,
    Text,
}

/// The order is that of weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogDestination {
    #[default]
    Stdout,
    Stderr,
    File,
    Syslog,
}

/// The words of the format, which the command line takes as well.
pub const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("json", LogFormat::Json), ("ndjson", LogFormat::Json), ("text", LogFormat::Text)];
pub const LOG_LEVELS: &[(&str, LogLevel)] =
    &[("debug", LogLevel::Debug), ("info", LogLevel::Info), ("warn", LogLevel::Warn), ("error", LogLevel::Error)];
pub const LOG_DESTINATIONS: &[(&str, LogDestination)] = &[
    ("stdout", LogDestination::Stdout),
    ("stderr", LogDestination::Stderr),
    ("file", LogDestination::File),
    ("syslog", LogDestination::Syslog),
];

impl LogLevel {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
