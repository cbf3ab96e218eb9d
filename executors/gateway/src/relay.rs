//! An answer on its way to the agent: every piece is passed on as it comes, and read by the meter.
//!
//! The account is settled before the agent sees the end. Dropped early (the agent went away, the provider hung up),
//! it settles with what was heard.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::ledger::Hold;
use crate::meter::Meter;

/// When a model last sent a byte of an answer. A call, a refusal and a provider that is busy are no sign of life: an agent
/// that tries for ever would have one for ever.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    start: Instant,
    millis: Arc<AtomicU64>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), millis: Arc::default() }
    }

    pub(crate) fn beat(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_max(millis, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }
}

/// What is known of an answer that is counted.
pub(crate) struct Account {
    meter: Meter,
    hold: Hold,
    pulse: Pulse,
}

impl Account {
    /// The answer began.
    pub(crate) fn open(meter: Meter, hold: Hold, pulse: &Pulse) -> Self {
        pulse.beat();
        Self { meter, hold, pulse: pulse.clone() }
    }
}

pub(crate) struct Relay {
    inner: reqwest::Body,
    /// Until it is settled; `None` also for what is not counted.
    account: Option<Account>,
}

impl Relay {
    pub(crate) fn new(inner: reqwest::Body, account: Option<Account>) -> Self {
        Self { inner, account }
    }

    fn settle(&mut self, ended: bool) {
        if let Some(Account { mut meter, mut hold, .. }) = self.account.take() {
            if ended {
                meter.end();
            }
            hold.settle(meter.counts(), meter.is_complete());
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let next = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &next {
            Some(Ok(frame)) => {
                if let (Some(data), Some(account)) = (frame.data_ref(), &mut self.account) {
                    account.pulse.beat();
                    account.meter.push(data);
                }
                if self.inner.is_end_stream() {
                    self.settle(true);
                }
            }
            Some(Err(_)) => self.settle(false),
            None => self.settle(true),
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let ended = self.inner.is_end_stream();
        self.settle(ended);
    }
}
