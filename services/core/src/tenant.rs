//! Who uses the service, and what they may have.
//!
//! A tenant is one user. Limits are those of its tier, unless its row says otherwise. A request above a limit is refused and
//! never made smaller in silence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{HookId, TenantId};
use crate::moment::Moment;

/// What a tenant pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    #[default]
    Free,
    Pro,
    Enterprise,
}

impl Tier {
    pub const ALL: [Self; 3] = [Self::Free, Self::Pro, Self::Enterprise];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    #[must_use]
    pub fn limits(self) -> Limits {
        match self {
            Self::Free => Limits {
                jobs_per_day: Some(10),
                active: 1,
                timeout_seconds: 300,
                agents: Agents::Only(vec!["claude".to_owned()]),
            },
            Self::Pro => Limits { jobs_per_day: Some(100), active: 10, timeout_seconds: 900, agents: Agents::All },
            Self::Enterprise => Limits { jobs_per_day: None, active: 50, timeout_seconds: 3600, agents: Agents::All },
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What holds for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// None: as many as it likes. They are counted all the same.
    pub jobs_per_day: Option<u64>,
    /// Jobs that are accepted and not final.
    pub active: u64,
    pub timeout_seconds: u32,
    pub agents: Agents,
}

/// Which agents a tenant may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    All,
    Only(Vec<String>),
}

impl Agents {
    #[must_use]
    pub fn allow(&self, agent: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.iter().any(|this| this == agent),
        }
    }
}

/// What differs from the tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Agents>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Active,
    /// Its keys open nothing; what runs may end.
    Suspended,
    /// It is gone for everybody but the audit log.
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    pub email: Email,
    pub name: String,
    pub tier: Tier,
    pub overrides: Overrides,
    pub standing: Standing,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub billing: Billing,
    pub hooks: Vec<Hook>,
    /// What signs messages to the `callback_url` of jobs. None: no job may name one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Signers>,
    pub version: u64,
}

/// Which secrets sign, as the vault calls them, the newest first: two while one is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signers {
    pub secrets: Vec<String>,
    /// When the newest replaced another one, which signs beside it for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Moment>,
}

impl Tenant {
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Limits { jobs_per_day, active, timeout_seconds, agents } = self.tier.limits();
        Limits {
            jobs_per_day: self.overrides.jobs_per_day.or(jobs_per_day),
            active: self.overrides.active.unwrap_or(active),
            timeout_seconds: self.overrides.timeout_seconds.unwrap_or(timeout_seconds),
            agents: self.overrides.agents.clone().unwrap_or(agents),
        }
    }
}

/// What the payment provider calls a tenant, and the subscription that its tier comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    #[serde(default)]
    pub customer: Option<String>,
    #[serde(default)]
    pub subscription: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    /// When the event was made that told it.
    #[serde(default)]
    pub applied_at: Option<Moment>,
    /// The newest state of each subscription: what the rest follows from, in whatever order events come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
}

/// What was told of a subscription last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub subscription: String,
    pub status: String,
    /// What it pays for: nothing but the free tier where it is not paid.
    pub tier: Tier,
    pub at: Moment,
    /// It never comes back.
    pub ended: bool,
}

/// Where a tenant wants to be told, and with which secrets its messages are signed: two while one is replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    pub id: HookId,
    pub url: String,
    pub created_at: Moment,
    /// What the signing secrets are called in the vault, the newest first.
    pub secrets: Vec<String>,
    /// When the newest replaced another one, which signs beside it for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Moment>,
}

/// An address that a letter could be sent to, in the form in which it is unique: its domain in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Email(String);

impl Email {
    pub const LONGEST: usize = 254;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What no second tenant may have: two addresses that differ in case only are the same person's.
    #[must_use]
    pub fn unique(&self) -> String {
        self.0.to_lowercase()
    }
}

impl TryFrom<String> for Email {
    type Error = NotAnEmail;

    fn try_from(text: String) -> Result<Self, NotAnEmail> {
        let fine =
            |text: &str, more: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let dots = |text: &str| !text.starts_with('.') && !text.ends_with('.') && !text.contains("..");
        let local_fits = (1..=64).contains(&local.len()) && fine(local, b"!#$%&'*+/=?^_`{|}~.-") && dots(local);
        let domain_fits = domain.contains('.')
            && fine(domain, b".-")
            && domain
                .split('.')
                .all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-'));
        if text.len() > Self::LONGEST || !local_fits || !domain_fits {
            return Err(NotAnEmail);
        }
        Ok(Self(format!("{local}@{}", domain.to_lowercase())))
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEmail;

impl fmt::Display for NotAnEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an e-mail address like `ada@example.com`")
    }
}

impl std::error::Error for NotAnEmail {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_other_texts_are_not() {
        for text in ["ada@example.com", "a.b+c@x-y.example.org", "blueprint@zeroechelon.io"] {
            assert!(Email::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x..com",
            "a@x.com\n",
            "ä@example.com",
        ] {
            assert_eq!(Email::try_from(text.to_owned()), Err(NotAnEmail), "{text}");
        }
        assert_eq!(
            Email::try_from("Ada@EXAMPLE.com".to_owned()).map(|email| email.unique()),
            Ok("ada@example.com".to_owned())
        );
    }
}
