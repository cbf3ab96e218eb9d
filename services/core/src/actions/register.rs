//! How somebody becomes a tenant by itself: an e-mail address, and a key in return.
//!
//! The key is shown once, and an answer may get lost. Who registered with an idempotency key sends the same again, and gets
//! another first key in place of the one that nobody has used; once a key was used, its owner has it. So nothing that shows
//! a key is kept, and whoever guesses an idempotency key wins a tenant that has nothing.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Map;
use subtle::ConstantTimeEq as _;

use super::change::Fate;
use super::keys::named;
use super::once::Taken;
use super::{Authority, Desk, Door, Error, Idempotency, KeyRequest, NewKey, Once, RequestInfo};
use crate::id::TenantId;
use crate::key::{Environment, KeyHash, KeyRecord, Scope};
use crate::moment::Moment;
use crate::record::{Actor, EmailClaim};
use crate::store::{Address, Row, Write};
use crate::tenant::{Billing, Email, Overrides, Standing, Tenant, Tier};

/// Who wants to be a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    pub email: String,
    pub name: Option<String>,
    pub invitation: Option<String>,
}

/// A tenant and its first key.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    pub tenant: Tenant,
    pub key: NewKey,
}

impl Desk {
    pub async fn register(
        &self,
        asked: Registration,
        request: RequestInfo,
        once: Option<&Idempotency>,
    ) -> Result<Once<Registered>, Error> {
        self.open(asked.invitation.as_deref())?;
        let email = email(asked.email)?;
        let now = self.now();
        self.throttle(request.ip.as_deref(), now).await?;
        let tenant = self.tenant(email.clone(), asked.name, self.settings.newcomers, Overrides::default())?;
        let who = Authority { actor: Actor::Stranger, request_id: request.request_id, ip: request.ip };
        match (self.found(tenant, first_key(), &who, "tenant.register", once).await, once) {
            (Err(Error::EmailTaken), Some(once)) => self.welcome_again(&email, &who, once).await,
            (made, _) => made,
        }
    }

    /// Answers a registration again, with another first key.
    async fn welcome_again(
        &self,
        email: &Email,
        who: &Authority,
        once: &Idempotency,
    ) -> Result<Once<Registered>, Error> {
        let id = self.ports.house.tenant_of_email(&email.unique()).await?.ok_or(Error::Busy)?;
        let before = self.answered::<Founded>(&id, Some(once)).await?.ok_or(Error::EmailTaken)?;
        let old = match self.read(&id, &Address::key(&before.value.key)).await? {
            Some(Row::Key(old)) if old.last_used_at.is_none() && old.refused(self.now()).is_none() => old,
            _ => return Err(Error::EmailTaken),
        };
        let tenant = self.read_tenant(&id).await?;
        if tenant.standing != Standing::Active {
            return Err(Error::EmailTaken);
        }
        let mut key = self.mint(&id, first_key())?;
        let writes = vec![
            Write::Create(Row::Key(key.record.clone())),
            Write::Replace(Row::Key(KeyRecord { revoked_at: Some(self.now()), ..old })),
            self.answer_anew(&id, once, &Founded { key: key.record.hash.clone() }).await?.ok_or(Error::EmailTaken)?,
            Write::Create(Row::Audit(self.key_audit(who, "tenant.register_again", &key.record)?)),
        ];
        match self.commit(&id, writes).await? {
            Fate::Done => {
                key.record.version = 1;
                Ok(Once { value: Registered { tenant, key }, replayed: true, status: before.status })
            }
            // It was used, or replaced, in this moment.
            Fate::Refused(_) => Err(Error::Busy),
        }
    }

    fn open(&self, invitation: Option<&str>) -> Result<(), Error> {
        let invited = |codes: &[crate::ports::Secret]| {
            let given = invitation.unwrap_or_default().as_bytes();
            codes.iter().fold(false, |found, code| found | bool::from(code.reveal().as_bytes().ct_eq(given)))
        };
        match &self.settings.door {
            Door::Open => Ok(()),
            Door::Invite(codes) if invited(codes) => Ok(()),
            Door::Invite(_) | Door::Closed => Err(Error::Closed),
        }
    }

    async fn throttle(&self, ip: Option<&str>, now: Moment) -> Result<(), Error> {
        let hour = now.seconds() / 3600;
        let until = Moment::from_millis((hour + 1) * 3_600_000);
        let forgotten = until.plus(Duration::from_secs(3600));
        let (each, all) = self.settings.registrations;
        for (name, most) in [(format!("register#{}#{hour}", block(ip)), each), (format!("register#{hour}"), all)] {
            if !self.ports.house.throttle(&name, most, forgotten).await? {
                return Err(Error::Throttled { until });
            }
        }
        Ok(())
    }

    pub(super) fn tenant(
        &self,
        email: Email,
        name: Option<String>,
        tier: Tier,
        overrides: Overrides,
    ) -> Result<Tenant, Error> {
        let name = name.unwrap_or_else(|| email.as_str().chars().take(100).collect());
        named("/name", &name)?;
        let now = self.now();
        Ok(Tenant {
            id: TenantId::new(now, &self.salt()?),
            email,
            name,
            tier,
            overrides,
            standing: Standing::Active,
            created_at: now,
            updated_at: now,
            billing: Billing::default(),
            hooks: Vec::new(),
            callback: None,
            version: 0,
        })
    }

    /// Writes a tenant, its address and its first key, all or nothing.
    pub(super) async fn found(
        &self,
        tenant: Tenant,
        key: KeyRequest,
        who: &Authority,
        action: &str,
        once: Option<&Idempotency>,
    ) -> Result<Once<Registered>, Error> {
        let mut key = self.mint(&tenant.id, key)?;
        let claim = EmailClaim { email: tenant.email.unique(), tenant: tenant.id.clone(), version: 0 };
        let audit = self.audit(&tenant.id, who, action, Some(tenant.id.to_string()), Map::new())?;
        let writes = vec![
            Write::Create(Row::Tenant(tenant.clone())),
            Write::Create(Row::Email(claim)),
            Write::Create(Row::Key(key.record.clone())),
            Write::Create(Row::Audit(audit)),
        ];
        let founded = Founded { key: key.record.hash.clone() };
        match self.commit_once(&tenant.id, writes, once, &founded).await? {
            Taken::Done => {
                key.record.version = 1;
                Ok(Once::first(Registered { tenant: Tenant { version: 1, ..tenant }, key }, once))
            }
            Taken::Refused(1) => Err(Error::EmailTaken),
            Taken::Refused(_) | Taken::Before(_) => Err(Error::Busy),
        }
    }
}

/// What is kept of an answer to a registration: which key it showed.
#[derive(Debug, Serialize, Deserialize)]
struct Founded {
    key: KeyHash,
}

fn first_key() -> KeyRequest {
    KeyRequest {
        name: "first key".to_owned(),
        environment: Environment::Live,
        scopes: Scope::TENANT.to_vec(),
        expires_at: None,
    }
}

pub(super) fn email(text: String) -> Result<Email, Error> {
    Email::try_from(text).map_err(|wrong| Error::invalid("/email", format!("is {wrong}")))
}

/// Who registers once has one address, or a block of them: of IPv6, what one customer gets is a /64.
fn block(ip: Option<&str>) -> String {
    match ip.map(str::parse::<IpAddr>) {
        Some(Ok(IpAddr::V6(ip))) if ip.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
        Some(Ok(ip)) => ip.to_canonical().to_string(),
        _ => "unknown".to_owned(),
    }
}
