//! All that the service does, for whoever asks: the API, a worker, those who run it.
//!
//! ```text
//! text of a key ─ authenticate ─► Caller ─► submit, cancel, keys, secrets, hooks, … ┐
//! operator, caller with `admin` ─► Authority ─► tenants                             ├─► one commit ─► store
//! ticket ─ claim ─► Claim ─► renew, append_log, finish, hand_back                   ┘
//! ```
//! One [`Desk`] serves all of them. An action that changes something is one commit, with its audit row in it: it happened
//! whole, or not at all. What comes after a commit (a ticket, a waking call) may fail: the [reaper](Desk::tick) makes up for
//! it. Nothing here knows HTTP, a runtime, or the time but by its ports.
//!
//! **Counters cannot drift.** `Active` grows by one in the commit that creates a job and in no other; it shrinks by one in
//! the commit that makes a job final and in no other. A job becomes final once, because that commit replaces one version of
//! its row, and a final job is never replaced. So `Active` is the number of jobs that are not final, at every moment, and
//! nobody has to count them again. For the same reason a job that began is charged once.
//!
//! **The quota of a day** (W6) is never exceeded, not by one: the place is taken in the commit that creates the job. A job
//! that ends without ever having been claimed gives it back, in the commit that ends it, to the day it was taken from.

mod billing;
mod caller;
mod change;
mod cursor;
mod ending;
mod error;
mod files;
mod hooks;
mod jobs;
mod keys;
mod log;
mod messages;
mod once;
mod reap;
mod records;
mod register;
mod secrets;
mod settings;
mod tenants;
mod work;

use std::sync::Arc;

pub use billing::{Applied, Subscription};
pub use caller::{Authority, Caller, Known, RequestInfo, known};
pub use error::{Denied, Error};
pub use files::Link;
pub use hooks::{HookView, NewHook};
pub use jobs::{Accepted, Submitted};
pub use keys::{KeyRequest, NewKey};
pub use log::{Cut, Detail, Line, LogPage, Outlived, Stream};
pub use messages::{Post, Sent};
pub use once::{Idempotency, Once};
pub use reap::Reaped;
pub use records::{Current, UsageDay};
pub use register::{Registered, Registration};
pub use settings::{Door, Settings};
pub use tenants::{TenantChange, TenantRequest};
pub use work::{Claim, Claimed};

use crate::ports::{Blobs, Chance, Clock, Pause, Queue, Vault, Wake};
use crate::store::{House, Store};

/// The world, as this process has it.
#[derive(Clone, Debug)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub house: Arc<dyn House>,
    pub queue: Arc<dyn Queue>,
    pub blobs: Arc<dyn Blobs>,
    pub vault: Arc<dyn Vault>,
    pub wake: Arc<dyn Wake>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub pause: Arc<dyn Pause>,
}

/// Some of what was asked for, and what to ask with for more.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// Good for the same tenant and the same question only.
    pub cursor: Option<String>,
}

/// Where everything is done.
#[derive(Clone, Debug)]
pub struct Desk {
    ports: Ports,
    settings: Arc<Settings>,
}

impl Desk {
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self { ports, settings: Arc::new(settings) }
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// For what a front door does beside actions: readiness, depths of queues.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }
}
