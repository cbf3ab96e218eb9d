//! What a run does beside the work of its tasks: undoing, following a success, hooks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command outside of any attempt: it is carried out once, also across a crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Chore {
    /// Undoes what a task did.
    Rollback { task: String },
    /// What a task asks for when it is complete.
    OnSuccess { task: String },
    /// What the run asks for.
    Hook { hook: Hook },
}

impl Chore {
    /// The task it belongs to.
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::Rollback { task } | Self::OnSuccess { task } => Some(task),
            Self::Hook { .. } => None,
        }
    }

    /// Whose files it has: a task's, or the run's. No task is called like the latter.
    pub fn owner(&self) -> &str {
        self.task().unwrap_or("_hooks")
    }

    /// Its name beside `run` and `verify:unit`: in logs and on the command line.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rollback { .. } => "rollback",
            Self::OnSuccess { .. } => "on_success",
            Self::Hook { hook } => hook.word(),
        }
    }
}

/// When a run asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before the first task.
    OnStart,
    /// Only people can make it go on.
    OnWaiting,
    /// All is done.
    OnSuccess,
    /// It ends in another way.
    OnFailure,
    /// It ends, after everything else.
    OnExit,
}

impl Hook {
    pub const ALL: [Self; 5] = [Self::OnStart, Self::OnWaiting, Self::OnSuccess, Self::OnFailure, Self::OnExit];

    pub const fn word(self) -> &'static str {
        match self {
            Self::OnStart => "on_start",
            Self::OnWaiting => "on_waiting",
            Self::OnSuccess => "on_success",
            Self::OnFailure => "on_failure",
            Self::OnExit => "on_exit",
        }
    }
}
