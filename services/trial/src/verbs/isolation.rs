//! `isolation`: two tenants, who know each other's ids. What is another's is answered as what is not there.

use serde_json::{Value, json};

use crate::house::{Agent, House, Tenant};
use crate::jobs::seen;
use crate::report::{Fault, Report, Stop};

/// The form of a key that nobody has.
const NOBODYS: &str = "otp_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) async fn run(house: &House, report: &mut Report) -> Result<(), Stop> {
    let ada = report.check("a tenant comes", house.tenant("ada", Default::default())).await?;
    let bob = report.check("another one comes", house.tenant("bob", Default::default())).await?;
    let agent = report.check("the service offers an agent to them", house.agent(&ada)).await?;
    report.check("the first one stores a secret", async { house.store_secret(&ada, &agent).await.map(drop) }).await?;
    let id = report.check("the first one submits a job", house.submit(&ada, &agent, &house.word("job"))).await?;
    report.note(&id);

    let cancel = house.service.post(format!("/v1/jobs/{id}/cancel"), json!({})).key(&bob.key);
    report.judge("the other one does not cancel it", async { cancel.send().await?.must_be(404) }).await;
    let delete = house.service.delete(format!("/v1/jobs/{id}")).key(&bob.key);
    report.judge("nor deletes it", async { delete.send().await?.must_be(404) }).await;
    let work = async {
        let job = house.ended(&ada, &id).await?;
        match job.text("/status")?.as_str() {
            "cancelled" => Err(Fault::wrong("the job was cancelled by somebody who may not")),
            _ => Ok(()),
        }
    };
    report.judge("the job ends as if nobody had asked", work).await;

    for (what, path) in [("job", ""), ("log", "/logs"), ("artifacts", "/artifacts")] {
        let path = format!("/v1/jobs/{id}{path}");
        let work = async {
            house.service.get(&path).key(&ada.key).send().await?.must_be(200)?;
            house.service.get(&path).key(&bob.key).send().await?.must_be(404)
        };
        report.judge(&format!("only its owner finds its {what}"), work).await;
    }
    lists(house, report, &ada, &bob, &id).await;
    cursors(house, report, &ada, &bob, &agent).await;
    keys(house, report, &ada, &bob).await;
    strangers(house, report, &ada).await;
    Ok(())
}

async fn lists(house: &House, report: &mut Report, ada: &Tenant, bob: &Tenant, id: &str) {
    for path in ["/v1/jobs", "/v1/usage/events", "/v1/audit"] {
        let work = async {
            let names = |rows: &[Value]| rows.iter().any(|row| row.to_string().contains(id));
            let own = seen(async || Ok(names(&house.all(path, &ada.key).await?).then_some(()))).await?;
            own.ok_or_else(|| Fault::wrong("its owner does not see it"))?;
            match names(&house.all(path, &bob.key).await?) {
                true => Err(Fault::wrong("the other one sees it")),
                false => Ok(()),
            }
        };
        report.judge(&format!("the job is in {path} of its owner only"), work).await;
    }
    let path = format!("/v1/jobs?idempotency_key={}", house.word("job"));
    let found = async {
        let found = house.service.get(path).key(&bob.key).send().await?.must_be(200)?;
        if found.rows()?.is_empty() { Ok(()) } else { Err(Fault::wrong("the other one finds it")) }
    };
    report.judge("nor is it found by the word that it was submitted with", found).await;
    let secrets = async {
        let listed = house.service.get("/v1/secrets").key(&bob.key).send().await?.must_be(200)?;
        if listed.rows()?.is_empty() { Ok(()) } else { Err(Fault::wrong("the other one has a secret")) }
    };
    report.judge("secrets are of one tenant", secrets).await;
}

