//! A month of a service, day by day: what an invoice would name is what was done, to the job, the token and the day.
//!
//! Beside the desk a book is kept, of what was asked and answered only. It has a calendar, a tariff and subscriptions of its
//! own, and shares nothing with what it judges. It knows before each call how that has to end; afterwards the days, the
//! single charges and the sums of each month are the same in both, and no charge is in two months or in none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use outpost_core::actions::{Applied, Caller, Claimed, Desk, Error, RequestInfo, Subscription};
use outpost_core::job::{Outcome, Usage, Verdict};
use outpost_core::moment::{Day, Moment};
use outpost_core::spec::Spec;
use outpost_core::tenant::{Overrides, Tier};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::book::{Account, At, Kept, Sum, date, tariff};
use crate::set::{once, settings, spec, tenant, ticket, worker};
use crate::world::{Dice, Fault, World, alone};

const BEGIN: &str = "2028-01-30T21:00:00.000Z";
/// Days of which an invoice is made; February has 29.
const MONTHS: [(&str, &str); 3] =
    [("2028-01-30", "2028-01-31"), ("2028-02-01", "2028-02-29"), ("2028-03-01", "2028-03-04")];
const LEASE_MS: i64 = 100_000;

struct Month {
    world: Arc<World>,
    desk: Desk,
    dice: Dice,
    accounts: Vec<Account>,
    /// Events of the payment provider that are on their way, and how often each was taken.
    mail: Vec<(usize, Subscription, bool)>,
    count: i64,
}

