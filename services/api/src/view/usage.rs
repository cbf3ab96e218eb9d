//! What a tenant used and has left.

use outpost_core::actions::{Current, UsageDay};
use outpost_core::record::UsageEvent;
use schemars::JsonSchema;
use serde::Serialize;

use super::{dollars, word};

/// Where a tenant stands now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Usage")]
pub(crate) struct UsageView {
    tier: String,
    /// Accepted since midnight in UTC. What never began is not counted.
    jobs_today: u64,
    /// Null: as many as you like.
    jobs_per_day: Option<u64>,
    jobs_remaining: Option<u64>,
    /// Jobs that are accepted and have not ended.
    active: u64,
    active_limit: u64,
    quota_resets_at: String,
}

impl From<Current> for UsageView {
    fn from(current: Current) -> Self {
        Self {
            tier: current.tier.as_str().to_owned(),
            jobs_today: current.jobs_today,
            jobs_per_day: current.jobs_per_day,
            jobs_remaining: current.jobs_remaining,
            active: current.active,
            active_limit: current.active_limit,
            quota_resets_at: current.quota_resets_at.to_string(),
        }
    }
}

/// The same, and what was used on days before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageAndHistory")]
pub(crate) struct UsageAndHistory {
    #[serde(flatten)]
    pub(crate) now: UsageView,
    /// A row for each day from `from` to `to`; empty if neither was asked for.
    pub(crate) history: Vec<DayView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageDay")]
pub(crate) struct DayView {
    day: String,
    jobs: u64,
    succeeded: u64,
    input_tokens: u64,
    output_tokens: u64,
    usd: f64,
    duration_ms: u64,
}

impl From<UsageDay> for DayView {
    fn from(day: UsageDay) -> Self {
        Self {
            day: day.day.to_string(),
            jobs: day.jobs,
            succeeded: day.succeeded,
            input_tokens: day.input_tokens,
            output_tokens: day.output_tokens,
            usd: dollars(day.micro_usd),
            duration_ms: day.duration_ms,
        }
    }
}

/// A job that was charged for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageEvent")]
pub(crate) struct EventView {
    at: String,
    job_id: String,
    agent: String,
    status: String,
    input_tokens: u64,
    output_tokens: u64,
    usd: f64,
    duration_ms: u64,
    /// Beginning of the key that asked for it.
    key: String,
}

impl From<UsageEvent> for EventView {
    fn from(event: UsageEvent) -> Self {
        Self {
            at: event.at.to_string(),
            job_id: event.job.to_string(),
            agent: event.agent,
            status: word(event.status),
            input_tokens: event.usage.input_tokens,
            output_tokens: event.usage.output_tokens,
            usd: dollars(event.usage.micro_usd),
            duration_ms: event.usage.duration_ms,
            key: event.key_shown,
        }
    }
}
