//! Whom this process is when it reads a tenant's files and secrets.
//!
//! With a role it becomes that role, for one tenant, with a session policy that leaves of all the role may do only what lies
//! under the tenant's own prefix: a fault in a path of ours then ends at AWS and not with another tenant. Without one it
//! stays what it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::sts::{AssumeRoleProvider, AssumeRoleProviderBuilder};
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use outpost_core::id::TenantId;
use outpost_core::store::Problem;
use serde_json::{Value, json};

use crate::settings::{Layout, Settings};
use crate::trouble::Call;

/// Tenants that are remembered; then all are forgotten, and asked for again.
const REMEMBERED: usize = 256;
/// What AWS gives at most to a role that another role becomes.
const LONGEST: Duration = Duration::from_secs(3600);
const SHORTEST: Duration = Duration::from_secs(900);
/// For a part of a file, on a slow line.
const PART: Duration = Duration::from_secs(120);
/// By how much less a link may be good than was asked for: so long are the credentials of one used for the next.
const SLACK: Duration = Duration::from_secs(60);

/// The services that hold what is a tenant's alone.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) parameters: aws_sdk_ssm::Client,
}

impl Clients {
    fn new(config: &SdkConfig) -> Self {
        let patience = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let s3 = aws_sdk_s3::config::Builder::from(config)
            .timeout_config(patience.operation_attempt_timeout(PART).build())
            // An endpoint of one's own has no name for each bucket.
            .force_path_style(config.endpoint_url().is_some());
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            parameters: aws_sdk_ssm::Client::new(config),
        }
    }
}

pub(crate) struct Tenants {
    config: SdkConfig,
    settings: Settings,
    own: Clients,
    known: Mutex<HashMap<TenantId, Clients>>,
    /// For links, with when they end.
    signing: Mutex<HashMap<TenantId, (SystemTime, aws_sdk_s3::Client)>>,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tenants {
    pub(crate) fn new(config: &SdkConfig, settings: &Settings) -> Self {
        Self {
            config: config.clone(),
            settings: settings.clone(),
            own: Clients::new(config),
            known: Mutex::default(),
            signing: Mutex::default(),
        }
    }

    /// With all that this process may do: for what AWS cannot limit to a tenant, which is the names of secrets.
    pub(crate) fn own(&self) -> &Clients {
        &self.own
    }

    /// With what may be done for this tenant.
    pub(crate) async fn of(&self, tenant: &TenantId) -> Clients {
        if self.settings.tenant_role.is_none() {
            return self.own.clone();
        }
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant) {
            return known.clone();
        }
        let clients = Clients::new(&for_tenant(&self.config, &self.settings, tenant).await);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.entry(tenant.clone()).or_insert(clients).clone()
    }

    /// To sign what is good for so long: a link dies with the credentials that signed it.
    pub(crate) async fn signing(&self, tenant: &TenantId, good: Duration) -> Result<aws_sdk_s3::Client, Problem> {
        let Some(role) = &self.settings.tenant_role else { return Ok(self.own.s3.clone()) };
        let until = SystemTime::now() + good.min(LONGEST);
        let found = self.signing.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some((ends, client)) = found
            && ends + SLACK >= until
        {
            return Ok(client);
        }
        let session = session(&self.config, &self.settings, role, tenant).session_length(good.clamp(SHORTEST, LONGEST));
        let call = Call { service: "STS", operation: "AssumeRole", on: role };
        let fresh = session.build().await.provide_credentials().await;
        let fresh = fresh.map_err(|error| call.broken(&aws_sdk_s3::error::DisplayErrorContext(&error).to_string()))?;
        let ends = fresh.expiry().unwrap_or(until);
        let client = Clients::new(&become_of(&self.config, fresh)).s3;
        let mut signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if signing.len() >= REMEMBERED {
            signing.clear();
        }
        signing.insert(tenant.clone(), (ends, client.clone()));
        Ok(client)
    }
}

