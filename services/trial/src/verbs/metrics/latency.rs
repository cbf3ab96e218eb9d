//! How long things take. What a call takes is measured here; when a job was accepted and begun the service says itself, by its
//! own clocks.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::Found;
use crate::house::{Agent, House, Tenant};
use crate::report::Fault;
use crate::service::Answer;

/// Calls before those that count: connections are opened, keys are looked up for the first time.
const BEFORE: u32 = 10;
/// Two calls each: below what a tenant may ask in a second.
const PAUSE: Duration = Duration::from_millis(25);

/// Times in milliseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The smallest time that so many of a hundred do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).or(self.0.last()).copied().unwrap_or_default()
    }

    fn told(&self) -> String {
        format!("p50 {:.1} ms, p99 {:.1} ms", self.percentile(50), self.percentile(99))
    }
}

/// A call that asks who one is, and one that asks nothing. What the first takes above the second is authentication and a look at
/// the tenant's row: no less than authentication.
pub(super) async fn authentication(house: &House, tenant: &Tenant, count: u32) -> Result<Found, Fault> {
    let (mut plain, mut known) = (Vec::new(), Vec::new());
    for number in 0..BEFORE + count {
        let without = house.service.get("/health").send().await?.must_be(200)?;
        let with = house.service.get("/v1/tenant").key(&tenant.key).send().await?.must_be(200)?;
        if number >= BEFORE {
            plain.push(without.took.as_secs_f64() * 1000.0);
            known.push(with.took.as_secs_f64() * 1000.0);
        }
        sleep(PAUSE).await;
    }
    let (plain, known) = (Times::of(plain), Times::of(known));
    let above = (known.percentile(99) - plain.percentile(50)).max(0.0);
    let told =
        format!("{count} calls with a key ({}), above the p50 of as many without ({})", known.told(), plain.told());
    Ok((above, told))
}

pub(super) fn moment(job: &Answer, field: &str) -> Result<Timestamp, Fault> {
    let text = job.text(field)?;
    text.parse().map_err(|_| Fault::wrong(format!("`{field}` of a job is `{text}`, which is no time")))
}

pub(super) fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() * 1000.0
}

/// Jobs for a worker that has nothing else to do, and one before them that wakes it.
pub(super) async fn dispatch(
    house: &House,
    tenant: &Tenant,
    agent: &Agent,
    count: u32,
) -> Result<(Found, Vec<String>), Fault> {
    let usage = house.service.get("/v1/usage").key(&tenant.key).send().await?.must_be(200)?;
    let left = usage.body.get("jobs_remaining").and_then(serde_json::Value::as_u64);
    let count = left.map_or(u64::from(count), |left| u64::from(count).min(left.saturating_sub(1)));
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    for number in 0..=count {
        let id = house.submit(tenant, agent, &house.word(&format!("dispatch-{number}"))).await?;
        let job = house.settled(tenant, &id).await?;
        if number > 0 {
            times.push(millis(moment(&job, "/created_at")?, moment(&job, "/started_at")?));
        }
        ids.push(id);
    }
    if times.is_empty() {
        return Err(Fault::wrong("the tenant may have no more jobs today"));
    }
    let times = Times::of(times);
    let told = format!("{count} jobs one after the other, from accepted to begun: {}", times.told());
    Ok(((times.percentile(99), told), ids))
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = Times::of((1..=200).rev().map(f64::from).collect());
        assert_eq!((times.percentile(50), times.percentile(99)), (100.0, 198.0));
        let few = Times::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((few.percentile(50), few.percentile(99)), (2.0, 3.0));
        assert_eq!(Times::of(Vec::new()).percentile(99), 0.0);
    }
}
