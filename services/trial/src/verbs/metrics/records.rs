//! What the service writes down of what was asked and done, against what this trial knows that it asked and had done.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Done, Found};
use crate::house::{Agent, House, Tenant};
use crate::report::{Fault, say};
use crate::service::Answer;

/// How long a row may take to be listed.
const SEEN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// An address that can be told, and never is: no job ends while it is a webhook's.
const HOOK: &str = "https://example.com/trial";

/// What was done, and what the trail is to call it.
struct Acts(Vec<(String, &'static str)>);

impl Acts {
    fn add(&mut self, action: &'static str, answer: &Answer) -> Result<(), Fault> {
        let id = answer.header("x-request-id").ok_or_else(|| Fault::wrong("an answer has no `x-request-id`"))?;
        self.0.push((id.to_owned(), action));
        Ok(())
    }
}

/// Everything that a tenant can change, each once, and keys that are refused: each is a row of the trail, found by the number of
/// its request.
pub(super) async fn audit(house: &House, tenant: &Tenant, agent: &Agent) -> Result<(Found, String), Fault> {
    let (service, key) = (&house.service, &tenant.key);
    let mut acts = Acts(Vec::new());
    acts.add("secret.put", &house.store_secret(tenant, agent).await?)?;
    let body = json!({"name": house.word("renamed")});
    let renamed = service.patch("/v1/tenant", body).key(key).send().await?.must_be(200)?;
    acts.add("tenant.rename", &renamed)?;

    let body = json!({"name": "reader", "scopes": ["jobs:read"]});
    let made = service.post("/v1/auth/api-keys", body).key(key).send().await?.must_be(201)?;
    acts.add("key.create", &made)?;
    let reader = made.text("/api_key")?;
    let path = format!("/v1/auth/api-keys/{}", made.text("/id")?);
    acts.add("key.refused", &service.get("/v1/usage").key(&reader).send().await?.must_be(403)?)?;
    let body = json!({"grace_seconds": 60});
    let rotated = service.post(format!("{path}/rotate"), body).key(key).send().await?.must_be(201)?;
    acts.add("key.rotate", &rotated)?;
    acts.add("key.revoke", &service.delete(&path).key(key).send().await?.must_be(200)?)?;
    acts.add("key.denied", &service.get("/v1/jobs").key(&reader).send().await?.must_be(401)?)?;

    let hook = service.post("/v1/webhooks", json!({"url": HOOK})).key(key).send().await?.must_be(201)?;
    acts.add("hook.create", &hook)?;
    let path = format!("/v1/webhooks/{}", hook.text("/id")?);
    let rotated = service.post(format!("{path}/rotate"), json!({})).key(key).send().await?.must_be(201)?;
    acts.add("hook.rotate", &rotated)?;
    acts.add("hook.delete", &service.delete(path).key(key).send().await?.must_be(204)?)?;

    let callback = service.post("/v1/webhooks/callback-secret", json!({})).key(key).send().await?.must_be(201)?;
    acts.add("callback.rotate", &callback)?;

    let submitted = house.submission(tenant, agent, &house.word("audit")).send().await?.must_be(202)?;
    acts.add("job.submit", &submitted)?;
    let id = submitted.text("/id")?;
    let cancelled = service.post(format!("/v1/jobs/{id}/cancel"), json!({})).key(key).send().await?;
    // A worker may have been quicker.
    if cancelled.status == 200 {
        acts.add("job.cancel", &cancelled)?;
    }
    house.settled(tenant, &id).await?;
    let path = format!("/v1/secrets/{}", agent.secret_kind);
    acts.add("secret.remove", &service.delete(path).key(key).send().await?.must_be(204)?)?;
    acts.add("secret.put", &house.store_secret(tenant, agent).await?)?;

    let began = Instant::now();
    loop {
        let rows = house.all("/v1/audit", key).await?;
        let field = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let there: HashSet<(String, String)> =
            rows.iter().map(|row| (field(row, "request_id"), field(row, "action"))).collect();
        let missing: Vec<&str> = acts
            .0
            .iter()
            .filter(|(id, action)| !there.contains(&(id.clone(), (*action).to_owned())))
            .map(|(_, action)| *action)
            .collect();
        if missing.is_empty() || began.elapsed() > SEEN {
            for action in &missing {
                say(&format!("        no row of `{action}`"));
            }
            let (all, found) = (acts.0.len(), acts.0.len() - missing.len());
            let told = format!(
                "{found} of {all} requests that changed something, or showed a key that may not, are in /v1/audit; what only \
                 reads, or is refused for what it asks, leaves no row"
            );
            return Ok(((percent(found, all), told), id));
        }
        sleep(PAUSE).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// What bills of one tenant say of its jobs.
#[derive(Default)]
struct Bill {
    wanted: usize,
    right: usize,
    millis: u64,
}

/// Each job is one row, which says how it ended and for how long its agent ran, as the job does; sums of days are the same.
pub(super) async fn billing(house: &House, done: &[Done]) -> Result<Found, Fault> {
    let mut all = Bill::default();
    for one in done {
        let bill = bill(house, one).await?;
        all.wanted += bill.wanted;
        all.right += bill.right;
        all.millis += bill.millis;
    }
    if all.wanted == 0 {
        return Err(Fault::wrong("no job was done"));
    }
    let told = format!(
        "{} of {} jobs that were done are charged for once, to the millisecond ({:.1} s together), and so are their days",
        all.right,
        all.wanted,
        Duration::from_millis(all.millis).as_secs_f64()
    );
    Ok((percent(all.right, all.wanted), told))
}

async fn bill(house: &House, Done { tenant, jobs, besides }: &Done) -> Result<Bill, Fault> {
    // The last of them may be listed a little later than it ended.
    if let Some(last) = jobs.last() {
        house.rows_of("/v1/usage/events", &tenant.key, "job_id", last).await?;
    }
    let listed = house.all("/v1/usage/events", &tenant.key).await?;
    let mut rows: HashMap<&str, Vec<&Value>> = HashMap::new();
    for row in &listed {
        rows.entry(row.get("job_id").and_then(Value::as_str).unwrap_or_default()).or_default().push(row);
    }
    let mut bill = Bill { wanted: jobs.len(), ..Bill::default() };
    for id in jobs {
        let job = house.job(tenant, id).await?;
        match rows.get(id.as_str()).map(Vec::as_slice) {
            Some([row]) if is_billed(&job, row)? => {
                bill.right += 1;
                bill.millis += job.number("/outcome/usage/duration_ms")?;
            }
            Some([row]) => say(&format!("        {id} is charged for as {row}")),
            found => say(&format!("        {id} is charged for {} times", found.map_or(0, <[&Value]>::len))),
        }
    }
    for stray in rows.keys().filter(|id| !jobs.iter().any(|job| job == *id) && besides.as_deref() != Some(**id)) {
        say(&format!("        {stray} is charged for, and nobody asked for it"));
        bill.wanted += 1;
    }
    if !days_agree(house, tenant, &listed).await? {
        say(&format!("        days of {} are another sum than their jobs", tenant.id));
        bill.right = 0;
    }
    Ok(bill)
}

async fn days_agree(house: &House, tenant: &Tenant, rows: &[Value]) -> Result<bool, Fault> {
    let day = |row: &Value| row.get("at").and_then(Value::as_str).and_then(|at| at.get(..10)).map(str::to_owned);
    let days: Vec<String> = rows.iter().filter_map(day).collect();
    let (Some(from), Some(to)) = (days.iter().min(), days.iter().max()) else { return Ok(true) };
    let path = format!("/v1/usage?from={from}&to={to}");
    let told = house.service.get(path).key(&tenant.key).send().await?.must_be(200)?;
    let days = told.body.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let sum = |rows: &[Value], name: &str| -> u64 { rows.iter().filter_map(|row| row.get(name)?.as_u64()).sum() };
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(sum(&days, "jobs") == count && sum(&days, "duration_ms") == sum(rows, "duration_ms"))
}

/// Whether a row says what the job says, and the agent ran no longer than its worker had it.
fn is_billed(job: &Answer, row: &Value) -> Result<bool, Fault> {
    let billed = row.get("duration_ms").and_then(Value::as_u64);
    let ran = job.number("/outcome/usage/duration_ms")?;
    let (began, ended) = (super::latency::moment(job, "/started_at")?, super::latency::moment(job, "/completed_at")?);
    let held = ended.duration_since(began).as_millis();
    Ok(billed == Some(ran)
        && i128::from(ran) <= held + 1000
        && row.get("status").and_then(Value::as_str) == Some(job.text("/status")?.as_str()))
}
