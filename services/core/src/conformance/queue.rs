//! Tickets: none is lost, none is held by two, none goes round for ever.
//!
//! What has to be gone is looked for once; what has to come is waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Subject, made, together, until};
use crate::id::JobId;
use crate::ports::{Delivery, Depth, RECEIVES, Ticket};
use crate::store::Pending;
use crate::tenant::Tier;

const HIDE: Duration = Duration::from_secs(30);
/// A little more than that.
const OVER: Duration = Duration::from_secs(31);

async fn send(subject: &dyn Subject, lane: Tier) -> Ticket {
    let ticket = made::ticket(subject.now());
    assert_eq!(subject.queue().send(lane, &ticket).await, Ok(()));
    ticket
}

async fn receive(subject: &dyn Subject, lane: Tier) -> Option<Delivery> {
    subject.queue().receive(lane, Duration::ZERO, HIDE).await.expect("a queue that answers")
}

async fn comes(subject: &dyn Subject, lane: Tier) -> Delivery {
    until(subject, "a ticket comes", async || receive(subject, lane).await).await
}

async fn depth_is(subject: &dyn Subject, lane: Tier, ready: u64, hidden: u64) {
    until(subject, "the depth is told", async || {
        (subject.queue().depth(lane).await == Ok(Depth { ready, hidden })).then_some(())
    })
    .await;
}

pub async fn a_ticket_is_given_again_after_a_while(subject: &dyn Subject) {
    assert_eq!(receive(subject, Tier::Pro).await, None);
    let ticket = send(subject, Tier::Pro).await;
    let first = comes(subject, Tier::Pro).await;
    assert_eq!((&first.ticket, first.lane, first.receives), (&ticket, Tier::Pro, 1));
    assert_eq!(receive(subject, Tier::Pro).await, None, "it is hidden");
    subject.pass(OVER).await;
    let second = comes(subject, Tier::Pro).await;
    assert_eq!((&second.ticket, second.receives), (&ticket, 2));
    assert_ne!(second.receipt, first.receipt);
    assert_eq!(subject.queue().remove(&second).await, Ok(()));
    subject.pass(OVER).await;
    assert_eq!(receive(subject, Tier::Pro).await, None, "it is done with");
    assert_eq!(subject.queue().dead(10).await, Ok(Vec::new()));
    // Without a trace it is another ticket, and no less one.
    let bare = Ticket { traceparent: None, ..made::ticket(subject.now()) };
    assert_eq!(subject.queue().send(Tier::Pro, &bare).await, Ok(()));
    assert_eq!(comes(subject, Tier::Pro).await.ticket, bare);
}

pub async fn hiding_longer_keeps_it(subject: &dyn Subject) {
    let ticket = send(subject, Tier::Free).await;
    let held = comes(subject, Tier::Free).await;
    for _ in 0..4 {
        subject.pass(HIDE / 2).await;
        assert_eq!(subject.queue().hide(&held, HIDE).await, Ok(true));
        assert_eq!(receive(subject, Tier::Free).await, None);
    }
    // Given back, it is there at once.
    assert_eq!(subject.queue().hide(&held, Duration::ZERO).await, Ok(true));
    let again = comes(subject, Tier::Free).await;
    assert_eq!((&again.ticket, again.receives), (&ticket, 2));
    subject.pass(OVER).await;
    assert_eq!(subject.queue().hide(&again, HIDE).await, Ok(false), "it was late");
    let third = comes(subject, Tier::Free).await;
    assert_eq!(subject.queue().remove(&third).await, Ok(()));
    assert_eq!(subject.queue().hide(&third, HIDE).await, Ok(false), "it is done with");
}

pub async fn a_ticket_that_is_never_removed_dies(subject: &dyn Subject) {
    let ticket = send(subject, Tier::Enterprise).await;
    for number in 1..=RECEIVES {
        assert_eq!(comes(subject, Tier::Enterprise).await.receives, number);
        assert_eq!(subject.queue().dead(10).await, Ok(Vec::new()), "it is held");
        subject.pass(OVER).await;
    }
    assert_eq!(receive(subject, Tier::Enterprise).await, None);
    let dead = async || {
        until(subject, "the dead are told", async || {
            // A queue may notice when it is asked for the next one.
            assert_eq!(receive(subject, Tier::Enterprise).await, None);
            subject.queue().dead(10).await.expect("an answer").pop()
        })
        .await
    };
    assert_eq!(dead().await.ticket, ticket);
    assert_eq!(subject.queue().dead(10).await, Ok(Vec::new()), "hidden for a minute");
    subject.pass(Duration::from_secs(61)).await;
    let told = dead().await;
    assert_eq!(told.ticket, ticket);
    assert_eq!(subject.queue().bury(&told).await, Ok(()));
    subject.pass(Duration::from_secs(61)).await;
    assert_eq!(subject.queue().dead(10).await, Ok(Vec::new()));
    assert_eq!(receive(subject, Tier::Enterprise).await, None);
    depth_is(subject, Tier::Enterprise, 0, 0).await;
}

