//! Secrets of tenants, in one of three layouts. What they cost in a month where nothing is asked (us-east-1, list prices), and
//! what they bound:
//!
//! | | where | a tenant with three | |
//! |---|---|---|---|
//! | [`ssm`](parameters) | Parameter Store, standard tier | nothing | 10,000 parameters in an account and region, 40 reads a second |
//! | [`bundle`](bundle) | one secret of Secrets Manager | $0.40 | 64 KiB for all of them |
//! | [`per_key`](per_key) | a secret of Secrets Manager each | $1.20 | whoever lists sees the names of all tenants |
//!
//! `ssm` is what an installation has unless it says otherwise: it is the only one whose price does not grow with tenants, and
//! the only one whose listing AWS can limit to a tenant. A layout is chosen once: what was stored in one is not found in another.

mod bundle;
mod parameters;
mod per_key;

use std::sync::Arc;

use outpost_core::moment::Moment;
use outpost_core::ports::{Vault, is_secret_name};
use outpost_core::store::Problem;
use serde::{Deserialize, Serialize};

use crate::settings::{Layout, Settings};
use crate::tenants::Tenants;

/// What may be told of a secret, kept beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    last4: String,
    updated_at: Moment,
}

pub(crate) fn open(tenants: Arc<Tenants>, settings: &Settings) -> Arc<dyn Vault> {
    match settings.layout {
        Layout::PerKey => Arc::new(per_key::PerKey::new(tenants, settings)),
        Layout::Bundle => Arc::new(bundle::Bundles::new(tenants, settings)),
        Layout::Parameters => Arc::new(parameters::Parameters::new(tenants, settings)),
    }
}

/// A name that is one.
fn named(name: &str) -> Result<&str, Problem> {
    if is_secret_name(name) {
        Ok(name)
    } else {
        Err(Problem::Broken("a secret has a name of 1 to 128 letters, digits and `._-`, and this is none".into()))
    }
}
