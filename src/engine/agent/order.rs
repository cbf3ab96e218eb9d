//! What the processes of an agent's task are asked to do: files without secrets, written by the driver and read by
//! `outpost-bp __agent` and `outpost-bp __land`; and what these leave for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use outpost_agent::attempt::Job;
use outpost_container::{Container, Kind};
use outpost_executor::Token;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::run::Usage;

pub const VERSION: u32 = 1;
/// The largest file of them.
const LONGEST: u64 = 16 << 20;

/// Beside `outcome.json`: the order, and where the agent worked.
pub const ORDER: &str = "order.json";
pub const PLACE: &str = "place.json";
/// The variable with the path of the order: by it a program that the agent starts knows whose attempt it belongs to.
pub const VARIABLE: &str = "OUTPOST_ORDER";
/// What keeps the work of an attempt from landing.
pub const CONFLICT: &str = "conflict.json";

/// The work of `outpost-bp __agent ORDER.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub version: u32,
    pub job: Job,
    /// None: in the project's directory.
    pub tree: Option<Tree>,
    /// None: it may do what we may.
    pub sandbox: Option<Sandbox>,
    pub caps: Caps,
    /// Where the ports of the answer go; none where the task has no ports.
    pub output: Option<PortsFile>,
}

/// What the agent runs behind, as the document has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub required: bool,
    pub gateway_only: bool,
    pub read: Vec<String>,
    pub write: Vec<String>,
    /// Files that it is told of: its inputs, and what failed.
    pub handed: Vec<PathBuf>,
    pub project: PathBuf,
    /// Where runs are kept.
    pub store: PathBuf,
    /// Where the trees of agents are.
    pub trees: Option<PathBuf>,
}

/// What is left of the budgets of the task and of the run, for the gateway.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    pub micro_usd: Option<u64>,
    pub tokens: Option<u64>,
    /// Which of them are the run's, because less is left of that.
    #[serde(default)]
    pub usd_is_runs: bool,
    #[serde(default)]
    pub tokens_are_runs: bool,
}

impl Caps {
    /// What is left of a task's budget, and of the run's.
    pub fn of(task: Usage, run: Usage) -> Self {
        let both = task.within(run);
        Self {
            micro_usd: both.micro_usd,
            tokens: both.tokens,
            usd_is_runs: run.micro_usd.is_some() && run.micro_usd == both.micro_usd,
            tokens_are_runs: run.tokens.is_some() && run.tokens == both.tokens,
        }
    }

    /// Whether it is the run's budget at which an agent stopped that has used so much.
    pub fn stopped_by_run(&self, used: Usage) -> bool {
        let is_spent = |cap: Option<u64>, used: Option<u64>| cap.is_some_and(|cap| used.unwrap_or(0) >= cap);
        let own = (!self.usd_is_runs && is_spent(self.micro_usd, used.micro_usd))
            || (!self.tokens_are_runs && is_spent(self.tokens, used.tokens));
        (self.usd_is_runs || self.tokens_are_runs) && !own
    }

    /// What an agent used that was stopped by the run's budget: all of it, though some of it was only estimated.
    pub fn at_least(&self, used: Usage) -> Usage {
        let most =
            |is_runs: bool, cap: Option<u64>, used: Option<u64>| used.into_iter().chain(cap.filter(|_| is_runs)).max();
        match (self.usd_is_runs, self.tokens_are_runs) {
            // Which of the two it was nobody noted; one that is spent says it.
            (true, true) if used.micro_usd >= self.micro_usd || used.tokens >= self.tokens => used,
            _ => Usage {
                micro_usd: most(self.usd_is_runs, self.micro_usd, used.micro_usd),
                tokens: most(self.tokens_are_runs, self.tokens, used.tokens),
            },
        }
    }
}

/// The file that `OUTPOST_OUTPUT` names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortsFile {
    pub path: PathBuf,
    /// The one port whose text is the whole file.
    pub bare: Option<String>,
}

