//! Settings that hold for all tasks: `execution:`.

use std::time::Duration;

use super::{
    AgentTerms, Budget, Fleet, Isolation, LockMode, LockRequest, Logging, Machines, MailServer, RunNotice, Storage,
};
use crate::diagnostic::Span;
use crate::document::Text;

#[derive(Clone, Debug, Default)]
pub struct Execution<'s> {
    /// The block, where there is one.
    pub span: Option<Span>,
    pub shell: Option<Text<'s>>,
    pub shell_flags: Option<Box<[Text<'s>]>>,
    /// Whether a shell may be left out that would only start a program; absent: it may.
    pub direct: Option<bool>,
    /// Where commands work, unless their task says otherwise; absent: in the directory of the project.
    pub isolation: Option<Isolation>,
    pub max_parallel_tasks: Option<u32>,
    pub locks: Vec<LockDeclaration<'s>>,
    pub preflight: Vec<Preflight<'s>>,
    pub secrets: Option<SecretPolicy<'s>>,
    pub compatibility: Compatibility,
    pub hierarchy: Hierarchy,
    pub executor: Option<Text<'s>>,
    /// The terms of agents, where a task does not say otherwise.
    pub agent: AgentTerms<'s>,
    /// What agents may use together in a run.
    pub run_budget: Budget,
    /// The machines of `ssm`, where a task does not say otherwise.
    pub machines: Option<Box<Machines<'s>>>,
    /// The service of `outpost`, where a task does not say otherwise.
    pub fleet: Option<Box<Fleet<'s>>>,
    pub rollback: Option<RollbackMode>,
    pub environments: Vec<Environment<'s>>,
    /// Who is told how the run goes.
    pub notify: Box<[RunNotice<'s>]>,
    pub mail_server: Option<MailServer<'s>>,
    /// Commands for moments of the run, by their names.
    pub hooks: Vec<HookCommand<'s>>,
    /// 2.1's default for tasks without `on_failure`.
    pub max_retries: Option<u32>,
    pub retry_delay: Option<Duration>,
    pub logging: Option<Box<Logging<'s>>>,
    pub storage: Option<Box<Storage<'s>>>,
}

impl<'s> Execution<'s> {
    pub fn lock(&self, name: &str) -> Option<&LockDeclaration<'s>> {
        self.locks.iter().find(|lock| lock.name.value == name)
    }

    pub fn hook(&self, name: &str) -> Option<&HookCommand<'s>> {
        self.hooks.iter().find(|hook| hook.name.value == name)
    }

    /// How a request holds its lock.
    pub fn lock_mode(&self, request: &LockRequest<'_>) -> LockMode {
        self.lock(&request.name).map_or(LockMode::Exclusive, |lock| lock.mode_of(request))
    }
}

/// What the run does at one of its own moments.
#[derive(Clone, Debug)]
pub struct HookCommand<'s> {
    pub name: Text<'s>,
    pub command: Text<'s>,
    pub timeout: Option<Duration>,
    /// Whether what it leaves running stays.
    pub stays: bool,
}

/// A lock tasks may ask for.
#[derive(Clone, Debug)]
pub struct LockDeclaration<'s> {
    pub name: Text<'s>,
    pub mode: LockMode,
    /// How many may hold it at once; 1 for an exclusive lock.
    pub max_holders: u32,
}

impl LockDeclaration<'_> {
    /// How a request holds the lock. Who asks to share what only one may hold, holds it alone.
    pub fn mode_of(&self, request: &LockRequest<'_>) -> LockMode {
        if self.max_holders <= 1 { LockMode::Exclusive } else { request.mode.unwrap_or(self.mode) }
    }
}

/// A command that must pass before anything runs.
#[derive(Clone, Debug)]
pub struct Preflight<'s> {
    pub command: Text<'s>,
    pub expected_exit_code: u8,
    pub error_message: Option<Text<'s>>,
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct SecretPolicy<'s> {
    pub on_missing: SecretMissing,
    pub sources: Vec<SecretSource<'s>>,
}

/// What is asked where a document says nothing else.
static USUAL: [SecretSource<'static>; 1] = [SecretSource {
    kind: SecretSourceKind::Env,
    prefix: None,
    path: None,
    address: None,
    region: None,
    profile: None,
}];

impl<'s> SecretPolicy<'s> {
    /// Who is asked for secrets, in this order.
    pub fn sources_or_env<'p>(policy: Option<&'p Self>) -> &'p [SecretSource<'s>] {
        policy.map(|policy| policy.sources.as_slice()).filter(|sources| !sources.is_empty()).unwrap_or(&USUAL)
    }
}

/// What becomes of a run that needs a secret which no source has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretMissing {
    /// It does not begin.
    #[default]
    Abort,
    /// A person is asked for it.
    Prompt,
    /// The tasks that refer to it are skipped.
    SkipTask,
    /// A default that another reference to it writes is taken.
    UseDefault,
}

#[derive(Clone, Debug)]
pub struct SecretSource<'s> {
    pub kind: SecretSourceKind,
    pub prefix: Option<Text<'s>>,
    pub path: Option<Text<'s>>,
    pub address: Option<Text<'s>>,
    pub region: Option<Text<'s>>,
    pub profile: Option<Text<'s>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSourceKind {
    Env,
    File,
    Vault,
    AwsSsm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compatibility {
    #[default]
    Strict,
    V1Migration,
}

/// How `T1` and `T1.1` relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hierarchy {
    /// A parent waits for the children that do not wait for it.
    #[default]
    Auto,
    /// A parent always waits for its children.
    Rollup,
    /// Ids mean nothing.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollbackMode {
    Manual,
    Ask,
    Auto,
}

/// Variables chosen with `--env`.
#[derive(Clone, Debug)]
pub struct Environment<'s> {
    pub name: Text<'s>,
    pub variables: Box<[(Text<'s>, Text<'s>)]>,
}
