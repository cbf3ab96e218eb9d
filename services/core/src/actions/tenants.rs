//! Tenants: what one may change of itself, and what those who run the service may change of any.

use serde_json::{Map, Value};

use super::change::{Fate, ROUNDS};
use super::cursor::fitting;
use super::keys::named;
use super::register::email;
use super::{Authority, Caller, Desk, Error, KeyRequest, Listed, NewKey, Registered};
use crate::id::{KeyId, TenantId};
use crate::key::KeyRecord;
use crate::ports::SecretKind;
use crate::record::AuditEvent;
use crate::store::{Address, Row, Write};
use crate::tenant::{Overrides, Standing, Tenant, Tier};

/// A tenant that an operator makes.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantRequest {
    pub email: String,
    pub name: Option<String>,
    pub tier: Tier,
    pub overrides: Overrides,
    /// Its first key. Only here may a key have the scope `admin`.
    pub key: KeyRequest,
}

/// What an operator changes of a tenant; none of it stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantChange {
    pub name: Option<String>,
    pub tier: Option<Tier>,
    pub overrides: Option<Overrides>,
    /// Suspended, or active again. Deleting is an action of its own.
    pub standing: Option<Standing>,
}

impl Desk {
    /// The caller's tenant, as it is now.
    pub async fn tenant_now(&self, caller: &Caller) -> Result<Tenant, Error> {
        self.read_tenant(caller.id()).await
    }

    pub async fn rename(&self, caller: &Caller, name: String) -> Result<Tenant, Error> {
        caller.may(crate::key::Scope::KeysWrite)?;
        named("/name", &name)?;
        let audit = self.audit(caller.id(), &caller.authority(), "tenant.rename", None, Map::new())?;
        self.alter(caller.id(), &audit, |tenant| Ok(Some(Tenant { name: name.clone(), ..tenant.clone() }))).await
    }

    /// Makes a tenant and its key in one.
    pub async fn create_tenant(&self, who: &Authority, asked: TenantRequest) -> Result<Registered, Error> {
        let email = email(asked.email)?;
        let tenant = self.tenant(email, asked.name, asked.tier, asked.overrides)?;
        Ok(self.found(tenant, asked.key, who, "tenant.create", None).await?.value)
    }

    pub async fn tenants(&self, _who: &Authority, limit: usize, cursor: Option<&str>) -> Result<Listed<Tenant>, Error> {
        let limit = fitting(limit)?;
        let place = self.place("", "tenants", cursor)?;
        let page = self.ports.house.tenants(limit, place.as_deref()).await?;
        self.listed("", "tenants", page, Some)
    }

    pub async fn tenant_of(&self, _who: &Authority, id: &TenantId) -> Result<Tenant, Error> {
        self.read_tenant(id).await
    }

    /// Changes tier, limits or standing. Jobs that were accepted keep what they were accepted with.
    pub async fn change_tenant(&self, who: &Authority, id: &TenantId, change: TenantChange) -> Result<Tenant, Error> {
        if change.standing == Some(Standing::Deleted) {
            return Err(Error::invalid("/standing", "has to be `active` or `suspended`: to delete is another request"));
        }
        change.name.iter().try_for_each(|name| named("/name", name))?;
        let mut details = Map::new();
        details.extend(change.tier.map(|tier| ("tier".to_owned(), Value::from(tier.as_str()))));
        let standing = change.standing.and_then(|standing| serde_json::to_value(standing).ok());
        details.extend(standing.map(|standing| ("standing".to_owned(), standing)));
        let overrides = change.overrides.as_ref().and_then(|overrides| serde_json::to_value(overrides).ok());
        details.extend(overrides.map(|overrides| ("overrides".to_owned(), overrides)));
        let audit = self.audit(id, who, "tenant.change", Some(id.to_string()), details)?;
        self.alter(id, &audit, |tenant| {
            let TenantChange { name, tier, overrides, standing } = change.clone();
            Ok(Some(Tenant {
                name: name.unwrap_or_else(|| tenant.name.clone()),
                tier: tier.unwrap_or(tenant.tier),
                overrides: overrides.unwrap_or_else(|| tenant.overrides.clone()),
                standing: standing.unwrap_or(tenant.standing),
                ..tenant.clone()
            }))
        })
        .await
    }