impl PortsFile {
    /// Writes them as the task's output is read.
    pub fn hand_over(&self, outputs: &Map<String, Value>) -> io::Result<()> {
        let text = match self.bare.as_ref().and_then(|port| outputs.get(port)) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => serde_json::to_string_pretty(outputs).map_err(io::Error::other)?,
        };
        fs::write(&self.path, text)
    }
}

/// The project's repository, and the names of a task in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// A folder of the project.
    pub project: PathBuf,
    pub cache: PathBuf,
    /// Ids: what folders and branches are called after them is made of them in one place.
    pub run: String,
    pub task: String,
}

/// A tree of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    pub names: Names,
    pub start: Start,
    /// Whether it begins with what the run began with: what landed meanwhile is not where the work is done.
    #[serde(default)]
    pub apart: bool,
    /// Where the agent works, from the top of the tree.
    pub within: PathBuf,
    pub allowed: Vec<String>,
    pub protected: Vec<String>,
    pub message: String,
    pub trailers: Vec<(String, String)>,
}

/// What a tree begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    Fresh,
    Keep,
    /// What did not merge, as the file of this attempt tells.
    Resolve(PathBuf),
}

/// The work of `outpost-bp __tree ORDER.json` and `outpost-bp __commit ORDER.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    pub version: u32,
    pub tree: Tree,
    /// What was committed is told here.
    pub place: PathBuf,
    /// Where an agent elsewhere did the work.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
}

/// Work that is not done in the tree, though it begins and ends there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// The remote of the project through which those who do it get what it begins with.
    pub push: Option<String>,
    /// What came back of it.
    pub changes: PathBuf,
    /// Lines for people, as [`Place`] has them.
    pub terms: Vec<String>,
}

/// What a process is told beside its order, on its standard input: it is written nowhere.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whisper {
    /// Variables for the agent that hold secrets.
    pub env: BTreeMap<String, String>,
    /// What is hidden in everything that is written.
    pub hide: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Whisper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whisper").field("env", &self.env.len()).field("hide", &self.hide.len()).finish()
    }
}

/// Where an attempt worked, and what it made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub version: u32,
    pub workspace: PathBuf,
    /// The layers between the agent and the machine, and how it reached its model: lines for people.
    #[serde(default)]
    pub terms: Vec<String>,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub commit: Option<String>,
    #[serde(default)]
    pub changed: Vec<String>,
    /// As `git diff --stat` tells it.
    #[serde(default)]
    pub changes: String,
    /// What must not land.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Why its work could not be committed.
    #[serde(default)]
    pub problem: Option<String>,
}

/// The work of `outpost-bp __land ORDER.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landing {
    pub version: u32,
    pub names: Names,
    pub place: PathBuf,
    pub conflict: PathBuf,
    pub message: String,
    pub within: PathBuf,
    pub checks: Vec<Check>,
    /// Where they run that do not run here; what its variables hold is told on standard input.
    #[serde(default)]
    pub inside: Option<Inside>,
    /// Whether somebody can resolve a conflict in the tree: an agent can, a command cannot.
    #[serde(default)]
    pub is_agents: bool,
}

/// A command that verifies a merged tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub name: String,
    pub program: String,
    pub args: Vec<String>,
    pub expected: i32,
    pub timeout_secs: u64,
    /// On this machine, wherever the task is.
    #[serde(default)]
    pub is_here: bool,
}

/// The container of a task's commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    pub kind: Option<Kind>,
    pub container: Container,
    /// What it is called after.
    pub token: Token,
    /// The tree of the task, in whose place the merged one is.
    pub tree: PathBuf,
    pub folders: Vec<PathBuf>,
    pub scope: String,
}

/// Writes a file that is there as a whole or not at all.
pub fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    super::super::store::private(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(value).map_err(io::Error::other)?)?;
    file.as_file().sync_data()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// What stands in such a file; none where there is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    serde_json::from_slice(&text).map(Some).map_err(io::Error::other)
}

/// Forgets such a file.
pub fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
