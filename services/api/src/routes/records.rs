//! What was used, and what was done.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outpost_core::key::Scope;
use outpost_core::moment::{Day, Moment};
use outpost_core::spec::Fault;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Route, chapter};
use crate::routes::auth::Pages;
use crate::routes::jobs::limit;
use crate::take::{Asked, Known};
use crate::view::List;
use crate::view::tenant::AuditView;
use crate::view::usage::{DayView, EventView, UsageAndHistory};

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Records",
        vec![
            Route::get("/v1/usage", "getUsage", "What is used and left now, and what was used on days before.", usage)
                .key(Scope::UsageRead)
                .asks::<Days>()
                .gives::<UsageAndHistory>(200),
            Route::get("/v1/usage/events", "listUsage", "Jobs that were charged for, the oldest first.", events)
                .key(Scope::UsageRead)
                .asks::<Span>()
                .gives::<List<EventView>>(200),
            Route::get("/v1/audit", "listAudit", "What was done in this tenant's name, the newest first.", audit)
                .key(Scope::AuditRead)
                .asks::<Pages>()
                .gives::<List<AuditView>>(200),
        ],
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Days {
    /// A day, like `2026-01-11`. Absent: 30 days before `to`.
    #[schemars(extend("format" = "date"))]
    from: Option<String>,
    /// A day. Absent: today.
    #[schemars(extend("format" = "date"))]
    to: Option<String>,
}

fn wrong(at: &str, told: impl std::fmt::Display) -> Problem {
    Problem::invalid(vec![Fault::new(at, format!("is {told}"))])
}

fn day(at: &str, text: Option<&str>) -> Result<Option<Day>, Problem> {
    text.map(str::parse::<Day>).transpose().map_err(|_| wrong(at, "no day like `2026-01-11`"))
}

async fn usage(State(app): State<App>, Known(caller): Known, Asked(days): Asked<Days>) -> Result<Response, Problem> {
    let (from, to) = (day("from", days.from.as_deref())?, day("to", days.to.as_deref())?);
    let now = app.desk.usage(&caller).await?.into();
    let history = if from.is_none() && to.is_none() {
        Vec::new()
    } else {
        let to = to.unwrap_or_else(|| app.now().day());
        let month = std::time::Duration::from_secs(29 * 86_400);
        let from = from.unwrap_or_else(|| to.begins().minus(month).day());
        app.desk.usage_by_day(&caller, from, to).await?
    };
    json(StatusCode::OK, &UsageAndHistory { now, history: history.into_iter().map(DayView::from).collect() })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// A time, like `2026-01-11T00:00:00Z`. Absent: the first.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// A time, not included. Absent: the end of today.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    #[schemars(length(min = 22, max = 2048), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    cursor: Option<String>,
}

async fn events(State(app): State<App>, Known(caller): Known, Asked(span): Asked<Span>) -> Result<Response, Problem> {
    let moment =
        |at: &str, text: Option<&str>| text.map(str::parse::<Moment>).transpose().map_err(|told| wrong(at, told));
    let from = moment("from", span.from.as_deref())?.unwrap_or(Moment::from_millis(0));
    // A whole day, so that the question is the same on the next page.
    let to = moment("to", span.to.as_deref())?.unwrap_or_else(|| app.now().day().ends());
    let listed = app.desk.usage_events(&caller, from, to, limit(span.limit), span.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, EventView::from))
}

async fn audit(State(app): State<App>, Known(caller): Known, Asked(pages): Asked<Pages>) -> Result<Response, Problem> {
    let listed = app.desk.audit_log(&caller, limit(pages.limit), pages.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, AuditView::from))
}
