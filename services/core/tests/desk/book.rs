//! The book of [`crate::month`]: what was asked and answered, and what follows from it by a calendar, a tariff and
//! subscriptions of its own.

use std::collections::BTreeMap;

use outpost_core::actions::Claim;
use outpost_core::id::JobId;
use outpost_core::job::Outcome;

/// A day of the Gregorian calendar, by counting.
pub(crate) fn date(millis: i64) -> String {
    let (mut year, mut left) = (1970, millis / 86_400_000);
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", left + 1)
}

/// Jobs on a day and at once.
pub(crate) fn tariff(price: Option<&str>) -> (u64, u64) {
    match price {
        None => (10, 1),
        Some("price_pro") => (100, 10),
        Some(_) => (u64::MAX, 50),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) jobs: u64,
    pub(crate) succeeded: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) micro: u64,
    pub(crate) millis: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.succeeded += other.succeeded;
        self.input += other.input;
        self.output += other.output;
        self.micro += other.micro;
        self.millis += other.millis;
    }
}

#[derive(Debug)]
pub(crate) enum At {
    Waits,
    Runs { claim: Box<Claim>, until: i64, cancelled: bool },
    Over(Option<(Box<Claim>, Outcome)>),
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: JobId,
    pub(crate) day: String,
    pub(crate) began: bool,
    pub(crate) losses: u32,
    pub(crate) at: At,
    /// Claims that are over; whoever has one may still come back with it.
    pub(crate) stale: Vec<Claim>,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) key: String,
    pub(crate) customer: String,
    /// What was told of each subscription: when that was made, its status and its price.
    pub(crate) told: BTreeMap<String, Vec<(i64, &'static str, &'static str)>>,
    pub(crate) taken: BTreeMap<String, u64>,
    pub(crate) active: u64,
    pub(crate) charged: BTreeMap<String, Sum>,
    pub(crate) charges: BTreeMap<String, String>,
    pub(crate) jobs: Vec<Kept>,
}

impl Account {
    /// The best price that is paid now, as far as it was told.
    pub(crate) fn price(&self) -> Option<&'static str> {
        let paid = self.told.values().filter_map(|told| {
            let ended = told.iter().any(|(_, status, _)| *status == "canceled");
            let (_, status, price) = told.iter().max_by_key(|(at, ..)| *at)?;
            (!ended && matches!(*status, "active" | "past_due")).then_some(*price)
        });
        // `price_ent` comes before `price_pro`.
        paid.min()
    }

    pub(crate) fn charge(&mut self, at: usize, now: i64, sum: Sum) {
        let job = &mut self.jobs[at];
        let before = self.charges.insert(job.id.to_string(), date(now));
        assert_eq!(before, None, "the book itself charges once");
        self.charged.entry(date(now)).or_default().add(Sum { jobs: 1, ..sum });
        self.active -= 1;
    }

    /// A worker was not heard of: the job waits again, or this ends it.
    pub(crate) fn lose(&mut self, at: usize, now: i64) {
        let job = &mut self.jobs[at];
        let At::Runs { claim, cancelled, .. } = std::mem::replace(&mut job.at, At::Waits) else { panic!("it runs") };
        job.stale.push(*claim);
        job.losses += 1;
        if cancelled || job.losses == 3 {
            job.at = At::Over(None);
            self.charge(at, now, Sum::default());
        }
    }
}
