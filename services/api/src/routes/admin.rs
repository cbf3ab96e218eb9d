//! Tenants, for those who run the service: keys with the scope `admin`, which no tenant can give to itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use outpost_core::actions::{TenantChange, TenantRequest};
use outpost_core::id::TenantId;
use outpost_core::key::{ApiKey, Scope};
use outpost_core::tenant::{Agents, Overrides, Standing, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};
use crate::routes::auth::{Pages, WantedKey};
use crate::routes::jobs::{limit, located};
use crate::take::{Asked, Known, Named, Sent};
use crate::view::List;
use crate::view::tenant::{AdminView, masked};

pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v1/admin/tenants", "/v1/admin/tenants/{tenant_id}");
    let admin = Scope::Admin;
    chapter(
        "Admin",
        vec![
            Route::get(all, "adminListTenants", "All tenants.", list)
                .key(admin)
                .asks::<Pages>()
                .gives::<List<AdminView>>(200),
            Route::post(all, "adminCreateTenant", "Makes a tenant and its first key.", create)
                .key(admin)
                .takes::<NewTenant>()
                .gives::<Made>(201)
                .fails(&[409]),
            Route::get(one, "adminGetTenant", "A tenant, with its limits.", get)
                .key(admin)
                .gives::<AdminView>(200)
                .fails(&[404]),
            Route::patch(one, "adminChangeTenant", "Changes tier, limits or standing.", change)
                .key(admin)
                .takes::<Change>()
                .gives::<AdminView>(200)
                .fails(&[404]),
            Route::delete(one, "adminDeleteTenant", "Its keys open nothing, and its secrets are gone.", remove)
                .key(admin)
                .answers(204, Content::Nothing)
                .fails(&[404]),
        ],
    )
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TierName {
    Free,
    Pro,
    Enterprise,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Free => Self::Free,
            TierName::Pro => Self::Pro,
            TierName::Enterprise => Self::Enterprise,
        }
    }
}

/// What is not as the tier has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    jobs_per_day: Option<u64>,
    active: Option<u64>,
    #[schemars(range(min = 1, max = 43_200))]
    timeout_seconds: Option<u32>,
    agents: Option<Vec<String>>,
}

impl From<Limits> for Overrides {
    fn from(limits: Limits) -> Self {
        Self {
            jobs_per_day: limits.jobs_per_day,
            active: limits.active,
            timeout_seconds: limits.timeout_seconds,
            agents: limits.agents.map(Agents::Only),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    #[schemars(length(min = 3, max = 254), extend("format" = "email"))]
    email: String,
    name: Option<String>,
    tier: Option<TierName>,
    overrides: Option<Limits>,
    /// Absent: a key for everything that a tenant may do.
    key: Option<WantedKey>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewTenantAndKey")]
pub(crate) struct Made {
    tenant: AdminView,
    /// Shown this once.
    api_key: String,
    api_key_masked: String,
}

async fn list(State(app): State<App>, Known(caller): Known, Asked(pages): Asked<Pages>) -> Result<Response, Problem> {
    let listed = app.desk.tenants(&caller.as_admin()?, limit(pages.limit), pages.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, AdminView::from))
}

async fn create(State(app): State<App>, Known(caller): Known, sent: Sent<NewTenant>) -> Result<Response, Problem> {
    let NewTenant { email, name, tier, overrides, key } = sent.value;
    let first = WantedKey { name: "first key".to_owned(), environment: None, scopes: None, expires_at: None };
    let request = TenantRequest {
        email,
        name,
        tier: tier.map_or(Tier::Free, Tier::from),
        overrides: overrides.map(Overrides::from).unwrap_or_default(),
        key: key.unwrap_or(first).request(Scope::TENANT.to_vec())?,
    };
    let made = app.desk.create_tenant(&caller.as_admin()?, request).await?;
    let path = format!("/v1/admin/tenants/{}", made.tenant.id);
    let body = Made {
        tenant: made.tenant.into(),
        api_key: made.key.key.as_ref().map(ApiKey::reveal).unwrap_or_default().to_owned(),
        api_key_masked: masked(&made.key.record.shown),
    };
    let mut response = json(StatusCode::CREATED, &body)?;
    response.headers_mut().extend(located(&path));
    Ok(response)
}

fn tenant_id(text: &str) -> Result<TenantId, Problem> {
    text.parse().map_err(|_| Problem::not_found("tenant"))
}

async fn get(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let tenant = app.desk.tenant_of(&caller.as_admin()?, &tenant_id(&id)?).await?;
    json(StatusCode::OK, &AdminView::from(tenant))
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum StandingName {
    Active,
    Suspended,
}

/// What is to be changed; the rest stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminTenantChange")]
pub(crate) struct Change {
    name: Option<String>,
    tier: Option<TierName>,
    /// In place of all that were there.
    overrides: Option<Limits>,
    standing: Option<StandingName>,
}

async fn change(
    State(app): State<App>,
    Known(caller): Known,
    Named(id): Named<String>,
    sent: Sent<Change>,
) -> Result<Response, Problem> {
    let Change { name, tier, overrides, standing } = sent.value;
    let change = TenantChange {
        name,
        tier: tier.map(Tier::from),
        overrides: overrides.map(Overrides::from),
        standing: standing.map(|standing| match standing {
            StandingName::Active => Standing::Active,
            StandingName::Suspended => Standing::Suspended,
        }),
    };
    let tenant = app.desk.change_tenant(&caller.as_admin()?, &tenant_id(&id)?, change).await?;
    json(StatusCode::OK, &AdminView::from(tenant))
}

async fn remove(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    app.desk.delete_tenant(&caller.as_admin()?, &tenant_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
