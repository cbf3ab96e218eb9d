//! Reads what an agent prints, and tells it in words that are the same for all agents.
//!
//! `lines` cuts bytes into bounded lines, [`Reader`] makes [`Event`]s of them by the rules of the definition and keeps
//! what the end will be judged by ([`Told`]), `spent` turns numbers that are counted per session into those of one
//! attempt. Pure: no clock, no file. A line that is no JSON is no event.

mod lines;
mod reader;
mod spent;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::classify::Class;

pub use lines::{LONGEST, Line, Lines};
pub use reader::Reader;
pub use spent::{Spent, Totals, Unreported, Usage, spent};

/// Something that an agent did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    Text {
        text: String,
    },
    Tool {
        name: String,
        detail: String,
        id: Option<String>,
    },
    /// The tool with this id failed.
    Failed {
        id: String,
    },
    Progress,
    Retry {
        detail: String,
    },
    Usage {
        usage: Usage,
        cost_usd: Option<f64>,
    },
    /// The last word, if it has one.
    Result {
        ok: bool,
    },
}

impl Event {
    /// Whether the work went on. A retry proves that somebody is there, no more.
    pub const fn is_progress(&self) -> bool {
        !matches!(self, Self::Retry { .. })
    }
}

/// A terminal event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finish {
    pub ok: bool,
    pub text: Option<String>,
    pub status: Option<String>,
    pub http_status: Option<String>,
}

/// What was heard so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub session: Option<String>,
    pub result: Option<Finish>,
    pub failure: Option<String>,
    /// The agent's own words: the last, or all of them where they come in pieces.
    pub text: String,
    pub turns: Option<u64>,
    /// As it was told, whatever it counts.
    pub usage: Option<Usage>,
    pub cost_usd: Option<f64>,
    /// What `classify.events` found last.
    pub class: Option<Class>,
    pub last_retry: Option<String>,
}
