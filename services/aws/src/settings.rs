//! Where an installation has its things in AWS, by the variables that its programs are started with.
//!
//! ```text
//! OUTPOST_ENV             dev           the last part of the names of tables
//! DYNAMODB_TABLE_PREFIX   outpost       the first part: `outpost-jobs-dev`
//! SQS_QUEUE_FREE … _PRO … _ENTERPRISE   names or addresses: `outpost-jobs-free`, …
//! SQS_QUEUE_DLQ                         `outpost-jobs-dlq`
//! S3_ARTIFACTS_BUCKET                   has to be set
//! SECRETS_PREFIX          /outpost/tenants
//! SECRETS_KMS_KEY_ID                    the account's own key where there is none
//! TENANT_ROLE_ARN                       whom this process becomes, for one tenant, before it reads files and secrets
//! ECS_CLUSTER, ECS_SERVICE              what is woken; nothing without them
//! WORKERS_MAX, JOBS_PER_WORKER  20, 5   how many workers for how many jobs
//! ```
//! Region, credentials and endpoint are the SDK's own matter (`AWS_REGION`, `AWS_ENDPOINT_URL`, …).

use std::sync::Arc;

use outpost_core::ports::{Chance, Clock};
use outpost_core::store::{Problem, Table};
use outpost_core::tenant::Tier;
use outpost_here::{SystemChance, SystemClock};

/// Which service of ECS works, and how much of it there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    pub cluster: String,
    pub service: String,
    pub most: u32,
    pub jobs_each: u32,
}

/// Names, and what is to be known beside them.
#[derive(Clone, Debug)]
pub struct Settings {
    pub environment: String,
    pub table_prefix: String,
    /// For free, pro and enterprise; a name, or an address where it begins with `http`.
    pub queues: [String; Tier::ALL.len()],
    pub dead: String,
    pub bucket: String,
    /// Without a `/` at its end.
    pub secrets: String,
    pub kms_key: Option<String>,
    pub tenant_role: Option<String>,
    pub workers: Option<Workers>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
}

impl Settings {
    /// Names as they are where nothing else is said.
    #[must_use]
    pub fn new(environment: &str, bucket: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            table_prefix: "outpost".into(),
            queues: [Tier::Free, Tier::Pro, Tier::Enterprise].map(|tier| format!("outpost-jobs-{}", tier.as_str())),
            dead: "outpost-jobs-dlq".into(),
            bucket: bucket.to_owned(),
            secrets: "/outpost/tenants".into(),
            kms_key: None,
            tenant_role: None,
            workers: None,
            clock: Arc::new(SystemClock::default()),
            chance: Arc::new(SystemChance),
        }
    }

    /// The same for who asks the tables and nothing else: two variables, and neither has to be set.
    #[must_use]
    pub fn of_tables(read: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let mut settings = Self::new(&read("OUTPOST_ENV").unwrap_or_else(|| "dev".into()), "");
        if let Some(prefix) = read("DYNAMODB_TABLE_PREFIX") {
            settings.table_prefix = prefix;
        }
        settings
    }

    /// By variables, which are listed at the top of `settings.rs`; `read` says what one is set to.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let missing = |name: &str, what: &str| Problem::Broken(format!("`{name}` is not set: {what}"));
        let bucket = read("S3_ARTIFACTS_BUCKET")
            .ok_or_else(|| missing("S3_ARTIFACTS_BUCKET", "the bucket that files of jobs are kept in"))?;
        let mut settings = Self { bucket, ..Self::of_tables(read) };
        let [free, pro, enterprise] = &mut settings.queues;
        for (name, place) in [
            ("SQS_QUEUE_FREE", free),
            ("SQS_QUEUE_PRO", pro),
            ("SQS_QUEUE_ENTERPRISE", enterprise),
            ("SQS_QUEUE_DLQ", &mut settings.dead),
            ("SECRETS_PREFIX", &mut settings.secrets),
        ] {
            if let Some(value) = read(name) {
                *place = value;
            }
        }
        settings.secrets.truncate(settings.secrets.trim_end_matches('/').len());
        settings.kms_key = read("SECRETS_KMS_KEY_ID");
        settings.tenant_role = read("TENANT_ROLE_ARN");
        let number = |name: &str, otherwise: u32| match read(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                Problem::Broken(format!("`{name}` is to be a number from 1 on, and is `{}`", text.escape_debug()))
            }),
        };
        settings.workers = match (read("ECS_CLUSTER"), read("ECS_SERVICE")) {
            (Some(cluster), Some(service)) => Some(Workers {
                cluster,
                service,
                most: number("WORKERS_MAX", 20)?,
                jobs_each: number("JOBS_PER_WORKER", 5)?,
            }),
            (None, None) => None,
            (None, Some(_)) => return Err(missing("ECS_CLUSTER", "the cluster of the service in `ECS_SERVICE`")),
            (Some(_), None) => return Err(missing("ECS_SERVICE", "the service in the cluster in `ECS_CLUSTER`")),
        };
        Ok(settings)
    }

    /// What a table is called: `outpost-jobs-dev`.
    #[must_use]
    pub fn table(&self, table: Table) -> String {
        format!("{}-{}-{}", self.table_prefix, table.name(), self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, Problem> {
        Settings::read(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn names_are_those_of_the_documents_unless_they_are_set() {
        let plain = read(&[("S3_ARTIFACTS_BUCKET", "b"), ("SQS_QUEUE_PRO", "")]).expect("settings");
        assert_eq!(plain.table(Table::ApiKeys), "outpost-api-keys-dev");
        assert_eq!(plain.queues, ["outpost-jobs-free", "outpost-jobs-pro", "outpost-jobs-enterprise"]);
        assert_eq!((plain.dead.as_str(), plain.workers), ("outpost-jobs-dlq", None));
        let set = read(&[
            ("S3_ARTIFACTS_BUCKET", "b"),
            ("OUTPOST_ENV", "prod"),
            ("DYNAMODB_TABLE_PREFIX", "op"),
            ("SQS_QUEUE_FREE", "http://x/free"),
            ("SECRETS_PREFIX", "/mine/"),
            ("ECS_CLUSTER", "c"),
            ("ECS_SERVICE", "s"),
            ("WORKERS_MAX", "7"),
        ])
        .expect("settings");
        assert_eq!((set.table(Table::Users).as_str(), set.secrets.as_str()), ("op-users-prod", "/mine"));
        assert_eq!(set.queues[0], "http://x/free");
        let workers = Workers { cluster: "c".into(), service: "s".into(), most: 7, jobs_each: 5 };
        assert_eq!(set.workers, Some(workers));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (set, named) in [
            (&[][..], "S3_ARTIFACTS_BUCKET"),
            (&[("S3_ARTIFACTS_BUCKET", "b"), ("ECS_SERVICE", "s")][..], "ECS_CLUSTER"),
            (&[("S3_ARTIFACTS_BUCKET", "b"), ("ECS_CLUSTER", "c")][..], "ECS_SERVICE"),
            (
                &[("S3_ARTIFACTS_BUCKET", "b"), ("ECS_CLUSTER", "c"), ("ECS_SERVICE", "s"), ("WORKERS_MAX", "0")][..],
                "WORKERS_MAX",
            ),
        ] {
            let told = read(set).expect_err("a fault").to_string();
            assert!(told.contains(&format!("`{named}`")), "{told}");
        }
    }
}
