//! API keys of a tenant: made, listed, revoked, replaced.
//!
//! A key gives no more than its maker has. A key that opens nothing any more stays, for those who read the audit log.

use std::time::Duration;

use serde_json::{Map, Value};

use super::change::{Fate, ROUNDS};
use super::cursor::fitting;
use super::once::Taken;
use super::{Authority, Caller, Desk, Error, Idempotency, Listed, Once};
use crate::id::{KeyId, TenantId};
use crate::key::{ApiKey, Environment, KeyRecord, Scope};
use crate::moment::Moment;
use crate::record::AuditEvent;
use crate::store::{Listing, Row, Write};

/// For how long a key that is replaced may still open.
const GRACE: u32 = 604_800;
/// How many keys a tenant may have that open something.
const KEYS: usize = 100;
/// How many rows are read at once where all are needed.
const STRIDE: usize = 100;

/// What a key is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRequest {
    pub name: String,
    pub environment: Environment,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<Moment>,
}

/// A key that was made. The key itself is there the first time it is told, and never again.
#[derive(Clone, Debug, PartialEq)]
pub struct NewKey {
    pub record: KeyRecord,
    pub key: Option<ApiKey>,
}

/// A name that a person gave to something.
pub(super) fn named(at: &str, name: &str) -> Result<(), Error> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Error::invalid(at, "has to be 1 to 100 characters, none of them for control")) }
}

