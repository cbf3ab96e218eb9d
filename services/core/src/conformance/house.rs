//! What is asked for all tenants, and what is counted for none.
//!
//! Others may be at work in the same house: a case looks for what it made itself.

use std::time::Duration;

use super::{Subject, commit, create, made, pages, until};
use crate::id::{JobId, TenantId};
use crate::job::Status;
use crate::moment::Moment;
use crate::store::Write;

/// More than any case makes.
const MANY: usize = 10_000;

pub async fn keys_and_tenants_are_found(subject: &dyn Subject) {
    let now = subject.now();
    let id = made::tenant_id(now);
    let (mut tenant, claim, mut key) = (made::tenant(&id, now), made::email(&id), made::key(&id, now));
    let customer = format!("cus_{}", made::text());
    let house = subject.house();
    assert_eq!(house.ready().await, Ok(()));
    let whose = async || {
        (
            house.key(&key.hash).await.expect("an answer").map(|key| key.tenant),
            house.tenant_of_email(&claim.email).await.expect("an answer"),
            house.tenant_of_customer(&customer).await.expect("an answer"),
        )
    };
    assert_eq!(whose().await, (None, None, None));
    create(subject, &id, key.clone()).await;
    create(subject, &id, claim.clone()).await;
    create(subject, &id, tenant.clone()).await;
    assert_eq!(whose().await, (Some(id.clone()), Some(id.clone()), None));
    assert_eq!(house.tenant_of_email(&claim.email[1..]).await, Ok(None));
    tenant.billing.customer = Some(customer.clone());
    assert_eq!(commit(subject, &id, vec![Write::Replace(tenant.clone().into())]).await, Ok(()));
    // The customer may be found a little later.
    until(subject, "the customer is found", async || house.tenant_of_customer(&customer).await.ok()?).await;
    assert_eq!(whose().await, (Some(id.clone()), Some(id.clone()), Some(id.clone())));
    // A key that opens nothing is told as what it is, at once.
    key.revoked_at = Some(now);
    assert_eq!(commit(subject, &id, vec![Write::Replace(key.clone().into())]).await, Ok(()));
    key.version = 2;
    assert_eq!(house.key(&key.hash).await, Ok(Some(key)));
    let gone = vec![Write::Remove { address: crate::store::Address::email(&claim.email), version: 1 }];
    assert_eq!(commit(subject, &id, gone).await, Ok(()));
    assert_eq!(house.tenant_of_email(&claim.email).await, Ok(None));
}

pub async fn tenants_are_all_listed(subject: &dyn Subject) {
    let now = subject.now();
    let mut mine = Vec::new();
    for _ in 0..7 {
        let id = made::tenant_id(now);
        create(subject, &id, made::tenant(&id, now)).await;
        create(subject, &id, made::email(&id)).await;
        mine.push(id);
    }
    for limit in 1..9 {
        let found =
            pages(limit, async |after| subject.house().tenants(limit, after.as_deref()).await.expect("a page")).await;
        for id in &mine {
            assert_eq!(found.iter().filter(|tenant| tenant.id == *id).count(), 1, "{limit} at a time");
        }
    }
}

