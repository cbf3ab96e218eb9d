//! Tickets, in the same file.
//!
//! ```text
//! send ─► LIVING ── handed out, hidden, seen again ──► LIVING … ── handed out the last time ──► SPENT ── told ──► DEAD
//! ```
//! What is hidden is seen again when its time has come, by the clock: nothing has to happen for that. A spent ticket that is
//! seen again is dead. A receiver that goes away while it is given a ticket leaves it hidden, as one that crashed would.
//!
//! Who waits is woken by what this process sends, and looks every 200 ms for what others sent or what is seen again.

use std::sync::Arc;
use std::time::Duration;

use outpost_core::moment::Moment;
use outpost_core::ports::{Chance, Clock, Delivery, Depth, Queue, RECEIVES, Ticket};
use outpost_core::store::{Pending, Problem};
use outpost_core::tenant::Tier;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::db::Database;

/// The longest that anybody waits.
const LONGEST: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(200);
const DEAD_HIDDEN: Duration = Duration::from_secs(60);

const LIVING: i64 = 0;
const SPENT: i64 = 1;
const DEAD: i64 = 2;

#[derive(Debug)]
pub(crate) struct Tickets {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    sent: [Notify; Tier::ALL.len()],
}

impl Tickets {
    pub(crate) fn new(database: Arc<Database>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self { database, clock, chance, sent: [const { Notify::const_new() }; Tier::ALL.len()] }
    }

    fn sent(&self, lane: Tier) -> &Notify {
        match lane {
            Tier::Free => &self.sent[0],
            Tier::Pro => &self.sent[1],
            Tier::Enterprise => &self.sent[2],
        }
    }

    fn receipt(&self) -> Result<[u8; 16], Problem> {
        let mut receipt = [0; 16];
        self.chance.fill(&mut receipt)?;
        Ok(receipt)
    }

    /// What is there now. It is looked for before it is written: who waits keeps nobody from writing.
    async fn take(&self, lane: Tier, hide: Duration) -> Result<Option<Delivery>, Problem> {
        let now = self.clock.now();
        let there = self.database.read(move |connection| Ok(next(connection, lane, now)?.is_some())).await?;
        if !there {
            return Ok(None);
        }
        let (receipt, until) = (self.receipt()?, now.plus(hide));
        let taken = self.database.write(move |connection| {
            let Some(id) = next(connection, lane, now)? else { return Ok(None) };
            let query = "UPDATE tickets SET receives = receives + 1, receipt = ?2, visible = ?3, \
                         state = CASE WHEN receives + 1 >= ?4 THEN ?5 ELSE ?6 END \
                         WHERE id = ?1 RETURNING id, lane, receives, receipt, ticket";
            let values = (id, receipt, until.millis(), RECEIVES, SPENT, LIVING);
            connection.prepare_cached(query)?.query_row(values, delivery).optional()
        });
        taken.await
    }
}

impl Queue for Tickets {
    fn send<'a>(&'a self, lane: Tier, ticket: &'a Ticket) -> Pending<'a, Result<(), Problem>> {
        let now = self.clock.now();
        Box::pin(async move {
            let text = serde_json::to_string(ticket).map_err(|error| Problem::Broken(format!("a ticket: {error}")))?;
            let sent = self.database.write(move |connection| {
                let query = "INSERT INTO tickets (lane, state, visible, receives, ticket) VALUES (?1, ?2, ?3, 0, ?4)";
                connection.prepare_cached(query)?.execute((lane.as_str(), LIVING, now.millis(), &text))
            });
            sent.await?;
            self.sent(lane).notify_waiters();
            Ok(())
        })
    }

