//! The terms of agents → [`AgentTerms`].

use super::field::{Fields, texts};
use crate::blueprint::model::{AgentApproval, AgentTerms, AgentTrust, Budget, Isolation, Sandbox, SandboxMode};
use crate::document::Node;

/// Reads terms whose shape was checked.
pub(super) fn terms<'s>(node: &Node<'s>) -> AgentTerms<'s> {
    let Budget { usd, tokens } = budget(node, "budget");
    AgentTerms {
        name: node.filled("name"),
        model: node.filled("model"),
        effort: node.filled("effort"),
        approval: node.choice(
            "approval",
            &[("full", AgentApproval::Full), ("edits", AgentApproval::Edits), ("readonly", AgentApproval::ReadOnly)],
        ),
        trust: node.choice("trust", &[("own", AgentTrust::Own), ("untrusted", AgentTrust::Untrusted)]),
        max_turns: node.count("max_turns"),
        usd,
        tokens,
        isolation: isolation(node),
        paths: node.field("paths").map(texts),
        sandbox: node.field("sandbox").map(|written| Box::new(sandbox(node, written))),
    }
}

/// A word, or a mapping with more.
fn sandbox<'s>(terms: &Node<'s>, written: &Node<'s>) -> Sandbox<'s> {
    let modes = [("auto", SandboxMode::Auto), ("require", SandboxMode::Require), ("none", SandboxMode::None)];
    let mode = terms.choice("sandbox", &modes).or_else(|| written.choice("mode", &modes));
    Sandbox {
        mode: mode.unwrap_or_default(),
        read: written.field("read").map(texts).unwrap_or_default(),
        write: written.field("write").map(texts).unwrap_or_default(),
        gateway_only: written.choice("network", &[("open", false), ("gateway", true)]).unwrap_or_default(),
    }
}

/// Reads where the work is done.
pub(super) fn isolation(node: &Node<'_>) -> Option<Isolation> {
    node.choice("isolation", &[("worktree", Isolation::Worktree), ("none", Isolation::None)])
}

/// Reads a budget whose shape was checked.
pub(super) fn budget(node: &Node<'_>, key: &str) -> Budget {
    let budget = node.field(key);
    Budget {
        usd: budget.and_then(|budget| budget.field("usd")).and_then(Node::as_number),
        tokens: budget.and_then(|budget| budget.count("tokens")).map(u64::from),
    }
}
