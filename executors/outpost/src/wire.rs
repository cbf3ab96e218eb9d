//! What the service says, as far as it is needed here. What it says besides is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::errand::Port;

/// A job that is asked for.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<Command>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) task: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) inputs: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repo: Option<String>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Command {
    pub(crate) argv: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stdin: String,
}

/// What an agent may use.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Budget {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: String,
    /// How many workers have begun it.
    #[serde(default)]
    pub(crate) attempt: u32,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) outcome: Option<Outcome>,
}

impl Job {
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "timed_out" | "cancelled")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) message: String,
    pub(crate) exit_code: Option<i32>,
    #[serde(default)]
    pub(crate) outputs: Map<String, Value>,
    #[serde(default)]
    pub(crate) usage: Usage,
    #[serde(default)]
    pub(crate) artifacts: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) duration_ms: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) data: Vec<Line>,
    pub(crate) next_after: u64,
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(default)]
    pub(crate) at: String,
    pub(crate) stream: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) attempt: u32,
    pub(crate) bytes: Option<String>,
    #[serde(default)]
    pub(crate) open: bool,
    pub(crate) cut: Option<Cut>,
    pub(crate) outlived: Option<Outlived>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Cut {
    pub(crate) stdout: u64,
    pub(crate) stderr: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Outlived {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Artifact {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) url: String,
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<Mistake>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Mistake {
    pub(crate) pointer: Option<String>,
    pub(crate) parameter: Option<String>,
    pub(crate) header: Option<String>,
    #[serde(default)]
    pub(crate) detail: String,
}
