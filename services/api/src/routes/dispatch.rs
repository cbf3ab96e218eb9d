//! The older shape of a job: `POST /dispatch`, as the first guide of the service had it. For clients that are there already.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outpost_core::job::{Job, Status};
use outpost_core::key::Scope;
use outpost_core::spec::{Fault, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Route, chapter};
use crate::routes::jobs::{accept, job_id, located, replayed};
use crate::take::{Known, Named, Sent};

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Older paths",
        vec![
            Route::post("/dispatch", "dispatch", "Submits a job; `POST /v1/jobs` is its successor.", dispatch)
                .key(Scope::JobsWrite)
                .takes::<Wanted>()
                .gives::<Dispatched>(202)
                .fails(&[409])
                .once()
                .deprecated(),
            Route::get("/dispatch/{job_id}", "getDispatch", "A job; `GET /v1/jobs/{job_id}` is its successor.", get)
                .key(Scope::JobsRead)
                .gives::<Dispatched>(200)
                .fails(&[404])
                .deprecated(),
        ],
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "DispatchRequest")]
pub(crate) struct Wanted {
    /// The caller's own, if anything.
    user_id: Option<String>,
    agent: String,
    #[schemars(length(min = 1, max = 204_800))]
    task: String,
    model_id: Option<String>,
    repo: Option<String>,
    #[schemars(range(min = 1, max = 43_200))]
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dispatched {
    success: bool,
    data: Dispatch,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Dispatch {
    dispatch_id: String,
    /// `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `TIMEOUT` or `CANCELLED`.
    status: String,
    agent: String,
    created_at: String,
    completed_at: Option<String>,
    error: Option<String>,
}

fn older(status: Status) -> &'static str {
    match status {
        Status::Pending | Status::Queued => "PENDING",
        Status::Running | Status::Cancelling => "RUNNING",
        Status::Succeeded => "COMPLETED",
        Status::Failed => "FAILED",
        Status::TimedOut => "TIMEOUT",
        Status::Cancelled => "CANCELLED",
    }
}

async fn dispatch(State(app): State<App>, Known(caller): Known, sent: Sent<Wanted>) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::ACCEPTED)?;
    let Wanted { user_id, agent, task, model_id, repo, timeout_seconds } = sent.value;
    if user_id.is_some_and(|id| id != caller.id().as_str()) {
        let told = "is not whose key this is: leave it out";
        return Err(Problem::invalid(vec![Fault::new("/userId", told)]));
    }
    let spec = Spec {
        agent,
        command: None,
        model: model_id,
        task,
        repo,
        reference: None,
        inputs: serde_json::Map::new(),
        env: std::collections::BTreeMap::new(),
        ports: Vec::new(),
        acceptance: Vec::new(),
        budget: None,
        timeout_seconds: timeout_seconds.unwrap_or(caller.tenant().limits().timeout_seconds),
        callback_url: None,
        labels: std::collections::BTreeMap::new(),
    };
    let accepted = accept(&app, &caller, spec, once.as_ref()).await?;
    let data = Dispatch {
        dispatch_id: accepted.value.id.to_string(),
        status: older(accepted.value.status).to_owned(),
        agent: accepted.value.agent,
        created_at: accepted.value.created_at.to_string(),
        completed_at: None,
        error: None,
    };
    let path = format!("/dispatch/{}", data.dispatch_id);
    let mut response = json(StatusCode::ACCEPTED, &Dispatched { success: true, data })?;
    response.headers_mut().extend(located(&path));
    replayed(response.headers_mut(), accepted.replayed);
    Ok(response)
}

async fn get(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let Job { id, status, spec, created_at, completed_at, outcome, .. } = app.desk.job(&caller, &job_id(&id)?).await?;
    let data = Dispatch {
        dispatch_id: id.to_string(),
        status: older(status).to_owned(),
        agent: spec.agent,
        created_at: created_at.to_string(),
        completed_at: completed_at.map(|at| at.to_string()),
        error: outcome.filter(|_| status != Status::Succeeded).map(|outcome| outcome.message),
    };
    json(StatusCode::OK, &Dispatched { success: true, data })
}
