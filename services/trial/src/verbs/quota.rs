//! `quota`: all jobs of a day, asked for many at once. How many are accepted is exact, whoever races whom.
//!
//! ```text
//! twenty at once ─► accepted / too many at the same time / none left today
//!        ▲                         │                            └─► the end
//!        └── all accepted ended ◄──┘
//! ```
//! No secret is stored, so that agents have nothing to spend: a job that fails is a job of the day like any other.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::house::{Agent, House, Tenant, Wish};
use crate::jobs::seen;
use crate::report::{Fault, Report, Stop, say};
use crate::service::Answer;

/// As many are asked for at the same time.
const TOGETHER: u64 = 20;
/// No trial needs more of them.
const MOST: u64 = 1000;
const DAY: u64 = 86_400;

/// How the day was used up.
struct Day {
    accepted: Vec<Accepted>,
    refused: Answer,
    waves: u64,
}

#[derive(Clone)]
struct Accepted {
    id: String,
    word: String,
}

pub(crate) async fn run(house: &House, report: &mut Report) -> Result<(), Stop> {
    // With room for all of them at the same time the last places of a day are raced for at once.
    let wish = Wish { active: Some(TOGETHER), ..Wish::default() };
    let ada = report.check("a tenant comes", house.tenant("ada", wish)).await?;
    let agent = report.check("the service offers an agent to it", house.agent(&ada)).await?;
    let (most, active) = report.check("it has a number of jobs for each day", limits(house, &ada)).await?;
    report.note(format!("{most} jobs a day, {active} at the same time"));

    let day = report.check("it asks for twenty at once until none is left", fill(house, &ada, &agent, most)).await?;
    let count = u64::try_from(day.accepted.len()).unwrap_or(u64::MAX);
    report.note(format!("{count} accepted of {} that were asked for", day.waves * TOGETHER));
    report
        .judge("as many are accepted as it may have, to the job", async {
            let ids: HashSet<&str> = day.accepted.iter().map(|job| job.id.as_str()).collect();
            let look = async || {
                let listed = house.all("/v1/jobs", &ada.key).await?.len();
                Ok((listed >= day.accepted.len()).then_some(()))
            };
            let today = today(house, &ada).await?;
            if count == most && today == most {
                seen(look).await?;
            }
            let listed = house.all("/v1/jobs", &ada.key).await?.len();
            if count == most && ids.len() == day.accepted.len() && listed == day.accepted.len() && today == most {
                return Ok(());
            }
            let told = format!("{} ids, {listed} listed, {today} counted today", ids.len());
            Err(Fault::wrong(format!("it may have {most}, and {count} were accepted: {told}")))
        })
        .await;
    report
        .judge("the next one is refused with a problem that says what is left, and until when", async {
            refusal(&day.refused, most)
        })
        .await;
    if let Some(first) = day.accepted.first() {
        report.judge("sent again with its word, a job is the same job", again(house, &ada, &agent, first)).await;
    }
    Ok(())
}

/// What the service counts.
async fn today(house: &House, tenant: &Tenant) -> Result<u64, Fault> {
    house.service.get("/v1/usage").key(&tenant.key).send().await?.must_be(200)?.number("/jobs_today")
}

async fn limits(house: &House, tenant: &Tenant) -> Result<(u64, u64), Fault> {
    let own = house.service.get("/v1/tenant").key(&tenant.key).send().await?.must_be(200)?;
    let tier = own.text("/tier")?;
    match own.body.pointer("/limits/jobs_per_day").and_then(Value::as_u64) {
        Some(most) if most <= MOST => Ok((most, own.number("/limits/active")?)),
        Some(most) => Err(Fault::wrong(format!("{most} jobs a day in the tier `{tier}` are more than are tried"))),
        None => Err(Fault::wrong(format!(
            "the tier `{tier}` has no end: start the service with `--tenants others`, or bring a key of its operator"
        ))),
    }
}

/// Waves of submissions, until there is none left of the day.
async fn fill(house: &House, tenant: &Tenant, agent: &Agent, most: u64) -> Result<Day, Fault> {
    let mut accepted: Vec<Accepted> = Vec::new();
    let (mut ended, mut waves) = (0, 0);
    loop {
        let words: Vec<String> = (0..TOGETHER).map(|one| house.word(&format!("{waves}-{one}"))).collect();
        waves += 1;
        let answers = join_all(words.iter().map(|word| house.submission(tenant, agent, word).send())).await;
        let (mut refused, mut taken, mut busy) = (None, 0, 0);
        for (answer, word) in answers.into_iter().zip(words) {
            let answer = answer?;
            match (answer.status, answer.code()) {
                (202, _) => {
                    accepted.push(Accepted { id: answer.text("/id")?, word });
                    taken += 1;
                }
                (429, "quota_exceeded") => refused = Some(answer),
                (429, "concurrency_exceeded") => busy += 1,
                _ => return Err(Fault::wrong(answer.problem())),
            }
        }
        let none = if refused.is_some() { "; none is left today" } else { "" };
        say(&format!("        of {TOGETHER} at once {taken} are accepted, {busy} too many at the same time{none}"));
        if let Some(refused) = refused {
            return Ok(Day { accepted, refused, waves });
        }
        if waves > most + TOGETHER {
            let count = accepted.len();
            return Err(Fault::wrong(format!(
                "{count} jobs were accepted, {most} are allowed, and there is no end of it"
            )));
        }
        for job in accepted.iter().skip(ended) {
            house.ended(tenant, &job.id).await?;
        }
        ended = accepted.len();
    }
}

fn refusal(refused: &Answer, most: u64) -> Result<(), Fault> {
    if !refused.content_type().starts_with("application/problem+json") {
        return Err(Fault::wrong(format!("it is `{}`", refused.content_type())));
    }
    let after = refused.retry_after().map(|after| after.as_secs());
    if !after.is_some_and(|after| (1..=DAY).contains(&after)) {
        return Err(Fault::wrong(format!("Retry-After is {:?}", refused.header("retry-after"))));
    }
    match (
        refused.number("/usage/jobs_today")?,
        refused.number("/usage/jobs_per_day")?,
        refused.number("/usage/jobs_remaining")?,
    ) {
        (today, per_day, 0) if today == most && per_day == most => Ok(()),
        (today, per_day, left) => Err(Fault::wrong(format!("it says {today} of {per_day}, {left} left"))),
    }
}

/// What was accepted stays accepted, also when the day is used up.
async fn again(house: &House, tenant: &Tenant, agent: &Agent, job: &Accepted) -> Result<(), Fault> {
    let before = today(house, tenant).await?;
    let answers = join_all((0..3).map(|_| house.submission(tenant, agent, &job.word).send())).await;
    for answer in answers {
        let answer = answer?.must_be(202)?;
        if answer.text("/id")? != job.id {
            return Err(Fault::wrong(format!("{} became {}", job.id, answer.text("/id")?)));
        }
        if answer.header("idempotency-replayed") != Some("true") {
            return Err(Fault::wrong("the answer does not say that it is one from before"));
        }
    }
    let other = json!({"agent": agent.name, "task": "Say something else"});
    house.service.post("/v1/jobs", other).key(&tenant.key).once(&job.word).send().await?.must_be(422)?;
    let after = today(house, tenant).await?;
    if before == after {
        Ok(())
    } else {
        Err(Fault::wrong(format!("there were {before} jobs of today, and now {after}")))
    }
}