    fn receive(&self, lane: Tier, wait: Duration, hide: Duration) -> Pending<'_, Result<Option<Delivery>, Problem>> {
        Box::pin(async move {
            let until = Instant::now() + wait.min(LONGEST);
            loop {
                // It listens before it looks, so that nothing comes between.
                let mut sent = std::pin::pin!(self.sent(lane).notified());
                sent.as_mut().enable();
                match self.take(lane, hide).await {
                    Ok(None) | Err(Problem::Busy) => {}
                    answer => return answer,
                }
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                // Told or not: it looks again.
                let _ = timeout(left.min(LOOK), sent).await;
            }
        })
    }

    fn hide<'a>(&'a self, delivery: &'a Delivery, hide: Duration) -> Pending<'a, Result<bool, Problem>> {
        let Some((id, receipt)) = held(&delivery.receipt) else { return Box::pin(async { Ok(false) }) };
        let now = self.clock.now();
        let until = now.plus(hide);
        let hidden = self.database.write(move |connection| {
            let query = "UPDATE tickets SET visible = ?3 WHERE id = ?1 AND receipt = ?2 AND visible > ?4";
            let values = (id, &receipt, until.millis(), now.millis());
            Ok(connection.prepare_cached(query)?.execute(values)? > 0)
        });
        Box::pin(async move {
            let ours = hidden.await?;
            if ours && hide.is_zero() {
                self.sent(delivery.lane).notify_waiters();
            }
            Ok(ours)
        })
    }

    fn remove<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        let Some((id, receipt)) = held(&delivery.receipt) else { return Box::pin(async { Ok(()) }) };
        let removed = self.database.write(move |connection| {
            let query = "DELETE FROM tickets WHERE id = ?1 AND receipt = ?2";
            connection.prepare_cached(query)?.execute((id, &receipt))
        });
        Box::pin(async { removed.await.map(drop) })
    }

    fn depth(&self, lane: Tier) -> Pending<'_, Result<Depth, Problem>> {
        let now = self.clock.now();
        self.database.read(move |connection| {
            let count = |condition: &str| -> rusqlite::Result<u64> {
                let query = format!("SELECT count(*) FROM tickets WHERE lane = ?1 AND {condition}");
                let count: i64 =
                    connection.prepare_cached(&query)?.query_row((lane.as_str(), now.millis()), |row| row.get(0))?;
                Ok(u64::try_from(count).unwrap_or(0))
            };
            let ready = count(&format!("state = {LIVING} AND visible <= ?2"))?;
            Ok(Depth { ready, hidden: count(&format!("state IN ({LIVING}, {SPENT}) AND visible > ?2"))? })
        })
    }

    fn dead(&self, most: usize) -> Pending<'_, Result<Vec<Delivery>, Problem>> {
        let (now, most) = (self.clock.now(), i64::try_from(most).unwrap_or(i64::MAX));
        let until = now.plus(DEAD_HIDDEN);
        let receipt = match self.receipt() {
            Ok(receipt) => receipt,
            Err(problem) => return Box::pin(async { Err(problem) }),
        };
        self.database.write(move |connection| {
            let found = {
                // All but the living.
                let query = "SELECT id FROM tickets WHERE state > 0 AND visible <= ?1 ORDER BY visible LIMIT ?2";
                let mut statement = connection.prepare_cached(query)?;
                let ids = statement.query_map((now.millis(), most), |row| row.get::<_, i64>(0))?;
                ids.collect::<rusqlite::Result<Vec<i64>>>()?
            };
            let query = "UPDATE tickets SET state = ?2, visible = ?3, receipt = ?4 WHERE id = ?1 \
                         RETURNING id, lane, receives, receipt, ticket";
            let mut statement = connection.prepare_cached(query)?;
            found.iter().map(|id| statement.query_row((id, DEAD, until.millis(), receipt), delivery)).collect()
        })
    }

    fn bury<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        self.remove(delivery)
    }
}

/// The one of a lane that was seen first.
fn next(connection: &Connection, lane: Tier, now: Moment) -> rusqlite::Result<Option<i64>> {
    let query = "SELECT id FROM tickets WHERE lane = ?1 AND state = ?2 AND visible <= ?3 ORDER BY visible, id LIMIT 1";
    let key = (lane.as_str(), LIVING, now.millis());
    connection.prepare_cached(query)?.query_row(key, |row| row.get(0)).optional()
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let unread = |column: usize| rusqlite::Error::InvalidColumnType(column, "a ticket".into(), Type::Text);
    let (id, lane, receives): (i64, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let lane = Tier::ALL.into_iter().find(|tier| tier.as_str() == lane).ok_or_else(|| unread(1))?;
    let receipt: [u8; 16] = row.get(3)?;
    let ticket: String = row.get(4)?;
    let ticket: Ticket = serde_json::from_str(&ticket).map_err(|_| unread(4))?;
    Ok(Delivery { ticket, lane, receipt: format!("{id}.{:032x}", u128::from_be_bytes(receipt)), receives })
}

/// What a receipt names: a ticket, and the one time that it was handed out.
fn held(receipt: &str) -> Option<(i64, [u8; 16])> {
    let (id, time) = receipt.split_once('.')?;
    Some((id.parse().ok()?, u128::from_str_radix(time, 16).ok()?.to_be_bytes()))
}
