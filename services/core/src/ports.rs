//! The world as the service needs it, beside the [store](crate::store): queues, files, secrets, time, chance.
//!
//! Each of these has one implementation for one machine and one for AWS, and one suite of tests that both have to pass. None
//! of them knows a rule.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::{JobId, TenantId};
use crate::moment::Moment;
use crate::store::{Pending, Problem};
use crate::tenant::Tier;

/// What lies in a queue: where to look, and nothing that is true in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    pub tenant: TenantId,
    pub job: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// A ticket that was handed out, and is hidden from others for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub ticket: Ticket,
    pub lane: Tier,
    /// What it is known by until it is hidden no more.
    pub receipt: String,
    /// How often it was handed out, with this time.
    pub receives: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub ready: u64,
    pub hidden: u64,
}

/// How often a ticket is handed out before it is put aside as dead.
pub const RECEIVES: u32 = 3;

/// Tickets, at least once each, roughly in order. One queue for each tier, and one for the dead.
pub trait Queue: Send + Sync + fmt::Debug {
    fn send<'a>(&'a self, lane: Tier, ticket: &'a Ticket) -> Pending<'a, Result<(), Problem>>;

    /// The next ticket of a lane, hidden from others for `hide`; waits for one as long as `wait`, 20 seconds at most.
    fn receive(&self, lane: Tier, wait: Duration, hide: Duration) -> Pending<'_, Result<Option<Delivery>, Problem>>;

    /// Hides it from now on for as long as this; not at all with zero. False: it is no longer ours.
    fn hide<'a>(&'a self, delivery: &'a Delivery, hide: Duration) -> Pending<'a, Result<bool, Problem>>;

    /// It is done with. Late is harmless.
    fn remove<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>>;

    fn depth(&self, lane: Tier) -> Pending<'_, Result<Depth, Problem>>;

    /// Tickets that were handed out too often, hidden from others for a minute.
    fn dead(&self, most: usize) -> Pending<'_, Result<Vec<Delivery>, Problem>>;

    /// Forgets a dead ticket.
    fn bury<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>>;
}

/// The longest path of a file.
pub const PATH_BYTES: usize = 512;

/// Whether a text is the path of a file: segments of `[A-Za-z0-9._-]` with `/` between them, none `.` or `..`. For stores
/// of files, so that all of them say the same.
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.len() <= PATH_BYTES && text.split('/').all(|segment| !matches!(segment, "" | "." | "..") && is_plain(segment))
}

/// Whether a path may begin like this.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    match text.rsplit_once('/') {
        Some((folders, begun)) => text.len() <= PATH_BYTES && is_path(folders) && is_plain(begun),
        None => text.len() <= PATH_BYTES && is_plain(text),
    }
}

fn is_plain(segment: &str) -> bool {
    segment.len() <= 255 && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Files of jobs, each below its tenant, at a [path](is_path); what is none is `Broken`. No file has a path that is a folder
/// of another one's.
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Stores a file, in place of one that was there.
    fn put<'a>(&'a self, tenant: &'a TenantId, path: &'a str, bytes: Vec<u8>) -> Pending<'a, Result<(), Problem>>;

    /// Stores a file of this machine, however large.
    fn put_file<'a>(&'a self, tenant: &'a TenantId, path: &'a str, file: &'a Path) -> Pending<'a, Result<(), Problem>>;

    /// A file, if it is there and has no more than `most` bytes.
    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        path: &'a str,
        most: u64,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Problem>>;

    /// Paths that begin like this and sort after `after`, in order, `limit` at most.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<String>, Problem>>;

    /// An address under which whoever has it may fetch the file until then; a browser keeps it under its last segment and
    /// does not show it.
    fn link<'a>(&'a self, tenant: &'a TenantId, path: &'a str, until: Moment) -> Pending<'a, Result<String, Problem>>;

    /// Removes all paths that begin like this.
    fn remove<'a>(&'a self, tenant: &'a TenantId, prefix: &'a str) -> Pending<'a, Result<(), Problem>>;
}

