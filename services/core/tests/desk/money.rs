//! What is told and what is paid: webhooks that are signed and tried eight times, subscriptions in any order.

use std::time::Duration;

use outpost_core::actions::{Applied, Error, Sent, Subscription};
use outpost_core::moment::Moment;
use outpost_core::ports::Secret;
use outpost_core::spec::Spec;
use outpost_core::store::Row;
use outpost_core::tenant::{Overrides, Tier};

use crate::set::{claimed, once, outcome, pro, spec, tenant, ticket, worker, world};
use crate::world::alone;

fn told(event: &str, at: i64, subscription: &str, status: &str, price: &str) -> Subscription {
    Subscription {
        event: event.to_owned(),
        kind: "customer.subscription.updated".to_owned(),
        created_at: Moment::from_millis(1_800_000_000_000 + at * 1000),
        customer: "cus_1".to_owned(),
        tenant: None,
        subscription: subscription.to_owned(),
        status: status.to_owned(),
        price: Some(price.to_owned()),
    }
}

fn orders<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    if all.len() < 2 {
        return vec![all.to_vec()];
    }
    let mut found = Vec::new();
    for at in 0..all.len() {
        let mut rest = all.to_vec();
        let first = rest.remove(at);
        found.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    found
}

#[test]
fn events_lead_to_the_same_tier_in_every_order() {
    let (pro, ent) = ("price_pro", "price_ent");
    let stories: [(&[(i64, &str, &str, &str)], Tier); 6] = [
        (&[(1, "s1", "incomplete", pro), (2, "s1", "active", pro), (3, "s1", "active", ent)], Tier::Enterprise),
        (&[(1, "s1", "active", pro), (2, "s1", "past_due", pro), (3, "s1", "canceled", pro)], Tier::Free),
        // One that ended, and another one begun before that was told.
        (&[(1, "s1", "active", pro), (2, "s2", "active", ent), (3, "s1", "canceled", pro)], Tier::Enterprise),
        (
            &[
                (1, "s1", "active", pro),
                (2, "s2", "active", ent),
                (3, "s1", "canceled", pro),
                (4, "s2", "canceled", ent),
            ],
            Tier::Free,
        ),
        // One that is not paid any more, while a checkout of another is under way.
        (&[(1, "s1", "active", pro), (2, "s1", "unpaid", pro), (3, "s2", "incomplete", ent)], Tier::Free),
        // A checkout that was begun and left does not take away what is paid for.
        (&[(1, "s1", "active", pro), (2, "s2", "incomplete", ent)], Tier::Pro),
    ];
    for (story, expected) in stories {
        let event = |(at, subscription, status, price)| told(&format!("e{at}"), at, subscription, status, price);
        let story: Vec<Subscription> = story.iter().copied().map(event).collect();
        for order in orders(&story) {
            let (world, desk) = world();
            let caller = tenant(&desk, "ada", Tier::Free, Overrides::default()).1;
            alone(desk.set_customer(&caller, "cus_1")).expect("a customer");
            for event in &order {
                alone(desk.apply(event)).expect("taken");
                assert_eq!(alone(desk.apply(event)), Ok(Applied::Before), "{}", event.event);
            }
            let names: Vec<&str> = order.iter().map(|event| event.event.as_str()).collect();
            assert_eq!(alone(desk.tenant_now(&caller)).expect("the tenant").tier, expected, "{names:?}");
            assert_eq!(world.rows_of(|row| matches!(row, Row::BillingEvent(_))), order.len());
        }
    }
}

#[test]
fn an_event_is_for_its_customer_only() {
    let (_, desk) = world();
    let (ada, bob) = (pro(&desk, "ada"), pro(&desk, "bob"));
    assert_eq!(alone(desk.apply(&told("e1", 1, "s1", "active", "price_ent"))), Ok(Applied::Nobody));
    alone(desk.set_customer(&ada, "cus_1")).expect("a customer");
    alone(desk.set_customer(&bob, "cus_2")).expect("a customer");
    let wrong = Subscription { tenant: Some(bob.id().clone()), ..told("e1", 1, "s1", "active", "price_ent") };
    assert_eq!(alone(desk.apply(&wrong)), Ok(Applied::Nobody));
    let unknown = alone(desk.apply(&told("e2", 1, "s1", "active", "price_x")));
    assert!(matches!(unknown, Err(Error::Conflict(_))), "{unknown:?}");
    assert_eq!(alone(desk.apply(&told("e2", 1, "s1", "active", "price_ent"))), Ok(Applied::Now(Tier::Enterprise)));
    assert!(matches!(alone(desk.set_customer(&ada, "cus_3")), Err(Error::Conflict(_))));
}