    /// From then on its keys open nothing, its jobs are not begun, its address is free, and its secrets and files are gone. Asked
    /// again, it makes up for what failed the first time.
    pub async fn delete_tenant(&self, who: &Authority, id: &TenantId) -> Result<(), Error> {
        let audit = self.audit(id, who, "tenant.delete", Some(id.to_string()), Map::new())?;
        let (mut gone, mut names) = (false, Vec::new());
        for round in 0..ROUNDS {
            let tenant = self.read_tenant(id).await?;
            if tenant.standing == Standing::Deleted {
                gone = true;
                break;
            }
            let place = Address::email(&tenant.email.unique());
            let claim = self.read(id, &place).await?;
            names = tenant.hooks.iter().flat_map(|hook| hook.secrets.clone()).collect();
            names.extend(tenant.callback.iter().flat_map(|signers| signers.secrets.clone()));
            let (standing, updated_at) = (Standing::Deleted, self.now());
            let deleted = Tenant { standing, updated_at, hooks: Vec::new(), callback: None, ..tenant };
            let mut writes = vec![Write::Replace(Row::Tenant(deleted)), Write::Create(Row::Audit(audit.clone()))];
            writes.extend(claim.map(|claim| Write::Remove { address: place, version: claim.version() }));
            if self.commit(id, writes).await? == Fate::Done {
                gone = true;
                break;
            }
            self.breathe(round).await?;
        }
        if !gone {
            return Err(Error::Busy);
        }
        // By their names, too: a list may lag behind.
        names.extend(SecretKind::ALL.map(|kind| kind.as_str().to_owned()));
        names.extend(self.ports.vault.notes(id).await?.into_iter().map(|note| note.name));
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.ports.vault.remove(id, &name).await?;
        }
        // What a job that ends only now still leaves goes when it is old.
        self.ports.blobs.remove(id, "").await.map_err(Into::into)
    }

    pub async fn keys_of(&self, _who: &Authority, id: &TenantId) -> Result<Vec<KeyRecord>, Error> {
        self.all_keys(id).await
    }

    pub async fn revoke_key_of(&self, who: &Authority, tenant: &TenantId, id: &KeyId) -> Result<KeyRecord, Error> {
        self.revoke(who, tenant, id).await
    }

    /// A key for a tenant that has lost its own.
    pub async fn create_key_of(&self, who: &Authority, tenant: &TenantId, asked: KeyRequest) -> Result<NewKey, Error> {
        if self.read_tenant(tenant).await?.standing == Standing::Deleted {
            return Err(Error::NotFound("tenant"));
        }
        let mut made = self.mint(tenant, asked)?;
        let audit = self.key_audit(who, "key.create", &made.record)?;
        let writes = vec![Write::Create(Row::Key(made.record.clone())), Write::Create(Row::Audit(audit))];
        match self.commit(tenant, writes).await? {
            Fate::Done => {
                made.record.version = 1;
                Ok(made)
            }
            Fate::Refused(_) => Err(Error::Busy),
        }
    }

    /// Changes a tenant as `change` says, from what it is at that moment; none leaves it as it is. One that is deleted stays
    /// as it is.
    pub(super) async fn alter<F>(&self, id: &TenantId, audit: &AuditEvent, mut change: F) -> Result<Tenant, Error>
    where
        F: FnMut(&Tenant) -> Result<Option<Tenant>, Error> + Send,
    {
        for round in 0..ROUNDS {
            let before = self.read_tenant(id).await?;
            if before.standing == Standing::Deleted {
                return Err(Error::NotFound("tenant"));
            }
            let Some(after) = change(&before)? else { return Ok(before) };
            let after = Tenant { updated_at: self.now(), ..after };
            let writes = vec![Write::Replace(Row::Tenant(after.clone())), Write::Create(Row::Audit(audit.clone()))];
            match self.commit(id, writes).await? {
                Fate::Done => return Ok(Tenant { version: after.version + 1, ..after }),
                Fate::Refused(_) => self.breathe(round).await?,
            }
        }
        Err(Error::Busy)
    }
}
