//! A task and everything that hangs on it.

use std::time::Duration;

use super::{
    AgentTerms, Binding, Container, Fleet, GateNotice, Interface, Isolation, Machines, Output, Port, TaskIndex,
};
use crate::blueprint::capability::Capability;
use crate::blueprint::status::Status;
use crate::diagnostic::Span;
use crate::document::{Text, Written};

#[derive(Clone, Debug)]
pub struct Task<'s> {
    pub id: Text<'s>,
    pub name: Text<'s>,
    /// The YAML of the task.
    pub span: Span,
    /// The section of the document the task stands in: heading, prose and block.
    pub section: Span,
    /// Its place in `Draft::tiers`.
    pub tier: Option<u32>,
    pub status: Status,
    pub idempotent: Option<bool>,
    pub dependencies: Box<[Dependency<'s>]>,
    pub bindings: Box<[Binding<'s>]>,
    pub interface: Option<Box<Interface<'s>>>,
    pub output: Option<Box<Output<'s>>>,
    pub criteria: Box<[Text<'s>]>,
    pub capabilities: Box<[Capability<'s>]>,
    pub verification: Box<[Verification<'s>]>,
    pub rollback: Option<Box<Rollback<'s>>>,
    pub run: Option<Text<'s>>,
    pub resources: Option<Box<Resources<'s>>>,
    pub context: Option<Box<Context<'s>>>,
    pub on_failure: Option<Box<Failure<'s>>>,
    pub gate: Option<Box<Gate<'s>>>,
    pub handoff: Option<Box<Handoff<'s>>>,
    pub files_to_create: Box<[Text<'s>]>,
    pub files_to_modify: Box<[Text<'s>]>,
    pub choices: Option<Box<Choices<'s>>>,
    pub details: Option<Box<Details<'s>>>,
}

impl<'s> Task<'s> {
    pub fn locks(&self) -> &[LockRequest<'s>] {
        self.resources.as_ref().map_or(&[], |resources| &resources.locks)
    }

    /// The locks of the task and of its verifications: they are held for a whole attempt.
    pub fn all_locks(&self) -> impl Iterator<Item = LockRequest<'s>> + '_ {
        let required = self.verification.iter().flat_map(|stage| &stage.requires);
        let required = required.map(|name| LockRequest { name: name.clone(), mode: None });
        self.locks().iter().cloned().chain(required)
    }

    /// The terms of the agent that does it, as far as the author said so for this task alone.
    pub fn agent(&self) -> Option<&AgentTerms<'s>> {
        self.choices.as_ref().and_then(|choices| choices.agent.as_ref())
    }

    /// What the author chose for this task alone.
    pub fn executor(&self) -> Option<&Text<'s>> {
        self.choices.as_ref().and_then(|choices| choices.executor.as_ref())
    }

    pub fn when(&self) -> Option<&Text<'s>> {
        self.choices.as_ref().and_then(|choices| choices.when.as_ref())
    }

    pub fn on_success(&self) -> Option<&Text<'s>> {
        self.choices.as_ref().and_then(|choices| choices.on_success.as_ref())
    }

    pub fn assignee(&self) -> Option<&Text<'s>> {
        self.details.as_ref().and_then(|details| details.assignee.as_ref())
    }

    /// What its inputs together have to be like.
    pub fn input_schema(&self) -> Option<&Written<'s>> {
        self.interface.as_ref()?.input_schema.as_ref()
    }

    /// What its outputs together have to be like.
    pub fn output_schema(&self) -> Option<&Written<'s>> {
        self.interface.as_ref()?.output_schema.as_ref()
    }

    pub fn ports(&self) -> &[Port<'s>] {
        self.output.as_ref().map_or(&[], |output| &output.ports)
    }

    pub fn port(&self, name: &str) -> Option<&Port<'s>> {
        self.ports().iter().find(|port| port.name.value == name)
    }
}

/// `dependencies:` — a task that must be complete first.
#[derive(Clone, Debug)]
pub struct Dependency<'s> {
    pub task: Text<'s>,
    /// Absent: the task's completion is all that counts.
    pub typed: Option<Box<TypedDependency<'s>>>,
    /// Filled in once all tasks are known.
    pub target: Option<TaskIndex>,
}

impl<'s> Dependency<'s> {
    pub fn port(&self) -> Option<&Text<'s>> {
        self.typed.as_ref().and_then(|typed| typed.port.as_ref())
    }
}

/// `{task, type, output_port, resource}`.
#[derive(Clone, Debug)]
pub struct TypedDependency<'s> {
    pub kind: DependencyKind,
    pub port: Option<Text<'s>>,
    pub resource: Option<Text<'s>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DependencyKind {
    Data,
    #[default]
    Completion,
    Resource,
}

/// One stage of `verification:`; a task has them in the order they run.
#[derive(Clone, Debug)]
pub struct Verification<'s> {
    pub stage: Stage,
    pub command: Text<'s>,
    pub timeout: Option<Duration>,
    pub expected_exit_code: u8,
    pub requires: Box<[Text<'s>]>,
    pub optional: bool,
    /// On this machine, wherever the work is done.
    pub is_here: bool,
}

impl Verification<'_> {
    /// The format's default: two minutes.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(120))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Smoke,
    Unit,
    Integration,
    E2e,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Smoke, Self::Unit, Self::Integration, Self::E2e];

    pub const fn word(self) -> &'static str {
        crate::blueprint::format::STAGES[self as usize]
    }
}

