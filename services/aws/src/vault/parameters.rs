//! One parameter of the Parameter Store for each name, `/outpost/tenants/{user_id}/{name}`, a `SecureString` of the standard
//! tier.
//!
//! A parameter holds 4 KiB: a head that may be told, and the secret as base64, which AWS takes for no reference to another
//! parameter. What is longer goes on in parts, `{name}/{under}.{number}`, which are there before the head names them, and go after
//! it no longer does: whoever reads finds the old secret or the new one. What was replaced stays in the parameter's history
//! until it is removed, for those who may read histories; no session of ours may.

use std::sync::Arc;

use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Chance, Secret, SecretNote, Vault};
use outpost_core::store::{Pending, Problem};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::tenants::Tenants;
use crate::trouble::{Call, is};
use crate::vault::{Told, named};

/// What a parameter of the standard tier may hold.
const LARGEST: usize = 4096;
/// How much of it is kept free for the head.
const HEAD: usize = 256;
/// The longest secret, in parameters.
const PARTS: usize = 32;
/// Names in one call.
const AT_ONCE: usize = 10;
/// How often is looked again for parts that were replaced in this moment.
const LOOKS: u32 = 4;

#[derive(Debug)]
pub(super) struct Parameters {
    tenants: Arc<Tenants>,
    chance: Arc<dyn Chance>,
    prefix: String,
    key: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    told: Told,
    /// How many parts follow, and under which name.
    parts: usize,
    under: String,
}

/// What heads are written as; others are not read.
const FORMAT: u32 = 1;

impl Head {
    fn parts(&self, place: &str) -> Vec<String> {
        (0..self.parts.min(PARTS)).map(|number| format!("{place}/{}.{number}", self.under)).collect()
    }
}

fn call<'a>(operation: &'static str, on: &'a str) -> Call<'a> {
    Call { service: "Parameter Store", operation, on }
}

/// The head of a parameter, and what of the secret follows it.
fn read<'a>(place: &str, value: &'a str) -> Result<(Head, &'a str), Problem> {
    // What is wrong with it is not repeated: it holds a secret.
    let unread = || call("GetParameter", place).broken("what is there is no secret of ours");
    let (head, rest) = value.split_once('\n').ok_or_else(unread)?;
    let head: Head = serde_json::from_str(head).map_err(|_| unread())?;
    if head.format == FORMAT { Ok((head, rest)) } else { Err(unread()) }
}

impl Parameters {
    pub(super) fn new(tenants: Arc<Tenants>, settings: &Settings) -> Self {
        let (prefix, key) = (settings.secrets.clone(), settings.kms_key.clone());
        Self { tenants, chance: Arc::clone(&settings.chance), prefix, key }
    }

    fn place(&self, tenant: &TenantId, name: &str) -> Result<String, Problem> {
        Ok(format!("{}/{tenant}/{}", self.prefix, named(name)?))
    }

    async fn client(&self, tenant: &TenantId) -> aws_sdk_ssm::Client {
        self.tenants.of(tenant).await.parameters
    }

    async fn value(&self, tenant: &TenantId, place: &str) -> Result<Option<String>, Problem> {
        let asked = self.client(tenant).await.get_parameter().name(place).with_decryption(true).send().await;
        match asked {
            Ok(found) => Ok(found.parameter.and_then(|parameter| parameter.value)),
            Err(error) if is(&error, &["ParameterNotFound"]) => Ok(None),
            Err(error) => Err(call("GetParameter", place).failed(&error)),
        }
    }

    async fn write(&self, tenant: &TenantId, place: &str, value: String) -> Result<(), Problem> {
        let put = self.client(tenant).await.put_parameter().name(place).value(value).overwrite(true);
        let put = put.r#type(ParameterType::SecureString).tier(ParameterTier::Standard).set_key_id(self.key.clone());
        put.send().await.map_err(|error| call("PutParameter", place).failed(&error)).map(drop)
    }

    /// What is not there any more counts as gone.
    async fn erase(&self, tenant: &TenantId, places: &[String]) -> Result<(), Problem> {
        for some in places.chunks(AT_ONCE) {
            let asked = self.client(tenant).await.delete_parameters().set_names(Some(some.to_vec())).send().await;
            asked.map_err(|error| call("DeleteParameters", &some[0]).failed(&error))?;
        }
        Ok(())
    }

