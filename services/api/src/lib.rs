//! The HTTP face of the Outpost service: one router, for a server, a function in a cloud, and tests.
//!
//! ```text
//! request ─► envelope (id, headers, problems) ─► door (key, rate, scope) ─► handler ─► Desk ─► view
//! ```
//! [`router`] is made from one table of routes, and so is the OpenAPI document. [`serve`] is the server: connections, the
//! reaper, and the sender of webhooks; [`sweep`] is the same of these two once, for who has no server. [`Front`] is what whoever
//! runs a front door tells it. `outpost_embedded::installation` opens the folder of an installation on one machine,
//! `outpost_aws::Surroundings` one in AWS.

mod app;
mod door;
mod envelope;
mod front;
#[cfg(feature = "embedded")]
mod linked;
mod openapi;
mod outgoing;
mod problem;
mod rate;
mod route;
mod routes;
mod serve;
mod settings;
mod shape;
mod strict;
mod stripe;
mod sweep;
mod take;
mod view;
mod wait;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use outpost_core::actions::Desk;

pub use door::{NoKey, shown_key};
pub use envelope::Peer;
pub use front::{Front, Read};
pub use openapi::document;
pub use outgoing::Sender;
pub use serve::serve;
pub use settings::{Files, Rate, STRIPE, Server, Settings, Stripe};
pub use stripe::{Catalog, Listing, Unlisted};
pub use sweep::{Swept, sweep};

/// The whole API over a desk. Whoever puts it behind a door of its own tells it of [`Peer`]s.
pub fn router(desk: Arc<Desk>, settings: Settings) -> Result<Router, String> {
    let table = routes::table();
    let document = openapi::of(&table, &settings.base);
    let shapes = table.iter().flat_map(|route| [route.query, route.body]).flatten();
    let judges = strict::Judges::of(shapes)?;
    let app = app::App::new(desk, settings, judges, document.to_string().into_bytes().into())?;
    Ok(route::routed(table, &app).layer(from_fn_with_state(app, envelope::envelope)))
}
