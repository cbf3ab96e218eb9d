//! What an agent answers with: `.outpost/result.json` in its workspace.
//!
//! The only channel that all agents have is a file. It is read with bounds, no symbolic link on the way to it is followed,
//! its values are held to the types of the task's ports, and it is gone afterwards: an answer of an earlier attempt never
//! passes for one of this. What it says is a claim; the verification of the task decides.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The folder of the answer, within the workspace.
pub const FOLDER: &str = ".outpost";
pub const FILE: &str = "result.json";
/// An answer that is being written.
const UNFINISHED: &str = "result.json.new";
/// The largest answer.
pub const LONGEST: u64 = 256 << 10;
const TOO_LARGE: &str = "`.outpost/result.json` is larger than 256 KiB";
/// The longest text in it.
const LONGEST_TEXT: usize = 64 << 10;

/// A value that the task has to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub name: String,
    #[serde(default)]
    pub kind: PortKind,
    #[serde(default)]
    pub description: String,
    /// Left out: it has to be there.
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
    /// A file or folder of the workspace, relative to it.
    Path,
    #[default]
    Json,
}

impl PortKind {
    pub const fn explain(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Path => "a path within the workspace, relative to it",
            Self::Json => "any JSON value",
        }
    }

    fn takes(self, value: &Value, workspace: &Path) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Path => value.as_str().is_some_and(|path| stays_inside(workspace, path)),
            Self::Json => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Done,
    Blocked,
    NeedsHuman,
}

/// What the agent says of its work. What nobody asked for is not kept: models like to add a key, and that is not worth an
/// attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: Status,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub outputs: Map<String, Value>,
    #[serde(default)]
    pub notes: String,
    /// What a person has to do.
    #[serde(default)]
    pub human_action: Option<String>,
}

/// Removes an answer that an earlier attempt may have left.
pub fn forget(workspace: &Path) {
    if let Ok(folder) = folder(workspace) {
        let _ = unlinkat(&folder, FILE, AtFlags::empty());
    }
}

/// The answer, and nothing of it is left: `Ok(None)` where there is none, `Err` with what to tell the agent.
pub fn take(workspace: &Path, ports: &[Port]) -> Result<Option<Answer>, String> {
    let Some(text) = read(workspace)? else {
        return Ok(None);
    };
    let mut answer: Answer = serde_json::from_slice(&text)
        .map_err(|error| format!("`{FOLDER}/{FILE}` is not what was asked for: {error}"))?;
    answer.outputs.retain(|name, _| ports.iter().any(|port| port.name == *name));
    check(&answer, ports, workspace)?;
    Ok(Some(answer))
}

/// Leaves an answer where [`take`] finds it, for an agent that hands it to a program of ours instead of writing it: held to
/// the same rules, and there as a whole or not at all. An output that nobody asked for is refused: whoever is told can
/// mend the name.
pub fn leave(workspace: &Path, ports: &[Port], answer: &Answer) -> Result<(), String> {
    if let Some(name) = answer.outputs.keys().find(|name| !ports.iter().any(|port| port.name == **name)) {
        let known: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        let known = if known.is_empty() { "has none".to_owned() } else { format!("has {}", known.join(", ")) };
        return Err(format!("the task has no output `{name}`; it {known}"));
    }
    check(answer, ports, workspace)?;
    let text = serde_json::to_vec_pretty(answer).map_err(|error| format!("it is no JSON: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(TOO_LARGE.to_owned());
    }
    write(workspace, &text).map_err(|error| format!("`{FOLDER}/{FILE}` cannot be written: {error}"))
}

fn write(workspace: &Path, text: &[u8]) -> std::io::Result<()> {
    match mkdirat(CWD, workspace.join(FOLDER), Mode::RWXU) {
        Err(error) if error != Errno::EXIST => return Err(error.into()),
        _ => {}
    }
    let folder = folder(workspace)?;
    let _ = unlinkat(&folder, UNFINISHED, AtFlags::empty());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&folder, UNFINISHED, flags, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(text)?;
    Ok(renameat(&folder, UNFINISHED, &folder, FILE)?)
}

fn check(answer: &Answer, ports: &[Port], workspace: &Path) -> Result<(), String> {
    for (name, text) in [("summary", &answer.summary), ("notes", &answer.notes)] {
        if text.len() > LONGEST_TEXT {
            return Err(format!("`{name}` in `{FOLDER}/{FILE}` is longer than 64 KiB"));
        }
    }
    for port in ports {
        match answer.outputs.get(&port.name) {
            Some(value) if !port.kind.takes(value, workspace) => {
                return Err(format!("output `{}` in `{FOLDER}/{FILE}` is not {}", port.name, port.kind.explain()));
            }
            None if !port.optional && answer.status == Status::Done => {
                return Err(format!("`{FOLDER}/{FILE}` has no output `{}`", port.name));
            }
            _ => {}
        }
    }
    Ok(())
}

fn folder(workspace: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let workspace = openat(CWD, workspace, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    openat(&workspace, FOLDER, flags, Mode::empty())
}

fn read(workspace: &Path) -> Result<Option<Vec<u8>>, String> {
    let refused = |error: Errno| match error {
        Errno::NOENT => None,
        Errno::LOOP | Errno::NOTDIR => Some(format!("`{FOLDER}/{FILE}` is reached through a symbolic link")),
        error => Some(format!("`{FOLDER}/{FILE}` cannot be read: {error}")),
    };
    let folder = match folder(workspace) {
        Ok(folder) => folder,
        Err(error) => return refused(error).map_or(Ok(None), Err),
    };
    // A pipe with this name would wait for ever.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, FILE, flags, Mode::empty());
    let text = match file {
        Ok(file) => bounded(file),
        Err(error) => refused(error).map_or(Ok(None), Err),
    };
    let _ = unlinkat(&folder, FILE, AtFlags::empty());
    // Stays where the project has something of its own in it.
    let _ = unlinkat(CWD, workspace.join(FOLDER), AtFlags::REMOVEDIR);
    text
}

fn bounded(file: OwnedFd) -> Result<Option<Vec<u8>>, String> {
    let stat = fstat(&file).map_err(|error| format!("`{FOLDER}/{FILE}` cannot be read: {error}"))?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(format!("`{FOLDER}/{FILE}` is no file"));
    }
    let mut text = Vec::new();
    let read = File::from(file).take(LONGEST + 1).read_to_end(&mut text);
    read.map_err(|error| format!("`{FOLDER}/{FILE}` cannot be read: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(TOO_LARGE.to_owned());
    }
    Ok(Some(text))
}

/// Whether it exists and is inside, links followed.
fn stays_inside(workspace: &Path, path: &str) -> bool {
    let is_plain = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let inside = || Some(workspace.join(path).canonicalize().ok()?.starts_with(workspace.canonicalize().ok()?));
    is_plain && !path.is_empty() && inside().unwrap_or_default()
}

#[cfg(test)]
mod tests;
