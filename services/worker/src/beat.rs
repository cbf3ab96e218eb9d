//! Shows that a worker is still there: renews the lease of its job and hides its ticket, at a third of the lease.
//!
//! It pulls the reins when the tenant does not want the job any more, when another worker has it, and when the desk could
//! not be asked twice in a row: then what runs has the last third of the lease to end.

use std::sync::Arc;
use std::time::Duration;

use outpost_core::actions::{Claim, Desk, Error};
use outpost_core::job::Directive;
use outpost_core::ports::Delivery;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::reins::{Cause, Reins};

/// Beats until it is dropped.
#[derive(Debug)]
pub(crate) struct Beat(JoinHandle<()>);

impl Beat {
    /// `since`: when the claim was asked for.
    pub(crate) fn start(
        desk: Desk,
        claim: Arc<Claim>,
        delivery: Arc<Delivery>,
        hide: Duration,
        (reins, since): (Reins, Instant),
    ) -> Self {
        Self(tokio::spawn(async move { beat(&desk, &claim, &delivery, hide, &reins, since).await }))
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn beat(desk: &Desk, claim: &Claim, delivery: &Delivery, hide: Duration, reins: &Reins, since: Instant) {
    let lease = desk.settings().lease;
    let pause = lease / 3;
    let (mut sure, mut failures) = (since + lease, 0);
    loop {
        sleep(pause).await;
        let asked = Instant::now();
        match timeout(pause, desk.renew(claim)).await {
            Ok(Ok(directive)) => {
                (sure, failures) = (asked + lease, 0);
                if directive == Directive::Stop {
                    reins.pull(Cause::Cancelled);
                }
                // What becomes of the ticket is no matter of life and death: the row of the job says whose it is.
                match timeout(pause, desk.ports().queue.hide(delivery, hide)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(problem)) => warn!(job = %delivery.ticket.job, %problem, "a ticket could not be hidden"),
                    Err(_) => warn!(job = %delivery.ticket.job, "a ticket could not be hidden in time"),
                }
                continue;
            }
            Ok(Err(Error::NotYours(_) | Error::NotFound(_))) => {
                reins.pull(Cause::Lost);
                return;
            }
            Ok(Err(error)) => warn!(job = %delivery.ticket.job, %error, "a lease could not be renewed"),
            Err(_) => warn!(job = %delivery.ticket.job, "a lease could not be renewed in time"),
        }
        failures += 1;
        if failures >= 2 || Instant::now() >= sure {
            reins.pull(Cause::Lost);
            return;
        }
    }
}
