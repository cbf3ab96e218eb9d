//! How something is changed: a commit that is patient with a busy store and does not guess after a broken one.
//!
//! A store that answered `Broken` may have made the change. So every change carries something by which it is known again: its
//! audit row, whose id nobody else has, or the row that it writes first. Before a change is called failed, or is tried
//! again, that is looked up. Repeating is safe for the same reason: whatever is repeated creates the same row, or replaces
//! the same version, and the store refuses to do that twice.

use std::time::Duration;

use super::{Desk, Error};
use crate::id::{Salt, TenantId};
use crate::moment::Moment;
use crate::store::{Address, Problem, Row, Write};
use crate::tenant::Tenant;

/// How often a store is asked before it is called busy.
const TRIES: u32 = 4;
/// How often a change is thought over because the row had changed meanwhile.
pub(super) const ROUNDS: u32 = 8;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// What the write of this number asks for is not so.
    Refused(usize),
}

impl Desk {
    pub(super) fn now(&self) -> Moment {
        self.ports.clock.now()
    }

    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.ports.chance.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn salt(&self) -> Result<Salt, Error> {
        self.random()
    }

    /// Waits a while that grows with every time, and that is not the same for two who wait.
    pub(super) async fn breathe(&self, time: u32) -> Result<(), Error> {
        let most = 25_u64 << time.min(4);
        let share = u64::from(u16::from_be_bytes(self.random()?));
        self.ports.pause.pause(Duration::from_millis(1 + most * share / u64::from(u16::MAX))).await;
        Ok(())
    }

    /// A row as it is now. A busy store is asked again.
    pub(super) async fn read(&self, tenant: &TenantId, address: &Address) -> Result<Option<Row>, Error> {
        let mut time = 0;
        loop {
            match self.ports.store.get(tenant, address).await {
                Err(Problem::Busy) if time + 1 < TRIES => self.breathe(time).await?,
                told => return Ok(told?),
            }
            time += 1;
        }
    }

    pub(super) async fn read_tenant(&self, tenant: &TenantId) -> Result<Tenant, Error> {
        match self.read(tenant, &Address::tenant(tenant)).await? {
            Some(Row::Tenant(found)) => Ok(found),
            _ => Err(Error::NotFound("tenant")),
        }
    }

    /// Makes a change, whole or not at all, and knows afterwards which of both.
    pub(super) async fn commit(&self, tenant: &TenantId, writes: Vec<Write>) -> Result<Fate, Error> {
        let witness = witness(&writes);
        let mut doubtful = false;
        for time in 0..TRIES {
            match self.ports.store.commit(tenant, writes.clone()).await {
                Ok(()) => return Ok(Fate::Done),
                Err(Problem::Refused(at)) => {
                    // A store that repeats by itself may have made the change before it was refused. Only an id that nobody
                    // else has tells that from another who wrote the same at the same moment.
                    let suspicious = doubtful || (at == 0 && matches!(witness, Some(Row::Audit(_))));
                    let ours = suspicious && self.happened(tenant, witness.as_ref()).await?;
                    return Ok(if ours { Fate::Done } else { Fate::Refused(at) });
                }
                Err(Problem::Busy) => {}
                Err(Problem::Broken(why)) => {
                    doubtful = true;
                    match self.happened(tenant, witness.as_ref()).await {
                        Ok(true) => return Ok(Fate::Done),
                        Ok(false) if time + 1 < TRIES => {}
                        Ok(false) | Err(_) => return Err(Error::Broken(why)),
                    }
                }
            }
            if time + 1 < TRIES {
                self.breathe(time).await?;
            }
        }
        Err(Error::Busy)
    }

    async fn happened(&self, tenant: &TenantId, witness: Option<&Row>) -> Result<bool, Error> {
        let Some(witness) = witness else { return Ok(false) };
        Ok(self.read(tenant, &witness.address()).await?.is_some_and(|found| match witness {
            Row::Audit(_) => true,
            _ => found == *witness,
        }))
    }
}

/// The row that is in the store if the change happened, and only then.
fn witness(writes: &[Write]) -> Option<Row> {
    let audit = writes.iter().find_map(|write| match write {
        Write::Create(row @ Row::Audit(_)) => Some(row.clone()),
        _ => None,
    });
    audit.or_else(|| match writes.first() {
        Some(Write::Create(row)) => Some(row.clone().with_version(1)),
        Some(Write::Replace(row)) => Some(row.clone().with_version(row.version() + 1)),
        _ => None,
    })
}