/// A text that nobody prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Of how many characters a secret is at least, if four of them are to be shown.
    const TELLING: usize = 16;

    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: its end, if that is a small part of it.
    #[must_use]
    pub fn last4(&self) -> String {
        let count = self.0.chars().count();
        if count < Self::TELLING { String::new() } else { self.0.chars().skip(count - 4).collect() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Which of its own secrets a tenant leaves with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    GithubToken,
    Anthropic,
    Openai,
    Google,
    Deepseek,
    Xai,
}

impl SecretKind {
    pub const ALL: [Self; 6] =
        [Self::GithubToken, Self::Anthropic, Self::Openai, Self::Google, Self::Deepseek, Self::Xai];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GithubToken => "github_token",
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Google => "google",
            Self::Deepseek => "deepseek",
            Self::Xai => "xai",
        }
    }
}

/// What may be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretNote {
    pub name: String,
    pub last4: String,
    pub updated_at: Moment,
}

/// Whether a text names a secret: 1 to 128 of `[A-Za-z0-9._-]`. For vaults, so that all of them say the same.
#[must_use]
pub fn is_secret_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && is_plain(text)
}

/// Secrets of tenants, sealed. `name` is a [`SecretKind`], or of our own making (`hook-…`); another [name](is_secret_name) is
/// `Broken`.
pub trait Vault: Send + Sync + fmt::Debug {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        now: Moment,
    ) -> Pending<'a, Result<(), Problem>>;

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>>;

    /// What there is, in the order of the names.
    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>>;

    /// Forgets it for good; false if there was none.
    fn remove<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<bool, Problem>>;
}

/// Starts workers where there are none: nothing on one machine, ECS in AWS.
pub trait Wake: Send + Sync + fmt::Debug {
    /// There is work. May come often; failing is no reason not to accept a job.
    fn wake(&self) -> Pending<'_, Result<(), Problem>>;
}

/// Keeps the machine below a worker from being taken away while it has jobs: nobody's matter on one machine, ECS's in AWS.
pub trait Stay: Send + Sync + fmt::Debug {
    /// It has jobs now, or none any more. May come again; failing is no reason not to work.
    fn stay(&self, busy: bool) -> Pending<'_, Result<(), Problem>>;
}

pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Moment;
}

/// Waits: for a store that is busy to be less so. A port, because waiting is the runtime's.
pub trait Pause: Send + Sync + fmt::Debug {
    fn pause(&self, how_long: Duration) -> Pending<'_, ()>;
}

pub trait Chance: Send + Sync + fmt::Debug {
    /// Fills it with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Problem>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        let long = "a".repeat(PATH_BYTES + 1);
        for fine in ["a", "a/b", "job_1/a1/diff.patch", "...", "a/.b", "-"] {
            assert!(is_path(fine) && is_prefix(fine), "{fine}");
        }
        for bad in ["/", "/a", "a//b", "../a", "a/../b", "a/./b", "a b", "a\\b", "a\0", "ä", "a:b", "a\n", &long] {
            assert!(!is_path(bad) && !is_prefix(bad), "{bad}");
        }
        // Something may begin so, and is not named so.
        for begun in ["", "a/", "..", ".", "a/.."] {
            assert!(!is_path(begun) && is_prefix(begun), "{begun}");
        }
    }

    #[test]
    fn secrets_have_plain_names() {
        let long = "a".repeat(129);
        assert!(["openai", "hook-whk_1.2", ".", &long[1..]].iter().all(|name| is_secret_name(name)));
        assert!(["", "a/b", "a b", "ä", "a\n", &long].iter().all(|name| !is_secret_name(name)));
    }

    #[test]
    fn little_is_shown_of_a_secret_and_nothing_of_a_short_one() {
        let last4 = |text: &str| Secret::new(text.to_owned()).last4();
        assert_eq!(last4("sk-ant-0123456789abcd"), "abcd");
        assert_eq!([last4(""), last4("hunter2"), last4("fifteen-letters")], [""; 3]);
        assert_eq!(last4("ßßßßßßßßßßßßßßßß"), "ßßßß");
    }
}
