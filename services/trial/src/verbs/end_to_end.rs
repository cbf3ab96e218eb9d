//! `end-to-end`: what one tenant does from its first request to its last one.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::house::{House, Tenant, Wish};
use crate::jobs::why;
use crate::report::{Fault, Report, Stop, say};

/// Of a log, at once, and how often.
const LINES: u32 = 1000;
const PAGES: usize = 100;

pub(crate) async fn run(house: &House, report: &mut Report) -> Result<(), Stop> {
    let ada = report.check("a tenant registers", newcomer(house)).await?;
    let agent = report.check("the service offers an agent to it", house.agent(&ada)).await?;
    report.note(format!("`{}`", agent.name));

    let (key_id, key) = report.check("it makes a key for its work", new_key(house, &ada)).await?;
    let worker = Tenant { id: ada.id.clone(), key };
    report
        .check("it stores a secret, which is never shown again", async {
            let answer = house.store_secret(&worker, &agent).await?;
            let listed = house.service.get("/v1/secrets").key(&worker.key).send().await?.must_be(200)?;
            let shown = [&answer.body, &listed.body].iter().any(|body| body.to_string().contains(house.secret()));
            let kept = listed.rows()?.iter().any(|row| row.get("kind") == Some(&json!(agent.secret_kind)));
            match (shown, kept) {
                (true, _) => Err(Fault::wrong("the service shows the secret")),
                (_, false) => Err(Fault::wrong("the secret is not listed")),
                _ => Ok(()),
            }
        })
        .await?;

    let id = report.check("it submits a job", house.submit(&worker, &agent, &house.word("job"))).await?;
    report.note(&id);
    let job = report
        .check("the job succeeds", async {
            let job = house.ended(&worker, &id).await?;
            if job.text("/status")? == "succeeded" { Ok(job) } else { Err(Fault::wrong(why(&job))) }
        })
        .await?;
    report.note(format!(
        "created {}, started {}, completed {}",
        job.text("/created_at").unwrap_or_default(),
        job.text("/started_at").unwrap_or_default(),
        job.text("/completed_at").unwrap_or_default()
    ));
    if let Some(lines) = report.judge("its log is there, whole and in order", log(house, &worker, &id)).await {
        report.note(format!("{lines} lines"));
    }
    if let Some((name, bytes)) = report.judge("what it left is fetched by a link", artifact(house, &worker, &id)).await
    {
        report.note(format!("`{name}`, {bytes} bytes"));
    }
    report.judge("it is charged for once", charged(house, &worker, &id)).await;

    let path = format!("/v1/auth/api-keys/{key_id}");
    report
        .check("the key is revoked", async { house.service.delete(path).key(&ada.key).send().await?.must_be(200) })
        .await?;
    let next = async { house.service.get("/v1/tenant").key(&worker.key).send().await?.must_be(401) };
    report.judge("its next call is refused", next).await;
    Ok(())
}

/// Where nobody may register, the operator makes the tenant.
async fn newcomer(house: &House) -> Result<Tenant, Fault> {
    match house.register("ada").await {
        Err(fault) if house.has_operator() && fault.told().contains("registration_closed") => {
            say("        registering is closed: the operator makes it");
            house.tenant("ada", Wish::default()).await
        }
        made => made,
    }
}

async fn new_key(house: &House, tenant: &Tenant) -> Result<(String, String), Fault> {
    let body = json!({"name": house.word("key")});
    let made = house.service.post("/v1/auth/api-keys", body).key(&tenant.key).send().await?.must_be(201)?;
    Ok((made.text("/id")?, made.text("/api_key")?))
}

async fn log(house: &House, tenant: &Tenant, id: &str) -> Result<usize, Fault> {
    let (mut after, mut count) = (0, 0);
    for _ in 0..PAGES {
        let path = format!("/v1/jobs/{id}/logs?after={after}&limit={LINES}&wait=5");
        let page = house.service.get(path).key(&tenant.key).send().await?.must_be(200)?;
        for line in page.rows()? {
            let seq = line.get("seq").and_then(Value::as_u64).unwrap_or_default();
            if seq <= after {
                return Err(Fault::wrong(format!("line {seq} comes after line {after}")));
            }
            after = seq;
            count += 1;
        }
        if page.body.get("final") == Some(&Value::Bool(true)) {
            return if count > 0 { Ok(count) } else { Err(Fault::wrong("the log has no line")) };
        }
        after = page.number("/next_after")?.max(after);
    }
    Err(Fault::wrong("the log of a job that has ended does not end"))
}

/// The smallest of what a job left.
async fn artifact(house: &House, tenant: &Tenant, id: &str) -> Result<(String, u64), Fault> {
    let listed = house.service.get(format!("/v1/jobs/{id}/artifacts")).key(&tenant.key).send().await?.must_be(200)?;
    let size = |row: &&Value| row.get("bytes").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let row = listed.rows()?.iter().min_by_key(size).ok_or_else(|| Fault::wrong("the job left nothing"))?;
    let field = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let bytes = house.service.download(field("url")).await?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let told = size(&row);
    if digest != field("sha256") || u64::try_from(bytes.len()) != Ok(told) {
        let name = field("name");
        return Err(Fault::wrong(format!("the link to `{name}` leads to {} other bytes", bytes.len())));
    }
    Ok((field("name").to_owned(), told))
}

async fn charged(house: &House, tenant: &Tenant, id: &str) -> Result<(), Fault> {
    let rows = house.rows_of("/v1/usage/events", &tenant.key, "job_id", id).await?;
    if rows.len() != 1 {
        return Err(Fault::wrong(format!("the job is charged for {} times", rows.len())));
    }
    let usage = house.service.get("/v1/usage").key(&tenant.key).send().await?.must_be(200)?;
    match (usage.number("/jobs_today")?, usage.number("/active")?) {
        (1, 0) => Ok(()),
        (today, active) => {
            Err(Fault::wrong(format!("after one job the service counts {today}, and {active} that go on")))
        }
    }
}
