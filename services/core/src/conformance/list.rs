//! Listings: all that is a tenant's and nothing else, in its order, page by page.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Subject, create, made, pages};
use crate::id::TenantId;
use crate::job::Status;
use crate::moment::Moment;
use crate::store::{Address, Listing, Row};

async fn listed(
    subject: &dyn Subject,
    tenant: &TenantId,
    listing: &Listing,
    limit: usize,
    first: Option<&str>,
) -> Vec<Row> {
    pages(limit, async |after| {
        let after = after.or(first.map(str::to_owned));
        subject.store().list(tenant, listing, limit, after.as_deref()).await.expect("a page")
    })
    .await
}

fn made_at(row: &Row) -> Moment {
    match row {
        Row::Key(key) => key.created_at,
        Row::Job(job) => job.created_at,
        Row::Usage(event) => event.at,
        Row::Audit(event) => event.at,
        Row::Message(message) => message.created_at,
        other => panic!("a row of no listing: {other:?}"),
    }
}

fn addresses(rows: &[Row]) -> Vec<Address> {
    rows.iter().map(Row::address).collect()
}

fn everything(now: Moment) -> [Listing; 5] {
    let usage = Listing::Usage { from: Moment::from_millis(0), to: now.plus(Duration::from_secs(86_400)) };
    [Listing::Keys, Listing::Jobs { status: None }, usage, Listing::Audit, Listing::Messages]
}

/// Some of each, three in one millisecond; in an order that is none.
async fn fill(subject: &dyn Subject, tenant: &TenantId, now: Moment) -> [Vec<Row>; 5] {
    let mut all = [const { Vec::new() }; 5];
    for offset in [3, 1, 1, 9, 1, 0, 4] {
        let at = now.minus(Duration::from_millis(offset));
        let rows: [Row; 5] = [
            made::key(tenant, at).into(),
            made::job(tenant, at).into(),
            made::usage(tenant, at).into(),
            made::audit(tenant, at).into(),
            made::message(tenant, at).into(),
        ];
        for (all, row) in all.iter_mut().zip(rows) {
            create(subject, tenant, row.clone()).await;
            all.push(row);
        }
    }
    // What is in no listing stays out of them.
    create(subject, tenant, made::tenant(tenant, now)).await;
    create(subject, tenant, made::answer(tenant, now)).await;
    create(subject, tenant, made::billing_event(tenant, now)).await;
    let counter = crate::record::Counter::Jobs(now.day());
    let raise = crate::store::Write::Count { counter, add: 1, most: None };
    assert_eq!(super::commit(subject, tenant, vec![raise]).await, Ok(()));
    all
}

pub async fn listings_are_in_their_order(subject: &dyn Subject) {
    let now = subject.now();
    let (tenant, other) = (made::tenant_id(now), made::tenant_id(now));
    let mine = fill(subject, &tenant, now).await;
    fill(subject, &other, now).await;
    for (listing, rows) in everything(now).iter().zip(&mine) {
        let found = listed(subject, &tenant, listing, 100, None).await;
        assert_eq!(found.len(), rows.len(), "{listing:?}");
        assert!(rows.iter().all(|row| found.contains(row)), "{listing:?}: whole, and mine");
        let mut times: Vec<Moment> = rows.iter().map(made_at).collect();
        times.sort_unstable();
        if !matches!(listing, Listing::Usage { .. }) {
            times.reverse();
        }
        assert_eq!(found.iter().map(made_at).collect::<Vec<_>>(), times, "{listing:?}");
        assert_eq!(listed(subject, &made::tenant_id(now), listing, 100, None).await, [], "one who has nothing");
    }
}

