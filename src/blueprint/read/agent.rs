//! The terms of agents → [`AgentTerms`].

use super::field::{Fields, texts};
use crate::blueprint::model::{AgentApproval, AgentTerms, AgentTrust, Budget, Isolation};
use crate::document::Node;

/// Reads terms whose shape was checked.
pub(super) fn terms<'s>(node: &Node<'s>) -> AgentTerms<'s> {
    let Budget { usd, tokens } = budget(node, "budget");
    AgentTerms {
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
