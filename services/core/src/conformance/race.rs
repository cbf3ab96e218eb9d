//! Many at once: as if each had come alone, in some order.

use super::{Subject, commit, count, create, get, made, together};
use crate::record::Counter;
use crate::store::{Address, Pending, Problem, Row, Write};

const MANY: usize = 64;

fn won(answers: &[Result<(), Problem>], lost: usize) -> usize {
    let others = answers.iter().filter(|answer| answer.is_err());
    for answer in others {
        assert_eq!(*answer, Err(Problem::Refused(lost)));
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

pub async fn sixty_four_at_one_counter(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let counter = Counter::Jobs(now.day());
    for limit in [1, 10, 63] {
        let before = count(subject, &tenant, counter).await;
        let most = before + limit;
        let jobs: Vec<_> = (0..MANY).map(|_| made::job(&tenant, now)).collect();
        let tries = jobs.iter().map(|job| -> Pending<'_, _> {
            let writes = vec![Write::Create(job.clone().into()), Write::Count { counter, add: 1, most: Some(most) }];
            Box::pin(commit(subject, &tenant, writes))
        });
        let answers = together(tries.collect()).await;
        assert_eq!(won(&answers, 1) as u64, limit);
        assert_eq!(count(subject, &tenant, counter).await, most);
        for (job, answer) in jobs.iter().zip(&answers) {
            let found = get(subject, &tenant, &Address::job(&job.id)).await;
            assert_eq!(found.is_some(), answer.is_ok(), "a job is there if it was counted");
        }
    }
}

pub async fn one_of_many_creates_happens(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let answer = made::answer(&tenant, now);
    let tries = (0..MANY).map(|number| -> Pending<'_, _> {
        let mut mine = answer.clone();
        mine.fingerprint = number.to_string();
        Box::pin(commit(subject, &tenant, vec![Write::Create(mine.into())]))
    });
    let answers = together(tries.collect()).await;
    assert_eq!(won(&answers, 0), 1);
    let winner = answers.iter().position(Result::is_ok).expect("a winner");
    let Some(Row::Answer(kept)) = get(subject, &tenant, &answer_address(&answer)).await else { panic!("no answer") };
    assert_eq!(kept.fingerprint, winner.to_string(), "what is kept is of whom it was told that it happened");
}

fn answer_address(answer: &crate::record::Answer) -> Address {
    Address::answer(&answer.tenant, &answer.key)
}

pub async fn one_of_many_replacements_happens(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let mut answer = made::answer(&tenant, now);
    create(subject, &tenant, answer.clone()).await;
    for version in 1..4 {
        answer.version = version;
        let tries = (0..MANY).map(|number| -> Pending<'_, _> {
            let mut mine = answer.clone();
            mine.fingerprint = number.to_string();
            Box::pin(commit(subject, &tenant, vec![Write::Replace(mine.into())]))
        });
        let answers = together(tries.collect()).await;
        assert_eq!(won(&answers, 0), 1);
        let winner = answers.iter().position(Result::is_ok).expect("a winner");
        let Some(Row::Answer(kept)) = get(subject, &tenant, &answer_address(&answer)).await else { panic!("gone") };
        assert_eq!((kept.fingerprint, kept.version), (winner.to_string(), version + 1));
    }
}

/// Each wants two places, in one order or the other: nobody gets one without the other.
pub async fn rivals_on_two_rows_never_mix(subject: &dyn Subject) {
    let now = subject.now();
    let tenant = made::tenant_id(now);
    let (left, right) = (made::answer(&tenant, now), made::answer(&tenant, now));
    let tries = (0..MANY).map(|number| -> Pending<'_, _> {
        let mut pair = [left.clone(), right.clone()];
        for answer in &mut pair {
            answer.fingerprint = number.to_string();
        }
        if number % 2 == 1 {
            pair.reverse();
        }
        Box::pin(commit(subject, &tenant, pair.map(|answer| Write::Create(answer.into())).to_vec()))
    });
    let answers = together(tries.collect()).await;
    assert_eq!(won(&answers, 0), 1);
    let winner = answers.iter().position(Result::is_ok).expect("a winner").to_string();
    for answer in [&left, &right] {
        let Some(Row::Answer(kept)) = get(subject, &tenant, &answer_address(answer)).await else { panic!("gone") };
        assert_eq!(kept.fingerprint, winner);
    }
}