pub async fn a_stale_receipt_is_harmless(subject: &dyn Subject) {
    let ticket = send(subject, Tier::Pro).await;
    let stale = comes(subject, Tier::Pro).await;
    subject.pass(OVER).await;
    let held = comes(subject, Tier::Pro).await;
    assert_eq!(held.ticket, ticket);
    assert_eq!(subject.queue().hide(&stale, Duration::ZERO).await, Ok(false), "it is no longer ours");
    assert_eq!(receive(subject, Tier::Pro).await, None, "nor made visible by who lost it");
    assert_eq!(subject.queue().remove(&stale).await, Ok(()));
    assert_eq!(subject.queue().remove(&held).await, Ok(()));
    for delivery in [&stale, &held] {
        assert_eq!(subject.queue().remove(delivery).await, Ok(()), "late is harmless");
        assert_eq!(subject.queue().bury(delivery).await, Ok(()));
    }
    let next = send(subject, Tier::Pro).await;
    assert_eq!(comes(subject, Tier::Pro).await.ticket, next, "others are not touched");
}

pub async fn two_receivers_never_hold_one_ticket(subject: &dyn Subject) {
    let mut sent = BTreeSet::new();
    for _ in 0..24 {
        sent.insert(send(subject, Tier::Free).await.job);
    }
    let mut held: BTreeSet<JobId> = BTreeSet::new();
    for _ in 0..super::LOOKS {
        let many = (0..16).map(|_| -> Pending<'_, _> { Box::pin(receive(subject, Tier::Free)) });
        for delivery in together(many.collect()).await.into_iter().flatten() {
            assert_eq!(delivery.receives, 1);
            assert!(held.insert(delivery.ticket.job.clone()), "{delivery:?} is held by two");
        }
        if held.len() == sent.len() {
            break;
        }
    }
    assert_eq!(held, sent);
}

pub async fn lanes_are_apart(subject: &dyn Subject) {
    let mut sent = Vec::new();
    for lane in Tier::ALL {
        assert_eq!(receive(subject, lane).await, None);
        sent.push((lane, send(subject, lane).await));
        depth_is(subject, lane, 1, 0).await;
    }
    for (lane, ticket) in sent.iter().rev() {
        let delivery = comes(subject, *lane).await;
        assert_eq!((delivery.lane, &delivery.ticket), (*lane, ticket));
        assert_eq!(receive(subject, *lane).await, None);
    }
}

pub async fn depth_is_told(subject: &dyn Subject) {
    for _ in 0..3 {
        send(subject, Tier::Pro).await;
    }
    depth_is(subject, Tier::Pro, 3, 0).await;
    let held = comes(subject, Tier::Pro).await;
    depth_is(subject, Tier::Pro, 2, 1).await;
    assert_eq!(subject.queue().remove(&held).await, Ok(()));
    comes(subject, Tier::Pro).await;
    depth_is(subject, Tier::Pro, 1, 1).await;
    subject.pass(OVER).await;
    depth_is(subject, Tier::Pro, 2, 0).await;
    depth_is(subject, Tier::Free, 0, 0).await;
}

pub async fn a_receive_waits_for_a_ticket(subject: &dyn Subject) {
    let ticket = made::ticket(subject.now());
    for _ in 0..3 {
        let waiting: Pending<'_, Option<Delivery>> = Box::pin(async {
            subject.queue().receive(Tier::Pro, Duration::from_secs(20), HIDE).await.expect("an answer")
        });
        let sending: Pending<'_, Option<Delivery>> = Box::pin(async {
            subject.pause().await;
            assert_eq!(subject.queue().send(Tier::Pro, &ticket).await, Ok(()));
            None
        });
        let mut deliveries = together(vec![waiting, sending]).await.into_iter();
        let delivery = deliveries.next().flatten().expect("a ticket within its time");
        assert_eq!(delivery.ticket, ticket);
        assert_eq!(subject.queue().remove(&delivery).await, Ok(()));
    }
}