    async fn store(&self, tenant: &TenantId, name: &str, secret: &Secret, now: Moment) -> Result<(), Problem> {
        let place = self.place(tenant, name)?;
        let text = STANDARD.encode(secret.reveal());
        let (first, rest) = text.split_at(text.len().min(LARGEST - HEAD));
        let rest: Vec<&[u8]> = rest.as_bytes().chunks(LARGEST).collect();
        if rest.len() > PARTS {
            return Err(call("PutParameter", &place).broken("a secret of more than 96 KiB"));
        }
        let mut under = [0; 8];
        self.chance.fill(&mut under)?;
        let under = format!("{:016x}", u64::from_be_bytes(under));
        let told = Told { last4: secret.last4(), updated_at: now };
        let head = Head { format: FORMAT, told, parts: rest.len(), under };
        let old = match self.value(tenant, &place).await? {
            Some(value) => read(&place, &value)?.0.parts(&place),
            None => Vec::new(),
        };
        for (part, bytes) in head.parts(&place).iter().zip(rest) {
            self.write(tenant, part, String::from_utf8_lossy(bytes).into_owned()).await?;
        }
        let head = serde_json::to_string(&head).map_err(|_| call("PutParameter", &place).broken("no JSON"))?;
        self.write(tenant, &place, format!("{head}\n{first}")).await?;
        self.erase(tenant, &old).await
    }

    /// The parts that follow a head, in their order; none if one of them has gone.
    async fn rest(&self, tenant: &TenantId, places: &[String]) -> Result<Option<String>, Problem> {
        let mut text = String::new();
        for some in places.chunks(AT_ONCE) {
            let asked = self.client(tenant).await.get_parameters().set_names(Some(some.to_vec())).with_decryption(true);
            let found = asked.send().await.map_err(|error| call("GetParameters", &some[0]).failed(&error))?;
            for place in some {
                let part = found.parameters().iter().find(|part| part.name() == Some(place));
                let Some(value) = part.and_then(|part| part.value()) else { return Ok(None) };
                text.push_str(value);
            }
        }
        Ok(Some(text))
    }

    async fn load(&self, tenant: &TenantId, name: &str) -> Result<Option<Secret>, Problem> {
        let place = self.place(tenant, name)?;
        for _ in 0..LOOKS {
            let Some(value) = self.value(tenant, &place).await? else { return Ok(None) };
            let (head, first) = read(&place, &value)?;
            let Some(rest) = self.rest(tenant, &head.parts(&place)).await? else { continue };
            let bytes = STANDARD.decode(format!("{first}{rest}")).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let unread = || call("GetParameter", &place).broken("what is there is no secret of ours");
            return Ok(Some(Secret::new(text.ok_or_else(unread)?)));
        }
        Err(Problem::Busy)
    }
}

impl Vault for Parameters {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        now: Moment,
    ) -> Pending<'a, Result<(), Problem>> {
        Box::pin(self.store(tenant, name, secret, now))
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>> {
        Box::pin(self.load(tenant, name))
    }

    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>> {
        Box::pin(async move {
            let folder = format!("{}/{tenant}", self.prefix);
            let client = self.client(tenant).await;
            let (mut notes, mut next) = (Vec::new(), None);
            loop {
                // Parts lie a folder deeper, and are none of these.
                let asked = client.get_parameters_by_path().path(&folder).recursive(false).with_decryption(true);
                let answer = asked.set_next_token(next).send().await;
                let answer = answer.map_err(|error| call("GetParametersByPath", &folder).failed(&error))?;
                for parameter in answer.parameters() {
                    let name = parameter.name().and_then(|name| name.strip_prefix(&folder)?.strip_prefix('/'));
                    let (Some(name), Some(value)) = (name, parameter.value()) else { continue };
                    let Told { last4, updated_at } = read(name, value)?.0.told;
                    notes.push(SecretNote { name: name.to_owned(), last4, updated_at });
                }
                next = answer.next_token.filter(|next| !next.is_empty());
                if next.is_none() {
                    break;
                }
            }
            notes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            Ok(notes)
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let place = self.place(tenant, name)?;
            let Some(value) = self.value(tenant, &place).await? else { return Ok(false) };
            let parts = read(&place, &value)?.0.parts(&place);
            match self.client(tenant).await.delete_parameter().name(&place).send().await {
                Ok(_) => {}
                Err(error) if is(&error, &["ParameterNotFound"]) => return Ok(false),
                Err(error) => return Err(call("DeleteParameter", &place).failed(&error)),
            }
            self.erase(tenant, &parts).await?;
            Ok(true)
        })
    }
}
