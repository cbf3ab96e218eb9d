//! What a task takes and what it leaves: bindings, its interface, its output and the ports of it.

use super::{Cleanup, Network, TaskIndex};
use crate::diagnostic::Span;
use crate::document::{Text, Written};

/// `input_bindings:` — data that comes from another task or from a file.
#[derive(Clone, Debug)]
pub struct Binding<'s> {
    pub name: Text<'s>,
    pub source: BindingSource<'s>,
    pub transfer: Transfer,
    pub required: bool,
    /// A jq expression.
    pub transform: Option<Box<Text<'s>>>,
    pub fallback: Option<Box<Fallback<'s>>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum BindingSource<'s> {
    Task {
        task: Text<'s>,
        port: Option<Text<'s>>,
        /// Filled in once all tasks are known.
        target: Option<TaskIndex>,
    },
    /// 2.1: a plain path.
    Path(Text<'s>),
}

#[derive(Clone, Debug)]
pub struct Fallback<'s> {
    pub transfer: Transfer,
    pub format: Option<Text<'s>>,
    pub path: Option<Text<'s>>,
}

/// How data travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    Stdout,
    #[default]
    File,
    Memory,
    Network,
}

/// `interface:` — what it says to people stays in the document.
#[derive(Clone, Debug, Default)]
pub struct Interface<'s> {
    pub input_schema: Option<Written<'s>>,
    pub output_schema: Option<Written<'s>>,
}

#[derive(Clone, Debug)]
pub struct Output<'s> {
    pub location: Transfer,
    pub path: Option<Text<'s>>,
    pub format: Option<Text<'s>>,
    pub ports: Box<[Port<'s>]>,
    pub cleanup: Option<Box<Cleanup<'s>>>,
    pub network: Option<Box<Network<'s>>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Port<'s> {
    pub name: Text<'s>,
    pub kind: PortType<'s>,
    pub schema: Option<Box<Written<'s>>>,
    pub value: Option<Box<Written<'s>>>,
}

/// The type word of a port. The format lists none; words we do not know are opaque text.
#[derive(Clone, Debug)]
pub struct PortType<'s>(pub Text<'s>);

/// Port types with a meaning of their own.
pub const PORT_TYPES: &[&str] = &[
    "json",
    "yaml",
    "text",
    "string",
    "file_path",
    "integer",
    "number",
    "boolean",
    "array",
    "object",
    "binary",
    "any",
    "null",
];

impl PortType<'_> {
    /// The JSON Schema type the data has for certain, if the word says so.
    pub fn json_type(&self) -> Option<&str> {
        match self.0.as_str() {
            "string" | "text" | "file_path" => Some("string"),
            word @ ("integer" | "number" | "boolean" | "array" | "object" | "null") => Some(word),
            _ => None,
        }
    }
}
