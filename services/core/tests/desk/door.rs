//! The door: keys that open and keys that do not, registering, and cursors.

use std::time::Duration;

use outpost_core::actions::{Denied, Door, Error, NewKey, Once, Registration, RequestInfo, TenantChange};
use outpost_core::key::{ApiKey, Environment, Scope};
use outpost_core::ports::{Secret, SecretKind};
use outpost_core::store::Row;
use outpost_core::tenant::{Overrides, Standing, Tier};

use crate::set::{key_request, once, operator, pro, settings, spec, tenant, world};
use crate::world::{Fault, World, alone, both};

fn info(ip: &str) -> RequestInfo {
    RequestInfo { request_id: "r".to_owned(), ip: Some(ip.to_owned()), traceparent: None }
}

fn asks(email: &str, invitation: Option<&str>) -> Registration {
    Registration { email: email.to_owned(), name: None, invitation: invitation.map(str::to_owned) }
}

#[test]
fn a_text_that_is_no_key_costs_no_look() {
    let (world, desk) = world();
    let before = world.state().reads;
    for text in ["", "op_live_", "Bearer x", &"a".repeat(1_000_000)] {
        assert_eq!(alone(desk.authenticate(text, info("1.1.1.1"))).map(|_| ()), Err(Denied::Malformed));
    }
    assert_eq!(world.state().reads, before);
}

#[test]
fn each_key_is_told_why_it_opens_nothing() {
    let (world, desk) = world();
    let (made, caller) = tenant(&desk, "ada", Tier::Pro, Overrides::default());
    let key = made.key.key.expect("a key");
    let tries = |key: &ApiKey| alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).map(|_| ());
    assert_eq!(tries(&ApiKey::mint(Environment::Live, &[3; 32])), Err(Denied::Unknown));
    assert_eq!(tries(&key), Ok(()));
    let suspend = |standing| TenantChange { standing: Some(standing), ..TenantChange::default() };
    alone(desk.change_tenant(&operator(), caller.id(), suspend(Standing::Suspended))).expect("suspended");
    assert_eq!(tries(&key), Err(Denied::Suspended));
    alone(desk.change_tenant(&operator(), caller.id(), suspend(Standing::Active))).expect("active");
    let new = alone(desk.rotate_key(&caller, &made.key.record.id, 60, None)).expect("another key").value;
    assert_eq!(tries(&key), Ok(()));
    world.pass(Duration::from_secs(60));
    assert_eq!(tries(&key), Err(Denied::Expired));
    let new_key = new.key.expect("a key");
    assert_eq!(tries(&new_key), Ok(()));
    alone(desk.revoke_key(&caller, &new.record.id)).expect("revoked");
    assert_eq!(tries(&new_key), Err(Denied::Revoked));
    // The tenant finds what was tried with its keys; a flood does not flood its log.
    for _ in 0..100 {
        assert_eq!(tries(&new_key), Err(Denied::Revoked));
    }
    let denials = world.rows_of(|row| matches!(row, Row::Audit(event) if event.action == "key.denied"));
    assert_eq!(denials, 1 + 1 + 20, "suspended and expired, once each, of the first key; and twenty of the other");
    alone(desk.delete_tenant(&operator(), caller.id())).expect("deleted");
    assert_eq!(tries(&new_key), Err(Denied::Unknown));
}

#[test]
fn a_store_that_fails_to_note_the_use_denies_nobody() {
    let (world, desk) = world();
    let (made, _) = tenant(&desk, "ada", Tier::Pro, Overrides::default());
    let key = made.key.key.expect("a key");
    let used = || {
        let keys = world.state().rows.values().find_map(|row| match row {
            Row::Key(key) => Some(key.last_used_at),
            _ => None,
        });
        keys.expect("a key")
    };
    let first = used();
    assert!(first.is_some());
    let commits = world.state().commits;
    alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).expect("a caller");
    world.pass(Duration::from_secs(60));
    alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).expect("a caller");
    assert_eq!(used(), first, "not within a minute");
    assert_eq!(world.state().commits, commits);
    world.pass(Duration::from_secs(1));
    world.state().next = vec![Fault::Before];
    alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).expect("a caller");
    assert_eq!(used(), first);
    alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).expect("a caller");
    assert!(used() > first);
}

