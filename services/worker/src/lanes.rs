//! Which ticket is next.
//!
//! Short polls in strict order, enterprise before pro before free. Only when all three are empty, all three are waited
//! for at once, each in a task of its own that nobody interrupts: a call that is dropped may have taken a ticket. After
//! ten picks from higher lanes the next one is free's, so free has a share of 1/11 at least.
//!
//! What such a task brings while no slot is free goes back: a fresh ticket is sent, then the old one removed. To show it
//! again would count as having handed it out for nothing.

use std::sync::Arc;
use std::time::Duration;

use outpost_core::ports::{Delivery, Queue};
use outpost_core::store::Problem;
use outpost_core::tenant::Tier;
use tokio::task::JoinSet;
use tracing::warn;

/// Picks from higher lanes in a row.
const HIGHER: u32 = 10;
/// After a queue that failed.
const BREATH: Duration = Duration::from_secs(1);
/// How long calls that wait are given to end by themselves when the worker goes.
const CLOSING: Duration = Duration::from_secs(1);

type Brought = (Tier, Result<Option<Delivery>, Problem>);

/// The three lanes, as one worker takes from them.
#[derive(Debug)]
pub(crate) struct Lanes {
    queue: Arc<dyn Queue>,
    hide: Duration,
    wait: Duration,
    higher: u32,
    waiting: JoinSet<Brought>,
    /// Whether a lane is waited for, in the order of `Tier::ALL`.
    waited: [bool; Tier::ALL.len()],
    /// What a task brought that nobody has picked.
    kept: Vec<Delivery>,
}

impl Lanes {
    pub(crate) fn new(queue: Arc<dyn Queue>, hide: Duration, wait: Duration) -> Self {
        Self {
            queue,
            hide,
            wait,
            higher: 0,
            waiting: JoinSet::new(),
            waited: [false; Tier::ALL.len()],
            kept: Vec::new(),
        }
    }

    fn order(&self) -> [Tier; 3] {
        if self.higher >= HIGHER {
            [Tier::Free, Tier::Enterprise, Tier::Pro]
        } else {
            [Tier::Enterprise, Tier::Pro, Tier::Free]
        }
    }

    /// What is there now, in the order of the lanes. Not to be dropped half-way.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        for lane in self.order() {
            let kept = self.kept.iter().position(|delivery| delivery.lane == lane);
            let found = match kept {
                Some(at) => Ok(Some(self.kept.swap_remove(at))),
                None => self.queue.receive(lane, Duration::ZERO, self.hide).await,
            };
            match found {
                Ok(Some(delivery)) => {
                    self.higher = if lane == Tier::Free { 0 } else { self.higher.saturating_add(1) };
                    return Some(delivery);
                }
                // An empty free lane has had its turn.
                Ok(None) if lane == Tier::Free => self.higher = 0,
                Ok(None) => {}
                Err(problem) => warn!(lane = lane.as_str(), %problem, "no ticket could be taken"),
            }
        }
        None
    }

    /// Waits until a lane may have something. May be dropped.
    pub(crate) async fn wait(&mut self) {
        for (at, lane) in Tier::ALL.into_iter().enumerate() {
            if let Some(waited) = self.waited.get_mut(at)
                && !std::mem::replace(waited, true)
            {
                let (queue, wait, hide) = (Arc::clone(&self.queue), self.wait, self.hide);
                self.waiting.spawn(async move { (lane, queue.receive(lane, wait, hide).await) });
            }
        }
        let brought = self.brought().await;
        self.kept.extend(brought);
    }

    /// Gives back what was brought and has no slot, and what is. Never ends; may be dropped.
    pub(crate) async fn refuse(&mut self) -> std::convert::Infallible {
        for delivery in std::mem::take(&mut self.kept) {
            self.give_back(delivery);
        }
        loop {
            let brought = if self.waiting.is_empty() { std::future::pending().await } else { self.brought().await };
            if let Some(delivery) = brought {
                self.give_back(delivery);
            }
        }
    }

    async fn brought(&mut self) -> Option<Delivery> {
        match self.waiting.join_next().await {
            Some(Ok((lane, brought))) => {
                if let Some(at) = Tier::ALL.into_iter().position(|tier| tier == lane)
                    && let Some(waited) = self.waited.get_mut(at)
                {
                    *waited = false;
                }
                match brought {
                    Ok(delivery) => delivery,
                    Err(problem) => {
                        warn!(lane = lane.as_str(), %problem, "no ticket could be waited for");
                        tokio::time::sleep(BREATH).await;
                        None
                    }
                }
            }
            Some(Err(error)) => {
                warn!(%error, "waiting for a ticket failed");
                // Which lane it was is not known: all are waited for anew, and one twice at most.
                self.waited = [false; Tier::ALL.len()];
                None
            }
            None => None,
        }
    }

    fn give_back(&self, delivery: Delivery) {
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move { give_back(&*queue, &delivery).await });
    }

    /// Takes nothing any more, and gives back what comes all the same.
    pub(crate) async fn close(mut self) {
        for delivery in std::mem::take(&mut self.kept) {
            give_back(&*self.queue, &delivery).await;
        }
        let rest = async {
            while let Some(brought) = self.waiting.join_next().await {
                if let Ok((_, Ok(Some(delivery)))) = brought {
                    give_back(&*self.queue, &delivery).await;
                }
            }
        };
        // Those that wait on have nothing, and what one of them takes in this moment is seen again.
        let _ = tokio::time::timeout(CLOSING, rest).await;
    }
}

