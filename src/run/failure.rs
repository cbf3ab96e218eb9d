//! Why something failed, in the words of the format: a code, a phase, and what a person needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{GateDecision, Moment};

/// The format's error codes, as far as a task can have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailureCode {
    #[serde(rename = "E_PREFLIGHT_FAILED")]
    PreflightFailed,
    #[serde(rename = "E_DEPENDENCY_MISSING")]
    DependencyMissing,
    #[serde(rename = "E_SECRET_MISSING")]
    SecretMissing,
    #[serde(rename = "E_CAPABILITY_MISSING")]
    CapabilityMissing,
    #[serde(rename = "E_SETUP_FAILED")]
    SetupFailed,
    #[serde(rename = "E_EXECUTION_FAILED")]
    ExecutionFailed,
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    #[serde(rename = "E_VERIFICATION_FAILED")]
    VerificationFailed,
    #[serde(rename = "E_ROLLBACK_FAILED")]
    RollbackFailed,
    #[serde(rename = "E_LOCK_TIMEOUT")]
    LockTimeout,
    #[serde(rename = "E_CHECKPOINT_FAILED")]
    CheckpointFailed,
    /// Ours: a person said no, or said nothing in time.
    #[serde(rename = "E_GATE_REJECTED")]
    GateRejected,
    /// Ours: the run was stopped while it worked.
    #[serde(rename = "E_CANCELLED")]
    Cancelled,
}

impl FailureCode {
    /// All of them, as the format writes them.
    pub const WORDS: &'static [&'static str] = &[
        "E_PREFLIGHT_FAILED",
        "E_DEPENDENCY_MISSING",
        "E_SECRET_MISSING",
        "E_CAPABILITY_MISSING",
        "E_SETUP_FAILED",
        "E_EXECUTION_FAILED",
        "E_TIMEOUT",
        "E_VERIFICATION_FAILED",
        "E_ROLLBACK_FAILED",
        "E_LOCK_TIMEOUT",
        "E_CHECKPOINT_FAILED",
        "E_GATE_REJECTED",
        "E_CANCELLED",
    ];

    pub const fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailurePhase {
    Preflight,
    Setup,
    Execution,
    Verification,
    Cleanup,
}

impl FailurePhase {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Setup => "setup",
            Self::Execution => "execution",
            Self::Verification => "verification",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Why an attempt or a task failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
    pub phase: FailurePhase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The ends of what it printed, 10 KB each at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Whether the same again may go better; a wrong command does not.
    #[serde(default)]
    pub lasting: bool,
    /// What follows, where who did the work knows better than the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
}

/// How a task goes on after a failure that is not like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "go_on", rename_all = "snake_case")]
pub enum Course {
    /// By itself, from this moment on: whoever does the work was not to be had, so it is no failed attempt.
    Later { at: Moment },
    /// When a person says so.
    Ask,
}

impl Failure {
    pub fn new(code: FailureCode, phase: FailurePhase, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            phase,
            exit_code: None,
            stdout: String::new(),
            stderr: String::new(),
            lasting: false,
            course: None,
        }
    }

    /// Whether a person said no, or said nothing in time.
    pub fn is_rejection(&self) -> bool {
        self.code == FailureCode::GateRejected
    }
}

/// A person's no.
pub(super) fn rejected(decision: &GateDecision) -> Failure {
    let comment = if decision.comment.is_empty() { String::new() } else { format!(": {}", decision.comment) };
    let message = format!("{} rejected it{comment}", decision.by);
    Failure { lasting: true, ..Failure::new(FailureCode::GateRejected, FailurePhase::Preflight, message) }
}

/// Why a gate passed without a decision.
pub(super) fn undecided(unset: Option<&str>) -> String {
    unset.map_or_else(|| "nobody decided in time".to_owned(), |name| format!("nobody decided: `{name}` is not set"))
}

/// A gate that nobody decided.
pub(super) fn expired(reason: String) -> Failure {
    let failure = Failure::new(FailureCode::GateRejected, FailurePhase::Preflight, reason);
    Failure { lasting: true, ..failure }
}

#[cfg(test)]
mod tests {
    use super::FailureCode;

    #[test]
    fn codes_are_written_and_told_in_the_same_words() {
        for word in FailureCode::WORDS {
            let code: FailureCode = serde_json::from_value((*word).into()).expect("a code");
            assert_eq!(code.word(), *word);
        }
    }
}
