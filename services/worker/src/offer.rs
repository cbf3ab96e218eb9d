//! Which agents the workers of an installation run, in the words of the desk's offer.

use std::path::Path;

use outpost_agent::definition::{Auth, Definitions, Protocol};
use outpost_core::fleet::FLEET;
use outpost_core::ports::SecretKind;
use outpost_core::spec::Agent;

use crate::Error;

/// The built-in agents and those of the operator, each with the secret that it needs.
pub fn agents(definitions: Option<&Path>) -> Result<Vec<Agent>, Error> {
    let definitions = Definitions::load(definitions).map_err(|error| Error::Agents(error.to_string()))?;
    let agents = definitions.names().filter_map(|name| definitions.get(name)).map(|definition| {
        let known = FLEET.iter().find(|known| known.name == definition.id);
        Agent {
            name: definition.id.clone(),
            model: known.map(|known| known.model.to_owned()),
            secret: known.map(|known| known.secret).or_else(|| definition.auth.as_ref().map(secret)),
        }
    });
    Ok(agents.collect())
}

/// Which of a tenant's secrets opens a provider: by the variable that its users know it by, else by what it speaks.
fn secret(auth: &Auth) -> SecretKind {
    let variable = auth.secret.env.as_str();
    match auth.protocol {
        _ if variable.starts_with("XAI") || variable.starts_with("GROK") => SecretKind::Xai,
        _ if variable.starts_with("DEEPSEEK") => SecretKind::Deepseek,
        Protocol::Anthropic => SecretKind::Anthropic,
        Protocol::OpenaiResponses | Protocol::OpenaiChat => SecretKind::Openai,
        Protocol::Gemini => SecretKind::Google,
    }
}

#[cfg(test)]
mod tests {
    use outpost_core::ports::SecretKind;

    use super::agents;

    #[test]
    fn each_built_in_agent_needs_its_own_providers_secret() {
        let agents = agents(None).expect("definitions");
        let needs = |name: &str| agents.iter().find(|agent| agent.name == name).expect("built in").secret;
        assert_eq!(needs("claude"), Some(SecretKind::Anthropic));
        assert_eq!(needs("codex"), Some(SecretKind::Openai));
        assert_eq!(needs("gemini"), Some(SecretKind::Google));
        assert_eq!(needs("grok"), Some(SecretKind::Xai));
        assert_eq!(needs("aider"), Some(SecretKind::Deepseek));
    }
}