impl Desk {
    pub(super) fn mint(&self, tenant: &TenantId, asked: KeyRequest) -> Result<NewKey, Error> {
        named("/name", &asked.name)?;
        let now = self.now();
        if asked.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::invalid("/expires_at", "has to lie in the future"));
        }
        let mut scopes = asked.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Error::invalid("/scopes", "name nothing that the key may be used for"));
        }
        let random = zeroize::Zeroizing::new(self.random::<32>()?);
        let key = ApiKey::mint(asked.environment, &random);
        let record = KeyRecord {
            hash: key.hash(),
            id: KeyId::new(now, &self.salt()?),
            tenant: tenant.clone(),
            name: asked.name,
            shown: key.shown(),
            environment: asked.environment,
            scopes,
            created_at: now,
            expires_at: asked.expires_at,
            revoked_at: None,
            last_used_at: None,
            version: 0,
        };
        Ok(NewKey { record, key: Some(key) })
    }

    pub(super) fn key_audit(&self, who: &Authority, action: &str, record: &KeyRecord) -> Result<AuditEvent, Error> {
        let mut details = Map::new();
        details.insert("key".to_owned(), Value::from(record.shown.clone()));
        let scopes: Vec<&str> = record.scopes.iter().map(|scope| scope.as_str()).collect();
        details.insert("scopes".to_owned(), Value::from(scopes));
        self.audit(&record.tenant, who, action, Some(record.id.to_string()), details)
    }

    /// Makes a key with scopes that the caller has itself.
    pub async fn create_key(
        &self,
        caller: &Caller,
        asked: KeyRequest,
        once: Option<&Idempotency>,
    ) -> Result<Once<NewKey>, Error> {
        caller.may(Scope::KeysWrite)?;
        asked.scopes.iter().try_for_each(|scope| caller.may(*scope))?;
        if let Some(before) = self.key_before(caller.id(), once).await? {
            return Ok(before);
        }
        let now = self.now();
        if self.all_keys(caller.id()).await?.iter().filter(|key| key.refused(now).is_none()).count() >= KEYS {
            // The last of them may be this one's, of the same request that came at the same time.
            let full = || Error::Conflict(format!("{KEYS} keys are in use: revoke one first"));
            return self.key_before(caller.id(), once).await?.ok_or_else(full);
        }
        let made = self.mint(caller.id(), asked)?;
        let audit = self.key_audit(&caller.authority(), "key.create", &made.record)?;
        let writes = vec![Write::Create(Row::Key(made.record.clone())), Write::Create(Row::Audit(audit))];
        self.made(caller.id(), made, writes, once).await
    }

    async fn key_before(&self, tenant: &TenantId, once: Option<&Idempotency>) -> Result<Option<Once<NewKey>>, Error> {
        let before: Option<Once<KeyRecord>> = self.answered(tenant, once).await?;
        Ok(before.map(masked))
    }

    async fn made(
        &self,
        tenant: &TenantId,
        mut made: NewKey,
        writes: Vec<Write>,
        once: Option<&Idempotency>,
    ) -> Result<Once<NewKey>, Error> {
        made.record.version = 1;
        match self.commit_once(tenant, writes, once, &made.record).await? {
            Taken::Done => Ok(Once::first(made, once)),
            Taken::Before(before) => Ok(masked(before)),
            Taken::Refused(_) => Err(Error::Busy),
        }
    }

    /// Keys, the newest first, also those that open nothing any more.
    pub async fn keys(&self, caller: &Caller, limit: usize, cursor: Option<&str>) -> Result<Listed<KeyRecord>, Error> {
        caller.may(Scope::KeysWrite)?;
        let limit = fitting(limit)?;
        let place = self.place(caller.id().as_str(), "keys", cursor)?;
        let page = self.ports.store.list(caller.id(), &Listing::Keys, limit, place.as_deref()).await?;
        self.listed(caller.id().as_str(), "keys", page, |row| match row {
            Row::Key(key) => Some(key),
            _ => None,
        })
    }

    /// From its next call on, whoever has the key is refused.
    pub async fn revoke_key(&self, caller: &Caller, id: &KeyId) -> Result<KeyRecord, Error> {
        caller.may(Scope::KeysWrite)?;
        self.revoke(&caller.authority(), caller.id(), id).await
    }

    pub(super) async fn revoke(&self, who: &Authority, tenant: &TenantId, id: &KeyId) -> Result<KeyRecord, Error> {
        let now = self.now();
        let mut audit = None;
        for round in 0..ROUNDS {
            let before = self.find_key(tenant, id).await?;
            if before.revoked_at.is_some() {
                return Ok(before);
            }
            if audit.is_none() {
                audit = Some(self.key_audit(who, "key.revoke", &before)?);
            }
            let after = KeyRecord { revoked_at: Some(now), ..before };
            let mut writes = vec![Write::Replace(Row::Key(after.clone()))];
            writes.extend(audit.clone().map(|event| Write::Create(Row::Audit(event))));
            match self.commit(tenant, writes).await? {
                Fate::Done => return Ok(KeyRecord { version: after.version + 1, ..after }),
                // It was used in this moment.
                Fate::Refused(_) => self.breathe(round).await?,
            }
        }
        Err(Error::Busy)
    }

    /// Makes a key like this one, which opens for `grace` seconds more.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: &KeyId,
        grace: u32,
        once: Option<&Idempotency>,
    ) -> Result<Once<NewKey>, Error> {
        caller.may(Scope::KeysWrite)?;
        if grace > GRACE {
            return Err(Error::invalid("/grace_seconds", format!("is {grace}; 0 to {GRACE} are allowed")));
        }
        if let Some(before) = self.key_before(caller.id(), once).await? {
            return Ok(before);
        }
        for round in 0..ROUNDS {
            let old = self.find_key(caller.id(), id).await?;
            let now = self.now();
            if old.refused(now).is_some() {
                let ended = || Error::Conflict("this key opens nothing any more: make a new one".to_owned());
                return self.key_before(caller.id(), once).await?.ok_or_else(ended);
            }
            old.scopes.iter().try_for_each(|scope| caller.may(*scope))?;
            let mut made = self.mint(
                caller.id(),
                KeyRequest {
                    name: old.name.clone(),
                    environment: old.environment,
                    scopes: old.scopes.clone(),
                    expires_at: old.expires_at,
                },
            )?;
            let ends = now.plus(Duration::from_secs(u64::from(grace)));
            let ends = old.expires_at.map_or(ends, |at| at.min(ends));
            let audit = self.key_audit(&caller.authority(), "key.rotate", &old)?;
            let writes = vec![
                Write::Create(Row::Key(made.record.clone())),
                Write::Replace(Row::Key(KeyRecord { expires_at: Some(ends), ..old })),
                Write::Create(Row::Audit(audit)),
            ];
            made.record.version = 1;
            match self.commit_once(caller.id(), writes, once, &made.record).await? {
                Taken::Done => return Ok(Once::first(made, once)),
                Taken::Before(before) => return Ok(masked(before)),
                Taken::Refused(_) => self.breathe(round).await?,
            }
        }
        Err(Error::Busy)
    }

    async fn find_key(&self, tenant: &TenantId, id: &KeyId) -> Result<KeyRecord, Error> {
        let found = self.all_keys(tenant).await?.into_iter().find(|key| key.id == *id).ok_or(Error::NotFound("key"))?;
        // A listing may lag behind.
        match self.read(tenant, &crate::store::Address::key(&found.hash)).await? {
            Some(Row::Key(key)) => Ok(key),
            _ => Err(Error::NotFound("key")),
        }
    }

    pub(super) async fn all_keys(&self, tenant: &TenantId) -> Result<Vec<KeyRecord>, Error> {
        let mut keys = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.ports.store.list(tenant, &Listing::Keys, STRIDE, after.as_deref()).await?;
            keys.extend(page.rows.into_iter().filter_map(|row| match row {
                Row::Key(key) => Some(key),
                _ => None,
            }));
            after = page.next;
            if after.is_none() {
                return Ok(keys);
            }
        }
    }
}

fn masked(before: Once<KeyRecord>) -> Once<NewKey> {
    Once { value: NewKey { record: before.value, key: None }, replayed: before.replayed, status: before.status }
}
