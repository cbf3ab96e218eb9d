//! Where a tenant wants to be told what happens, and the secrets that sign it.
//!
//! A signing secret is shown once. While it is replaced, the one before signs too, for a day. It is stored in the vault
//! before the tenant's row names it, and forgotten after the row does not: a failure in between leaves a secret that nobody
//! uses, never a row that names none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::change::ROUNDS;
use super::once::Taken;
use super::{Caller, Desk, Error, Idempotency, Once};
use crate::id::{HookId, TenantId};
use crate::key::{Scope, hex};
use crate::moment::Moment;
use crate::ports::Secret;
use crate::store::{Row, Write};
use crate::tenant::{Hook, Standing, Tenant};
use crate::web;

const HOOKS: usize = 10;
/// For how long the secret before signs too.
pub(super) const OVERLAP: Duration = Duration::from_secs(86_400);
/// What signs messages to the `callback_url` of a job.
pub(super) const CALLBACK: &str = "hook-callback";

/// A webhook, as its tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookView {
    pub id: HookId,
    pub url: String,
    pub created_at: Moment,
}

/// A webhook and its secret, which is there the first time it is told, and never again.
#[derive(Clone, Debug, PartialEq)]
pub struct NewHook {
    pub hook: HookView,
    pub secret: Option<Secret>,
}

impl HookView {
    fn of(hook: &Hook) -> Self {
        Self { id: hook.id.clone(), url: hook.url.clone(), created_at: hook.created_at }
    }
}

fn masked(before: Once<HookView>) -> Once<NewHook> {
    Once { value: NewHook { hook: before.value, secret: None }, replayed: before.replayed, status: before.status }
}

impl Desk {
    fn signing_secret(&self) -> Result<(String, Secret), Error> {
        let name = format!("hook-{}", hex(&self.random::<16>()?));
        Ok((name, Secret::new(format!("whsec_{}", STANDARD.encode(self.random::<24>()?)))))
    }

    pub async fn hooks(&self, caller: &Caller) -> Result<Vec<HookView>, Error> {
        caller.may(Scope::HooksWrite)?;
        Ok(self.read_tenant(caller.id()).await?.hooks.iter().map(HookView::of).collect())
    }

    pub async fn create_hook(
        &self,
        caller: &Caller,
        url: String,
        once: Option<&Idempotency>,
    ) -> Result<Once<NewHook>, Error> {
        caller.may(Scope::HooksWrite)?;
        let fits = web::callback(&url, self.settings.offer.callbacks_anywhere);
        fits.map_err(|told| Error::invalid("/url", told))?;
        let now = self.now();
        let id = HookId::new(now, &self.salt()?);
        self.with_secret(caller, "hook.create", once, |tenant, name| {
            if tenant.hooks.len() >= HOOKS {
                return Err(Error::Conflict(format!("there are {HOOKS} webhooks: delete one first")));
            }
            let secrets = vec![name.to_owned()];
            let hook = Hook { id: id.clone(), url: url.clone(), created_at: now, secrets, rotated_at: None };
            tenant.hooks.push(hook.clone());
            Ok((hook, Vec::new()))
        })
        .await
    }

    /// Makes a new secret. The one before signs too, for a day.
    pub async fn rotate_hook(
        &self,
        caller: &Caller,
        id: &HookId,
        once: Option<&Idempotency>,
    ) -> Result<Once<NewHook>, Error> {
        caller.may(Scope::HooksWrite)?;
        let now = self.now();
        self.with_secret(caller, "hook.rotate", once, |tenant, name| {
            let hook = tenant.hooks.iter_mut().find(|hook| hook.id == *id).ok_or(Error::NotFound("webhook"))?;
            hook.secrets.insert(0, name.to_owned());
            hook.rotated_at = Some(now);
            let old = hook.secrets.split_off(2.min(hook.secrets.len()));
            Ok((hook.clone(), old))
        })
        .await
    }

    /// Changes the hooks of a tenant together with a new secret. `change` also tells which secrets nobody needs any more.
    async fn with_secret<F>(
        &self,
        caller: &Caller,
        action: &str,
        once: Option<&Idempotency>,
        mut change: F,
    ) -> Result<Once<NewHook>, Error>
    where
        F: FnMut(&mut Tenant, &str) -> Result<(Hook, Vec<String>), Error> + Send,
    {
        if let Some(before) = self.answered::<HookView>(caller.id(), once).await? {
            return Ok(masked(before));
        }
        let (name, secret) = self.signing_secret()?;
        self.ports.vault.put(caller.id(), &name, &secret, self.now()).await?;
        let mut result = Err(Error::Busy);
        for round in 0..ROUNDS {
            let mut tenant = self.read_tenant(caller.id()).await?;
            let gone = tenant.standing == Standing::Deleted;
            let changed = if gone { Err(Error::NotFound("tenant")) } else { change(&mut tenant, &name) };
            let (hook, old) = match changed {
                Ok(changed) => changed,
                Err(error) => {
                    // What is in the way may be the same request, that came at the same time.
                    let before = self.answered::<HookView>(caller.id(), once).await.ok().flatten();
                    result = before.map(masked).ok_or(error);
                    break;
                }
            };
            tenant.updated_at = self.now();
            let subject = Some(hook.id.to_string());
            let audit = self.audit(caller.id(), &caller.authority(), action, subject, Map::new())?;
            let writes = vec![Write::Replace(Row::Tenant(tenant)), Write::Create(Row::Audit(audit))];
            let view = HookView::of(&hook);
            match self.commit_once(caller.id(), writes, once, &view).await? {
                Taken::Done => {
                    self.forget(caller.id(), &old).await;
                    return Ok(Once::first(NewHook { hook: view, secret: Some(secret) }, once));
                }
                Taken::Before(before) => {
                    result = Ok(masked(before));
                    break;
                }
                Taken::Refused(_) => self.breathe(round).await?,
            }
        }
        self.forget(caller.id(), &[name]).await;
        result
    }

    /// What cannot be forgotten now signs nothing any more, and goes with its tenant.
    async fn forget(&self, tenant: &TenantId, names: &[String]) {
        for name in names {
            drop(self.ports.vault.remove(tenant, name).await);
        }
    }

    pub async fn delete_hook(&self, caller: &Caller, id: &HookId) -> Result<(), Error> {
        caller.may(Scope::HooksWrite)?;
        let subject = Some(id.to_string());
        let audit = self.audit(caller.id(), &caller.authority(), "hook.delete", subject, Map::new())?;
        let mut old = Vec::new();
        self.alter(caller.id(), &audit, |tenant| {
            let hook = tenant.hooks.iter().find(|hook| hook.id == *id).ok_or(Error::NotFound("webhook"))?;
            old = hook.secrets.clone();
            let hooks = tenant.hooks.iter().filter(|hook| hook.id != *id).cloned().collect();
            Ok(Some(Tenant { hooks, ..tenant.clone() }))
        })
        .await?;
        self.forget(caller.id(), &old).await;
        Ok(())
    }

    /// The secret that signs messages to the `callback_url` of jobs, made anew. Before the first, they go unsigned.
    pub async fn rotate_callback_secret(&self, caller: &Caller) -> Result<Secret, Error> {
        caller.may(Scope::HooksWrite)?;
        let (_, secret) = self.signing_secret()?;
        self.announce(caller.id(), &caller.authority(), "callback.rotate", CALLBACK).await?;
        self.ports.vault.put(caller.id(), CALLBACK, &secret, self.now()).await?;
        Ok(secret)
    }
}
