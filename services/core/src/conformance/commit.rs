//! A change happens whole or not at all, and the first write that cannot be is named.

use std::time::Duration;

use super::{Subject, commit, count, create, get, made};
use crate::moment::Moment;
use crate::record::{ANSWER_KEPT, Counter};
use crate::store::{Address, Problem, Row, WRITES, Write};

/// One of each kind, none of which has expired.
fn one_of_each(tenant: &crate::id::TenantId, now: Moment) -> Vec<Row> {
    vec![
        made::tenant(tenant, now).into(),
        made::email(tenant).into(),
        made::key(tenant, now).into(),
        made::job(tenant, now).into(),
        made::usage(tenant, now).into(),
        made::audit(tenant, now).into(),
        made::answer(tenant, now).into(),
        made::billing_event(tenant, now).into(),
        made::message(tenant, now).into(),
    ]
}

fn next(row: Row) -> Row {
    let version = row.version();
    row.with_version(version + 1)
}

pub async fn each_kind_of_row_is_kept_as_it_is(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    for row in one_of_each(&tenant, subject.now()) {
        let address = row.address();
        assert_eq!(get(subject, &tenant, &address).await, None);
        // Whatever version it carries, it begins with the first one.
        let sent = row.clone().with_version(77);
        create(subject, &tenant, sent).await;
        assert_eq!(get(subject, &tenant, &address).await, Some(row));
    }
    // Counters lie beside usage events, and are no rows.
    let counter = Counter::Jobs(subject.now().day());
    let raise = vec![Write::Count { counter, add: 1, most: None }];
    assert_eq!(commit(subject, &tenant, raise).await, Ok(()));
    assert_eq!(get(subject, &tenant, &Address::counter(&tenant, counter)).await, None);
    assert_eq!(commit(subject, &tenant, Vec::new()).await, Ok(()), "nothing to be done is done");
}

pub async fn a_row_is_created_once(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    for row in one_of_each(&tenant, subject.now()) {
        create(subject, &tenant, row.clone()).await;
        let again = vec![Write::Create(row.clone())];
        assert_eq!(commit(subject, &tenant, again).await, Err(Problem::Refused(0)), "{row:?}");
        assert_eq!(get(subject, &tenant, &row.address()).await, Some(row));
    }
}

pub async fn a_row_is_replaced_in_its_version(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let mut job = made::job(&tenant, subject.now());
    let address = Address::job(&job.id);
    let replace = |job: &crate::job::Job| vec![Write::Replace(job.clone().into())];
    assert_eq!(commit(subject, &tenant, replace(&job)).await, Err(Problem::Refused(0)), "it is not there");
    assert_eq!(get(subject, &tenant, &address).await, None);
    create(subject, &tenant, job.clone()).await;
    for version in 1..4 {
        for other in [version - 1, version + 1, u64::MAX] {
            job.version = other;
            assert_eq!(commit(subject, &tenant, replace(&job)).await, Err(Problem::Refused(0)), "{other}");
        }
        job = job.enqueued(subject.now());
        job.version = version;
        assert_eq!(commit(subject, &tenant, replace(&job)).await, Ok(()));
        job.version = version + 1;
        assert_eq!(get(subject, &tenant, &address).await, Some(job.clone().into()));
    }
}

pub async fn a_row_is_removed_in_its_version(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    for row in one_of_each(&tenant, subject.now()) {
        let remove = |version| vec![Write::Remove { address: row.address(), version }];
        let version = row.version();
        assert_eq!(commit(subject, &tenant, remove(version)).await, Err(Problem::Refused(0)), "it is not there");
        create(subject, &tenant, row.clone()).await;
        assert_eq!(commit(subject, &tenant, remove(version + 1)).await, Err(Problem::Refused(0)));
        assert_eq!(get(subject, &tenant, &row.address()).await, Some(row.clone()));
        assert_eq!(commit(subject, &tenant, remove(version)).await, Ok(()));
        assert_eq!(get(subject, &tenant, &row.address()).await, None);
        // As if it had never been.
        create(subject, &tenant, row.clone()).await;
    }
    let counter = Address::counter(&tenant, Counter::Active);
    let raise = vec![Write::Count { counter: Counter::Active, add: 1, most: None }];
    assert_eq!(commit(subject, &tenant, raise).await, Ok(()));
    for version in [0, 1] {
        let remove = vec![Write::Remove { address: counter.clone(), version }];
        assert_eq!(commit(subject, &tenant, remove).await, Err(Problem::Refused(0)), "a counter is no row");
    }
    assert_eq!(count(subject, &tenant, Counter::Active).await, 1);
}

