//! The Blueprint Standard Format, 2.0.2 with the v1 and 2.1 spellings and our extensions, as
//! [`Record`]s: every key, its form, and one sentence about it.
//!
//! This is the only list of keys. The checker, `outpost-bp schema` and the reference read it.

use super::shape::{Field, MAX_COUNT, Need, Record, Shape};

macro_rules! record {
    ($(#[$meta:meta])* $name:ident $title:literal { $($need:ident $key:literal $shape:expr, $doc:literal;)* }) => {
        $(#[$meta])*
        pub static $name: Record = Record {
            title: $title,
            fields: &[$(Field { key: $key, shape: $shape, need: need!($need), doc: $doc }),*],
        };
    };
}

macro_rules! need {
    (must) => {
        Need::Must
    };
    (strict) => {
        Need::Strict
    };
    (may) => {
        Need::May
    };
    (inert) => {
        Need::Inert
    };
    (legacy_timeout) => {
        Need::Legacy("timeout")
    };
    (legacy_task_timeout) => {
        Need::Legacy("execution_context.timeout")
    };
    (legacy_delay) => {
        Need::Legacy("retry_delay")
    };
}

pub(crate) use {need, record};

mod execution;
mod site;
mod task;

pub use execution::*;
pub use site::*;
pub use task::*;

use Shape::{Any, Filled, List, Named, OneOf, Text};

const fn count(min: u32) -> Shape {
    Shape::Count { min, max: MAX_COUNT }
}

const EXIT_CODE: Shape = Shape::Count { min: 0, max: 255 };
const TEXTS: Shape = List(&Text);
const NAMES: Shape = List(&Filled);
const ANYTHING: Shape = Named(&Any);

/// The stages of a verification, in the order they run.
pub const STAGES: [&str; 4] = ["smoke", "unit", "integration", "e2e"];
pub const LOCATIONS: &[&str] = &["stdout", "file", "memory", "network"];
pub const FORMATS: &[&str] = &["json", "yaml", "text", "binary"];
pub const VALUE_TYPES: &[&str] = &["json", "yaml", "text", "file_path", "none"];
pub const JSON_TYPES: &[&str] = &["string", "integer", "number", "boolean", "array", "object"];
pub const EXECS: &[&str] = &["auto", "shell"];
pub const APPROVALS: &[&str] = &["full", "edits", "readonly"];
pub const TRUSTS: &[&str] = &["own", "untrusted"];
pub const ISOLATIONS: &[&str] = &["worktree", "none"];
pub const SANDBOXES: &[&str] = &["auto", "require", "none"];
pub const NETWORKS: &[&str] = &["open", "gateway"];
/// Where a verification runs: where the work does, or here.
pub const SITES: &[&str] = &["target", "here"];
pub const LOCK_MODES: &[&str] = &["exclusive", "shared"];
/// How somebody is told of a gate; `command` is an extension.
pub const CHANNELS: &[&str] = &["email", "slack", "webhook", "env", "console", "command"];
/// How somebody is told of a run, and of a gate that waits for long: nobody is asked for a decision there.
pub const NEWS_CHANNELS: &[&str] = &["email", "slack", "webhook", "console", "command"];
/// What `execution.notify` may tell of.
pub const OCCASIONS: &[&str] = &["gate", "waiting", "failed", "done", "cancelled", "rolled_back"];
/// Executors that come with the tool; definition files may add more.
/// Those that are no agents. Every other name is an agent's, of this list or of a definition.
pub const NO_AGENTS: &[&str] = &["shell", "ssm", "outpost", "manual"];
pub const EXECUTORS: &[&str] = &["shell", "claude", "codex", "gemini", "aider", "grok", "ssm", "outpost", "manual"];

record! {
    /// The root of a document in pure YAML, and of a fence that holds more than one thing.
    DOCUMENT "blueprint document" {
    may "metadata" ANYTHING, "name, status and owner of the blueprint";
    may "title" Text, "the name of the blueprint";
    may "name" Text, "the name of the blueprint";
    may "description" Text, "what it is about";
    may "strategic_vision" Any, "the goal, in words";
    may "success_metrics" Any, "how success is measured";
    may "execution" Shape::Record(&EXECUTION), "settings of all tasks";
    may "tiers" List(&Shape::Record(&TIER)), "the tiers with their tasks";
    may "tasks" List(&Shape::Record(&TASK)), "tasks outside of tiers";
    may "dependency_graph" Named(&OneOf(&[List(&Filled), Shape::Record(&GRAPH_ENTRY)])), "what the tasks say, as one graph; checked against them";
    may "dependencies" Any, "the same as `dependency_graph`";
    may "parallel_groups" Any, "kept, for people";
    may "document_control" Any, "kept, for people";
    may "blueprint_version" Text, "the version of the format";
}}

record! { TIER "tier" {
    may "tasks" List(&Shape::Record(&TASK)), "the tasks of the tier";
    may "name" Text, "the name of the tier";
    may "title" Text, "the same as `name`";
    may "tier_number" count(0), "its number";
    may "tier" OneOf(&[count(0), Text]), "the same as `tier_number`";
    may "number" count(0), "the same as `tier_number`";
    may "tier_id" Text, "such as `T0`";
    may "id" Text, "the same as `tier_id`";
    may "goal" Text, "what it is for";
    may "description" Text, "what it is for";
    may "status" Text, "kept, for people";
}}

record! { GRAPH_ENTRY "graph entry" {
    may "depends_on" NAMES, "the tasks it waits for";
    may "input_bindings" Named(&Filled), "`name: T0.1.output.port`";
    may "parallel_group" Filled, "a hint";
    may "notes" Text, "kept, for people";
}}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{DOCUMENT, EXECUTION, Record, Shape, TASK};

    fn walk(record: &'static Record, seen: &mut HashSet<&'static str>) {
        if !seen.insert(record.title) {
            return;
        }
        assert!(record.fields.len() <= 64, "{} has too many fields for a bit set", record.title);
        let mut keys = HashSet::new();
        for field in record.fields {
            assert!(keys.insert(field.key), "{}.{} twice", record.title, field.key);
            assert!(!field.doc.is_empty() && !field.doc.ends_with('.'), "{}.{}", record.title, field.key);
            descend(&field.shape, seen);
        }
    }

    fn descend(shape: &'static Shape, seen: &mut HashSet<&'static str>) {
        match shape {
            Shape::Record(record) => walk(record, seen),
            Shape::List(shape) | Shape::Named(shape) => descend(shape, seen),
            Shape::OneOf(shapes) => shapes.iter().for_each(|shape| descend(shape, seen)),
            _ => {}
        }
    }

    #[test]
    fn the_tables_are_sound() {
        let mut seen = HashSet::new();
        for record in [&TASK, &EXECUTION, &DOCUMENT] {
            walk(record, &mut seen);
        }
        assert!(seen.len() > 25, "{seen:?}");
    }
}
