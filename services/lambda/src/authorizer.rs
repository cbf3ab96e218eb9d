//! Who calls, for a gateway that asks before it hands a request on: a REQUEST authorizer in payload format 2.0 that answers in
//! the simple form.
//!
//! | the request shows | the gateway | context |
//! |---|---|---|
//! | a good key | hands it on | `auth: good`, tenant, key, tier, scopes |
//! | something of the form of a key that opens nothing, or nothing | hands it on; the API says no, in its own words | `auth: refused`, and why |
//! | a text that is no key | says no itself (403) | |
//!
//! A gateway has one word for all that it refuses; the API tells a caller that a key was revoked, and the tenant by its audit
//! log. What is no key at all costs neither a look at the tables nor a call of the API. The context is for logs: nobody
//! believes it. The gateway must remember no answers, so that the next call with a key that was revoked is told so.

use std::collections::BTreeMap;

use outpost_api::{NoKey, shown_key};
use outpost_core::actions::{Denied, Known, known};
use outpost_core::moment::Moment;
use outpost_core::store::{House, Store};
use serde::{Deserialize, Serialize};

use crate::gateway;

/// What the gateway asks, with as much of it as matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    version: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub is_authorized: bool,
    /// Texts only: all that every log of a gateway can hold.
    pub context: BTreeMap<&'static str, String>,
}

impl Verdict {
    fn refused(is_authorized: bool, why: &'static str) -> Self {
        Self { is_authorized, context: BTreeMap::from([("auth", "refused".to_owned()), ("reason", why.to_owned())]) }
    }
}

/// Answers the gateway. A key is looked up with two reads, and nothing is written.
pub async fn judge(house: &dyn House, store: &dyn Store, question: &Question, now: Moment) -> Result<Verdict, String> {
    if question.version != "2.0" {
        let version = question.version.escape_debug();
        return Err(format!("a question in payload format `{version}`; the authorizer needs 2.0"));
    }
    let headers = gateway::headers(&question.headers)?;
    let text = match shown_key(&headers) {
        Ok(text) => text,
        Err(NoKey::Missing) => return Ok(Verdict::refused(true, "missing")),
        Err(NoKey::Wrong(_)) => return Ok(Verdict::refused(false, "malformed")),
    };
    // As all installations have it: the API says more where one of them does not.
    let legacy_keys = true;
    Ok(match known(house, store, text, legacy_keys, now).await {
        Err(Denied::Malformed) => Verdict::refused(false, "malformed"),
        Err(denied) => {
            if let Denied::Unavailable(problem) = &denied {
                tracing::error!(%problem, "a key could not be looked up");
            }
            Verdict::refused(true, word(&denied))
        }
        Ok(Known { tenant, key, denied }) => {
            let whose = [("tenant_id", &tenant.id), ("user_id", &tenant.id)].map(|(name, id)| (name, id.to_string()));
            let whose = whose.into_iter().chain([("key_id", key.id.to_string())]);
            let mut verdict = match &denied {
                Some(denied) => Verdict::refused(true, word(denied)),
                None => {
                    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
                    let tier = tenant.tier.as_str().to_owned();
                    let good = [("auth", "good".to_owned()), ("tier", tier), ("scopes", scopes.join(" "))];
                    Verdict { is_authorized: true, context: BTreeMap::from(good) }
                }
            };
            verdict.context.extend(whose);
            verdict
        }
    })
}

fn word(denied: &Denied) -> &'static str {
    match denied {
        Denied::Malformed => "malformed",
        Denied::Unknown => "unknown",
        Denied::Revoked => "revoked",
        Denied::Expired => "expired",
        Denied::Suspended => "suspended",
        Denied::Unavailable(_) => "unavailable",
    }
}