/// HMAC-SHA256 by its definition, not by the crate that made it.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner: Vec<u8> = block.iter().map(|byte| byte ^ 0x36).chain(text.iter().copied()).collect();
    let outer: Vec<u8> = block.iter().map(|byte| byte ^ 0x5c).chain(Sha256::digest(inner)).collect();
    Sha256::digest(outer).to_vec()
}

fn signed(secret: &str, post: &outpost_core::actions::Post) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("its prefix")).expect("base64");
    let header = |name: &str| post.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone());
    let (id, at) = (header("webhook-id").expect("an id"), header("webhook-timestamp").expect("a time"));
    assert_eq!(id, post.message.id.to_string());
    let text = format!("{id}.{at}.{}", post.message.body);
    format!("v1,{}", STANDARD.encode(hmac(&key, text.as_bytes())))
}

fn signatures(post: &outpost_core::actions::Post) -> Vec<String> {
    let all = post.headers.iter().find(|(name, _)| *name == "webhook-signature").map(|(_, value)| value.clone());
    all.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_message_is_signed_and_tried_eight_times() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let hook = alone(desk.create_hook(&caller, "https://example.com/h".to_owned(), None)).expect("a hook").value;
    let old = hook.secret.expect("a secret").reveal().to_owned();
    let callback = alone(desk.rotate_callback_secret(&caller)).expect("a secret").reveal().to_owned();
    let asked = Spec { callback_url: Some("https://example.org/c".to_owned()), ..spec() };
    let id = alone(desk.submit(&caller, asked, None)).expect("a job").accepted.value.id;
    assert_eq!(alone(desk.due(10)), Ok(Vec::new()), "nothing to tell yet");
    let claim = claimed(&desk, &ticket(caller.id(), &id), &worker(1));
    alone(desk.finish(&claim, outcome(&claim))).expect("an end");
    let posts = alone(desk.due(10)).expect("posts");
    assert_eq!(posts.len(), 2);
    for post in &posts {
        let secret = if post.message.hook.is_some() { &old } else { &callback };
        assert_eq!(signatures(post), [signed(secret, post)]);
        assert!(post.message.body.contains(id.as_str()) && post.message.kind == "job.succeeded");
    }
    assert_eq!(alone(desk.due(10)), Ok(Vec::new()), "taken is taken");
    let (first, other) = (&posts[0], &posts[1]);
    alone(desk.sent(first, &Sent::Delivered)).expect("noted");
    alone(desk.sent(other, &Sent::Failed("500".to_owned()))).expect("noted");
    let begun = world.state().now;
    let mut tries = 1;
    while world.state().now.since(begun) < Duration::from_secs(3 * 86_400) {
        world.pass(Duration::from_secs(5));
        for post in alone(desk.due(10)).expect("posts") {
            assert_eq!(post.message.id, other.message.id);
            tries += 1;
            if tries == 8 {
                assert_eq!(world.state().now.since(begun), Duration::from_secs(27 * 3600 + 35 * 60 + 5));
            }
            alone(desk.sent(&post, &Sent::Failed("500".to_owned()))).expect("noted");
        }
    }
    assert_eq!(tries, 8);
    let all = alone(desk.messages(&caller, 10, None)).expect("a page").rows;
    assert_eq!(all.iter().filter(|message| message.delivered_at.is_some()).count(), 1);
    alone(desk.replay(&caller, &other.message.id)).expect("again");
    let again = alone(desk.due(10)).expect("posts");
    assert_eq!((again.len(), &again[0].message.id), (1, &other.message.id));
    let bob = pro(&desk, "bob");
    assert_eq!(alone(desk.replay(&bob, &other.message.id)).map(|_| ()), Err(Error::NotFound("message")));
}

