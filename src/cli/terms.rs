//! The terms on which an agent would do a task, here and now: who, with which model, how it reaches that, where it works,
//! and what it may use. Names of variables are told, never what is in them.

use outpost_agent::definition::Definitions;
use serde_json::{Value, json};

use crate::blueprint::model::{AgentTerms, SandboxMode};
use crate::blueprint::{Blueprint, TaskIndex, agent, agent_terms, site};
use crate::document::Text;
use crate::run::{Usage, micro};

/// How an agent reaches its model.
#[derive(PartialEq, Eq)]
enum Way {
    /// The variable that holds its key.
    Key(String),
    /// The one that is not set.
    Login(String),
    Nothing(String),
    /// The service has it.
    Service,
    NoKey,
    Undefined,
}

/// What holds for an agent's task.
pub(super) struct Terms<'b> {
    agent: &'b str,
    terms: AgentTerms<'b>,
    way: Way,
}

impl<'b> Terms<'b> {
    /// None where no agent does the task.
    pub(super) fn of(blueprint: &'b Blueprint<'_>, index: TaskIndex, known: Option<&Definitions>) -> Option<Self> {
        let agent = agent(blueprint, index)?;
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let context = blueprint.task(index).context.as_ref();
        let is_given = |name: &str| {
            context.is_some_and(|context| context.environment.iter().any(|(known, _)| known.as_str() == name))
        };
        let is_errand = site::of_errand(blueprint, index).is_some();
        let known = known.filter(|_| !is_errand);
        let way = match known.and_then(|known| known.get(agent)).map(|definition| &definition.auth) {
            None if is_errand => Way::Service,
            None => Way::Undefined,
            Some(None) => Way::NoKey,
            Some(Some(auth)) => {
                let variable = auth.secret.env.clone();
                match () {
                    () if is_given(&variable) || is_set(&variable) => Way::Key(variable),
                    () if is_set("HOME") => Way::Login(variable),
                    () => Way::Nothing(variable),
                }
            }
        };
        Some(Self { agent, terms: agent_terms(blueprint, index), way })
    }

    fn budget(&self) -> Usage {
        Usage { micro_usd: self.terms.usd.map(micro), tokens: self.terms.tokens }
    }

    fn sandbox(&self) -> SandboxMode {
        self.terms.sandbox.as_ref().map(|sandbox| sandbox.mode).unwrap_or_default()
    }

    /// In a line.
    pub(super) fn told(&self) -> String {
        let model = self
            .terms
            .model
            .as_ref()
            .map_or_else(|| "the model of its choice".to_owned(), |model| format!("model {model}"));
        let way = match &self.way {
            Way::Key(variable) => format!("with the key in {variable}"),
            Way::Login(variable) => format!("with its login, since {variable} is not set"),
            Way::Nothing(variable) => format!("without a key or a login: {variable} is not set"),
            Way::Service => "with the key that the tenant has at the service".to_owned(),
            Way::NoKey => "without a key, which it does not need".to_owned(),
            Way::Undefined => "which nobody defined here".to_owned(),
        };
        let place = if self.terms.is_isolated() { "in a tree of its own" } else { "in the project's directory" };
        let place = if self.way == Way::Service { "on the fleet, landing out of a tree of its own" } else { place };
        let walls = match self.sandbox() {
            _ if self.way == Way::Service => "in the sandbox of its worker",
            SandboxMode::Auto => "in the sandbox that is here",
            SandboxMode::Require => "in no case without a sandbox",
            SandboxMode::None => "without a sandbox",
        };
        let budget = self.budget();
        let budget = if budget.is_unbounded() {
            "without a budget of its own".to_owned()
        } else {
            format!("for at most {}", budget.plain())
        };
        format!("{}, {model}, {way}, {place}, {walls}, {budget}", self.agent)
    }

    pub(super) fn json(&self) -> Value {
        let (variable, access) = match &self.way {
            Way::Key(variable) => (Some(variable), "key"),
            Way::Login(variable) => (Some(variable), "login"),
            Way::Nothing(variable) => (Some(variable), "missing"),
            Way::Service => (None, "service"),
            Way::NoKey => (None, "none_needed"),
            Way::Undefined => (None, "unknown"),
        };
        json!({
            "agent": self.agent,
            "model": self.terms.model.as_ref().map(Text::as_str),
            "effort": self.terms.effort.as_ref().map(Text::as_str),
            "access": access,
            "variable": variable,
            "isolation": if self.terms.is_isolated() { "worktree" } else { "none" },
            "sandbox": match self.sandbox() {
                SandboxMode::Auto => "auto",
                SandboxMode::Require => "require",
                SandboxMode::None => "none",
            },
            "budget": self.budget(),
        })
    }
}
