//! Where a tenant wants to be told that jobs have ended.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use outpost_core::actions::{NewHook, Once};
use outpost_core::id::{HookId, MessageId};
use outpost_core::key::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};
use crate::routes::auth::Pages;
use crate::routes::jobs::{limit, located, replayed};
use crate::take::{Asked, Known, Named, Sent};
use crate::view::List;
use crate::view::tenant::{MessageView, NewWebhookView, WebhookView};

pub(crate) fn routes() -> Vec<Route> {
    let scope = Scope::HooksWrite;
    chapter(
        "Webhooks",
        vec![
            Route::get("/v1/webhooks", "listWebhooks", "Where this tenant is told.", list)
                .key(scope)
                .gives::<List<WebhookView>>(200),
            Route::post(
                "/v1/webhooks",
                "createWebhook",
                "Tells this address from now on; its secret is shown once.",
                create,
            )
            .key(scope)
            .takes::<Wanted>()
            .gives::<NewWebhookView>(201)
            .fails(&[409])
            .once(),
            Route::delete("/v1/webhooks/{webhook_id}", "deleteWebhook", "Tells it nothing any more.", remove)
                .key(scope)
                .answers(204, Content::Nothing)
                .fails(&[404]),
            Route::post(
                "/v1/webhooks/{webhook_id}/rotate",
                "rotateWebhook",
                "Makes a new secret; the one before signs too, for a day.",
                rotate,
            )
            .key(scope)
            .takes::<Nothing>()
            .gives::<NewWebhookView>(201)
            .fails(&[404])
            .once(),
            Route::post(
                "/v1/webhooks/callback-secret",
                "rotateCallbackSecret",
                "Makes the secret anew that signs what is sent to the `callback_url` of jobs.",
                callback,
            )
            .key(scope)
            .gives::<CallbackSecret>(201),
            Route::get("/v1/webhooks/messages", "listMessages", "What was told, the newest first.", messages)
                .key(scope)
                .asks::<Pages>()
                .gives::<List<MessageView>>(200),
            Route::post("/v1/webhooks/messages/{message_id}/replay", "replayMessage", "Tells it again.", replay)
                .key(scope)
                .gives::<MessageView>(202)
                .fails(&[404]),
        ],
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookRequest")]
pub(crate) struct Wanted {
    #[schemars(length(min = 8, max = 2048), extend("format" = "uri"))]
    url: String,
}

/// A body that says nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Empty")]
pub(crate) struct Nothing {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CallbackSecret {
    /// Shown this once.
    secret: String,
}

async fn list(State(app): State<App>, Known(caller): Known) -> Result<Response, Problem> {
    let hooks = app.desk.hooks(&caller).await?;
    json(StatusCode::OK, &List::whole(hooks.into_iter().map(WebhookView::from).collect()))
}

async fn create(State(app): State<App>, Known(caller): Known, sent: Sent<Wanted>) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::CREATED)?;
    made(app.desk.create_hook(&caller, sent.value.url, once.as_ref()).await?)
}

fn made(hook: Once<NewHook>) -> Result<Response, Problem> {
    let path = format!("/v1/webhooks/{}", hook.value.hook.id);
    let mut response = json(StatusCode::CREATED, &NewWebhookView::from(hook.value))?;
    response.headers_mut().extend(located(&path));
    replayed(response.headers_mut(), hook.replayed);
    Ok(response)
}

fn hook_id(text: &str) -> Result<HookId, Problem> {
    text.parse().map_err(|_| Problem::not_found("webhook"))
}

async fn remove(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    app.desk.delete_hook(&caller, &hook_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rotate(
    State(app): State<App>,
    Known(caller): Known,
    Named(id): Named<String>,
    sent: Sent<Nothing>,
) -> Result<Response, Problem> {
    let once = sent.once(StatusCode::CREATED)?;
    made(app.desk.rotate_hook(&caller, &hook_id(&id)?, once.as_ref()).await?)
}

async fn callback(State(app): State<App>, Known(caller): Known) -> Result<Response, Problem> {
    let secret = app.desk.rotate_callback_secret(&caller).await?;
    json(StatusCode::CREATED, &CallbackSecret { secret: secret.reveal().to_owned() })
}

async fn messages(
    State(app): State<App>,
    Known(caller): Known,
    Asked(pages): Asked<Pages>,
) -> Result<Response, Problem> {
    let listed = app.desk.messages(&caller, limit(pages.limit), pages.cursor.as_deref()).await?;
    json(StatusCode::OK, &List::of(listed, MessageView::from))
}

async fn replay(State(app): State<App>, Known(caller): Known, Named(id): Named<String>) -> Result<Response, Problem> {
    let id: MessageId = id.parse().map_err(|_| Problem::not_found("message"))?;
    json(StatusCode::ACCEPTED, &MessageView::from(app.desk.replay(&caller, &id).await?))
}