/// Whom this process becomes for one tenant, if there is a role for that: to call AWS for the tenant beside the ports. New
/// credentials are asked for before the old ones end.
pub async fn for_tenant(config: &SdkConfig, settings: &Settings, tenant: &TenantId) -> SdkConfig {
    match &settings.tenant_role {
        Some(role) => become_of(config, session(config, settings, role, tenant).build().await),
        None => config.clone(),
    }
}

fn session(config: &SdkConfig, settings: &Settings, role: &str, tenant: &TenantId) -> AssumeRoleProviderBuilder {
    let policy = policy(role, settings, tenant).to_string();
    AssumeRoleProvider::builder(role).session_name(tenant.as_str()).policy(policy).configure(config)
}

fn become_of(config: &SdkConfig, who: impl ProvideCredentials + 'static) -> SdkConfig {
    config
        .clone()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(who))
        // What is remembered of one is not another's.
        .identity_cache(IdentityCache::lazy().build())
        .build()
}

/// What is left of a role for one tenant. An id of a tenant has only digits, letters and dashes in it.
fn policy(role: &str, settings: &Settings, tenant: &TenantId) -> Value {
    let Settings { bucket, secrets, .. } = settings;
    // `aws`, or `aws-cn`, …
    let partition = role.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                "Resource": format!("arn:{partition}:s3:::{bucket}/{tenant}/*"),
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": format!("arn:{partition}:s3:::{bucket}"),
                "Condition": {"StringLike": {"s3:prefix": format!("{tenant}/*")}},
            },
            of_secrets(settings.layout, partition, &format!("{secrets}/{tenant}")),
            {
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {"StringLike": {
                    "kms:ViaService": [
                        "s3.*.amazonaws.com*", "secretsmanager.*.amazonaws.com*", "ssm.*.amazonaws.com*",
                    ],
                }},
            },
        ],
    })
}

/// What the layout of an installation does with a tenant's secrets.
fn of_secrets(layout: Layout, partition: &str, folder: &str) -> Value {
    let secret = format!("arn:{partition}:secretsmanager:*:*:secret:{folder}/*");
    let parameter = format!("arn:{partition}:ssm:*:*:parameter{folder}");
    match layout {
        Layout::PerKey => json!({
            "Effect": "Allow",
            "Action": [
                "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue", "secretsmanager:UpdateSecret",
            ],
            "Resource": secret,
        }),
        Layout::Bundle => json!({
            "Effect": "Allow",
            "Action": [
                "secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            "Resource": secret,
        }),
        Layout::Parameters => json!({
            "Effect": "Allow",
            "Action": [
                "ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:GetParameter", "ssm:GetParameters",
                "ssm:GetParametersByPath", "ssm:PutParameter",
            ],
            "Resource": [parameter, format!("{parameter}/*")],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_fits_into_a_session_and_names_one_tenant() {
        let tenant: TenantId = "6bdd64cb-5e12-4024-b3c1-d2b14ca77705".parse().expect("an id");
        for layout in [Layout::Parameters, Layout::Bundle, Layout::PerKey] {
            let settings = Settings { layout, ..Settings::new("dev", "b") };
            let told = policy("arn:aws-cn:iam::1:role/r", &settings, &tenant);
            // What AWS takes at most.
            assert!(told.to_string().len() < 2048, "{}", told.to_string().len());
            let statements = told["Statement"].as_array().expect("a list");
            for statement in &statements[..3] {
                assert!(statement.to_string().contains(tenant.as_str()), "{statement}");
                let on = statement["Resource"].as_str().or(statement["Resource"][0].as_str());
                assert!(on.is_some_and(|on| on.starts_with("arn:aws-cn:")), "{statement}");
            }
            let keys = &statements[3]["Condition"]["StringLike"]["kms:ViaService"];
            assert!(keys.is_array(), "keys for these services only");
        }
    }
}
