//! Jobs as a tenant has them: submitted, waited for, read.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::house::{Agent, House, Tenant};
use crate::report::{Fault, say};
use crate::service::{Answer, Ask};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(2);
/// How long a record may take to be seen where it is listed.
const SEEN: Duration = Duration::from_secs(15);

impl House {
    /// Asks for a job, whatever the answer is.
    pub(crate) fn submission(&self, tenant: &Tenant, agent: &Agent, word: &str) -> Ask<'_> {
        let mut body = json!({"agent": agent.name, "task": "Say hello in hello.txt", "labels": {"trial": word}});
        if let Some(repo) = &self.how.repo {
            body["repo"] = json!(repo);
        }
        self.service.post("/v1/jobs", body).key(&tenant.key).once(word)
    }

    /// Submits a job, and waits for room where the tenant may not have another one yet.
    pub(crate) async fn submit(&self, tenant: &Tenant, agent: &Agent, word: &str) -> Result<String, Fault> {
        let began = Instant::now();
        loop {
            let answer = self.submission(tenant, agent, word).send().await?;
            if answer.code() != "concurrency_exceeded" || began.elapsed() > self.how.deadline {
                return answer.must_be(202)?.text("/id");
            }
            // The answer says when to come back, for those who do not look.
            sleep(LONG.min(answer.retry_after().unwrap_or(LONG))).await;
        }
    }

    pub(crate) async fn job(&self, tenant: &Tenant, id: &str) -> Result<Answer, Fault> {
        self.service.get(format!("/v1/jobs/{id}")).key(&tenant.key).send().await?.must_be(200)
    }

    /// Waits until a job has ended, and says how it goes on.
    pub(crate) async fn ended(&self, tenant: &Tenant, id: &str) -> Result<Answer, Fault> {
        self.watched(tenant, id, |status| say(&format!("        {id} is {status}"))).await
    }

    /// The same without a word, where there are many.
    pub(crate) async fn settled(&self, tenant: &Tenant, id: &str) -> Result<Answer, Fault> {
        self.watched(tenant, id, |_| {}).await
    }

    async fn watched(&self, tenant: &Tenant, id: &str, tell: impl Fn(&str)) -> Result<Answer, Fault> {
        let (began, mut pause, mut before) = (Instant::now(), SHORT, String::new());
        loop {
            let job = self.job(tenant, id).await?;
            let status = job.text("/status")?;
            if !matches!(status.as_str(), "queued" | "running" | "cancelling") {
                return Ok(job);
            }
            if began.elapsed() + pause > self.how.deadline {
                let waited = self.how.deadline.as_secs();
                return Err(Fault::wrong(format!("{id} has not ended within {waited} s: it is {status}")));
            }
            if status != before {
                tell(&status);
                before = status;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONG);
        }
    }

    /// Rows of a list that are about this job; where there is none yet, they are looked for again for a while.
    pub(crate) async fn rows_of(&self, path: &str, key: &str, field: &str, job: &str) -> Result<Vec<Value>, Fault> {
        let look = async || {
            let mut rows = self.all(path, key).await?;
            rows.retain(|row| row.get(field).and_then(Value::as_str) == Some(job));
            Ok(if rows.is_empty() { None } else { Some(rows) })
        };
        Ok(seen(look).await?.unwrap_or_default())
    }
}

/// Looks until there is something to see, or that takes too long: a list may lag behind what it lists.
pub(crate) async fn seen<T>(look: impl AsyncFn() -> Result<Option<T>, Fault>) -> Result<Option<T>, Fault> {
    let began = Instant::now();
    loop {
        let found = look().await?;
        if found.is_some() || began.elapsed() > SEEN {
            return Ok(found);
        }
        sleep(LONG).await;
    }
}

/// Why a job did not succeed, in its own words.
pub(crate) fn why(job: &Answer) -> String {
    let field = |pointer: &str| job.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {} {}", field("/status"), field("/outcome/code"), field("/outcome/message")).trim_end().to_owned()
}