#[derive(Clone, Debug)]
pub struct Rollback<'s> {
    pub command: Option<Text<'s>>,
    /// 2.1's `strategy`, and how it is carried out, where anything is said of it.
    pub terms: Option<Box<RollbackTerms<'s>>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RollbackTerms<'s> {
    pub strategy: Option<Text<'s>>,
    pub timeout: Option<Duration>,
    /// Nothing undoes the task.
    pub irreversible: bool,
    pub max_retries: Option<u32>,
    pub retry_delay: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
pub struct Resources<'s> {
    /// Thousandths of a processor.
    pub cpu: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
    pub gpu: Option<u32>,
    /// Bytes.
    pub disk: Option<u64>,
    pub locks: Vec<LockRequest<'s>>,
    pub lock_timeout: Option<Duration>,
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct LockRequest<'s> {
    pub name: Text<'s>,
    /// Absent: as declared.
    pub mode: Option<LockMode>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    #[default]
    Exclusive,
    Shared,
}

#[derive(Clone, Debug, Default)]
pub struct Context<'s> {
    pub working_directory: Option<Text<'s>>,
    pub environment: Box<[(Text<'s>, Text<'s>)]>,
    pub required_tools: Box<[Text<'s>]>,
    pub timeout: Option<Duration>,
    pub setup_command: Option<Text<'s>>,
    pub shell: Option<Text<'s>>,
    pub shell_args: Option<Box<[Text<'s>]>>,
    /// As of the document, which it overrules.
    pub direct: Option<bool>,
    /// Where commands work, and where that is written.
    pub isolation: Option<(Isolation, Span)>,
    pub machines: Option<Box<Machines<'s>>>,
    pub fleet: Option<Box<Fleet<'s>>>,
    pub container: Option<Box<Container<'s>>>,
}

#[derive(Clone, Debug, Default)]
pub struct Failure<'s> {
    pub max_retries: Option<u32>,
    pub retry_delay: Option<Duration>,
    pub action: FailureAction,
    pub fallback: Option<Box<FallbackTask<'s>>>,
    pub rollback: Option<super::RollbackMode>,
}

/// The task to run instead of one that failed.
#[derive(Clone, Debug)]
pub struct FallbackTask<'s> {
    pub task: Text<'s>,
    /// Filled in once all tasks are known.
    pub target: Option<TaskIndex>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureAction {
    #[default]
    Block,
    Abort,
    Skip,
}

/// `human_required:` — a person decides.
#[derive(Clone, Debug)]
pub struct Gate<'s> {
    /// What the person must do; empty when the author left it out.
    pub action: Text<'s>,
    pub reason: Option<Text<'s>>,
    pub when: GateTime,
    pub timeout: Option<Duration>,
    pub on_timeout: GateTimeout,
    pub on_missing: Option<GateTimeout>,
    pub notify: Box<[GateNotice<'s>]>,
    /// Who may decide; anybody if it is empty.
    pub approvers: Box<[Text<'s>]>,
    pub min_approvals: Option<u32>,
    /// Whether who began the run may approve it. The default is that they may.
    pub self_approval: Option<bool>,
}

impl Gate<'_> {
    /// The format's default: a day.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(24 * 3600))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GateTime {
    #[default]
    Before,
    After,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GateTimeout {
    #[default]
    Abort,
    Skip,
    Continue,
}

/// `handoff:` — checkpoints.
#[derive(Clone, Debug)]
pub struct Handoff<'s> {
    pub checkpoint_path: Option<Text<'s>>,
    pub checkpoint_format: Option<Text<'s>>,
    pub checkpoint_interval: Option<Duration>,
    pub checkpoint_interval_span: Span,
    pub resume_strategy: Option<Text<'s>>,
    pub state_fields: Vec<StateField<'s>>,
    pub state_schema: Option<Written<'s>>,
    /// Absent: the format's default of 30 seconds.
    pub interrupt_timeout: Option<Duration>,
    pub interrupt_action: Option<Text<'s>>,
    pub handoff_allowed: bool,
    pub required_context: Box<[Text<'s>]>,
    pub conflict_resolution: Option<Text<'s>>,
    pub checkpoint_versioning: bool,
}

#[derive(Clone, Debug)]
pub struct StateField<'s> {
    pub name: Text<'s>,
    /// JSONPath; absent for a bare name.
    pub path: Option<Text<'s>>,
    pub kind: Option<Text<'s>>,
    /// The type of an array's items.
    pub items: Option<Text<'s>>,
    pub default: Option<Written<'s>>,
}

/// What few tasks say: who does it, whether at all, and what comes after.
#[derive(Clone, Debug, Default)]
pub struct Choices<'s> {
    pub executor: Option<Text<'s>>,
    pub when: Option<Text<'s>>,
    pub on_success: Option<Text<'s>>,
    pub agent: Option<AgentTerms<'s>>,
}

/// What is kept for people and agents and decides nothing.
#[derive(Clone, Debug, Default)]
pub struct Details<'s> {
    pub assignee: Option<Text<'s>>,
    pub notes: Box<[Text<'s>]>,
    pub description: Option<Text<'s>>,
    pub parallel_group: Option<Text<'s>>,
    pub track: Option<Text<'s>>,
    pub priority: Option<Text<'s>>,
    pub example: Option<Written<'s>>,
}
