//! What all handlers share.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use outpost_core::actions::Desk;
use outpost_core::moment::Moment;

use crate::rate::Buckets;
use crate::routes::health::Seen;
use crate::settings::Settings;
use crate::strict::Judges;
use crate::stripe::Stripe;
use crate::wait::Waiters;

/// Everything, cheaply cloned.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) desk: Arc<Desk>,
    pub(crate) settings: Settings,
    pub(crate) judges: Judges,
    /// By tenant.
    pub(crate) buckets: Buckets,
    /// By address, for those who show keys that open nothing.
    pub(crate) guesses: Buckets,
    pub(crate) waiters: Waiters,
    pub(crate) stripe: Option<Stripe>,
    pub(crate) seen: Seen,
    pub(crate) started: Moment,
    /// The OpenAPI document.
    pub(crate) document: Bytes,
}

impl App {
    pub(crate) fn new(desk: Arc<Desk>, settings: Settings, judges: Judges, document: Bytes) -> Result<Self, String> {
        let stripe = settings.stripe.clone().map(Stripe::new).transpose()?;
        Ok(Self(Arc::new(Shared {
            started: desk.ports().clock.now(),
            buckets: Buckets::new(settings.rate),
            guesses: Buckets::new(settings.rate),
            waiters: Waiters::new(settings.waiters),
            seen: Seen::default(),
            desk,
            settings,
            judges,
            stripe,
            document,
        })))
    }

    pub(crate) fn now(&self) -> Moment {
        self.desk.ports().clock.now()
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
