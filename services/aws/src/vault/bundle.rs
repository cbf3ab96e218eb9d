//! All secrets of a tenant in one of Secrets Manager, `/outpost/tenants/{user_id}/bundle`, as JSON.
//!
//! A change is read, made and written as a new version, which takes the label of the current one from the very version that was
//! read: of two changes at once the second finds that it has gone, and is thought over. The version before loses its label,
//! so that nobody is given what was replaced or removed. When the last one is removed, an empty bundle stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, SecretNote, Vault};
use outpost_core::store::{Pending, Problem};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::tenants::Tenants;
use crate::trouble::{Call, is};
use crate::vault::{Told, named};

/// What a secret of AWS may hold.
const LARGEST: usize = 65_536;
/// How often a change is thought over.
const ROUNDS: u32 = 8;
/// Where a version waits until it is the current one.
const NEXT: &str = "OUTPOST";

#[derive(Debug)]
pub(super) struct Bundles {
    tenants: Arc<Tenants>,
    prefix: String,
    key: Option<String>,
}

/// What is written; another format is not read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    format: u32,
    secrets: All,
}

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    value: String,
    told: Told,
}

type All = BTreeMap<String, Kept>;

fn call<'a>(operation: &'static str, on: &'a str) -> Call<'a> {
    Call { service: "Secrets Manager", operation, on }
}

impl Bundles {
    pub(super) fn new(tenants: Arc<Tenants>, settings: &Settings) -> Self {
        Self { tenants, prefix: settings.secrets.clone(), key: settings.kms_key.clone() }
    }

    fn id(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/bundle", self.prefix)
    }

    /// What there is, and in which version; none where there is no bundle yet.
    async fn read(&self, tenant: &TenantId) -> Result<Option<(String, All)>, Problem> {
        let id = self.id(tenant);
        let client = self.tenants.of(tenant).await.secrets;
        match client.get_secret_value().secret_id(&id).version_stage("AWSCURRENT").send().await {
            Ok(found) => {
                // What is wrong with it is not repeated: it holds secrets.
                let unread = || call("GetSecretValue", &id).broken("what is there is no bundle of ours");
                let version = found.version_id.ok_or_else(unread)?;
                let read = serde_json::from_str(&found.secret_string.unwrap_or_default());
                let bundle: Option<Bundle> = read.ok().filter(|bundle: &Bundle| bundle.format == FORMAT);
                Ok(Some((version, bundle.ok_or_else(unread)?.secrets)))
            }
            Err(error) if is(&error, &["ResourceNotFoundException"]) => Ok(None),
            Err(error) => Err(call("GetSecretValue", &id).failed(&error)),
        }
    }

    /// Changes what there is; false if `change` finds nothing to do.
    async fn change(&self, tenant: &TenantId, change: impl Fn(&mut All) -> bool) -> Result<bool, Problem> {
        let id = self.id(tenant);
        for _ in 0..ROUNDS {
            let found = self.read(tenant).await?;
            let (was, mut secrets) = found.map_or_else(|| (None, All::new()), |(was, all)| (Some(was), all));
            if !change(&mut secrets) {
                return Ok(false);
            }
            let text = serde_json::to_string(&Bundle { format: FORMAT, secrets })
                .map_err(|_| call("PutSecretValue", &id).broken("no JSON"))?;
            if text.len() > LARGEST {
                let told = "all secrets of a tenant together have more than 64 KiB: use another SECRETS_LAYOUT";
                return Err(call("PutSecretValue", &id).broken(told));
            }
            let done = match was {
                None => self.first(tenant, &id, text).await?,
                Some(was) => self.next(tenant, &id, &was, text).await?,
            };
            if done {
                return Ok(true);
            }
        }
        Err(Problem::Busy)
    }

    /// False: another one was quicker.
    async fn first(&self, tenant: &TenantId, id: &str, text: String) -> Result<bool, Problem> {
        let client = self.tenants.of(tenant).await.secrets;
        let created = client.create_secret().name(id).secret_string(text).set_kms_key_id(self.key.clone()).send().await;
        match created {
            Ok(_) => Ok(true),
            Err(error) if is(&error, &["ResourceExistsException"]) => Ok(false),
            Err(error) => Err(call("CreateSecret", id).failed(&error)),
        }
    }

    /// Takes the place of a version, if that is still the current one.
    async fn next(&self, tenant: &TenantId, id: &str, was: &str, text: String) -> Result<bool, Problem> {
        let client = self.tenants.of(tenant).await.secrets;
        let put = client.put_secret_value().secret_id(id).secret_string(text).version_stages(NEXT).send().await;
        let put = put.map_err(|error| call("PutSecretValue", id).failed(&error))?;
        let moves = client.update_secret_version_stage().secret_id(id).version_stage("AWSCURRENT");
        let moved = moves.set_move_to_version_id(put.version_id).remove_from_version_id(was).send().await;
        match moved {
            Ok(_) => {}
            Err(error) if is(&error, &["InvalidParameterException", "ResourceNotFoundException"]) => return Ok(false),
            Err(error) => return Err(call("UpdateSecretVersionStage", id).failed(&error)),
        }
        let before = client.update_secret_version_stage().secret_id(id).version_stage("AWSPREVIOUS");
        match before.remove_from_version_id(was).send().await {
            Ok(_) => Ok(true),
            // The next one has taken it already.
            Err(error) if is(&error, &["InvalidParameterException", "ResourceNotFoundException"]) => Ok(true),
            Err(error) => Err(call("UpdateSecretVersionStage", id).failed(&error)),
        }
    }
}

impl Vault for Bundles {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        now: Moment,
    ) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            let name = named(name)?;
            let kept =
                || Kept { value: secret.reveal().to_owned(), told: Told { last4: secret.last4(), updated_at: now } };
            self.change(tenant, |all| {
                all.insert(name.to_owned(), kept());
                true
            })
            .await
            .map(drop)
        })
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>> {
        Box::pin(async move {
            let name = named(name)?;
            let found = self.read(tenant).await?;
            Ok(found.and_then(|(_, mut all)| all.remove(name)).map(|kept| Secret::new(kept.value)))
        })
    }

    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>> {
        Box::pin(async move {
            let found = self.read(tenant).await?.map(|(_, all)| all).unwrap_or_default();
            let note = |(name, Kept { told: Told { last4, updated_at }, .. })| SecretNote { name, last4, updated_at };
            Ok(found.into_iter().map(note).collect())
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let name = named(name)?;
            self.change(tenant, |all| all.remove(name).is_some()).await
        })
    }
}
