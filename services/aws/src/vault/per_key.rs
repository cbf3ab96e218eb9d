//! One secret of Secrets Manager for each name, `/outpost/tenants/{user_id}/{name}`.
//!
//! Value and description are changed by one request; the description holds what may be told: when it was stored and, of a
//! long one, its end. Forgetting is for good, without the weeks that AWS would keep it otherwise: a tenant who takes a secret
//! back has it back. AWS forgets within moments rather than at once: what is stored again in that while is told to be busy.
//!
//! Who lists has to list all secrets of the account, as AWS has it: that is done as this process, not as the tenant. Lists
//! may lag by a moment.

use std::sync::Arc;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, SecretNote, Vault};
use outpost_core::store::{Pending, Problem};

use crate::settings::Settings;
use crate::tenants::Tenants;
use crate::trouble::{Call, is};
use crate::vault::{Told, named};

#[derive(Debug)]
pub(super) struct PerKey {
    tenants: Arc<Tenants>,
    prefix: String,
    key: Option<String>,
}

fn call<'a>(operation: &'static str, on: &'a str) -> Call<'a> {
    Call { service: "Secrets Manager", operation, on }
}

impl PerKey {
    pub(super) fn new(tenants: Arc<Tenants>, settings: &Settings) -> Self {
        Self { tenants, prefix: settings.secrets.clone(), key: settings.kms_key.clone() }
    }

    fn folder(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/", self.prefix)
    }

    fn id(&self, tenant: &TenantId, name: &str) -> Result<String, Problem> {
        Ok(self.folder(tenant) + named(name)?)
    }

    async fn put(&self, tenant: &TenantId, name: &str, secret: &Secret, now: Moment) -> Result<(), Problem> {
        let id = self.id(tenant, name)?;
        let told = Told { last4: secret.last4(), updated_at: now };
        let told =
            serde_json::to_string(&told).map_err(|error| call("UpdateSecret", &id).broken(&error.to_string()))?;
        let client = self.tenants.of(tenant).await.secrets;
        // Whoever makes it first: the second one finds it.
        for _ in 0..2 {
            let updated = client
                .update_secret()
                .secret_id(&id)
                .secret_string(secret.reveal())
                .description(&told)
                .set_kms_key_id(self.key.clone())
                .send()
                .await;
            match updated {
                Ok(_) => return Ok(()),
                Err(error) if is(&error, &["ResourceNotFoundException"]) => {}
                Err(error) if is(&error, &["InvalidRequestException"]) => return Err(Problem::Busy),
                Err(error) => return Err(call("UpdateSecret", &id).failed(&error)),
            }
            let created = client
                .create_secret()
                .name(&id)
                .secret_string(secret.reveal())
                .description(&told)
                .set_kms_key_id(self.key.clone())
                .send()
                .await;
            match created {
                Ok(_) => return Ok(()),
                Err(error) if is(&error, &["ResourceExistsException"]) => {}
                // The one before it is still being forgotten.
                Err(error) if is(&error, &["InvalidRequestException"]) => return Err(Problem::Busy),
                Err(error) => return Err(call("CreateSecret", &id).failed(&error)),
            }
        }
        Err(Problem::Busy)
    }

    fn note(&self, tenant: &TenantId, entry: &SecretListEntry) -> Option<SecretNote> {
        let name = entry.name()?.strip_prefix(&self.folder(tenant))?;
        // A filter goes by words: what is in no folder of this tenant is none of its secrets.
        if name.contains('/') || entry.deleted_date().is_some() {
            return None;
        }
        let Told { last4, updated_at } = serde_json::from_str(entry.description()?).ok()?;
        Some(SecretNote { name: name.to_owned(), last4, updated_at })
    }
}

impl Vault for PerKey {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        now: Moment,
    ) -> Pending<'a, Result<(), Problem>> {
        Box::pin(self.put(tenant, name, secret, now))
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>> {
        Box::pin(async move {
            let id = self.id(tenant, name)?;
            let client = self.tenants.of(tenant).await.secrets;
            match client.get_secret_value().secret_id(&id).version_stage("AWSCURRENT").send().await {
                Ok(value) => Ok(value.secret_string.map(Secret::new)),
                // There is none, or it is being forgotten.
                Err(error) if is(&error, &["ResourceNotFoundException", "InvalidRequestException"]) => Ok(None),
                Err(error) => Err(call("GetSecretValue", &id).failed(&error)),
            }
        })
    }

    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>> {
        Box::pin(async move {
            let folder = self.folder(tenant);
            let filter = Filter::builder().key(FilterNameStringType::Name).values(&folder).build();
            let (mut notes, mut next) = (Vec::new(), None);
            loop {
                let asked = self.tenants.own().secrets.list_secrets().filters(filter.clone());
                let answer = asked.set_next_token(next).send().await;
                let answer = answer.map_err(|error| call("ListSecrets", &folder).failed(&error))?;
                notes.extend(answer.secret_list().iter().filter_map(|entry| self.note(tenant, entry)));
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
            let id = self.id(tenant, name)?;
            let client = self.tenants.of(tenant).await.secrets;
            // To forget what is not there counts as done, so it is asked for first.
            match client.describe_secret().secret_id(&id).send().await {
                Ok(found) if found.deleted_date().is_none() => {}
                Ok(_) => return Ok(false),
                Err(error) if is(&error, &["ResourceNotFoundException"]) => return Ok(false),
                Err(error) => return Err(call("DescribeSecret", &id).failed(&error)),
            }
            match client.delete_secret().secret_id(&id).force_delete_without_recovery(true).send().await {
                Ok(_) => Ok(true),
                Err(error) if is(&error, &["ResourceNotFoundException"]) => Ok(false),
                Err(error) => Err(call("DeleteSecret", &id).failed(&error)),
            }
        })
    }
}
