//! A job, its log and its files, as its tenant sees them.

use std::collections::BTreeMap;

use outpost_core::actions::{Accepted, Cut, Line, Link, Outlived, Stream};
use outpost_core::job::{Artifact, Job, Outcome, Status};
use outpost_core::spec::{Budget, Port};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{dollars, word};

/// What a caller is told of a status. That a ticket is on its way to a queue is nobody's business.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => Status::Queued.as_str(),
        status => status.as_str(),
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(crate) struct JobView {
    id: String,
    /// `queued`, `running`, `cancelling`, `succeeded`, `failed`, `timed_out` or `cancelled`.
    status: String,
    agent: String,
    model: Option<String>,
    task: String,
    repo: Option<String>,
    r#ref: Option<String>,
    inputs: Map<String, Value>,
    ports: Vec<PortView>,
    acceptance: Vec<String>,
    budget: Option<BudgetView>,
    env: BTreeMap<String, String>,
    command: Option<CommandView>,
    timeout_seconds: u32,
    callback_url: Option<String>,
    labels: BTreeMap<String, String>,
    tier: String,
    created_at: String,
    queued_at: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    /// How many workers have begun it.
    attempt: u32,
    outcome: Option<OutcomeView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PortView {
    name: String,
    kind: String,
    description: String,
    optional: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BudgetView {
    usd: Option<f64>,
    tokens: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CommandView {
    argv: Vec<String>,
    stdin: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OutcomeView {
    result: String,
    /// Why it did not succeed, for programs.
    code: Option<String>,
    message: String,
    exit_code: Option<i32>,
    outputs: Map<String, Value>,
    usage: SpentView,
    artifacts: Vec<FileView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SpentView {
    input_tokens: u64,
    output_tokens: u64,
    usd: f64,
    duration_ms: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FileView {
    name: String,
    media_type: String,
    bytes: u64,
    sha256: String,
}

impl From<Port> for PortView {
    fn from(Port { name, kind, description, optional }: Port) -> Self {
        Self { name, kind: word(kind), description, optional }
    }
}

impl From<Budget> for BudgetView {
    fn from(budget: Budget) -> Self {
        Self { usd: budget.micro_usd.map(dollars), tokens: budget.tokens }
    }
}

impl From<Artifact> for FileView {
    fn from(Artifact { name, media_type, bytes, sha256 }: Artifact) -> Self {
        Self { name, media_type, bytes, sha256 }
    }
}

impl From<Outcome> for OutcomeView {
    fn from(outcome: Outcome) -> Self {
        Self {
            result: word(outcome.result),
            code: outcome.code.map(word),
            message: outcome.message,
            exit_code: outcome.exit_code,
            outputs: outcome.outputs,
            usage: SpentView {
                input_tokens: outcome.usage.input_tokens,
                output_tokens: outcome.usage.output_tokens,
                usd: dollars(outcome.usage.micro_usd),
                duration_ms: outcome.usage.duration_ms,
            },
            artifacts: outcome.artifacts.into_iter().map(FileView::from).collect(),
        }
    }
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let spec = job.spec;
        let time = |moment: Option<outpost_core::moment::Moment>| moment.map(|moment| moment.to_string());
        Self {
            id: job.id.to_string(),
            status: status(job.status).to_owned(),
            agent: spec.agent,
            model: spec.model,
            task: spec.task,
            repo: spec.repo,
            r#ref: spec.reference,
            inputs: spec.inputs,
            ports: spec.ports.into_iter().map(PortView::from).collect(),
            acceptance: spec.acceptance,
            budget: spec.budget.map(BudgetView::from),
            env: spec.env,
            command: spec.command.map(|command| CommandView { argv: command.argv, stdin: command.stdin }),
            timeout_seconds: spec.timeout_seconds,
            callback_url: spec.callback_url,
            labels: spec.labels,
            tier: job.lane.as_str().to_owned(),
            created_at: job.created_at.to_string(),
            queued_at: time(job.queued_at),
            started_at: time(job.started_at),
            completed_at: time(job.completed_at),
            attempt: job.epoch,
            outcome: job.outcome.map(OutcomeView::from),
        }
    }
}

/// A job at the moment when it was accepted. Asked again with the same idempotency key, it is the same.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AcceptedJob")]
pub(crate) struct AcceptedView {
    pub(crate) id: String,
    status: String,
    agent: String,
    tier: String,
    created_at: String,
    timeout_seconds: u32,
}

impl From<Accepted> for AcceptedView {
    fn from(accepted: Accepted) -> Self {
        Self {
            id: accepted.id.to_string(),
            status: status(accepted.status).to_owned(),
            agent: accepted.agent,
            tier: accepted.lane.as_str().to_owned(),
            created_at: accepted.created_at.to_string(),
            timeout_seconds: accepted.timeout_seconds,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Log")]
pub(crate) struct LogView {
    pub(crate) data: Vec<LineView>,
    /// What to ask with, as `after`, for what comes next.
    pub(crate) next_after: u64,
    /// Nothing comes any more.
    pub(crate) r#final: bool,
    pub(crate) status: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LogLine")]
pub(crate) struct LineView {
    pub(crate) seq: u64,
    at: String,
    /// `stdout` and `stderr` of the agent; `event` is what it does, `system` what the worker says about it.
    stream: String,
    text: String,
    /// Which worker's attempt said it: 1 is the first.
    attempt: u32,
    /// What was printed, in base64, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    /// No line end followed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    open: bool,
    /// How many bytes of output were left out here.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<CutView>,
    /// A process that outlived the program, and was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    outlived: Option<OutlivedView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CutView {
    stdout: u64,
    stderr: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OutlivedView {
    pid: u32,
    name: String,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        let attempt = line.attempt();
        let stream = match line.stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
            Stream::Event => "event",
            Stream::Worker => "system",
        };
        Self {
            seq: line.seq,
            at: line.at.to_string(),
            stream: stream.to_owned(),
            text: line.text,
            attempt,
            bytes: line.detail.bytes,
            open: line.detail.open,
            cut: line.detail.cut.map(|Cut { stdout, stderr }| CutView { stdout, stderr }),
            outlived: line.detail.outlived.map(|Outlived { pid, name }| OutlivedView { pid, name }),
        }
    }
}

/// A file that a job left, and where it can be fetched for an hour.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Artifact")]
pub(crate) struct LinkView {
    name: String,
    media_type: String,
    bytes: u64,
    sha256: String,
    url: String,
    expires_at: String,
}

impl From<Link> for LinkView {
    fn from(Link { artifact, url, expires_at }: Link) -> Self {
        let Artifact { name, media_type, bytes, sha256 } = artifact;
        Self { name, media_type, bytes, sha256, url, expires_at: expires_at.to_string() }
    }
}
