//! What a task block says of its data → bindings, interface and output, in all dialects.

use std::collections::HashSet;

use super::field::Fields as _;
use super::remote;
use crate::blueprint::model::{Binding, BindingSource, Fallback, Interface, Output, Port, PortType, Transfer};
use crate::document::{Excerpt, Node, Text};

const TRANSFERS: &[(&str, Transfer)] = &[
    ("stdout", Transfer::Stdout),
    ("file", Transfer::File),
    ("memory", Transfer::Memory),
    ("network", Transfer::Network),
];

/// Splits `T0.1.output.port`.
pub(in crate::blueprint) fn port_reference<'s>(text: &Text<'s>) -> Option<(Text<'s>, Text<'s>)> {
    let (task, port) = text.value.split_once(".output.")?;
    let piece = |value: &str| Text { value: value.to_owned().into(), span: text.span };
    Some((piece(task), piece(port)))
}

pub(super) fn bindings<'s>(node: Option<&Node<'s>>) -> Box<[Binding<'s>]> {
    let entries = node.and_then(Node::as_map).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            let name = entry.key.clone();
            let span = entry.span();
            if let Some(text) = entry.value.to_text() {
                let source = match port_reference(&text) {
                    Some((task, port)) => BindingSource::Task { task, port: Some(port), target: None },
                    None => BindingSource::Path(text),
                };
                return Some(Binding {
                    name,
                    source,
                    transfer: Transfer::File,
                    required: true,
                    transform: None,
                    fallback: None,
                    span,
                });
            }
            let node = &entry.value;
            Some(Binding {
                name,
                source: BindingSource::Task {
                    task: node.filled("source")?,
                    port: node.filled("output_port"),
                    target: None,
                },
                transfer: node.choice("transfer", TRANSFERS).unwrap_or_default(),
                required: node.flag("required").unwrap_or(true),
                transform: node.field("transform").and_then(|transform| transform.filled("expression")).map(Box::new),
                fallback: node.field("fallback").map(|node| {
                    Box::new(Fallback {
                        transfer: node.choice("transfer", TRANSFERS).unwrap_or_default(),
                        format: node.filled("format"),
                        path: node.filled("path"),
                    })
                }),
                span,
            })
        })
        .collect()
}

pub(super) fn interface<'s>(node: &Node<'s>, text: Option<&'s str>) -> Option<Box<Interface<'s>>> {
    let input_schema = node.written("input_schema", text);
    let output_schema = node.written("output_schema", text);
    let is_there = input_schema.is_some() || output_schema.is_some();
    is_there.then(|| Box::new(Interface { input_schema, output_schema }))
}

pub(super) fn output<'s>(task: &Node<'s>, text: Option<&'s str>) -> Option<Box<Output<'s>>> {
    let block = task.field("output").filter(|node| node.as_map().is_some());
    let mut ports: Vec<Port<'s>> = block
        .and_then(|node| node.field("ports"))
        .and_then(Node::as_map)
        .unwrap_or_default()
        .iter()
        .map(|entry| {
            let node = &entry.value;
            Port {
                name: entry.key.clone(),
                kind: PortType(node.to_text().or_else(|| node.filled("type")).unwrap_or_default()),
                schema: node.written("schema", text).map(Box::new),
                value: node.written("value", text).map(Box::new),
            }
        })
        .collect();
    // 2.1 lists outputs in the interface; they are ports like any other.
    let listed =
        task.field("interface").and_then(|node| node.field("outputs")).and_then(Node::as_list).unwrap_or_default();
    let mut taken: HashSet<Excerpt<'s>> = HashSet::new();
    if !listed.is_empty() {
        taken.extend(ports.iter().map(|port| port.name.value.clone()));
    }
    for item in listed {
        let Some(name) = item.to_text().or_else(|| item.filled("name")) else {
            continue;
        };
        if taken.insert(name.value.clone()) {
            ports.push(Port {
                kind: PortType(item.filled("type").unwrap_or_default()),
                schema: item.written("schema", text).map(Box::new),
                value: None,
                name,
            });
        }
    }
    if block.is_none() && ports.is_empty() {
        return None;
    }
    Some(Box::new(Output {
        location: block.and_then(|node| node.choice("location", TRANSFERS)).unwrap_or(Transfer::Stdout),
        path: block.and_then(|node| node.filled("path")),
        format: block.and_then(|node| node.filled("format")),
        ports: ports.into(),
        cleanup: block.and_then(|node| node.field("cleanup")).map(remote::cleanup),
        network: block.and_then(|node| node.field("network")).and_then(remote::network),
        span: block.unwrap_or(task).span,
    }))
}