pub async fn every_limit_pages_through_everything(subject: &dyn Subject) {
    let now = subject.now();
    let (tenant, other) = (made::tenant_id(now), made::tenant_id(now));
    let rows = fill(subject, &tenant, now).await;
    fill(subject, &other, now).await;
    for (listing, rows) in everything(now).iter().zip(&rows) {
        let whole = addresses(&listed(subject, &tenant, listing, 100, None).await);
        assert_eq!(whole.len(), rows.len());
        for limit in 1..=rows.len() + 1 {
            let paged = addresses(&listed(subject, &tenant, listing, limit, None).await);
            assert_eq!(paged, whole, "{listing:?}, {limit} at a time");
        }
    }
    // By status, jobs that move are found where they are.
    let jobs = listed(subject, &tenant, &Listing::Jobs { status: None }, 100, None).await;
    for (number, row) in jobs.iter().enumerate() {
        let Row::Job(job) = row.clone() else { panic!("no job") };
        let moved = match number % 3 {
            0 => continue,
            1 => job.enqueued(now),
            _ => made::cancelled(*job),
        };
        let write = vec![crate::store::Write::Replace(moved.into())];
        assert_eq!(super::commit(subject, &tenant, write).await, Ok(()));
    }
    for limit in 1..=4 {
        let of = |status| Listing::Jobs { status: Some(status) };
        let waiting = listed(subject, &tenant, &of(Status::Pending), limit, None).await;
        assert_eq!(waiting, listed(subject, &tenant, &of(Status::Queued), limit, None).await, "told apart by nobody");
        let mut found = BTreeSet::new();
        for status in Status::ALL.into_iter().filter(|status| *status != Status::Pending) {
            let rows = listed(subject, &tenant, &of(status), limit, None).await;
            // Three whose tickets are on their way, two whose tickets are there.
            let expected = match status {
                Status::Queued => 5,
                Status::Cancelled => 2,
                _ => 0,
            };
            assert_eq!(rows.len(), expected, "{status:?}, {limit} at a time");
            assert!(rows.windows(2).all(|pair| made_at(&pair[0]) >= made_at(&pair[1])), "{status:?}: newest first");
            for row in rows {
                let Row::Job(job) = row else { panic!("no job") };
                assert!(job.status == status || (job.status, status) == (Status::Pending, Status::Queued));
                assert!(found.insert(job.id));
            }
        }
    }
    // What has expired is skipped, and what is left is paged as before: the cancelled jobs go last, after the messages.
    let ends = jobs.iter().map(made_at).max().expect("jobs").plus(crate::job::KEPT);
    subject.pass(ends.since(subject.now())).await;
    assert_eq!(listed(subject, &tenant, &Listing::Messages, 2, None).await, []);
    for limit in 1..=6 {
        let left = listed(subject, &tenant, &Listing::Jobs { status: None }, limit, None).await;
        assert_eq!(left.len(), 5, "{limit} at a time");
    }
    assert_eq!(listed(subject, &tenant, &Listing::Jobs { status: Some(Status::Cancelled) }, 2, None).await, []);
}

pub async fn usage_is_listed_for_its_span(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let at = |seconds| now.minus(Duration::from_secs(100)).plus(Duration::from_secs(seconds));
    for seconds in 0..10 {
        create(subject, &tenant, made::usage(&tenant, at(seconds))).await;
    }
    for (from, to) in [(0, 10), (0, 0), (3, 3), (3, 4), (2, 9), (5, 50), (9, 2)] {
        for limit in [1, 2, 20] {
            let listing = Listing::Usage { from: at(from), to: at(to) };
            let found: Vec<Moment> =
                listed(subject, &tenant, &listing, limit, None).await.iter().map(made_at).collect();
            let expected: Vec<Moment> = (from..to.min(10)).map(at).collect();
            assert_eq!(found, expected, "{from}..{to}, {limit} at a time");
        }
    }
}

/// A place of another tenant, of another listing, or of nobody: a problem or some of one's own rows, never another's.
pub async fn other_places_lead_nowhere(subject: &dyn Subject) {
    let now = subject.now();
    let (tenant, other) = (made::tenant_id(now), made::tenant_id(now));
    fill(subject, &tenant, now).await;
    fill(subject, &other, now).await;
    let mut places: Vec<String> =
        ["", " ", "\u{0}", "%", "'", "{}", "null", "-1", "#", "\u{10ffff}", "eyJ9"].map(str::to_owned).to_vec();
    places.push("z".repeat(100_000));
    for listing in everything(now) {
        let page = subject.store().list(&other, &listing, 2, None).await.expect("a page");
        places.push(page.next.expect("more than two"));
    }
    for listing in everything(now) {
        let own = listed(subject, &tenant, &listing, 100, None).await;
        for place in &places {
            let page = subject.store().list(&tenant, &listing, 100, Some(place)).await;
            for row in page.map(|page| page.rows).unwrap_or_default() {
                assert!(own.contains(&row), "{listing:?} after {place:.40?}: {row:?}");
            }
        }
    }
}
