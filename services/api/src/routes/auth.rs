//! Becoming a tenant, and its keys.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outpost_core::actions::{KeyRequest, Registration};
use outpost_core::id::KeyId;
use outpost_core::key::{ApiKey, Environment, Scope};
use outpost_core::moment::Moment;
use outpost_core::spec::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Route, chapter};
use crate::routes::jobs::{limit, located, replayed};
use crate::take::{About, Asked, Known, Named, Sent};
use crate::view::List;
use crate::view::tenant::{KeyView, NewKeyView, masked};

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Keys",
        vec![
            Route::post(
                "/v1/auth/register",
                "register",
                "Makes a tenant, and shows its first key; again with the same `Idempotency-Key`, another in its place, until \
                 one was used.",
                register,
            )
            .public()
            .takes::<Newcomer>()
            .gives::<Welcome>(201)
            .fails(&[403, 409, 429])
            .once(),
            Route::get("/v1/auth/api-keys", "listKeys", "Keys, the newest first; never the keys themselves.", list)
                .key(Scope::KeysWrite)
                .asks::<Pages>()
                .gives::<List<KeyView>>(200),
            Route::post("/v1/auth/api-keys", "createKey", "Makes a key with scopes that the caller's key has.", create)
                .key(Scope::KeysWrite)
                .takes::<WantedKey>()
                .gives::<NewKeyView>(201)
                .fails(&[409])
                .once(),
            Route::delete("/v1/auth/api-keys/{key_id}", "revokeKey", "From its next call on it opens nothing.", revoke)
                .key(Scope::KeysWrite)
                .gives::<KeyView>(200)
                .fails(&[404]),
            Route::post(
                "/v1/auth/api-keys/{key_id}/rotate",
                "rotateKey",
                "Makes a key like this one, which opens for `grace_seconds` more.",
                rotate,
            )
            .key(Scope::KeysWrite)
            .takes::<Rotation>()
            .gives::<NewKeyView>(201)
            .fails(&[404, 409])
            .once(),
        ],
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Registration")]
pub(crate) struct Newcomer {
    #[schemars(length(min = 3, max = 254), extend("format" = "email"))]
    email: String,
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// Where the service is for those who were asked in.
    invitation: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Registered")]
pub(crate) struct Welcome {
    tenant_id: String,
    user_id: String,
    email: String,
    name: String,
    tier: String,
    /// The key, shown this once.
    api_key: String,
    api_key_masked: String,
    api_key_id: String,
    created_at: String,
}

async fn register(State(app): State<App>, About(info): About, sent: Sent<Newcomer>) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::CREATED)?;
    let Newcomer { email, name, invitation } = sent.value;
    let done = app.desk.register(Registration { email, name, invitation }, info, once.as_ref()).await?;
    let made = done.value;
    let welcome = Welcome {
        tenant_id: made.tenant.id.to_string(),
        user_id: made.tenant.id.to_string(),
        email: made.tenant.email.to_string(),
        name: made.tenant.name,
        tier: made.tenant.tier.as_str().to_owned(),
        api_key: made.key.key.as_ref().map(ApiKey::reveal).unwrap_or_default().to_owned(),
        api_key_masked: masked(&made.key.record.shown),
        api_key_id: made.key.record.id.to_string(),
        created_at: made.tenant.created_at.to_string(),
    };
    let mut response = json(StatusCode::CREATED, &welcome)?;
    replayed(response.headers_mut(), done.replayed);
    Ok(response)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pages {
    #[schemars(range(min = 1, max = 100))]
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 22, max = 2048), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(crate) cursor: Option<String>,
}

async fn list(State(app): State<App>, Known(caller): Known, Asked(pages): Asked<Pages>) -> Result<Response, Problem> {
    let listed = app.desk.keys(&caller, limit(pages.limit), pages.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, KeyView::from))
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Live,
    Test,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApiKeyRequest")]
pub(crate) struct WantedKey {
    #[schemars(length(min = 1, max = 100))]
    pub(crate) name: String,
    /// Absent: `live`.
    pub(crate) environment: Option<Kind>,
    /// Absent: all that the caller's key has.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) scopes: Option<Vec<String>>,
    /// RFC 3339. Absent: it does not expire.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) expires_at: Option<String>,
}

impl WantedKey {
    /// What was asked for; where no scopes were named, these.
    pub(crate) fn request(self, scopes: Vec<Scope>) -> Result<KeyRequest, Problem> {
        let mut faults = Vec::new();
        let read = |(at, text): (usize, &String)| {
            Scope::read(text).ok_or_else(|| Fault::new(format!("/scopes/{at}"), "is no scope of this service"))
        };
        let mut found = Vec::new();
        for scope in self.scopes.iter().flatten().enumerate().map(read) {
            match scope {
                Ok(scope) => found.push(scope),
                Err(fault) => faults.push(fault),
            }
        }
        let expires_at = match self.expires_at.as_deref().map(str::parse::<Moment>).transpose() {
            Ok(at) => at,
            Err(wrong) => {
                faults.push(Fault::new("/expires_at", format!("is {wrong}")));
                None
            }
        };
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(KeyRequest {
            name: self.name,
            environment: match self.environment.unwrap_or(Kind::Live) {
                Kind::Live => Environment::Live,
                Kind::Test => Environment::Test,
            },
            scopes: if self.scopes.is_some() { found } else { scopes },
            expires_at,
        })
    }
}

async fn create(State(app): State<App>, Known(caller): Known, sent: Sent<WantedKey>) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::CREATED)?;
    let asked = sent.value.request(caller.key().scopes.clone())?;
    let made = app.desk.create_key(&caller, asked, once.as_ref()).await?;
    new_key(made)
}

fn new_key(made: outpost_core::actions::Once<outpost_core::actions::NewKey>) -> Result<Response, Problem> {
    let path = format!("/v1/auth/api-keys/{}", made.value.record.id);
    let mut response = json(StatusCode::CREATED, &NewKeyView::from(made.value))?;
    response.headers_mut().extend(located(&path));
    replayed(response.headers_mut(), made.replayed);
    Ok(response)
}

pub(crate) fn key_id(text: &str) -> Result<KeyId, Problem> {
    text.parse().map_err(|_| Problem::not_found("key"))
}

async fn revoke(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let key = app.desk.revoke_key(&caller, &key_id(&id)?).await?;
    json(StatusCode::OK, &KeyView::from(key))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RotateKey")]
pub(crate) struct Rotation {
    /// Absent: a day.
    #[schemars(range(min = 0, max = 604_800))]
    grace_seconds: Option<u32>,
}

async fn rotate(
    State(app): State<App>,
    Known(caller): Known,
    Named(id): Named<String>,
    sent: Sent<Rotation>,
) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::CREATED)?;
    let grace = sent.value.grace_seconds.unwrap_or(86_400);
    new_key(app.desk.rotate_key(&caller, &key_id(&id)?, grace, once.as_ref()).await?)
}