/// Sends a ticket anew and removes the old one, so that nobody counts it as handed out in vain.
pub(crate) async fn give_back(queue: &dyn Queue, delivery: &Delivery) {
    match queue.send(delivery.lane, &delivery.ticket).await {
        Ok(()) => remove(queue, delivery).await,
        // The old one is seen again.
        Err(problem) => warn!(job = %delivery.ticket.job, %problem, "a ticket could not be given back"),
    }
}

pub(crate) async fn remove(queue: &dyn Queue, delivery: &Delivery) {
    if let Err(problem) = queue.remove(delivery).await {
        // It is seen again, and found to be good for nothing.
        warn!(job = %delivery.ticket.job, %problem, "a ticket could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use outpost_core::id::{JobId, TenantId};
    use outpost_core::moment::Moment;
    use outpost_core::ports::{Queue, Ticket};
    use outpost_core::tenant::Tier;
    use outpost_embedded::{Embedded, Settings};

    use super::Lanes;

    const HIDE: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn what_was_brought_and_has_to_wait_for_a_slot_is_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let embedded = Embedded::open(folder.path(), Settings::new("http://here")).await.expect("a world");
        let queue: Arc<dyn Queue> = embedded.ports.queue;
        let begun = Moment::from_millis(1);
        let ticket = |number: u8| Ticket {
            tenant: TenantId::new(begun, &[number; 10]),
            job: JobId::new(begun, &[number; 10]),
            traceparent: None,
        };
        let mut lanes = Lanes::new(Arc::clone(&queue), HIDE, Duration::ZERO);
        queue.send(Tier::Free, &ticket(1)).await.expect("a queue");
        while lanes.kept.is_empty() {
            lanes.wait().await;
        }
        // Calls that wait on take nothing that comes now.
        while lanes.waiting.join_next().await.is_some() {}
        queue.send(Tier::Enterprise, &ticket(2)).await.expect("a queue");
        assert_eq!(lanes.next().await.expect("a ticket").ticket, ticket(2));
        let again = async {
            loop {
                if let Some(delivery) = queue.receive(Tier::Free, Duration::ZERO, HIDE).await.expect("a queue") {
                    return delivery;
                }
                tokio::task::yield_now().await;
            }
        };
        let delivery = tokio::select! {
            delivery = again => delivery,
            never = lanes.refuse() => match never {},
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("nobody else gets it"),
        };
        assert_eq!((delivery.ticket, delivery.receives), (ticket(1), 1));
    }
}
