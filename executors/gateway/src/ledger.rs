//! Who may still spend: one account for the attempt, with what is in flight counted before it is sent.
//!
//! ```text
//! admit ─► held ─► settle(reported)      spent, exactly
//!            ├──► release                 the provider did not take it: nothing was spent
//!            └──► (dropped)               unreported: counts as it was estimated
//! ```
//! A call is admitted when nothing spends beside it and a cap is not yet spent, or when it fits beside all that is in
//! flight by its own limit. Else it waits for the others. So calls at once never spend the remainder twice, and the
//! attempt ends above a cap by no more than its last call, and by what those beside it use beyond their estimates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ask::Ask;
use crate::prices::{Price, Prices};
use crate::refusal::Refusal;
use crate::settings::Caps;
use crate::usage::{Cap, Counts, Usage};

/// 10⁻¹² dollars in a millionth of one.
const PICO: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    tokens: u64,
    pico_usd: u64,
    requests: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            pico_usd: self.pico_usd.saturating_add(other.pico_usd),
            requests: self.requests.saturating_add(other.requests),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            pico_usd: self.pico_usd.saturating_sub(other.pico_usd),
            requests: self.requests.saturating_sub(other.requests),
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    usage: Usage,
    /// What was reported, and what was not but has to be counted.
    spent: Amount,
    /// Of that, the cost of what was reported.
    reported_pico: u64,
    unreported_pico: u64,
    held: Amount,
    stopped: Option<Cap>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    caps: Caps,
    prices: Prices,
    account: Mutex<Account>,
    freed: Notify,
}

impl Ledger {
    pub(crate) fn new(caps: Caps, prices: Prices) -> Arc<Self> {
        Arc::new(Self { caps, prices, account: Mutex::default(), freed: Notify::new() })
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in flight is not reported yet: whoever asks may be about to end it.
    pub(crate) fn usage(&self) -> Usage {
        let account = self.account();
        let (usage, held) = (&account.usage, account.held);
        Usage {
            unreported: usage.unreported.saturating_add(held.requests),
            unreported_tokens: usage.unreported_tokens.saturating_add(held.tokens),
            held_tokens: held.tokens,
            held_micro_usd: held.pico_usd / PICO,
            micro_usd: account.reported_pico.div_ceil(PICO),
            unreported_micro_usd: account.unreported_pico.saturating_add(held.pico_usd).div_ceil(PICO),
            ..*usage
        }
    }

    pub(crate) fn stopped_by(&self) -> Option<Cap> {
        self.account().stopped
    }

    /// The first cap that this amount reaches, or would go beyond.
    fn reached(&self, amount: Amount, beyond: bool) -> Option<Cap> {
        let over =
            |cap: Option<u64>, amount: u64| cap.is_some_and(|cap| if beyond { amount > cap } else { amount >= cap });
        let usd = self.caps.micro_usd.map(|cap| cap.saturating_mul(PICO));
        if over(usd, amount.pico_usd) {
            Some(Cap::Usd)
        } else if over(self.caps.tokens, amount.tokens) {
            Some(Cap::Tokens)
        } else if over(self.caps.requests, amount.requests) {
            Some(Cap::Requests)
        } else {
            None
        }
    }

    /// Waits until the call may be sent, or refuses it for good.
    pub(crate) async fn admit(self: &Arc<Self>, ask: &Ask) -> Result<Hold, Refusal> {
        let price = self.prices.of(&ask.model).copied();
        if price.is_none() && self.caps.micro_usd.is_some() && self.caps.tokens.is_none() {
            return Err(Refusal::Unpriced(ask.model.chars().take(100).collect()));
        }
        let estimate = Counts { input: ask.prompt, output: ask.output, ..Counts::default() };
        let amount = Amount { tokens: estimate.total(), pico_usd: estimate.cost(price.as_ref()), requests: 1 };
        loop {
            // Enabled before looking, so that a call that ends between looking and waiting still wakes this one.
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            {
                let mut account = self.account();
                if let Some(cap) = self.reached(account.spent, false) {
                    account.stopped.get_or_insert(cap);
                    return Err(Refusal::Spent(cap));
                }
                let all = account.spent.plus(account.held).plus(amount);
                if account.held.requests == 0 || self.reached(all, true).is_none() {
                    account.held = account.held.plus(amount);
                    return Ok(Hold { ledger: Arc::clone(self), amount, price, sent: false, open: true });
                }
            }
            freed.await;
        }
    }
}

/// The right to make one call. Dropped without a word, a call that was sent counts as it was estimated.
#[derive(Debug)]
pub(crate) struct Hold {
    ledger: Arc<Ledger>,
    amount: Amount,
    price: Option<Price>,
    sent: bool,
    open: bool,
}

impl Hold {
    pub(crate) fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The provider did not take the call.
    pub(crate) fn release(mut self) {
        self.close(|account, _, _| account.usage.failed += 1);
    }

    /// The provider took it. What is not `complete` is all that was heard of it.
    pub(crate) fn settle(&mut self, counts: &Counts, complete: bool) {
        self.close(|account, amount, price| {
            let usage = &mut account.usage;
            usage.requests += 1;
            usage.unpriced += u64::from(price.is_none());
            usage.input = usage.input.saturating_add(counts.input);
            usage.cached = usage.cached.saturating_add(counts.cached);
            usage.written = usage.written.saturating_add(counts.written).saturating_add(counts.written_1h);
            usage.output = usage.output.saturating_add(counts.output);
            let heard = Amount { tokens: counts.total(), pico_usd: counts.cost(price), requests: 1 };
            account.reported_pico = account.reported_pico.saturating_add(heard.pico_usd);
            account.spent = account.spent.plus(heard);
            if !complete {
                let rest = amount.minus(heard);
                usage.unreported += 1;
                usage.unreported_tokens = usage.unreported_tokens.saturating_add(rest.tokens);
                account.unreported_pico = account.unreported_pico.saturating_add(rest.pico_usd);
                account.spent = account.spent.plus(Amount { requests: 0, ..rest });
            }
        });
    }

    fn close(&mut self, book: impl FnOnce(&mut Account, Amount, Option<&Price>)) {
        if std::mem::take(&mut self.open) {
            let mut account = self.ledger.account();
            account.held = account.held.minus(self.amount);
            book(&mut account, self.amount, self.price.as_ref());
            drop(account);
            self.ledger.freed.notify_waiters();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.sent {
            self.settle(&Counts::default(), false);
        } else {
            self.close(|_, _, _| {});
        }
    }
}