#[test]
fn two_secrets_sign_while_one_takes_the_others_place() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let made =
        alone(desk.create_hook(&caller, "https://example.com/h".to_owned(), Some(&once("h", "x")))).expect("a hook");
    let again =
        alone(desk.create_hook(&caller, "https://example.com/h".to_owned(), Some(&once("h", "x")))).expect("it");
    assert_eq!((&again.value.hook, again.value.secret.is_none(), again.replayed), (&made.value.hook, true, true));
    let id = made.value.hook.id.clone();
    let old = made.value.secret.expect("a secret").reveal().to_owned();
    let new = alone(desk.rotate_hook(&caller, &id, None)).expect("another").value.secret.expect("a secret");
    let post = || {
        let job = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
        alone(desk.cancel(&caller, &job)).expect("cancelled");
        alone(desk.due(10)).expect("posts").remove(0)
    };
    let both = post();
    assert_eq!(signatures(&both), [signed(new.reveal(), &both), signed(&old, &both)]);
    world.pass(Duration::from_secs(86_400));
    let one = post();
    assert_eq!(signatures(&one), [signed(new.reveal(), &one)]);
    alone(desk.rotate_hook(&caller, &id, None)).expect("another");
    assert_eq!(world.state().vault.len(), 2, "the oldest is forgotten");
    alone(desk.delete_hook(&caller, &id)).expect("deleted");
    assert!(world.state().vault.is_empty());
    let url = "https://10.0.0.1/".to_owned();
    assert!(matches!(alone(desk.create_hook(&caller, url, None)), Err(Error::Invalid(_))));
}

#[test]
fn a_message_that_cannot_be_taken_keeps_no_other_from_being_sent() {
    let (world, desk) = world();
    let url = || "https://example.com/h".to_owned();
    let (ada, bob) = (pro(&desk, "ada"), pro(&desk, "bob"));
    for caller in [&ada, &bob] {
        alone(desk.create_hook(caller, url(), None)).expect("a hook");
    }
    // What signs for one of them is damaged.
    for ((tenant, _), secret) in &mut world.state().vault {
        if tenant == ada.id() {
            *secret = Secret::new("whsec_\u{e4}".to_owned());
        }
    }
    for caller in [&ada, &ada, &ada, &bob] {
        let job = alone(desk.submit(caller, spec(), None)).expect("a job").accepted.value.id;
        alone(desk.cancel(caller, &job)).expect("cancelled");
    }
    let mut posts = Vec::new();
    for _ in 0..3 {
        posts.extend(alone(desk.due(2)).unwrap_or_default());
    }
    assert_eq!(posts.iter().map(|post| &post.message.tenant).collect::<Vec<_>>(), [bob.id()]);
    let attempts = |caller| -> Vec<u32> {
        alone(desk.messages(caller, 9, None)).expect("a page").rows.iter().map(|message| message.attempts).collect()
    };
    assert_eq!((attempts(&ada), attempts(&bob)), (vec![0; 3], vec![1]), "what was not sent was not tried");
}

#[test]
fn a_message_is_left_to_who_sends_it() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    alone(desk.create_hook(&caller, "https://example.com/h".to_owned(), None)).expect("a hook");
    let job = alone(desk.submit(&caller, spec(), None)).expect("a job").accepted.value.id;
    alone(desk.cancel(&caller, &job)).expect("cancelled");
    let take = || alone(desk.due(10)).expect("posts");
    let mut tries = 0;
    // Senders that die: each is waited for, and the last one is not made up for.
    while let Some(first) = take().pop() {
        tries += 1;
        assert_eq!(first.message.attempts, tries);
        world.pass(Duration::from_secs(20));
        assert_eq!(take(), [], "who sent it may still wait for an answer");
        world.pass(Duration::from_secs(40));
    }
    let told = || alone(desk.messages(&caller, 1, None)).expect("a page").rows.remove(0);
    assert_eq!((tries, told().next_at, told().last_error.is_some()), (8, None, true));
    // What a sender tells that was away too long does not put off what another one has begun.
    alone(desk.replay(&caller, &told().id)).expect("again");
    let first = take().remove(0);
    world.pass(Duration::from_secs(60));
    let second = take().remove(0);
    alone(desk.sent(&first, &Sent::Failed("late".to_owned()))).expect("noted");
    world.pass(Duration::from_secs(30));
    assert_eq!(take(), []);
    alone(desk.sent(&second, &Sent::Failed("500".to_owned()))).expect("noted");
    world.pass(Duration::from_secs(300));
    assert_eq!(take().remove(0).message.attempts, 3);
}
