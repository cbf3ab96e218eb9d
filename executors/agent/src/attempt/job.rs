//! What one attempt is asked to do: a file that holds no secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::{Approval, Trust};
use crate::prompt::Brief;
use crate::stream::Totals;

pub const VERSION: u32 = 1;
/// The largest job.
const LONGEST: u64 = 4 << 20;

/// The work of `outpost-bp __agent JOB.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub version: u32,
    /// The name of a definition.
    pub agent: String,
    /// The user's own definitions.
    #[serde(default)]
    pub definitions: Option<PathBuf>,
    /// Of this attempt, made if it is not there: transcripts and `outcome.json`. Nobody but its owner may write to any
    /// folder above it, or gemini ignores the settings that keep a repository's hooks from running.
    pub folder: PathBuf,
    /// Of the task, for all its attempts: the agent's home with its sessions.
    pub state: PathBuf,
    pub workspace: PathBuf,
    pub brief: Brief,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub effort: Option<String>,
    #[serde(default)]
    pub approval: Approval,
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub access: Access,
    /// The session to go on with; none: a new one.
    #[serde(default)]
    pub resume: Option<Resume>,
    #[serde(default)]
    pub limits: Limits,
    /// Files that the agent begins with, where it takes such a list.
    #[serde(default)]
    pub files: Vec<String>,
    /// Variables for the agent, beside those it has anyway.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables of our own environment whose values must not be written anywhere.
    #[serde(default)]
    pub hide: Vec<String>,
}

/// How the agent reaches its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Through a gateway of ours, with a token that is good for this attempt only.
    #[default]
    Gate,
    /// By itself, with the provider's key from this variable of ours.
    Key { env: String, base_url: Option<String> },
    /// By itself, with the login that the user made: this is their home folder, and the agent has all of it.
    Login { home: PathBuf },
}

/// A session of an earlier attempt, as its outcome tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    pub session_id: String,
    #[serde(default)]
    pub totals: Totals,
}

/// When to stop. Times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub max_turns: Option<u32>,
    pub budget_usd: Option<f64>,
    /// Until it says anything.
    pub start: u64,
    /// Between two signs that the work goes on.
    pub idle: u64,
    /// The same while a tool of its runs.
    pub tool: u64,
    /// Between its result and its end.
    pub after_result: u64,
    /// For all of it; whoever started this process has a clock of their own.
    pub wall: Option<u64>,
    /// Bytes of its output that are kept.
    pub transcript: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_turns: None,
            budget_usd: None,
            start: 120,
            idle: 600,
            tool: 1800,
            after_result: 10,
            wall: None,
            transcript: 256 << 20,
        }
    }
}

impl Job {
    /// Reads a job, and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let file = File::open(path).map_err(|error| format!("the job `{place}` cannot be opened: {error}"))?;
        let mut text = Vec::new();
        let read = file.take(LONGEST + 1).read_to_end(&mut text);
        read.map_err(|error| format!("the job `{place}` cannot be read: {error}"))?;
        if text.len() as u64 > LONGEST {
            return Err(format!("the job `{place}` is larger than 4 MiB"));
        }
        let job: Self =
            serde_json::from_slice(&text).map_err(|error| format!("the job `{place}` is not one: {error}"))?;
        if job.version != VERSION {
            return Err(format!("the job `{place}` has version {}, and this program knows {VERSION}", job.version));
        }
        Ok(job)
    }
}
