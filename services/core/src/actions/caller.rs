//! Who is there: the one way from the text of a key to someone who may do something.
//!
//! An action for tenants takes a [`Caller`], and only [`Desk::authenticate`] makes one: a handler that forgot to ask for the
//! key does not compile. Each action asks the caller for the scope that it needs.

use std::time::Duration;

use serde_json::{Map, Value};

use super::change::Fate;
use super::{Denied, Desk, Error};
use crate::id::{AuditId, TenantId};
use crate::key::{ApiKey, KeyRecord, Refused, Scope};
use crate::moment::Moment;
use crate::record::{Actor, AuditEvent};
use crate::store::{Address, House, Row, Store, Write};
use crate::tenant::{Standing, Tenant};

/// How exact it is when a key was used last.
const LAST_USED: Duration = Duration::from_secs(60);
/// How many refused calls with one key are put into the audit log in an hour.
const DENIALS: u64 = 20;

/// What is known of a request before it is known whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    pub request_id: String,
    pub ip: Option<String>,
    pub traceparent: Option<String>,
}

/// Someone with a key that is good.
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: Tenant,
    key: KeyRecord,
    request: RequestInfo,
}

impl Caller {
    /// The tenant, as it was when the key was shown.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.tenant.id
    }

    #[must_use]
    pub fn key(&self) -> &KeyRecord {
        &self.key
    }

    #[must_use]
    pub fn request(&self) -> &RequestInfo {
        &self.request
    }

    pub fn may(&self, scope: Scope) -> Result<(), Error> {
        if self.key.allows(scope) { Ok(()) } else { Err(Error::Scope(scope)) }
    }

    /// Someone who may act on other tenants.
    pub fn as_admin(&self) -> Result<Authority, Error> {
        self.may(Scope::Admin)?;
        Ok(self.authority())
    }

    pub(super) fn authority(&self) -> Authority {
        Authority {
            actor: Actor::Key(self.key.shown.clone()),
            request_id: self.request.request_id.clone(),
            ip: self.request.ip.clone(),
        }
    }
}

/// In whose name something is done, as the audit log has it. As an argument it stands for the right to act on any tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Authority {
    pub(super) actor: Actor,
    pub(super) request_id: String,
    pub(super) ip: Option<String>,
}

impl Authority {
    /// Someone with the means of the service itself: `outpost-admin`, by the user who runs it.
    #[must_use]
    pub fn operator(user: &str, request_id: &str) -> Self {
        Self { actor: Actor::Operator(user.to_owned()), request_id: request_id.to_owned(), ip: None }
    }

    pub(super) fn service(request_id: &str) -> Self {
        Self { actor: Actor::Service, request_id: request_id.to_owned(), ip: None }
    }
}

/// Whose a key is, and why it does not open, where it does not.
#[derive(Clone, Debug)]
pub struct Known {
    pub tenant: Tenant,
    pub key: KeyRecord,
    pub denied: Option<Denied>,
}

/// Looks a key up and writes nothing: for who only has to tell, with two tables and no desk. Whoever acts on the answer asks
/// [`Desk::authenticate`], which makes a [`Caller`].
pub async fn known(
    house: &dyn House,
    store: &dyn Store,
    text: &str,
    legacy_keys: bool,
    now: Moment,
) -> Result<Known, Denied> {
    let shown = ApiKey::read(text).map_err(|_| Denied::Malformed)?;
    if shown.is_legacy() && !legacy_keys {
        return Err(Denied::Malformed);
    }
    let hash = shown.hash();
    let found = house.key(&hash).await.map_err(Denied::Unavailable)?;
    let key = found.filter(|key| key.hash.is(&hash)).ok_or(Denied::Unknown)?;
    let place = Address::tenant(&key.tenant);
    let tenant = match store.get(&key.tenant, &place).await.map_err(Denied::Unavailable)? {
        Some(Row::Tenant(tenant)) if tenant.standing != Standing::Deleted => tenant,
        _ => return Err(Denied::Unknown),
    };
    let denied = match (key.refused(now), tenant.standing) {
        (Some(Refused::Revoked), _) => Some(Denied::Revoked),
        (Some(Refused::Expired), _) => Some(Denied::Expired),
        (None, Standing::Suspended) => Some(Denied::Suspended),
        (None, _) => None,
    };
    Ok(Known { tenant, key, denied })
}