/// Places in lists of the first one are none of the other's.
async fn cursors(house: &House, report: &mut Report, ada: &Tenant, bob: &Tenant, agent: &Agent) {
    let second = async {
        let id = house.submit(ada, agent, &house.word("another-job")).await?;
        house.ended(ada, &id).await?;
        let body = json!({"name": house.word("another-key")});
        house.service.post("/v1/auth/api-keys", body).key(&ada.key).send().await?.must_be(201)
    };
    if report.judge("the first one has another job and another key", second).await.is_none() {
        return;
    }
    for path in ["/v1/jobs", "/v1/auth/api-keys", "/v1/audit"] {
        let work = async {
            let look = async || {
                let page = house.service.get(format!("{path}?limit=1")).key(&ada.key).send().await?.must_be(200)?;
                Ok(page.body.get("next_cursor").and_then(Value::as_str).map(str::to_owned))
            };
            let cursor = seen(look).await?.ok_or_else(|| Fault::wrong("the list has one row, and should have two"))?;
            let next = format!("{path}?limit=1&cursor={cursor}");
            house.service.get(&next).key(&ada.key).send().await?.must_be(200)?;
            house.service.get(&next).key(&bob.key).send().await?.must_be_one_of(&[400, 422])
        };
        report.judge(&format!("a place in {path} is good for its owner only"), work).await;
    }
}

async fn keys(house: &House, report: &mut Report, ada: &Tenant, bob: &Tenant) {
    let made = async {
        let body = json!({"name": house.word("reader"), "scopes": ["jobs:read"]});
        let made = house.service.post("/v1/auth/api-keys", body).key(&ada.key).send().await?.must_be(201)?;
        Ok((made.text("/id")?, made.text("/api_key")?))
    };
    let Some((key_id, reader)) = report.judge("the first one makes a key that may read jobs", made).await else {
        return;
    };
    let reads = async { house.service.get("/v1/jobs").key(&reader).send().await?.must_be(200) };
    report.judge("with that key jobs are read", reads).await;
    let submits = house.service.post("/v1/jobs", json!({"agent": "claude", "task": "none"})).key(&reader);
    report.judge("and none is submitted", async { submits.send().await?.must_be(403) }).await;
    let makes = house.service.post("/v1/auth/api-keys", json!({"name": "more"})).key(&reader);
    report.judge("and no key is made", async { makes.send().await?.must_be(403) }).await;
    let revokes = house.service.delete(format!("/v1/auth/api-keys/{key_id}")).key(&bob.key);
    report.judge("the other one does not revoke it", async { revokes.send().await?.must_be(404) }).await;
    let whose = async {
        for (tenant, key) in [(ada, &ada.key), (ada, &reader), (bob, &bob.key)] {
            let told = house.service.get("/v1/tenant").key(key).send().await?.must_be(200)?.text("/tenant_id")?;
            if told != tenant.id {
                return Err(Fault::wrong(format!("a key of {} opens {told}", tenant.id)));
            }
        }
        Ok(())
    };
    report.judge("each key opens the tenant that it was made for", whose).await;
    let admin = async { house.service.get("/v1/admin/tenants").key(&bob.key).send().await?.must_be(403) };
    report.judge("none of them opens the tenants of the service", admin).await;
}

async fn strangers(house: &House, report: &mut Report, ada: &Tenant) {
    // The last character is a check digit of the others.
    let last = if ada.key.ends_with('0') { '1' } else { '0' };
    let mut mistyped = ada.key.clone();
    mistyped.pop();
    mistyped.push(last);
    let get = || house.service.get("/v1/tenant");
    let asks = [
        ("who shows no key is refused", get()),
        ("so is a text that is no key", get().key("sesame")),
        ("so is a mistyped key", get().key(&mistyped)),
        ("so is a key that nobody has", get().key(NOBODYS)),
        ("so is a key in the query", house.service.get(format!("/v1/tenant?api_key={}", ada.key))),
        ("so are two different keys", get().key(&ada.key).header("x-api-key", NOBODYS)),
    ];
    for (what, ask) in asks {
        report.judge(what, async { ask.send().await?.must_be_one_of(&[401, 403]) }).await;
    }
}
