//! `network`, `storage` and `cleanup` blocks → [`Network`], [`Storage`], [`Cleanup`].

use crate::blueprint::model::{
    Auth, AuthKind, Cleanup, CleanupAction, CleanupPolicy, CredentialsSource, Network, Storage, StorageCredentials,
    StorageMode, StoragePlace,
};
use crate::document::Node;

use super::field::Fields;

const ACTIONS: &[(&str, CleanupAction)] =
    &[("delete", CleanupAction::Delete), ("keep", CleanupAction::Keep), ("archive", CleanupAction::Archive)];
const SOURCES: &[(&str, CredentialsSource)] = &[
    ("env", CredentialsSource::Environment),
    ("iam_role", CredentialsSource::Role),
    ("file", CredentialsSource::File),
];
const PLACES: &[(&str, StoragePlace)] = &[("shared_fs", StoragePlace::Shared), ("object_store", StoragePlace::Objects)];

pub(super) fn network<'s>(node: &Node<'s>) -> Option<Box<Network<'s>>> {
    let retry = node.field("retry");
    Some(Box::new(Network {
        protocol: node.filled("protocol")?,
        endpoint: node.filled("endpoint")?,
        auth: node.field("auth").map(auth),
        timeout: node.duration("timeout"),
        max_attempts: retry.and_then(|node| node.count("max_attempts")),
        delay: retry.and_then(|node| node.duration("delay")),
        span: node.span,
    }))
}

fn auth<'s>(node: &Node<'s>) -> Auth<'s> {
    let kinds = &[
        ("aws_credentials", AuthKind::Aws),
        ("bearer_token", AuthKind::Bearer),
        ("api_key", AuthKind::ApiKey),
        ("none", AuthKind::None),
    ];
    Auth {
        kind: node.choice("type", kinds).unwrap_or_default(),
        secret: node.filled("secret_ref"),
        header: node.filled("header"),
        span: node.span,
    }
}

pub(super) fn cleanup<'s>(node: &Node<'s>) -> Box<Cleanup<'s>> {
    let policies = &[
        ("after_creation", CleanupPolicy::Creation),
        ("after_consumers", CleanupPolicy::Consumers),
        ("after_blueprint", CleanupPolicy::Blueprint),
        ("never", CleanupPolicy::Never),
    ];
    Box::new(Cleanup {
        ttl: node.duration("ttl"),
        policy: node.choice("policy", policies).unwrap_or_default(),
        on_complete: node.choice("on_blueprint_complete", ACTIONS),
        on_failure: node.choice("on_blueprint_failure", ACTIONS),
        archive_path: node.filled("archive_path"),
        archives: ["on_blueprint_complete", "on_blueprint_failure"]
            .iter()
            .find_map(|key| node.scalar(key).filter(|word| word.value == "archive"))
            .map(|word| word.span),
        span: node.span,
    })
}

pub(super) fn storage<'s>(node: &Node<'s>) -> Box<Storage<'s>> {
    let modes =
        &[("shared_fs", StorageMode::Shared), ("object_store", StorageMode::Objects), ("hybrid", StorageMode::Hybrid)];
    let encryption = node.field("encryption");
    let kms_key = encryption.and_then(|node| node.filled("kms_key_id"));
    Box::new(Storage {
        mode: node.choice("mode", modes).unwrap_or_default(),
        shared_path: node.filled("shared_path"),
        backend: node.filled("backend"),
        bucket: node.filled("bucket"),
        region: node.filled("region"),
        prefix: node.filled("prefix"),
        endpoint: node.filled("endpoint"),
        checkpoints: node.choice("checkpoint_storage", PLACES),
        artifacts: node.choice("artifact_storage", PLACES),
        credentials: node.field("credentials").and_then(|node| {
            let source = node.choice("source", SOURCES)?;
            Some(StorageCredentials { source, file: node.filled("credentials_file"), span: node.span })
        }),
        encrypted: encryption.is_some_and(|node| node.flag("enabled").unwrap_or(kms_key.is_some())),
        kms_key,
        versioning: node.flag("versioning").unwrap_or(false),
        span: node.span,
    })
}