pub async fn a_counter_stays_within_its_bounds(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let day = Counter::Jobs(subject.now().day());
    let steps: [(i64, Option<u64>, Result<u64, ()>); 14] = [
        (-1, None, Err(())),
        (1, Some(0), Err(())),
        (4, Some(3), Err(())),
        (3, Some(3), Ok(3)),
        (1, Some(3), Err(())),
        (-4, None, Err(())),
        (-1, Some(3), Ok(2)),
        (1, None, Ok(3)),
        (1, None, Ok(4)),
        // Where it stands above a bound that was lowered, it may not stay there.
        (-1, Some(2), Err(())),
        (-2, Some(2), Ok(2)),
        (-2, None, Ok(0)),
        (i64::MIN, None, Err(())),
        (0, Some(0), Ok(0)),
    ];
    for (counter, other) in [(day, Counter::Active), (Counter::Active, Counter::Jobs(subject.now().day().next()))] {
        let mut stands = 0;
        for (step, (add, most, expected)) in steps.into_iter().enumerate() {
            let answer = commit(subject, &tenant, vec![Write::Count { counter, add, most }]).await;
            assert_eq!(answer, expected.map(|_| ()).map_err(|()| Problem::Refused(0)), "{counter:?}, step {step}");
            stands = expected.unwrap_or(stands);
            assert_eq!(count(subject, &tenant, counter).await, stands, "{counter:?}, step {step}");
        }
        assert_eq!(count(subject, &tenant, other).await, 0, "counters are apart");
    }
    let other = made::tenant_id(subject.now());
    let raise = vec![Write::Count { counter: day, add: 5, most: Some(5) }];
    assert_eq!(commit(subject, &other, raise).await, Ok(()));
    assert_eq!((count(subject, &tenant, day).await, count(subject, &other, day).await), (0, 5), "so are tenants");
}

pub async fn refusals_leave_nothing_behind(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let there = made::job(&tenant, now);
    let leaves = made::key(&tenant, now);
    create(subject, &tenant, there.clone()).await;
    create(subject, &tenant, leaves.clone()).await;
    let new = made::answer(&tenant, now);
    let fine = [
        Write::Create(new.clone().into()),
        Write::Replace(there.clone().enqueued(now).into()),
        Write::Remove { address: Address::key(&leaves.hash), version: 1 },
        Write::Count { counter: Counter::Active, add: 2, most: Some(2) },
    ];
    let refused = [
        Write::Create(there.clone().into()),
        Write::Create(leaves.clone().into()),
        Write::Replace(made::job(&tenant, now).into()),
        Write::Replace(next(leaves.clone().into())),
        Write::Remove { address: Address::job(&made::job(&tenant, now).id), version: 1 },
        Write::Remove { address: Address::job(&there.id), version: 2 },
        Write::Count { counter: Counter::Jobs(now.day()), add: -1, most: None },
        Write::Count { counter: Counter::Jobs(now.day()), add: 1, most: Some(0) },
        Write::Create(made::audit(&made::tenant_id(now), now).into()),
    ];
    let untouched = async || {
        assert_eq!(get(subject, &tenant, &Address::answer(&tenant, &new.key)).await, None);
        assert_eq!(get(subject, &tenant, &Address::job(&there.id)).await, Some(there.clone().into()));
        assert_eq!(get(subject, &tenant, &Address::key(&leaves.hash)).await, Some(leaves.clone().into()));
        assert_eq!(count(subject, &tenant, Counter::Active).await, 0);
        assert_eq!(count(subject, &tenant, Counter::Jobs(now.day())).await, 0);
    };
    for wrong in &refused {
        // It takes the place of what goes to the same address.
        let rest: Vec<Write> =
            fine.iter().filter(|write| write.address(&tenant) != wrong.address(&tenant)).cloned().collect();
        for at in 0..=rest.len() {
            let mut writes = rest.clone();
            writes.insert(at, wrong.clone());
            assert_eq!(commit(subject, &tenant, writes).await, Err(Problem::Refused(at)), "{wrong:?}");
            untouched().await;
        }
    }
    // Of several, the first.
    for (first, second) in [(0, 6), (6, 0), (3, 7), (5, 1)] {
        let writes = vec![fine[0].clone(), refused[first].clone(), refused[second].clone()];
        assert_eq!(commit(subject, &tenant, writes).await, Err(Problem::Refused(1)), "{first} {second}");
        untouched().await;
    }
    assert_eq!(commit(subject, &tenant, fine.to_vec()).await, Ok(()));
    assert_eq!(count(subject, &tenant, Counter::Active).await, 2);
    assert_eq!(get(subject, &tenant, &Address::key(&leaves.hash)).await, None);
    let job = get(subject, &tenant, &Address::job(&there.id)).await.expect("a job");
    assert_eq!(job, Row::from(there.enqueued(now)).with_version(2));
}