impl Month {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let mut settings = settings();
        settings.lease = Duration::from_millis(LEASE_MS.unsigned_abs());
        let desk = world.desk(settings);
        world.state().now = BEGIN.parse().expect("a moment");
        let accounts = ["ada", "bob"].map(|name| {
            let (made, caller) = tenant(&desk, name, Tier::Free, Overrides::default());
            let customer = format!("cus_{name}");
            alone(desk.set_customer(&caller, &customer)).expect("a customer");
            Account {
                key: made.key.key.expect("a key").reveal().to_owned(),
                customer,
                told: BTreeMap::new(),
                taken: BTreeMap::new(),
                active: 0,
                charged: BTreeMap::new(),
                charges: BTreeMap::new(),
                jobs: Vec::new(),
            }
        });
        Self { world, desk, dice: Dice::new(seed), accounts: accounts.into(), mail: Vec::new(), count: 0 }
    }

    fn now(&self) -> i64 {
        self.world.state().now.millis()
    }

    fn caller(&self, who: usize) -> Caller {
        alone(self.desk.authenticate(&self.accounts[who].key, RequestInfo::default())).expect("a caller")
    }

    fn number(&mut self) -> i64 {
        self.count += 1;
        self.count
    }

    fn pick(&mut self, many: usize) -> usize {
        usize::try_from(self.dice.roll(many as u64)).expect("small")
    }

    fn submits(&mut self, who: usize) {
        let caller = self.caller(who);
        let burst = if self.dice.roll(4) == 0 { 14 } else { 1 };
        for _ in 0..burst {
            let (today, name) = (date(self.now()), format!("request-{}", self.number()));
            let once = once(&name, "a body");
            let (day, at_once) = tariff(self.accounts[who].price());
            let account = &mut self.accounts[who];
            let taken = account.taken.entry(today.clone()).or_default();
            let asked = || alone(self.desk.submit(&caller, Spec { timeout_seconds: 60, ..spec() }, Some(&once)));
            match asked() {
                Err(Error::Quota { limit, .. }) => assert!(*taken >= day && limit == day, "{taken} of {day}"),
                Err(Error::Concurrency { limit }) => assert!(*taken < day && account.active >= at_once, "{limit}"),
                Ok(made) => {
                    assert!(*taken < day && account.active < at_once, "{taken} of {day}, {}", account.active);
                    let id = made.accepted.value.id;
                    // The same request again is the same job.
                    let again = asked().expect("as before").accepted;
                    assert!(again.replayed && again.value.id == id);
                    *taken += 1;
                    account.active += 1;
                    let (at, stale) = (At::Waits, Vec::new());
                    account.jobs.push(Kept { id, day: today, began: false, losses: 0, at, stale });
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn one(&mut self, who: usize, fits: impl Fn(&Kept) -> bool) -> Option<usize> {
        let fitting: Vec<usize> =
            (0..self.accounts[who].jobs.len()).filter(|at| fits(&self.accounts[who].jobs[*at])).collect();
        if fitting.is_empty() { None } else { Some(fitting[self.pick(fitting.len())]) }
    }

    fn cancels(&mut self, who: usize) {
        let (caller, now) = (self.caller(who), self.now());
        let Some(at) = self.one(who, |job| !matches!(job.at, At::Over(_))) else { return };
        let account = &mut self.accounts[who];
        let job = &mut account.jobs[at];
        alone(self.desk.cancel(&caller, &job.id)).expect("cancelled");
        match &mut job.at {
            At::Runs { cancelled, .. } => *cancelled = true,
            at_now => {
                *at_now = At::Over(None);
                if job.began {
                    account.charge(at, now, Sum::default());
                } else {
                    *account.taken.get_mut(&job.day).expect("counted") -= 1;
                    account.active -= 1;
                }
            }
        }
    }

    fn claims(&mut self, who: usize) {
        let (caller, now) = (self.caller(who), self.now());
        let me = worker(u8::try_from(self.number() % 251).expect("small"));
        let Some(at) = self.one(who, |job| !matches!(job.at, At::Over(_))) else { return };
        let account = &mut self.accounts[who];
        let claimed = alone(self.desk.claim(&ticket(caller.id(), &account.jobs[at].id), &me)).expect("an answer");
        if let At::Runs { until, .. } = &account.jobs[at].at {
            if *until > now {
                assert!(matches!(claimed, Claimed::Held(_)), "{claimed:?}");
                return;
            }
            account.lose(at, now);
            if matches!(account.jobs[at].at, At::Over(_)) {
                assert_eq!(claimed, Claimed::Over);
                return;
            }
        }
        let Claimed::Yes(claim) = claimed else { panic!("{claimed:?}") };
        let job = &mut account.jobs[at];
        job.began = true;
        job.at = At::Runs { claim, until: now + LEASE_MS, cancelled: false };
    }

    fn finishes(&mut self, who: usize) {
        let now = self.now();
        let Some(at) = self.one(who, |job| matches!(job.at, At::Runs { .. })) else { return };
        let usage = Usage {
            input_tokens: self.dice.roll(90_000),
            output_tokens: self.dice.roll(9_000),
            micro_usd: self.dice.roll(5_000_000),
            duration_ms: self.dice.roll(60_000),
        };
        let result = [Verdict::Succeeded, Verdict::Succeeded, Verdict::Failed, Verdict::TimedOut][self.pick(4)];
        let account = &mut self.accounts[who];
        let At::Runs { claim, .. } = std::mem::replace(&mut account.jobs[at].at, At::Waits) else { panic!("it runs") };
        let outcome = Outcome { result, usage, ..crate::set::outcome(&claim) };
        alone(self.desk.finish(&claim, outcome.clone())).expect("an end");
        account.jobs[at].at = At::Over(Some((claim, outcome)));
        let succeeded = u64::from(result == Verdict::Succeeded);
        let Usage { input_tokens: input, output_tokens: output, micro_usd: micro, duration_ms: millis } = usage;
        account.charge(at, now, Sum { jobs: 0, succeeded, input, output, micro, millis });
    }

    /// Whoever brings an end twice, or comes back with a claim that is over, charges nobody.
    fn repeats(&mut self, who: usize) {
        if let Some(at) = self.one(who, |job| matches!(job.at, At::Over(Some(_)))) {
            let At::Over(Some((claim, outcome))) = &self.accounts[who].jobs[at].at else { panic!("it is over") };
            alone(self.desk.finish(claim, outcome.clone())).expect("as before");
        }
        if let Some(at) = self.one(who, |job| !job.stale.is_empty()) {
            let claim = &self.accounts[who].jobs[at].stale[0];
            let brought = alone(self.desk.finish(claim, crate::set::outcome(claim)));
            assert!(matches!(brought, Err(Error::NotYours(_))), "{brought:?}");
        }
    }

    fn hands_back(&mut self, who: usize) {
        let now = self.now();
        let Some(at) = self.one(who, |job| matches!(job.at, At::Runs { .. })) else { return };
        let account = &mut self.accounts[who];
        let At::Runs { claim, cancelled, .. } = std::mem::replace(&mut account.jobs[at].at, At::Waits) else {
            panic!("it runs")
        };
        alone(self.desk.hand_back(&claim)).expect("back");
        account.jobs[at].stale.push(*claim);
        if cancelled {
            account.jobs[at].at = At::Over(None);
            account.charge(at, now, Sum::default());
        }
    }

    fn reaps(&mut self) {
        let now = self.now();
        // Its own faults are told, and made up for in the next round: here it is to be known what it did.
        self.world.state().next.clear();
        let done = alone(self.desk.tick());
        assert_eq!(done.problems, [] as [String; 0]);
        for account in &mut self.accounts {
            for at in 0..account.jobs.len() {
                if matches!(account.jobs[at].at, At::Runs { until, .. } if until + 60_000 <= now) {
                    account.lose(at, now);
                }
            }
        }
    }

    /// The payment provider makes an event; it comes when it comes.
    fn subscribes(&mut self, who: usize) {
        let number = self.number();
        let subscription = format!("sub_{who}_{}", self.dice.roll(3));
        let status = ["active", "active", "active", "past_due", "unpaid", "canceled"][self.pick(6)];
        let price = ["price_pro", "price_ent"][self.pick(2)];
        let created_at = Moment::from_millis(self.now() - self.now() % 1000 + number * 1000);
        let event = Subscription {
            event: format!("evt_{number}"),
            kind: "customer.subscription.updated".to_owned(),
            created_at,
            customer: self.accounts[who].customer.clone(),
            tenant: None,
            // One that was cancelled never comes back: the next one has another name.
            subscription: format!("{subscription}_{}", number / 40),
            status: status.to_owned(),
            price: Some(price.to_owned()),
        };
        self.mail.push((who, event, false));
    }

    fn delivers(&mut self) {
        if self.mail.is_empty() {
            return;
        }
        let at = self.pick(self.mail.len());
        let again = self.dice.roll(3) == 0;
        let (who, event, before) = &mut self.mail[at];
        let applied = alone(self.desk.apply(event)).expect("taken");
        assert_eq!(applied == Applied::Before, *before, "{event:?}");
        if !*before {
            let status = ["active", "past_due", "unpaid", "canceled"].into_iter().find(|known| *known == event.status);
            let price = ["price_pro", "price_ent"].into_iter().find(|known| event.price.as_deref() == Some(*known));
            let told = (event.created_at.millis(), status.expect("known"), price.expect("known"));
            self.accounts[*who].told.entry(event.subscription.clone()).or_default().push(told);
        }
        *before = true;
        if !again {
            drop(self.mail.swap_remove(at));
        }
    }

    fn step(&mut self) {
        // What was done, and not told: or what has to be tried again.
        match self.dice.roll(8) {
            0 => self.world.state().next = vec![Fault::After],
            1 => self.world.state().next = vec![Fault::Busy],
            _ => self.world.state().next.clear(),
        }
        let who = self.pick(self.accounts.len());
        match self.dice.roll(20) {
            0..4 => self.submits(who),
            4 => self.cancels(who),
            5..9 => self.claims(who),
            9..14 => self.finishes(who),
            14 => self.hands_back(who),
            15 => self.repeats(who),
            16 => self.reaps(),
            17 => self.subscribes(who),
            _ => self.delivers(),
        }
        self.world.state().next.clear();
        let pause = if self.dice.roll(3) == 0 { 10 * 3_600_000 } else { 90_000 };
        self.world.pass(Duration::from_millis(self.dice.roll(pause)));
        self.looks(who);
    }

    /// What a tenant is told of today.
    fn looks(&self, who: usize) {
        let told = alone(self.desk.usage(&self.caller(who))).expect("usage");
        let account = &self.accounts[who];
        assert_eq!(told.jobs_today, account.taken.get(&date(self.now())).copied().unwrap_or(0));
        assert_eq!(told.active, account.active);
        assert_eq!(told.jobs_per_day.unwrap_or(u64::MAX), tariff(account.price()).0, "the tier that is paid");
    }

    /// What invoices would name, from both sides.
    fn invoices(&self) {
        for (who, account) in self.accounts.iter().enumerate() {
            let caller = self.caller(who);
            let mut charged = BTreeSet::new();
            let mut whole = Sum::default();
            for (first, last) in MONTHS {
                let day = |text: &str| text.parse::<Day>().expect("a day");
                let days = alone(self.desk.usage_by_day(&caller, day(first), day(last))).expect("a month");
                let mut invoice = Sum::default();
                for told in &days {
                    let sum = Sum {
                        jobs: told.jobs,
                        succeeded: told.succeeded,
                        input: told.input_tokens,
                        output: told.output_tokens,
                        micro: told.micro_usd,
                        millis: told.duration_ms,
                    };
                    assert_eq!(
                        sum,
                        account.charged.get(&told.day.to_string()).copied().unwrap_or_default(),
                        "{}",
                        told.day
                    );
                    invoice.add(sum);
                }
                let (mut events, mut cursor) = (Sum::default(), None::<String>);
                loop {
                    let (from, to) = (day(first).begins(), day(last).ends());
                    let page = alone(self.desk.usage_events(&caller, from, to, 7, cursor.as_deref())).expect("a page");
                    for event in page.rows {
                        assert!(charged.insert(event.job.to_string()), "{} is in an invoice twice", event.job);
                        assert_eq!(account.charges.get(event.job.as_str()), Some(&date(event.at.millis())));
                        events.add(Sum {
                            jobs: 1,
                            succeeded: u64::from(event.status == outpost_core::job::Status::Succeeded),
                            input: event.usage.input_tokens,
                            output: event.usage.output_tokens,
                            micro: event.usage.micro_usd,
                            millis: event.usage.duration_ms,
                        });
                    }
                    cursor = page.cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(events, invoice, "single charges and days of {first} to {last}");
                whole.add(invoice);
            }
            assert!(charged.iter().eq(account.charges.keys()), "all that was charged is in an invoice");
            let mut book = Sum::default();
            account.charged.values().for_each(|sum| book.add(*sum));
            assert_eq!(whole, book);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_used_is_what_is_invoiced(seed in any::<u64>()) {
        let mut month = Month::new(seed);
        let mut steps = 0;
        while date(month.now()).as_str() < "2028-03-03" {
            month.step();
            steps += 1;
        }
        month.invoices();
        let charges: usize = month.accounts.iter().map(|account| account.charges.len()).sum();
        assert!(steps > 200 && charges > 20, "{steps} steps, {charges} charges: too little to judge by");
    }
}