impl Desk {
    /// Finds out who calls. A text that is no key costs no look at the store.
    pub async fn authenticate(&self, text: &str, request: RequestInfo) -> Result<Caller, Denied> {
        let (house, store, now) = (&*self.ports.house, &*self.ports.store, self.now());
        let Known { tenant, key, denied } = known(house, store, text, self.settings.legacy_keys, now).await?;
        if let Some(denied) = denied {
            self.note_denial(&key, &denied, request, now).await;
            return Err(denied);
        }
        self.note_use(&key, now).await;
        Ok(Caller { tenant, key, request })
    }

    /// A failure here denies nobody: it is known a minute later.
    async fn note_use(&self, record: &KeyRecord, now: Moment) {
        if record.last_used_at.is_none_or(|at| now.since(at) > LAST_USED) {
            let used = KeyRecord { last_used_at: Some(now), ..record.clone() };
            drop(self.ports.store.commit(&record.tenant, vec![Write::Replace(Row::Key(used))]).await);
        }
    }

    /// The tenant should know that somebody tries a key that opens nothing; a flood of it helps nobody.
    async fn note_denial(&self, record: &KeyRecord, denied: &Denied, request: RequestInfo, now: Moment) {
        let who = Authority { actor: Actor::Stranger, request_id: request.request_id, ip: request.ip };
        self.note(record, &who, "key.denied", denied.to_string(), now).await;
    }

    /// Says no to somebody whose key is good, but not for this; the tenant should know that, too.
    pub async fn refuse(&self, caller: &Caller, scope: Scope) -> Error {
        let error = Error::Scope(scope);
        self.note(&caller.key, &caller.authority(), "key.refused", error.to_string(), self.now()).await;
        error
    }

    /// Puts into the audit log that a key did not help. A failure here changes nothing: the answer is no.
    async fn note(&self, record: &KeyRecord, who: &Authority, action: &str, why: String, now: Moment) {
        let name = format!("denied#{}#{}", record.id, now.seconds() / 3600);
        if !self.ports.house.throttle(&name, DENIALS, now.plus(Duration::from_secs(3600))).await.unwrap_or(false) {
            return;
        }
        let mut details = Map::new();
        details.insert("why".to_owned(), Value::from(why));
        details.insert("key".to_owned(), Value::from(record.shown.clone()));
        if let Ok(event) = self.audit(&record.tenant, who, action, Some(record.id.to_string()), details) {
            drop(self.ports.store.commit(&record.tenant, vec![Write::Create(Row::Audit(event))]).await);
        }
    }

    pub(super) fn audit(
        &self,
        tenant: &TenantId,
        who: &Authority,
        action: &str,
        subject: Option<String>,
        details: Map<String, Value>,
    ) -> Result<AuditEvent, Error> {
        let now = self.now();
        Ok(AuditEvent {
            id: AuditId::new(now, &self.salt()?),
            tenant: tenant.clone(),
            at: now,
            actor: who.actor.clone(),
            action: action.to_owned(),
            subject,
            request_id: who.request_id.clone(),
            ip: who.ip.clone(),
            details,
        })
    }

    /// What is written of a change that is made elsewhere than in the store: before it, so that none is without.
    pub(super) async fn announce(
        &self,
        tenant: &TenantId,
        who: &Authority,
        action: &str,
        subject: &str,
    ) -> Result<(), Error> {
        let event = self.audit(tenant, who, action, Some(subject.to_owned()), Map::new())?;
        match self.commit(tenant, vec![Write::Create(Row::Audit(event))]).await? {
            Fate::Done => Ok(()),
            Fate::Refused(_) => Err(Error::Busy),
        }
    }
}