#[test]
fn registering_has_a_door_and_a_measure() {
    let world = World::new(1);
    let mut closed = settings();
    closed.door = Door::Closed;
    assert_eq!(alone(world.desk(closed).register(asks("a@example.com", None), info("1.1.1.1"))), Err(Error::Closed));
    let mut invite = settings();
    invite.door = Door::Invite(vec![Secret::new("one".to_owned()), Secret::new("two".to_owned())]);
    let desk = world.desk(invite);
    for wrong in [None, Some(""), Some("on"), Some("One")] {
        assert_eq!(alone(desk.register(asks("a@example.com", wrong), info("1.1.1.1"))), Err(Error::Closed));
    }
    assert!(alone(desk.register(asks("a@example.com", Some("two")), info("1.1.1.1"))).is_ok());

    let desk = world.desk(settings());
    assert_eq!(alone(desk.register(asks("A@EXAMPLE.com", None), info("9.9.9.9"))), Err(Error::EmailTaken));
    for number in 0..5 {
        let asked = asks(&format!("u{number}@example.com"), None);
        let made = alone(desk.register(asked, info(&format!("2001:db9:1:2::{number}")))).expect("a tenant");
        let key = made.key.key.expect("a key");
        let caller = alone(desk.authenticate(key.reveal(), info("1.1.1.1"))).expect("a caller");
        assert_eq!((caller.id(), caller.tenant().tier), (&made.tenant.id, Tier::Free));
        assert_eq!(caller.as_admin().map(|_| ()), Err(Error::Scope(Scope::Admin)));
    }
    let sixth = alone(desk.register(asks("u6@example.com", None), info("2001:db9:1:2:ffff::1")));
    assert!(matches!(sixth, Err(Error::Throttled { .. })), "{sixth:?}");
    assert!(alone(desk.register(asks("u6@example.com", None), info("2001:db9:1:3::1"))).is_ok());
    world.pass(Duration::from_secs(3600));
    assert!(alone(desk.register(asks("u7@example.com", None), info("2001:db9:1:2::1"))).is_ok());
}

#[test]
fn a_key_gives_no_more_than_its_maker_has() {
    let (_, desk) = world();
    let (_, all) = tenant(&desk, "ada", Tier::Pro, Overrides::default());
    let few = alone(desk.create_key(&all, key_request(&[Scope::KeysWrite, Scope::JobsRead]), None)).expect("a key");
    let few = alone(desk.authenticate(few.value.key.expect("a key").reveal(), info("1.1.1.1"))).expect("a caller");
    let wants = |scopes: &[Scope]| alone(desk.create_key(&few, key_request(scopes), None)).map(|_| ());
    assert_eq!(wants(&[Scope::JobsRead]), Ok(()));
    assert_eq!(wants(&[Scope::JobsRead, Scope::JobsWrite]), Err(Error::Scope(Scope::JobsWrite)));
    assert_eq!(wants(&[Scope::Admin]), Err(Error::Scope(Scope::Admin)));
    assert!(matches!(wants(&[]), Err(Error::Invalid(_))));
    // Nor by taking the place of one that has more.
    let stolen = alone(desk.rotate_key(&few, &all.key().id, 0, None)).map(|_| ());
    assert!(matches!(stolen, Err(Error::Scope(_))), "{stolen:?}");
    assert_eq!(alone(desk.submit(&few, spec(), None)).map(|_| ()), Err(Error::Scope(Scope::JobsWrite)));
    assert_eq!(alone(desk.secrets(&few)), Err(Error::Scope(Scope::SecretsWrite)));
}

#[test]
fn a_repeated_answer_holds_no_key() {
    let (world, desk) = world();
    let caller = pro(&desk, "ada");
    let once = once("k1", "{}");
    let first = alone(desk.create_key(&caller, key_request(&[Scope::JobsRead]), Some(&once))).expect("a key");
    let again = alone(desk.create_key(&caller, key_request(&[Scope::JobsRead]), Some(&once))).expect("a key");
    assert_eq!((first.value.record.clone(), first.replayed), (again.value.record.clone(), false));
    assert_eq!((again.replayed, again.value.key.is_none(), again.status), (true, true, Some(202)));
    let key = first.value.key.expect("a key").reveal().to_owned();
    let kept = format!("{:?}", world.state().rows);
    assert!(kept.contains(&first.value.record.shown) && !kept.contains(&key), "no key at rest");
}

