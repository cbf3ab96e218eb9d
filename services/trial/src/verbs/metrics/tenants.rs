//! Many tenants at once, each with a job. How many jobs were there at the same time the service's own times say: accepted, and
//! not ended.

use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;

use super::latency::moment;
use super::{Done, Found};
use crate::house::{House, Wish};
use crate::report::Fault;

/// As many as are to be there at the same time.
pub(super) const ENOUGH: u32 = 100;
/// How many are made at once.
const TOGETHER: usize = 10;

pub(super) async fn together(house: &House, count: u32) -> Result<(Found, Vec<Done>), Fault> {
    let names: Vec<String> = (0..count).map(|number| format!("tenant-{number}")).collect();
    let mut tenants = Vec::new();
    for some in names.chunks(TOGETHER) {
        tenants.extend(try_join_all(some.iter().map(|name| house.tenant(name, Wish::default()))).await?);
    }
    let Some(first) = tenants.first() else { return Err(Fault::wrong("no tenants were asked for")) };
    let agent = house.agent(first).await?;
    for some in tenants.chunks(TOGETHER) {
        try_join_all(some.iter().map(|tenant| house.store_secret(tenant, &agent))).await?;
    }
    let word = house.word("together");
    let ids = try_join_all(tenants.iter().map(|tenant| house.submit(tenant, &agent, &word))).await?;
    let jobs = join_all(tenants.iter().zip(&ids).map(|(tenant, id)| house.settled(tenant, id))).await;
    let (mut spans, mut succeeded) = (Vec::new(), 0);
    for job in jobs {
        let job = job?;
        spans.push((moment(&job, "/created_at")?, moment(&job, "/completed_at")?));
        succeeded += usize::from(job.text("/status")? == "succeeded");
    }
    let most = most_at_once(&spans);
    let told = format!("{count} tenants, a job each: all {} ended, {succeeded} succeeded", spans.len());
    let done = tenants.into_iter().zip(ids).map(|(tenant, id)| Done { tenant, jobs: vec![id], besides: None });
    Ok(((f64::from(most), told), done.collect()))
}

/// How many of these spans have a moment in common, at most. One that ends when another begins is over.
fn most_at_once(spans: &[(Timestamp, Timestamp)]) -> u32 {
    let ends = spans.iter().map(|(_, end)| (*end, false));
    let mut all: Vec<(Timestamp, bool)> = spans.iter().map(|(begin, _)| (*begin, true)).chain(ends).collect();
    all.sort_unstable();
    let (mut now, mut most) = (0_u32, 0);
    for (_, begins) in all {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_where_they_overlap() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let spans = |pairs: &[(i64, i64)]| pairs.iter().map(|(from, to)| (at(*from), at(*to))).collect::<Vec<_>>();
        assert_eq!(most_at_once(&spans(&[(0, 10), (1, 3), (2, 4), (3, 5), (20, 30)])), 3);
        assert_eq!(most_at_once(&spans(&[(0, 1), (1, 2), (2, 3)])), 1);
        assert_eq!(most_at_once(&[]), 0);
    }
}