pub async fn rows_of_others_are_out_of_reach(subject: &dyn Subject) {
    let (mine, other) = (made::tenant_id(subject.now()), made::tenant_id(subject.now()));
    for row in one_of_each(&other, subject.now()) {
        let create = vec![Write::Create(row.clone())];
        assert_eq!(commit(subject, &mine, create).await, Err(Problem::Refused(0)), "a row of another");
        super::create(subject, &other, row.clone()).await;
        assert_eq!(get(subject, &mine, &row.address()).await, None);
        for wrong in [
            Write::Create(row.clone()),
            Write::Replace(row.clone()),
            Write::Remove { address: row.address(), version: row.version() },
        ] {
            let writes = vec![Write::Count { counter: Counter::Active, add: 1, most: None }, wrong];
            assert_eq!(commit(subject, &mine, writes).await, Err(Problem::Refused(1)), "{row:?}");
        }
        assert_eq!(get(subject, &other, &row.address()).await, Some(row));
    }
    // A row that says it is mine does not get me the place of another's.
    let theirs = made::job(&other, subject.now());
    create(subject, &other, theirs.clone()).await;
    let mut stolen = theirs.clone();
    stolen.tenant = mine.clone();
    for write in [Write::Create(stolen.clone().into()), Write::Replace(stolen.into())] {
        assert_eq!(commit(subject, &mine, vec![write]).await, Err(Problem::Refused(0)));
    }
    assert_eq!(get(subject, &other, &Address::job(&theirs.id)).await, Some(theirs.into()));
    assert_eq!(count(subject, &mine, Counter::Active).await, 0);
}

pub async fn what_has_expired_is_gone(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let answer = made::answer(&tenant, subject.now());
    let job = made::cancelled(made::job(&tenant, subject.now()));
    let rows: [Row; 5] = [
        answer.clone().into(),
        made::billing_event(&tenant, subject.now()).into(),
        made::message(&tenant, subject.now()).into(),
        job.into(),
        made::usage(&tenant, subject.now()).into(),
    ];
    let counter = Counter::Jobs(subject.now().day());
    assert_eq!(commit(subject, &tenant, vec![Write::Count { counter, add: 3, most: None }]).await, Ok(()));
    for row in &rows {
        create(subject, &tenant, row.clone()).await;
    }
    for row in &rows {
        let ends = row.expires().expect("an end");
        // A moment before, it is there.
        subject.pass(ends.minus(Duration::from_millis(1)).since(subject.now())).await;
        if subject.now() < ends {
            assert_eq!(get(subject, &tenant, &row.address()).await, Some(row.clone()));
        }
        subject.pass(ends.since(subject.now())).await;
        assert_eq!(get(subject, &tenant, &row.address()).await, None, "{row:?}");
        for write in [Write::Replace(row.clone()), Write::Remove { address: row.address(), version: row.version() }] {
            assert_eq!(commit(subject, &tenant, vec![write]).await, Err(Problem::Refused(0)), "{row:?}");
        }
    }
    // Its place is free, and nothing of the old one shows.
    let again = crate::record::Answer { expires_at: subject.now().plus(ANSWER_KEPT), ..answer };
    create(subject, &tenant, again.clone()).await;
    assert_eq!(get(subject, &tenant, &Address::answer(&tenant, &again.key)).await, Some(again.into()));
    subject.pass(counter.expires().expect("an end").since(subject.now())).await;
    assert_eq!(count(subject, &tenant, counter).await, 0);
    assert_eq!(commit(subject, &tenant, vec![Write::Count { counter, add: 1, most: Some(1) }]).await, Ok(()));
}

pub async fn a_change_has_a_size(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let audit = || Write::Create(made::audit(&tenant, now).into());
    let most: Vec<Write> = (0..WRITES).map(|_| audit()).collect();
    assert_eq!(commit(subject, &tenant, most.clone()).await, Ok(()));
    let more: Vec<Write> = (0..=WRITES).map(|_| audit()).collect();
    let twice = audit();
    let count = Write::Count { counter: Counter::Active, add: 1, most: None };
    for wrong in [more, vec![twice.clone(), twice], vec![count.clone(), audit(), count]] {
        let first = wrong[0].address(&tenant);
        let answer = commit(subject, &tenant, wrong).await;
        assert!(matches!(answer, Err(Problem::Broken(_))), "{answer:?}");
        assert_eq!(get(subject, &tenant, &first).await, None);
    }
    assert_eq!(super::count(subject, &tenant, Counter::Active).await, 0);
}
