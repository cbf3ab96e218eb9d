//! What things are called: names that sort by the time they were given, each of its own type.
//!
//! A name is a prefix and a UUID of version 7. Who makes one hands in the time and the randomness: nothing here asks for
//! either. A text becomes a name only if it is written exactly as we write it, so that each thing has one name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::moment::Moment;

/// The random part of a name.
pub type Salt = [u8; 10];

/// A text that is no name of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId {
    pub kind: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the id of a {}", self.kind)
    }
}

impl std::error::Error for NotAnId {}

fn written(uuid: &Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    uuid.hyphenated().encode_lower(&mut buffer).to_owned()
}

macro_rules! id {
    ($(#[$story:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$story])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn new(now: Moment, salt: &Salt) -> Self {
                let millis = u64::try_from(now.millis()).unwrap_or(0);
                Self(format!(concat!($prefix, "{}"), written(&Builder::from_unix_timestamp_millis(millis, salt).into_uuid())))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let wrong = NotAnId { kind: $kind };
                let uuid = text.strip_prefix($prefix).and_then(|rest| Uuid::try_parse(rest).ok()).ok_or(wrong)?;
                let id = Self(format!(concat!($prefix, "{}"), written(&uuid)));
                if id.0 == text { Ok(id) } else { Err(wrong) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id!(
    /// A tenant, which is one user: `user_id` in every table, and without a prefix, as those handed out before us.
    TenantId, "", "tenant"
);
id!(JobId, "job_", "job");
id!(KeyId, "key_", "key");
id!(
    /// A row of the audit log.
    AuditId, "aud_", "row of the audit log"
);
id!(
    /// Where a tenant wants to be told what happens.
    HookId, "whk_", "webhook"
);
id!(
    /// A message to a webhook: the same for all attempts to deliver it.
    MessageId, "msg_", "message"
);
id!(
    /// A worker process, for as long as it lives.
    WorkerId, "wrk_", "worker"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_one_name() {
        let id = JobId::new(Moment::from_millis(1_768_159_800_123), &[7; 10]);
        assert_eq!(id.as_str().parse::<JobId>(), Ok(id.clone()));
        assert!(id.as_str().starts_with("job_019bae89-6b3b-7"), "{id}");
        let upper = id.as_str().to_uppercase().replacen("JOB_", "job_", 1);
        for other in [upper.as_str(), &id.as_str().replace('-', ""), &id.as_str()[4..], "job_", ""] {
            assert!(other.parse::<JobId>().is_err(), "{other}");
        }
        assert!(id.as_str().parse::<KeyId>().is_err());
    }

    #[test]
    fn names_sort_by_time() {
        let early = JobId::new(Moment::from_millis(1_000), &[255; 10]);
        let late = JobId::new(Moment::from_millis(1_001), &[0; 10]);
        assert!(early < late);
    }

    #[test]
    fn an_older_tenant_is_one() {
        assert!("6bdd64cb-5e12-4024-b3c1-d2b14ca77705".parse::<TenantId>().is_ok());
    }
}
