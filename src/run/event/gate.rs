//! What a person is asked, and what they said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateMoment {
    Before,
    After,
    /// An attempt failed in a way that a person has to look at.
    Failed,
    /// The agents of the run have used all that they may together.
    Budget,
}

impl GateMoment {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Failed => "failed",
            Self::Budget => "budget",
        }
    }
}

/// A person's final word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateDecision {
    pub task: String,
    pub approved: bool,
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Digest of what the person was shown.
    pub digest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(String, String)>,
}
