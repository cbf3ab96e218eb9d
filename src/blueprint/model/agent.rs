//! The terms on which agents work: what a document says, and what holds for a task.

use crate::document::Text;

/// Terms, as written in a task or for all tasks.
#[derive(Clone, Debug, Default)]
pub struct AgentTerms<'s> {
    /// Of the service that does it.
    pub name: Option<Text<'s>>,
    pub model: Option<Text<'s>>,
    pub effort: Option<Text<'s>>,
    pub approval: Option<AgentApproval>,
    pub trust: Option<AgentTrust>,
    /// In one attempt.
    pub max_turns: Option<u32>,
    /// Of all attempts together.
    pub usd: Option<f64>,
    pub tokens: Option<u64>,
    pub isolation: Option<Isolation>,
    /// What it may change; absent: anything.
    pub paths: Option<Box<[Text<'s>]>>,
    pub sandbox: Option<Box<Sandbox<'s>>>,
}

/// What may be used together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    pub usd: Option<f64>,
    pub tokens: Option<u64>,
}

/// What an agent may do without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentApproval {
    Full,
    Edits,
    ReadOnly,
}

/// Whose the settings are that lie in the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentTrust {
    Own,
    Untrusted,
}

/// Where the work is done. The default is that of agents; commands work in the project's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    #[default]
    Worktree,
    None,
}

/// What an agent runs behind.
#[derive(Clone, Debug, Default)]
pub struct Sandbox<'s> {
    pub mode: SandboxMode,
    /// Beside its tree.
    pub read: Box<[Text<'s>]>,
    pub write: Box<[Text<'s>]>,
    /// Whether its network ends at the gateway.
    pub gateway_only: bool,
}

/// Whether there has to be a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxMode {
    /// What the machine has.
    #[default]
    Auto,
    Require,
    None,
}

impl<'s> AgentTerms<'s> {
    /// Whether the agent works in a tree of its own.
    pub fn is_isolated(&self) -> bool {
        self.isolation.unwrap_or_default() == Isolation::Worktree
    }

    /// These terms, and those of `other` where these say nothing.
    pub fn over(&self, other: &Self) -> Self {
        Self {
            name: self.name.clone().or_else(|| other.name.clone()),
            model: self.model.clone().or_else(|| other.model.clone()),
            effort: self.effort.clone().or_else(|| other.effort.clone()),
            approval: self.approval.or(other.approval),
            trust: self.trust.or(other.trust),
            max_turns: self.max_turns.or(other.max_turns),
            usd: self.usd.or(other.usd),
            tokens: self.tokens.or(other.tokens),
            isolation: self.isolation.or(other.isolation),
            paths: self.paths.clone().or_else(|| other.paths.clone()),
            sandbox: self.sandbox.clone().or_else(|| other.sandbox.clone()),
        }
    }
}
