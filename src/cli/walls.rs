//! Which layers of a sandbox this machine has, in the words of commands.

use outpost_agent::command::Approval;
use outpost_agent::definition::Definition;
use outpost_sandbox::{Gap, Layers, Policy};

use crate::blueprint::model::{AgentApproval, AgentTerms, SandboxMode};

/// Without it there is no sandbox to speak of.
pub(super) const NO_LAYER: &str =
    "neither bubblewrap nor Landlock works here: install `bubblewrap`, or use a kernel with Landlock (Linux 5.13)";

/// What agents run behind here.
pub(super) struct Walls {
    pub(super) layers: Layers,
}

impl Walls {
    pub(super) fn here() -> Self {
        Self { layers: Layers::probe() }
    }

    /// In a line.
    pub(super) fn line(&self) -> String {
        if self.layers.hold_files() { self.layers.names() } else { "none: agents run as you do".to_owned() }
    }

    /// What stays open, with the way out; nothing where all is as it should be.
    pub(super) fn open(&self) -> Option<String> {
        self.beyond(&Policy::new("/", "/"))
    }

    /// Why the terms of an agent cannot be kept here, where they require a sandbox.
    pub(super) fn lacking(&self, terms: &AgentTerms<'_>, definition: Option<&Definition>) -> Option<String> {
        let sandbox = terms.sandbox.as_deref().filter(|sandbox| sandbox.mode == SandboxMode::Require)?;
        if let Some(why) =
            definition.and_then(|definition| brings_its_own(definition, terms.approval.unwrap_or(AgentApproval::Full)))
        {
            return Some(why);
        }
        let mut policy = Policy::new("/", "/");
        policy.network = if sandbox.gateway_only {
            // Whatever port it will be.
            outpost_sandbox::Network::Loopback { ports: vec![1] }
        } else {
            outpost_sandbox::Network::On
        };
        if !terms.is_isolated() {
            policy.hidden.push("/".into());
        }
        self.beyond(&policy)
    }

    fn beyond(&self, policy: &Policy) -> Option<String> {
        if !self.layers.hold_files() {
            return Some(NO_LAYER.to_owned());
        }
        let gaps = self.layers.gaps(policy).into_iter();
        let gaps = gaps.filter(|gap| !matches!(gap, Gap::PortsOfOthers | Gap::NoLoopback));
        let told: Vec<String> = gaps.map(|gap| gap.to_string()).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Why an agent cannot be in a sandbox of ours: it starts one itself.
fn brings_its_own(definition: &Definition, approval: AgentApproval) -> Option<String> {
    let (word, approval) = match approval {
        AgentApproval::Full => ("full", Approval::Full),
        AgentApproval::Edits => ("edits", Approval::Edits),
        AgentApproval::ReadOnly => ("readonly", Approval::Readonly),
    };
    definition.approval.sandboxed.contains(&approval).then(|| {
        format!(
            "with `approval: {word}`, `{}` starts a sandbox of its own, which cannot be within another: let it have \
             `approval: full`",
            definition.id
        )
    })
}

/// Whether the terms of an agent require a sandbox.
pub(super) fn is_required(terms: &AgentTerms<'_>) -> bool {
    terms.sandbox.as_deref().is_some_and(|sandbox| sandbox.mode == SandboxMode::Require)
}