pub async fn jobs_are_found_by_status_and_age(subject: &dyn Subject) {
    let now = subject.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let mut mine: Vec<(TenantId, JobId)> = Vec::new();
    for seconds in [20, 50, 10, 40, 30] {
        let tenant = made::tenant_id(now);
        let job = made::job(&tenant, ago(seconds));
        create(subject, &tenant, job.clone()).await;
        mine.push((tenant, job.id));
    }
    let order = |numbers: &[usize]| -> Vec<_> { numbers.iter().map(|number| mine[*number].clone()).collect() };
    let found = async |status: Status, before: Moment, limit: usize| -> Vec<(TenantId, JobId)> {
        let mut all = subject.house().jobs(status, before, limit).await.expect("an answer");
        all.retain(|one| mine.contains(one));
        all
    };
    let until_found = async |status, before, expected: Vec<(TenantId, JobId)>| {
        until(subject, "these jobs are found", async || (found(status, before, MANY).await == expected).then_some(()))
            .await;
    };
    until_found(Status::Pending, now, order(&[1, 3, 4, 0, 2])).await;
    until_found(Status::Pending, ago(30), order(&[1, 3])).await;
    until_found(Status::Pending, ago(50), Vec::new()).await;
    assert!(subject.house().jobs(Status::Pending, now, 2).await.expect("an answer").len() <= 2);
    // One that moves on is found there, and no more where it was.
    let (tenant, id) = &mine[3];
    let Some(crate::store::Row::Job(job)) = super::get(subject, tenant, &crate::store::Address::job(id)).await else {
        panic!("no job")
    };
    assert_eq!(commit(subject, tenant, vec![Write::Replace(job.enqueued(now).into())]).await, Ok(()));
    until_found(Status::Queued, now, order(&[3])).await;
    until_found(Status::Pending, now, order(&[1, 4, 0, 2])).await;
}

pub async fn due_messages_are_found(subject: &dyn Subject) {
    let now = subject.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let mut mine = Vec::new();
    for due in [Some(10), Some(30), None, Some(20)] {
        let tenant = made::tenant_id(now);
        let mut message = made::message(&tenant, now);
        message.next_at = due.map(ago);
        create(subject, &tenant, message.clone()).await;
        mine.push((tenant, message));
    }
    let until_found = async |due: Moment, expected: &[usize]| {
        let expected: Vec<_> = expected.iter().map(|at| mine[*at].1.id.clone()).collect();
        until(subject, "these messages are found", async || {
            let mut found = subject.house().messages(due, MANY).await.expect("an answer");
            found.retain(|(tenant, id)| mine.iter().any(|(mine, message)| mine == tenant && message.id == *id));
            (found.into_iter().map(|(_, id)| id).collect::<Vec<_>>() == expected).then_some(())
        })
        .await;
    };
    until_found(now, &[1, 3, 0]).await;
    until_found(ago(20), &[1, 3]).await;
    until_found(ago(31), &[]).await;
    assert!(subject.house().messages(now, 1).await.expect("an answer").len() <= 1);
    let (tenant, message) = &mine[3];
    let mut sent = message.clone();
    (sent.next_at, sent.delivered_at) = (None, Some(now));
    assert_eq!(commit(subject, tenant, vec![Write::Replace(sent.into())]).await, Ok(()));
    until_found(now, &[1, 0]).await;
}

pub async fn too_much_is_throttled(subject: &dyn Subject) {
    let (one, other) = (made::text(), made::text());
    let hour = Duration::from_secs(3600);
    let ends = subject.now().plus(hour);
    let ask = async |name: &str, most, expires| loop {
        match subject.house().throttle(name, most, expires).await {
            Err(crate::store::Problem::Busy) => subject.pause().await,
            answer => return answer.expect("an answer"),
        }
    };
    for number in 1..6 {
        assert_eq!(ask(&one, 3, ends).await, number <= 3, "time {number}");
    }
    assert!(ask(&other, 1, ends).await && !ask(&other, 1, ends).await, "names are apart");
    assert!(!ask(&made::text(), 0, ends).await);
    // What was refused was not counted.
    assert!(ask(&one, 4, ends).await);
    let racing = made::text();
    let tries: Vec<crate::store::Pending<'_, bool>> =
        (0..32).map(|_| -> crate::store::Pending<'_, bool> { Box::pin(ask(&racing, 5, ends)) }).collect();
    assert_eq!(super::together(tries).await.into_iter().filter(|fine| *fine).count(), 5);
    subject.pass(hour).await;
    let ends = subject.now().plus(hour);
    assert!(ask(&one, 1, ends).await && !ask(&one, 1, ends).await, "it was forgotten");
}
