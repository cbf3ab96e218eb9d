//! What a coding agent's command line is like, as data: one TOML file for each agent.
//!
//! [`Definitions`] holds the built-in files and then the user's own, which win; a file of the repository that is worked
//! on is never read. A [`Definition`] that exists was checked (`check`): unknown keys, unknown placeholders and patterns
//! that are none were refused, all at once, with file, key and way out. It knows nothing of processes.

mod check;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use parts::{
    Aggregate, Approval, Auth, BaseUrl, Classify, Detect, EventRule, FailureRule, FileRule, Format, Install, Item,
    Join, Kill, Kind, MatchRule, Matches, Output, Pattern, PatternRule, Prompt, Protocol, ResultRule, Root, Run, Scope,
    Secret, Session, SessionId, SessionRule, TextRule, Trial, Trust, UsageRule, Version, Via,
};

/// The version of the format of these files.
pub const SCHEMA: u32 = 1;
/// The largest file that is read.
const LONGEST: u64 = 256 << 10;

const BUILT_IN: [(&str, &str); 5] = [
    ("claude", include_str!("../../agents/claude.toml")),
    ("codex", include_str!("../../agents/codex.toml")),
    ("gemini", include_str!("../../agents/gemini.toml")),
    ("aider", include_str!("../../agents/aider.toml")),
    ("grok", include_str!("../../agents/grok.toml")),
];

/// How to run one agent, and how to read what it says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub schema: u32,
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub install: Install,
    pub detect: Detect,
    /// None: it needs no key and speaks to no model.
    pub auth: Option<Auth>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub env_if_root: BTreeMap<String, String>,
    /// Variables of our own process that it may have, beside those that all have.
    #[serde(default)]
    pub env_pass: Vec<String>,
    #[serde(default, rename = "file")]
    pub files: Vec<FileRule>,
    pub prompt: Prompt,
    pub approval: Approval,
    #[serde(default)]
    pub trust: Trust,
    pub session: Session,
    #[serde(default)]
    pub vars: BTreeMap<String, Vec<Item>>,
    pub run: Run,
    pub output: Output,
    #[serde(default)]
    pub classify: Classify,
    #[serde(default)]
    pub kill: Kill,
    #[serde(default)]
    pub trial: Trial,
    /// SHA-256 of the file, for records.
    #[serde(skip)]
    pub digest: String,
    /// Where it was read, for messages.
    #[serde(skip)]
    pub origin: String,
}

/// All agents that can be asked for, by name.
#[derive(Clone, Debug, Default)]
pub struct Definitions(BTreeMap<String, Definition>);

/// A fault of a definition file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// The key, or the line where it could not be read at all.
    pub key: String,
    pub what: String,
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}: {}; help: {}", self.file, self.key, self.what, self.help)
    }
}

/// The definitions cannot be used: every problem that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError(pub Vec<Problem>);

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionError {}

impl Definitions {
    /// The built-in ones, and those of the user's folder: a folder that does not exist holds none.
    pub fn load(user_folder: Option<&Path>) -> Result<Self, DefinitionError> {
        let (mut all, mut problems) = (Self::default(), Vec::new());
        for (name, text) in BUILT_IN {
            all.take(name, &format!("agents/{name}.toml"), text, &mut problems);
        }
        for path in user_folder.map(|folder| toml_files(folder, &mut problems)).unwrap_or_default() {
            let file = path.display().to_string();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                problems.push(problem(&file, "its name", "is not UTF-8", "name it after the agent"));
                continue;
            };
            match bounded(&path) {
                Ok(text) => all.take(name, &file, &text, &mut problems),
                Err(error) => problems.push(problem(
                    &file,
                    "the file",
                    &format!("cannot be read: {error}"),
                    "make it a readable text file below 256 KiB, or remove it",
                )),
            }
        }
        if problems.is_empty() { Ok(all) } else { Err(DefinitionError(problems)) }
    }

    /// One definition from text; `name` is the name of its file without the ending.
    pub fn read(name: &str, file: &str, text: &str) -> Result<Definition, DefinitionError> {
        let mut definition: Definition = match toml::from_str(text) {
            Ok(definition) => definition,
            Err(error) => {
                let line =
                    error.span().map_or(1, |span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
                let help = "docs/AGENTS.md lists every key of a definition";
                return Err(DefinitionError(vec![problem(file, &format!("line {line}"), error.message(), help)]));
            }
        };
        file.clone_into(&mut definition.origin);
        definition.digest = hex(&Sha256::digest(text.as_bytes()));
        let problems = check::problems(name, file, &definition);
        if problems.is_empty() { Ok(definition) } else { Err(DefinitionError(problems)) }
    }

    fn take(&mut self, name: &str, file: &str, text: &str, problems: &mut Vec<Problem>) {
        match Self::read(name, file, text) {
            Ok(definition) => {
                self.0.insert(name.to_owned(), definition);
            }
            Err(error) => problems.extend(error.0),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.0.get(name)
    }

    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn problem(file: &str, key: &str, what: &str, help: &str) -> Problem {
    Problem { file: file.to_owned(), key: key.to_owned(), what: what.to_owned(), help: help.to_owned() }
}

fn toml_files(folder: &Path, problems: &mut Vec<Problem>) -> Vec<std::path::PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let what = format!("cannot be read: {error}");
            problems.push(problem(
                &folder.display().to_string(),
                "the folder",
                &what,
                "make it readable, or remove it",
            ));
            return Vec::new();
        }
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    found.sort();
    found
}

fn bounded(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?;
    if !length.is_file() || length.len() > LONGEST {
        return Err(io::Error::other("not a file of at most 256 KiB"));
    }
    fs::read_to_string(path)
}
