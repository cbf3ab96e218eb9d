//! What is asked for, and its one judge: a [`Spec`], by the limits of its tenant and what this service offers.
//!
//! All mistakes are told at once, each with its place. Nothing is made smaller, shorter or different to fit.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ports::SecretKind;
use crate::tenant::{Limits, Tier};
use crate::web::{self, Repositories};

pub const TASK: usize = 200 * 1024;
pub const INPUTS: usize = 64 * 1024;
pub const PORTS: usize = 32;
pub const ACCEPTANCE: usize = 32;
pub const LABELS: usize = 16;
pub const VARIABLES: usize = 64;
pub const ARGUMENTS: usize = 1024;
/// All of it, as JSON. It lies in one row with how the job ended, and a row of DynamoDB has 400 KiB.
pub const WHOLE: usize = 272 * 1024;

/// What a tenant asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// An agent, or [`COMMAND`].
    pub agent: String,
    /// What is run where no agent is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What is to be done, in words; empty for a command.
    #[serde(default)]
    pub task: String,
    /// `owner/name` or an `https` address; a service on one machine may allow folders too. None: an empty workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// A branch, a tag or a commit; none: the repository's own choice.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Values for the agent, as data.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// Variables for whoever does it. Never secrets: those lie in the vault.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What the agent has to answer with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    pub timeout_seconds: u32,
    /// Told when the job is final, beside the tenant's webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// The tenant's own words for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The `agent` of a job that runs a command: in the same workspace, behind the same walls, with no model.
pub const COMMAND: &str = "command";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub argv: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdin: String,
}

/// A value that the agent has to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub name: String,
    #[serde(default)]
    pub kind: PortKind,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    String,
    Integer,
    Number,
    Boolean,
    Path,
    #[default]
    Json,
}

/// What the agent may use at the tenant's provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// A mistake in what was sent, and where it is, as a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: String,
    pub told: String,
}

impl Fault {
    pub fn new(at: impl Into<String>, told: impl Into<String>) -> Self {
        Self { at: at.into(), told: told.into() }
    }
}

/// An agent that workers of this service can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub name: String,
    /// The model it uses unless it is told another one.
    pub model: Option<String>,
    /// Which secret of the tenant it needs; the only one that it is given.
    pub secret: Option<SecretKind>,
}

/// What this service offers, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub agents: Vec<Agent>,
    /// Whether a job may run a command in place of an agent.
    pub commands: bool,
    pub repositories: Repositories,
    /// Whether callbacks and webhooks may go to this machine and its neighbours: for one machine only.
    pub callbacks_anywhere: bool,
}

impl Offer {
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.name == name)
    }
}

