//! `ssm`, `outpost` and `container` blocks → [`Machines`], [`Fleet`], [`Container`].

use super::field::{Fields, pairs, texts};
use crate::blueprint::model::{Bucket, Container, ContainerEngine, Fleet, Machines, Mount, Tag, Targets};
use crate::document::Node;

/// Reads settings whose shape was checked.
pub(super) fn machines<'s>(node: &Node<'s>) -> Box<Machines<'s>> {
    Box::new(Machines {
        span: node.span,
        targets: node.field("targets").map(targets),
        directory: node.filled("directory"),
        region: node.filled("region"),
        profile: node.filled("profile"),
        endpoint: node.filled("endpoint"),
        document: node.filled("document"),
        state_directory: node.filled("state_directory"),
        delivery_timeout: node.count("delivery_timeout"),
        patience: node.count("patience"),
        output: node
            .field("output")
            .and_then(|node| Some(Bucket { name: node.filled("bucket")?, prefix: node.filled("prefix") })),
        max_concurrency: node.filled("max_concurrency"),
        max_errors: node.filled("max_errors"),
        contain: node.flag("contain"),
        send_secrets: node.flag("send_secrets"),
    })
}

fn targets<'s>(node: &Node<'s>) -> Targets<'s> {
    let tag = |node: &Node<'s>| Some(Tag { name: node.filled("name")?, values: node.texts("values") });
    Targets {
        span: node.span,
        instances: node.field("instances").map(texts),
        tags: node.field("tags").and_then(Node::as_list).map(|items| items.iter().filter_map(tag).collect()),
    }
}

pub(super) fn fleet<'s>(node: &Node<'s>) -> Box<Fleet<'s>> {
    Box::new(Fleet {
        span: node.span,
        url: node.filled("url"),
        repo: node.filled("repo"),
        reference: node.filled("ref"),
        push: node.filled("push"),
        directory: node.filled("directory"),
        labels: pairs(node.field("labels")),
        patience: node.count("patience"),
        send_secrets: node.flag("send_secrets"),
    })
}

pub(super) fn container<'s>(node: &Node<'s>) -> Option<Box<Container<'s>>> {
    let mount = |node: &Node<'s>| {
        Some(Mount {
            source: node.filled("source")?,
            target: node.filled("target"),
            read_only: node.flag("read_only").unwrap_or(false),
        })
    };
    let mounts = node.field("mounts").and_then(Node::as_list).unwrap_or_default();
    Some(Box::new(Container {
        image: node.filled("image")?,
        engine: node.choice("engine", &[("docker", ContainerEngine::Docker), ("podman", ContainerEngine::Podman)]),
        network: node.filled("network"),
        env: pairs(node.field("env")),
        mounts: mounts.iter().filter_map(mount).collect(),
        user: node.filled("user"),
        workdir: node.filled("workdir"),
        span: node.span,
    }))
}
