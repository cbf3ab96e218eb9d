//! Jobs: submit, look, cancel, and what they left.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use outpost_core::actions::{Accepted, Caller, Once};
use outpost_core::id::JobId;
use outpost_core::job::Status;
use outpost_core::key::Scope;
use outpost_core::spec::{Budget, COMMAND, Command, Fault, Port, PortKind, Spec};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::door;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Route, chapter};
use crate::take::{Asked, Known, Named, Sent};
use crate::view::List;
use crate::view::job::{AcceptedView, JobView, LinkView};

pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Jobs",
        vec![
            Route::post("/v1/jobs", "submitJob", "Submits a job: accepted, it is not lost, and has one end.", submit)
                .key(Scope::JobsWrite)
                .takes::<NewJob>()
                .gives::<AcceptedView>(202)
                .fails(&[409])
                .once(),
            Route::get("/v1/jobs", "listJobs", "Jobs, the newest first.", list)
                .key(Scope::JobsRead)
                .asks::<Wanted>()
                .gives::<List<JobView>>(200),
            Route::get("/v1/jobs/{job_id}", "getJob", "A job as it is now.", get)
                .key(Scope::JobsRead)
                .gives::<JobView>(200)
                .fails(&[404]),
            Route::post(
                "/v1/jobs/{job_id}/cancel",
                "cancelJob",
                "Ends a job; asked again, nothing more happens.",
                cancel,
            )
            .key(Scope::JobsWrite)
            .gives::<JobView>(200)
            .fails(&[404, 409]),
            Route::delete("/v1/jobs/{job_id}", "deleteJob", "The same as `cancel`.", cancel)
                .key(Scope::JobsWrite)
                .gives::<JobView>(200)
                .fails(&[404, 409]),
            Route::get(
                "/v1/jobs/{job_id}/artifacts",
                "listArtifacts",
                "Files that a job left, with links that are good for an hour.",
                artifacts,
            )
            .key(Scope::JobsRead)
            .gives::<List<LinkView>>(200)
            .fails(&[404]),
        ],
    )
}

