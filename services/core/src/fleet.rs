//! The five agents that every installation knows, whether or not it offers them.

use crate::ports::SecretKind;
use crate::spec::{Agent, Offer};
use crate::web::Repositories;

/// An agent, and the model that it uses unless an installation or a job says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub name: &'static str,
    pub model: &'static str,
    pub secret: SecretKind,
}

pub const FLEET: [Known; 5] = [
    Known { name: "claude", model: "claude-opus-4-5-20251101", secret: SecretKind::Anthropic },
    Known { name: "codex", model: "gpt-5.2-codex", secret: SecretKind::Openai },
    Known { name: "gemini", model: "gemini-3-pro-preview", secret: SecretKind::Google },
    Known { name: "aider", model: "deepseek/deepseek-coder", secret: SecretKind::Deepseek },
    Known { name: "grok", model: "grok-4.1", secret: SecretKind::Xai },
];

/// All five, with repositories from these hosts. `at_home` is for a machine whose owner is its only tenant: folders as
/// repositories, and callbacks to itself.
#[must_use]
pub fn offer(hosts: Vec<String>, at_home: bool) -> Offer {
    let agents = FLEET.iter().map(|agent| Agent {
        name: agent.name.to_owned(),
        model: Some(agent.model.to_owned()),
        secret: Some(agent.secret),
    });
    Offer {
        agents: agents.collect(),
        commands: true,
        repositories: Repositories { hosts, folders: at_home },
        callbacks_anywhere: at_home,
    }
}
