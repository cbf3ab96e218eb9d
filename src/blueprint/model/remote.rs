//! Data outside of this machine, and what becomes of data: `output.network`, `execution.storage`, `output.cleanup`.

use std::time::Duration;

use crate::diagnostic::Span;
use crate::document::Text;

/// `output.network:` — where `location: network` sends an output.
#[derive(Clone, Debug)]
pub struct Network<'s> {
    /// `s3`, `http` or `https`; `check` refuses all else.
    pub protocol: Text<'s>,
    pub endpoint: Text<'s>,
    pub auth: Option<Auth<'s>>,
    pub timeout: Option<Duration>,
    pub max_attempts: Option<u32>,
    pub delay: Option<Duration>,
    pub span: Span,
}

impl Network<'_> {
    /// The format's default: half a minute.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }

    /// As in the format's example.
    pub fn attempts(&self) -> u32 {
        self.max_attempts.unwrap_or(3)
    }

    /// As in the format's example.
    pub fn delay(&self) -> Duration {
        self.delay.unwrap_or(Duration::from_secs(5))
    }
}

/// Whom we are to an address.
#[derive(Clone, Debug)]
pub struct Auth<'s> {
    pub kind: AuthKind,
    /// `${secrets.NAME}`
    pub secret: Option<Text<'s>>,
    pub header: Option<Text<'s>>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthKind {
    Aws,
    Bearer,
    ApiKey,
    #[default]
    None,
}

/// `output.cleanup:` — when an output is removed.
#[derive(Clone, Debug)]
pub struct Cleanup<'s> {
    pub ttl: Option<Duration>,
    pub policy: CleanupPolicy,
    pub on_complete: Option<CleanupAction>,
    pub on_failure: Option<CleanupAction>,
    pub archive_path: Option<Text<'s>>,
    /// Where `archive` stands first.
    pub archives: Option<Span>,
    pub span: Span,
}

/// When the time of an output begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanupPolicy {
    Creation,
    Consumers,
    #[default]
    Blueprint,
    Never,
}

/// What becomes of an output when the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupAction {
    Delete,
    Keep,
    Archive,
}

/// `execution.storage:` — where outputs and checkpoints are kept.
#[derive(Clone, Debug)]
pub struct Storage<'s> {
    pub mode: StorageMode,
    pub shared_path: Option<Text<'s>>,
    /// `s3`; `check` refuses all else.
    pub backend: Option<Text<'s>>,
    pub bucket: Option<Text<'s>>,
    pub region: Option<Text<'s>>,
    pub prefix: Option<Text<'s>>,
    pub endpoint: Option<Text<'s>>,
    /// Where `hybrid` keeps checkpoints; the format's default is the object store.
    pub checkpoints: Option<StoragePlace>,
    /// Where `hybrid` keeps outputs; the format's default is the shared directory.
    pub artifacts: Option<StoragePlace>,
    pub credentials: Option<StorageCredentials<'s>>,
    pub encrypted: bool,
    pub kms_key: Option<Text<'s>>,
    pub versioning: bool,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageMode {
    #[default]
    Shared,
    Objects,
    Hybrid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoragePlace {
    Shared,
    Objects,
}

/// Whose credentials the object store sees; without them the chain of the `aws` command.
#[derive(Clone, Debug)]
pub struct StorageCredentials<'s> {
    pub source: CredentialsSource,
    /// For [`CredentialsSource::File`].
    pub file: Option<Text<'s>>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsSource {
    Environment,
    Role,
    File,
}

impl Storage<'_> {
    pub fn artifacts(&self) -> StoragePlace {
        match self.mode {
            StorageMode::Shared => StoragePlace::Shared,
            StorageMode::Objects => StoragePlace::Objects,
            StorageMode::Hybrid => self.artifacts.unwrap_or(StoragePlace::Shared),
        }
    }

    pub fn checkpoints(&self) -> StoragePlace {
        match self.mode {
            StorageMode::Shared => StoragePlace::Shared,
            StorageMode::Objects => StoragePlace::Objects,
            StorageMode::Hybrid => self.checkpoints.unwrap_or(StoragePlace::Objects),
        }
    }

    /// Whether anything goes to the object store.
    pub fn uses_objects(&self) -> bool {
        self.artifacts() == StoragePlace::Objects || self.checkpoints() == StoragePlace::Objects
    }
}
