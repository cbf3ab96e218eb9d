//! What a tenant may see and change of itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outpost_core::key::Scope;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Route, chapter};
use crate::take::{Known, Sent};
use crate::view::tenant::TenantView;

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Tenant",
        vec![
            Route::get("/v1/tenant", "getTenant", "The tenant whose key this is, with its limits.", get)
                .gives::<TenantView>(200),
            Route::patch("/v1/tenant", "changeTenant", "Gives the tenant another name.", change)
                .key(Scope::KeysWrite)
                .takes::<Change>()
                .gives::<TenantView>(200),
        ],
    )
}

async fn get(State(app): State<App>, Known(caller): Known) -> Result<Response, Problem> {
    json(StatusCode::OK, &TenantView::from(app.desk.tenant_now(&caller).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TenantChange")]
pub(crate) struct Change {
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
}

async fn change(State(app): State<App>, Known(caller): Known, sent: Sent<Change>) -> Result<Response, Problem> {
    let tenant = match sent.value.name {
        Some(name) => app.desk.rename(&caller, name).await?,
        None => app.desk.tenant_now(&caller).await?,
    };
    json(StatusCode::OK, &TenantView::from(tenant))
}
