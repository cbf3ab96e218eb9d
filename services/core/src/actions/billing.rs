//! What a tenant pays for, as the payment provider tells it: late, twice, and in any order.
//!
//! An event carries the state of a subscription at the moment it was made. It is taken once: its row is created in the commit
//! that applies it. Of one subscription, the newest state wins. One that has ended never comes back. Another subscription
//! takes the place of the current one if that has ended, or if it is paid for and its event is newer; its end alone changes
//! no tier. A tenant with two that are paid for at once has the tier of the one that was told of last.

use serde_json::{Map, Value};

use super::change::{Fate, ROUNDS};
use super::{Authority, Caller, Desk, Error};
use crate::id::TenantId;
use crate::key::Scope;
use crate::moment::Moment;
use crate::record::{Actor, BillingEvent, EVENT_KEPT};
use crate::store::{Row, Write};
use crate::tenant::{Billing, Tenant, Tier};

/// Ended subscriptions that are remembered. A tenant that ends more of them while events of the first are still on their way
/// is not one.
const ENDED: usize = 32;

/// An event about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub event: String,
    pub kind: String,
    /// When the provider made it.
    pub created_at: Moment,
    pub customer: String,
    /// Whose it is, where the provider gives back what was said at the checkout.
    pub tenant: Option<TenantId>,
    pub subscription: String,
    /// In the provider's words: `active`, `past_due`, `canceled`, …
    pub status: String,
    pub price: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Now(Tier),
    /// Something newer is known already.
    Old,
    /// This very event was taken before.
    Before,
    /// No tenant is this customer.
    Nobody,
}

impl Subscription {
    fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "canceled" | "incomplete_expired")
    }

    /// Who is late with a payment keeps what it has until the provider gives up.
    fn is_paid(&self) -> bool {
        matches!(self.status.as_str(), "active" | "trialing" | "past_due")
    }

    /// What it pays for now.
    fn tier(&self, desk: &Desk) -> Result<Tier, Error> {
        if !self.is_paid() {
            return Ok(Tier::Free);
        }
        let price = self.price.as_deref().unwrap_or_default();
        let tier = desk.settings.prices.get(price).copied();
        tier.ok_or_else(|| Error::Conflict(format!("no tier has the price `{price}`: add it to the settings")))
    }

    /// What is known of the tenant's subscription after this event; none if it tells nothing new.
    fn after(&self, known: &Billing) -> Option<Billing> {
        if known.ended.contains(&self.subscription) {
            return None;
        }
        let mut ended = known.ended.clone();
        if self.has_ended() {
            ended.push(self.subscription.clone());
            ended.drain(..ended.len().saturating_sub(ENDED));
        }
        let current = known.subscription.as_ref();
        let same = current == Some(&self.subscription);
        let current_ended = current.is_none_or(|current| known.ended.contains(current));
        let newer = known.applied_at.is_none_or(|at| at <= self.created_at);
        let is_news = if same {
            newer || self.has_ended()
        } else {
            !self.has_ended() && (current_ended || (newer && self.is_paid()))
        };
        if is_news {
            Some(Billing {
                customer: Some(self.customer.clone()),
                subscription: Some(self.subscription.clone()),
                status: Some(self.status.clone()),
                applied_at: Some(self.created_at),
                ended,
            })
        } else if ended != known.ended {
            // Another one goes on; that this one has ended is worth knowing.
            Some(Billing { ended, ..known.clone() })
        } else {
            None
        }
    }
}

impl Desk {
    /// Remembers what the payment provider calls a tenant.
    pub async fn set_customer(&self, caller: &Caller, customer: &str) -> Result<Tenant, Error> {
        caller.may(Scope::BillingWrite)?;
        let subject = Some(customer.to_owned());
        let audit = self.audit(caller.id(), &caller.authority(), "billing.customer", subject, Map::new())?;
        self.alter(caller.id(), &audit, |tenant| match &tenant.billing.customer {
            Some(known) if known == customer => Ok(None),
            Some(_) => Err(Error::Conflict("this tenant is another customer already".to_owned())),
            None => {
                let billing = Billing { customer: Some(customer.to_owned()), ..tenant.billing.clone() };
                Ok(Some(Tenant { billing, ..tenant.clone() }))
            }
        })
        .await
    }

    /// Applies what the payment provider tells of a subscription. Jobs that were accepted are not touched by it.
    pub async fn apply(&self, told: &Subscription) -> Result<Applied, Error> {
        let found = match &told.tenant {
            Some(tenant) => Some(tenant.clone()),
            None => self.ports.house.tenant_of_customer(&told.customer).await?,
        };
        let Some(id) = found else { return Ok(Applied::Nobody) };
        for round in 0..ROUNDS {
            let tenant = match self.read_tenant(&id).await {
                Err(Error::NotFound(_)) => return Ok(Applied::Nobody),
                tenant => tenant?,
            };
            if tenant.billing.customer.as_ref().is_some_and(|known| *known != told.customer) {
                return Ok(Applied::Nobody);
            }
            let mut writes = vec![Write::Create(Row::BillingEvent(BillingEvent {
                event: told.event.clone(),
                tenant: id.clone(),
                kind: told.kind.clone(),
                created_at: told.created_at,
                expires_at: self.now().plus(EVENT_KEPT),
            }))];
            let mut applied = Applied::Old;
            if let Some(billing) = told.after(&tenant.billing) {
                let is_current = billing.subscription.as_ref() == Some(&told.subscription);
                let tier = if is_current { told.tier(self)? } else { tenant.tier };
                applied = if is_current { Applied::Now(tier) } else { Applied::Old };
                let who =
                    Authority { actor: Actor::Billing(told.event.clone()), request_id: told.event.clone(), ip: None };
                let mut details = Map::new();
                details.insert("from".to_owned(), Value::from(tenant.tier.as_str()));
                details.insert("to".to_owned(), Value::from(tier.as_str()));
                details.insert("status".to_owned(), Value::from(told.status.clone()));
                let subject = Some(told.subscription.clone());
                writes.push(Write::Replace(Row::Tenant(Tenant { tier, billing, updated_at: self.now(), ..tenant })));
                writes.push(Write::Create(Row::Audit(self.audit(&id, &who, "billing.apply", subject, details)?)));
            }
            match self.commit(&id, writes).await? {
                Fate::Done => return Ok(applied),
                Fate::Refused(0) => return Ok(Applied::Before),
                Fate::Refused(_) => self.breathe(round).await?,
            }
        }
        Err(Error::Busy)
    }
}