#[test]
fn cursors_are_good_for_one_tenant_and_one_question() {
    let (_, desk) = world();
    let (ada, bob) = (pro(&desk, "ada"), pro(&desk, "bob"));
    for _ in 0..5 {
        alone(desk.submit(&ada, spec(), None)).expect("a job");
        alone(desk.submit(&bob, spec(), None)).expect("a job");
    }
    let first = alone(desk.jobs(&ada, None, 2, None)).expect("a page");
    let cursor = first.cursor.clone().expect("more");
    let mut seen = first.rows.clone();
    let mut next = Some(cursor.clone());
    while let Some(cursor) = next {
        let page = alone(desk.jobs(&ada, None, 2, Some(&cursor))).expect("a page");
        seen.extend(page.rows);
        next = page.cursor;
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|job| job.tenant == *ada.id()));
    assert!(alone(desk.jobs(&bob, None, 2, Some(&cursor))).is_err(), "another tenant");
    let other = Some(outpost_core::job::Status::Queued);
    assert!(alone(desk.jobs(&ada, other, 2, Some(&cursor))).is_err(), "another question");
    assert!(alone(desk.audit_log(&ada, 2, Some(&cursor))).is_err(), "another listing");
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("text");
        let answer = alone(desk.jobs(&ada, None, 2, Some(&forged)));
        assert!(answer.is_err(), "{at}: {forged}");
    }
    for wrong in ["", "x", "!", &"A".repeat(5000)] {
        assert!(matches!(alone(desk.jobs(&ada, None, 2, Some(wrong))), Err(Error::Invalid(_))), "{wrong:.20}");
    }
    for limit in [0, 101] {
        assert!(matches!(alone(desk.jobs(&ada, None, limit, None)), Err(Error::Invalid(_))));
    }
}

#[test]
fn the_same_request_twice_at_once_is_answered_the_same() {
    for ahead in 0..24 {
        let (_, desk) = world();
        let caller = pro(&desk, "ada");
        let asked = || key_request(&[Scope::JobsRead]);
        let made = || alone(desk.create_key(&caller, asked(), None)).expect("a key").value.record;
        let old = made();
        let rotate = || async { desk.rotate_key(&caller, &old.id, 0, Some(&once("rotate", "x"))).await };
        let (one, other) = both(ahead, rotate(), rotate());
        let id = |answer: Result<Once<NewKey>, Error>| answer.expect("the answer").value.record.id;
        assert_eq!(id(one), id(other), "ahead by {ahead}");
        // The last place of all.
        (0..97).for_each(|_| drop(made()));
        let create = || async { desk.create_key(&caller, asked(), Some(&once("create", "x"))).await };
        let (one, other) = both(ahead, create(), create());
        assert_eq!(id(one), id(other), "ahead by {ahead}");
        let url = || "https://example.com/h".to_owned();
        (0..9).for_each(|_| drop(alone(desk.create_hook(&caller, url(), None)).expect("a hook")));
        let hook = || async { desk.create_hook(&caller, url(), Some(&once("hook", "x"))).await };
        let (one, other) = both(ahead, hook(), hook());
        assert_eq!(one.expect("the answer").value.hook, other.expect("the answer").value.hook, "ahead by {ahead}");
    }
}

#[test]
fn a_tenant_that_is_deleted_meanwhile_leaves_no_secret() {
    for ahead in 0..24 {
        let (world, desk) = world();
        let caller = pro(&desk, "ada");
        let callback = "https://example.com/h".to_owned();
        let store = async {
            drop(desk.put_secret(&caller, SecretKind::Xai, &Secret::new("sk-xai".to_owned())).await);
            drop(desk.create_hook(&caller, callback, None).await);
        };
        let (_, deleted) = both(ahead, store, desk.delete_tenant(&operator(), caller.id()));
        assert_eq!(deleted, Ok(()));
        assert!(world.state().vault.is_empty(), "ahead by {ahead}");
        let tenant = alone(desk.tenant_of(&operator(), caller.id())).expect("its row");
        assert!(tenant.hooks.is_empty(), "ahead by {ahead}");
    }
}
