//! What a tenant pays for, as the payment provider tells it: late, twice, and in any order.
//!
//! An event carries the state of a subscription at the moment it was made. It is taken once: its row is created in the commit
//! that applies it. Kept is the newest state of each subscription, and one that has ended never comes back; the tier is the
//! best that any of them pays for. So it depends on which events came, and not on their order. A tier that an operator gave
//! stays until what is paid for changes.

use serde_json::{Map, Value};

use super::change::{Fate, ROUNDS};
use super::{Authority, Caller, Desk, Error};
use crate::id::TenantId;
use crate::key::Scope;
use crate::moment::Moment;
use crate::record::{Actor, BillingEvent, EVENT_KEPT};
use crate::store::{Row, Write};
use crate::tenant::{Billing, Known, Tenant, Tier};

/// Subscriptions that are remembered. A tenant that has had more of them while events of the first are still on their way is
/// not one.
const KNOWN: usize = 32;

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
        let tier = desk.settings.prices.iter().find(|(known, _)| known == price).map(|(_, tier)| *tier);
        tier.ok_or_else(|| Error::Conflict(format!("no tier has the price `{price}`: add it to the settings")))
    }

    /// What is known after this event; none if it tells nothing new.
    fn after(&self, before: &[Known], tier: Tier) -> Option<Vec<Known>> {
        let told = Known {
            subscription: self.subscription.clone(),
            status: self.status.clone(),
            tier,
            at: self.created_at,
            ended: self.has_ended(),
        };
        let mut known = before.to_vec();
        match known.iter_mut().find(|known| known.subscription == self.subscription) {
            Some(known) if known.ended || (known.at > told.at && !told.ended) => return None,
            Some(known) => *known = told,
            None => known.push(told),
        }
        if known.len() > KNOWN {
            // What is paid for is never forgotten, nor is what is new.
            let oldest = known
                .iter()
                .enumerate()
                .filter(|(_, known)| known.tier == Tier::Free)
                .min_by_key(|(_, known)| known.at);
            oldest.map(|(at, _)| at).map(|at| known.remove(at));
        }
        Some(known)
    }
}

/// The subscription that a tier comes from: the best that is paid for, and of equal ones the newest.
fn best(known: &[Known]) -> Option<&Known> {
    known.iter().max_by_key(|known| (known.tier, known.at))
}

fn tier_of(known: &[Known]) -> Tier {
    best(known).map_or(Tier::Free, |known| known.tier)
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
            let mut details = Map::new();
            details.insert("status".to_owned(), Value::from(told.status.clone()));
            let (mut applied, mut action) = (Applied::Old, "billing.old");
            if let Some(known) = told.after(&tenant.billing.known, told.tier(self)?) {
                let (was, is) = (tier_of(&tenant.billing.known), tier_of(&known));
                let tier = if was == is { tenant.tier } else { is };
                (applied, action) = (Applied::Now(tier), "billing.apply");
                details.insert("from".to_owned(), Value::from(tenant.tier.as_str()));
                details.insert("to".to_owned(), Value::from(tier.as_str()));
                let best = best(&known);
                let billing = Billing {
                    customer: Some(told.customer.clone()),
                    subscription: best.map(|best| best.subscription.clone()),
                    status: best.map(|best| best.status.clone()),
                    applied_at: best.map(|best| best.at),
                    known,
                };
                let after = Tenant { tier, billing, updated_at: self.now(), ..tenant };
                writes.push(Write::Replace(Row::Tenant(after)));
            }
            let actor = Actor::Billing(told.event.clone());
            let who = Authority { actor, request_id: told.event.clone(), ip: None };
            let audit = self.audit(&id, &who, action, Some(told.subscription.clone()), details)?;
            writes.push(Write::Create(Row::Audit(audit)));
            match self.commit(&id, writes).await? {
                Fate::Done => return Ok(applied),
                Fate::Refused(0) => return Ok(Applied::Before),
                Fate::Refused(_) => self.breathe(round).await?,
            }
        }
        Err(Error::Busy)
    }
}
