//! Things of the service as callers see them: names in snake case, times in RFC 3339 with milliseconds, money in dollars.
//!
//! Everything that is shown is listed here, field by field. What is not, such as who holds a lease, is nobody's to see.

pub(crate) mod job;
pub(crate) mod tenant;
pub(crate) mod usage;

use outpost_core::actions::Listed;
use schemars::JsonSchema;
use serde::Serialize;

/// Some of what was asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// What to ask with for more; null where there is no more.
    pub(crate) next_cursor: Option<String>,
    pub(crate) has_more: bool,
}

impl<T> List<T> {
    pub(crate) fn of<R>(listed: Listed<R>, show: impl FnMut(R) -> T) -> Self {
        Self {
            data: listed.rows.into_iter().map(show).collect(),
            has_more: listed.cursor.is_some(),
            next_cursor: listed.cursor,
        }
    }

    /// All there is.
    pub(crate) fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None, has_more: false }
    }
}

/// Dollars, of millionths of them.
pub(crate) fn dollars(micro: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to nine thousand million dollars")]
    let micro = micro as f64;
    micro / 1e6
}

/// The word that serde writes for a value of a closed list.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
