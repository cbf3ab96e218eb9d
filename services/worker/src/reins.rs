//! Why what runs for a job has to end before it ends by itself.
//!
//! One of these goes with each job; whoever finds a reason pulls, and the first reason stays, but for the loss of the
//! lease: from then on nothing that comes of the job counts, whatever else was the matter.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The tenant does not want it any more.
    Cancelled,
    /// It takes more room than it may.
    DiskFull,
    /// The worker has to go.
    Leaving,
    /// Another worker may have it.
    Lost,
}

#[derive(Clone, Debug)]
pub(crate) struct Reins(watch::Sender<Option<Cause>>);

impl Reins {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn pull(&self, cause: Cause) {
        self.0.send_if_modified(|now| {
            let changes = now.is_none() || (cause == Cause::Lost && *now != Some(Cause::Lost));
            if changes {
                *now = Some(cause);
            }
            changes
        });
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        *self.0.borrow()
    }

    /// Ready when there is a reason.
    pub(crate) async fn pulled(&self) -> Cause {
        let mut heard = self.0.subscribe();
        loop {
            if let Some(cause) = *heard.borrow_and_update() {
                return cause;
            }
            if heard.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ready when the lease is lost.
    pub(crate) async fn lost(&self) {
        let mut heard = self.0.subscribe();
        if heard.wait_for(|cause| *cause == Some(Cause::Lost)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Reins};

    #[test]
    fn the_first_reason_stays_unless_the_lease_is_lost() {
        let reins = Reins::new();
        assert_eq!(reins.cause(), None);
        for (pulled, left) in [
            (Cause::DiskFull, Cause::DiskFull),
            (Cause::Cancelled, Cause::DiskFull),
            (Cause::Lost, Cause::Lost),
            (Cause::Leaving, Cause::Lost),
        ] {
            reins.pull(pulled);
            assert_eq!(reins.cause(), Some(left));
        }
    }
}
