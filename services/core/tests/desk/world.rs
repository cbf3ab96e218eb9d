//! A world in memory for the desk: every port, faults on demand, and a ledger that no commit gets past.
//!
//! It shares no code with the adapters and none with the actions. Each call of a port lets the others go first once, so that
//! whoever polls the actors decides how they are interleaved. After every commit the ledger counts everything anew from the
//! rows, and compares: a counter that is off by one for a moment is found in that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use outpost_core::actions::{Desk, Ports, Settings};
use outpost_core::id::{JobId, TenantId};
use outpost_core::job::{Job, Status};
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, Ticket};
use outpost_core::record::Counter;
use outpost_core::store::{Address, Problem, Row, Table, Write};
use outpost_core::tenant::Tier;

/// xorshift: the same numbers from the same seed.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Of a thousand calls, how many fail, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) busy: u64,
    pub(crate) broken_before: u64,
    pub(crate) broken_after: u64,
    pub(crate) reads: u64,
    pub(crate) queue: u64,
}

type Place = (u8, String, String);

#[derive(Debug)]
pub(crate) struct Lying {
    pub(crate) ticket: Ticket,
    pub(crate) hidden_until: Moment,
    pub(crate) receives: u32,
    pub(crate) receipt: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Moment,
    pub(crate) faults: Faults,
    pub(crate) dice: Dice,
    pub(crate) rows: BTreeMap<Place, Row>,
    counters: BTreeMap<(TenantId, String), u64>,
    pub(crate) throttles: BTreeMap<String, u64>,
    pub(crate) queue: Vec<(Tier, Lying)>,
    pub(crate) dead: Vec<(Tier, Lying)>,
    pub(crate) blobs: BTreeMap<(TenantId, String), Vec<u8>>,
    pub(crate) vault: BTreeMap<(TenantId, String), Secret>,
    pub(crate) reads: u64,
    pub(crate) commits: u64,
    pub(crate) sent: u64,
    /// How often workers were called for.
    pub(crate) woken: u64,
    /// Faults that are given to the next commits, before any that are rolled.
    pub(crate) next: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Busy,
    Before,
    After,
}

#[derive(Debug)]
pub(crate) struct World(Mutex<State>);

fn place(row: &Row) -> Place {
    let address = row.address();
    at(&address)
}

pub(crate) fn at(address: &Address) -> Place {
    let table = Table::ALL.iter().position(|table| *table == address.table).expect("a table");
    (u8::try_from(table).expect("few tables"), address.partition.clone(), address.sort.clone())
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            now: "2026-11-21T23:00:00.000Z".parse().expect("a moment"),
            faults: Faults::default(),
            dice: Dice::new(seed),
            rows: BTreeMap::new(),
            counters: BTreeMap::new(),
            throttles: BTreeMap::new(),
            queue: Vec::new(),
            dead: Vec::new(),
            blobs: BTreeMap::new(),
            vault: BTreeMap::new(),
            reads: 0,
            commits: 0,
            sent: 0,
            woken: 0,
            next: Vec::new(),
        })))
    }

    pub(crate) fn desk(self: &Arc<Self>, settings: Settings) -> Desk {
        let ports = Ports {
            store: self.clone(),
            house: self.clone(),
            queue: self.clone(),
            blobs: self.clone(),
            vault: self.clone(),
            wake: self.clone(),
            clock: self.clone(),
            chance: self.clone(),
            pause: self.clone(),
        };
        Desk::new(ports, settings)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic before")
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut state = self.state();
        state.now = state.now.plus(time);
    }

    pub(crate) fn jobs_now(&self) -> Vec<Job> {
        self.state().jobs()
    }

    pub(crate) fn counter(&self, tenant: &TenantId, counter: Counter) -> u64 {
        self.state().counters.get(&(tenant.clone(), counter.name())).copied().unwrap_or(0)
    }

    pub(crate) fn rows_of(&self, pick: impl Fn(&Row) -> bool) -> usize {
        self.state().rows.values().filter(|row| pick(row)).count()
    }
}

