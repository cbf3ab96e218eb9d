//! A tenant's own secrets: left with us, never shown again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use outpost_core::key::Scope;
use outpost_core::ports::{Secret, SecretKind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};
use crate::take::{Known, Named, Sent};
use crate::view::List;
use crate::view::tenant::SecretView;

pub(crate) fn routes() -> Vec<Route> {
    let path = "/v1/secrets/{kind}";
    chapter(
        "Secrets",
        vec![
            Route::get("/v1/secrets", "listSecrets", "Which secrets there are, by kind and last characters.", list)
                .key(Scope::SecretsWrite)
                .gives::<List<SecretView>>(200),
            Route::get(path, "getSecret", "Whether there is one, by its last characters.", get)
                .key(Scope::SecretsWrite)
                .gives::<SecretView>(200)
                .fails(&[404]),
            Route::put(path, "putSecret", "Stores a secret in place of the one that was there.", put)
                .key(Scope::SecretsWrite)
                .takes::<NewSecret>()
                .gives::<SecretView>(200)
                .fails(&[404]),
            Route::delete(path, "deleteSecret", "Forgets a secret for good.", remove)
                .key(Scope::SecretsWrite)
                .answers(204, Content::Nothing)
                .fails(&[404]),
        ],
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSecret {
    #[schemars(length(min = 1, max = 8192), regex(pattern = r"^[!-~]+$"))]
    value: String,
}

fn kind(text: &str) -> Result<SecretKind, Problem> {
    SecretKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Problem::not_found("kind of secret"))
}

async fn list(State(app): State<App>, Known(caller): Known) -> Result<Response, Problem> {
    let notes = app.desk.secrets(&caller).await?;
    json(StatusCode::OK, &List::whole(notes.into_iter().map(SecretView::from).collect()))
}

async fn get(State(app): State<App>, Known(caller): Known, Named(text): Named<String>) -> Result<Response, Problem> {
    shown(&app, &caller, kind(&text)?).await
}

async fn shown(app: &App, caller: &outpost_core::actions::Caller, kind: SecretKind) -> Result<Response, Problem> {
    let note = app.desk.secrets(caller).await?.into_iter().find(|note| note.name == kind.as_str());
    json(StatusCode::OK, &SecretView::from(note.ok_or_else(|| Problem::not_found("secret"))?))
}

async fn put(
    State(app): State<App>,
    Known(caller): Known,
    Named(text): Named<String>,
    sent: Sent<NewSecret>,
) -> Result<Response, Problem> {
    let kind = kind(&text)?;
    app.desk.put_secret(&caller, kind, &Secret::new(sent.value.value)).await?;
    shown(&app, &caller, kind).await
}

async fn remove(State(app): State<App>, Known(caller): Known, Named(text): Named<String>) -> Result<Response, Problem> {
    match app.desk.remove_secret(&caller, kind(&text)?).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::not_found("secret")),
    }
}