/// Judges a spec, and tells everything that is wrong with it.
pub fn check(spec: &Spec, tier: Tier, limits: &Limits, offer: &Offer) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |at: &str, told: String| faults.push(Fault::new(at, told));

    let is_command = spec.agent == COMMAND && offer.commands;
    if !is_command && offer.agent(&spec.agent).is_none() {
        let names: Vec<&str> = offer.agents.iter().map(|agent| agent.name.as_str()).collect();
        fault("/agent", format!("is no agent of this service: {}", names.join(", ")));
    } else if !limits.agents.allow(&spec.agent) {
        fault("/agent", format!("is not part of the tier `{tier}`"));
    }
    if let Some(model) = &spec.model
        && !word(model, 128, b"._:/-@")
    {
        fault("/model", "has to be the name of a model: 128 letters, digits and `._:/-@` at most".to_owned());
    }
    command(spec, &mut fault);
    if spec.task.trim().is_empty() && !is_command {
        fault("/task", "says nothing".to_owned());
    } else if spec.task.len() > TASK {
        fault("/task", format!("has {} bytes; {TASK} are allowed", spec.task.len()));
    } else if spec.task.contains('\0') {
        fault("/task", "holds a NUL".to_owned());
    }
    if let Some(repo) = &spec.repo
        && let Err(told) = offer.repositories.read(repo)
    {
        fault("/repo", told);
    }
    if let Some(reference) = &spec.reference {
        if spec.repo.is_none() {
            fault("/ref", "says which version of no repository".to_owned());
        } else if !is_reference(reference) {
            fault("/ref", "has to be a branch, a tag or a commit".to_owned());
        }
    }
    let inputs = serde_json::to_vec(&spec.inputs).map_or(usize::MAX, |text| text.len());
    if inputs > INPUTS {
        fault("/inputs", format!("has {inputs} bytes as JSON; {INPUTS} are allowed"));
    }
    if spec.timeout_seconds == 0 || spec.timeout_seconds > limits.timeout_seconds {
        let most = limits.timeout_seconds;
        fault("/timeout_seconds", format!("is {}; 1 to {most} are allowed in the tier `{tier}`", spec.timeout_seconds));
    }
    if let Some(budget) = &spec.budget
        && (budget.micro_usd == Some(0) || budget.tokens == Some(0))
    {
        fault("/budget", "leaves nothing to work with".to_owned());
    }
    if let Some(url) = &spec.callback_url
        && let Err(told) = web::callback(url, offer.callbacks_anywhere)
    {
        fault("/callback_url", told);
    }
    lists(spec, &mut fault);
    let whole = serde_json::to_vec(spec).map_or(usize::MAX, |text| text.len());
    if whole > WHOLE {
        fault("", format!("has {whole} bytes as JSON, all in all; {WHOLE} are allowed"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn command(spec: &Spec, fault: &mut impl FnMut(&str, String)) {
    match (&spec.command, spec.agent == COMMAND) {
        (None, true) => fault("/command", "is what this job is about, and is missing".to_owned()),
        (Some(_), false) => fault("/command", format!("is run where the agent is `{COMMAND}` only")),
        (Some(command), true) => {
            let bytes = command.argv.iter().map(String::len).sum::<usize>() + command.stdin.len();
            let first = command.argv.first().is_some_and(|program| !program.is_empty());
            if !first || command.argv.len() > ARGUMENTS || command.argv.iter().any(|part| part.contains('\0')) {
                fault("/command/argv", format!("has to be a program and {ARGUMENTS} words at most, without NUL"));
            }
            if bytes > TASK {
                fault("/command", format!("has {bytes} bytes; {TASK} are allowed"));
            }
        }
        (None, false) => {}
    }
    if spec.env.len() > VARIABLES {
        fault("/env", format!("has {} variables; {VARIABLES} are allowed", spec.env.len()));
    }
    if spec.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > INPUTS {
        fault("/env", format!("has more than {INPUTS} bytes"));
    }
    for (name, value) in spec.env.iter().take(VARIABLES) {
        let ours = name.starts_with("OUTPOST_");
        if ours
            || name.starts_with(|char: char| char.is_ascii_digit())
            || !word(name, 128, b"_")
            || value.contains('\0')
        {
            let told =
                "has to have names of letters, digits and `_`, none of ours (`OUTPOST_…`), and values without NUL";
            fault("/env", told.to_owned());
        }
    }
}

fn lists(spec: &Spec, fault: &mut impl FnMut(&str, String)) {
    if spec.ports.len() > PORTS {
        fault("/ports", format!("are {}; {PORTS} are allowed", spec.ports.len()));
    }
    let mut names = HashSet::new();
    for (at, port) in spec.ports.iter().enumerate().take(PORTS) {
        let starts_well = port.name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
        if !starts_well || !word(&port.name, 64, b"_-") {
            fault(
                &format!("/ports/{at}/name"),
                "has to be a letter, then 63 letters, digits, `_` and `-` at most".into(),
            );
        } else if !names.insert(port.name.as_str()) {
            fault(&format!("/ports/{at}/name"), format!("`{}` is there twice", port.name));
        }
        if port.description.len() > 1000 {
            fault(&format!("/ports/{at}/description"), "is longer than 1000 bytes".to_owned());
        }
    }
    if spec.acceptance.len() > ACCEPTANCE {
        fault("/acceptance", format!("has {} entries; {ACCEPTANCE} are allowed", spec.acceptance.len()));
    }
    for (at, text) in spec.acceptance.iter().enumerate().take(ACCEPTANCE) {
        if text.trim().is_empty() || text.len() > 2000 {
            fault(&format!("/acceptance/{at}"), "has to be 1 to 2000 bytes".to_owned());
        }
    }
    if spec.labels.len() > LABELS {
        fault("/labels", format!("are {}; {LABELS} are allowed", spec.labels.len()));
    }
    for (name, value) in spec.labels.iter().take(LABELS) {
        if !word(name, 63, b"._-/") || value.len() > 255 || value.chars().any(char::is_control) {
            let told = "have names of 63 letters, digits and `._-/`, and values of 255 bytes at most";
            fault("/labels", told.to_owned());
        }
    }
}

fn word(text: &str, most: usize, more: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}

/// What git takes for a name, and no option of it.
fn is_reference(text: &str) -> bool {
    let taken = |char: char| char.is_control() || char.is_whitespace() || "~^:?*[\\".contains(char);
    (1..=255).contains(&text.len())
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.ends_with(".lock")
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.contains(taken)
}