/// What is to be done: by an agent, in words, or by a command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "agent": "claude", "task": "Say hello in hello.txt" }]))]
pub(crate) struct NewJob {
    /// `claude`, `codex`, `gemini`, `aider` or `grok`; not needed with `command`.
    agent: Option<String>,
    model: Option<String>,
    /// What is to be done, in words.
    #[schemars(length(min = 1, max = 204_800))]
    task: Option<String>,
    /// `owner/name`, or an `https` address. Absent: an empty workspace.
    repo: Option<String>,
    /// A branch, a tag or a commit.
    r#ref: Option<String>,
    /// Values for the agent, as data.
    inputs: Option<Map<String, Value>>,
    /// Variables for whoever does it. Never secrets.
    env: Option<BTreeMap<String, String>>,
    /// What the agent has to answer with.
    ports: Option<Vec<NewPort>>,
    acceptance: Option<Vec<String>>,
    budget: Option<NewBudget>,
    /// What is run in place of an agent.
    command: Option<NewCommand>,
    /// Absent: the limit of the tier.
    #[schemars(range(min = 1, max = 43_200))]
    timeout_seconds: Option<u32>,
    /// Told when the job has ended.
    callback_url: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewPort {
    name: String,
    /// Absent: `json`.
    kind: Option<Kind>,
    description: Option<String>,
    optional: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Path,
    Json,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewBudget {
    #[schemars(range(min = 0.000001, max = 1000000.0))]
    usd: Option<f64>,
    #[schemars(range(min = 1, max = 1000000000000_u64))]
    tokens: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCommand {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    argv: Vec<String>,
    stdin: Option<String>,
}

impl From<NewPort> for Port {
    fn from(port: NewPort) -> Self {
        Self {
            name: port.name,
            kind: match port.kind.unwrap_or(Kind::Json) {
                Kind::String => PortKind::String,
                Kind::Integer => PortKind::Integer,
                Kind::Number => PortKind::Number,
                Kind::Boolean => PortKind::Boolean,
                Kind::Path => PortKind::Path,
                Kind::Json => PortKind::Json,
            },
            description: port.description.unwrap_or_default(),
            optional: port.optional.unwrap_or_default(),
        }
    }
}

/// Millionths of a dollar; what is asked for was judged to be between one of them and a million dollars.
fn micro(usd: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and far below 2^53")]
    let micro = (usd * 1e6).round().clamp(1.0, 1e12) as u64;
    micro
}

impl NewJob {
    fn spec(self, most: u32) -> Result<Spec, Problem> {
        let agent = match (self.agent, &self.command) {
            (Some(agent), _) => agent,
            (None, Some(_)) => COMMAND.to_owned(),
            (None, None) => {
                return Err(Problem::invalid(vec![Fault::new(
                    "/agent",
                    "is missing, and so is a `command` in its place",
                )]));
            }
        };
        Ok(Spec {
            agent,
            command: self
                .command
                .map(|command| Command { argv: command.argv, stdin: command.stdin.unwrap_or_default() }),
            model: self.model,
            task: self.task.unwrap_or_default(),
            repo: self.repo,
            reference: self.r#ref,
            inputs: self.inputs.unwrap_or_default(),
            env: self.env.unwrap_or_default(),
            ports: self.ports.unwrap_or_default().into_iter().map(Port::from).collect(),
            acceptance: self.acceptance.unwrap_or_default(),
            budget: self.budget.map(|budget| Budget { micro_usd: budget.usd.map(micro), tokens: budget.tokens }),
            timeout_seconds: self.timeout_seconds.unwrap_or(most),
            callback_url: self.callback_url,
            labels: self.labels.unwrap_or_default(),
        })
    }
}

/// Submits a job, and says what was left of the day where there was nothing.
pub(crate) async fn accept(
    app: &App,
    caller: &Caller,
    spec: Spec,
    once: Option<&outpost_core::actions::Idempotency>,
) -> Result<Once<Accepted>, Problem> {
    match app.desk.submit(caller, spec, once).await {
        Ok(submitted) => {
            if let Some(late) = submitted.late {
                tracing::warn!(%late, job = %submitted.accepted.value.id, "a ticket waits for the reaper");
            }
            Ok(submitted.accepted)
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.is_limit() {
                let standing = app.desk.standing(caller).await?;
                return Err(problem.with_usage(standing.into()));
            }
            Err(problem)
        }
    }
}

async fn submit(State(app): State<App>, Known(caller): Known, sent: Sent<NewJob>) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::ACCEPTED)?;
    let spec = sent.value.spec(caller.tenant().limits().timeout_seconds)?;
    let accepted = accept(&app, &caller, spec, once.as_ref()).await?;
    let mut response = json(StatusCode::ACCEPTED, &AcceptedView::from(accepted.value.clone()))?;
    let headers = response.headers_mut();
    headers.extend(located(&format!("/v1/jobs/{}", accepted.value.id)));
    replayed(headers, accepted.replayed);
    // What is left of the day is worth a header, and not worth failing for.
    if let Ok(current) = app.desk.standing(&caller).await
        && let (Some(limit), Some(remaining)) = (current.jobs_per_day, current.jobs_remaining)
    {
        door::daily(headers, limit, remaining, current.quota_resets_at.since(app.now()).as_secs());
    }
    Ok(response)
}

pub(crate) fn located(path: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(path).ok().map(|path| (header::LOCATION, path))
}

pub(crate) fn replayed(headers: &mut axum::http::HeaderMap, replayed: bool) {
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Shown {
    Queued,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The job that was accepted with this idempotency key, for as long as its answer is kept: one, or none.
    #[schemars(length(min = 1, max = 255))]
    idempotency_key: Option<String>,
    status: Option<Shown>,
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    #[schemars(length(min = 22, max = 2048), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    cursor: Option<String>,
}

/// How many rows, where nothing was said.
pub(crate) fn limit(asked: Option<u32>) -> usize {
    asked.map_or(20, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

async fn list(State(app): State<App>, Known(caller): Known, Asked(wanted): Asked<Wanted>) -> Result<Response, Problem> {
    if let Some(key) = &wanted.idempotency_key {
        let found = app.desk.job_of_key(&caller, key).await?;
        return json(StatusCode::OK, &List::whole(found.into_iter().map(JobView::from).collect()));
    }
    let status = wanted.status.map(|status| match status {
        Shown::Queued => Status::Queued,
        Shown::Running => Status::Running,
        Shown::Cancelling => Status::Cancelling,
        Shown::Succeeded => Status::Succeeded,
        Shown::Failed => Status::Failed,
        Shown::TimedOut => Status::TimedOut,
        Shown::Cancelled => Status::Cancelled,
    });
    let listed = app.desk.jobs(&caller, status, limit(wanted.limit), wanted.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, JobView::from))
}

/// The id in a path. One that is none names nothing.
pub(crate) fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| Problem::not_found("job"))
}

async fn get(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let job = app.desk.job(&caller, &job_id(&id)?).await?;
    json(StatusCode::OK, &JobView::from(job))
}

async fn cancel(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let job = app.desk.cancel(&caller, &job_id(&id)?).await?;
    json(StatusCode::OK, &JobView::from(job))
}

async fn artifacts(
    State(app): State<App>,
    Known(caller): Known,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let links = app.desk.artifacts(&caller, &job_id(&id)?).await?;
    json(StatusCode::OK, &List::whole(links.into_iter().map(LinkView::from).collect()))
}