impl State {
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let jobs = self.rows.values().filter_map(|row| match row {
            Row::Job(job) => Some((**job).clone()),
            _ => None,
        });
        jobs.collect()
    }

    pub(crate) fn alive(&self, place: &Place) -> Option<&Row> {
        self.rows.get(place).filter(|row| row.expires().is_none_or(|at| at > self.now))
    }

    pub(crate) fn read_fault(&mut self) -> Result<(), Problem> {
        self.reads += 1;
        match self.dice.roll(1000) {
            roll if roll < self.faults.reads / 2 => Err(Problem::Busy),
            roll if roll < self.faults.reads => Err(Problem::Broken("a read".to_owned())),
            _ => Ok(()),
        }
    }

    pub(crate) fn fault(&mut self) -> Fault {
        if !self.next.is_empty() {
            return self.next.remove(0);
        }
        let roll = self.dice.roll(1000);
        let Faults { busy, broken_before, broken_after, .. } = self.faults;
        match roll {
            _ if roll < busy => Fault::Busy,
            _ if roll < busy + broken_before => Fault::Before,
            _ if roll < busy + broken_before + broken_after => Fault::After,
            _ => Fault::None,
        }
    }

    pub(crate) fn change(&mut self, tenant: &TenantId, writes: Vec<Write>) -> Result<(), Problem> {
        Write::fit(tenant, &writes)?;
        let (mut rows, mut counters) = (self.rows.clone(), self.counters.clone());
        for (number, write) in writes.into_iter().enumerate() {
            let refused = Err(Problem::Refused(number));
            match write {
                Write::Create(row) => {
                    if row.tenant() != tenant || self.alive(&place(&row)).is_some() {
                        return refused;
                    }
                    rows.insert(place(&row), row.with_version(1));
                }
                Write::Replace(row) => {
                    let Some(before) = self.alive(&place(&row)) else { return refused };
                    if row.tenant() != tenant || before.tenant() != tenant || before.version() != row.version() {
                        return refused;
                    }
                    if let (Row::Job(before), Row::Job(after)) = (before, &row) {
                        judge(before, after);
                    }
                    let version = row.version() + 1;
                    rows.insert(place(&row), row.with_version(version));
                }
                Write::Remove { address, version } => {
                    if self.alive(&at(&address)).is_none_or(|row| row.version() != version || row.tenant() != tenant) {
                        return refused;
                    }
                    rows.remove(&at(&address));
                }
                Write::Count { counter, add, most } => {
                    let stands = counters.entry((tenant.clone(), counter.name())).or_default();
                    let Some(sum) = stands.checked_add_signed(add) else { return refused };
                    if most.is_some_and(|most| sum > most) {
                        return refused;
                    }
                    *stands = sum;
                }
            }
        }
        (self.rows, self.counters) = (rows, counters);
        self.commits += 1;
        self.audit(tenant);
        Ok(())
    }

    /// Counts everything anew.
    fn audit(&self, tenant: &TenantId) {
        let jobs: Vec<Job> = self.jobs().into_iter().filter(|job| job.tenant == *tenant).collect();
        let active = jobs.iter().filter(|job| !job.status.is_final()).count() as u64;
        assert_eq!(self.counters.get(&(tenant.clone(), "active".to_owned())).copied().unwrap_or(0), active, "active");
        let days: BTreeSet<_> = jobs.iter().map(|job| job.created_at.day()).collect();
        for day in days {
            let taken = jobs.iter().filter(|job| job.created_at.day() == day);
            let taken = taken.filter(|job| job.epoch > 0 || !job.status.is_final()).count() as u64;
            let counted = self.counters.get(&(tenant.clone(), format!("day#{day}"))).copied().unwrap_or(0);
            assert_eq!(counted, taken, "places of {day}");
        }
        let mut charged: Vec<&JobId> = Vec::new();
        for row in self.rows.values() {
            if let Row::Usage(event) = row
                && event.tenant == *tenant
            {
                charged.push(&event.job);
            }
        }
        let mut expected: Vec<&JobId> =
            jobs.iter().filter(|job| job.epoch > 0 && job.status.is_final()).map(|job| &job.id).collect();
        charged.sort();
        expected.sort();
        assert_eq!(charged, expected, "one charge for each job that began and ended");
    }
}

/// What may never be written of a job, whoever asks: this knows nothing of how changes are made.
fn judge(before: &Job, after: &Job) {
    assert!(!before.status.is_final(), "a final job was changed: {before:?} -> {after:?}");
    assert!(after.epoch == before.epoch || after.epoch == before.epoch + 1, "the epoch went {after:?}");
    assert_eq!((&before.spec, before.created_at, &before.id), (&after.spec, after.created_at, &after.id));
    assert!(before.status != Status::Cancelling || after.status != Status::Running || after.epoch > before.epoch);
    if before.status == Status::Cancelling {
        assert!(after.status == Status::Cancelling || after.status.is_final(), "a cancelled job went on: {after:?}");
    }
    // Workers of these tests sign what they bring with their name and epoch.
    if let Some(by) = after.outcome.as_ref().and_then(|outcome| outcome.message.strip_prefix("by ")) {
        let lease = before.lease.as_ref().expect("only who holds it brings an end");
        assert_eq!(by, format!("{} {}", lease.worker, before.epoch), "a fenced worker wrote");
    }
}

/// Lets everybody else go first, once.
pub(crate) async fn aside() {
    let mut seen = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut seen, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Runs a future to its end, alone.
pub(crate) fn alone<F: Future + Send>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it never ends");
}

/// An actor that can be polled when it is its turn, and dropped wherever it is.
pub(crate) type Actor = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) fn step(actor: &mut Actor) -> bool {
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Runs two, one of them ahead of the other by so many steps.
pub(crate) fn both<A: Send, B: Send>(
    ahead: usize,
    one: impl Future<Output = A> + Send,
    other: impl Future<Output = B> + Send,
) -> (A, B) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (None, None);
    let mut context = Context::from_waker(Waker::noop());
    for step in 0..1_000_000 {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(&mut context)
        {
            first = Some(value);
        }
        if second.is_none()
            && step >= ahead
            && let Poll::Ready(value) = other.as_mut().poll(&mut context)
        {
            second = Some(value);
        }
        if let (Some(_), Some(_)) = (&first, &second) {
            break;
        }
    }
    (first.expect("it ends"), second.expect("it ends"))
}
