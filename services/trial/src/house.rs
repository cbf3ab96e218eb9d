//! Tenants of a trial: made, and gone at its end, whichever way it ended.
//!
//! With a key of an operator they are made and removed by it. Without one they register, and what a tenant cannot do itself
//! stays: its row, without jobs, secrets and keys.

use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::options::How;
use crate::report::{Fault, Report, say};
use crate::service::{Answer, Service};

/// How many tenants are put away at once.
const TOGETHER: usize = 10;
/// Pages of a list that are read at most.
const PAGES: usize = 100;

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) service: Service,
    pub(crate) how: How,
    admin: Option<String>,
    secret: String,
    mark: String,
    made: Mutex<Vec<Tenant>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// What a tenant is to have that its tier does not give it. An operator gives it; nobody else can.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) tier: Option<&'static str>,
    pub(crate) active: Option<u64>,
}

/// Who does the jobs of a tenant, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) secret_kind: String,
}

impl House {
    pub(crate) fn new(service: Service, how: How) -> Result<Self, String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| format!("no randomness: {error}"))?;
        let mark: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let secret = read("OUTPOST_TRIAL_SECRET").unwrap_or_else(|| format!("made-up-for-a-trial-{mark}"));
        Ok(Self { service, how, admin: read("OUTPOST_TRIAL_ADMIN_KEY"), secret, mark, made: Mutex::default() })
    }

    /// Whether tenants can be made as they are needed.
    pub(crate) fn has_operator(&self) -> bool {
        self.admin.is_some()
    }

    /// Another word with each name, which nobody else has.
    pub(crate) fn word(&self, name: &str) -> String {
        format!("trial-{}-{name}", self.mark)
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// A tenant that came in through the door, as everybody does.
    pub(crate) async fn register(&self, name: &str) -> Result<Tenant, Fault> {
        let mut body = json!({"email": self.email(name), "name": self.word(name)});
        if let Some(code) = &self.how.invitation {
            body["invitation"] = json!(code);
        }
        let answer = self.service.post("/v1/auth/register", body).once(&self.word(name)).send().await?.must_be(201)?;
        let tenant = Tenant { id: answer.text("/tenant_id")?, key: answer.text("/api_key")? };
        Ok(self.keep(tenant))
    }

    /// A tenant: made by the operator as it is wished for, or registered and as it comes.
    pub(crate) async fn tenant(&self, name: &str, wish: Wish) -> Result<Tenant, Fault> {
        let Some(admin) = &self.admin else { return self.register(name).await };
        let mut overrides = json!({});
        if let Some(active) = wish.active {
            overrides["active"] = json!(active);
        }
        let tier = wish.tier.unwrap_or("free");
        if let Some(agent) = &self.how.agent {
            overrides["agents"] = json!([agent]);
        }
        let body = json!({"email": self.email(name), "name": self.word(name), "tier": tier, "overrides": overrides});
        let answer = self.service.post("/v1/admin/tenants", body).key(admin).send().await?.must_be(201)?;
        let tenant = Tenant { id: answer.text("/tenant/tenant_id")?, key: answer.text("/api_key")? };
        Ok(self.keep(tenant))
    }

    fn email(&self, name: &str) -> String {
        format!("{}@example.com", self.word(name))
    }

    fn keep(&self, tenant: Tenant) -> Tenant {
        // Whoever panicked with the lock in hand left a list behind that is fine.
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(tenant.clone());
        tenant
    }

    /// Who does the jobs of this tenant: the one that was named, or the cheapest that it may ask.
    pub(crate) async fn agent(&self, tenant: &Tenant) -> Result<Agent, Fault> {
        let offered = self.service.get("/v1/meta").send().await?.must_be(200)?;
        let own = self.service.get("/v1/tenant").key(&tenant.key).send().await?.must_be(200)?;
        let words = |value: Option<&Value>| -> Option<Vec<String>> {
            Some(value?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let offered = words(offered.body.get("agents")).unwrap_or_default();
        let allowed = words(own.body.pointer("/limits/agents"));
        let may = |name: &str| {
            offered.iter().any(|one| one == name)
                && allowed.as_ref().is_none_or(|all| all.iter().any(|one| one == name))
        };
        let wanted: Vec<&str> = self.how.agent.as_deref().map_or_else(|| vec!["fake", "claude"], |name| vec![name]);
        let name = wanted.iter().find(|name| may(name)).ok_or_else(|| {
            Fault::wrong(format!(
                "the service offers {}; this tenant may ask {}, and the trial asks for {}: name one with --agent",
                offered.join(", "),
                allowed.as_ref().map_or_else(|| "all of them".to_owned(), |all| all.join(", ")),
                wanted.join(" or "),
            ))
        })?;
        let kind = match *name {
            "claude" => "anthropic",
            "gemini" => "google",
            "aider" => "deepseek",
            "grok" => "xai",
            _ => "openai",
        };
        let secret_kind = self.how.secret_kind.clone().unwrap_or_else(|| kind.to_owned());
        Ok(Agent { name: (*name).to_owned(), secret_kind })
    }

    pub(crate) async fn store_secret(&self, tenant: &Tenant, agent: &Agent) -> Result<Answer, Fault> {
        let body = json!({"value": self.secret});
        let path = format!("/v1/secrets/{}", agent.secret_kind);
        self.service.put(path, body).key(&tenant.key).send().await?.must_be(200)
    }

    /// All rows of a list.
    pub(crate) async fn all(&self, path: &str, key: &str) -> Result<Vec<Value>, Fault> {
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let part = if path.contains('?') { '&' } else { '?' };
            let asked = match &cursor {
                Some(cursor) => format!("{path}{part}limit=100&cursor={cursor}"),
                None => format!("{path}{part}limit=100"),
            };
            let page = self.service.get(asked).key(key).send().await?.must_be(200)?;
            rows.extend_from_slice(page.rows()?);
            match page.body.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(rows),
            }
        }
        Err(Fault::wrong(format!("{path} goes on for more than {PAGES} pages")))
    }

    /// Puts away all that was made.
    pub(crate) async fn leave(&self, report: &mut Report) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        if made.is_empty() {
            return;
        }
        let what = match (self.has_operator(), made.len()) {
            (true, 1) => "puts away the tenant that it made".to_owned(),
            (true, count) => format!("puts away the {count} tenants that it made"),
            (false, 1) => "takes jobs, secrets and keys from the tenant that it made".to_owned(),
            (false, count) => format!("takes jobs, secrets and keys from the {count} tenants that it made"),
        };
        let work = async {
            let mut faults = Vec::new();
            for some in made.chunks(TOGETHER) {
                let done = join_all(some.iter().map(|tenant| self.remove(tenant))).await;
                faults.extend(done.into_iter().zip(some).filter_map(|(done, tenant)| Some((done.err()?, &tenant.id))));
            }
            match faults.first() {
                None => Ok(()),
                Some((first, id)) => {
                    Err(Fault::wrong(format!("{} of them stay, the first is {id}: {}", faults.len(), first.told())))
                }
            }
        };
        report.judge(&what, work).await;
    }

    async fn remove(&self, tenant: &Tenant) -> Result<(), Fault> {
        let key = &tenant.key;
        for status in ["queued", "running"] {
            for job in self.all(&format!("/v1/jobs?status={status}"), key).await? {
                let id = job.get("id").and_then(Value::as_str).unwrap_or_default();
                say(&format!("        cancels {id}"));
                // It may have ended meanwhile.
                let path = format!("/v1/jobs/{id}/cancel");
                self.service.post(path, json!({})).key(key).send().await?.must_be_one_of(&[200, 409])?;
            }
        }
        if let Some(admin) = &self.admin {
            let path = format!("/v1/admin/tenants/{}", tenant.id);
            return self.service.delete(path).key(admin).send().await?.must_be(204).map(drop);
        }
        let secrets = self.service.get("/v1/secrets").key(key).send().await?.must_be(200)?;
        for secret in secrets.rows()? {
            let kind = secret.get("kind").and_then(Value::as_str).unwrap_or_default();
            self.service.delete(format!("/v1/secrets/{kind}")).key(key).send().await?.must_be_one_of(&[204, 404])?;
        }
        // The oldest is the first one, which all this is done with.
        for row in self.all("/v1/auth/api-keys", key).await? {
            let field = |name: &str| row.get(name).and_then(Value::as_str);
            if let (Some(id), None) = (field("id"), field("revoked_at")) {
                self.service.delete(format!("/v1/auth/api-keys/{id}")).key(key).send().await?.must_be(200)?;
            }
        }
        Ok(())
    }
}
