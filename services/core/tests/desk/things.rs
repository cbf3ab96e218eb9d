//! The rest of the world: tickets, files, secrets, time and chance.

use std::path::Path;
use std::time::Duration;

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{
    Blobs, Chance, Clock, Delivery, Depth, Pause, Queue, RECEIVES, Secret, SecretNote, Ticket, Vault, Wake,
};
use outpost_core::store::{Pending, Problem};
use outpost_core::tenant::Tier;

use crate::world::{Lying, World, aside};

impl Queue for World {
    fn send<'a>(&'a self, lane: Tier, ticket: &'a Ticket) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            aside().await;
            let mut state = self.state();
            let roll = state.dice.roll(1000);
            if roll < state.faults.queue {
                return Err(Problem::Broken("a queue".to_owned()));
            }
            let (now, twice) = (state.now, roll < 2 * state.faults.queue);
            state.sent += 1;
            for _ in 0..if twice { 2 } else { 1 } {
                let lying = Lying { ticket: ticket.clone(), hidden_until: now, receives: 0, receipt: 0 };
                state.queue.push((lane, lying));
            }
            Ok(())
        })
    }

    fn receive(&self, lane: Tier, _: Duration, hide: Duration) -> Pending<'_, Result<Option<Delivery>, Problem>> {
        Box::pin(async move {
            aside().await;
            let mut state = self.state();
            let now = state.now;
            let receipt = state.dice.roll(u64::MAX);
            loop {
                let visible = |(tier, lying): &(Tier, Lying)| *tier == lane && lying.hidden_until <= now;
                let Some(found) = state.queue.iter().position(visible) else { return Ok(None) };
                if state.queue[found].1.receives >= RECEIVES {
                    let dead = state.queue.remove(found);
                    state.dead.push(dead);
                    continue;
                }
                let lying = &mut state.queue[found].1;
                (lying.hidden_until, lying.receipt) = (now.plus(hide), receipt);
                lying.receives += 1;
                let (ticket, receives) = (lying.ticket.clone(), lying.receives);
                return Ok(Some(Delivery { ticket, lane, receipt: receipt.to_string(), receives }));
            }
        })
    }

    fn hide<'a>(&'a self, delivery: &'a Delivery, hide: Duration) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let mut state = self.state();
            let until = state.now.plus(hide);
            let ours = state.queue.iter_mut().find(|(_, lying)| lying.receipt.to_string() == delivery.receipt);
            Ok(ours.map(|(_, lying)| lying.hidden_until = until).is_some())
        })
    }

    fn remove<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            aside().await;
            self.state().queue.retain(|(_, lying)| lying.receipt.to_string() != delivery.receipt);
            Ok(())
        })
    }

    fn depth(&self, lane: Tier) -> Pending<'_, Result<Depth, Problem>> {
        Box::pin(async move {
            let state = self.state();
            let there = state.queue.iter().filter(|(tier, _)| *tier == lane);
            let (ready, hidden): (Vec<_>, Vec<_>) = there.partition(|(_, lying)| lying.hidden_until <= state.now);
            Ok(Depth { ready: ready.len() as u64, hidden: hidden.len() as u64 })
        })
    }

    fn dead(&self, most: usize) -> Pending<'_, Result<Vec<Delivery>, Problem>> {
        Box::pin(async move {
            aside().await;
            let mut state = self.state();
            let (now, hidden) = (state.now, Duration::from_secs(60));
            let mut found = Vec::new();
            for (lane, lying) in state.dead.iter_mut().filter(|(_, lying)| lying.hidden_until <= now).take(most) {
                lying.hidden_until = now.plus(hidden);
                let (ticket, receives) = (lying.ticket.clone(), lying.receives);
                found.push(Delivery { ticket, lane: *lane, receipt: lying.receipt.to_string(), receives });
            }
            Ok(found)
        })
    }

    fn bury<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            self.state().dead.retain(|(_, lying)| lying.receipt.to_string() != delivery.receipt);
            Ok(())
        })
    }
}

impl Blobs for World {
    fn put<'a>(&'a self, tenant: &'a TenantId, path: &'a str, bytes: Vec<u8>) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            self.state().blobs.insert((tenant.clone(), path.to_owned()), bytes);
            Ok(())
        })
    }

    fn put_file<'a>(&'a self, tenant: &'a TenantId, path: &'a str, file: &'a Path) -> Pending<'a, Result<(), Problem>> {
        let bytes = file.to_string_lossy().into_owned().into_bytes();
        Blobs::put(self, tenant, path, bytes)
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, path: &'a str, _: u64) -> Pending<'a, Result<Option<Vec<u8>>, Problem>> {
        Box::pin(async move { Ok(self.state().blobs.get(&(tenant.clone(), path.to_owned())).cloned()) })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<String>, Problem>> {
        Box::pin(async move {
            let state = self.state();
            let paths = state.blobs.keys().filter(|(owner, path)| owner == tenant && path.starts_with(prefix));
            let later = paths.filter(|(_, path)| after.is_none_or(|after| path.as_str() > after));
            Ok(later.map(|(_, path)| path.clone()).take(limit).collect())
        })
    }

    fn link<'a>(&'a self, tenant: &'a TenantId, path: &'a str, until: Moment) -> Pending<'a, Result<String, Problem>> {
        Box::pin(async move { Ok(format!("memory:{tenant}/{path}?until={until}")) })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, prefix: &'a str) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            self.state().blobs.retain(|(owner, path), _| owner != tenant || !path.starts_with(prefix));
            Ok(())
        })
    }
}

impl Vault for World {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        _: Moment,
    ) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            self.state().vault.insert((tenant.clone(), name.to_owned()), secret.clone());
            Ok(())
        })
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>> {
        Box::pin(async move { Ok(self.state().vault.get(&(tenant.clone(), name.to_owned())).cloned()) })
    }

    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>> {
        Box::pin(async move {
            let state = self.state();
            let theirs = state.vault.iter().filter(|((owner, _), _)| owner == tenant);
            let note = |((_, name), _): (&(TenantId, String), &Secret)| SecretNote {
                name: name.clone(),
                last4: "last".to_owned(),
                updated_at: state.now,
            };
            Ok(theirs.map(note).collect())
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move { Ok(self.state().vault.remove(&(tenant.clone(), name.to_owned())).is_some()) })
    }
}

impl Wake for World {
    fn wake(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async {
            self.state().woken += 1;
            Ok(())
        })
    }
}

impl Clock for World {
    fn now(&self) -> Moment {
        self.state().now
    }
}

impl Chance for World {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Problem> {
        let mut state = self.state();
        for byte in bytes {
            *byte = u8::try_from(state.dice.roll(256)).expect("a byte");
        }
        Ok(())
    }
}

impl Pause for World {
    fn pause(&self, _: Duration) -> Pending<'_, ()> {
        Box::pin(aside())
    }
}
