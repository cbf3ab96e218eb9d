//! Whether the service is there, and what its workers can run.
//!
//! `/health` asks nobody: it says that this process answers. `/health/ready` asks the store. `/health/fleet` and `/fleet` ask
//! the queues too, and say `degraded` where one does not answer; they never fail, because who asks wants to know just that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outpost_core::key::Scope;
use outpost_core::moment::Moment;
use outpost_core::ports::Depth;
use outpost_core::tenant::Tier;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::envelope::json;
use crate::problem::{Problem, UNAVAILABLE};
use crate::route::{Route, chapter};
use crate::take::Known;
use outpost_core::fleet::FLEET;

/// For how long everybody is told the same about the fleet.
const FRESH: Duration = Duration::from_secs(30);
/// How long a part of the service may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn routes() -> Vec<Route> {
    let health = |path, id| Route::get(path, id, "That this process answers.", health).public().gives::<Health>(200);
    let fleet = |path, id| {
        Route::get(path, id, "The five agents, their models, and whether they can be asked.", fleet)
            .key(Scope::FleetRead)
            .gives::<Fleet>(200)
    };
    chapter(
        "Health",
        vec![
            health("/health", "health"),
            health("/v1/health", "healthV1"),
            Route::get("/health/ready", "ready", "That the store answers, too.", ready).public().gives::<Ready>(200),
            Route::get("/health/fleet", "healthFleet", "Queues and agents, as they were within 30 seconds.", seen)
                .public()
                .gives::<FleetHealth>(200),
            fleet("/fleet", "fleet"),
            fleet("/v1/fleet", "fleetV1"),
        ],
    )
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    status: String,
    version: String,
    /// Seconds.
    uptime: u64,
}

async fn health(State(app): State<App>) -> Result<Response, Problem> {
    let uptime = app.now().since(app.started).as_secs();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    json(StatusCode::OK, &Health { status: "healthy".to_owned(), version, uptime })
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ready {
    status: String,
}

async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    match tokio::time::timeout(PATIENCE, app.desk.ports().house.ready()).await {
        Ok(Ok(())) => json(StatusCode::OK, &Ready { status: "ready".to_owned() }),
        told => {
            tracing::error!(?told, "the store does not answer");
            Err(Problem::new(UNAVAILABLE, "the store does not answer").after(5))
        }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct FleetHealth {
    success: bool,
    /// `healthy` or `degraded`.
    status: String,
    pool: Pool,
    agents: Vec<AgentHealth>,
}

/// Tickets of jobs: waiting, and in the hands of workers. Null where a queue does not answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Pool {
    waiting: Option<u64>,
    running: Option<u64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct AgentHealth {
    agent: String,
    available: bool,
}

/// What was seen last, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<(Moment, FleetHealth)>>);

async fn looked(app: &App) -> FleetHealth {
    let now = app.now();
    let known = app.seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((at, health)) = known
        && now.since(at) < FRESH
    {
        return health;
    }
    let depths = async {
        let mut all = Depth::default();
        for lane in Tier::ALL {
            let depth = app.desk.ports().queue.depth(lane).await.ok()?;
            all = Depth { ready: all.ready + depth.ready, hidden: all.hidden + depth.hidden };
        }
        app.desk.ports().house.ready().await.ok().map(|()| all)
    };
    let depth = tokio::time::timeout(PATIENCE, depths).await.ok().flatten();
    let offered = |name: &str| app.desk.settings().offer.agent(name).is_some();
    let agents = FLEET
        .iter()
        .map(|agent| AgentHealth { agent: agent.name.to_owned(), available: depth.is_some() && offered(agent.name) });
    let health = FleetHealth {
        success: true,
        status: if depth.is_some() { "healthy" } else { "degraded" }.to_owned(),
        pool: Pool { waiting: depth.map(|depth| depth.ready), running: depth.map(|depth| depth.hidden) },
        agents: agents.collect(),
    };
    *app.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, health.clone()));
    health
}

async fn seen(State(app): State<App>) -> Result<Response, Problem> {
    json(StatusCode::OK, &looked(&app).await)
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Fleet {
    success: bool,
    data: FleetData,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FleetData {
    status: String,
    agents: Vec<AgentView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AgentView {
    agent: String,
    /// Offered here, part of the caller's tier, and its queue answers.
    available: bool,
    #[serde(rename = "modelId")]
    model_id: String,
}

async fn fleet(State(app): State<App>, Known(caller): Known) -> Result<Response, Problem> {
    let health = looked(&app).await;
    let limits = caller.tenant().limits();
    let agents = FLEET.iter().zip(health.agents).map(|(agent, seen)| {
        let ours = app.desk.settings().offer.agent(agent.name).and_then(|offered| offered.model.clone());
        AgentView {
            agent: agent.name.to_owned(),
            available: seen.available && limits.agents.allow(agent.name),
            model_id: ours.unwrap_or_else(|| agent.model.to_owned()),
        }
    });
    let data = FleetData { status: health.status, agents: agents.collect() };
    json(StatusCode::OK, &Fleet { success: true, data })
}
