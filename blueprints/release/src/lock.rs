//! `Cargo.lock` and `cargo metadata`, as far as a bill needs them.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Lock {
    #[serde(rename = "package")]
    pub(crate) packages: Vec<Locked>,
}

/// A package of the lock file. One without a source is of this repository.
#[derive(Deserialize)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) source: Option<String>,
    pub(crate) checksum: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Described>,
}

/// A package as its own manifest describes it.
#[derive(Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
}
