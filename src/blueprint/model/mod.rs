//! The model: what a blueprint says, in one form for all carriers and dialects.
//!
//! Values keep their text and place. Defaults of the format are applied by methods, so that the
//! fields still tell what the author wrote.

mod agent;
mod execution;
mod logging;
mod notify;
mod port;
mod remote;
mod site;
mod task;

use std::collections::HashMap;
use std::fmt;

pub use agent::{AgentApproval, AgentTerms, AgentTrust, Budget, Isolation, Sandbox, SandboxMode};
pub use execution::{
    Compatibility, Environment, Execution, Hierarchy, HookCommand, LockDeclaration, Preflight, RollbackMode,
    SecretMissing, SecretPolicy, SecretSource, SecretSourceKind,
};
pub use logging::{LOG_DESTINATIONS, LOG_FORMATS, LOG_LEVELS, LogDestination, LogFormat, LogLevel, Logging};
pub use notify::{Channel, GateNotice, MailServer, Occasion, Recipient, RunNotice};
pub use port::{Binding, BindingSource, Fallback, Interface, Output, PORT_TYPES, Port, PortType, Transfer};
pub use remote::{
    Auth, AuthKind, Cleanup, CleanupAction, CleanupPolicy, CredentialsSource, Network, Storage, StorageCredentials,
    StorageMode, StoragePlace,
};
pub use site::{Bucket, Container, ContainerEngine, Fleet, Machines, Mount, Tag, Targets};
pub use task::{
    Choices, Context, Dependency, DependencyKind, Details, Failure, FailureAction, FallbackTask, Gate, GateTime,
    GateTimeout, Handoff, LockMode, LockRequest, Resources, Rollback, RollbackTerms, Stage, StateField, Task,
    TypedDependency, Verification,
};

use super::MAX_ID_BYTES;
use crate::diagnostic::Span;
use crate::document::{Carrier, Text};

/// The version family a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    V1,
    V20,
    V21,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "1.x",
            Self::V20 => "2.0",
            Self::V21 => "2.1",
        })
    }
}

/// A task's place in `tasks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskIndex(pub u32);

impl TaskIndex {
    pub fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// The `_keys` of the metadata block, and what they say.
#[derive(Clone, Debug, Default)]
pub struct Metadata<'s> {
    pub version: Option<Text<'s>>,
    pub generated_at: Option<Text<'s>>,
    pub generator: Option<Text<'s>>,
    pub checksum: Option<Text<'s>>,
    /// All other keys in document order, with their leading `_`.
    pub other: Vec<(Text<'s>, Text<'s>)>,
}

impl<'s> Metadata<'s> {
    pub fn get(&self, key: &str) -> Option<&Text<'s>> {
        self.other.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }
}

/// A phase of the blueprint.
#[derive(Clone, Debug)]
pub struct Tier {
    pub number: Option<u32>,
    pub title: String,
    pub span: Span,
}

/// One row of the success-metric table, as cells.
pub type Metric = Vec<String>;

/// A block that is no task and no setting: kept, shown by `check --verbose`.
#[derive(Clone, Debug)]
pub struct DataBlock {
    pub keys: Vec<String>,
    pub span: Span,
}

/// The dependency graph the author wrote down.
#[derive(Clone, Debug)]
pub struct AuthoredGraph<'s> {
    pub span: Span,
    /// The last of the blocks it is spread over, where entries are added.
    pub last: GraphBlock,
    pub entries: Vec<GraphEntry<'s>>,
}

impl AuthoredGraph<'_> {
    /// Takes over what another block of the document says.
    pub fn append(&mut self, mut more: Self) {
        self.entries.append(&mut more.entries);
        self.last = more.last;
    }
}

#[derive(Clone, Copy, Debug)]
pub struct GraphBlock {
    pub key: Span,
    pub body: Span,
    /// Whether the block stands inside of braces.
    pub in_braces: bool,
}

#[derive(Clone, Debug)]
pub struct GraphEntry<'s> {
    pub task: Text<'s>,
    /// From the key to the end of its value.
    pub span: Span,
    pub depends_on: Vec<Text<'s>>,
    pub place: ListPlace,
    /// `T0.1.output.port` of the entry's bindings.
    pub bindings: Vec<Text<'s>>,
}

/// Where the list of a graph's entry stands, or would stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPlace {
    /// `[a, b]`, or an alias for it.
    Brackets(Span),
    /// Items on lines of their own.
    Dashes,
    /// Behind the key, where nothing stands yet, or a null.
    Value { key: Span, value: Span },
    /// In a mapping that has none yet, whose first key this is.
    Mapping { whole: Span, first: Option<Span> },
    /// Something stands there that is no list of ids, or it is written elsewhere.
    Nowhere,
}

/// Everything that could be read of a document, right or wrong.
#[derive(Debug)]
pub struct Draft<'s> {
    pub carrier: Carrier,
    pub dialect: Dialect,
    pub metadata: Metadata<'s>,
    pub title: Option<Text<'s>>,
    /// `Status: Active` and its neighbours under the title.
    pub banner: Vec<(String, String)>,
    pub vision: Option<String>,
    pub metrics: Vec<Metric>,
    pub execution: Execution<'s>,
    pub tiers: Vec<Tier>,
    /// In document order. Boxed: 100,000 tasks move between threads as pointers, not as 64 MB.
    pub tasks: Vec<Box<Task<'s>>>,
    pub graph: Option<AuthoredGraph<'s>>,
    pub data: Vec<DataBlock>,
}

impl<'s> Draft<'s> {
    pub fn task(&self, index: TaskIndex) -> &Task<'s> {
        &self.tasks[index.get()]
    }

    /// The task that does the work of this one when it fails for good.
    pub fn fallback(&self, index: TaskIndex) -> Option<TaskIndex> {
        self.task(index).on_failure.as_ref()?.fallback.as_ref()?.target
    }

    pub fn indices(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.tasks.len()).map(TaskIndex::new)
    }

    /// The parent of each task: the nearest existing id with fewer parts. `T0.1.2` → `T0.1`.
    pub fn parents(&self) -> Vec<Option<TaskIndex>> {
        let ids: HashMap<&str, TaskIndex> = self.indices().map(|index| (self.task(index).id.as_str(), index)).collect();
        self.tasks
            .iter()
            .map(|task| {
                // What is too long to be an id may have too many parts to walk up.
                let mut id = Some(task.id.as_str()).filter(|id| id.len() <= MAX_ID_BYTES)?;
                while let Some((ancestor, _)) = id.rsplit_once('.') {
                    if let Some(index) = ids.get(ancestor) {
                        return Some(*index);
                    }
                    id = ancestor;
                }
                None
            })
            .collect()
    }

    /// The name people know the blueprint by.
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or("untitled blueprint")
    }
}
