//! What the service answers to, chapter by chapter. Handlers are thin: what was sent becomes a call of the `Desk`, and what
//! that gives becomes a view.

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod billing;
pub(crate) mod dispatch;
pub(crate) mod docs;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod records;
pub(crate) mod secrets;
pub(crate) mod tenant;

use crate::route::Route;

/// All of them.
pub(crate) fn table() -> Vec<Route> {
    [
        auth::routes(),
        tenant::routes(),
        secrets::routes(),
        jobs::routes(),
        logs::routes(),
        files::routes(),
        records::routes(),
        hooks::routes(),
        billing::routes(),
        admin::routes(),
        dispatch::routes(),
        health::routes(),
        docs::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
